"""The files that a path names."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from gatelab.data.formats.text_folder import texts_in
from gatelab.errors import DataError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}")  # a Path has lost one of the slashes


def expand_paths(path: str | Path | Sequence[str | Path], *, ending: str = "csv") -> list[Path]:
    """The files, and folders of texts, that a path, a glob, or a list of either names, globs in sorted order. ending: of such a file,
    for an example."""
    parts = [path] if isinstance(path, (str, Path)) else list(path)
    files: list[Path] = []
    for part in parts:
        if _URL.match(str(part)):
            raise DataError(
                f"{part}: is a URL, and gatelab reads files. Download it, for example with curl -LO, and give the file."
            )
        expanded = Path(part).expanduser()
        if expanded.is_file() or (expanded.is_dir() and any(expanded.glob("*/*.txt"))):
            files.append(expanded)
            continue
        matches = [Path(match) for match in sorted(glob.glob(str(expanded), recursive=True)) if Path(match).is_file()]
        if not matches:
            if expanded.is_dir():
                inner = sorted(folder for folder in expanded.iterdir() if folder.is_dir() and texts_in(folder))
                if inner:
                    raise DataError(f"{part}: holds several folders of texts. Name one: {', '.join(map(str, inner))}.")
                raise DataError(f"{part}: is a folder. Name the files in it, for example '{expanded}/*.{ending}'.")
            if expanded.exists():
                raise DataError(f"{part}: is a FIFO, a device or a socket, and gatelab reads files. Give one.")
            raise DataError(f"{part}: no such file (looked from {Path.cwd()}). Check data.path.")
        files += matches
    if not files:
        raise DataError("data.path is empty: give a file, a list of files or a glob.")
    return files
