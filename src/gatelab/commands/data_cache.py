"""gatelab cache: what the data cache holds, and a way to empty it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.table import Table

from gatelab.data.cache_folders import GIB, KINDS, Cache, Cached
from gatelab.errors import DataError
from gatelab.screen import console, counted


def show_cache(cache_dir: Path) -> None:
    """A table of the folders, the last used first, and their sums by kind."""
    folders = opened(cache_dir).folders()
    table = Table("kind", "size", "last use", "made from", "folder")
    for cached in reversed(folders):
        last_use = datetime.fromtimestamp(cached.last_use).strftime("%Y-%m-%d %H:%M")
        table.add_row(cached.kind, size(cached.num_bytes), last_use, ", ".join(cached.made_from), cached.path.name)
    if folders:
        console.print(table)
    sums = " · ".join(f"{kind} {summed([cached for cached in folders if cached.kind == kind])}" for kind in KINDS)
    console.print(f"{cache_dir}: {sums}", soft_wrap=True)


def clear_cache(cache_dir: Path) -> None:
    """Remove every folder that no process uses. Downloaded and generated files stay."""
    cache = opened(cache_dir)
    removed = cache.shrink(0)
    kept = cache.folders()
    in_use = f"; {summed(kept)} in use by a running process stay" if kept else ""
    console.print(f"{cache_dir}: removed {summed(removed)}{in_use}", soft_wrap=True)


def opened(cache_dir: Path) -> Cache:
    folder = cache_dir.expanduser()
    if not folder.is_dir():
        raise DataError(f"{cache_dir}: there is no such folder. --cache-dir names that of data.cache_dir.")
    return Cache(folder)


def summed(folders: Sequence[Cached]) -> str:
    return f"{counted(len(folders), 'folder')} of {size(sum(cached.num_bytes for cached in folders))}"


def size(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.2f} GiB" if num_bytes >= GIB / 10 else f"{num_bytes / 2**20:.1f} MiB"
