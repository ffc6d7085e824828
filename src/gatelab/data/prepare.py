"""Read, split, fit, encode once; afterwards the arrays are mapped from a cache named by content and settings."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.data.fetch import sha256_of
from gatelab.data.read import Table, expand_paths, read_table
from gatelab.data.split import Indices, Split, count_duplicates, group_key, leakage, split_rows
from gatelab.data.texts import Texts, write_texts
from gatelab.data.tokenize import encode_texts, fit_tokenizer, new_tokenizer
from gatelab.errors import DataError

FORMAT = 3  # raised when the content of a cache folder, or its computation, changes
CHUNK = 20_000
PARTS = ("train", "validation", "test")
MAX_LISTED_REJECTS = 1000


@dataclass(frozen=True)
class Source:
    """The files of each part of a data set; validation and test are cut from train where not given."""

    train: Sequence[Path]
    validation: Sequence[Path] = ()
    test: Sequence[Path] = ()

    def parts(self) -> dict[str, Sequence[Path]]:
        return {part: files for part in PARTS if (files := getattr(self, part))}


@dataclass(frozen=True)
class Settings:
    """The settings that, with the content of the files, determine the arrays. Keys as in conf/data."""

    text: str | None = None
    label: str | None = None
    labels: Any = None
    encoding: str | None = None
    delimiter: str | None = None
    split: Mapping[str, Any] = field(
        default_factory=lambda: {"by": "group", "validation": 0.1, "test": 0.2, "seed": 141}
    )
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    max_length: int | None = None


@dataclass(frozen=True)
class Prepared:
    """A data set ready for batches: flat token ids with offsets, labels, the rows of each part, and the record.

    Row r has tokens[offsets[r] : offsets[r + 1]] and texts[r], from line lines[r] of the file record["files"][files[r]].
    """

    folder: Path
    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int32]
    lines: NDArray[np.int64]
    files: NDArray[np.int32]
    parts: dict[str, Indices]
    record: dict[str, Any]

    @property
    def classes(self) -> list[str]:
        return self.record["classes"]

    @property
    def vocab_size(self) -> int:
        return self.record["vocab_size"]

    @cached_property
    def texts(self) -> Texts:
        return Texts(self.folder)

    @property
    def tokenizer_file(self) -> Path:
        return self.folder / "tokenizer.json"


def content_of(source: Source, cache: Path | None = None) -> dict[str, list[str]]:
    """The sha256 of every file by part, which identifies the data."""
    return {
        part: [sha256_of(file, cache) for file in expand_paths(list(files))] for part, files in source.parts().items()
    }


def prepare(source: Source, settings: Settings, cache_dir: Path) -> Prepared:
    """The arrays of a data set, from the cache or made now. Raises DataError."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    content = content_of(source, cache_dir / "sha256.json")
    plain = json.dumps([FORMAT, content, asdict(settings)], sort_keys=True, default=str)
    folder = cache_dir / "prepared" / hashlib.sha256(plain.encode()).hexdigest()[:20]
    if not (folder / "record.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=folder.name, dir=folder.parent))
        try:
            build(source, settings, content, temporary)
            os.replace(temporary, folder)
        except OSError:
            if not (folder / "record.json").exists():  # else another process has made the same folder
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return load(folder, [str(file) for files in source.parts().values() for file in expand_paths(list(files))])


def load(folder: Path, names: list[str]) -> Prepared:
    """names: the current names of the files, by part; the cache identifies them by position."""
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r")
        for name in ("tokens", "offsets", "labels", "lines", "files")
    }
    parts = {part: np.load(folder / f"{part}.npy") for part in PARTS}
    distinct = list(dict.fromkeys(names))
    if len(distinct) < len(names):
        arrays["files"] = np.array([distinct.index(name) for name in names], dtype=np.int32)[arrays["files"]]
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    rejects = [{**reject, "file": names[reject["file"]]} for reject in record["rejects"]]
    record = {"sha256": record["sha256"], "files": distinct, **record, "rejects": rejects}
    return Prepared(folder, parts=parts, record=record, **arrays)


def read_source(source: Source, settings: Settings) -> dict[str, Table]:
    """The table of every part that has files, all with the classes and columns of the first."""
    tables: dict[str, Table] = {}
    text, label, labels = settings.text, settings.label, settings.labels
    for part, files in source.parts().items():
        table = read_table(
            list(files), text=text, label=label, labels=labels, encoding=settings.encoding, delimiter=settings.delimiter
        )
        if tables and sorted(table.classes) != sorted(tables["train"].classes):
            raise DataError(
                f"the {part} file has the classes {table.classes}, the train file {tables['train'].classes}. "
                "Choose those that both have with data.labels=."
            )
        if not tables:
            text, label = table.text_column, table.label_column
            labels = table.classes if labels is None else labels
        tables[part] = table
    return tables


