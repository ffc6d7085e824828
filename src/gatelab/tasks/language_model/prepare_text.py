"""Text files to token ids on disk: a stream for each part, kept in the data cache."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.data.cache_folders import Cache
from gatelab.data.tokenize import UNKNOWN
from gatelab.digest import sha256_of, while_unchanged
from gatelab.errors import DataError
from gatelab.files import atomic_write
from gatelab.tasks.language_model.text_files import (
    PARTS,
    Span,
    checked_encoding,
    read_bytes,
    read_text,
    spans_of_parts,
    whole_files,
)
from gatelab.tasks.language_model.text_tokenizer import (
    TextTokenizer,
    fit_text_tokenizer,
    normaliser,
    read_text_tokenizer,
)

FORMAT = 1  # raised when the content of a cache folder, or its computation, changes
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class PreparedText:
    """parts: the stream of each part (1 + N,), memory-mapped: the token that stands before the text, then its N tokens."""

    folder: Path
    tokenizer: TextTokenizer
    parts: dict[str, NDArray[Any]]
    record: dict[str, Any]
    spans: dict[str, list[Span]]
    lock: Any = None  # that keeps the folder in the cache

    @property
    def tokenizer_file(self) -> Path:
        return self.folder / TOKENIZER


@dataclass(frozen=True)
class TextSettings:
    """shares: of the bytes for validation and test. tokenizer: the keys of data.tokenizer."""

    shares: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    encoding: str | None

    @property
    def kind(self) -> str:
        return self.tokenizer.get("kind", "word")


def prepare_text(
    paths: Mapping[str, str | Sequence[str] | None], settings: TextSettings, cache_dir: Path, cache_gib: float
) -> PreparedText:
    """The streams, from the cache or made now. Raises DataError for what cannot be read, naming file and place."""
    spans = spans_of_parts(paths, settings.shares)
    files = {part: list(dict.fromkeys(span.file for span in of_part)) for part, of_part in spans.items() if of_part}
    own = {part: found for part, found in files.items() if part == "train" or paths.get(part)}
    cache_dir.mkdir(parents=True, exist_ok=True)
    content = {part: [sha256_of(file, cache_dir / "sha256.json") for file in found] for part, found in own.items()}
    names = list(dict.fromkeys(str(file) for found in own.values() for file in found))
    key = [FORMAT, "streams", content, dict(settings.shares), dict(settings.tokenizer), settings.encoding]
    inputs = {file: digest for part, found in own.items() for file, digest in zip(found, content[part], strict=True)}
    make = while_unchanged(inputs, cache_dir / "sha256.json", partial(build, spans, settings))
    folder, lock = Cache(cache_dir, cache_gib).get("prepared", key, make, made_from=names)
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    record = {"sha256": content, "files": names, **record}
    streams = {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in PARTS}
    tokenizer = read_text_tokenizer((folder / TOKENIZER).read_text(encoding="utf-8"))
    return PreparedText(folder, tokenizer, streams, record, spans, lock)


def prepare_evaluated_text(
    file: Path, settings: TextSettings, tokenizer: TextTokenizer, folder: Path, *, knows_unknown: bool
) -> PreparedText:
    """A file as the part test, the others empty; its stream lies in folder. tokenizer: the fitted one. knows_unknown: whether
    the probability of <unk> was learned. Raises DataError for what cannot be read."""
    spans = {"train": [], "validation": [], "test": whole_files(str(file))}
    if not sum(span.end for span in spans["test"]):
        raise DataError(f"{file}: is empty. Give a file with text.")
    read = reader(spans, settings)
    counts = encode_part(tokenizer, read("test"), folder / "test.npy")
    if not counts["tokens"]:
        raise DataError(f"{file}: has no tokens. Give a file with text.")
    refuse_unlearned(
        tokenizer, {"train": {"unknown": int(knows_unknown)}, "validation": {"unknown": 0}, "test": counts}, read
    )
    record = {
        "sha256": {"test": [sha256_of(span.file) for span in spans["test"]]}, "files": [str(span.file) for span in spans["test"]],
        **record_of(tokenizer, {"test": counts}),
    }  # fmt: skip
    nothing = np.empty(0, dtype=np.int32)
    streams = {"train": nothing, "validation": nothing, "test": np.load(folder / "test.npy")}
    return PreparedText(folder, tokenizer, streams, record, spans)


def build(spans: Mapping[str, list[Span]], settings: TextSettings, folder: Path) -> None:
    """Fill a folder of the cache, record.json last."""
    read = reader(spans, settings)
    tokenizer = fit_text_tokenizer(partial(read, "train"), **dict(settings.tokenizer))
    counts = {part: encode_part(tokenizer, read(part), folder / f"{part}.npy") for part in PARTS}
    refuse_unlearned(tokenizer, counts, read)
    atomic_write(folder / TOKENIZER, tokenizer.to_json())
    atomic_write(folder / "record.json", json.dumps(record_of(tokenizer, counts), ensure_ascii=False))


def reader(spans: Mapping[str, list[Span]], settings: TextSettings) -> Callable[[str], Iterator[Any]]:
    """What reads a part anew each time: pieces of text, or of bytes, as its tokenizer takes them."""
    rules = {name: on for name, on in settings.tokenizer.items() if name not in ("kind", "vocab_size", "min_count")}
    normalise = normaliser(settings.kind, rules)
    encoding = checked_encoding(settings.encoding, next(of_part[0].file for of_part in spans.values() if of_part))

    def read(part: str) -> Iterator[Any]:
        if settings.kind == "bytes":
            yield from read_bytes(spans[part])
        else:
            yield from map(normalise, read_text(spans[part], encoding))

    return read


def record_of(tokenizer: TextTokenizer, counts: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Plain values for run.json; counts: of each part, as ``encode_part`` has them."""
    tokens, unknown, characters, num_bytes = (
        {part: found[name] for part, found in counts.items()} for name in ("tokens", "unknown", "characters", "bytes")
    )
    record = {
        "unit": "token",
        "split_sizes": tokens,
        "characters": characters,
        "bytes": num_bytes,
        "tokenizer": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "num_tokens": sum(tokens.values()),
        "notes": [],
    }
    if tokenizer.unknown_id is not None:
        record["unknown_share"] = {part: unknown[part] / tokens[part] for part in counts if tokens[part]}
    return record


