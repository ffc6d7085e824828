"""The files that a path names."""

import glob
from collections.abc import Sequence
from pathlib import Path

from gatelab.errors import DataError


def expand_paths(path: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files that a path, a glob, or a list of either names, globs in sorted order."""
    parts = [path] if isinstance(path, (str, Path)) else list(path)
    files: list[Path] = []
    for part in parts:
        expanded = Path(part).expanduser()
        if expanded.is_file():
            files.append(expanded)
            continue
        matches = [Path(match) for match in sorted(glob.glob(str(expanded), recursive=True)) if Path(match).is_file()]
        if not matches:
            if expanded.is_dir():
                raise DataError(f"{part}: is a folder. Name the files in it, for example '{expanded}/*.csv'.")
            raise DataError(f"{part}: no such file (looked from {Path.cwd()}). Check data.path.")
        files += matches
    if not files:
        raise DataError("data.path is empty: give a file, a list of files or a glob.")
    return files
