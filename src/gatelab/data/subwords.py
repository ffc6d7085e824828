"""Subwords: models trained from the counts of words, and the token ids of each word."""

import io
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN_ID = 1
SUBWORDS = ("bpe", "unigram")
MAX_SUBWORDS = 2**20  # the library takes 66 bytes for each before it begins, and ends the process where there are none
CHUNK = 10_000  # words handed to the library together
NUM_THREADS = 4  # of the unigram trainer, whose sums depend on it


def trained_model(
    kind: str, counts: Mapping[str, int], *, vocab_size: int | None, min_count: int, special: Sequence[str]
) -> Any:
    """A ``tokenizers`` model of at most vocab_size tokens, special (padding, unknown) the first; the same for the same counts.

    bpe: byte-pair encoding (Sennrich et al. 2016) over characters. unigram: a unigram language model (Kudo 2018).
    A character seen less than min_count times is unknown, and the rarest are where there are more than vocab_size; bpe also
    merges no pair that is seen less than min_count times.
    """
    vocab_size = min(vocab_size or MAX_SUBWORDS, MAX_SUBWORDS)
    alphabet = set(most_frequent(count_characters(counts), min_count)[: vocab_size - len(special)])
    known = without_unknown(counts, alphabet)
    train = train_unigram if kind == "unigram" else train_bpe
    return train(known, vocab_size=vocab_size, min_count=min_count, special=list(special))


def most_frequent(counts: Mapping[str, int], min_count: int) -> list[str]:
    """Those seen min_count times, the most frequent first."""
    frequent = [word for word, count in counts.items() if count >= min_count]
    return sorted(frequent, key=lambda word: (-counts[word], word))


def count_characters(counts: Mapping[str, int]) -> Counter[str]:
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    return characters


def without_unknown(counts: Mapping[str, int], alphabet: set[str]) -> dict[str, int]:
    """The counts of the words, or of the parts between the characters that are not in the alphabet; sorted."""
    known: Counter[str] = Counter()
    for word, count in counts.items():
        for part in "".join(each if each in alphabet else "\n" for each in word).split("\n"):
            known[part] += count
    del known[""]
    return {word: count for word, count in sorted(known.items()) if count}


def train_bpe(counts: Mapping[str, int], *, vocab_size: int, min_count: int, special: list[str]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=special[1], fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\n")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_count, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(repeated(counts), trainer)  # the library counts for itself
    return tokenizer.model


def repeated(counts: Mapping[str, int]) -> Iterator[str]:
    """Every word as often as it counts, some thousands at a time."""
    for word, count in counts.items():
        for begin in range(0, count, CHUNK):
            yield "\n".join([word] * min(CHUNK, count - begin))


def train_unigram(counts: Mapping[str, int], *, vocab_size: int, min_count: int, special: list[str]) -> Any:
    """With SentencePiece: that of ``tokenizers`` gives other numbers each time."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
    from tokenizers import models

    if not counts:
        return models.Unigram([(token, 0.0) for token in special], unk_id=UNKNOWN_ID, byte_fallback=False)
    trained = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(f"{word}\t{count}" for word, count in counts.items()), input_format="tsv", model_writer=trained,
        model_type="unigram", vocab_size=vocab_size, hard_vocab_limit=False, character_coverage=1.0, num_threads=NUM_THREADS,
        pad_id=0, unk_id=UNKNOWN_ID, bos_id=-1, eos_id=-1, pad_piece=special[0], unk_piece=special[1],
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
        split_by_whitespace=False, split_by_unicode_script=False, split_by_number=False,
        max_sentence_length=2**30, minloglevel=2,
    )  # fmt: skip
    pieces = SentencePieceProcessor(model_proto=trained.getvalue())
    scores = [(pieces.id_to_piece(token), pieces.get_score(token)) for token in range(pieces.get_piece_size())]
    return models.Unigram(scores, unk_id=UNKNOWN_ID, byte_fallback=False)


class WordTokens(NamedTuple):
    """The token ids of distinct words: those of word w are ids[ends[w - 1] : ends[w]]."""

    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]  # (W,)
    ends: NDArray[np.int64]  # (W,)

    def expand(self, words: NDArray[np.int32]) -> NDArray[np.int32]:
        """The ids of the words, one word after the other."""
        lengths = self.lengths[words]
        ends = np.cumsum(lengths)
        starts = self.ends[words] - ends  # of each word in ids, less its place in the result
        return self.ids[np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts, lengths)]


def word_tokens(tokenizer: Any, words: Sequence[str], kind: str) -> WordTokens:
    """What a fitted tokenizer of a kind makes of each word; words begin with the special ones, which are one token each."""
    from tokenizers import Tokenizer

    if kind not in SUBWORDS:
        vocabulary = tokenizer.get_vocab()
        ids = np.array([vocabulary.get(word, UNKNOWN_ID) for word in words], dtype=np.int32)
        lengths = np.ones(len(words), dtype=np.int64)
    else:
        plain = Tokenizer(tokenizer.model)  # words are normalised and cut already
        plain.add_special_tokens(list(words[:2]))
        tokens = array("i")
        lengths = np.empty(len(words), dtype=np.int64)
        for begin in range(0, len(words), CHUNK):
            for number, each in enumerate(plain.encode_batch_fast(words[begin : begin + CHUNK]), begin):
                tokens.extend(each.ids)
                lengths[number] = len(each.ids)
        ids = np.frombuffer(tokens, np.int32)
    return WordTokens(ids, lengths, np.cumsum(lengths))
