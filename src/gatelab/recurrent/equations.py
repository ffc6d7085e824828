"""Any cell as in a textbook, one step at a time: the oracle of every other backend, and what a trace is read from.

B batch, T time, E embedding, H hidden.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gatelab.recurrent.cell import APART, BOTH, EPSILON, INNER, Cell, H, X, namespace, observed, plainly, step, whole
from gatelab.recurrent.ragged import valid_mask
from gatelab.recurrent.weights import Noise, Weights

SHOWN = {"c": "cell", "h": "hidden"}  # states in a trace


def trace_layer(
    x: Tensor,
    state: Sequence[Tensor],
    weights: Weights,
    cell: Cell,
    lengths: Tensor | None,
    noise: Noise,
    named: bool = False,
    seen_gates: Tensor | None = None,
) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
    """One layer in one direction over x (B, T, E) from state, (B, H) each.

    Returns, as (B, T, H), the states as they are handed on (after zoneout), under ``hidden`` and their names, with named also
    all that the equations call by a name; zero past a row's end. And the state after each row's last valid step.
    seen_gates (B, ·): what the cell's ``recurrent`` were in the step before, where it has some; else zeros.
    """
    before = dict(zip(cell.state_names, state, strict=True))
    if weights.norm_cell is not None:
        gain, bias = weights.norm_cell
        cell = cell.normalizing(lambda c: F.layer_norm(c, c.shape[1:], gain, bias, EPSILON))
    p = namespace(
        zip(cell.vector_names, () if weights.vectors is None else weights.vectors.split(state[0].shape[1]), strict=True)
    )
    if weights.gates is not None and seen_gates is None:
        seen_gates = x.new_zeros(len(x), weights.gates.shape[1], dtype=state[0].dtype)
    valid = None if lengths is None else valid_mask(lengths, x.shape[1])[..., None]  # (B, T, 1)
    steps: list[dict[str, Tensor]] = []
    for t in range(x.shape[1]):
        h = before["h"] if noise.hidden_mask is None else before["h"] * noise.hidden_mask
        a, inside = preactivations(x[:, t], h, before, weights, cell, seen_gates, noise.hidden_mask, p, named)
        after, found = step(cell, namespace(a.items()), p, before, named)
        for name in after:
            keeps = noise.keep_hidden if name == "h" else noise.keep_cell
            if keeps is not None:
                after[name] = keeps[:, t] * before[name] + (1 - keeps[:, t]) * after[name]
        if seen_gates is not None:
            seen_gates = torch.cat([found[name].expand_as(h) for name in cell.recurrent], 1)
        if valid is not None:
            after = {name: torch.where(valid[:, t], new, before[name]) for name, new in after.items()}
        values = {
            name: after[name] if name in after else whole(value, h)
            for name, value in ({**inside, **found} if named else after).items()
        }
        if valid is not None:
            values = {name: torch.where(valid[:, t], value, 0.0) for name, value in values.items()}
        before = after
        steps.append(values)
    final = tuple(before[name] for name in cell.state_names)
    if not steps:
        return {name: x.new_zeros(len(x), 0, state[0].shape[1]) for name in cell.state_names}, final
    return {name: torch.stack([values[name] for values in steps], 1) for name in steps[0]}, final


def preactivations(
    x_t: Tensor, h: Tensor, before: Mapping[str, Tensor], weights: Weights, cell: Cell, seen_gates: Tensor | None,
    mask: Tensor | None, p: Any, named: bool,
) -> tuple[dict[str, Tensor], dict[str, Any]]:  # fmt: skip
    """W x_t + U h_{t-1} + b of every gate by name, each (B, H); of one that sees both apart as NAME.x and NAME.h. And with
    named what ``inner`` calls by a name."""
    size, sees = h.shape[1], cell.sees
    from_x = [name for name, seen in sees.items() if seen != H]
    from_h = [name for name, seen in sees.items() if seen != X]
    W: Any
    U: Any
    W, U, b_x, b_h = (
        dict.fromkeys(names, 0) if rows is None else dict(zip(names, rows.split(size), strict=False))
        for names, rows in (
            (from_x, weights.W), (from_h, weights.U), (from_x, weights.bias_input), (from_h, weights.bias_hidden)
        )
    )  # fmt: skip
    x_terms = {name: x_t @ W[name].T for name in from_x}
    h_terms = {name: h @ U[name].T for name in from_h if sees[name] != INNER}
    if seen_gates is not None:
        for name, V in zip(cell.recurrent_gates, weights.gates.split(size), strict=True):  # type: ignore[union-attr]
            h_terms[name] = h_terms[name] + seen_gates @ V.T
    x_terms = normalize(x_terms, weights.norm_input)
    h_terms = normalize(h_terms, weights.norm_hidden)
    a: dict[str, Tensor] = {}
    inside: dict[str, Any] = {}
    for name, seen in sees.items():
        if seen == APART:
            a[f"{name}.x"], a[f"{name}.h"] = x_terms[name] + b_x[name], h_terms[name] + b_h[name]
        elif seen in (X, H):
            a[name] = x_terms[name] + b_x[name] if seen == X else h_terms[name] + b_h[name]
        elif seen == BOTH:
            a[name] = x_terms[name] + h_terms[name] + (b_x[name] + b_h[name])
    for name, seen in sees.items():
        if seen == INNER:
            inner, inside = (observed if named else plainly)(cell.inner, {**before, "a": namespace(a.items()), "p": p})
            inner = inner if mask is None else inner * mask
            a[name] = x_terms[name] + inner @ U[name].T + (b_x[name] + b_h[name])
    return a, inside


def normalize(terms: dict[str, Tensor], gain: Tensor | None) -> dict[str, Tensor]:
    """All terms as one vector."""
    if gain is None or not terms:
        return terms
    together = torch.cat(list(terms.values()), 1)
    parts = F.layer_norm(together, together.shape[1:], gain, None, EPSILON).chunk(len(terms), 1)
    return dict(zip(terms, parts, strict=True))


def as_trace(values: Mapping[str, Tensor]) -> Any:
    """A tuple with a name for each value: those of the equations in their order, the cell state before what reads it."""
    return namedtuple("Step", [SHOWN.get(name, name) for name in values])(*values.values())
