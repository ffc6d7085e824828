"""gatelab gates: the gates of a finished run as it reads a text, as a figure and as numbers."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from gatelab.commands.predict import finished, predictor_of
from gatelab.data.formats.records import well_formed
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.reports.charts.gate_picture import FORMATS, draw_gates
from gatelab.reports.charts.reading import answer_probability
from gatelab.runs.readings import write_reading
from gatelab.screen import console, counted


def draw_text(run: str, output_dir: Path, text: str, out: Path | None, *, allow_targets: Sequence[str] = ()) -> None:
    """Write the figure (default: figures/gates.svg of the run folder) and the .npz beside it."""
    folder = finished(run, output_dir)
    if out is None:
        out = folder.path / "figures" / "gates.svg"
        out.parent.mkdir(exist_ok=True)
    if out.suffix not in FORMATS:
        raise RunError(
            f"--out {out}: the figure is a {', '.join(FORMATS)} file, not {out.suffix or 'one without ending'}."
        )
    if not out.parent.is_dir():
        raise RunError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    if not text.strip():
        raise RunError('The text is empty. Give what the model is to read: gatelab gates RUN "a text"')
    gates = predictor_of(folder, allow_targets).read_gates(well_formed(text))
    numbers = out.with_suffix(".npz")
    picture = BytesIO()
    draw_gates(gates).savefig(picture, format=out.suffix[1:])
    atomic_write(out, picture.getvalue())
    write_reading(numbers, gates)
    probability = f" ({answer_probability(gates):.4f})" if "probabilities" in gates else ""
    console.print(f"prediction  {gates['answer']}{probability} after {counted(len(gates['tokens']), 'token')}")
    console.print(f"figure      {out}\nnumbers     {numbers}", soft_wrap=True)
