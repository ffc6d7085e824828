"""The texts of a data set in one file, written one by one and mapped into memory to read them."""

import mmap
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK = 5_000  # texts whose places are looked up together
ERRORS = "surrogatepass"  # keeps what the file's encoding allows


@contextmanager
def text_writer(folder: Path, name: str) -> Iterator[Callable[[Sequence[str]], None]]:
    """A function that appends texts to NAME.bin, in UTF-8, and their hashes, which this process alone can compare, to
    NAME.hashes (N,); at the end NAME.npy (N + 1,) has their offsets in bytes."""
    lengths = array("i", [0])

    def write(texts: Sequence[str]) -> None:
        encoded = [text.encode("utf-8", ERRORS) for text in texts]
        lengths.extend(map(len, encoded))
        stream.write(b"".join(encoded))
        hashes.write(array("q", map(hash, texts)))

    with open(folder / f"{name}.bin", "wb") as stream, open(folder / f"{name}.hashes", "wb") as hashes:
        yield write
    np.save(folder / f"{name}.npy", np.cumsum(lengths, dtype=np.int64))


class Texts(Sequence[str]):
    """texts[row], of the files of a text_writer; rows (N,) selects and orders them."""

    def __init__(self, folder: Path, name: str, rows: NDArray[np.int64] | None = None) -> None:
        self.file = folder / f"{name}.bin"
        self.rows = None if rows is None else np.asarray(rows)
        self.offsets = np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))  # a plain array is indexed faster
        with open(self.file, "rb") as stream:
            self.content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if self.offsets[-1] else b""

    def __len__(self) -> int:
        return len(self.offsets) - 1 if self.rows is None else len(self.rows)

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        row = row if self.rows is None else self.rows[row]
        return self.content[self.offsets[row] : self.offsets[row + 1]].decode("utf-8", ERRORS)

    def read(self, rows: NDArray[np.int64]) -> Iterator[str]:
        """texts[row] of ascending rows, read and not mapped, since what is mapped counts as memory of this process."""
        with open(self.file, "rb") as stream:
            for begin in range(0, len(rows), CHUNK):
                chunk = rows[begin : begin + CHUNK]
                chunk = chunk if self.rows is None else self.rows[chunk]
                starts = self.offsets[chunk]
                lengths = self.offsets[chunk + 1] - starts
                for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
                    stream.seek(start)
                    yield stream.read(length).decode("utf-8", ERRORS)


def in_order(texts: Sequence[str], rows: NDArray[np.int64]) -> Iterator[str]:
    """texts[row] of ascending rows."""
    return texts.read(rows) if isinstance(texts, Texts) else map(texts.__getitem__, rows.tolist())
