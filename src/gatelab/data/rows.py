"""The rows of a data set: its texts, their group keys and their words, read and tokenized in one pass.

Nothing of a row but integers is held in memory: texts, keys and word numbers are streamed to their files.
"""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gatelab.data.formats.records import MAX_UNPACKING
from gatelab.data.paths import expand_paths
from gatelab.data.progress_bar import reading_bar, tracked
from gatelab.data.read import Table, TrainedOn, read_table
from gatelab.data.row_targets import Kind
from gatelab.data.split import PARTS, Indices, first_equal, group_key, parts_by_name
from gatelab.data.texts import Texts, text_writer
from gatelab.data.tokenize import (
    PAD,
    SPECIAL,
    UNKNOWN,
    UNSPACED,
    PieceCache,
    WholeTexts,
    WordNumbers,
    is_unspaced,
    new_tokenizer,
)
from gatelab.data.tokenizer_file import read_tokenizer_file
from gatelab.digest import sha256_of

CHUNK = 5_000  # rows cut into pieces together
MAX_CHUNK_CHARS = 2**24  # of them: fewer rows where they are long
MAX_LISTED_REJECTS = 1000
OF_VOCABULARY = ("vocab_size", "min_count")  # the tokenizer's settings that matter only once the rows are split


@dataclass(frozen=True)
class Source:
    """The files of each part of a data set; validation and test are cut from train where not given."""

    train: Sequence[Path]
    validation: Sequence[Path] = ()
    test: Sequence[Path] = ()

    def parts(self) -> dict[str, Sequence[Path]]:
        return {part: files for part in PARTS if (files := getattr(self, part))}

    def files(self) -> list[Path]:
        """Those of all parts, in their order."""
        return [file for files in self.parts().values() for file in expand_paths(list(files))]


@dataclass(frozen=True)
class Settings:
    """The settings that, with the content of the files, determine the arrays, and max_unpacking. Keys as in conf/data."""

    text: str | Sequence[str] | None = None
    label: str | list[str] | None = None
    labels: Any = None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    columns: Sequence[str] | None = None
    split: Mapping[str, Any] = field(
        default_factory=lambda: {"by": "group", "validation": 0.1, "test": 0.2, "seed": 141}
    )
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    max_length: int | None = None
    label_separator: str | None = None
    targets: Kind = "class"  # the task's
    max_unpacking: float = MAX_UNPACKING

    @property
    def kind(self) -> str:
        return self.tokenizer.get("kind", "word")

    @property
    def rules(self) -> dict[str, Any]:
        """The tokenizer's settings that do not depend on the split."""
        return {key: value for key, value in self.tokenizer.items() if key not in OF_VOCABULARY}

    def new_tokenizer(self) -> Any:
        """Unfitted, or that of data.tokenizer.file."""
        if self.kind == "file":
            return read_tokenizer_file(Path(self.tokenizer["file"]).expanduser())
        return new_tokenizer(**self.rules)

    def by_content(self, cache: Path) -> "Settings":
        """The same with the sha256 of data.tokenizer.file for its path."""
        if self.kind != "file":
            return self
        digest = sha256_of(Path(self.tokenizer["file"]).expanduser(), cache)
        return replace(self, tokenizer={"kind": "file", "file": digest})

    def of_all(self) -> dict[str, Any]:
        """What, with the content of the files, determines the arrays."""
        return {key: value for key, value in asdict(self).items() if key != "max_unpacking"}

    def of_rows(self) -> list[Any]:
        """What, with the content of the files, determines the rows and their words."""
        read = [self.text, self.label, self.labels, self.encoding, self.delimiter, self.header, self.columns]
        return [*read, self.rules, self.targets, self.label_separator, *filter(None, [self.split.get("column")])]