def build(source: Source, settings: Settings, content: dict[str, list[str]], folder: Path) -> None:
    tables = read_source(source, settings)
    texts = [text for table in tables.values() for text in table.texts]
    labels = np.array([label for table in tables.values() for label in table.labels], dtype=np.int32)
    split = cut_parts(tables, texts, labels, settings.split)
    for part in PARTS:
        rows = getattr(split, part)
        if not len(rows):
            raise DataError(f"the {part} part is empty: raise data.split.{part}, or give a file with more rows.")
        np.save(folder / f"{part}.npy", rows)

    options = dict(settings.tokenizer)
    vocab_size, min_count = options.pop("vocab_size", None), options.pop("min_count", 1)
    tokenizer = new_tokenizer(**options)
    fit_tokenizer(tokenizer, (texts[row] for row in split.train), vocab_size=vocab_size, min_count=min_count)
    tokenizer.save(str(folder / "tokenizer.json"))
    flat, lengths = [], []
    for begin in range(0, len(texts), CHUNK):
        encoded = encode_texts(tokenizer, texts[begin : begin + CHUNK], settings.max_length)
        lengths.append(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
        flat.append(np.concatenate([np.array(ids, dtype=np.int32) for ids in encoded]))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    np.save(folder / "tokens.npy", np.concatenate(flat))
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "lines.npy", np.array([line for table in tables.values() for line in table.lines], dtype=np.int64))
    files, rejects, begin = [], [], 0
    for table in tables.values():
        files += [begin + file for file in table.files]
        rejects += [{**asdict(reject), "file": begin + table.file_names.index(reject.file)} for reject in table.rejects]
        begin += len(table.file_names)
    np.save(folder / "files.npy", np.array(files, dtype=np.int32))
    write_texts(folder, texts)

    train = tables["train"]
    record = {
        "sha256": content,
        "classes": train.classes,
        "columns": {"text": train.text_column, "label": train.label_column, "all": train.columns},
        "encoding": train.encoding,
        "rows": sum(table.num_rows for table in tables.values()),
        "used": len(texts),
        "rejected": len(rejects),
        "rejects": rejects[:MAX_LISTED_REJECTS],
        "dropped": {part: table.dropped for part, table in tables.items()},
        "notes": [note for table in tables.values() for note in table.notes],
        "label_counts": {
            part: dict(zip(train.classes, np.bincount(labels[getattr(split, part)], minlength=len(train.classes)).tolist(), strict=True))
            for part in PARTS
        },
        "split_sizes": {part: len(getattr(split, part)) for part in PARTS},
        "leakage": split.leakage,
        "duplicates": split.duplicates,
        "vocab_size": tokenizer.get_vocab_size(),
        "num_tokens": int(offsets[-1]),
    }  # fmt: skip
    (folder / "record.json").write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def cut_parts(
    tables: dict[str, Table], texts: list[str], labels: NDArray[np.int32], wanted: Mapping[str, Any]
) -> Split:
    """Parts that have files are those files; the others are cut from the training file."""
    train = tables["train"]
    fractions = {part: 0.0 if part in tables else wanted[part] for part in ("validation", "test")}
    split = split_rows(train.texts, train.labels, by=wanted["by"], seed=wanted["seed"], **fractions)
    parts = {part: getattr(split, part) for part in PARTS}
    begin = 0
    for part, table in tables.items():
        if part != "train":
            parts[part] = np.arange(begin, begin + len(table.texts))
        begin += len(table.texts)
    if len(tables) == 1:
        return split
    keys = [group_key(text) for text in texts]
    leak = leakage(texts, keys, parts["train"], parts["test"])
    return Split(**parts, leakage=leak, duplicates=count_duplicates(texts, keys))


def summary_lines(data: dict[str, Any]) -> list[str]:
    """A summary of a prepared data set, from its record."""
    leak, columns = data["leakage"], data["columns"]
    sizes = " · ".join(f"{part} {size:,}" for part, size in data["split_sizes"].items())
    lines = [
        f"data    {', '.join(data['files'])}: text '{columns['text']}', label '{columns['label']}' ({data['encoding']})"
    ]
    dropped = sum(sum(counts.values()) for counts in data["dropped"].values())
    lines.append(
        f"rows    {data['used']:,} used of {data['rows']:,} ({data['rejected']:,} rejected, {dropped:,} dropped by label)"
    )
    lines.append(
        f"split   {sizes}; of the test texts in train: {leak['exact_share']:.1%} exact, {leak['normalised_share']:.1%} normalised"
    )
    return lines + [f"note    {note}" for note in data["notes"]]
