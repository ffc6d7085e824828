import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatelab.recurrent import reverse_valid, valid_mask

lengths_of_rows = st.lists(st.integers(0, 7), min_size=1, max_size=5)


def numbered(lengths: list[int], num_steps: int) -> torch.Tensor:
    return torch.arange(len(lengths) * num_steps * 2.0).reshape(len(lengths), num_steps, 2)


@settings(deadline=None)
@given(lengths_of_rows, st.integers(0, 3))
def test_the_valid_steps_of_a_row_are_reversed_and_its_padding_stays(lengths: list[int], extra: int) -> None:
    x = numbered(lengths, max(lengths) + extra)
    reversed_x = reverse_valid(x, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        assert reversed_x[row].tolist() == x[row, :length].tolist()[::-1] + x[row, length:].tolist()


@settings(deadline=None)
@given(lengths_of_rows, st.integers(0, 3))
def test_reversing_twice_gives_the_batch_again(lengths: list[int], extra: int) -> None:
    x = numbered(lengths, max(lengths) + extra)
    assert torch.equal(reverse_valid(reverse_valid(x, torch.tensor(lengths)), torch.tensor(lengths)), x)


def test_rows_of_length_zero_and_one_stay_as_they_are() -> None:
    x = numbered([0, 1], 3)
    assert torch.equal(reverse_valid(x, torch.tensor([0, 1])), x)


def test_without_lengths_every_step_is_valid() -> None:
    x = numbered([4, 4], 4)
    assert torch.equal(reverse_valid(x, None), reverse_valid(x, torch.tensor([4, 4])))


def test_the_gradient_of_a_step_goes_back_to_where_it_came_from() -> None:
    x = numbered([3, 2], 3).requires_grad_()
    reverse_valid(x, torch.tensor([3, 2]))[:, 0].sum().backward()
    assert x.grad is not None
    assert x.grad[..., 0].tolist() == [[0, 0, 1], [0, 1, 0]]


@given(lengths_of_rows)
def test_the_mask_is_true_for_as_many_steps_as_a_row_is_long(lengths: list[int]) -> None:
    expected = [[True] * length + [False] * (7 - length) for length in lengths]
    assert valid_mask(torch.tensor(lengths), 7).tolist() == expected
