"""What a cell may not do is told once, when it is built, with the method and the line."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn, sigmoid, tanh

from gatelab.errors import CellError
from gatelab.recurrent import Cell, Recurrent


class Leaky(Cell):
    """A cell without fault, from which the others differ in one method."""

    gates: Any = ("forget", "candidate")

    def update(self, a: Any, c: Tensor) -> Any:
        forget_gate = sigmoid(a.forget)
        return forget_gate * c + (1 - forget_gate) * tanh(a.candidate)

    def readout(self, c: Tensor) -> Any:
        return tanh(c)


class Cumulative(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return torch.cumsum(a.forget, 1)


class Multiplied(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return c @ torch.eye(3, dtype=c.dtype) + a.forget


class Centred(Leaky):
    def readout(self, c: Tensor) -> Any:
        return c - c.mean(1, keepdim=True)


class Competing(Leaky):
    def readout(self, c: Tensor) -> Any:
        return c * torch.softmax(c, 1)


class InPlace(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        c += a.candidate
        return c


class Noisy(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return nn.functional.dropout(c, 0.5) + a.candidate


class Branching(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return c if c.sum() > 0 else a.candidate


class BranchingOnItems(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return c * float(c[0, 0])


class Detached(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return (c + a.candidate).detach()


class Halting(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return c.reshape(5) + a.candidate


class KeptAsItIs(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return c.detach()


class WithWeights(Leaky):
    def update(self, a: Any, c: Tensor) -> Any:
        return c * torch.ones(2, 3) + a.candidate


class Rounded(Leaky):
    def readout(self, c: Tensor) -> Any:
        return c + torch.div(c, 2, rounding_mode="floor")


class TwoStates(Leaky):
    states = ("c", "n")

    def update(self, a: Any, c: Tensor) -> Any:
        return c + a.candidate


class ThreeForTwo(TwoStates):
    def update(self, a: Any, c: Tensor) -> Any:
        return c, c, a.candidate


class Number(Leaky):
    def readout(self, c: Tensor) -> Any:
        return 1.0


class Asking(Leaky):
    def update(self, a: Any, cell: Tensor) -> Any:
        return cell


class Without(Cell):
    gates = ("forget",)

    def update(self, a: Any, c: Tensor) -> Any:
        return c * sigmoid(a.forget)


class WithoutUpdate(Cell):
    gates = ("forget",)


class WithoutInner(Leaky):
    gates = {"forget": "x + inner", "candidate": "x"}  # noqa: RUF012


class Misspelt(Leaky):
    gates = {"forget": "x and h", "candidate": "x"}  # noqa: RUF012


class Starting(Leaky):
    initial: Any = {"cell": 1.0}  # noqa: RUF012


class Blind(Leaky):
    gates = {"forget": "h", "candidate": "h"}  # noqa: RUF012


class UnknownGate(Leaky):
    def readout(self, a: Any, c: Tensor) -> Any:  # type: ignore[override]
        return sigmoid(a.output) * c


class Counting(Leaky):
    def __init__(self) -> None:
        self.steps = 0

    def update(self, a: Any, c: Tensor) -> Any:
        self.steps += 1
        return c + a.candidate


class Remembering(Leaky):
    def __init__(self) -> None:
        self.last: list[int] = []

    def update(self, a: Any, c: Tensor) -> Any:
        self.last.append(0)
        return c * len(self.last) + a.candidate


def line_of(kind: type[Cell], method: str) -> str:
    """Where its first statement stands."""
    return f"line {getattr(kind, method).__code__.co_firstlineno + 1}"


@pytest.mark.parametrize(
    ("kind", "method", "sentence"),
    [
        (Cumulative, "update", "computes cumsum, which mixes units"),
        (Multiplied, "update", "computes mm, which mixes units"),
        (Centred, "readout", "computes mean, which mixes units"),
        (Competing, "readout", "computes _softmax, which mixes units"),
        (InPlace, "update", "changes a tensor in place"),
        (Noisy, "update", "draws random numbers"),
        (Branching, "update", "mixes units|decides by the value of a tensor"),
        (BranchingOnItems, "update", "decides by the value of a tensor|mixes units"),
        (WithWeights, "update", "uses a tensor that is neither a gate, a vector nor a state"),
        (Rounded, "readout", "calls div with rounding_mode, which the fast path cannot"),
        (Halting, "update", "raises RuntimeError"),
        (UnknownGate, "readout", "asks for output, which is none of forget, candidate"),
    ],
)
def test_what_a_step_may_not_compute_is_told_with_its_line(kind: type[Cell], method: str, sentence: str) -> None:
    with pytest.raises(CellError, match=sentence) as caught:
        Recurrent(kind(), 2, 3)
    assert f"{kind.__name__}.{method}" in str(caught.value)
    assert f"test_cell_faults.py, {line_of(kind, method)}" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Detached, "Detached.update: c has no derivative. Do not detach it"),
        (KeptAsItIs, "KeptAsItIs.update: c has no derivative. Do not detach it"),
        (TwoStates, "TwoStates.update must return c, n, not Tensor"),
        (ThreeForTwo, "ThreeForTwo.update must return c, n, not 3 values"),
        (Number, "Number.readout must return the hidden state, not float"),
        (Asking, "Asking.update asks for cell, which is none of a, p, h, c"),
        (Without, "Without has no readout: write it as a method that returns the hidden state"),
        (WithoutUpdate, "WithoutUpdate has no update: write it as a method that returns the states after the step"),
        (WithoutInner, "WithoutInner has no inner, but a gate sees"),
        (Misspelt, 'Misspelt.gates: forget sees "x and h", which is none of'),
        (Starting, "Starting.initial: cell is none of its states c"),
        (Blind, "Blind.gates: none of them sees x"),
        (Counting, "Counting: a second step has other equations .* keeps something between steps"),
        (Remembering, "Remembering: a second step has other equations .* keeps something between steps"),
    ],
)
def test_what_a_cell_lacks_or_keeps_is_told(make: Callable[[], Cell], sentence: str) -> None:
    with pytest.raises(CellError, match=sentence):
        Recurrent(make(), 2, 3)


def test_a_cell_without_fault_is_taken() -> None:
    assert Recurrent(Leaky(), 2, 3).plan is not None


def test_a_cell_that_is_not_pointwise_is_computed_step_by_step_where_it_says_so() -> None:
    layers = Recurrent(type("Competing", (Competing,), {"pointwise": False})(), 2, 3).double()
    assert layers.plan is None
    x = torch.randn(4, 2, 2, dtype=torch.float64)
    states = layers.trace(x)["l0"]
    torch.testing.assert_close(layers(x)[0], states.cell * states.cell.softmax(2))
