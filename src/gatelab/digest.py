"""The sha256 of a file, which identifies its content wherever it lies."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from gatelab.bounded import regular
from gatelab.errors import DataError
from gatelab.files import replacing

MIB = 2**20
MAX_CACHED = 1000


def sha256_of(path: Path, cache: Path | None = None) -> str:
    """The sha256 of a file, or of the paths and contents in a folder, in hex; cached in the JSON file cache while size and
    mtime are unchanged."""
    try:
        before = size_and_time(path)  # taken first: a file that changes while it is read is read again next time
        key = os.path.abspath(path)
        if cache is not None:
            cached = read_cache(cache).get(key)
            if cached and cached[:2] == before:
                return str(cached[2])
        digest = hashlib.sha256()
        for file in files_in(path):
            if file != path:
                digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            with open(file, "rb", opener=regular) as stream:
                while chunk := stream.read(MIB):
                    digest.update(chunk)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Check that the path names a readable file."
        ) from None
    if cache is not None:
        add_to_cache(cache, key, [*before, digest.hexdigest()])
    return digest.hexdigest()


def files_in(path: Path) -> list[Path]:
    """A file itself; of a folder all files in order, hidden ones left out."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("[!.]*") if file.is_file())


def size_and_time(path: Path) -> list[int]:
    """In bytes and nanoseconds; of a folder the sum, and the latest change of a file or folder in it."""
    stats = [file.stat() for file in files_in(path)]
    folders = [folder.stat() for folder in (path, *path.rglob("*/"))] if path.is_dir() else []
    return [sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in (*stats, *folders))]


def read_cache(cache: Path) -> dict[str, list[int | str]]:
    """The entries of the cache; empty if it is missing or damaged."""
    try:
        entries = json.loads(cache.read_text(encoding="utf-8"))
        return {key: [int(size), int(mtime), str(digest)] for key, (size, mtime, digest) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


def add_to_cache(cache: Path, key: str, entry: list[int | str]) -> None:
    entries = read_cache(cache)
    entries.pop(key, None)
    entries[key] = entry  # the newest last
    text = json.dumps(dict(list(entries.items())[-MAX_CACHED:]), indent=0)
    with suppress(OSError), replacing(cache) as file:  # a read-only folder costs only time
        file.write(text.encode())
