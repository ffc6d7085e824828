import torch

from gatelab.tasks.sequence.pooling import pool_last, pool_max, pool_mean

STATES = torch.arange(24, dtype=torch.float).reshape(2, 3, 4)
LENGTHS = torch.tensor([2, 3])


def test_last_takes_each_directions_last_valid_step() -> None:
    assert pool_last(STATES, LENGTHS, False).tolist() == [[4, 5, 6, 7], [20, 21, 22, 23]]
    assert pool_last(STATES, LENGTHS, True).tolist() == [[4, 5, 2, 3], [20, 21, 14, 15]]


def test_mean_and_max_see_valid_steps_alone() -> None:
    assert pool_mean(STATES, LENGTHS, False).tolist() == [[2, 3, 4, 5], [16, 17, 18, 19]]
    assert pool_max(-STATES, LENGTHS, False).tolist() == [[0, -1, -2, -3], [-12, -13, -14, -15]]
    assert pool_max(STATES, LENGTHS, False)[0].tolist() == [4, 5, 6, 7]
