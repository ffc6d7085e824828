"""figures/gates/1.npz …: every gate of the trained model while it reads a chosen test row; see tasks/classification/trace.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.files import replacing
from gatelab.runs.folder import RunFolder

Reading = dict[str, NDArray[Any]]


def write_reading(file: Path, gates: Mapping[str, Any]) -> None:
    with replacing(file) as stream:
        np.savez_compressed(stream, **gates)


def read_readings(folder: RunFolder) -> dict[str, Reading]:
    """By the name of each file without .npz. Raises RunError, naming it, for one that write_reading has not written."""
    found = {}
    for file in sorted(folder.gates.glob("*.npz")):
        try:
            found[file.stem] = dict(np.load(file))
        except (ValueError, KeyError, OSError, BadZipFile) as error:
            raise unreadable(file, error) from None
    return found


def unreadable(file: Path, error: Exception) -> RunError:
    return RunError(f"{file}: cannot be read ({error}). Remove it to have the page without it.")
