"""Test rows that pages show the gates of, each with its role, and the readings of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gatelab.runs.folder import RunFolder
from gatelab.runs.readings import write_reading
from gatelab.screen import console
from gatelab.tasks.sequence.trace import read_gates

MAX_ROWS = 4
MIN_TOKENS, MAX_TOKENS = 5, 60  # what a picture can hold and a person can follow; others only where there are none
SHARED = "the same in every run"  # the role of the row that a sweep's page shows as each arm reads it
SHARED_TOKENS = 20
Chosen = list[tuple[str, int]]  # roles and indices


class Selection:
    """Rows chosen one by one, none twice. lengths (N,) in tokens."""

    def __init__(self, lengths: NDArray[Any]) -> None:
        fits = (lengths >= MIN_TOKENS) & (lengths <= MAX_TOKENS)
        self.free = fits if fits.any() else np.ones_like(fits)
        self.chosen: Chosen = []

    def choose(self, role: str, among: NDArray[Any], order: NDArray[Any]) -> None:
        """The free row with the smallest order, if there is one among those and room for it; both (N,)."""
        rows = np.flatnonzero(self.free & among)
        if len(rows) and len(self.chosen) < MAX_ROWS:
            row = int(rows[order[rows].argmin()])
            self.chosen.append((role, row))
            self.free[row] = False


def shared_row(lengths: NDArray[Any], rows: NDArray[Any]) -> int:
    """The index of the row with nearly 20 tokens, of several the first in the data: it depends on no model. lengths (N,) in tokens, rows (N,)
    of the prepared data."""
    return int(np.lexsort((rows, np.abs(lengths - SHARED_TOKENS)))[0])


def write_gates(
    folder: RunFolder, module: Any, prepared: Any, chosen: Chosen, truths: list[str], max_length: int | None
) -> None:
    """figures/gates/1.npz and so on, and shared_reading.npz of the row in that role: the arrays of ``read_gates`` with role, source, line and
    label (of truths); nothing for an encoder without gates. chosen: roles with rows of the prepared data."""
    if not hasattr(module.encoder, "trace"):
        return
    module.eval()
    reader: Any = SimpleNamespace(
        module=module,
        tokenizer=Tokenizer.from_file(str(prepared.tokenizer_file)),
        classes=prepared.classes,
        max_length=max_length,
        device=module.device,
    )
    folder.gates.mkdir(parents=True, exist_ok=True)
    try:
        for number, ((role, row), truth) in enumerate(zip(chosen, truths, strict=True), start=1):
            gates = read_gates(reader, prepared.texts[row], attributions=role != SHARED) | {
                "role": np.array(role),
                "source": np.array(Path(prepared.record["files"][prepared.files[row]]).name),
                "line": np.array(prepared.lines[row]),
                "label": np.array(truth),
            }
            write_reading(folder.shared_reading if role == SHARED else folder.gates / f"{number}.npz", gates)
    except Exception as error:  # an encoder of the user's own may trace otherwise; its run is worth more than a picture
        console.print(f"The gates could not be read ({error}); the report goes without them.")
