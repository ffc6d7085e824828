"""Word-level tokens with the ``tokenizers`` library: normalise, split into words, number them. Fitted only on train."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from typing_extensions import TypedDict

from gatelab.annotations import Count

PAD, UNKNOWN = "<pad>", "<unk>"
PAD_ID, UNKNOWN_ID = 0, 1
SPECIAL = {PAD: PAD_ID, UNKNOWN: UNKNOWN_ID}
MAX_PIECES = 1_000_000  # that a cache holds, some 200 MB; beyond it starts again
CHUNK = 1000  # pieces normalised together: few calls, and strings that stay in the processor's cache

# A word is letters of any script with their marks, joiners and inner apostrophes; each Chinese character is a token, and
# so is each other grapheme that is not a space (an emoji with its modifiers).
_WORD = (
    r"<(?:url|user)>|\p{Han}|[\p{L}\p{M}\p{N}_&&[^\p{Han}]][\p{L}\p{M}\p{N}_\x{200c}\x{200d}&&[^\p{Han}]]*"
    r"(?:['’][\p{L}\p{M}]+)*|(?!\s)\X"
)
_URL = r"(?:https?://|www\.)\S+"
_USER = r"(?<![\p{L}\p{N}_])@[\p{L}\p{N}_]+"
_ELONGATION = r"([\p{L}!?.])(?=\1\1)"  # sooooo becomes soo


class TokenizerSettings(TypedDict):
    """The keys of data.tokenizer: the arguments of ``new_tokenizer`` and ``fit_tokenizer``."""

    lowercase: bool
    urls: bool
    mentions: bool
    elongations: bool
    vocab_size: Annotated[int, Ge(3)] | None
    min_count: Count


def new_tokenizer(*, lowercase: bool = True, urls: bool = True, mentions: bool = True, elongations: bool = True) -> Any:
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
    tokenizer = Tokenizer(models.WordLevel(vocab={PAD: PAD_ID, UNKNOWN: UNKNOWN_ID}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
    return tokenizer


class PieceCache:
    """Token ids of texts, each distinct piece between spaces tokenized once: no rule of ``new_tokenizer`` reaches across one.

    tokenize maps pieces to their ids. Other white space may stay inside a piece, where the rules cut as they do in a text.
    """

    def __init__(self, tokenize: Callable[[Sequence[str]], Iterable[Sequence[int]]]) -> None:
        self.tokenize = tokenize
        self._forget()

    def encode(self, texts: Iterable[str], max_length: int | None = None) -> list[NDArray[np.int32]]:
        """Token ids of each text, cut to max_length; a text without any token becomes one unknown token."""
        rows = [cut_pieces(text) for text in texts]
        if len(self._known) > MAX_PIECES:
            self._forget()
        new = list(dict.fromkeys(piece for row in rows for piece in row if piece not in self._known))
        self._known.update(zip(new, (np.array(ids, np.int32).tobytes() for ids in self.tokenize(new)), strict=True))
        joined = (b"".join(map(self._known.__getitem__, row)) or self._known[UNKNOWN] for row in rows)
        return [np.frombuffer(ids, np.int32)[:max_length] for ids in joined]

    def _forget(self) -> None:
        self._known = {word: np.int32(token).tobytes() for word, token in SPECIAL.items()}


def cut_pieces(text: str) -> list[str]:
    """A text at its spaces and line ends, and around literal special tokens, which the library looks for first."""
    return text.replace(PAD, f" {PAD} ").replace(UNKNOWN, f" {UNKNOWN} ").replace("\n", " ").split(" ")


def fitted_cache(tokenizer: Any) -> PieceCache:
    """The ids that a fitted tokenizer gives."""
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


def fit_tokenizer(tokenizer: Any, counts: Mapping[str, int], *, vocab_size: int | None, min_count: int) -> None:
    """Number the most frequent words: at most vocab_size with the two special ones, each min_count times."""
    from tokenizers import models

    frequent = [word for word, count in counts.items() if count >= min_count]
    frequent.sort(key=lambda word: (-counts[word], word))
    vocabulary = [PAD, UNKNOWN, *frequent][:vocab_size]
    tokenizer.model = models.WordLevel({word: token for token, word in enumerate(vocabulary)}, unk_token=UNKNOWN)
    tokenizer.add_special_tokens([PAD, UNKNOWN])
