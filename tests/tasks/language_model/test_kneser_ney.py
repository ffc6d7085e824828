"""The n-gram baseline against a count by hand, against a second computation in plain loops, and as a distribution."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatelab.tasks.language_model.kneser_ney import GUESS, KneserNey, discounts_of
from gatelab.tasks.language_model.language_baselines import baseline_metrics, cached_metrics
from gatelab.tasks.language_model.language_scores import TextSize


def test_a_bigram_worked_by_hand() -> None:
    """The text is a b a b c. With so few counts every discount is one half.

    Continuations: a after b; b after a; c after b: one each of three. So P(a) = P(b) = P(c) = (1 - 1/2)/3 + (3/2)/3 * 1/4 = 7/24, and
    P(d) = 1/8, of four words. After a: b twice, so P(b|a) = (2 - 1/2)/2 + (1/2)/2 * 7/24 = 79/96, P(d|a) = 1/4 * 1/8 = 1/32.
    After b: a and c once each, so P(c|b) = (1 - 1/2)/2 + (2/2)/2 * 7/24 = 19/48. After c nothing was seen: P(a|c) = P(a).
    """
    a, b, c, d = range(4)
    model = KneserNey(np.array([a, b, a, b, c]), vocab_size=4, order=2)

    def p(before: int, token: int) -> float:
        return model.probabilities(np.array([before, token]))[1]

    assert model.probabilities(np.array([d, a]))[0] == pytest.approx(1 / 8)
    assert (p(a, b), p(a, d), p(b, c), p(c, a)) == pytest.approx((79 / 96, 1 / 32, 19 / 48, 7 / 24))


def plain_probability(text: list[int], history: tuple[int, ...], token: int, vocab_size: int, highest: int) -> float:
    """Chen & Goodman's recursion as written, with dictionaries."""
    if not history and highest == 0:
        return 1 / vocab_size
    order = len(history) + 1
    grams = [tuple(text[i : i + order]) for i in range(len(text) - order + 1)]
    if order == highest:
        counts = Counter(grams)
    else:
        longer = {tuple(text[i : i + order + 1]) for i in range(len(text) - order)}
        counts = Counter(gram[1:] for gram in longer)
    discounts = discounts_of(np.array(list(counts.values())))
    after = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == history}
    lower = plain_probability(text, history[1:], token, vocab_size, highest) if history else 1 / vocab_size
    total = sum(after.values())
    if not total:
        return lower
    taken = {word: discounts[min(count, 3)] for word, count in after.items()}
    return (after.get(token, 0) - taken.get(token, 0) + sum(taken.values()) * lower) / total


def test_five_grams_are_those_of_the_recursion_as_published() -> None:
    draw = np.random.default_rng(0)
    text = (draw.integers(0, 3, 400) + draw.integers(0, 3, 400)).tolist()
    model, heard = KneserNey(np.array(text), vocab_size=7, order=5), [*text[40:46], 6, 2, 0, 1]
    wanted = [plain_probability(text, tuple(heard[max(0, t - 4) : t]), heard[t], 7, 5) for t in range(len(heard))]
    assert model.probabilities(np.array(heard)) == pytest.approx(wanted)


def test_the_probabilities_of_all_tokens_sum_to_one_after_any_history() -> None:
    draw = np.random.default_rng(1)
    text = np.minimum(draw.geometric(0.3, 3000), 11)
    model = KneserNey(text, vocab_size=12)
    for history in (text[100:104], np.array([11, 11, 0, 11]), np.array([0, 0, 0, 0])):
        total = sum(model.probabilities(np.append(history, token))[-1] for token in range(12))
        assert total == pytest.approx(1)


def test_discounts_are_those_of_chen_and_goodman_or_one_half() -> None:
    counts = np.repeat([1, 2, 3, 4, 5], [8, 4, 2, 1, 1])
    y = 8 / (8 + 2 * 4)
    assert discounts_of(counts) == pytest.approx([0, 1 - 2 * y * 4 / 8, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2])
    assert discounts_of(np.array([5, 7])).tolist() == [0, GUESS, GUESS, GUESS]


def test_the_unigram_knows_frequencies_and_the_5_gram_a_cycle() -> None:
    train, test = np.tile([0, 1, 2, 3], 200), np.tile([0, 1, 2, 3], 10)
    found = baseline_metrics(train, test, 4, TextSize(39, 39, 78))
    assert found["unigram"]["perplexity"] == pytest.approx(4)
    assert found["5-gram"]["perplexity"] < 1.05
    assert found["unigram"]["bits_per_byte"] == pytest.approx(math.log2(4) / 2)


def test_the_baselines_of_a_text_are_computed_once_and_again_where_they_are_damaged(tmp_path: Path) -> None:
    computed = []

    def compute() -> dict[str, Any]:
        computed.append(1)
        return {"unigram": {"loss": 1.5}}

    for content, times in (("", 1), ("", 1), ("{", 2), ("[1]", 3), ('"x', 4)):
        for file in tmp_path.iterdir() if content else ():
            file.write_text(content)
        assert cached_metrics(tmp_path, 7, compute) == {"unigram": {"loss": 1.5}}
        assert len(computed) == times
    cached_metrics(tmp_path, 8, compute)  # of another number of tested tokens
    assert len(computed) == 5
