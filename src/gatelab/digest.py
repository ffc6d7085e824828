"""The sha256 of a file, which identifies its content wherever it lies."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from gatelab.errors import DataError
from gatelab.files import replacing

MIB = 2**20
MAX_CACHED = 1000


def sha256_of(path: Path, cache: Path | None = None) -> str:
    """The sha256 of a file, in hex; cached in the JSON file cache while size and mtime are unchanged."""
    try:
        before = path.stat()  # taken first: a file that changes while it is read is read again next time
        key = os.path.abspath(path)
        if cache is not None:
            cached = read_cache(cache).get(key)
            if cached and cached[:2] == [before.st_size, before.st_mtime_ns]:
                return str(cached[2])
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(MIB):
                digest.update(chunk)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Check that the path names a readable file."
        ) from None
    if cache is not None:
        add_to_cache(cache, key, [before.st_size, before.st_mtime_ns, digest.hexdigest()])
    return digest.hexdigest()


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
