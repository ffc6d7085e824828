"""Files of word vectors, streamed: GloVe and fastText text, word2vec text and binary, safetensors with a file of words.

Text and binary may be packed by gzip or zip; what a file is, its first bytes say and not its name. N words, D numbers each.
"""

import gzip
import io
import os
import re
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.bounded import again, open_safetensors, regular
from gatelab.data.formats.compression import bounded, open_zip, refuse_bomb
from gatelab.errors import DataError
from gatelab.screen import errors

MIB = 2**20
MAX_WORD = 1000  # bytes
MAX_DIMENSION = 50_000
MAX_BROKEN = 10  # lines that are skipped; with more the file is refused
SNIFFED_LINES = 10
FORMATS = "Vectors are text (GloVe, word2vec, fastText .vec), word2vec binary, either as .gz or .zip, or .safetensors with a file of words."
FASTTEXT_MODEL = b"\xba\x16\x4f\x2f"
TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")

Wants = Callable[[str], bool]
Take = Callable[[str, NDArray[np.float32]], None]


class Layout(NamedTuple):
    """binary, or else text; num_vectors: as its header says, None without one."""

    binary: bool
    dimension: int
    num_vectors: int | None


def read_vectors(paths: Sequence[Path], wants: Wants, take: Take) -> list[str]:
    """Call take(word, vector (D,)) for each word of the file, in its order, that wants is true of; returns notes on what was skipped.

    paths: one file, or a .safetensors file with one matrix (N, D) and a text file of its N words, a line each.
    Holds one vector in memory. Raises DataError for a file that is no such file, is cut off, has more than 10 broken lines, or
    a number that is not finite.
    """
    matrices = [path for path in paths if path.suffix.lower() == ".safetensors"]
    if matrices or len(paths) != 1:
        words = [path for path in paths if path not in matrices]
        if len(matrices) != 1 or len(words) != 1:
            raise DataError(
                f"model.vectors={[str(path) for path in paths]}: give one file of vectors; a .safetensors file with that of its words, "
                "a line each: model.vectors=[vectors.safetensors,words.txt]."
            )
        return read_safetensors(matrices[0], words[0], wants, take)
    (path,) = paths
    with reading(path) as file:
        with unpacked(path, file) as stream:
            layout = sniff(path, stream.read(MIB))
        with unpacked(path, file, "reading vectors") as stream:
            if layout.num_vectors is not None:
                stream.readline()
            return (read_binary if layout.binary else read_text)(path, stream, layout, wants, take)


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """The open file. Raises DataError for what cannot be opened or read to its end."""
    try:
        with open(path, "rb", opener=regular) as file:
            yield file
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: an encrypted zip
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path}: cannot be read to its end ({reason}). Fetch it again.") from None


@contextmanager
def unpacked(path: Path, opened: IO[bytes], doing: str = "") -> Iterator[IO[bytes]]:
    """The unpacked content of an open file, from its start. doing: what the progress bar says, on a terminal."""
    from rich.progress import Progress

    hidden = not doing or not sys.stderr.isatty()
    with (
        Progress(console=errors, disable=hidden, transient=True) as progress,
        again(opened) as raw,
        progress.wrap_file(raw, os.fstat(raw.fileno()).st_size, description=doing) as counted,
        io.BufferedReader(counted, MIB) as file,  # type: ignore[type-var]
    ):
        magic = file.read(4)
        file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as stream:
                yield bounded(path, stream, file.tell)
        elif magic == b"PK\x03\x04":
            with open_zip(path, file) as archive:
                entry = only_member(path, archive)
                refuse_bomb(path, entry.file_size, min(entry.compress_size, os.fstat(raw.fileno()).st_size))
                with archive.open(entry) as member:
                    yield member
        else:
            yield file


def only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    members = [member for member in members if not member.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:8])
        raise DataError(f"{path}: has {len(members)} files ({names}). Unpack it and give one of them.")
    if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path}: is not packed by deflate. Unpack it and give the file.")
    return members[0]


