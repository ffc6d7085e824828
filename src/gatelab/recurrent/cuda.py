"""Every pointwise cell on CUDA with one launch a layer and direction; kernels/ writes the kernels.

B batch, T time, E embedding, H hidden; C columns of preactivations, R those that h reaches. Time-major inside: (T, B, ·).

The input terms are one GEMM before the loop, the weight gradients a few after it; both and the kernels' own products take
TF32 for float32 where ``torch.set_float32_matmul_precision`` allows it. Nothing is added up in an order that may change, so
equal inputs give equal bits.
"""

import hashlib
import linecache
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gatelab.recurrent.cell import EPSILON
from gatelab.recurrent.engine import refuse_second_derivative
from gatelab.recurrent.kernels.source import write_kernels
from gatelab.recurrent.native import product_dtype
from gatelab.recurrent.operations import Unsupported as Unsupported
from gatelab.recurrent.plan import Plan
from gatelab.recurrent.ragged import valid_mask
from gatelab.recurrent.weights import Noise, Weights, in_columns

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


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
    x: Tensor, state: Sequence[Tensor], weights: Weights, plan: Plan, lengths: Tensor | None, noise: Noise,
    tiles: Tiles | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
    """One layer in one direction over x (B, T, E) from state, (B, H) each: hidden states (B, T, H) and the state after each
    row's last step, as ``equations.trace_layer`` has them.

    Raises Unsupported for an operation that has no Triton code, and where no tile can be compiled for the device.
    """
    (B, T, _), H = x.shape, state[0].shape[1]
    if not B or not T:
        return state[0].new_zeros(B, T, H), tuple(state)
    dtype = product_dtype(weights.U)
    kernels = build_kernels(plan, masked=noise.hidden_mask is not None, ragged=lengths is not None)
    rows = in_columns(weights, plan.layout, H)
    terms = input_terms(x.transpose(0, 1), rows).to(dtype)  # (T, B, ·)
    if hidden_only := len(plan.layout.hidden_only) * H:
        bias = terms.new_zeros(hidden_only) if rows.bias_hidden is None else rows.bias_hidden.to(dtype)
        terms = torch.cat([terms, bias.expand(T, B, hidden_only)], 2)
    named = {
        "a": terms.contiguous(), "U": rows.U, "V": rows.gates, "U_inner": rows.U_inner, "P": rows.vectors,
        "norm_hidden": rows.norm_hidden, "norm_cell": rows.norm_cell, **noise._asdict(), "lengths": lengths,
    }  # fmt: skip
    given = {name: value for name, value in named.items() if value is not None}
    given |= {name: given[name].to(dtype) for name in ("U", "V", "U_inner") if name in given}
    given |= {name: given[name].transpose(0, 1).contiguous() for name in ("keep_hidden", "keep_cell") if name in given}
    given |= {name: given[name].to(x.device, torch.int32) for name in ("lengths",) if name in given}
    given |= {f"first_{name}": part for name, part in zip(plan.cell.state_names, state, strict=True)}
    if tiles is None:
        tiles = choose_tiles(B, H, count_processors(x.device))
    launch = Launch(kernels, tiles, B, T, H, dtype, x.device)
    with torch.autocast(x.device.type, enabled=False):
        states, *final = KernelLayer.apply(plan, launch, list(given), *given.values())
    return states.transpose(0, 1), tuple(final)


def input_terms(x: Tensor, weights: Weights) -> Tensor:
    """What the layer's input adds to the preactivations: x (…, E) → (…, gates · H)."""
    if weights.norm_input is None:
        return F.linear(x, weights.W, weights.bias_input)
    terms = F.linear(x, weights.W)
    return F.layer_norm(terms, terms.shape[-1:], weights.norm_input, weights.bias_input, EPSILON)


class Kernels(NamedTuple):
    """Both kernels of a cell; phases: of a step; meets: programs of different columns wait for each other."""

    forward: Any
    backward: Any
    phases: int
    meets: bool


@lru_cache(maxsize=64)
def build_kernels(plan: Plan, *, masked: bool, ragged: bool) -> Kernels:
    from gatelab.recurrent.kernels import helpers

    text, phases, meets = write_kernels(plan, masked=masked, ragged=ragged)
    name = f"<gatelab kernels {hashlib.sha256(text.encode()).hexdigest()[:10]}>"
    # Triton reads a function's source from there.
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space = dict(vars(helpers))
    exec(compile(text, name, "exec"), space)
    return Kernels(space["forward_kernel"], space["backward_kernel"], phases, meets)


