"""Words, characters or subwords with the ``tokenizers`` library: normalise, cut, number. Fitted only on train.

A text is cut into words that are tokenized each by itself: tokens are words (kind ``word``), characters (``char``), or pieces of
words (``bpe``, ``unigram``). All but ``word`` keep where a word follows a space: as in SentencePiece, it then begins with ▁.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from pydantic import AfterValidator, Discriminator, Tag
from typing_extensions import NotRequired, TypedDict

from gatelab.annotations import Count
from gatelab.data.subwords import SUBWORDS, UNKNOWN_ID, most_frequent, trained_model

PAD, UNKNOWN = "<pad>", "<unk>"
PAD_ID = 0
SPACE = "▁"  # as SentencePiece writes it
SPECIAL = {PAD: PAD_ID, UNKNOWN: UNKNOWN_ID}
MAX_PIECES = 1_000_000  # that a cache holds, some 200 MB; beyond it starts again
END = "\n"  # of a text, among pieces
CHUNK = 1000  # pieces normalised together: few calls, and strings that stay in the processor's cache

# A word is letters of any script with their marks, joiners and inner apostrophes; each Chinese character is a token, and
# so is each other grapheme that is not a space (an emoji with its modifiers).
_WORD = (
    r"<(?:url|user)>|\p{Han}|[\p{L}\p{M}\p{N}_&&[^\p{Han}]][\p{L}\p{M}\p{N}_\x{200c}\x{200d}&&[^\p{Han}]]*"
    r"(?:['’][\p{L}\p{M}]+)*|(?!\s)\X"
)
# The scripts without spaces between words that _WORD does not cut: Thai, Lao, Burmese, Khmer, kana.
_UNCUT = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff]")
UNSPACED = (
    "the texts have no spaces between words, of which tokenizer=word makes one word of all up to the next space or mark, so that "
    "nearly every word of a test row is unknown: take tokenizer=bpe, unigram or char, which cut inside"
)
# Of subwords: letters and digits, or what stands between them, each with the space before it. A sentence without spaces is one.
_STRETCH = (
    r"▁?<(?:url|user)>|▁?[\p{L}\p{N}_][\p{L}\p{M}\p{N}_\x{200c}\x{200d}]*(?:['’][\p{L}\p{M}]+)*|▁?[^\p{L}\p{N}_▁]+|▁"
)
_CHARACTER = r"<(?:url|user)>|."
_URL = r"(?:https?://|www\.)\S+"
_USER = r"(?<![\p{L}\p{N}_])@[\p{L}\p{N}_]+"
_ELONGATION = r"([\p{L}!?.])(?=\1\1)"  # sooooo becomes soo


class Rules(TypedDict):
    """What is done to a text before it is cut."""

    lowercase: bool
    urls: bool
    mentions: bool
    elongations: bool


VocabSize = Annotated[int, Ge(3), Le(10_000_000)]  # for all of which a trainer of subwords takes memory at once


class WordSettings(Rules):
    """The keys of data.tokenizer: the arguments of ``new_tokenizer`` and ``fit_tokenizer``."""

    kind: NotRequired[Literal["word", "char", "bpe", "unigram", "file"]]  # an error names all
    vocab_size: VocabSize | None
    min_count: Count


def has_its_trainer(kind: str) -> str:
    if kind == "unigram" and find_spec("sentencepiece") is None:
        raise ValueError("unigram needs sentencepiece: pip install 'gatelab[unigram]'")
    return kind


class SubwordSettings(Rules):
    kind: Annotated[Literal["bpe", "unigram"], AfterValidator(has_its_trainer)]
    vocab_size: VocabSize
    min_count: Count


class FileSettings(TypedDict):
    kind: Literal["file"]
    file: str


def settings_of(keys: Any) -> str:
    """The tag of the settings, which is no key of them."""
    kind = keys.get("kind") if isinstance(keys, dict) else None
    return "of subwords" if kind in SUBWORDS else "of a file" if kind == "file" else "of words"


TokenizerSettings = Annotated[
    Annotated[WordSettings, Tag("of words")]
    | Annotated[SubwordSettings, Tag("of subwords")]
    | Annotated[FileSettings, Tag("of a file")],
    Discriminator(settings_of),
]


def new_tokenizer(
    *, kind: str = "word", lowercase: bool = True, urls: bool = True, mentions: bool = True, elongations: bool = True
) -> Any:
    """An unfitted ``tokenizers.Tokenizer``.

    urls and mentions become one token each, elongations ("sooooo") are cut to two letters.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    steps: list[Any] = [normalizers.NFC()]
    if lowercase:
        steps.append(normalizers.Lowercase())
    if urls:
        steps.append(normalizers.Replace(Regex(_URL), " <url> "))
    if mentions:
        steps.append(normalizers.Replace(Regex(_USER), " <user> "))
    if elongations:
        steps.append(normalizers.Replace(Regex(_ELONGATION), ""))
    tokenizer = Tokenizer(models.WordLevel(vocab=SPECIAL, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(steps)
    if kind == "word":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
    else:
        pattern = _CHARACTER if kind == "char" else _STRETCH
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.WhitespaceSplit(),
                pre_tokenizers.Metaspace(SPACE, prepend_scheme="always", split=False),
                pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            ]
        )
    return tokenizer


def is_unspaced(texts: Sequence[str]) -> bool:
    """Whether most of their characters are of scripts without spaces that tokenizer=word does not cut."""
    joined = "".join(texts)
    return not joined.isascii() and len(_UNCUT.findall(joined)) > len(joined) / 2


