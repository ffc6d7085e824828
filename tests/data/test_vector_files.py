"""Each format of word vectors against numbers that the test writes itself; broken files are refused with their line."""

import gzip
import math
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from gatelab.data.vector_files import read_vectors
from gatelab.errors import DataError

# Quarters and eighths: text, float32 and float16 hold them exactly.
VECTORS = {"the": [0.25, -1.5, 3.0], "wörter": [0.125, 2.0, -0.5], "日本": [7.0, 0.0, -0.25], "42": [1.0, 1.0, 1.0]}
Files = list[Path]


def lines(vectors: Mapping[str, Sequence[float]], end: str = "\n") -> bytes:
    return "".join(f"{word} {' '.join(map(str, values))}{end}" for word, values in vectors.items()).encode()


def word2vec_binary(end: bytes) -> bytes:
    rows = [word.encode() + b" " + struct.pack("<3f", *values) + end for word, values in VECTORS.items()]
    return b"4 3\n" + b"".join(rows)


def zipped(name: str, *members: str) -> Callable[[Path], Files]:
    def make(folder: Path) -> Files:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr(member, lines(VECTORS))
        return [folder / name]

    return make


def plain(name: str, content: bytes) -> Callable[[Path], Files]:
    def make(folder: Path) -> Files:
        (folder / name).write_bytes(content)
        return [folder / name]

    return make


def matrix(dtype: torch.dtype, words: Sequence[str] = tuple(VECTORS)) -> Callable[[Path], Files]:
    def make(folder: Path) -> Files:
        save_file({"embeddings": torch.tensor(list(VECTORS.values()), dtype=dtype)}, folder / "v.safetensors")
        (folder / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        return [folder / "words.txt", folder / "v.safetensors"]

    return make


FORMATS = {
    "GloVe": plain("g.txt", lines(VECTORS)),
    "GloVe without the last line end, of Windows": plain("g.txt", lines(VECTORS, "\r\n")[:-2]),
    "tabs": plain("g.tsv", lines(VECTORS).replace(b" ", b"\t")),
    "word2vec text": plain("w.txt", b"4 3\n" + lines(VECTORS)),
    "fastText, with a space at the line's end": plain("f.vec", b"4 3\n" + lines(VECTORS, " \n")),
    "word2vec binary": plain("w.bin", word2vec_binary(b"\n")),
    "word2vec binary of gensim": plain("w.bin", word2vec_binary(b"")),
    "gzip": plain("g.txt.gz", gzip.compress(lines(VECTORS))),
    "gzip of binary, named otherwise": plain("vectors", gzip.compress(word2vec_binary(b"\n"))),
    "zip": zipped("g.zip", "g.txt", "__MACOSX/._g.txt"),
    "safetensors": matrix(torch.float32),
    "safetensors of half precision": matrix(torch.float16),
    "safetensors of bfloat16": matrix(torch.bfloat16),
}


def read(
    paths: Files, wanted: Callable[[str], bool] = lambda word: True
) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    found: dict[str, NDArray[np.float32]] = {}

    def take(word: str, vector: NDArray[np.float32]) -> None:
        assert vector.dtype == np.float32
        found.setdefault(word, vector)

    notes = read_vectors(paths, wanted, take)
    return found, notes


def refused(paths: Files) -> str:
    with pytest.raises(DataError) as error:
        read(paths)
    return str(error.value)


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS.keys())
def test_every_format_gives_the_words_and_numbers_that_were_written(
    make: Callable[[Path], Files], tmp_path: Path
) -> None:
    found, notes = read(make(tmp_path))
    assert {word: vector.tolist() for word, vector in found.items()} == VECTORS
    assert notes == []
    some, _ = read(make(tmp_path), lambda word: word in ("the", "42"))
    assert list(some) == ["the", "42"]