def encode_part(tokenizer: TextTokenizer, pieces: Iterator[Any], file: Path) -> dict[str, int]:
    """Write the stream of a part as .npy. Returns how many tokens, unknown ones, characters and bytes it has."""
    dtype = np.min_scalar_type(tokenizer.vocab_size - 1)
    counts = dict.fromkeys(("tokens", "unknown", "characters", "bytes"), 0)
    with open(file, "wb") as stream:
        write_header(stream, dtype, 0)
        stream.write(np.array([tokenizer.start_id], dtype=dtype).data)
        for piece in pieces:
            ids = tokenizer.encode(piece)
            stream.write(ids.astype(dtype).data)
            content = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass")
            counts["tokens"] += len(ids)
            counts["unknown"] += int((ids == tokenizer.unknown_id).sum()) if tokenizer.unknown_id is not None else 0
            counts["bytes"] += len(content)
            counts["characters"] += num_characters(content)
        write_header(stream, dtype, 1 + counts["tokens"])
    return counts


def num_characters(content: bytes) -> int:
    """Of UTF-8: the bytes that do not continue a character."""
    return int(np.count_nonzero((np.frombuffer(content, dtype=np.uint8) & 0xC0) != 0x80))


def write_header(stream: Any, dtype: Any, length: int) -> None:
    """At the beginning of an .npy; as long for any number, so that it can be written again."""
    stream.seek(0)
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(stream, described)


def refuse_unlearned(tokenizer: TextTokenizer, counts: Mapping[str, Mapping[str, int]], read: Any) -> None:
    """Raise DataError for unknown words where the training text has none, from which their probability could be learned."""
    if tokenizer.kind != "word" or counts["train"]["unknown"]:
        return
    known = set(tokenizer.tokens)
    for part in ("validation", "test"):
        if not counts[part]["unknown"]:
            continue
        words = (word for piece in read(part) for word in piece.split() if word not in known)
        raise DataError(
            f"'{next(words, UNKNOWN)}' of the {part} text is not in the vocabulary of the training text, which has no {UNKNOWN} to "
            f"read it as ({counts[part]['unknown']:,} such words). Give data.tokenizer.min_count=2, so that rare words are {UNKNOWN}, "
            "or take tokenizer=char, bytes or bpe."
        )
