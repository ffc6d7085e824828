"""The units that tell what a text is doing, on texts small enough to mark by hand and states made for them."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from gatelab.tasks.language_model.text_units import (
    Stretch,
    auroc,
    indentation,
    inside_brackets,
    inside_quotes,
    place_in_line,
    properties,
    rank_correlation,
    telling_units,
)


def marked(text: str, of_text: Any) -> str:
    return "".join(map(str, of_text(text).tolist()))


def test_quotes_and_brackets_are_from_the_opening_to_before_the_closing_one_and_only_with_a_partner() -> None:
    assert marked('a "b" c "d\n\n"', inside_quotes) == "0011000000000"  # none goes over the end of a paragraph
    assert marked("“a “b” c”", inside_quotes) == "000110000"
    assert marked("((a) [b)]", inside_brackets) == "011001110"
    assert marked("f(x[1])", inside_brackets) == "0111110"


def test_the_place_in_a_line_and_its_indentation_are_counted_in_characters() -> None:
    assert marked("ab\n\n c", place_in_line) == "120012"
    assert marked("a\n  b c\n\td", indentation) == "00122220" + "11"


def test_a_property_of_a_token_is_that_after_its_last_character() -> None:
    found = properties(["(the ", "cat) ", "\n", "sat "])
    assert found["inside brackets"].tolist() == [1, 0, 0, 0]
    assert found["before the end of a line"].tolist() == [0, 1, 0, 0]
    assert found["characters since the line began"].tolist() == [5, 10, 0, 4]


def test_scores_of_units_are_those_of_scikit_learn_and_scipy() -> None:
    random = np.random.default_rng(0)
    states, values = random.integers(0, 9, (200, 3)).astype(float), random.integers(0, 5, 200)
    states[:, 2] = 1
    holds = (values > 2).astype(np.int64)
    assert auroc(states, holds) == pytest.approx([roc_auc_score(holds, unit) for unit in states.T])
    expected = [spearmanr(unit, values).statistic for unit in states.T[:2]]
    assert rank_correlation(states, values) == pytest.approx([*expected, 0])


class Step(NamedTuple):
    cell: Tensor
    hidden: Tensor


def test_the_unit_is_chosen_on_the_first_half_and_measured_on_the_second_from_which_its_passage_is() -> None:
    text = ("word " * 60 + "(in a bracket) " * 80) * 2
    tokens, half = list(text), len(text) // 2
    random = np.random.default_rng(1)
    states = random.normal(size=(1, len(text), 4)).astype(np.float32)
    inside = inside_brackets(text)
    states[0, :half, 2] = 4.5 - 9 * inside[:half] + 0.1 * states[0, :half, 2]
    states[0, half:, 1] = inside[half:]  # is best where it does not count
    hidden = torch.zeros(1, len(text), 4)
    first, second = Step(hidden, hidden), Step(torch.from_numpy(states), hidden)
    (unit,) = telling_units(Stretch("validation", tokens, {"l0": first, "l1": second}))
    assert (unit.property, unit.layer, unit.unit, unit.measure) == ("inside brackets", 2, 2, "AUROC of −state")
    assert unit.score == pytest.approx(roc_auc_score(inside[half:], -states[0, half:, 2]))
    assert 0.4 < unit.score < 0.6
    shown = "".join(unit.tokens)
    assert len(shown) == 800
    begin = half + 300 - 80
    assert shown == text[begin : begin + 800]
    assert unit.states == pytest.approx(np.tanh(states[0, begin : begin + 800, 2]), abs=0.006)
