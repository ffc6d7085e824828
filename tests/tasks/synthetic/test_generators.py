"""Every problem is solved by reading its inputs alone, one sequence at a time, and its baseline is what such a solver measures."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from gatelab.data.batch import NO_LABEL
from gatelab.errors import ConfigError
from gatelab.tasks.synthetic.adding import Adding
from gatelab.tasks.synthetic.copy_memory import Copy
from gatelab.tasks.synthetic.counting import Counting
from gatelab.tasks.synthetic.dyck import Dyck, dyck_paths
from gatelab.tasks.synthetic.parity import Parity
from gatelab.tasks.synthetic.reber import SYMBOLS, Reber
from gatelab.tasks.synthetic.sequences import Sequences
from gatelab.tasks.synthetic.temporal_order import TemporalOrder

SIZES = {
    "num_sequences": 64, "num_validation": 8, "num_test": 8, "batch_size": 16, "eval_batch_size": 8, "success": 0.99, "seed": 3,
}  # fmt: skip


def problem(kind: Any, length: int, **keys: Any) -> Any:
    return kind(length=length, **SIZES, **keys)


def drawn(data: Any, num: int = 300, length: int | None = None, training: bool = False) -> Sequences:
    make = data.generate_training if training else data.generate
    return make(np.random.default_rng(5), num, length or data.length)


def rows(sequences: Sequences) -> list[tuple[list[Any], list[Any]]]:
    """The steps of each sequence and what is asked after them, None where nothing is."""
    found = []
    for inputs, length, targets in zip(*sequences, strict=True):
        answers = [None if math.isnan(answer) or answer == NO_LABEL else answer for answer in targets[:length].tolist()]
        assert all(math.isnan(answer) or answer == NO_LABEL for answer in targets[length:])
        assert not np.any(inputs[length:])
        found.append((inputs[:length].tolist(), answers))
    return found


def sets(answers: Sequence[int], names: str) -> list[set[str]]:
    return [{name for k, name in enumerate(names) if answer >> k & 1} for answer in answers]


def at_end(answers: list[Any]) -> Any:
    assert all(answer is None for answer in answers[:-1])
    return answers[-1]


def test_adding_of_le_asks_for_the_sum_of_the_two_numbers_with_a_one_beside_them() -> None:
    for steps, answers in rows(drawn(problem(Adding, 21))):
        assert len(steps) == 21
        marked = [place for place, (_, marker) in enumerate(steps) if marker == 1]
        assert len(marked) == 2
        assert marked[0] < 10 <= marked[1]
        assert all(0 <= value < 1 and marker in (0, 1) for value, marker in steps)
        assert at_end(answers) == pytest.approx(sum(steps[place][0] for place in marked), abs=1e-6)


def test_adding_of_hochreiter_and_schmidhuber_scales_the_sum_and_leaves_the_first_pair_out() -> None:
    lengths, first_drawn = set(), 0
    for steps, answers in rows(drawn(problem(Adding, 40, variant="hochreiter"))):
        lengths.add(len(steps))
        assert steps[0][1] == steps[-1][1] == -1
        marked = [place for place, (_, marker) in enumerate(steps) if marker == 1]
        assert all(-1 <= value <= 1 for value, _ in steps)
        assert marked[-1] < 20
        assert len(marked) == 2 or len(marked) == 1
        first_drawn += len(marked) == 1
        assert at_end(answers) == pytest.approx(0.5 + sum(steps[place][0] for place in marked) / 4, abs=1e-6)
    assert lengths == set(range(40, 45))
    assert 0 < first_drawn < 100


def test_copy_asks_for_blanks_until_the_signal_and_then_for_the_letters() -> None:
    gaps: dict[str, set[int]] = {"fixed": set(), "variable": set()}
    for variant, seen in gaps.items():
        for steps, answers in rows(drawn(problem(Copy, 7, variant=variant))):
            signal = steps.index(9)
            seen.add(signal - 9)
            assert steps[10:signal] == [8] * (signal - 10)
            assert answers == [8] * (signal + 1) + steps[:10] + [8] * (27 - signal - 11)
    assert gaps == {"fixed": {7}, "variable": set(range(1, 8))}


@pytest.mark.parametrize(("variant", "num_symbols"), [("two", 2), ("three", 3)])
def test_temporal_order_asks_for_the_relevant_symbols_in_their_order(variant: str, num_symbols: int) -> None:
    lengths = set()
    for steps, answers in rows(drawn(problem(TemporalOrder, 50, variant=variant))):
        lengths.add(len(steps))
        relevant = [(place, symbol) for place, symbol in enumerate(steps) if symbol in (4, 5)]
        assert len(relevant) == num_symbols
        assert all(symbol < 4 for symbol in steps[1:-1] if symbol not in (4, 5))
        assert (steps[0], steps[-1]) == (6, 7)
        assert 5 <= relevant[0][0] <= 10
        assert at_end(answers) == int("".join("01"[symbol == 5] for _, symbol in relevant), 2)
    assert lengths == set(range(50, 56))


@pytest.mark.parametrize("modulus", [2, 5])
def test_parity_asks_for_the_sum_of_the_digits_at_the_end_or_after_each_step(modulus: int) -> None:
    for steps, answers in rows(drawn(problem(Parity, 9, modulus=modulus), training=True)):
        assert at_end(answers) == sum(steps) % modulus
    for steps, answers in rows(drawn(problem(Parity, 9, modulus=modulus, ask="each_step"))):
        assert answers == [sum(steps[: place + 1]) % modulus for place in range(9)]


def test_parity_is_trained_up_to_its_length_and_tested_at_it() -> None:
    data = problem(Parity, 9)
    assert set(drawn(data, training=True).lengths) == set(range(1, 10))
    assert set(drawn(data, length=30).lengths) == {30}


@pytest.mark.parametrize("letters", ["ab", "abc"])
def test_counting_asks_which_symbols_may_follow_in_words_of_equal_counts(letters: str) -> None:
    words = {n: "".join(letter * n for letter in letters) + "T" for n in range(1, 30)}
    seen = set()
    for steps, answers in rows(
        drawn(problem(Counting, 6, variant="anbn" if letters == "ab" else "anbncn"), training=True)
    ):
        word = "".join(("S" + letters)[step] for step in steps)[1:]
        seen.add(word + "T")
        following = [
            {other[place] for other in words.values() if other.startswith(word[:place])}
            for place in range(len(word) + 1)
        ]
        assert sets(answers, "S" + letters + "T") == following
    assert seen == {words[n] for n in range(1, 7)}


@pytest.mark.parametrize("kinds", [1, 2])
def test_dyck_asks_for_what_may_follow_and_has_balanced_words(kinds: int) -> None:
    opening, closing = "(["[:kinds], ")]"[:kinds]
    for steps, answers in rows(drawn(problem(Dyck, 12, kinds=kinds))):
        stack: list[str] = []
        for step, answer in zip(steps, sets(answers, opening + closing), strict=True):
            symbol = (opening + closing)[step]
            if symbol in opening:
                stack.append(closing[opening.index(symbol)])
            else:
                assert stack.pop() == symbol
            assert answer == {*opening, *stack[-1:]}
        assert stack == []


def test_every_balanced_word_is_equally_likely() -> None:
    paths = Counter(map(bytes, dyck_paths(np.random.default_rng(0), 28_000, 4)))
    assert len(paths) == 14  # the Catalan number
    assert all(abs(count - 2000) < 5 * math.sqrt(2000) for count in paths.values())


def reber_words(length: int) -> dict[str, set[str]]:
    """The symbols that may follow each beginning of the words of up to so many symbols, by all walks through the published diagram."""
    arcs = {1: "T2 P3", 2: "S2 X4", 3: "T3 V5", 4: "X3 S6", 5: "P4 V6"}
    follow: dict[str, set[str]] = {}

    def walk(word: str, state: int, outer: str) -> None:
        if state == 6:
            for symbol in ("E", outer, "E"):
                follow.setdefault(word, set()).add(symbol)
                word += symbol
            return
        for arc in arcs[state].split():
            follow.setdefault(word, set()).add(arc[0])
            if len(word) < length:
                walk(word + arc[0], int(arc[1]), outer)

    for outer in "TP":
        follow.setdefault("B", set()).add(outer)
        follow.setdefault("B" + outer, set()).add("B")
        walk(f"B{outer}B", 1, outer)
    return follow


def test_reber_asks_for_what_the_diagram_allows_and_has_the_fewest_symbols_that_it_is_given() -> None:
    follow = reber_words(16)
    checked = 0
    for length in (9, 14):
        lengths = set()
        for steps, answers in rows(drawn(problem(Reber, length))):
            word = "".join(SYMBOLS[step] for step in steps)
            lengths.add(len(word) + 1)
            assert word[1] == word[-1]
            if len(word) < 14:
                checked += 1
                assert sets(answers, SYMBOLS) == [follow[word[: place + 1]] for place in range(len(word))]
        assert min(lengths) == length
    assert checked > 200


def memoryless(sequences: Sequences, key: Callable[[int, Any], Any]) -> dict[str, float]:
    """What the best answer of its step and what key makes of its input reaches, counted over sequences of equal length."""
    seen: dict[Any, Counter[Any]] = {}
    for steps, answers in rows(sequences):
        for place, (step, answer) in enumerate(zip(steps, answers, strict=True)):
            if answer is not None:
                seen.setdefault(key(place, step), Counter())[answer] += 1
    total = sum(sum(counts.values()) for counts in seen.values())
    entropy = -sum(n * math.log(n / sum(counts.values())) for counts in seen.values() for n in counts.values())
    return {"loss": entropy / total, "steps_right": sum(max(counts.values()) for counts in seen.values()) / total}


def test_the_baseline_of_adding_is_the_variance_of_its_targets() -> None:
    for variant, length in (("le", 20), ("hochreiter", 20), ("hochreiter", 100)):
        data = problem(Adding, length, variant=variant)
        targets = drawn(data, 100_000 if length == 20 else 20_000).targets
        answers = targets[~np.isnan(targets)].astype(float)
        assert data.baseline(length)["mse"] == pytest.approx(answers.var(), rel=0.03)
    near_one = np.abs(drawn(problem(Adding, 20), 50_000).targets[:, -1] - 1) < 0.04
    assert problem(Adding, 20).baseline(20)["sequences_right"] == pytest.approx(near_one.mean(), rel=0.05)


def test_the_baselines_in_closed_form_are_what_the_best_answer_without_memory_reaches() -> None:
    cases: list[tuple[Any, Callable[[int, Any], Any], tuple[str, ...]]] = [
        (problem(Copy, 5), lambda place, step: (place, step), ("loss", "steps_right")),
        (problem(TemporalOrder, 20, variant="three"), lambda place, step: step, ("loss",)),
        (problem(Parity, 6, modulus=3), lambda place, step: step, ("loss",)),
        (problem(Parity, 6, modulus=3, ask="each_step"), lambda place, step: (place, step), ("loss", "steps_right")),
        (problem(Counting, 5, variant="anbncn"), lambda place, step: step, ("steps_right",)),
        (problem(Dyck, 24), lambda place, step: step, ("steps_right",)),
        (problem(Dyck, 8), lambda place, step: step, ("steps_right",)),
        (problem(Dyck, 24, kinds=2), lambda place, step: step, ("steps_right",)),
        (problem(Reber, 12), lambda place, step: step, ("steps_right",)),
    ]
    for data, key, names in cases:
        found, counted = data.baseline(data.length), memoryless(drawn(data, 3000), key)
        for name in names:
            tolerance = 0.03 if isinstance(data, Reber) else 0.015
            assert found[name] == pytest.approx(counted[name], abs=tolerance), (data.title, name)
    assert problem(Copy, 100).baseline(100)["loss"] == pytest.approx(10 * math.log(8) / 120)


@pytest.mark.parametrize(
    ("kind", "keys", "sentence"),
    [
        (Adding, {"length": 1}, r"data\.length=1: is too short\. This problem begins at 2\."),
        (Adding, {"length": 19, "variant": "hochreiter"}, r"data\.length=19: is too short"),
        (Adding, {"length": 50, "test_lengths": [1]}, r"data\.test_lengths=1: is too short"),
        (Dyck, {"length": 7}, r"data\.length=7: a word of brackets that all close has an even length\."),
        (Reber, {"length": 8}, r"data\.length=8: is too short\. This problem begins at 9\."),
    ],
)
def test_a_length_at_which_there_is_no_problem_is_refused(kind: Any, keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        kind(**{**SIZES, **keys})


def test_the_loss_of_counting_is_the_entropy_of_each_symbol_that_may_follow() -> None:
    data = problem(Counting, 5)
    num_steps, loss = 0, 0.0
    for steps, answers in rows(drawn(data, 1)):
        after_b = [answer for step, answer in zip(steps, answers, strict=True) if step == 2]
        num_steps = len(steps)
        for k in range(4):
            p = np.mean([answer >> k & 1 for answer in after_b])
            loss += 0 if p in (0, 1) else -len(after_b) * (p * np.log(p) + (1 - p) * np.log(1 - p))
    assert data.baseline(5)["loss"] == pytest.approx(loss / (4 * num_steps))


@pytest.mark.parametrize("fixed", [False, True])
def test_each_seed_of_64_bits_has_training_sequences_of_its_own(fixed: bool) -> None:
    seeds = (-(2**63), -1, 0, 2**63 - 1)
    found = set()
    for seed in seeds:
        keys: dict[str, Any] = {**SIZES, "length": 5, "seed": seed, "fixed": fixed}
        found.add(Adding(**keys).training_sequences(1, 0, 9).inputs.tobytes())
    assert len(found) == len(seeds)