def test_a_word_is_all_that_stands_before_the_numbers(tmp_path: Path) -> None:
    vectors = {
        "the": [0.5, 1.0, 2.0],
        ". . .": [1.0, 2.0, 3.0],
        "at name@domain.com": [0.0, 0.25, 4.0],
        "of": [1.5, 1.0, 0.0],
    }
    found, notes = read(plain("g.txt", lines(vectors))(tmp_path))
    assert {word: vector.tolist() for word, vector in found.items()} == vectors
    assert notes == []


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"short 1.0 2.0", "has 2 numbers after its word"),
        (b"long 1.0 2.0 3.0 4.0", "has more of them"),
        (b"odd 1.0 x 3.0", "has something that is no number"),
    ],
)
def test_a_few_broken_lines_are_skipped_and_told_and_more_are_refused(broken: bytes, says: str, tmp_path: Path) -> None:
    some = b"".join(lines({f"w{n}": [0.5, 1.0, 2.0]}) + (broken + b"\n" if n % 20 == 10 else b"") for n in range(200))
    found, (note,) = read(plain("g.txt", some)(tmp_path))
    assert len(found) == 200
    assert "10 broken lines" in note
    assert f"line 12, '{broken.decode()}', {says}" in note
    message = refused(plain("g.txt", some + broken + b"\n")(tmp_path))
    assert "g.txt: line 12, " in message
    assert says in message


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_with_its_line(value: float, tmp_path: Path) -> None:
    vectors = {**VECTORS, "bad": [1.0, value, 2.0]}
    assert "line 5, 'bad': has a number that is not finite" in refused(plain("g.txt", lines(vectors))(tmp_path))
    binary = word2vec_binary(b"\n").replace(b"4 3", b"5 3") + b"bad " + struct.pack("<3f", 1.0, value, 2.0)
    assert "vector 5, 'bad': has a number that is not finite" in refused(plain("w.bin", binary)(tmp_path))


BAD = {
    "empty": (plain("g.txt", b""), "g.txt: is empty"),
    "a web page": (plain("g.txt", b"\n<!DOCTYPE html><html>404</html>"), "is a web page"),
    "a table": (plain("t.csv", b"text,label\na good film,1\na bad one,0\n"), "line 1, 'text,label', is no word followed by"),
    "binary without a header": (plain("g.txt", bytes(range(256)) * 20), "is binary"),
    "a model of fastText": (plain("m.bin", b"\xba\x16\x4f\x2f" + bytes(50)), "the .vec file beside it"),
    "cut off": (plain("w.txt", b"9 3\n" + lines(VECTORS)), "line 1 announces 9 vectors, and 4 are there"),
    "binary, cut off": (plain("w.bin", word2vec_binary(b"\n")[:-6]), "line 1 announces 4 vectors, and 3 are there"),
    "binary of other numbers": (plain("w.bin", word2vec_binary(b"").replace(b"4 3", b"4 900") + bytes(9000)), "vector 2 begins with no word"),
    "gzip, cut off": (plain("g.txt.gz", gzip.compress(lines(VECTORS))[:-12]), "cannot be read to its end"),
    "zip, damaged": (plain("g.zip", b"PK\x03\x04" + bytes(40)), "cannot be read to its end"),
    "zip of several": (zipped("g.zip", "g.50d.txt", "g.300d.txt"), "has 2 files (g.50d.txt, g.300d.txt). Unpack it"),
    "a header of nothing": (plain("w.txt", b"0 3\n"), "line 1 announces 0 vectors"),
    "a dimension beyond all": (plain("w.txt", b"9 99999999\nthe 1\n"), "line 1 announces 9 vectors of 99,999,999 numbers"),
    "words of other number": (matrix(torch.float32, ["a", "b"]), "has 2 words, and v.safetensors has 4 rows"),
    "safetensors alone": (lambda folder: matrix(torch.float32)(folder)[1:], "[vectors.safetensors,words.txt]"),
    "no safetensors": (lambda folder: [*matrix(torch.float32)(folder)[:1], *plain("v.safetensors", b"x" * 99)(folder)], "as safetensors"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "says"), BAD.values(), ids=BAD.keys())
def test_a_file_that_is_no_such_file_is_refused_with_what_it_is(
    make: Callable[[Path], Files], says: str, tmp_path: Path
) -> None:
    message = refused(make(tmp_path))
    assert says in message
    assert str(tmp_path) in message


@pytest.mark.parametrize("binary", [False, True])
def test_a_file_three_times_as_large_takes_no_more_memory(binary: bool, tmp_path: Path) -> None:
    def peak(num_words: int) -> int:
        with open(tmp_path / "v", "wb") as stream:
            if binary:
                stream.write(b"%d 100\n" % num_words)
            for number in range(num_words):
                stream.write(
                    b"word%d " % number
                    + (bytes([0, 0, 128, 63]) * 100 if binary else b" ".join([b"0.12345678"] * 100) + b"\n")
                )
        tracemalloc.start()
        found, _ = read([tmp_path / "v"], lambda word: word == "word7")
        assert len(found["word7"]) == 100
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # imports
    small, large = peak(5000), peak(15_000)
    assert (tmp_path / "v").stat().st_size > 5 * 2**20
    assert large < 1.1 * small


def test_real_glove_is_read_to_the_last_word(real_data: Path) -> None:
    file = real_data / "glove" / "glove.6B.50d.first9163.txt.gz"
    found, notes = read([file])
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        expected = {line.split(" ")[0]: np.array(line.split(" ")[1:], dtype=np.float32) for line in stream}
    assert notes == []
    assert len(found) == 9163
    assert all(np.array_equal(found[word], vector) for word, vector in expected.items())
