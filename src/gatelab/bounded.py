"""Files of somebody else: only regular ones are opened, and no more is read of them than their kind may hold.

    open(file, "rb", opener=regular)    read_text(file, MAX)    read_json(file, MAX)    open_safetensors(file)    check_yaml(text)
    open_below(folder, file)    open_table(file)    copy_file(file, copy, MAX)

Each is opened once and examined while it is open, so that nobody can exchange it between a check and its use; again gives
another pass over one that is open.
"""

import errno
import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

MIB = 2**20
KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
MAX_TABLE_BYTES = 2048 * MIB
MAX_SAFETENSORS_HEADER = MIB  # some ten thousand tensors
# Of a YAML with settings. What Hydra and OmegaConf make of one is a hundred times as large, and they recurse.
MAX_YAML_BYTES = MIB
MAX_YAML_NODES = 20_000  # with those that its aliases stand for
MAX_YAML_DEPTH = 50


def regular(path: str, flags: int, *, dir_fd: int | None = None) -> int:
    """The opener of a regular file, for ``open``: waits for no FIFO and reads no device. Raises OSError that says what it is."""
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0), dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ENXIO:  # what opening a socket raises
            raise OSError(errno.EINVAL, "is a socket and no file", path) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder and no file", path)
    raise OSError(errno.EINVAL, f"is {KINDS.get(stat.S_IFMT(mode), 'something else')} and no file", path)


def open_below(folder: Path, file: Path) -> BinaryIO:
    """A regular file, for reading, of which nothing below folder is a link, whoever puts one there meanwhile.

    Raises OSError where something is, or for what is no regular file. Windows has no such question: there links are followed.
    """
    if not hasattr(os, "O_NOFOLLOW"):
        return open(file, "rb", opener=regular)
    *parents, name = file.relative_to(folder).parts
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for parent in parents:
            outer, place = place, os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(outer)
        return open(name, "rb", opener=lambda path, flags: regular(path, flags | os.O_NOFOLLOW, dir_fd=place))
    finally:
        os.close(place)


def read_bytes(file: Path, max_bytes: int) -> bytes:
    """The content of a regular file. Raises OSError where it is none or has more than max_bytes."""
    with open(file, "rb", opener=regular) as stream:
        return read_all(stream, file, max_bytes)


def read_all(stream: IO[bytes], file: Path, max_bytes: int) -> bytes:
    """As read_bytes, of a file that is open."""
    size = os.fstat(stream.fileno()).st_size  # nothing is set aside for one that is too large
    content = b"" if size > max_bytes else stream.read(max_bytes + 1)
    if max(size, len(content)) > max_bytes:
        raise too_large(file, max_bytes)
    return content


def too_large(file: Path, max_bytes: int) -> OSError:
    size = f"{max_bytes // MIB} MiB" if max_bytes >= MIB else f"{max_bytes:,} bytes"
    return OSError(errno.EFBIG, f"is larger than {size}, as no such file is", str(file))


def copy_file(file: Path, copy: Path, max_bytes: int) -> int:
    """Copy a regular file with its times, and return its size. Raises OSError where it is none, or holds more than max_bytes."""
    with open(file, "rb", opener=regular) as stream:
        status = os.fstat(stream.fileno())
        if status.st_size > max_bytes:
            raise too_large(file, max_bytes)
        with open(copy, "wb") as copied:
            copied.writelines(pieces(stream, status.st_size))
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    return status.st_size


def pieces(stream: IO[bytes], num_bytes: int) -> Iterator[bytes]:
    """No more of an open file than num_bytes, if it still grows."""
    while piece := stream.read(min(num_bytes, MIB)):
        num_bytes -= len(piece)
        yield piece


def open_table(file: Path) -> IO[str]:
    """A CSV that gatelab has written, for reading. Raises OSError for what is no regular file, ValueError where its last line is cut off
    or it is larger than any, such as one that ends in nothing but zeros."""
    stream = open(file, "rb", opener=regular)  # noqa: SIM115 -- the text closes it
    try:
        size = stream.seek(0, os.SEEK_END)
        if size > MAX_TABLE_BYTES:
            raise ValueError(f"it is larger than {MAX_TABLE_BYTES // MIB} MiB")
        stream.seek(max(0, size - 1))
        if stream.read() != b"\n":
            raise ValueError("its last line is not complete")
        stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return io.TextIOWrapper(stream, encoding="utf-8", newline="")


def read_text(file: Path, max_bytes: int) -> str:
    """As read_bytes, in UTF-8. Raises ValueError where it is not."""
    return read_bytes(file, max_bytes).decode("utf-8")


def read_json(file: Path, max_bytes: int) -> Any:
    """As read_text and parse_json."""
    return parse_json(read_text(file, max_bytes))


def parse_json(text: str) -> Any:
    """Raises ValueError for what is no JSON or is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def again(stream: IO[bytes]) -> BinaryIO:
    """Another stream of a file that is open, from its start; of all of them only the last may be read, since they share their place."""
    copy = open(os.dup(stream.fileno()), "rb")  # noqa: SIM115 -- whoever reads it closes it
    copy.seek(0)
    return copy


@contextmanager
def open_safetensors(file: Path) -> Iterator[Any]:
    """The tensors of a file, as safetensors.safe_open gives them.

    Raises OSError, ValueError or SafetensorError for what is no regular file, for a header that lists more than any model has, and for
    what is damaged.
    """
    from safetensors import safe_open

    with open(file, "rb", opener=regular) as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > MAX_SAFETENSORS_HEADER:
            raise ValueError(f"its header has {size:,} bytes, and at most {MAX_SAFETENSORS_HEADER:,} are read")
        # The library takes a path. This one leads to the open file, whatever bears its name meanwhile. Windows has no such path, and
        # lets nobody rename, remove or replace a file that is open.
        held = Path(f"/dev/fd/{stream.fileno()}")
        with safe_open(held if held.exists() else file, framework="pt") as tensors:
            yield tensors


class NamedText(io.StringIO):
    """A text as a file whose name errors of YAML tell."""

    def __init__(self, content: str, name: str) -> None:
        super().__init__(content)
        self.name = name


def check_yaml(content: str, name: str = "the text") -> None:
    """Raise ValueError for a YAML that would grow beyond measure where it is loaded: by its aliases, or by its depth.

    yaml.YAMLError, which tells the name, is raised where it is none. Reads events alone, which neither recurse nor follow aliases.
    """
    import yaml

    if len(content) > MAX_YAML_BYTES:
        raise ValueError(f"it has more than {MAX_YAML_BYTES:,} characters, which no settings have")
    sizes: dict[str, int] = {}  # of what each anchor stands for, in nodes
    opened: list[tuple[str | None, int]] = []  # the anchor of each collection that is open, and the nodes before it
    num_nodes = 0
    for event in yaml.parse(NamedText(content, name), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            num_nodes += sizes.get(event.anchor, MAX_YAML_NODES)  # one that is still open holds itself
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, num_nodes))
            num_nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = num_nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            num_nodes += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if num_nodes > MAX_YAML_NODES:
            raise ValueError(f"it holds more than {MAX_YAML_NODES:,} values, with those that its aliases repeat")
        if len(opened) > MAX_YAML_DEPTH:
            raise ValueError(f"it is nested more than {MAX_YAML_DEPTH} deep")
