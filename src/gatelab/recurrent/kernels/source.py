"""The source of a cell's two kernels."""

import re
from textwrap import indent

from gatelab.recurrent.kernels.backward import write_backward
from gatelab.recurrent.kernels.forward import write_forward
from gatelab.recurrent.kernels.phase import Phase
from gatelab.recurrent.plan import Plan

KERNEL = """
@triton.jit(do_not_specialize=["B", "T", "begin", "end"])
def {name}(
    counters, {buffers}, B, T, begin, end,
    H: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr, EPSILON: tl.constexpr, MEETING: tl.constexpr,
    NUM_TILES: tl.constexpr, TILES_PADDED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):
    tile, row_tile = tl.program_id(0), tl.program_id(1)
    rows, cols, row_ok, col_ok, ok, own = own_tile(tile, row_tile, B, H, ROWS, COLUMNS)
    own_columns = rows[:, None] * ({C} * H) + cols[None, :]
    own_hidden = rows[:, None] * ({R} * H) + cols[None, :]
    own_signals = rows[:, None] * ({S} * H) + cols[None, :]
    B_long = B.to(tl.int64)
    PHASES: tl.constexpr = {phases}
    longest = T
    {lengths}
    arrivals = 0
    for s in {steps}:
        t = {t}
        phase = s % PHASES
        at = t * B_long * H
        after = at + B_long * H
        at_columns = t * B_long * ({C} * H)
        at_hidden = t * B_long * ({R} * H)
        at_signals = t * B_long * ({S} * H)
        valid = {valid}
{body}
        {meeting}
"""
LENGTHS = "length = tl.load(lengths + rows, mask=row_ok, other=0); longest = tl.max(length, 0)"
MEETING = "arrivals += NUM_TILES; meet(counters + row_tile, arrivals, MEETING)"
FORWARD = ("range(begin, tl.minimum(end, longest * PHASES))", "s // PHASES")
BACKWARD = ("range(tl.maximum(begin, (T - longest) * PHASES), end)", "T - 1 - s // PHASES")
BUFFERS = (
    "a", "U", "V", "U_inner", "P", "inner", "norm_hidden", "norm_cell", "hidden_mask", "keep_hidden", "keep_cell",
    "lengths", "opened", "recurrent", "hidden_sums", "hidden_statistics", "d_output", "da", "d_recurrent", "d_signals",
    "d_vectors",
)  # fmt: skip
STATE_BUFFERS = ("states_", "news_", "sums_", "statistics_", "d_norm_", "grad_")  # one of a state


def write_kernels(plan: Plan, *, masked: bool, ragged: bool) -> tuple[str, int, bool]:
    """The text of forward_kernel and backward_kernel, the phases of a step, and whether programs wait for each other.

    masked: with recurrent dropout. ragged: with lengths. Raises Unsupported for an operation that has no Triton code.
    """
    layout, phases = plan.layout, write_forward(plan, masked)
    meets = bool(layout.hidden_gates or plan.norms or layout.inner)

    def kernel(name: str, phases: list[Phase], steps: str, t: str) -> str:
        parts = ["\n".join(phase.lines) for phase in phases]
        if len(parts) > 1:
            parts = [f"if phase == {k}:\n{indent(part, '    ')}" for k, part in enumerate(parts)]
        body, lengths = "\n".join(parts), LENGTHS if ragged else ""
        states = [prefix + state for prefix in STATE_BUFFERS for state in plan.cell.state_names]
        used = [buffer for buffer in (*BUFFERS, *states) if re.search(rf"\b{buffer}\b", body + lengths)]
        return KERNEL.format(
            name=name, buffers=", ".join(used), C=len(layout.columns), R=len(layout.hidden_gates), S=len(plan.cell.recurrent),
            phases=len(parts), lengths=lengths, steps=steps, t=t, valid="ok & (t < length)[:, None]" if ragged else "ok",
            body=indent(body, " " * 8), meeting=MEETING if meets else "tl.debug_barrier()",
        )  # fmt: skip

    backward = kernel("backward_kernel", write_backward(plan, masked), *BACKWARD)
    return kernel("forward_kernel", phases, *FORWARD) + backward, len(phases), meets
