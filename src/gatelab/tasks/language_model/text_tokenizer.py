"""Tokenizers of running text: characters, words with line ends, bytes, byte-level BPE. Fitted on the training text alone.

Unlike those of single texts they keep every character, but that words are what stands between white space: <eos> is the end of
a line, <unk> any other word. V vocabulary.
"""

import codecs
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import NotRequired

from gatelab.annotations import Count
from gatelab.data.subwords import MAX_SUBWORDS, most_frequent
from gatelab.data.tokenize import UNKNOWN, Rules, VocabSize, new_tokenizer
from gatelab.errors import DataError

Ids = NDArray[np.int32]
EOS = "<eos>"
UNREADABLE = "\ufffd"  # what an unknown character is shown as
MAX_RUN = (
    2**16
)  # letters, digits or other marks that are one word to the training of merges, whose time grows with its square
_RUN = re.compile(r"[^\W\d_]+|\d+|(?:[^\s\w]|_)+")
MAX_CODE = 0x110000  # of Unicode
_DOUBLE_END = re.compile(rf"{EOS}[ \t\r]*\n")


class TextTokenizerSettings(Rules):
    """The keys of data.tokenizer. The rules, lowercase and so on, are for characters, words and BPE."""

    kind: NotRequired[Literal["word", "char", "bytes", "bpe"]]
    vocab_size: VocabSize | None
    min_count: Count


class TextTokenizer(ABC):
    """tokens: the vocabulary (V,) in the order of the ids. unknown_id: of what is not in it, where there can be such."""

    kind: ClassVar[str]
    unknown_id: int | None = None

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    @property
    def start_id(self) -> int:
        """Stands before the first token of a text, which begins as after a line end."""
        ids = self.encode("\n")
        return int(ids[-1]) if len(ids) else 0

    @abstractmethod
    def encode(self, text: Any) -> Ids:
        """The ids of a piece of text that ends with white space, or with the text."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str: ...

    def shown(self, ids: Iterable[int]) -> list[str]:
        """Each token as it stands in the text."""
        return [self.tokens[each] for each in ids]

    def decoded(self, ids: Iterable[int]) -> Iterator[str]:
        """The text of each token, one after the other, once its characters are complete."""
        return (self.decode([each]) for each in ids)

    def to_json(self) -> str:
        return json.dumps({"kind": self.kind, "tokens": self.tokens}, ensure_ascii=False)


class CharacterTokenizer(TextTokenizer):
    kind = "char"
    unknown_id = 0

    def __init__(self, tokens: Sequence[str]) -> None:
        super().__init__(tokens)
        self._ids = np.zeros(MAX_CODE, dtype=np.int32)
        self._ids[[ord(token) for token in tokens[1:]]] = np.arange(1, len(tokens))

    def encode(self, text: str) -> Ids:
        return self._ids[code_points(text)]

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.tokens[each] if each else UNREADABLE for each in ids)


class WordTokenizer(TextTokenizer):
    kind = "word"
    unknown_id = 0

    def __init__(self, tokens: Sequence[str]) -> None:
        super().__init__(tokens)
        self._ids = {token: number for number, token in enumerate(tokens)}

    def encode(self, text: str) -> Ids:
        words = words_of(text)
        return np.fromiter((self._ids.get(word, 0) for word in words), dtype=np.int32, count=len(words))

    def decode(self, ids: Iterable[int]) -> str:
        return "".join("\n" if self.tokens[each] == EOS else f"{self.tokens[each]} " for each in ids)

    def shown(self, ids: Iterable[int]) -> list[str]:
        return [self.decode([each]) for each in ids]


class ByteTokenizer(TextTokenizer):
    kind = "bytes"

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        super().__init__([chr(byte) for byte in range(256)])

    def encode(self, text: str | bytes) -> Ids:
        content = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        return np.frombuffer(content, dtype=np.uint8).astype(np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        return bytes(ids).decode("utf-8", "replace")

    def decoded(self, ids: Iterable[int]) -> Iterator[str]:
        return decoded_bytes(bytes([each]) for each in ids)


class SubwordTokenizer(TextTokenizer):
    """Byte-pair encoding of bytes (Radford et al. 2019), so that no text is unknown. model: a tokenizer.json of the library."""

    kind = "bpe"

    def __init__(self, model: str) -> None:
        from tokenizers import Tokenizer

        self._model = Tokenizer.from_str(model)
        ids = self._model.get_vocab()
        super().__init__(sorted(ids, key=ids.__getitem__))
        byte_of = byte_alphabet()
        self._bytes = [bytes(byte_of[character] for character in token) for token in self.tokens]

    def encode(self, text: str) -> Ids:
        return np.array(self._model.encode(text, add_special_tokens=False).ids, dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        return self._model.decode(list(ids), skip_special_tokens=False)

    def decoded(self, ids: Iterable[int]) -> Iterator[str]:
        return decoded_bytes(self._bytes[each] for each in ids)

    def shown(self, ids: Iterable[int]) -> list[str]:
        return [self.decode([each]) for each in ids]

    def to_json(self) -> str:
        return json.dumps({"kind": self.kind, "model": self._model.to_str()}, ensure_ascii=False)


def decoded_bytes(pieces: Iterable[bytes]) -> Iterator[str]:
    """UTF-8, each character once its bytes are there."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return (decoder.decode(piece) for piece in pieces)


