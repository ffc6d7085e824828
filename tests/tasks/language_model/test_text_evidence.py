"""Where a model is surprised: each number against a plain computation."""

from typing import Any

import numpy as np
import pytest
import torch

from gatelab.tasks.language_model.text_evidence import beginning, by_frequency, by_position, thinned
from gatelab.tasks.language_model.text_tokenizer import ByteTokenizer, WordTokenizer


class ByState:
    """Each loss is the number of tokens read since the state was fresh."""

    device = torch.device("cpu")

    def eval(self) -> None: ...

    def losses(self, tokens: Any, targets: Any, state: Any) -> tuple[Any, Any]:
        assert torch.equal(tokens + 1, targets)
        return torch.arange(tokens.shape[1]).expand_as(tokens), None


def test_losses_by_position_are_means_over_windows_of_fresh_and_carried_states() -> None:
    test, losses = np.arange(1 + 107), np.arange(107.0)
    found = by_position(ByState(), test, losses, 10)
    assert found is not None
    assert found.read == found.fresh == list(range(10))
    assert found.carried == [np.mean([10 * window + place for window in range(10)]) for place in range(10)]
    assert by_position(ByState(), test[:9], losses[:8], 10) is None


def test_a_long_window_has_few_points_that_are_means_of_its_positions() -> None:
    found = by_position(ByState(), np.arange(1 + 400), np.zeros(400), 200)
    assert found is not None
    assert len(found.read) == 64
    sizes = np.diff([*found.read, 200])
    assert found.fresh == pytest.approx([begin + (size - 1) / 2 for begin, size in zip(found.read, sizes, strict=True)])


def test_losses_by_frequency_are_in_powers_of_ten_without_empty_ranges() -> None:
    counts, losses = np.array([0, 9, 1, 250, 0, 999]), np.array([6.0, 3.0, 4.0, 1.0, 8.0, 2.0])
    rows = [(each.least, each.most, each.tokens, each.loss) for each in by_frequency(counts, losses)]
    assert rows == [(0, 0, 2, 7.0), (1, 9, 2, 3.5), (100, 999, 2, 1.5)]


def test_the_passage_is_whole_tokens_of_the_beginning() -> None:
    tokenizer = WordTokenizer(["<unk>", "<eos>", "cat"])
    found = beginning(tokenizer, np.array([2, 1] * 1000), np.arange(2000.0))
    assert found.tokens[:3] == ["cat ", "\n", "cat "]
    assert len("".join(found.tokens)) == 1500
    assert found.losses == list(range(len(found.tokens)))


def test_of_many_samples_some_are_kept_the_first_and_last_among_them() -> None:
    assert thinned(range(100), 4) == [0, 33, 66, 99]
    assert thinned([1, 2], 4) == [1, 2]


def test_bytes_of_a_character_are_shown_once_they_are_complete() -> None:
    assert [*ByteTokenizer().decoded("é".encode())] == ["", "é"]