def sniff(path: Path, head: bytes) -> Layout:
    """What a file is, from its first MiB. Raises DataError for one that holds no vectors."""
    start = head[:100].lstrip().lower()
    if not head.strip():
        raise DataError(f"{path}: is empty. Fetch it again.")
    if start.startswith((b"<!doctype", b"<html")):
        raise DataError(f"{path}: is a web page, not vectors. Fetch the file that the page links to.")
    if head.startswith(FASTTEXT_MODEL):
        raise DataError(f"{path}: is a model of fastText. Give its vectors as text, the .vec file beside it.")
    first, _, rest = head.partition(b"\n")
    header = re.fullmatch(rb"(\d{1,12}) (\d{1,9})\s*", first)
    if header:
        num_vectors, dimension = int(header[1]), int(header[2])
        if not 1 <= dimension <= MAX_DIMENSION or not num_vectors:
            raise DataError(f"{path}: line 1 announces {num_vectors:,} vectors of {dimension:,} numbers. {FORMATS}")
        is_text = trailing_numbers(rest.partition(b"\n")[0]) >= dimension or not is_binary(rest)
        return Layout(not is_text, dimension, num_vectors)
    if is_binary(head):
        raise DataError(f"{path}: is binary, without the first line of word2vec's format. {FORMATS}")
    lines = head.split(b"\n")[:SNIFFED_LINES]
    lines = lines[:-1] if len(lines) > 1 and (len(head) == MIB or not lines[-1]) else lines  # the last is not complete
    (dimension, votes), *_ = Counter(map(trailing_numbers, lines)).most_common(1)
    if not 2 <= dimension <= MAX_DIMENSION or 2 * votes <= len(lines):
        raise DataError(f"{path}: line 1, {show(first)}, is no word followed by the numbers of a vector. {FORMATS}")
    return Layout(False, dimension, None)


def is_binary(content: bytes) -> bool:
    """Whether its first bytes have a control character or are not UTF-8."""
    sample = content[:4096]
    if any(byte < 32 and byte not in TEXT_CONTROLS for byte in sample):
        return True
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(sample) - 4
    return False


def trailing_numbers(line: bytes) -> int:
    """How many of a line's fields after the first are numbers, counted from its end."""
    fields = line.replace(b"\t", b" ").strip(b" \r").split(b" ")[1:]
    return next((place for place, field in enumerate(reversed(fields)) if not is_number(field)), len(fields))


def is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def read_text(path: Path, stream: IO[bytes], layout: Layout, wants: Wants, take: Take) -> list[str]:
    """A word and D numbers a line. The word is all that stands before the numbers, so it may have spaces, as in GloVe 840B."""
    dimension, first_line = layout.dimension, 1 if layout.num_vectors is None else 2
    max_bytes = MAX_WORD + 64 * dimension
    broken: list[str] = []
    number = first_line - 1
    while line := stream.readline(max_bytes):
        number += 1
        line = line.replace(b"\t", b" ").rstrip(b" \r\n")
        if line.count(b" ") == dimension and not wants(line[: line.find(b" ")].decode("utf-8", "replace")):
            continue  # the case of nearly all lines, without a cut
        first, *fields = line.rsplit(b" ", dimension)
        word = first.decode("utf-8", "replace")
        if not word and not fields:
            continue
        if not word or len(fields) < dimension:
            problem = f"has {len(fields):,} numbers after its word"
        elif b" " in first and is_number(first.rsplit(b" ", 1)[1]):
            problem = "has more of them"
        elif not wants(word):
            continue
        elif not all(map(is_number, fields)):
            problem = "has something that is no number"
        else:
            take(word, finite(np.array(fields, dtype=np.float32), f"{path}: line {number:,}, '{word}'"))
            continue
        broken.append(f"line {number:,}, {show(line)}, {problem}")
        if len(broken) > MAX_BROKEN:
            raise DataError(
                f"{path}: {broken[0]}, where a word and {dimension:,} numbers are expected, and more than {MAX_BROKEN} lines are "
                "broken so. Fetch the file again, or remove these lines."
            )
    check_complete(path, number - first_line + 1, layout)
    return [f"{path.name}: {len(broken)} broken lines were skipped, the first: {broken[0]}"] if broken else []


