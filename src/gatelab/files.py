"""Files written whole or not at all, and locks between processes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock


@contextmanager
def replacing(file: Path, previous: Path | None = None) -> Iterator[IO[bytes]]:
    """A stream whose content takes the place of file when the block ends; when it raises, all stays as it was.

    A temporary file in the same folder is flushed to the disk and renamed, then the folder flushed. What stood there is kept
    under the name previous, if given.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with open(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        if previous is not None and file.exists():
            os.replace(file, previous)
        os.replace(temporary, file)
        flush_folder(file.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def atomic_write(file: Path, content: str | bytes, previous: Path | None = None) -> None:
    """Replace a file by its new content, text as UTF-8. See replacing."""
    with replacing(file, previous) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def flush_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock_of(path: Path, wait: float = -1) -> FileLock:
    """The lock beside a file or folder, .NAME.lock: held by one process, let go by the operating system when that dies.

    wait: seconds until filelock.Timeout is raised; -1 waits without end.
    """
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=wait)
