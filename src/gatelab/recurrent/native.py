"""Torch's own recurrent kernels: oneDNN on the CPU, cuDNN on CUDA. B batch, T time, E embedding, H hidden.

Which dtypes they can do depends on the processor and on torch's build; ``find_problem`` tries it.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from gatelab.recurrent.cells.lstm import LSTM
from gatelab.recurrent.equations import trace_layer
from gatelab.recurrent.weights import Noise, Weights

State = tuple[Tensor, Tensor]

Kernel = Literal["lstm", "gru", "rnn_tanh"]
GATES: dict[Kernel, int] = {"lstm": 4, "gru": 3, "rnn_tanh": 1}


def run_layer(x: Tensor, h: Tensor, c: Tensor, parameters: list[Tensor], training: bool) -> tuple[Tensor, State]:
    """One LSTM layer over a dense x (B, T, E) from h and c (B, H): states (B, T, H) and the final (h, c).

    parameters: W (4H, E), U (4H, H) and, where there are biases, b_ih and b_hh (4H,), as ``nn.LSTM`` has them.
    """
    if not x.shape[1]:
        return x.new_zeros(x.shape[0], 0, h.shape[1]), (h, c)
    states, h_n, c_n = torch._VF.lstm(
        x, (h[None], c[None]), parameters, len(parameters) == 4, 1, 0.0, training, False, True
    )
    return states, (h_n[0], c_n[0])


def row_ends(x: Tensor, h: Tensor, c: Tensor, parameters: list[Tensor], lengths: Tensor, kernel_final: State) -> State:
    """(h, c) after each row's last valid step of what ``run_layer`` ran: the kernel's own where all rows are full."""
    if bool((lengths == x.shape[1]).all()):
        return kernel_final
    W, U, *biases = parameters
    _, (h_n, c_n) = trace_layer(x, (h, c), Weights(W, U, *biases), LSTM(), lengths, Noise())
    return h_n, c_n


def product_dtype(weight: Tensor) -> torch.dtype:
    """In which the recurrent products are taken: autocast's, which leaves float64 alone, or the weights' own."""
    kind = weight.device.type
    if weight.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return weight.dtype
    return torch.get_autocast_dtype(kind)


def find_problem(kernel: Kernel, weight: Tensor) -> str | None:
    """Why torch's kernel cannot compute with this weight, under autocast as it is now; None where it can."""
    return _try_one_step(kernel, weight.device, weight.dtype, product_dtype(weight))


@cache
def _try_one_step(kernel: Kernel, device: torch.device, dtype: torch.dtype, autocast: torch.dtype) -> str | None:
    """One unit, one step, forward and backward; draws no random number."""
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, autocast, autocast != dtype):
        x = torch.ones(1, 1, 1, device=device, dtype=dtype, requires_grad=True)
        weights = [x.new_ones(size) for size in ((GATES[kernel], 1), (GATES[kernel], 1), GATES[kernel], GATES[kernel])]
        state = x.new_zeros(1, 1, 1)
        try:
            states = getattr(torch._VF, kernel)(
                x, (state, state) if kernel == "lstm" else state, weights, True, 1, 0.0, True, False, True
            )[0]
            torch.autograd.grad(states.sum(), x)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            name, reason = str(autocast).removeprefix("torch."), str(error).splitlines()[0].partition(". ")[0]
            return f"torch's {kernel.removesuffix('_tanh').upper()} kernel cannot compute in {name} here ({reason})"
    return None


@contextmanager
def without_onednn() -> Iterator[None]:
    """``torch.backends.mkldnn.flags`` would also set what TF32 is allowed to do."""
    enabled = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = enabled


@cache
def warn_of_other(problem: str, other: str) -> None:
    """Once for each problem: what computes the same instead."""
    warnings.warn(f"{problem}: {other} is used instead.", stacklevel=3)