def read_rows(
    source: Source, settings: Settings, content: dict[str, list[str]], folder: Path, *, tokenizer: Any = None,
    trained: TrainedOn | None = None,
) -> None:  # fmt: skip
    """Fill a folder of rows/ in one pass. tokenizer, of the settings' kind, and trained, as read_table takes it, are those of
    an earlier training whose files are not among these.

    Of every usable row: texts, keys (its group key), words.bin with words.npy (M + 1,) (its word numbers and their offsets),
    recounts.npy (·, 3) (row, word, and how many more of it a vocabulary counts). kept.npy (N,) are the rows that have one of the
    classes, and of these are labels, lines, files, exact and normalised (the first equal row); with data.split.column parts too,
    indices into PARTS.
    """
    with ExitStack() as opened, open(folder / "words.bin", "wb") as stream:
        tokenizer = settings.new_tokenizer() if tokenizer is None else tokenizer
        writer = RowWriter(opened, folder, source.files(), tokenizer, settings.kind, stream)
        tables = read_source(source, settings, writer.append, trained)
        writer.flush()
    kept, files, rejects = [], [], []
    num_usable = num_files = 0
    for table in tables.values():
        kept.append(num_usable + table.kept)
        files.append(num_files + table.files)
        rejects += [
            {**asdict(reject), "file": num_files + table.file_names.index(reject.file)}
            for reject in table.rejects[:MAX_LISTED_REJECTS]
        ]
        num_usable += table.num_rows - len(table.rejects)
        num_files += len(table.file_names)

    def save(name: str, values: NDArray[Any]) -> None:
        np.save(folder / f"{name}.npy", values)

    rows = np.concatenate(kept)
    train = next(iter(tables.values()))
    if train.parts is not None:
        save("parts", parts_by_name(train.parts, f"{train.file_names[0]}: column '{settings.split['column']}'"))
    label = train.label_column if isinstance(train.label_column, str) else ", ".join(train.label_column or ())
    record = {
        "sha256": content,
        "classes": train.classes,
        "columns": {"text": train.text_column, "label": label, "all": train.columns},
        "encoding": train.encoding,
        "rows": sum(table.num_rows for table in tables.values()),
        "used": len(rows),
        "rejected": sum(len(table.rejects) for table in tables.values()),
        "rejects": rejects[:MAX_LISTED_REJECTS],
        "dropped": {part: table.dropped for part, table in tables.items()},
        "notes": [note for table in tables.values() for note in table.notes]
        + [UNSPACED] * (settings.kind == "word" and writer.is_unspaced),
        "sizes": {part: len(table.kept) for part, table in tables.items()},
    }
    save("kept", rows)
    save("files", np.concatenate(files))
    save("labels", np.concatenate([table.labels for table in tables.values()]))
    save("lines", np.concatenate([table.lines for table in tables.values()]))
    save("words", np.cumsum(writer.lengths, dtype=np.int64))
    save("recounts", np.array(writer.recounts, dtype=np.int64).reshape(-1, 3))
    write_json(folder / "words.json", list(writer.words.numbers))
    del kept, files, tables, train, writer  # the rows are compared with as little else in memory as can be
    save("exact", equal_rows(folder, "texts", rows))
    save("normalised", equal_rows(folder, "keys", rows))
    write_json(folder / "record.json", record)


def equal_rows(folder: Path, name: str, rows: Indices) -> Indices:
    """``first_equal`` of the rows of a text_writer, whose hashes are then removed."""
    file = folder / f"{name}.hashes"
    hashes = np.fromfile(file, dtype=np.int64)[rows]
    file.unlink()
    return first_equal(Texts(folder, name, rows), hashes)


def read_source(
    source: Source, settings: Settings, take_text: Callable[[str], None], trained: TrainedOn | None = None
) -> dict[str, Table]:
    """The table of every part that has files, all with the classes and columns of the first; see read_table."""
    tables: dict[str, Table] = {}
    for part, files in source.parts().items():
        tables[part] = read_table(
            list(files), text=settings.text, label=settings.label, labels=settings.labels, encoding=settings.encoding,
            delimiter=settings.delimiter, header=settings.header, columns=settings.columns,
            trained=tables.get("train", trained),
            take_text=take_text, part=settings.split.get("column"), targets=settings.targets,
            label_separator=settings.label_separator, max_unpacking=settings.max_unpacking,
        )  # fmt: skip
    return tables


