"""A trained model as one graph for other programs: torch.export's, or ONNX held against torch in onnxruntime.

B rows, T tokens of the longest, K outputs.
"""

import json
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gatelab.errors import RunError
from gatelab.recurrent.scan import ScanEncoder
from gatelab.tasks.sequence.sequence_module import SequenceModule

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-5  # of a probability, or relative to the largest number
DIMENSIONS = {name: torch.export.Dim(name) for name in ("rows", "tokens")}
SHAPES = ((3, 7), (1, 1), (2, 40))  # rows and tokens, which ONNX is held against torch with


class Graph(NamedTuple):
    """What is exported of a model.

    example: inputs for a number of rows and tokens, the same on each call. shapes: of each input, by number, the names in DIMENSIONS of
    those that are of any size. about: plain values for the metadata of ONNX. tokens: how its tokens are made, for the screen.
    """

    module: nn.Module
    inputs: Sequence[str]
    outputs: Sequence[str]
    example: Callable[[int, int], tuple[Tensor, ...]]
    shapes: tuple[Any, ...]
    about: dict[str, Any]
    tokens: str


class Predictions(nn.Module):
    """tokens (B, T) and lengths (B,), as for the module → predictions (B, K): probabilities, or numbers."""

    def __init__(self, module: SequenceModule) -> None:
        super().__init__()
        layers = getattr(module.encoder, "recurrent", None)
        if layers is not None:  # else an encoder of the user's own, exported as it is
            module.encoder = ScanEncoder(layers)
        self.module = module.eval().requires_grad_(False)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.module.predict(self.module(tokens, lengths))


def predictions_graph(module: SequenceModule, about: dict[str, Any]) -> Graph:
    shapes = ({0: "rows", 1: "tokens"}, {0: "rows"})
    return Graph(
        Predictions(module), ["tokens", "lengths"], ["predictions"], partial(random_rows, module), shapes, about,
        "padding is 0 on the right",
    )  # fmt: skip


def exported_program(graph: Graph) -> torch.export.ExportedProgram:
    """For any B and T. Raises RunError where torch.export cannot do it, as of an encoder of the user's own."""
    try:
        with quiet():
            shapes = as_dimensions(graph.shapes)
            return torch.export.export(graph.module, graph.example(*SHAPES[0]), dynamic_shapes=shapes)
    except Exception as error:  # torch has many
        raise RunError(f"this model cannot be exported: {first_line(error)}") from error


def onnx_model(program: torch.export.ExportedProgram, graph: Graph) -> tuple[bytes, float]:
    """The content of a .onnx file, and the largest difference of its outputs in onnxruntime from torch's, relative to the largest
    number where that is above 1.

    Raises RunError without the packages, and where the outputs differ.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise RunError(f"--onnx needs {', '.join(missing)}: pip install 'gatelab[onnx]'.")
    import onnxruntime

    try:
        with quiet():
            names = {"input_names": graph.inputs, "output_names": graph.outputs, "dynamic_shapes": graph.shapes}
            converted: Any = torch.onnx.export(program, dynamo=True, verbose=False, **names)  # type: ignore[arg-type]
            converted.model.metadata_props.update(
                {key: json.dumps(value, ensure_ascii=False) for key, value in graph.about.items()}
            )
            content = converted.model_proto.SerializeToString()
    except Exception as error:
        raise RunError(f"torch.onnx cannot export this model: {first_line(error)}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options)
    differences = []
    for shape in SHAPES:
        inputs = graph.example(*shape)
        expected = program.module()(*inputs)
        found = session.run(None, {name: part.numpy() for name, part in zip(graph.inputs, inputs, strict=True)})
        for one, other in zip(found, [expected] if isinstance(expected, Tensor) else expected, strict=True):
            values = other.numpy()
            differences.append(float(np.abs(one - values).max() / max(1.0, np.abs(values).max())))
    if not max(differences) <= TOLERANCE:
        raise RunError(
            f"the ONNX model's outputs differ from torch's by up to {max(differences):.1e}, so it is not written."
        )
    return content, max(differences)


def as_dimensions(shapes: Any) -> Any:
    """Those of Graph for torch.export, which takes no names."""
    if isinstance(shapes, dict):
        return {number: DIMENSIONS[name] for number, name in shapes.items()}
    return tuple(map(as_dimensions, shapes))


def random_rows(module: SequenceModule, num_rows: int, num_steps: int) -> tuple[Tensor, Tensor]:
    """Tokens (B, T) and lengths (B,), the first row the longest; the same on each call."""
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, num_steps + 1, (num_rows,), generator=random)
    lengths[0] = num_steps
    tokens = torch.randint(1, module.embedding.num_embeddings, (num_rows, num_steps), generator=random)
    return torch.where(torch.arange(num_steps) < lengths[:, None], tokens, 0), lengths


@contextmanager
def quiet() -> Any:
    """Without what torch and onnxscript say to their developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0]}"
