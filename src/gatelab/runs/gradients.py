"""gradients.csv: how far the gradient reaches back, a line for each step and part of the state."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gatelab.bounded import open_table
from gatelab.errors import RunError
from gatelab.files import atomic_write

HEADER = ["weights", "state", "step", "norm"]
WEIGHTS = ("start", "end")


class Reach(NamedTuple):
    """norms: of the loss's derivative with respect to one part of the state (h, c) of the last layer, the others held, after each step."""

    weights: str  # start or end of the training
    state: str
    norms: list[float]


def write_gradients(file: Path, reaches: Sequence[Reach]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    for reach in reaches:
        writer.writerows([*reach[:2], step, repr(norm)] for step, norm in enumerate(reach.norms, 1))
    atomic_write(file, stream.getvalue())


def read_gradients(file: Path) -> list[Reach]:
    """In the order of the file; none without a file. Raises RunError for a damaged one."""
    found: dict[tuple[str, str], list[float]] = {}
    try:
        with open_table(file) as stream:
            lines = csv.reader(stream)
            if next(lines, None) != HEADER:
                raise ValueError(f"its first line is not {','.join(HEADER)}")
            for weights, state, step, norm in lines:
                norms = found.setdefault((weights, state), [])
                norms.append(float(norm))
                if int(step) != len(norms) or weights not in WEIGHTS or math.isnan(norms[-1]):
                    raise ValueError(f"step {step} of {state} is out of order, or no number")
    except FileNotFoundError:
        return []
    except (ValueError, csv.Error, OSError) as error:
        raise RunError(
            f"{file}: cannot be read as gradients: {getattr(error, 'strerror', None) or error}. gatelab gradients writes it again."
        ) from None
    return [Reach(*key, norms) for key, norms in found.items()]
