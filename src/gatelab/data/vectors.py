"""Pretrained vectors of a vocabulary: found in a file, counted, and completed for the words that have none.

V words, D numbers each.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.data.tokenize import PAD_ID, SPECIAL
from gatelab.data.vector_files import read_vectors
from gatelab.errors import ConfigError, DataError
from gatelab.screen import counted

MATCHES = ("none", "case_folding", "exact")  # how the vector of a word was found; their places are the codes


@dataclass(frozen=True)
class VectorFiles:
    """model.vectors and what belongs to it. dimension: that of model.embedding_size, None where it follows the vectors."""

    paths: tuple[Path, ...]
    vocab: Literal["train", "all"] = "train"
    dimension: int | None = None


@dataclass(frozen=True)
class WordVectors:
    """values (V, D), zeros where there is none, matches (V,) codes of MATCHES, and what was skipped in the file."""

    values: NDArray[np.float32]
    matches: NDArray[np.uint8]
    notes: list[str]

    @property
    def dimension(self) -> int:
        return self.values.shape[1]

    def complete(self, seed: int) -> NDArray[np.float32]:
        """(V, D): words without a vector are drawn from a normal distribution with the mean and variance, number by number, of
        the vectors that were found; padding is zero."""
        found = self.matches > 0
        known = np.asarray(self.values[found], dtype=np.float64)
        drawn = np.random.default_rng(seed).normal(known.mean(0), known.std(0), self.values.shape).astype(np.float32)
        drawn[found] = self.values[found]
        drawn[PAD_ID] = 0
        return drawn


class Matcher:
    """Finds the words of a vocabulary in a file: each exactly, else by case folding; of several lines the first."""

    def __init__(self, words: Sequence[str]) -> None:
        self.rows = {word: row for row, word in enumerate(words) if word not in SPECIAL}
        self.folded: dict[str, list[int]] = {}
        for word, row in self.rows.items():
            self.folded.setdefault(word.casefold(), []).append(row)
        self.matches = bytearray(len(words))
        self.values: np.memmap[Any, np.dtype[np.float32]] | None = None

    def open_rows(self, word: str) -> list[tuple[int, int]]:
        """The rows that a line of this word fills, each with the code of its match."""
        exact = self.rows.get(word)
        if exact is not None and self.matches[exact] < 2:
            return [
                (exact, 2),
                *((row, 1) for row in self.folded[word.casefold()] if row != exact and not self.matches[row]),
            ]
        return [(row, 1) for row in self.folded.get(word.casefold(), ()) if not self.matches[row]]

    def read(self, paths: Sequence[Path], folder: Path) -> None:
        """Fill a folder of vectors/: values.npy (V, D), matches.npy (V,) and record.json."""

        def take(word: str, vector: NDArray[np.float32]) -> None:
            if self.values is None:
                shape = len(self.matches), len(vector)
                self.values = np.lib.format.open_memmap(folder / "values.npy", "w+", np.float32, shape)
            for row, code in self.open_rows(word):
                self.values[row], self.matches[row] = vector, code

        notes = read_vectors(paths, lambda word: bool(self.open_rows(word)), take)
        if self.values is None:
            raise DataError(
                f"{', '.join(map(str, paths))}: has a vector for none of {counted(len(self.rows), 'word')} of the data. Is it of another language?"
            )
        self.values.flush()
        np.save(folder / "matches.npy", np.frombuffer(self.matches, np.uint8))
        (folder / "record.json").write_text(json.dumps({"notes": notes}, ensure_ascii=False), encoding="utf-8")


def load_vectors(folder: Path) -> WordVectors:
    notes = json.loads((folder / "record.json").read_text(encoding="utf-8"))["notes"]
    return WordVectors(np.load(folder / "values.npy", mmap_mode="r"), np.load(folder / "matches.npy"), notes)


def check_dimension(files: VectorFiles, vectors: WordVectors) -> None:
    if files.dimension not in (None, vectors.dimension):
        raise ConfigError(
            f"model.embedding_size={files.dimension}: the vectors of {files.paths[0].name} have {vectors.dimension:,} numbers. Leave it out, or "
            f"give model.embedding_size={vectors.dimension}."
        )


def coverage(
    files: VectorFiles, words: Sequence[str], vectors: WordVectors, token_counts: dict[str, NDArray[np.int64]]
) -> dict[str, Any]:
    """For run.json: files, dimension, vocab, and how many types and tokens were found and how. token_counts: by part, (V,)."""
    is_word = np.array([word not in SPECIAL for word in words])

    def count(weights: NDArray[Any]) -> dict[str, int]:
        return dict(
            zip(MATCHES[::-1], np.bincount(vectors.matches, weights, 3)[::-1].astype(int).tolist(), strict=True)
        )

    return {
        "files": [path.name for path in files.paths],
        "dimension": vectors.dimension,
        "vocab": files.vocab,
        "types": count(is_word),
        "tokens": {part: count(counts) for part, counts in token_counts.items()},
    }


def coverage_text(found: dict[str, Any]) -> str:
    """The coverage in a sentence, from its record."""
    types, total = found["types"], sum(found["types"].values())
    folding = f" ({types['case_folding']:,} of them by case folding)" if types["case_folding"] else ""
    shares = [
        f"{1 - counts['none'] / max(1, sum(counts.values())):.1%} of the {part} tokens"
        for part, counts in found["tokens"].items()
        if part != "validation"
    ]
    words = f"{total - types['none']:,} of {counted(total, 'word')} found{folding}"
    return f"{', '.join(found['files'])}, {counted(found['dimension'], 'number')} a word: {', '.join([words, *shares])}"
