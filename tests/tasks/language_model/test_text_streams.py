"""Windows of a stream: each token once, columns carried on, a pure function of seed, epoch and index."""

import numpy as np
import pytest
import torch

from gatelab.tasks.language_model.text_streams import StreamLoader

STREAM = np.arange(1 + 1003)


@pytest.mark.parametrize("variable", [False, True])
def test_an_epoch_reads_every_column_once_from_left_to_right(variable: bool) -> None:
    loader = StreamLoader(STREAM, num_columns=4, window=20, seed=3, variable=variable)
    windows = list(loader)
    assert len(windows) == len(loader)
    assert [window.is_first for window in windows] == [True] + [False] * (len(windows) - 1)
    tokens = torch.cat([window.tokens for window in windows], 1)
    assert tokens.tolist() == np.arange(1000).reshape(4, 250).tolist()
    assert torch.equal(torch.cat([window.targets for window in windows], 1), tokens + 1)


def test_of_one_column_no_token_is_left_out() -> None:
    targets = torch.cat([window.targets[0] for window in StreamLoader(STREAM, num_columns=1, window=64)])
    assert targets.tolist() == list(range(1, 1004))


def test_variable_windows_are_others_each_epoch_and_mostly_about_the_given_length() -> None:
    loader = StreamLoader(np.arange(1 + 70_000), num_columns=1, window=70, seed=1, variable=True)
    lengths = [np.diff(loader.ends(epoch)) for epoch in (0, 1, 0)]
    assert lengths[0].tolist() == lengths[2].tolist() != lengths[1].tolist()
    assert np.median(lengths[0]) == pytest.approx(70, abs=2)
    assert 0.01 < (lengths[0] < 50).mean() < 0.1


def test_a_loader_goes_on_where_its_state_says() -> None:
    whole = [*StreamLoader(STREAM, num_columns=4, window=20, seed=3, variable=True)]
    first = StreamLoader(STREAM, num_columns=4, window=20, seed=3, variable=True)
    iterator = iter(first)
    for _ in range(5):
        next(iterator)
    second = StreamLoader(STREAM, num_columns=4, window=20, seed=3, variable=True)
    second.load_state_dict(first.state_dict())
    rest = [*second]
    assert [window.tokens.tolist() for window in rest] == [window.tokens.tolist() for window in whole[5:]]
    assert second.state_dict() == {"epoch": 1, "index": 0}


def test_ranks_share_the_columns_out() -> None:
    whole = next(iter(StreamLoader(STREAM, num_columns=5, window=20)))
    parts = [next(iter(StreamLoader(STREAM, num_columns=5, window=20, rank=rank, world_size=2))) for rank in (0, 1)]
    assert [len(part.tokens) for part in parts] == [3, 2]
    assert torch.equal(whole.tokens[[0, 2, 4, 1, 3]], torch.cat([part.tokens for part in parts]))
