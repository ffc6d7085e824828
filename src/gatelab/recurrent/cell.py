"""What a recurrent cell is: its gates, its states and the equations of one step. The shipped ones are in ``cells``.

    class Leaky(Cell):
        gates = ("forget", "candidate")

        def update(self, a, c):
            forget_gate = sigmoid(a.forget)
            return forget_gate * c + (1 - forget_gate) * tanh(a.candidate)

        def readout(self, c):
            return tanh(c)

Everything else follows: parameters, gradients, the fused loop, the trace by name, the formula. B batch, H hidden.
"""

import copy
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType, SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from gatelab.errors import CellError, did_you_mean

BOTH, X, H, APART, INNER = "x + h", "x", "h", "x, h", "x + inner"
EPSILON = 1e-5  # of layer normalisation
FIXED = ("a", "p", "h")  # arguments of the equations besides states and named values


class Cell:
    """One recurrent step, written as in a textbook. Derive from it; the class attributes say what the equations are about.

    gates: the names of what has weights, in the order of their rows. Each sees ``"x + h"``: W x_t + U h_{t-1} + b. A mapping
        says otherwise: ``"x"`` or ``"h"`` only; ``"x, h"`` both, apart, as ``a.NAME.x`` and ``a.NAME.h``; ``"x + inner"``
        what ``inner`` returns in place of h_{t-1}.
    states: what a step hands to the next. ``"h"`` among them is the hidden state itself; else ``readout`` returns that.
    initial: what states begin at that do not begin at 0.
    vectors: one weight a unit, {parameter: (name, …)}: ``p.NAME`` (H,) in the equations, rows of ``weight_PARAMETER``.
    recurrent: named values of a step that the gates ``recurrent_gates`` of the next see besides h, through ``weight_gates``.
    keeps, writes: the gates that hold the state and that let into it, with 1, or −1 where a shut gate does: what
        forget_bias and chrono set.
    pointwise: unit j of every state sees unit j only of gates and states. Nearly every gated cell is so, and only then there
        is a fast path; a cell that is not says False and is computed step by step.

    The equations are methods whose arguments are taken by their names:

        update(self, a, c)    from the preactivations ``a.GATE`` (B, H) and the states before: the states after
        readout(self, a, c)   from the states after: the hidden state (B, H). Not with a state h.
        inner(self, a, h)     for ``"x + inner"``

    Each may ask for a, p and the states, readout for any named value of update too. They compute with torch's functions on
    whole tensors, change nothing in place and keep nothing. A value with a name is traced under it; end the names of gates,
    which lie in [0, 1], with ``_gate``.
    """

    gates: Sequence[str] | Mapping[str, str] = ()
    states: Sequence[str] = ("c",)
    initial: Mapping[str, float] = {}
    vectors: Mapping[str, Sequence[str]] = {}
    recurrent: Sequence[str] = ()
    recurrent_gates: Sequence[str] = ()
    keeps: Mapping[str, int] = {"forget": 1}
    writes: Mapping[str, int] = {"input": 1}
    pointwise: bool = True
    symbols: ClassVar[Mapping[str, str]] = {}  # of names in formulas, in LaTeX

    update: Callable[..., Any]
    readout: Callable[..., Any]
    inner: Callable[..., Any]

    def initialize(self, weights: "GateWeights") -> None:
        """Overwrite in place the initial weights, uniform in ±1/√H, where the cell's paper says otherwise."""

    def normalize(self, c: Tensor) -> Tensor:
        """c, layer-normalised where the layer asks for it. For readout."""
        return c if self._normalized is None else self._normalized(c)

    _normalized: Callable[[Tensor], Tensor] | None = None

    def normalizing(self, function: Callable[[Tensor], Tensor]) -> "Cell":
        """A copy whose ``normalize`` is function."""
        other = copy.copy(self)
        other._normalized = function
        return other

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments that are not the defaults, where they are kept under their names."""
        parameters = inspect.signature(type(self).__init__).parameters.values()
        return {
            one.name: getattr(self, one.name)
            for one in parameters
            if one.default is not one.empty and getattr(self, one.name, one.default) != one.default
        }

    @property
    def sees(self) -> dict[str, str]:
        """What each gate sees, in the order of their rows."""
        return dict(self.gates) if isinstance(self.gates, Mapping) else dict.fromkeys(self.gates, BOTH)

    @property
    def inner_states(self) -> tuple[str, ...]:
        """The states but for h."""
        return tuple(name for name in self.states if name != "h")

    @property
    def state_names(self) -> tuple[str, ...]:
        """Those of a layer's state, in its order."""
        return ("h", *self.inner_states)

    @property
    def vector_names(self) -> tuple[str, ...]:
        return tuple(name for names in self.vectors.values() for name in names)


