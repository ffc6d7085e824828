"""The sha256 of a file, which identifies its content wherever it lies."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from gatelab.bounded import MIB, read_json, regular
from gatelab.errors import DataError
from gatelab.files import replacing

MAX_CACHED = 1000
MAX_CACHE_BYTES = 16 * MIB


def sha256_of(path: Path, cache: Path | None = None) -> str:
    """The sha256 of a file, or of the paths and contents in a folder, in hex; cached in the JSON file cache while nothing has
    changed that the file system knows of it: sizes, inodes, and times of content and of properties, which no program sets.

    Raises DataError for a file that changes while it is read.
    """
    try:
        before = state_of(path)
        key = os.path.abspath(path)
        if cache is not None:
            cached = read_cache(cache).get(key)
            if cached and cached[0] == before:
                return cached[1]
        digest = hashlib.sha256()
        for file in files_in(path):
            if file != path:
                digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            with open(file, "rb", opener=regular) as stream:
                while chunk := stream.read(MIB):
                    digest.update(chunk)
        if state_of(path) != before:
            raise DataError(f"{path}: was changed while it was read. Start again when it is complete.")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Check that the path names a readable file."
        ) from None
    if cache is not None:
        add_to_cache(cache, key, (before, digest.hexdigest()))
    return digest.hexdigest()


def while_unchanged(inputs: Mapping[Path, str], cache: Path, make: Callable[[Path], None]) -> Callable[[Path], None]:
    """make, which reads the inputs into a folder, and after it a DataError for one that no longer has its sha256."""

    def checked(folder: Path) -> None:
        make(folder)
        for file, digest in inputs.items():
            if sha256_of(file, cache) != digest:
                raise DataError(f"{file}: was changed while it was read. Start again when it is complete.")

    return checked


def files_in(path: Path) -> list[Path]:
    """A file itself; of a folder all files in order, hidden ones left out."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("[!.]*") if file.is_file())


def state_of(path: Path) -> str:
    """What the file system says of a file, or of a folder and all in it; another after any change."""
    paths = [path, *path.rglob("*/"), *files_in(path)] if path.is_dir() else [path]
    stats = [place.stat() for place in paths]
    states = [[stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns] for stat in stats]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest() if len(states) > 1 else json.dumps(states[0])


def read_cache(cache: Path) -> dict[str, tuple[str, str]]:
    """The entries of the cache; empty if it is missing or damaged."""
    try:
        entries = read_json(cache, MAX_CACHE_BYTES)
        return {key: (str(state), str(digest)) for key, (state, digest) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def add_to_cache(cache: Path, key: str, entry: tuple[str, str]) -> None:
    entries = read_cache(cache)
    entries.pop(key, None)
    entries[key] = entry  # the newest last
    text = json.dumps(dict(list(entries.items())[-MAX_CACHED:]), indent=0)
    with suppress(OSError), replacing(cache) as file:  # a read-only folder costs only time
        file.write(text.encode())
