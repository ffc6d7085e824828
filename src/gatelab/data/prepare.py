"""Read and tokenize once, then split, fit and number; afterwards the arrays are mapped from a cache.

Two folders, each named by what it depends on: rows/ by the content of the files and how they are read and tokenized, and
prepared/ by the split and the vocabulary too. So another seed's split reads and tokenizes nothing again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.data.cache_folders import CACHE_GIB, Cache
from gatelab.data.paths import expand_paths
from gatelab.data.row_targets import strata_of
from gatelab.data.rows import Settings, Source, Words, read_rows, write_json
from gatelab.data.split import PARTS, Indices, count_duplicates, leakage, split_rows
from gatelab.data.subwords import SUBWORDS, WordTokens, word_tokens
from gatelab.data.texts import Texts
from gatelab.data.tokenize import UNKNOWN_ID, fit_tokenizer
from gatelab.data.vectors import WordVectors, coverage_text
from gatelab.digest import sha256_of, while_unchanged
from gatelab.errors import ConfigError, DataError

FORMAT = 5  # raised when the content of a cache folder, or its computation, changes
LENGTH_QUANTILES = (0, 25, 50, 75, 95, 99, 100)


@dataclass(frozen=True)
class Prepared:
    """A data set ready for batches: flat token ids with offsets, labels, the rows of each part, and the record.

    labels are classes (N,), numbers (N,), or which of the K classes each row has (N, K).

    Row r has tokens[offsets[r] : offsets[r + 1]] and texts[r], from line lines[r] of the file record["files"][files[r]].
    """

    folder: Path
    rows: Path
    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: NDArray[Any]
    lines: NDArray[np.int64]
    files: NDArray[np.int32]
    parts: dict[str, Indices]
    record: dict[str, Any]
    vectors: WordVectors | None = None  # those of the vocabulary, where asked for
    locks: tuple[Any, ...] = ()  # that keep its folders in the cache

    @property
    def classes(self) -> list[str]:
        return self.record["classes"]

    @property
    def vocab_size(self) -> int:
        return self.record["vocab_size"]

    @cached_property
    def texts(self) -> Texts:
        return Texts(self.rows, "texts", np.load(self.rows / "kept.npy", mmap_mode="r"))

    @property
    def tokenizer_file(self) -> Path:
        return self.folder / "tokenizer.json"


class MoreWords(NamedTuple):
    """Words that join the vocabulary which the training rows give: choose selects them from all words of the data. What it
    selects depends on key; note says why, for the record."""

    key: Any
    choose: Callable[[list[str]], list[str]]
    note: str


def content_of(source: Source, cache: Path | None = None) -> dict[str, list[str]]:
    """The sha256 of every file by part, which identifies the data."""
    return {
        part: [sha256_of(file, cache) for file in expand_paths(list(files))] for part, files in source.parts().items()
    }


def prepare(
    source: Source,
    settings: Settings,
    cache_dir: Path,
    more_words: MoreWords | None = None,
    *,
    cache_gib: float = CACHE_GIB,
) -> Prepared:
    """The arrays of a data set, from the cache or made now. cache_gib: what the cache may hold, in GiB. Raises DataError."""
    refuse_named_twice(source, settings.split)
    cache = Cache(cache_dir, cache_gib)
    digests = cache_dir / "sha256.json"
    content, named = content_of(source, digests), settings.by_content(digests)
    names = [str(file) for file in source.files()]
    inputs = dict(zip(source.files(), chain(*content.values()), strict=True))
    if settings.kind == "file":
        inputs[Path(settings.tokenizer["file"]).expanduser()] = named.tokenizer["file"]
    rows, rows_lock = cache.get(
        "rows",
        [FORMAT, [content, named.of_rows()]],
        while_unchanged(inputs, digests, lambda folder: read_rows(source, settings, content, folder)),
        made_from=names,
    )
    prepared, prepared_lock = cache.get(
        "prepared",
        [FORMAT, [content, named.of_all(), *([] if more_words is None else [more_words.key])]],
        while_unchanged(inputs, digests, lambda folder: build(rows, settings, folder, more_words)),
        made_from=names,
    )
    return load(prepared, rows, names, (rows_lock, prepared_lock))


def load(folder: Path, rows: Path, names: list[str], locks: tuple[Any, ...] = ()) -> Prepared:
    """names: the current names of the files, by part; the cache identifies them by position."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("tokens", "offsets")}
    arrays |= {name: np.load(rows / f"{name}.npy", mmap_mode="r") for name in ("labels", "lines", "files")}
    parts = {part: np.load(folder / f"{part}.npy") for part in PARTS}
    distinct = list(dict.fromkeys(names))
    if len(distinct) < len(names):
        arrays["files"] = np.array([distinct.index(name) for name in names], dtype=np.int32)[arrays["files"]]
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    rejects = [{**reject, "file": names[reject["file"]]} for reject in record["rejects"]]
    record = {"sha256": record["sha256"], "files": distinct, **record, "rejects": rejects}
    return Prepared(folder, rows, parts=parts, record=record, locks=locks, **arrays)


