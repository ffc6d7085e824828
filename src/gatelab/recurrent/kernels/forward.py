"""The phases of a forward step: products, then update, then readout."""

from collections.abc import Sequence
from itertools import count

from gatelab.recurrent.kernels.phase import Phase
from gatelab.recurrent.plan import Plan
from gatelab.recurrent.program import INNER_VALUE, Node


def write_forward(plan: Plan, masked: bool) -> list[Phase]:
    """a (T, B, C·H), the input terms, is written over by the preactivations, each state after it. Past a row's end nothing
    is written."""
    layout, equations = plan.layout, plan.equations
    R, now = len(layout.hidden_gates), Phase(plan, count())
    phases = [now]
    if R:
        write_product(now, "r", "U", R, "states_h + at", masked)
    if plan.cell.recurrent:
        write_signal_product(now)
    if R and plan.layer_norm:
        write_statistics(now, "hidden_sums", [f"r_{j}" for j in range(R)])
        for j in range(R):
            now.put(f"recurrent + at_hidden + own_hidden + {j} * H", f"r_{j}")
        phases.append(now := now.next())
        now.write(f"mean, scale = {statistics('hidden_sums', R)}")
        now.write(*(f"r_{j} = {now.times_gain(j, now.standard(j))}" for j in range(R)))
    complete(now, layout.columns[layout.first_hidden :], "r")
    if layout.inner:
        now.put("inner + at + own", now.tensor(equations.inner[INNER_VALUE]))
        phases.append(now := now.next())
        write_product(now, "q", "U_inner", len(layout.inner), "inner + at", masked)
        complete(now, layout.inner, "q")
    write_outputs(now, equations.update)
    if plan.norms:
        for state in plan.norms:
            write_statistics(now, f"sums_{state}", [now.input(f"{state}'")])
        phases.append(now := now.next())
        for state in plan.norms:
            now.normalize(state, statistics(f"sums_{state}", 1))
    write_outputs(now, equations.readout)
    return phases


def write_product(now: Phase, acc: str, weight: str, num: int, seen: str, masked: bool) -> None:
    """acc_j (rows, columns), j < num: what is seen (B, H) times the rows of weight (num·H, H)."""
    now.write(
        *(f"{acc}_{j} = tl.zeros((ROWS, COLUMNS), ACC)" for j in range(num)),
        "for k in range(0, H, DEPTH):",
        "    ks = k + tl.arange(0, DEPTH)",
        "    seen_ok = row_ok[:, None] & (ks < H)[None, :]",
        f"    seen = take_shared({seen} + rows[:, None] * H + ks[None, :], seen_ok)",
    )
    if masked:
        now.write("    seen = seen * take(hidden_mask + rows[:, None] * H + ks[None, :], seen_ok, ACC)")
    now.write(f"    seen = seen.to({weight}.dtype.element_ty)")
    for j in range(num):
        now.write(f"    {acc}_{j} = add_rows({acc}_{j}, seen, {weight}, {j}, ks, cols, H, H, PRECISION)")


def write_signal_product(now: Phase) -> None:
    """Adds to r_j what its gate sees of the step before but h."""
    width = f"{len(now.cell.recurrent)} * H"
    now.write(
        f"for k in range(0, {width}, DEPTH):",
        "    ks = k + tl.arange(0, DEPTH)",
        f"    seen_ok = row_ok[:, None] & (ks < {width})[None, :]",
        f"    seen = take_shared(opened + at_signals + rows[:, None] * ({width}) + ks[None, :], seen_ok)",
    )
    for row, gate in enumerate(now.cell.recurrent_gates):
        j = now.layout.hidden_gates.index(gate)
        now.write(f"    r_{j} = add_rows(r_{j}, seen, V, {row}, ks, cols, H, {width}, PRECISION)")


def write_statistics(now: Phase, sums: str, values: Sequence[str]) -> None:
    """This tile's mean and squared deviations of values (rows, columns)."""
    total = " + ".join(f"tl.sum(tl.where(ok, {value}, 0.0), 1)" for value in values)
    now.write(
        f"mean = ({total}) / (tl.minimum(COLUMNS, H - tile * COLUMNS) * {len(values)})",
        f"deviations = {' + '.join(f'squared_deviations({value}, mean, ok)' for value in values)}",
        f"put_two({sums}, t, rows, B, row_ok, tile, mean, deviations, NUM_TILES)",
    )


def statistics(sums: str, num: int) -> str:
    return f"row_statistics({sums}, t, rows, B, row_ok, {num}, COLUMNS, H, NUM_TILES, TILES_PADDED, EPSILON)"


def complete(now: Phase, columns: Sequence[str], acc: str) -> None:
    """Preactivations: the input terms and what a product has added up."""
    for j, column in enumerate(columns):
        now.give(f"a.{column}", now.let(f"{now.load(f'a.{column}')} + {acc}_{j}"))
        now.put(now.column("a", column), now.input(f"a.{column}"))


def write_outputs(now: Phase, outputs: dict[str, Node]) -> None:
    """Of update or readout: states and what the next step sees."""
    recurrent = list(now.cell.recurrent)
    for name, node in outputs.items():
        new, state = now.tensor(node), name.rstrip("'")
        if name in recurrent:
            place = f"B_long * ({len(recurrent)} * H) + own_signals + {recurrent.index(name)} * H"
            now.put(f"opened + at_signals + {place}", new)
        if state != name:
            now.give(name, new)
            now.put(now.after(state), new)
            if now.plan.zoneout_cell and state != "h":
                kept = now.input("keep.cell")
                now.put(f"states_{state} + after + own", f"{kept} * {now.input(state)} + (1 - {kept}) * {new}")
