"""What a report shows of single test rows: the texts of the most informative ones, and what the gates did on a few of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gatelab.runs.examples import write_examples
from gatelab.runs.folder import RunFolder
from gatelab.runs.readings import write_reading
from gatelab.screen import console
from gatelab.tasks.classification.trace import read_gates

MAX_ROWS = 4
MIN_TOKENS, MAX_TOKENS = 5, 60  # what a picture can hold and a person can follow; others only where there are none


def write_selected_examples(
    folder: RunFolder,
    module: Any,
    prepared: Any,
    rows: NDArray[Any],
    probabilities: NDArray[Any],
    max_length: int | None,
) -> None:
    """examples.json and figures/gates/*.npz. rows (N,) index the prepared data, probabilities (N, K)."""
    write_examples(folder.examples, prepared, rows, probabilities)
    try:
        write_gates(folder.gates, module, prepared, rows, probabilities, max_length)
    except Exception as error:  # an encoder of the user's own may trace otherwise; its run is worth more than a picture
        console.print(f"The gates could not be read ({error}); the report goes without them.")


def write_gates(
    folder: Path, module: Any, prepared: Any, rows: NDArray[Any], probabilities: NDArray[Any], max_length: int | None
) -> None:
    """1.npz and so on: the arrays of ``read_gates`` with role, source, line and label; nothing for an encoder without gates."""
    if not hasattr(module.encoder, "trace"):
        return
    labels = np.asarray(prepared.labels)[rows]
    lengths = np.diff(prepared.offsets)[rows]
    module.eval()
    reader: Any = SimpleNamespace(
        module=module,
        tokenizer=Tokenizer.from_file(str(prepared.tokenizer_file)),
        classes=prepared.classes,
        max_length=max_length,
        device=module.device,
    )
    folder.mkdir(parents=True, exist_ok=True)
    for number, (role, chosen) in enumerate(selected_rows(probabilities, labels, lengths), start=1):
        row = rows[chosen]
        gates = read_gates(reader, prepared.texts[row]) | {
            "role": np.array(role),
            "source": np.array(Path(prepared.record["files"][prepared.files[row]]).name),
            "line": np.array(prepared.lines[row]),
            "label": np.array(prepared.classes[prepared.labels[row]]),
        }
        write_reading(folder / f"{number}.npz", gates)


def selected_rows(probabilities: NDArray[Any], labels: NDArray[Any], lengths: NDArray[Any]) -> list[tuple[str, int]]:
    """Roles and indices: the most confident error, the least certain row, and the most confident correct rows of the
    largest classes, one each, those first that neither of the two is of. probabilities (N, K), labels and lengths (N,)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    fits = (lengths >= MIN_TOKENS) & (lengths <= MAX_TOKENS)
    free = fits if fits.any() else np.ones_like(fits)
    chosen: list[tuple[str, int]] = []

    def choose(role: str, among: NDArray[Any], order: NDArray[Any]) -> None:
        rows = np.flatnonzero(free & among)
        if len(rows) and len(chosen) < MAX_ROWS:
            row = int(rows[order[rows].argmin()])
            chosen.append((role, row))
            free[row] = False

    choose("most confident error", ~right, -confidence)
    choose("least certain", free, confidence)
    shown = {labels[row] for _, row in chosen}
    sizes = np.bincount(labels, minlength=probabilities.shape[1])
    for label in sorted(range(len(sizes)), key=lambda label: (label in shown, -sizes[label])):
        choose("most confident correct", right & (labels == label), -confidence)
    return chosen