def build(rows: Path, settings: Settings, folder: Path, more_words: MoreWords | None = None) -> None:
    """Fill a folder of prepared/ from one of rows/."""
    record = json.loads((rows / "record.json").read_text(encoding="utf-8"))
    parts, facts = cut_parts(rows, record.pop("sizes"), settings.split, record["classes"])
    labels, classes = np.load(rows / "labels.npy"), record["classes"]
    if settings.targets == "class":
        refuse_one_class(labels[parts["train"]], classes)
    for part, members in parts.items():
        np.save(folder / f"{part}.npy", members)

    words = Words(rows)
    also: Sequence[str] = ()
    if more_words is not None:
        if settings.kind in (*SUBWORDS, "file"):
            raise ConfigError(
                f"model.vectors_vocab=all adds words to the vocabulary, which tokenizer={settings.kind} has not. Take tokenizer=word, "
                "or vectors_vocab=train."
            )
        counts = words.counts(np.concatenate(list(parts.values())))
        also = more_words.choose([word for word, count in counts.items() if count])
        record["notes"].append(more_words.note)
    tokenizer = fit(words, parts["train"], settings, also)
    tokenizer.save(str(folder / "tokenizer.json"))
    lengths, num_unknown = encode(
        words, word_tokens(tokenizer, words.names, settings.kind), settings.max_length, folder
    )

    describe = number_facts if settings.targets == "number" else partial(class_counts, classes)
    record |= {
        "numbers" if settings.targets == "number" else "label_counts": {
            part: describe(labels[members]) for part, members in parts.items()
        },
        "split_sizes": {part: len(members) for part, members in parts.items()},
        **facts,
        "tokenizer": settings.kind,
        "vocab_size": tokenizer.get_vocab_size(),
        **count_tokens(lengths, num_unknown, parts, settings.max_length),
    }
    write_json(folder / "record.json", record)


def refuse_one_class(labels: NDArray[Any], classes: list[str]) -> None:
    """Raise DataError where the training rows, whose labels these are, have nothing to tell apart."""
    if len(labels) and (labels == labels[0]).all():
        raise DataError(
            f"all {len(labels):,} training rows are of the class '{classes[labels[0]]}', so there is nothing to learn. Look at what "
            "data.split and the files say which rows are for training."
        )


def class_counts(classes: list[str], labels: NDArray[Any]) -> dict[str, int]:
    """The rows of each class."""
    counts = np.bincount(labels, minlength=len(classes)) if labels.ndim == 1 else labels.sum(0)
    return dict(zip(classes, counts.tolist(), strict=True))


