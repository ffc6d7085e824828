"""equations.json of a trained module, which the report shows."""

from typing import Any

from gatelab.recurrent.notation import latex, text
from gatelab.runs.cell_equations import write_equations
from gatelab.runs.folder import RunFolder


def write_encoder_equations(folder: RunFolder, encoder: Any) -> None:
    """Nothing for an encoder that has no formula."""
    if hasattr(encoder, "formula"):
        trees = encoder.formula()
        write_equations(folder.equations, [{"text": text(t), "latex": latex(t), "tree": t} for t in trees])
