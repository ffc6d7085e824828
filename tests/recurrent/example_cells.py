"""Cells that between them use all that a ``Cell`` may say, for the tests of the kernels and of compiled code."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, sigmoid, tanh
from torch.nn import functional as F

from gatelab.recurrent import Cell

needs_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler, cc")


class TwoStates(Cell):
    """States that see each other, vectors, gates that see x only and h only, recurrent values of either function."""

    gates = {"input": "x + h", "forget": "x", "candidate": "x + h", "output": "h"}
    states = ("c", "n")
    vectors = {"peephole": ("input", "output"), "decay": ("decay",)}
    recurrent = ("output_gate", "level")
    recurrent_gates = ("output", "input")

    def update(self, a: Any, c: Tensor, n: Tensor, p: Any) -> tuple[Tensor, Tensor]:
        level = a.forget - p.input * n
        inflow = F.softplus(a.input + p.input * c)
        forget_gate = sigmoid(a.forget) * sigmoid(p.decay)
        count = forget_gate * n + inflow**2 / (1 + inflow) + 0.1 * level
        return forget_gate * c + inflow * tanh(a.candidate), count

    def readout(self, a: Any, c: Tensor, n: Tensor, level: Tensor, p: Any) -> Tensor:
        output_gate = sigmoid(a.output + p.output * c)
        return output_gate * self.normalize(c) / (1 + n**2) + 0.1 * level


class NoProduct(Cell):
    """No gate sees h, and readout asks for a value of update."""

    gates = {"forget": "x", "candidate": "x", "highway": "x"}
    vectors = {"recurrent": ("forget",)}

    def update(self, a: Any, c: Tensor, p: Any) -> Tensor:
        forget_gate = sigmoid(a.forget + p.forget * c)
        return forget_gate * c + (1 - forget_gate) * a.candidate

    def readout(self, a: Any, c: Tensor, forget_gate: Tensor) -> Tensor:
        return forget_gate * tanh(self.normalize(c)) + (1 - forget_gate) * a.highway


class SecondProduct(Cell):
    """Two gates see what ``inner`` makes of the states, a vector and a gate whose terms are apart."""

    gates = {"forget": "x + h", "output": "x, h", "candidate": "x + inner", "scale": "x + inner"}
    vectors = {"peephole": ("inner",)}

    def inner(self, a: Any, h: Tensor, c: Tensor, p: Any) -> Tensor:
        return sigmoid(a.forget + p.inner * c) * h + a.output.h

    def update(self, a: Any, c: Tensor) -> Tensor:
        forget_gate = sigmoid(a.forget)
        return forget_gate * c + (1 - forget_gate) * tanh(a.candidate) * a.scale

    def readout(self, a: Any, c: Tensor) -> Tensor:
        return sigmoid(a.output.x + a.output.h) * tanh(c)


class Numbers(Cell):
    """Its states and what its gates see are numbers that float32 has not."""

    gates = {"input": "x", "candidate": "x + inner"}
    states = ("c", "n")

    def inner(self, h: Tensor) -> Tensor:
        return 0.1 * torch.ones_like(h)

    def update(self, a: Any, c: Tensor) -> tuple[Any, Any]:
        return a.candidate * c, 0.1

    def readout(self, a: Any, c: Tensor, n: Tensor) -> Tensor:
        return sigmoid(a.input) * c + n


class Pointwise(Cell):
    """c' = function(a, c) · 0.9 + c / 10."""

    gates = ("input",)

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function

    def update(self, a: Any, c: Tensor) -> Tensor:
        return 0.9 * self.function(a.input, c) + 0.1 * c

    def readout(self, c: Tensor) -> Tensor:
        return tanh(c)


# Each operation that the equations may use is in one of them.
FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "abs": lambda a, c: a.abs(), "addcmul": lambda a, c: torch.addcmul(c, a, a), "clamp": lambda a, c: a.clamp(-0.25, 0.5),
    "clamp_max": lambda a, c: a.clamp_max(0.3), "clamp_min": lambda a, c: a.clamp_min(0.3),
    "clamp_tensor": lambda a, c: torch.clamp(a, max=c), "cos": lambda a, c: a.cos() + c.sin(),
    "div": lambda a, c: a / (1 + c * c), "erf": lambda a, c: torch.erf(a), "exp": lambda a, c: torch.exp(-a * a),
    "expm1": lambda a, c: torch.expm1(a / 4), "hardsigmoid": lambda a, c: F.hardsigmoid(4 * a),
    "hardtanh": lambda a, c: F.hardtanh(a), "leaky_relu": lambda a, c: F.leaky_relu(a, 0.1),
    "lerp": lambda a, c: torch.lerp(a, c, torch.sigmoid(a)), "log": lambda a, c: (1 + a * a).log(),
    "log1p": lambda a, c: (a * a).log1p(), "log_sigmoid": lambda a, c: F.logsigmoid(a),
    "logaddexp": lambda a, c: torch.logaddexp(a, c), "logical": lambda a, c: torch.where((a > 0) & ~(c >= 0) | (c < -1), a, c),
    "logical_functions": lambda a, c: torch.where(torch.logical_or(a > 1, torch.logical_not(c != 0.25)), a, c / 2),
    "maximum": lambda a, c: torch.maximum(a, c), "minimum": lambda a, c: torch.minimum(a, c.new_tensor(0.5)),
    "powers": lambda a, c: a**3 + (1 + c * c) ** -0.5, "reciprocal": lambda a, c: 1 / (1 + a * a),
    "relu": lambda a, c: F.relu(a), "rsqrt": lambda a, c: (1 + a.square()).rsqrt(), "silu": lambda a, c: F.silu(a),
    "sign": lambda a, c: torch.sign(a) * c, "softplus": lambda a, c: F.softplus(a, beta=2, threshold=1),
    "softsign": lambda a, c: F.softsign(a), "sqrt": lambda a, c: (1 + a * a).sqrt(),
}  # fmt: skip