def number_facts(numbers: NDArray[np.float64]) -> dict[str, float]:
    """Empty without rows."""
    if not len(numbers):
        return {}
    spread = {
        "standard deviation": float(numbers.std()),
        "smallest": float(numbers.min()),
        "largest": float(numbers.max()),
    }
    return {"mean": float(numbers.mean()), "median": float(np.median(numbers)), **spread}


def fit(words: Words, train: Indices, settings: Settings, also: Sequence[str] = ()) -> Any:
    """A tokenizer whose vocabulary is that of the training rows and the words of also, or of its file."""
    tokenizer = settings.new_tokenizer()
    if settings.kind == "file":
        return tokenizer
    vocab_size, min_count = settings.tokenizer.get("vocab_size"), settings.tokenizer.get("min_count", 1)
    counts = words.counts(train)
    fit_tokenizer(tokenizer, counts, kind=settings.kind, vocab_size=vocab_size, min_count=min_count, also=also)
    return tokenizer


def encode(
    words: Words, tokens_of: WordTokens, max_length: int | None, folder: Path
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Write tokens.npy and offsets.npy (N + 1,), each row cut to max_length. Returns of each row (N,) how many tokens it has
    before, and how many of those that are left are unknown."""
    lengths, num_unknown = np.empty((2, len(words.kept)), dtype=np.int32)
    num_words = words.lengths()
    with open(folder / "tokens.npy", "wb") as stream:
        write_header(stream, 0)
        for chunk, numbers in words.chunks(np.arange(len(lengths)), num_words, "encoding"):
            lengths[chunk] = counts = sums(tokens_of.lengths[numbers], num_words[chunk])
            kept = cut_lengths(counts, max_length)
            places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            ids = tokens_of.expand(numbers)[places < np.repeat(kept, counts)].astype("<i4", copy=False)
            stream.write(ids.data)
            num_unknown[chunk] = sums(ids == UNKNOWN_ID, kept)
        offsets = np.concatenate([[0], np.cumsum(cut_lengths(lengths, max_length), dtype=np.int64)])
        write_header(stream, int(offsets[-1]))
    np.save(folder / "offsets.npy", offsets)
    return lengths, num_unknown


def write_header(stream: IO[bytes], num_tokens: int) -> None:
    """At the beginning of an .npy of int32; as long for any number, so that it can be written again."""
    stream.seek(0)
    np.lib.format.write_array_header_1_0(stream, {"descr": "<i4", "fortran_order": False, "shape": (num_tokens,)})


def cut_lengths(lengths: NDArray[Any], max_length: int | None) -> NDArray[Any]:
    return lengths if max_length is None else np.minimum(lengths, min(max_length, np.iinfo(lengths.dtype).max))


def sums(values: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the first counts[0] values, of the next counts[1], and so on; no count is 0."""
    return np.add.reduceat(values, np.cumsum(counts) - counts, dtype=np.int64)


def count_tokens(
    lengths: NDArray[np.int32], num_unknown: NDArray[np.int32], parts: Mapping[str, Indices], max_length: int | None
) -> dict[str, Any]:
    """Of the record: the tokens and the share that is unknown are of the rows as they are cut, the lengths of the uncut ones."""
    cut = cut_lengths(lengths, max_length)
    return {
        "num_tokens": int(cut.sum()),
        "unknown_share": {
            part: float(num_unknown[rows].sum() / cut[rows].sum()) for part, rows in parts.items() if len(rows)
        },
        "lengths": {str(q): int(np.percentile(lengths, q, method="lower")) for q in LENGTH_QUANTILES},
        "cut_share": float((lengths > cut).mean()),
    }


def cut_parts(
    rows: Path, sizes: Mapping[str, int], wanted: Mapping[str, Any], classes: list[str]
) -> tuple[dict[str, Indices], dict[str, dict[str, Any]]]:
    """The rows of each part, and the record of leakage and duplicates. Parts that have files or are named in data.split.column
    are those; the others are cut from the rows for training."""
    if wanted.get("column"):
        part_of = np.load(rows / "parts.npy")
    else:
        part_of = np.repeat(np.arange(len(PARTS), dtype=np.int8)[[*map(PARTS.index, sizes)]], [*sizes.values()])
    validation, test = (np.flatnonzero(part_of == number) for number in (1, 2))
    for_training = part_of == 0
    normalised = np.load(rows / "normalised.npy")[for_training]
    cut = split_rows(
        normalised,
        Texts(rows, "keys", np.load(rows / "kept.npy", mmap_mode="r")),
        strata_of(np.load(rows / "labels.npy")[for_training], normalised),
        by=wanted["by"],
        seed=wanted["seed"],
        validation=0.0 if len(validation) else wanted["validation"],
        test=0.0 if len(test) else wanted["test"],
        folds=wanted.get("folds"),
        fold=wanted.get("fold"),
        classes=classes,
    )
    train = np.flatnonzero(for_training)
    parts = {"train": train, "validation": validation, "test": test}
    parts |= {part: train[members] for part, members in zip(PARTS, cut, strict=True) if len(members) or part == "train"}
    exact, normalised = np.load(rows / "exact.npy"), np.load(rows / "normalised.npy")
    leak = leakage(exact, normalised, parts["train"], parts["test"])
    return parts, {"leakage": leak, "duplicates": count_duplicates(exact, normalised)}


def refuse_named_twice(source: Source, split: Mapping[str, Any]) -> None:
    """Raise DataError for a part that both a file and the keys of data.split name."""
    for part in source.parts():
        if part != "train" and split.get("column"):
            raise DataError(
                f"data.{part}_path and data.split.column={split['column']} both name parts: leave out one of them."
            )
        if part == "test" and split.get("folds"):
            raise DataError(
                f"data.test_path and data.split.folds={split['folds']} both name the test rows: leave out one of them."
            )


def named(columns: str | list[str]) -> str:
    return " and ".join(f"'{column}'" for column in ([columns] if isinstance(columns, str) else columns))


def summary_lines(data: dict[str, Any]) -> list[str]:
    """A summary of a prepared data set, from its record."""
    leak, columns = data.get("leakage"), data["columns"]
    sizes = " · ".join(f"{part} {size:,}" if size else f"no {part}" for part, size in data["split_sizes"].items())
    leaked = ""
    if leak and leak["test_rows"]:
        leaked = (
            f"; of the test texts in train: {leak['exact_share']:.1%} exact, {leak['normalised_share']:.1%} normalised"
        )
    lines = [
        f"data    {', '.join(data['files'])}: text {named(columns['text'])}, label '{columns['label']}' ({data['encoding']})"
    ]
    dropped = sum(sum(counts.values()) for counts in data["dropped"].values())
    lines.append(
        f"rows    {data['used']:,} used of {data['rows']:,} ({data['rejected']:,} rejected, {dropped:,} dropped by label)"
    )
    lines.append(f"split   {sizes}{leaked}")
    lines.append(f"tokens  {token_summary(data)}")
    if "vectors" in data:
        lines.append(f"vectors {coverage_text(data['vectors'])}")
    return lines + [f"note    {note}" for note in data["notes"]]


def token_summary(data: dict[str, Any]) -> str:
    """The vocabulary, the unknown tokens and the lengths of a prepared data set, from its record."""
    unknown = ", ".join(f"{part} {share:.2%}" for part, share in data["unknown_share"].items())
    lengths = data["lengths"]
    cut = f"; {data['cut_share']:.2%} of the texts are cut at data.max_length" if data["cut_share"] else ""
    return (
        f"{data['tokenizer']}, vocabulary {data['vocab_size']:,}; unknown: {unknown}; a text has {lengths['50']:,} in the median, "
        f"{lengths['95']:,} at 95 %, at most {lengths['100']:,}{cut}"
    )
