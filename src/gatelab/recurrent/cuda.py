"""Every variant on CUDA with one launch a layer and direction; the kernels are in kernels.py.

B batch, T time, E embedding, H hidden; G what has weights, S the gates among them. Time-major inside: (T, B, ·).

The input terms are one GEMM before the loop, the weight gradients a few after it; both and the kernels' own products take
TF32 for float32 where ``torch.set_float32_matmul_precision`` allows it. Nothing is added up in an order that may change, so
equal inputs give equal bits.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gatelab.recurrent.cell import Cell
from gatelab.recurrent.equations import EPSILON, Noise, State, Weights
from gatelab.recurrent.factors import Layout, learned_gates
from gatelab.recurrent.fused import input_terms, refuse_second_derivative
from gatelab.recurrent.native import product_dtype
from gatelab.recurrent.ragged import valid_mask

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class Unsupported(Exception):
    """What the kernels cannot do, as the end of a sentence that begins with the backend's name."""


@dataclass(frozen=True)
class Tiles:
    """What one program owns: rows of the batch × columns of every gate; depth of its products at a time."""

    rows: int
    columns: int
    depth: int
    num_warps: int

    def grid(self, num_rows: int, hidden_size: int) -> tuple[int, int]:
        return -(-hidden_size // self.columns), -(-num_rows // self.rows)


def choose_tiles(num_rows: int, hidden_size: int, num_processors: int) -> Tiles:
    """The smallest tiles of which all can be resident at once, one a multiprocessor; the largest where none can."""
    if hidden_size <= 64:  # a program has all columns, so none waits for another
        return Tiles(16, max(16, power_of_two(hidden_size)), 32, 4)
    for rows in (16, 32, 64, 128):
        for columns in (16, 32, 64):
            tiles = Tiles(rows, columns, 64 if rows * columns <= 512 else 32, 8)
            across, down = tiles.grid(num_rows, hidden_size)
            if across * down <= num_processors:
                return tiles
    return tiles


def count_processors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


def precision(dtype: torch.dtype, device: torch.device) -> str:
    """How the kernels' products are taken."""
    if dtype == torch.bfloat16 and device.type != "cuda":
        return "as float32"
    return "ieee" if torch.get_float32_matmul_precision() == "highest" else "tf32"


def can_meet(device: torch.device) -> bool:
    """Whether the programs of a launch run at the same time; in Triton's interpreter they do not."""
    return device.type == "cuda"


def power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def check(weight: Tensor) -> None:
    """Raises Unsupported for a dtype, or where there is no Triton."""
    dtype = product_dtype(weight)
    if dtype not in DTYPES:
        raise Unsupported(f"computes in float32, bfloat16 and float16 on CUDA, not in {dtype}")
    try:
        import triton  # noqa: F401
    except ImportError as error:
        raise Unsupported(f"needs Triton on CUDA, which comes with torch's CUDA builds for Linux: {error}") from None


@cache
def warn_of_equations(problem: str) -> None:
    """Once for each problem."""
    warnings.warn(f"backend=fused {problem}. backend=equations is used: the same numbers, slower.", stacklevel=2)


def run_layer(
    x: Tensor, h: Tensor, c: Tensor, weights: Weights, cell: Cell, lengths: Tensor | None, noise: Noise,
    tiles: Tiles | None = None,
) -> tuple[Tensor, State]:  # fmt: skip
    """One layer in one direction over x (B, T, E) from h and c (B, H): as ``equations.trace_layer``, the states alone.

    Raises Unsupported where no tile of the kernels can be compiled for the device.
    """
    B, T, _ = x.shape
    if not B or not T:
        return h.new_zeros(B, T, h.shape[1]), (h, c)
    dtype = product_dtype(weights.U)
    terms = input_terms(x.transpose(0, 1), weights)  # (T, B, G·H)
    if tiles is None:
        tiles = choose_tiles(B, h.shape[1], count_processors(x.device))
    with torch.autocast(x.device.type, enabled=False):
        states, h_n, c_n = KernelLSTM.apply(
            terms.to(dtype).contiguous(),
            weights.U.to(dtype),
            None if weights.gates is None else weights.gates.to(dtype),
            weights.peepholes,
            weights.norm_hidden,
            weights.norm_cell,
            h,
            c,
            noise.hidden_mask,
            None if noise.keep_hidden is None else noise.keep_hidden.transpose(0, 1).contiguous(),
            None if noise.keep_cell is None else noise.keep_cell.transpose(0, 1).contiguous(),
            None if lengths is None else lengths.to(x.device, torch.int32),
            cell,
            tiles,
        )
    return states.transpose(0, 1), (h_n, c_n)


class KernelLSTM(torch.autograd.Function):
    """terms (T, B, G·H), U (G·H, H), V (S·H, S·H), P (S·H,), h_0 and c_0 (B, H) → states (T, B, H), h_n and c_n (B, H).

    ``terms`` is consumed: the preactivations are written over it. They, U, V, the hidden states and the gradients of the
    preactivations have its dtype, the cell states float32.
    """

    @staticmethod
    def forward(
        ctx: Any, terms: Tensor, U: Tensor, V: Tensor | None, P: Tensor | None, norm_hidden: Tensor | None,
        norm_cell: Tensor | None, h_0: Tensor, c_0: Tensor, mask: Tensor | None, keep_hidden: Tensor | None,
        keep_cell: Tensor | None, lengths: Tensor | None, cell: Cell, tiles: Tiles
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        (T, B, _), H = terms.shape, h_0.shape[1]
        a = terms.detach()
        # Past a row's end nothing is written, but the GEMMs of the weight gradients read: zeros there.
        new = a.new_empty if lengths is None else a.new_zeros
        exact = torch.promote_types(a.dtype, torch.float32)
        hs, cs = new(T + 1, B, H), new(T + 1, B, H, dtype=exact)
        hs[0], cs[0] = h_0, c_0
        news = cs[1:] if keep_cell is None else new(T, B, H, dtype=exact)
        opened = None
        if V is not None:
            opened = new(T + 1, B, V.shape[0])
            opened[0] = 0
        recurrent = None if norm_hidden is None else new(a.shape, dtype=exact)
        launch = Launch(
            cell, tiles, B, T, H, a.dtype, a.device, ragged=lengths is not None, masked=mask is not None,
            zoneout_hidden=keep_hidden is not None, zoneout_cell=keep_cell is not None,
        )  # fmt: skip
        launch.run(
            "forward_kernel", a, U, V, P, norm_hidden, norm_cell, hs, cs, news, opened, recurrent, launch.sums(), launch.sums(), mask, keep_hidden, keep_cell, lengths,
        )  # fmt: skip

        ctx.save_for_backward(
            a, hs, cs, None if keep_cell is None else news, opened, recurrent, U, V, P, norm_hidden, norm_cell, mask,
            keep_hidden, keep_cell, lengths,
        )  # fmt: skip
        ctx.launch = launch
        ctx.set_materialize_grads(False)
        if lengths is None:
            return hs[1:].to(h_0.dtype), hs[T].to(h_0.dtype, copy=True), cs[T].to(c_0.dtype, copy=True)
        rows = torch.arange(B, device=a.device)
        valid = valid_mask(lengths, T).T[..., None]  # (T, B, 1)
        states = torch.where(valid, hs[1:], 0.0).to(h_0.dtype)
        return states, hs[lengths.long(), rows].to(h_0.dtype), cs[lengths.long(), rows].to(c_0.dtype)

    @staticmethod
    def backward(ctx: Any, d_states: Tensor | None, d_h_n: Tensor | None, d_c_n: Tensor | None) -> tuple[Any, ...]:
        refuse_second_derivative()
        (
            a, hs, cs, news, opened, recurrent, U, V, P, norm_hidden, norm_cell, mask, keep_hidden, keep_cell, lengths,
        ) = ctx.saved_tensors  # fmt: skip
        launch, (T, B, rows), H = ctx.launch, a.shape, hs.shape[2]
        news = cs[1:] if news is None else news
        exact = cs.dtype
        new = torch.empty_like if lengths is None else torch.zeros_like
        da = new(a)
        d_recurrent = da if recurrent is None else new(a)
        d_normed = None if norm_cell is None else new(news)
        d_states = hs.new_zeros(T, B, H) if d_states is None else d_states.contiguous()
        dh, dc = (cs.new_zeros(B, H) if d is None else d.to(exact, copy=True).contiguous() for d in (d_h_n, d_c_n))
        launch.run(
            "backward_kernel", a, U, V, P, norm_hidden, norm_cell, cs, news, recurrent, row_statistics(recurrent),
            row_statistics(news if norm_cell is not None else None), launch.sums(), launch.sums(), mask, keep_hidden,
            keep_cell, lengths, d_states, dh, dc, da, d_recurrent, d_normed,
        )  # fmt: skip

        through = (d_recurrent[0] @ U).to(exact)
        dh += through if mask is None else through * mask
        seen = hs[:T] if mask is None else (hs[:T] * mask).to(hs.dtype)
        d_U = d_recurrent.view(T * B, rows).t() @ seen.reshape(T * B, H)
        d_V = d_P = d_norm_hidden = d_norm_cell = None
        at = Layout(launch.cell, H)
        if V is not None:
            d_V = learned_gates(d_recurrent.view(T * B, rows), at).t() @ opened[:T].view(T * B, V.shape[0])
        if P is not None:
            early = da[..., at.early].view(T, B, at.num_early, H) * cs[:T, :, None]
            d_P = early.sum((0, 1)).flatten()
            if at.output is not None:
                d_P = torch.cat([d_P, (da[..., at.output] * news).sum((0, 1))])
            d_P = d_P.to(P.dtype)
        if norm_hidden is not None:
            d_norm_hidden = (
                (da * F.layer_norm(recurrent, recurrent.shape[2:], eps=EPSILON)).sum((0, 1)).to(norm_hidden.dtype)
            )
        if norm_cell is not None:
            assert d_normed is not None
            gain = (d_normed * F.layer_norm(news, news.shape[2:], eps=EPSILON)).sum((0, 1))
            d_norm_cell = torch.stack([gain, d_normed.sum((0, 1))]).to(norm_cell.dtype)
        return da, d_U, d_V, d_P, d_norm_hidden, d_norm_cell, dh, dc, *[None] * 6


def row_statistics(x: Tensor | None) -> Tensor | None:
    """Mean and 1/σ (T, B, 2) of each row of x (T, B, ·)."""
    if x is None:
        return None
    variance, mean = torch.var_mean(x, 2, correction=0)
    return torch.stack([mean, (variance + EPSILON).rsqrt()], 2)


class Launch:
    """What both kernels are compiled for, and how their phases are started."""

    def __init__(
        self, cell: Cell, tiles: Tiles, B: int, T: int, H: int, dtype: torch.dtype, device: torch.device,
        *, ragged: bool, masked: bool, zoneout_hidden: bool, zoneout_cell: bool,
    ) -> None:  # fmt: skip
        names = cell.learned
        self.cell, self.B, self.T, self.H, self.device = cell, B, T, H, device
        self.exact = torch.promote_types(dtype, torch.float32)
        self.tiles = tiles
        self.phases = T * (3 if cell.layer_norm else 1)
        self.flags: dict[str, Any] = {
            "H": H, "G": len(names), "S": len(cell.learned_gates),
            "INPUT": names.index("input") if "input" in names else -1,
            "FORGET": names.index("forget") if "forget" in names else -1,
            "CANDIDATE_AT": names.index("candidate"),
            "OUTPUT": names.index("output") if "output" in names else -1,
            "COUPLED": cell.coupled or "", "PEEPHOLES": cell.peepholes, "GATE_RECURRENCE": cell.gate_recurrence,
            "CANDIDATE": cell.candidate_activation, "SQUASH": cell.output_activation, "NORM": cell.layer_norm,
            "MASKED": masked, "ZONEOUT_HIDDEN": zoneout_hidden, "ZONEOUT_CELL": zoneout_cell,
            "RAGGED": ragged, "EPSILON": EPSILON,
            "PRECISION": precision(dtype, device),
        }  # fmt: skip

    def sums(self) -> Tensor | None:
        """Two numbers a step, row and tile for the reductions of layer normalisation."""
        if not self.cell.layer_norm:
            return None
        num_tiles = self.tiles.grid(self.B, self.H)[0]
        return torch.empty(self.T, self.B, num_tiles, 2, dtype=self.exact, device=self.device)

    def constants(self, depth: int, meeting: bool) -> dict[str, Any]:
        """What the kernels know when they are compiled."""
        from triton import language as tl

        num_tiles = self.tiles.grid(self.B, self.H)[0]
        return self.flags | {
            "ACC": tl.float64 if self.exact == torch.float64 else tl.float32, "MEETING": meeting,
            "NUM_TILES": num_tiles, "TILES_PADDED": power_of_two(num_tiles),
            "ROWS": self.tiles.rows, "COLUMNS": self.tiles.columns, "DEPTH": depth,
        }  # fmt: skip

    def run(self, name: str, *buffers: Tensor | None) -> None:
        """All phases of a kernel in one launch where its programs can meet, else one after another.

        Raises Unsupported where not even the smallest depth fits into the device's shared memory.
        """
        from triton.runtime.errors import OutOfResources

        from gatelab.recurrent import kernels

        kernel = getattr(kernels, name)
        grid = self.tiles.grid(self.B, self.H)
        counters = torch.zeros(grid[1], dtype=torch.int32, device=self.device)
        stand_in = torch.empty(1, dtype=self.exact, device=self.device)  # for what the flags say is never read
        pointers = [counters, *(stand_in if buffer is None else buffer for buffer in buffers)]

        def launch(depth: int, begin: int, end: int, meeting: bool) -> None:
            options: dict[str, Any] = {"num_warps": self.tiles.num_warps}
            if meeting:
                options["launch_cooperative_grid"] = True  # an error, not a hang, where not all fit at once
            numbers = (self.B, self.T, begin, end, self.cell.coupling_shift)
            kernel[grid](*pointers, *numbers, **self.constants(depth, meeting), **options)

        def launch_all(depth: int) -> None:
            if grid[0] == 1:
                launch(depth, 0, self.phases, False)
                return
            if can_meet(self.device):
                try:
                    launch(depth, 0, self.phases, True)
                    return
                except RuntimeError as error:
                    if "cooperative" not in str(error):
                        raise
            for phase in range(self.phases):
                launch(depth, phase, phase + 1, False)

        depth = self.tiles.depth
        while True:
            try:
                launch_all(depth)
                return
            except OutOfResources as error:
                if depth == 16:
                    raise Unsupported(f"does not fit on this device: {error}") from None
                depth //= 2