class GateWeights(NamedTuple):
    """Views into the initial weights of one layer and direction, by gate: input (H, E), recurrent (H, H), bias (H,); vector
    (H,) by name. A gate that sees x and h has a second bias, bias_hidden, that is added."""

    input: Mapping[str, Tensor]
    recurrent: Mapping[str, Tensor]
    bias: Mapping[str, Tensor]
    vector: Mapping[str, Tensor]
    bias_hidden: Mapping[str, Tensor]


class StepValues(NamedTuple):
    """states: after the step, h among them. named: what the equations call by a name, the states among them, in the order of
    a textbook; without names the states only."""

    states: dict[str, Any]
    named: dict[str, Any]


def argument_names(function: Any) -> tuple[str, ...]:
    code = function.__func__.__code__
    return code.co_varnames[1 : code.co_argcount]


def step(cell: Cell, a: Any, p: Any, before: Mapping[str, Any], named: bool = False) -> StepValues:
    """One step of the equations. a, p: namespaces; before: the states by name, h among them."""
    run = observed if named or _needs_names(cell) else plainly
    states: dict[str, Any] = {}
    values: dict[str, Any] = {"a": a, "p": p, **before}
    found: dict[str, Any] = {}
    if cell.states:
        after, found = run(cell.update, values)
        after = after if len(cell.states) > 1 else (after,)
        states = {name: whole(new, before[name]) for name, new in zip(cell.states, after, strict=True)}
    found |= states
    if "h" not in states:
        hidden, read = run(cell.readout, {**values, **found})
        states["h"] = whole(hidden, before["h"])
        found |= read
    return StepValues(states, {**found, "h": states["h"]} if "h" not in found else found)


def whole(value: Any, like: Tensor) -> Tensor:
    """(B, H), of what may be one number or one a unit."""
    return value.expand_as(like) if isinstance(value, Tensor) else torch.full_like(like, value)


def _needs_names(cell: Cell) -> bool:
    known = {*FIXED, *cell.states}
    return bool(cell.recurrent) or ("h" not in cell.states and not known.issuperset(argument_names(cell.readout)))


def plainly(function: Any, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    return function(**{name: values[name] for name in argument_names(function)}), {}


def observed(function: Any, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What function returns, and what it calls by a name of its own."""
    names, code = argument_names(function), function.__func__.__code__
    found: dict[str, Any] = {}

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            found.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        result = function(**{name: values[name] for name in names})
    finally:
        sys.setprofile(before if callable(before) else None)
    values_found = {
        name: value
        for name, value in found.items()
        if name not in names and name != "self" and isinstance(value, Tensor | int | float)
    }
    return result, values_found


def check_names(cell: Cell) -> None:
    """Raises CellError for names in the equations that the cell does not declare."""
    kind = type(cell).__name__
    known = [*FIXED, *cell.states]
    methods = [name for name in ("update", "readout", "inner") if getattr(cell, name, None) is not None]
    if all(seen == H for seen in cell.sees.values()):
        raise CellError(f"{kind}.gates: none of them sees x, so the layer would not read its input.")
    for name in cell.initial:
        if name not in cell.states:
            raise CellError(
                f"{kind}.initial: {name} is none of its states {', '.join(cell.states)}.{did_you_mean(name, cell.states)}"
            )
    wanted = (["update"] if cell.states else []) + (["readout"] if "h" not in cell.states else [])
    for name in wanted:
        if name not in methods:
            raise CellError(f"{kind} has no {name}: write it as a method that returns {EXPECTED[name]}.")
    for gate, seen in cell.sees.items():
        if seen not in (BOTH, X, H, APART, INNER):
            raise CellError(
                f'{kind}.gates: {gate} sees "{seen}", which is none of "{BOTH}", "{X}", "{H}", "{APART}", "{INNER}".'
            )
    if INNER in cell.sees.values() and "inner" not in methods:
        raise CellError(
            f'{kind} has no inner, but a gate sees "{INNER}": write it as a method that returns {EXPECTED["inner"]}.'
        )
    named: list[str] = []
    for name in methods:
        function = getattr(cell, name)
        if not hasattr(function, "__func__"):
            raise CellError(f"{kind}.{name} must be a plain method: def {name}(self, …).")
        code = function.__func__.__code__
        allowed = [*known, *named] if name == "readout" else known
        for argument in argument_names(function):
            if argument not in allowed:
                raise CellError(
                    f"{kind}.{name} asks for {argument}, which is none of {', '.join(allowed)}.{did_you_mean(argument, allowed)}"
                )
        named += list(code.co_varnames[code.co_argcount :])


EXPECTED = {
    "update": "the states after the step",
    "readout": "the hidden state",
    "inner": "what the gate sees in place of h",
}


def namespace(values: Iterable[tuple[str, Any]]) -> SimpleNamespace:
    """{"reset": …, "candidate.x": …} with attributes: .reset, .candidate.x."""
    space = SimpleNamespace()
    for name, value in values:
        gate, _, part = name.partition(".")
        if part:
            vars(space).setdefault(gate, SimpleNamespace())
            setattr(getattr(space, gate), part, value)
        else:
            setattr(space, gate, value)
    return space