def byte_alphabet() -> dict[str, int]:
    """The bytes that the characters of a token of byte-level BPE stand for, as Radford et al. (2019) chose them: printable ones for
    themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def fit_text_tokenizer(
    read: Callable[[], Iterable[Any]], *, kind: str = "word", vocab_size: int | None, min_count: int, **rules: bool
) -> TextTokenizer:
    """The tokenizer of the text whose pieces read() gives anew each time.

    Characters and words: <unk>, then the most frequent, at most vocab_size in all, each seen min_count times; all words of a
    text in which <unk> stands, since its vocabulary was made before. Raises DataError for a text without tokens.
    """
    if kind == "bytes":
        return ByteTokenizer()
    if kind == "bpe":
        return SubwordTokenizer(trained_bpe(read(), vocab_size, min_count))
    counts = count_characters(read()) if kind == "char" else count_words(read())
    if not counts:
        raise DataError("data.path: the training text has no tokens. Give a file with text.")
    if kind == "word" and UNKNOWN in counts:
        vocab_size, min_count = None, 1
    tokens = [UNKNOWN, *(token for token in most_frequent(counts, min_count) if token != UNKNOWN)][:vocab_size]
    return CharacterTokenizer(tokens) if kind == "char" else WordTokenizer(tokens)


def read_text_tokenizer(content: str) -> TextTokenizer:
    """What to_json wrote. Raises ValueError or KeyError for anything else."""
    saved = json.loads(content)
    if saved["kind"] == "bpe":
        return SubwordTokenizer(saved["model"])
    kinds: dict[str, type[TextTokenizer]] = {"char": CharacterTokenizer, "word": WordTokenizer, "bytes": ByteTokenizer}
    tokens = saved["tokens"]
    if not all(isinstance(token, str) for token in tokens):
        raise ValueError("a token is no text")
    return kinds[saved["kind"]](tokens)


def normaliser(kind: str, rules: Mapping[str, bool]) -> Callable[[str], str]:
    """What the rules do to a text before it is cut; without any of them nothing. Raises DataError for rules with bytes."""
    if not any(rules.values()):
        return lambda text: text
    if kind == "bytes":
        rule = next(name for name, on in rules.items() if on)
        raise DataError(f"data.tokenizer.{rule}=true: tokenizer=bytes reads a file as it is. Leave it out.")
    return new_tokenizer(kind=kind, **rules).normalizer.normalize_str


def code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def words_of(text: str) -> list[str]:
    """Those between white space, and <eos> at the end of a line that does not end so already."""
    if EOS in text:
        text = _DOUBLE_END.sub("\n", text)
    return text.replace("\n", f" {EOS} ").split()


def count_words(pieces: Iterable[str]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for piece in pieces:
        counts.update(words_of(piece))
    return counts


def count_characters(pieces: Iterable[str]) -> Mapping[str, int]:
    counts = np.zeros(MAX_CODE, dtype=np.int64)
    for piece in pieces:
        found = np.bincount(code_points(piece))
        counts[: len(found)] += found
    return {chr(code): int(counts[code]) for code in np.flatnonzero(counts)}


def refuse_endless(piece: str) -> str:
    """The piece. Raises DataError for a word whose merges would take minutes."""
    for word in piece.split():
        if len(word) > MAX_RUN and (run := max(_RUN.findall(word), key=len)) and len(run) > MAX_RUN:
            raise DataError(
                f"data.path: '{run[:20]}…' is a word of {len(run):,} characters in the training text, which tokenizer=bpe cannot be trained "
                "on. Put spaces or line ends into it, or take tokenizer=char or bytes."
            )
    return piece


def trained_bpe(pieces: Iterable[str], vocab_size: int | None, min_count: int) -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=min(vocab_size or MAX_SUBWORDS, MAX_SUBWORDS), min_frequency=min_count, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(map(refuse_endless, pieces), trainer)
    return tokenizer.to_str()
