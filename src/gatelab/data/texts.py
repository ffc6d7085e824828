"""The texts of a prepared data set as they were read, in one file with offsets."""

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CHUNK = 20_000
ERRORS = "surrogatepass"  # keeps what the file's encoding allows


def write_texts(folder: Path, texts: Sequence[str]) -> None:
    """Write texts.bin, the texts in UTF-8, and text_offsets.npy (N + 1,), in bytes."""
    lengths = np.zeros(len(texts) + 1, dtype=np.int64)
    with open(folder / "texts.bin", "wb") as stream:
        for begin in range(0, len(texts), CHUNK):
            encoded = [text.encode("utf-8", ERRORS) for text in texts[begin : begin + CHUNK]]
            lengths[begin + 1 : begin + 1 + len(encoded)] = [len(text) for text in encoded]
            stream.writelines(encoded)
    np.save(folder / "text_offsets.npy", np.cumsum(lengths))


class Texts:
    """texts[row], from a file mapped into memory."""

    def __init__(self, folder: Path) -> None:
        self.offsets = np.load(folder / "text_offsets.npy", mmap_mode="r")
        with open(folder / "texts.bin", "rb") as stream:
            self.content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        return self.content[self.offsets[row] : self.offsets[row + 1]].decode("utf-8", ERRORS)