class KernelLayer(torch.autograd.Function):
    """Hidden states (T, B, H) and the state after, (B, H) each, from tensors by name: a (T, B, C·H), the input terms, which
    is consumed: the preactivations are written over it; U (R·H, H), V (weight_gates), U_inner, P (vectors), gains, noise,
    lengths, and first_STATE (B, H).

    U, V, U_inner and the gradients of the preactivations have the dtype of a, the states float32.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, launch: "Launch", names: list[str], *tensors: Tensor) -> tuple[Tensor, ...]:
        buffers = dict(zip(names, tensors, strict=True))
        first = {name: buffers.pop(f"first_{name}") for name in plan.cell.state_names}
        a = buffers["a"] = buffers["a"].detach()
        T, B, H, lengths = launch.T, launch.B, launch.H, buffers.get("lengths")
        # Past a row's end nothing is written, but the GEMMs of the weight gradients read: zeros there.
        new = a.new_empty if lengths is None else a.new_zeros
        for name, part in first.items():
            buffers[f"states_{name}"] = new(T + 1, B, H, dtype=launch.exact)
            buffers[f"states_{name}"][0] = part
            if plan.zoneout_cell and name != "h":
                buffers[f"news_{name}"] = new(T, B, H, dtype=launch.exact)
        if "V" in buffers:
            buffers["opened"] = new(T + 1, B, buffers["V"].shape[1])
            buffers["opened"][0] = 0
        if "U_inner" in buffers:
            buffers["inner"] = new(T, B, H, dtype=launch.exact)
        if "norm_hidden" in buffers:
            buffers["recurrent"] = new(T, B, len(buffers["U"]), dtype=launch.exact)
        launch.run(launch.kernels.forward, buffers | launch.sums(plan))

        ctx.save_for_backward(*buffers.values())
        ctx.names, ctx.saved, ctx.launch, ctx.plan = names, list(buffers), launch, plan
        ctx.set_materialize_grads(False)
        states = buffers["states_h"][1:]
        ends: Any = T
        if lengths is not None:
            states = torch.where(valid_mask(lengths, T).T[..., None], states, 0.0)
            ends = lengths.long(), torch.arange(B, device=a.device)
        last = (buffers[f"states_{name}"][ends].to(part.dtype, copy=True) for name, part in first.items())
        return states.to(first["h"].dtype), *last

    @staticmethod
    def backward(ctx: Any, d_output: Tensor | None, *d_final: Tensor | None) -> tuple[Any, ...]:
        refuse_second_derivative()
        buffers: dict[str, Tensor] = dict(zip(ctx.saved, ctx.saved_tensors, strict=True))
        launch, plan = ctx.launch, ctx.plan
        layout, T, B, H = plan.layout, launch.T, launch.B, launch.H
        a, hs, mask = buffers["a"], buffers["states_h"], buffers.get("hidden_mask")
        new = torch.empty_like if "lengths" not in buffers else torch.zeros_like
        da = new(a)
        work = launch.sums(plan) | {"da": da}
        work["d_output"] = hs.new_zeros(T, B, H) if d_output is None else d_output.contiguous()
        for name, d in zip(plan.cell.state_names, d_final, strict=True):
            work[f"grad_{name}"] = hs.new_zeros(B, H) if d is None else d.to(hs.dtype, copy=True).contiguous()
        for name in plan.norms:
            work[f"statistics_{name}"] = row_statistics(news(buffers, name))
            work[f"d_norm_{name}"] = new(hs[1:])
        if "P" in buffers:
            work["d_vectors"] = hs.new_zeros(B, len(buffers["P"]))
        if "V" in buffers:
            work["d_signals"] = hs.new_empty(B, buffers["V"].shape[1])
        d_hidden = d_terms = da[..., layout.first_hidden * H :]  # (T, B, R·H); d_terms: of what U and V give
        if "recurrent" in buffers:
            work["hidden_statistics"] = row_statistics(buffers["recurrent"])
            d_terms = work["d_recurrent"] = new(buffers["recurrent"], dtype=a.dtype)
        launch.run(launch.kernels.backward, buffers | work)

        def masked(x: Tensor) -> Tensor:
            return x if mask is None else x * mask

        work["grad_h"] += masked((d_terms[0] @ buffers["U"]).to(hs.dtype))
        gradients = {f"first_{name}": work[f"grad_{name}"] for name in plan.cell.state_names} | {"a": da}
        flat = d_terms.flatten(0, 1)  # (T·B, R·H)
        gradients["U"] = flat.t() @ masked(hs[:T]).flatten(0, 1).to(a.dtype)
        if "V" in buffers:
            seeing = torch.cat([flat[:, at.start * H : at.stop * H] for _, at in plan.seeing_runs], 1)
            gradients["V"] = seeing.t() @ buffers["opened"][:T].flatten(0, 1)
        if "U_inner" in buffers:
            d_inner = da[..., : len(layout.inner) * H].flatten(0, 1)
            gradients["U_inner"] = d_inner.t() @ masked(buffers["inner"]).flatten(0, 1).to(a.dtype)
        if "P" in buffers:
            gradients["P"] = work["d_vectors"].sum(0)
        if "recurrent" in buffers:
            gradients["norm_hidden"] = along_normalized(d_hidden, buffers["recurrent"])
        parts = [(work[f"d_norm_{name}"], news(buffers, name)) for name in plan.norms]
        if parts:
            both = [torch.stack([along_normalized(d, new), d.sum((0, 1))]) for d, new in parts]
            gradients["norm_cell"] = torch.stack(both).sum(0)
        return None, None, None, *(gradients.get(name) for name in ctx.names)


def news(buffers: Mapping[str, Tensor], state: str) -> Tensor:
    """The states (T, B, H) that readout sees: before zoneout."""
    return buffers[f"news_{state}"] if f"news_{state}" in buffers else buffers[f"states_{state}"][1:]


def along_normalized(d: Tensor, x: Tensor) -> Tensor:
    """The gradient of the gain of layer normalisation of x (T, B, ·), d that of its result."""
    return (d * F.layer_norm(x, x.shape[2:], eps=EPSILON)).sum((0, 1))


def row_statistics(x: Tensor) -> Tensor:
    """Mean and 1/σ (T, B, 2) of each row of x (T, B, ·)."""
    variance, mean = torch.var_mean(x, 2, correction=0)
    return torch.stack([mean, (variance + EPSILON).rsqrt()], 2)


class Launch:
    """What both kernels are compiled for, and how their phases are started."""

    def __init__(
        self, kernels: Kernels, tiles: Tiles, B: int, T: int, H: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.kernels, self.tiles, self.B, self.T, self.H, self.device = kernels, tiles, B, T, H, device
        self.exact = torch.promote_types(dtype, torch.float32)
        self.precision = precision(dtype, device)
        self.phases = T * kernels.phases

    def sums(self, plan: Plan) -> dict[str, Tensor]:
        """Two numbers a step, row and tile for each reduction of layer normalisation."""
        names = [f"sums_{name}" for name in plan.norms] + ["hidden_sums"] * plan.layer_norm
        shape = (self.T, self.B, self.tiles.grid(self.B, self.H)[0], 2)
        return {name: torch.empty(shape, dtype=self.exact, device=self.device) for name in names}

    def constants(self, depth: int, meeting: bool) -> dict[str, Any]:
        """What the kernels know when they are compiled."""
        from triton import language as tl

        num_tiles = self.tiles.grid(self.B, self.H)[0]
        return {
            "H": self.H, "ACC": tl.float64 if self.exact == torch.float64 else tl.float32, "PRECISION": self.precision,
            "EPSILON": EPSILON, "MEETING": meeting, "NUM_TILES": num_tiles, "TILES_PADDED": power_of_two(num_tiles),
            "ROWS": self.tiles.rows, "COLUMNS": self.tiles.columns, "DEPTH": depth,
        }  # fmt: skip

    def run(self, kernel: Any, buffers: Mapping[str, Tensor]) -> None:
        """All phases of a kernel in one launch where its programs can meet, else one after another.

        Raises Unsupported where not even the smallest depth fits into the device's shared memory.
        """
        from triton.runtime.errors import OutOfResources

        grid = self.tiles.grid(self.B, self.H)
        counters = torch.zeros(grid[1], dtype=torch.int32, device=self.device)
        pointers = {name: buffer for name, buffer in buffers.items() if name in kernel.arg_names}

        def launch(depth: int, begin: int, end: int, meeting: bool) -> None:
            options: dict[str, Any] = {"num_warps": self.tiles.num_warps}
            if meeting:
                options["launch_cooperative_grid"] = True  # an error, not a hang, where not all fit at once
            numbers = {"B": self.B, "T": self.T, "begin": begin, "end": end}
            kernel[grid](counters=counters, **pointers, **numbers, **self.constants(depth, meeting), **options)

        def launch_all(depth: int) -> None:
            if grid[0] == 1 or not self.kernels.meets:
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
