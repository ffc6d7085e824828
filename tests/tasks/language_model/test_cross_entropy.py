"""The cross-entropy in the memory of its logits, held against torch's."""

import math

import pytest
import torch
from torch.nn import functional as F

from gatelab.tasks.language_model import cross_entropy as module
from gatelab.tasks.language_model.cross_entropy import cross_entropy


def test_losses_and_gradients_are_those_of_torch_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(3)
    states = torch.randn(7, 4, generator=random, dtype=torch.float64, requires_grad=True)
    matrix = torch.randn(4, 11, generator=random, dtype=torch.float64, requires_grad=True)
    targets, weights = torch.randint(11, (7,), generator=random), torch.rand(7, generator=random, dtype=torch.float64)
    expected = F.cross_entropy(states @ matrix, targets, reduction="none")
    gradients = torch.autograd.grad(expected @ weights, (states, matrix))
    for block in (1, 25, 2**18):
        monkeypatch.setattr(module, "BLOCK", block)
        losses = cross_entropy(states @ matrix, targets)
        torch.testing.assert_close(losses, expected)
        torch.testing.assert_close(torch.autograd.grad(losses @ weights, (states, matrix)), gradients)


def test_logits_far_beyond_what_an_exponential_holds_have_exact_losses() -> None:
    logits = torch.tensor([[5000.0, 0.0, -5000.0], [-9000.0, -9000.0, -9000.0]])
    torch.testing.assert_close(cross_entropy(logits, torch.tensor([1, 2])), torch.tensor([5000.0, math.log(3)]))


def test_a_second_backward_pass_is_an_error_and_no_wrong_gradient() -> None:
    matrix = torch.ones(2, 3, requires_grad=True)
    loss = cross_entropy(torch.ones(2, 2) @ matrix, torch.tensor([0, 1])).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
