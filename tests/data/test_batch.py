from pathlib import Path

import numpy as np
import pytest
import torch

from gatelab.data.batch import BatchLoader, rows_within
from gatelab.data.prepare import Prepared


@pytest.fixture
def data() -> Prepared:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 40, size=1000)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = random.integers(2, 500, size=offsets[-1]).astype(np.int32)
    zeros = np.zeros(1000, dtype=np.int32)
    labels = random.integers(0, 3, size=1000).astype(np.int32)
    return Prepared(Path(), Path(), tokens, offsets, labels, zeros.astype(np.int64), zeros, {}, {})


def loader(data: Prepared, shuffle: bool = True, rank: int = 0, world_size: int = 1, seed: int = 1) -> BatchLoader:
    rows = np.arange(0, 1000, 2)
    return BatchLoader(data, rows, batch_size=32, seed=seed, shuffle=shuffle, rank=rank, world_size=world_size)


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_comes_once_an_epoch(data: Prepared, shuffle: bool) -> None:
    batches = list(loader(data, shuffle))
    assert len(batches) == len(loader(data, shuffle)) == 16
    assert sorted(torch.cat([batch.rows for batch in batches]).tolist()) == list(range(0, 1000, 2))


def test_a_batch_holds_its_rows_right_padded_to_the_longest(data: Prepared) -> None:
    for batch in loader(data):
        assert batch.tokens.shape == (len(batch.rows), int(batch.lengths.max()))
        for tokens, length, label, row in zip(*batch[:3], batch.rows.tolist(), strict=True):
            assert tokens[:length].tolist() == data.tokens[data.offsets[row] : data.offsets[row + 1]].tolist()
            assert not tokens[length:].any()
            assert label == data.labels[row]


def test_batches_are_a_function_of_seed_epoch_and_index(data: Prepared) -> None:
    first, second = loader(data), loader(data)
    epochs = [[batch.rows.tolist() for batch in first] for _ in range(3)]
    assert epochs == [[batch.rows.tolist() for batch in second] for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert [batch.rows.tolist() for batch in loader(data, seed=2)] != epochs[0]
    resumed = loader(data)
    resumed.load_state_dict({"epoch": 1, "index": 7})
    assert [batch.rows.tolist() for batch in resumed] == epochs[1][7:]
    assert resumed.state_dict() == {"epoch": 2, "index": 0}


def test_the_state_names_the_next_batch_also_after_the_last_one(data: Prepared) -> None:
    batches = loader(data)
    for number, _ in zip(range(16), batches, strict=False):
        expected = {"epoch": 0, "index": number + 1} if number < 15 else {"epoch": 1, "index": 0}
        assert batches.state_dict() == expected


def test_similar_lengths_come_together(data: Prepared) -> None:
    padded = sum(batch.tokens.numel() for batch in loader(data))
    assert padded < 1.1 * sum(int(batch.lengths.sum()) for batch in loader(data))


@pytest.mark.parametrize(("limit", "num_batches"), [(2, 2), (0.25, 4), (1, 1)])
def test_a_limit_lets_rows_through_that_are_drawn_at_random_and_not_the_shortest(
    data: Prepared, limit: float, num_batches: int
) -> None:
    rows = np.arange(0, 1000, 2)
    limited = BatchLoader(data, rows, batch_size=32, seed=1, shuffle=False, limit=limit)
    epochs = [list(limited) for _ in range(2)]
    assert sorted(torch.cat([batch.rows for batch in epochs[0]]).tolist()) == rows.tolist()
    first, again = ([batch.rows.tolist() for batch in epoch[:num_batches]] for epoch in epochs)
    assert first == again, "the same in every epoch"
    expected = rows_within(rows, 32, limit, seed=1)
    assert sorted(row for batch in first for row in batch) == expected.tolist()
    assert rows_within(rows, 32, limit, seed=2).tolist() != expected.tolist()
    lengths = np.diff(data.offsets)
    assert abs(lengths[expected].mean() - lengths[rows].mean()) < 4 * lengths[rows].std() / np.sqrt(len(expected))


def test_a_limit_that_lets_all_through_changes_nothing(data: Prepared) -> None:
    rows = np.arange(0, 1000, 2)
    expected = [batch.rows.tolist() for batch in loader(data, shuffle=False)]
    for limit in (1.0, 16, 99):
        limited = BatchLoader(data, rows, batch_size=32, seed=7, shuffle=False, limit=limit)
        assert [batch.rows.tolist() for batch in limited] == expected


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_ranks_share_each_batch_and_none_is_left_without_rows(data: Prepared, world_size: int) -> None:
    whole = [set(batch.rows.tolist()) for batch in loader(data, world_size=1)]
    ranks = [list(loader(data, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert {len(batches) for batches in ranks} == {len(whole)}
    for number, expected in enumerate(whole):
        shares = [set(batches[number].rows.tolist()) for batches in ranks]
        assert set().union(*shares) == expected
        assert sum(map(len, shares)) == len(expected)
        assert all(shares)


def test_balanced_epochs_draw_each_class_equally_often_as_a_function_of_seed_and_epoch(data: Prepared) -> None:
    rows = np.arange(1000)[np.asarray(data.labels) != 2][:500]
    rows = rows[(data.labels[rows] == 0) | (rows % 20 == 1)]  # some 250 rows of class 0, some 12 of class 1, none of 2
    sizes = np.bincount(data.labels[rows])

    def balanced(seed: int = 1, rank: int = 0, world_size: int = 1) -> BatchLoader:
        more = {"rank": rank, "world_size": world_size}
        return BatchLoader(data, rows, batch_size=32, seed=seed, shuffle=True, balanced=True, **more)

    batches = balanced()
    epochs = [[batch.rows.tolist() for batch in batches] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert [batch.rows.tolist() for batch in balanced(seed=2)] != epochs[0]
    for epoch in epochs:
        drawn = np.concatenate(epoch)
        assert len(epoch) == len(batches)
        assert len(drawn) == len(rows)
        assert np.ptp(np.bincount(data.labels[drawn])) <= 1
        for label, size in enumerate(sizes):
            counts = np.bincount(drawn, minlength=1000)[rows[data.labels[rows] == label]]
            assert len(counts) == size
            assert counts.max() - counts.min() <= 1
    resumed = balanced()
    resumed.load_state_dict({"epoch": 1, "index": 3})
    assert [batch.rows.tolist() for batch in resumed] == epochs[1][3:]
    ranks = [[batch.rows.tolist() for batch in balanced(rank=rank, world_size=2)] for rank in range(2)]
    assert [sorted(one + other) for one, other in zip(*ranks, strict=True)] == [sorted(batch) for batch in epochs[0]]
