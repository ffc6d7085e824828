"""The pretrained vectors of a prepared data set: read once for each vocabulary, then from the cache."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gatelab.data.cache_folders import Cache
from gatelab.data.prepare import FORMAT, MoreWords, Prepared
from gatelab.data.rows import CHUNK
from gatelab.data.split import Indices
from gatelab.data.vectors import Matcher, VectorFiles, WordVectors, check_dimension, coverage, load_vectors
from gatelab.digest import sha256_of, while_unchanged

NOTE = (
    "model.vectors_vocab=all: the vocabulary has every word of the data that has a vector, those of the validation and test rows too, "
    "as published numbers on SST and MR often do."
)


def more_words(files: VectorFiles, cache_dir: Path) -> MoreWords | None:
    """What model.vectors_vocab=all adds to the vocabulary: each word of any row that has a vector."""
    if files.vocab == "train":
        return None
    return MoreWords(digests(files, cache_dir), partial(words_with_vectors, files, cache_dir), NOTE)


def with_vectors(prepared: Prepared, files: VectorFiles, cache_dir: Path) -> Prepared:
    """With the vectors of the vocabulary, and their coverage in the record."""
    vocabulary = Tokenizer.from_file(str(prepared.tokenizer_file)).get_vocab()
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    vectors = find_vectors(files, words, cache_dir)
    check_dimension(files, vectors)
    counts = {part: count_tokens(prepared, rows) for part, rows in prepared.parts.items() if len(rows)}
    found = coverage(files, words, vectors, counts)
    record = {**prepared.record, "vectors": found, "notes": [*prepared.record["notes"], *vectors.notes]}
    return replace(prepared, vectors=vectors, record=record)


def find_vectors(files: VectorFiles, words: Sequence[str], cache_dir: Path) -> WordVectors:
    """The vectors of the words, from the cache or read now."""
    plain = json.dumps(list(words)).encode()
    found = digests(files, cache_dir)
    key = [found, hashlib.sha256(plain).hexdigest()]
    cache = Cache(cache_dir, limit_gib=float("inf"))  # the limit is kept when a data set is prepared
    names = [str(path) for path in files.paths]
    make = while_unchanged(
        dict(zip(files.paths, found, strict=True)), cache_dir / "sha256.json", partial(Matcher(words).read, files.paths)
    )
    folder, _lock = cache.get("vectors", [FORMAT, key], make, made_from=names)
    return load_vectors(folder)


def words_with_vectors(files: VectorFiles, cache_dir: Path, words: list[str]) -> list[str]:
    matches = find_vectors(files, words, cache_dir).matches
    return [word for word, code in zip(words, matches, strict=True) if code]


def digests(files: VectorFiles, cache_dir: Path) -> list[str]:
    return [sha256_of(path, cache_dir / "sha256.json") for path in files.paths]


def count_tokens(prepared: Prepared, rows: Indices) -> NDArray[np.int64]:
    """How often each id stands in the rows, (V,)."""
    counts = np.zeros(prepared.vocab_size, dtype=np.int64)
    for begin in range(0, len(rows), CHUNK):
        starts = prepared.offsets[rows[begin : begin + CHUNK]]
        lengths = prepared.offsets[rows[begin : begin + CHUNK] + 1] - starts
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        counts += np.bincount(prepared.tokens[places], minlength=len(counts))
    return counts
