"""The data cache: folders named by what they depend on; those that were used longest ago go when all are too large together.

A folder is filled under another name and then renamed, so that it is there as a whole or not at all. The locks in locks/, which
the operating system releases when a process dies, say who fills a folder and who uses one.
"""

import hashlib
import itertools
import json
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, Timeout

from gatelab.data.cache_contents import damaged_file, write_contents
from gatelab.errors import DataError
from gatelab.files import NO_ROOM, lock_of

KINDS = ("rows", "prepared", "vectors")
RECORD, MADE_FROM = "record.json", "made_from.json"
PARTIAL = ".partial"
USE = "use"  # the lock under which folders begin to be used and are removed
GIB = 2**30
CACHE_GIB = 20.0  # the limit where none is given


@dataclass(frozen=True)
class Cached:
    """A folder of the cache; last_use in seconds since the epoch."""

    path: Path
    num_bytes: int
    last_use: float
    made_from: list[str]

    @property
    def kind(self) -> str:
        return self.path.parent.name


class Cache:
    """The folders of a cache, rows/, prepared/ and vectors/. limit_gib is what they may hold together, in GiB; a folder in use stays."""

    def __init__(self, root: Path, limit_gib: float = CACHE_GIB) -> None:
        self.root, self.limit, self._locks = root, limit_gib * GIB, root / "locks"
        with suppress(OSError):  # a cache that cannot be written to can still be read
            self._locks.mkdir(parents=True, exist_ok=True)

    def get(
        self, kind: str, key: Any, make: Callable[[Path], None], made_from: Sequence[str]
    ) -> tuple[Path, BaseFileLock | None]:
        """The folder of this kind and key, and the lock that keeps it as long as it is held. make fills the folder,
        record.json last, if it is not there; made_from are the names of the files that it comes from."""
        plain = json.dumps(key, sort_keys=True, default=str)
        folder = self.root / kind / hashlib.sha256(plain.encode()).hexdigest()[:20]
        if (held := self._hold(folder)) or (folder / RECORD).exists():
            if not (damaged := damaged_file(folder)):
                return folder, held
            self._discard(folder, damaged, held)
        with self._lock(folder.name):
            if not (folder / RECORD).exists():  # else another process has made it meanwhile
                partial = folder.with_suffix(PARTIAL)
                shutil.rmtree(partial, ignore_errors=True)  # of a process that died
                partial.mkdir(parents=True)
                try:
                    make(partial)
                    shutil.rmtree(folder, ignore_errors=True)  # without its record it is of no use
                    write_contents(partial)
                    (partial / MADE_FROM).write_text(json.dumps(list(made_from)), encoding="utf-8")
                    os.replace(partial, folder)
                except OSError as error:
                    if error.errno not in NO_ROOM:
                        raise
                    raise DataError(
                        f"{self.root}: cannot be written: {error.strerror}. Make room there (gatelab cache --clear), or name another "
                        "data.cache_dir."
                    ) from error
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
            held = self._hold(folder)
        self.shrink(self.limit)
        return folder, held

    def folders(self) -> list[Cached]:
        """Those that are there as a whole, the one that was used longest ago first."""
        found = []
        for record in itertools.chain.from_iterable(self.root.glob(f"{kind}/*/{RECORD}") for kind in KINDS):
            if record.parent.suffix == PARTIAL:
                continue
            with suppress(OSError, ValueError):  # removed by another process meanwhile
                files = [file.stat().st_size for file in record.parent.iterdir()]
                names = record.with_name(MADE_FROM)
                made_from = json.loads(names.read_text(encoding="utf-8")) if names.exists() else []
                found.append(Cached(record.parent, sum(files), record.stat().st_mtime, made_from))
        return sorted(found, key=lambda cached: cached.last_use)

    def shrink(self, limit: float) -> list[Cached]:
        """Remove the folders that were used longest ago until the others have at most so many bytes; those in use stay, and
        what dead processes left goes first. Returns what was removed."""
        for partial in itertools.chain.from_iterable(self.root.glob(f"{kind}/*{PARTIAL}") for kind in KINDS):
            with suppress(Timeout), self._lock(partial.stem, wait=0):
                shutil.rmtree(partial, ignore_errors=True)
        folders = self.folders()
        total, removed = sum(cached.num_bytes for cached in folders), []
        for cached in folders:
            if total > limit and self._remove(cached.path):
                total -= cached.num_bytes
                removed.append(cached)
        return removed

    def _discard(self, folder: Path, damaged: str, held: BaseFileLock | None) -> None:
        """Remove a damaged folder, so that it is made again. Raises DataError where that cannot be."""
        if held is not None:
            held.release()
        removed = False
        with suppress(OSError):
            removed = self._remove(folder)
        if not removed and (folder / RECORD).exists():
            raise DataError(
                f"{folder / damaged}: is damaged, and the folder is in use or cannot be removed. Remove it when no run uses it, or name "
                "another data.cache_dir."
            )
        warnings.warn(f"{folder / damaged} was damaged; the data is prepared again.", stacklevel=3)

    def _remove(self, folder: Path) -> bool:
        """Whether it was removed: not while a process uses it or fills one of its name."""
        with suppress(Timeout), self._lock(folder.name, wait=0):
            partial = folder.with_suffix(PARTIAL)
            with self._lock(USE):
                if self._in_use(folder):
                    return False
                with suppress(FileNotFoundError):
                    os.replace(folder, partial)
            shutil.rmtree(partial, ignore_errors=True)
            return True
        return False

    def _hold(self, folder: Path) -> BaseFileLock | None:
        """Mark a folder as used, now and while the lock is held. None if it is not there, or the cache cannot be written to."""
        with suppress(OSError), self._lock(USE):  # so that nobody removes it meanwhile
            if (folder / RECORD).exists():
                os.utime(folder / RECORD)
                for number in itertools.count():  # one for each process that uses it
                    with suppress(Timeout):
                        return self._lock(f"{folder.name}.{number}", wait=0).acquire().lock
        return None

    def _in_use(self, folder: Path) -> bool:
        for file in self._locks.glob(f".{folder.name}.*.lock"):
            try:
                with self._lock(file.name.removeprefix(".").removesuffix(".lock"), wait=0):
                    pass
            except Timeout:
                return True
        return False

    def _lock(self, name: str, wait: float = -1) -> BaseFileLock:
        return lock_of(self._locks / name, wait)
