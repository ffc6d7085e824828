"""gatelab gates: what a finished run's gates do as it reads a text, as a picture and as numbers."""

import os
import tempfile
from pathlib import Path

import numpy as np

from gatelab.predict import finished
from gatelab.reports.gates import FORMATS, draw_gates
from gatelab.runs.folder import RunError
from gatelab.screen import console


def draw_text(run: str, output_dir: Path, text: str, out: Path | None) -> None:
    """Write the picture (default: figures/gates.svg of the run folder) and the .npz beside it, each replaced whole."""
    from gatelab.learning.gates import read_gates
    from gatelab.learning.predict import Predictor

    folder = finished(run, output_dir)
    if out is None:
        out = folder.path / "figures" / "gates.svg"
        out.parent.mkdir(exist_ok=True)
    if out.suffix not in FORMATS:
        raise RunError(
            f"--out {out}: the picture is a {', '.join(FORMATS)} file, not {out.suffix or 'one without ending'}."
        )
    if not out.parent.is_dir():
        raise RunError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    if not text.strip():
        raise RunError('The text is empty. Give what the model is to read: gatelab gates RUN "a text"')
    gates = read_gates(Predictor(folder.model), text)
    numbers = out.with_suffix(".npz")
    figure = draw_gates(gates)
    for target in (out, numbers):
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
        os.close(descriptor)
        try:
            if target is out:
                figure.savefig(temporary)
            else:
                np.savez_compressed(temporary, **gates)  # type: ignore[arg-type]
            os.chmod(temporary, 0o644)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    final = gates["probabilities"][-1]
    console.print(
        f"prediction  {gates['classes'][final.argmax()]} ({final.max():.4f}) after {len(final) and len(gates['tokens'])} tokens",
        markup=False,
    )
    console.print(f"picture     {out}\nnumbers     {numbers}", soft_wrap=True, markup=False)
