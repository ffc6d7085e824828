"""gatelab export: a finished run's model for other programs."""

from collections.abc import Sequence
from pathlib import Path

from gatelab.commands.arguments import problem_of
from gatelab.commands.predict import finished
from gatelab.errors import RunError
from gatelab.screen import console


def export(
    run: str, output_dir: Path, *, onnx: Path | None, torch_file: Path | None, allow_targets: Sequence[str] = ()
) -> None:
    """Write the files, each once it is known to be right. Raises RunError for a run or a place that will not do."""
    import torch

    from gatelab.files import atomic_write, replacing
    from gatelab.tasks.model_folder import task_of_folder
    from gatelab.tasks.sequence.exported import exported_program, onnx_model

    folder = finished(run, output_dir)
    for option, file in (("--onnx", onnx), ("--torch", torch_file)):
        if file is not None and (problem := problem_of(file)):
            raise RunError(f"{option} {file}: {problem}. Name a file in a folder that is there.")
    graph = task_of_folder(folder.model, allow_targets).graph(folder.model, allow_targets)
    program = exported_program(graph)
    if torch_file is not None:
        with replacing(torch_file) as stream:
            torch.export.save(program, stream)
        console.print(f"torch       {torch_file}   torch.export.load reads it", soft_wrap=True)
    if onnx is not None:
        content, difference = onnx_model(program, graph)
        atomic_write(onnx, content)
        console.print(f"onnx        {onnx}   within {difference:.0e} of torch in onnxruntime", soft_wrap=True)
    console.print(f"graph       {', '.join(graph.inputs)} → {', '.join(graph.outputs)}", soft_wrap=True)
    console.print(f"tokens      {folder.model / 'tokenizer.json'} makes them; {graph.tokens}", soft_wrap=True)
