"""figures/gates/1.npz …: every gate of the trained model while it reads a selected test row; see tasks/sequence/trace.py."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.files import replacing
from gatelab.runs.folder import RunFolder

T = TypeVar("T")


def write_reading(file: Path, gates: Mapping[str, Any]) -> None:
    with replacing(file) as stream:
        np.savez_compressed(stream, **gates)


def read_readings(folder: RunFolder, describe: Callable[[dict[str, NDArray[Any]]], T]) -> dict[str, T]:
    """What describe makes of the arrays of each file, by its name without .npz. Raises RunError, naming the file, for one that
    write_reading has not written or describe refuses."""
    found = {}
    for file in sorted(folder.gates.glob("*.npz")):
        try:
            found[file.stem] = describe(dict(np.load(file)))
        except (ValueError, KeyError, OSError, BadZipFile) as error:
            raise RunError(f"{file}: cannot be read ({error}). Remove it to have the page without it.") from None
    return found
