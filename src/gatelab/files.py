"""Atomic writes, and locks between processes."""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def replacing(file: Path, previous: Path | None = None) -> Iterator[IO[bytes]]:
    """A stream whose content replaces file when the block ends; when it raises, the file is unchanged.

    A temporary file in the same folder is flushed to disk and renamed, then the folder is flushed. The old file is kept as
    previous, if given. An OSError names file.
    """
    refuse_special(file)
    with naming(file):
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


def is_temporary(file: Path) -> bool:
    """Whether a file is one that ``replacing`` leaves behind when its process is killed."""
    return re.fullmatch(r"\..+\.[a-z0-9_]{8}", file.name) is not None and file.is_file()


def refuse_special(file: Path) -> None:
    """Raise OSError for a device, FIFO or socket: a file in its place is not what the others that use it expect."""
    try:
        mode = os.lstat(file).st_mode
    except OSError:  # there is none; or what is wrong is said when it is written
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "is a device, a FIFO or a socket, and no file is put in its place", str(file))


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Of a system error that names no file, or a temporary one, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(f".{file.name}."):
            error.filename = str(file)
        raise


def atomic_write(file: Path, content: str | bytes, previous: Path | None = None) -> None:
    """Replace the content of a file atomically, text as UTF-8. See replacing."""
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
    """The lock beside a file or folder, .NAME.lock: held by one process, released by the operating system when it dies.
    wait: seconds until filelock.Timeout is raised; -1 waits forever."""
    path = path if path.name not in ("", "..") else path.resolve()  # of a folder that is named from inside
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=wait)