class PieceCache:
    """Tokenizes each distinct piece between spaces once: no rule reaches across one, nor across a line end."""

    def __init__(self, tokenize: Callable[[Sequence[str]], Iterable[Sequence[int]]]) -> None:
        self.tokenize = tokenize
        self._forget()

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> list[NDArray[np.int32]]:
        """Token ids of each text, cut to max_length; a text without any token becomes one unknown token."""
        ids, lengths = self.encode_flat(texts)
        return [row[:max_length] for row in np.split(ids, np.cumsum(lengths)[:-1])] if len(texts) else []

    def encode_flat(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The token ids of all texts, one text after the other, and the number of each text's (N,)."""
        if len(self._numbers) > MAX_PIECES:
            self._forget()
        pieces = cut_pieces(texts)
        numbers = np.fromiter(map(self._numbers.__getitem__, pieces), dtype=np.int32, count=len(pieces))
        try:
            for ids_of_piece in self.tokenize(self._numbers.take_new()):
                self._ids.extend(ids_of_piece)
                self._ends.append(len(self._ids))
        except BaseException:  # what was numbered has no ids
            self._forget()
            raise
        table_ends = np.frombuffer(self._ends, dtype=np.int64)
        starts = table_ends[numbers]  # of piece number n: after those of piece n - 1
        counts = table_ends[numbers + 1] - starts
        ends = np.cumsum(counts)
        ids = np.frombuffer(self._ids, dtype=np.int32)[np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)]
        row_ends = ends[numbers == self._numbers[END]]
        lengths = np.diff(row_ends, prepend=0)
        empty = lengths == 0
        if empty.any():
            ids = np.insert(ids, row_ends[empty], UNKNOWN_ID)
            lengths[empty] = 1
        return ids, lengths

    def _forget(self) -> None:
        self._numbers = PieceNumbers([*SPECIAL, END])
        self._ids, self._ends = array("i", SPECIAL.values()), array("q", [0, 1, 2, 2])


class PieceNumbers(dict[str, int]):
    """The number of each piece, in the order in which they come."""

    def __init__(self, pieces: Iterable[str]) -> None:
        super().__init__((piece, number) for number, piece in enumerate(pieces))
        self._new: list[str] = []

    def __missing__(self, piece: str) -> int:
        self._new.append(piece)
        number = self[piece] = len(self)
        return number

    def take_new(self) -> list[str]:
        """Those that were numbered since it was last asked."""
        new, self._new = self._new, []
        return new


def cut_pieces(texts: Sequence[str]) -> list[str]:
    """The texts at their spaces and line ends, and around literal special tokens, which the library looks for first; END stands
    after each text."""
    joined = " \n ".join([*(text.replace("\n", " ") for text in texts), ""])
    return joined.replace(PAD, f" {PAD} ").replace(UNKNOWN, f" {UNKNOWN} ").split(" ")


class WholeTexts:
    """Tokenizes each text at once, as the rules of a tokenizer from elsewhere may need; has what PieceCache has."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> list[NDArray[np.int32]]:
        encoded = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(each.ids[:max_length] or [UNKNOWN_ID], dtype=np.int32) for each in encoded]

    def encode_flat(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        rows = self.encode(texts)
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        return np.concatenate([np.empty(0, np.int32), *rows]), lengths

    @property
    def numbers(self) -> dict[str, int]:
        """The ids of the tokens, in their order."""
        return dict(sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1]))


def fitted_cache(tokenizer: Any, kind: str = "word") -> PieceCache | WholeTexts:
    """The ids that a fitted tokenizer of a kind gives."""
    if kind == "file":
        return WholeTexts(tokenizer)
    return PieceCache(
        lambda pieces: [each.ids for each in tokenizer.encode_batch_fast(pieces, add_special_tokens=False)]
    )


class WordNumbers:
    """Numbers the words of pieces in the order in which they come; the two special tokens have their ids."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.numbers = dict(SPECIAL)

    def __call__(self, pieces: Sequence[str]) -> Iterator[list[int]]:
        """The numbers of each piece, which holds no line end. A literal special token is read as any text, as in training."""
        split = self.tokenizer.pre_tokenizer.pre_tokenize_str
        for begin in range(0, len(pieces), CHUNK):
            normalised = self.tokenizer.normalizer.normalize_str("\n".join(pieces[begin : begin + CHUNK]))
            for piece in normalised.split("\n"):
                yield [self.numbers.setdefault(word, len(self.numbers)) for word, _ in split(piece)]


def fit_tokenizer(
    tokenizer: Any,
    counts: Mapping[str, int],
    *,
    kind: str = "word",
    vocab_size: int | None,
    min_count: int,
    also: Iterable[str] = (),
) -> None:
    """Give the tokenizer its vocabulary, from how often each word of ``WordNumbers`` stands in the training rows.

    Of words and characters the most frequent: at most vocab_size with the two special ones, each min_count times; then those of also. Of subwords see
    ``trained_model``.
    """
    from tokenizers import models

    if kind in SUBWORDS:
        tokenizer.model = trained_model(kind, counts, vocab_size=vocab_size, min_count=min_count, special=list(SPECIAL))
    else:
        vocabulary = dict.fromkeys([*[*SPECIAL, *most_frequent(counts, min_count)][:vocab_size], *also])
        tokenizer.model = models.WordLevel({word: token for token, word in enumerate(vocabulary)}, unk_token=UNKNOWN)
    tokenizer.add_special_tokens([PAD, UNKNOWN])
