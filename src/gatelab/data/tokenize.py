"""Word-level tokens with the ``tokenizers`` library: normalise, split into words, number them. Fitted only on train."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from annotated_types import Ge
from typing_extensions import TypedDict

from gatelab.annotations import Count

PAD, UNKNOWN = "<pad>", "<unk>"
PAD_ID, UNKNOWN_ID = 0, 1

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


def fit_tokenizer(tokenizer: Any, texts: Iterable[str], *, vocab_size: int | None, min_count: int) -> None:
    """Number the most frequent words of texts: at most vocab_size with the two special ones, each min_count times."""
    from tokenizers import trainers

    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size or 2**31 - 1,
        min_frequency=min_count,
        special_tokens=[PAD, UNKNOWN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)


def encode_texts(tokenizer: Any, texts: Sequence[str], max_length: int | None) -> list[list[int]]:
    """Token ids of each text, cut to max_length; a text without any token becomes one unknown token."""
    encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [encoding.ids[:max_length] or [UNKNOWN_ID] for encoding in encoded]
