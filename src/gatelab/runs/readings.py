"""figures/gates/1.npz …: every gate of the trained model while it reads a selected test row; see tasks/sequence/trace.py.

shared_reading.npz: the same of a row that all runs with the same test rows have read.
"""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from gatelab.bounded import MIB, regular
from gatelab.errors import RunError
from gatelab.files import replacing
from gatelab.runs.folder import RunFolder

MAX_BYTES = 256 * MIB
# What read_arrays raises for a damaged file.
DAMAGES = (ValueError, LookupError, OSError, EOFError, MemoryError, BadZipFile, zlib.error)
T = TypeVar("T")


def write_reading(file: Path, gates: Mapping[str, Any]) -> None:
    with replacing(file) as stream:
        np.savez_compressed(stream, **gates)


def read_readings(folder: RunFolder, describe: Callable[[dict[str, NDArray[Any]]], T]) -> dict[str, T]:
    """What describe makes of the arrays of each file, by its name without .npz. Raises RunError, naming the file, for one that
    write_reading has not written or describe refuses."""
    return {file.stem: read_reading(file, describe) for file in sorted(folder.gates.glob("*.npz"))}


def read_reading(file: Path, describe: Callable[[dict[str, NDArray[Any]]], T]) -> T:
    """The same of one file."""
    try:
        return describe(read_arrays(file))
    except (*DAMAGES, TypeError, AttributeError) as error:
        raise RunError(f"{file}: cannot be read ({error}). Remove it to have the page without it.") from None


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    with open(file, "rb", opener=regular) as stream:
        with ZipFile(stream) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"it holds more than {MAX_BYTES // MIB} MiB, which no reading does")
        stream.seek(0)
        return dict(np.load(stream))