def read_binary(path: Path, stream: IO[bytes], layout: Layout, wants: Wants, take: Take) -> list[str]:
    """word2vec's: each word, a space, D little-endian float32, and in some files a line end."""
    size = 4 * layout.dimension
    buffer, begin = b"", 0
    for number in range(layout.num_vectors or 0):
        if len(buffer) - begin < MAX_WORD + size:
            buffer, begin = buffer[begin:] + stream.read(MIB), 0
        end = buffer.find(b" ", begin, begin + MAX_WORD)
        if end < 0 and len(buffer) - begin >= MAX_WORD:
            raise DataError(
                f"{path}: vector {number + 1:,} begins with no word of at most {MAX_WORD:,} bytes, so this is not word2vec's binary format "
                f"with {layout.dimension:,} numbers a vector. {FORMATS}"
            )
        if end < 0 or len(buffer) < end + 1 + size:
            check_complete(path, number, layout)
        word = buffer[begin:end].lstrip(b"\n").decode("utf-8", "replace")
        begin = end + 1 + size
        if wants(word):
            vector = np.frombuffer(buffer, "<f4", layout.dimension, end + 1).astype(np.float32)
            take(word, finite(vector, f"{path}: vector {number + 1:,}, '{word}'"))
    return []


def read_safetensors(matrix: Path, words: Path, wants: Wants, take: Take) -> list[str]:
    """The only tensor of a file, (N, D), and the N lines of another."""
    from safetensors import SafetensorError

    try:
        with open_safetensors(matrix) as tensors:
            shapes = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118 -- no mapping
            if len(shapes) != 1 or len(next(iter(shapes.values()))) != 2:
                raise DataError(f"{matrix}: holds {shapes}, where one matrix is expected: a row of numbers a word.")
            ((name, (num_rows, _)),) = shapes.items()
            rows = tensors.get_slice(name)
            number = 0
            with reading(words) as file, unpacked(words, file) as stream:
                while line := stream.readline(MAX_WORD + 1):
                    number += 1
                    if len(line) > MAX_WORD:
                        raise DataError(
                            f"{words}: line {number:,} is no word. Give the words of {matrix.name}, a line each."
                        )
                    word = line.decode("utf-8", "replace").rstrip("\r\n")
                    if number <= num_rows and wants(word):
                        vector = rows[number - 1 : number][0].float().numpy()
                        take(word, finite(vector, f"{matrix}: row {number:,}, '{word}'"))
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{matrix}: cannot be read as safetensors: {error}. {FORMATS}") from None
    if number != num_rows:
        raise DataError(
            f"{words}: has {number:,} words, and {matrix.name} has {num_rows:,} rows. Give the words of each row."
        )
    return []


def check_complete(path: Path, num_found: int, layout: Layout) -> None:
    if layout.num_vectors is not None and num_found < layout.num_vectors:
        raise DataError(
            f"{path}: is cut off: line 1 announces {layout.num_vectors:,} vectors, and {num_found:,} are there. Fetch it again."
        )


def finite(vector: NDArray[np.float32], place: str) -> NDArray[np.float32]:
    if not np.isfinite(vector).all():
        raise DataError(f"{place}: has a number that is not finite. Remove the line, or fetch the file again.")
    return vector


def show(line: bytes) -> str:
    text = line[:40].decode("utf-8", "replace").strip()
    return f"'{text}{'…' if len(line) > 40 else ''}'"
