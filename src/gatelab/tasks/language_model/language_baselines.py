"""What a language model has to beat: n-grams over the same tokens, and what compressors make of the same bytes."""

import json
import lzma
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.bounded import MIB, read_json
from gatelab.files import atomic_write
from gatelab.tasks.language_model.kneser_ney import KneserNey
from gatelab.tasks.language_model.language_scores import TextSize, language_metrics
from gatelab.tasks.language_model.text_files import Span, between, read_bytes

ORDER = 5
MAX_TOKENS = 20_000_000  # of the training text, its last ones: a table of n-grams takes about 150 bytes a token
MAX_BYTES = 8 * 2**20  # that a compressor has read before, its last ones; about the window of zstd -19


def baseline_metrics(
    train: NDArray[Any], test: NDArray[Any], vocab_size: int, size: TextSize
) -> dict[str, dict[str, Any]]:
    """Of the n-grams. train and test: streams, whose first token stands before the text and is not predicted; size: of test."""
    known, tokens = train[-MAX_TOKENS:], np.asarray(test[1:])
    counts = np.bincount(known, minlength=vocab_size) + 1  # add-one, so that no token is impossible
    by_name = {
        f"{ORDER}-gram": KneserNey(np.asarray(known), vocab_size, ORDER).probabilities(np.asarray(test))[1:],
        "unigram": (counts / counts.sum())[tokens],
    }
    return {
        name: {**language_metrics(float(-np.log(p).mean()), size), "train_tokens": len(known)}
        for name, p in by_name.items()
    }


def cached_metrics(folder: Path, num_tested: int, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """compute(), once a data set and number of tested tokens: remembered beside the prepared arrays. A compressor that was
    installed since counts."""
    file = (
        folder / f"baselines-1-{num_tested}-{len(compressors())}.json"
    )  # another number where they are computed differently
    with suppress(OSError, ValueError):  # not there, or damaged
        if isinstance(found := read_json(file, MIB), dict):
            return found
    metrics = compute()
    atomic_write(file, json.dumps(metrics))
    return metrics


def compressor_metrics(train: Sequence[Span], test: Sequence[Span], size: TextSize) -> dict[str, dict[str, Any]]:
    """bits_per_character and bits_per_byte of a test text compressed behind the training text: what it adds to the size of that."""
    total = sum(span.end - span.begin for span in train)
    before = between(train, max(0, total - MAX_BYTES), total)
    metrics = {}
    for name, compressed_size in compressors().items():
        added = compressed_size(read_bytes([*before, *test])) - compressed_size(read_bytes(before))
        metrics[name] = {"bits_per_character": 8 * added / size.characters, "bits_per_byte": 8 * added / size.bytes}
    return metrics


def compressors() -> dict[str, Callable[[Iterable[bytes]], int]]:
    """The size in bytes of compressed pieces; zstd where pyarrow is installed."""
    found: dict[str, Callable[[Iterable[bytes]], int]] = {"xz": xz_size}
    return found | ({"zstd -19": zstd_size} if find_spec("pyarrow") else {})


def xz_size(pieces: Iterable[bytes]) -> int:
    compressor = lzma.LZMACompressor(preset=6)  # whose dictionary holds MAX_BYTES
    return sum(len(compressor.compress(piece)) for piece in pieces) + len(compressor.flush())


def zstd_size(pieces: Iterable[bytes]) -> int:
    import pyarrow

    return len(pyarrow.Codec("zstd", compression_level=19).compress(b"".join(pieces), asbytes=True))
