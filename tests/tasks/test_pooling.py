import torch
from torch import nn

from gatelab.tasks.sequence.pooling import AttentionPooling, pool_last, pool_max, pool_mean

STATES = torch.arange(24, dtype=torch.float).reshape(2, 3, 4)
LENGTHS = torch.tensor([2, 3])


def test_last_takes_each_directions_last_valid_step() -> None:
    assert pool_last(STATES, LENGTHS, False).tolist() == [[4, 5, 6, 7], [20, 21, 22, 23]]
    assert pool_last(STATES, LENGTHS, True).tolist() == [[4, 5, 2, 3], [20, 21, 14, 15]]


def test_mean_and_max_see_valid_steps_alone() -> None:
    assert pool_mean(STATES, LENGTHS, False).tolist() == [[2, 3, 4, 5], [16, 17, 18, 19]]
    assert pool_max(-STATES, LENGTHS, False).tolist() == [[0, -1, -2, -3], [-12, -13, -14, -15]]
    assert pool_max(STATES, LENGTHS, False)[0].tolist() == [4, 5, 6, 7]


def test_attention_is_torchs_over_the_valid_steps_alone_whatever_stands_in_the_padding(
    one_thread_one_seed: None,
) -> None:
    pooling, states = AttentionPooling(4), torch.randn(2, 3, 4)
    states[0, 2] = torch.nan
    expected = [
        nn.functional.scaled_dot_product_attention(
            pooling.query.weight * 4**0.5, (states[row, :steps] @ pooling.projection.weight.T + pooling.projection.bias).tanh(),
            states[row, :steps],
        )[0]
        for row, steps in enumerate(LENGTHS.tolist())
    ]  # fmt: skip
    pooled = pooling(states, LENGTHS, False)
    torch.testing.assert_close(pooled, torch.stack(expected))
    pooled.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in pooling.parameters())  # type: ignore[union-attr]
    weights = pooling.weights(states.nan_to_num(), LENGTHS)
    assert weights[0, 2] == 0
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert not pooling(states, torch.tensor([0, 3]), False)[0].any(), "a row without a step has no state"
