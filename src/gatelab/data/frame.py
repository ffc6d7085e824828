"""A pandas DataFrame as a data source: a file of JSON Lines in the data cache, named by its content."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gatelab.errors import DataError
from gatelab.files import atomic_write


def write_frame(frame: pd.DataFrame, cache_dir: Path) -> Path:
    """The file of a frame's columns, without its index: the same rows are the same file. Line n is row n, counted from 1.

    Raises DataError for a frame without rows, and for columns that have no name of their own.
    """
    columns = [str(name) for name in frame.columns]
    if not len(frame):
        raise DataError("The DataFrame has no rows.")
    if frame.columns.nlevels > 1 or len(set(columns)) < len(columns):
        raise DataError(f"The DataFrame's columns need one name each, and are {', '.join(columns)}. Rename them.")
    cells = [list(map(plain, frame.iloc[:, place].tolist())) for place in range(len(columns))]
    lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*cells, strict=True))
    content = "".join(f"{line}\n" for line in lines).encode()
    file = cache_dir / "frames" / f"frame-{hashlib.sha256(content).hexdigest()[:10]}.jsonl"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, content)
    return file


def plain(value: Any) -> str | int | float | bool | list[Any] | None:
    """A cell as JSON has it: None where there is nothing, and what is no number or list as its text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool, int)):
        return value
    if pd.isna(value) is True:
        return None
    return value if isinstance(value, float) else str(value)
