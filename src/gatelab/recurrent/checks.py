"""What a cell of anyone's own is held to: its gradients, the fused loop, ragged rows, and its time beside ``nn.LSTM``.

B batch, T time, E input, H hidden.
"""

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatelab.recurrent.c_source import compile_plan
from gatelab.recurrent.cell import Cell
from gatelab.recurrent.layers import Backend, Recurrent
from gatelab.recurrent.operations import Unsupported

MAX_DIFFERENCE = 1e-10  # between two ways of computing in float64
SMALL = (4, 6, 3, 5)  # B, T, E, H
LENGTHS = (3, 6, 1, 4)
TIMED = (32, 64, 128, 128)
ROUNDS = 7


def gradients_agree(cell: Cell) -> bool:
    """Whether the backward pass agrees with finite differences, in float64."""
    layers, x = small(cell, fastest(cell))
    names, parameters = zip(*layers.named_parameters(), strict=True)

    def run(x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        output, final = torch.func.functional_call(layers, dict(zip(names, weights, strict=True)), (x,))
        return output, *final

    return torch.autograd.gradcheck(run, (x, *parameters), raise_exception=False)


def backend_difference(cell: Cell, backend: Backend) -> float:
    """Between a backend and the equations step by step: the largest of states and gradients."""
    return difference(*(results(*small(cell, name), LENGTHS) for name in (backend, "equations")))


def why_not_compiled(cell: Cell) -> str:
    """As the end of a sentence; empty where this machine can compile the cell."""
    layers, _ = small(cell, "compiled")
    try:
        compile_plan(layers.plan, torch.float64)  # type: ignore[arg-type]  # a pointwise cell has one
    except Unsupported as problem:
        return str(problem)
    return ""


def ragged_difference(cell: Cell) -> float:
    """Between rows of several lengths in one batch, whatever stands in their padding, and each row by itself."""
    layers, x = small(cell, fastest(cell))
    together = results(layers, x, LENGTHS)
    rows = [results(layers, x[row : row + 1, :length], None) for row, length in enumerate(LENGTHS)]
    output = nn.utils.rnn.pad_sequence([row["output"][0] for row in rows], batch_first=True)
    finals = {name: torch.cat([row[name] for row in rows], 1) for name in rows[0] if name.startswith("final")}
    gradients = {
        name: torch.stack([row[name] for row in rows]).sum(0) for name in rows[0] if name.startswith("gradient")
    }
    return difference(together, {"output": output, **finals, **gradients})


def time_ratios(cell: Cell, backends: Sequence[Backend]) -> list[float]:
    """Forward and backward in TIMED against ``nn.LSTM``, of each backend.

    Medians of ROUNDS rounds, each of which runs all of them in turn.
    """
    B, T, E, H = TIMED
    x = torch.randn(B, T, E)
    modules = [
        nn.LSTM(E, H, batch_first=True),
        *(Recurrent(cell, E, H, batch_first=True, backend=name) for name in backends),
    ]
    seconds: list[list[float]] = [[] for _ in modules]
    for number in range(ROUNDS + 1):
        for module, taken in zip(modules, seconds, strict=True):
            begin = time.perf_counter()
            torch.autograd.grad(module(x)[0].sum(), [*module.parameters()], allow_unused=True)
            if number:  # the first round warms up
                taken.append(time.perf_counter() - begin)
    torch_lstm, *others = map(statistics.median, seconds)
    return [taken / torch_lstm for taken in others]


def fastest(cell: Cell) -> Backend:
    """That of gatelab's own: the fused loop of a pointwise cell."""
    return "fused" if cell.pointwise else "equations"


def small(cell: Cell, backend: str) -> tuple[Recurrent, Tensor]:
    """The same weights and the same x (B, T, E) for every backend."""
    B, T, E, H = SMALL
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = Recurrent(cell, E, H, batch_first=True, backend=backend, dtype=torch.float64)  # type: ignore[arg-type]
        return layers, torch.randn(B, T, E, dtype=torch.float64).requires_grad_()


def results(layers: Recurrent, x: Tensor, lengths: tuple[int, ...] | None) -> dict[str, Tensor]:
    """The states, the final ones, and the gradients of a weighted sum of both with respect to every parameter."""
    output, final = layers(x, lengths=None if lengths is None else torch.tensor(lengths))
    weight = torch.linspace(-1, 1, layers.hidden_size, dtype=x.dtype)
    total = sum(((part * weight).sum() for part in final), (output * weight).sum())
    parameters = dict(layers.named_parameters())
    gradients = torch.autograd.grad(total, [*parameters.values()], allow_unused=True, materialize_grads=True)
    found = {"output": output, **{f"final {number}": part for number, part in enumerate(final)}}
    return found | {f"gradient {name}": part for name, part in zip(parameters, gradients, strict=True)}


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).detach().abs().max().nan_to_num(torch.inf)) for name in one)
