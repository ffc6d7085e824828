"""Gate-level cells on one CUDA device against cuDNN's nn.LSTM: medians of CUDA events as ratios, interleaved.

python benchmarks/cells_cuda.py · --hidden 256 1024 --rows 64 --steps 512 · --dtypes bfloat16 · --cells gated peephole
python benchmarks/cells_cuda.py --compile   also torch.compile of the equations, up to 64 steps (minutes to compile)

Beside each shape stands its floor: the largest of operations / rate, bytes / bandwidth and steps × --meeting seconds, where
rate and bandwidth are measured first, by a large matrix product of that dtype and a large copy.
"""

import argparse
import itertools
import statistics
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from cells import interleaved, make_cells
from gatelab.recurrent import GatedLSTM

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def seconds(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each call on the device; the first rounds compile."""
    return interleaved(calls, rounds, device_seconds, warm_up=3)


def device_seconds(call: Callable[[], Any]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3


def measure_limits(dtype: torch.dtype) -> tuple[float, float]:
    """Operations and bytes a second that the device reaches."""
    matrix = torch.randn(8192, 8192, device="cuda", dtype=dtype)
    target = torch.empty_like(matrix)
    source = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    copy = torch.empty_like(source)
    medians = seconds({"product": lambda: torch.mm(matrix, matrix, out=target), "copy": lambda: copy.copy_(source)}, 9)
    return 2 * 8192**3 / medians["product"], 2 * 2**30 / medians["copy"]


def floor(T: int, B: int, H: int, size: int, backward: bool, limits: tuple[float, float], meeting: float) -> float:
    """Seconds that a plain LSTM with E = H cannot beat; its kernel may do without ``meeting`` only where one program has a row."""
    passes = 3 if backward else 1
    operations = passes * 2 * T * B * 4 * H * 2 * H
    numbers = T * B * H * (2 if not backward else 2 + 4 + 4 + 3) + passes * 8 * H * H
    return max(operations / limits[0], numbers * size / limits[1], (T * meeting if H > 64 else 0) * min(passes, 2))


def step(module: nn.Module, x: Any, gradient: Tensor | None) -> Callable[[], None]:
    """Forward, or with a gradient of the output forward and backward."""
    parameters = list(module.parameters())

    def run() -> None:
        if gradient is None:
            with torch.no_grad():
                module(x)
            return
        output = module(x)[0]
        output = output if isinstance(output, Tensor) else output.data
        torch.autograd.grad(
            output, parameters, gradient[: len(output)] if output.dim() == 3 else gradient[0, 0].expand_as(output)
        )

    return run


def compare(
    T: int, B: int, H: int, dtype: torch.dtype, backward: bool, arguments: argparse.Namespace
) -> dict[str, float]:
    """Seconds of everything at one shape; E = H."""
    options: dict[str, Any] = {"device": "cuda", "dtype": dtype}
    x = torch.randn(T, B, H, **options)
    gradient = torch.randn(T, B, H, **options) if backward else None
    lengths = torch.linspace(T // 2 + 1, T, B).long()
    calls = {
        "cuDNN": step(nn.LSTM(H, H, **options), x, gradient),
        "cuDNN packed": step(
            nn.LSTM(H, H, **options), pack_padded_sequence(x, lengths, enforce_sorted=False), gradient
        ),
    }
    rows_first = x.transpose(0, 1), None if gradient is None else gradient.transpose(0, 1)
    for name, make in arguments.cells.items():
        calls[name] = step(make(H, H, "fused").to(**options), *rows_first)
    ragged = GatedLSTM(H, H, backend="fused", **options)
    at_device = lengths.cuda()
    calls["gated, ragged"] = step(_Ragged(ragged, at_device), x, gradient)
    if T <= 64:
        plain = GatedLSTM(H, H, backend="equations", **options)
        calls["equations"] = step(plain, x, gradient)
        if arguments.compile:
            calls["equations compiled"] = step(torch.compile(plain), x, gradient)
    return seconds(calls, arguments.rounds)


class _Ragged(nn.Module):
    def __init__(self, lstm: GatedLSTM, lengths: Tensor) -> None:
        super().__init__()
        self.lstm, self.lengths = lstm, lengths

    def forward(self, x: Tensor) -> Any:
        return self.lstm(x, None, self.lengths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 128, 196, 256, 512, 1024])
    parser.add_argument("--rows", type=int, nargs="+", default=[32, 64, 512])
    parser.add_argument("--steps", type=int, nargs="+", default=[28, 64, 512])
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument(
        "--precision", choices=["highest", "high"], default="high", help="high: TF32 in float32 products"
    )
    parser.add_argument("--cells", nargs="+", default=["gated", "peephole", "coupled", "layer_norm"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--meeting", type=float, default=1e-6, help="seconds that programs need to meet once")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this benchmark needs a CUDA device; on the CPU: python benchmarks/cells.py")
    arguments.cells = make_cells(arguments.cells)
    torch.manual_seed(141)
    torch.set_float32_matmul_precision(arguments.precision)
    torch.backends.cudnn.allow_tf32 = arguments.precision == "high"  # like with like
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, float32 products: {arguments.precision}")
    table: list[float] = []
    for name in arguments.dtypes:
        dtype = DTYPES[name]
        limits = measure_limits(dtype)
        print(f"\n{name}: {limits[0] / 1e12:.0f} TFLOP/s, {limits[1] / 1e12:.2f} TB/s; times of cuDNN's dense nn.LSTM")
        for backward, H, B, T in itertools.product([False, True], arguments.hidden, arguments.rows, arguments.steps):
            medians = compare(T, B, H, dtype, backward, arguments)
            reference = medians.pop("cuDNN")
            least = floor(T, B, H, dtype.itemsize, backward, limits, arguments.meeting)
            ratios = "  ".join(f"{key} {value / reference:.2f}" for key, value in medians.items())
            kind = "forward + backward" if backward else "forward"
            print(
                f"H {H:<5} B {B:<4} T {T:<4} {kind:<19} {1e3 * reference:8.3f} ms  floor {least / reference:.2f}  {ratios}"
            )
            table += [medians[cell] / reference for cell in arguments.cells]
    within = sum(ratio <= 1 for ratio in table) / len(table)
    print(f"\nour cells: median {statistics.median(table):.2f}, at most 1.0 in {within:.0%}, largest {max(table):.2f}")


if __name__ == "__main__":
    main()