class TextWriter:
    """Takes texts one by one and writes them and their group keys a chunk at a time, with what a subclass makes of them."""

    def __init__(self, opened: ExitStack, folder: Path, files: Sequence[Path]) -> None:
        self.write_texts = opened.enter_context(text_writer(folder, "texts"))
        self.write_keys = opened.enter_context(text_writer(folder, "keys"))
        self.show = opened.enter_context(reading_bar(files))
        self.waiting: list[str] = []
        self.num_rows = self.num_chars = 0
        self.is_unspaced = False

    def append(self, text: str) -> None:
        self.waiting.append(text)
        self.num_chars += len(text)
        if len(self.waiting) == CHUNK or self.num_chars > MAX_CHUNK_CHARS:
            self.flush()

    def flush(self) -> None:
        self.write_texts(self.waiting)
        self.write_keys([group_key(text) for text in self.waiting])
        self.take(self.waiting)
        self.is_unspaced |= self.num_rows == 0 and is_unspaced(self.waiting)
        self.num_rows += len(self.waiting)
        self.waiting.clear()
        self.num_chars = 0
        self.show(self.num_rows)

    def take(self, texts: Sequence[str]) -> None:
        raise NotImplementedError


class RowWriter(TextWriter):
    """Writes what read_rows says of the texts."""

    def __init__(
        self, opened: ExitStack, folder: Path, files: Sequence[Path], tokenizer: Any, kind: str, stream: IO[bytes]
    ) -> None:
        super().__init__(opened, folder, files)
        self.stream = stream
        self.words = WholeTexts(tokenizer) if kind == "file" else WordNumbers(tokenizer)
        self.pieces = self.words if isinstance(self.words, WholeTexts) else PieceCache(self.words)
        self.lengths = array("i", [0])
        self.recounts = array("q")  # row, word, difference, and so on

    def take(self, texts: Sequence[str]) -> None:
        words, lengths = self.pieces.encode_flat(texts)
        self.stream.write(words.data)
        self.lengths.extend(lengths.tolist())
        if isinstance(self.words, WholeTexts):
            return
        for number, text in enumerate(texts):
            if PAD in text or UNKNOWN in text:  # counted as it is written, encoded as one token
                counts = Counter(chain.from_iterable(self.words(text.split("\n"))))
                end = int(lengths[: number + 1].sum())
                counts.subtract(words[end - int(lengths[number]) : end].tolist())
                self.recounts.extend(
                    chain.from_iterable((self.num_rows + number, word, n) for word, n in counts.items())
                )


class Words:
    """The word numbers of the rows, as read_rows has written them."""

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        self.file = folder / "words.bin"
        self.offsets = np.load(folder / "words.npy", mmap_mode="r")
        self.kept = np.load(folder / "kept.npy", mmap_mode="r")
        self.recounts = np.load(folder / "recounts.npy")

    def lengths(self) -> NDArray[np.int64]:
        """(N,)"""
        return self.offsets[self.kept + 1] - self.offsets[self.kept]

    def chunks(
        self, rows: Indices, lengths: NDArray[np.int64], title: str
    ) -> Iterator[tuple[Indices, NDArray[np.int32]]]:
        """A chunk of ascending rows at a time, with their first lengths[row] words, one after the other. They are read
        and not mapped, since what is mapped counts as memory of this process."""
        for begin in tracked(title, range(0, len(rows), CHUNK), len(rows), CHUNK):
            chunk = rows[begin : begin + CHUNK]
            kept, counts = self.kept[chunk], lengths[chunk]
            first, end = int(self.offsets[kept[0]]), int(self.offsets[kept[-1] + 1])
            numbers = np.fromfile(self.file, dtype=np.int32, count=end - first, offset=first * 4)
            ends = np.cumsum(counts)
            starts = self.offsets[kept] - first - (ends - counts)
            yield chunk, numbers[np.arange(ends[-1]) + np.repeat(starts, counts)]

    def counts(self, rows: Indices) -> dict[str, int]:
        """How often each word stands in the rows, as the ``tokenizers`` library counts them in training."""
        counts = np.zeros(len(self.names), dtype=np.int64)
        for _, words in self.chunks(rows, self.lengths(), "counting words"):
            counts += np.bincount(words, minlength=len(counts))
        _, words, differences = self.recounts[np.isin(self.recounts[:, 0], self.kept[rows])].T
        np.add.at(counts, words, differences)
        return {name: count for name, count in zip(self.names, counts.tolist(), strict=True) if name not in SPECIAL}


def write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
