"""The phases of a backward step: products, then what readout, update and inner make of the gradients."""

from collections.abc import Iterable, Sequence
from itertools import count

from gatelab.recurrent.kernels.phase import Phase
from gatelab.recurrent.plan import Plan
from gatelab.recurrent.program import INNER_VALUE


def write_backward(plan: Plan, masked: bool) -> list[Phase]:
    """da (T, B, C·H): the gradients of the preactivations; d_recurrent (T, B, R·H): of the recurrent terms, which are a part
    of da itself but for layer normalisation.

    grad_STATE (B, H) hold the gradients of the final states; left there: those of the first, but for U's part of grad_h.
    d_vectors (B, ·) is added to. statistics (T, B, 2): mean and 1/σ of what was normalised.
    """
    return Backward(plan, masked).phases


class Backward:
    """d: of outputs of the equations by name, the names of their gradients."""

    def __init__(self, plan: Plan, masked: bool) -> None:
        self.plan, self.cell, self.layout, self.equations = plan, plan.cell, plan.layout, plan.equations
        self.mask = " * take(hidden_mask + own, ok, ACC)" if masked else ""
        self.normalizes = plan.layer_norm and bool(self.layout.hidden_gates)
        self.now = Phase(plan, count())
        self.phases = [self.now]
        signals = {name: f"d_signal_{k}" for k, name in enumerate(self.cell.recurrent)}
        self.d = {"h'": "dh", **signals}
        self.gradients_of_step(signals)
        if plan.norms:
            self.reduce_norms(signals)
        kept = self.gradients_of_outputs()
        self.gradients_of_inputs(kept)
        if self.layout.inner:
            self.through_inner()
        if self.normalizes:
            self.through_normalization()

    def next_phase(self) -> None:
        self.now = self.now.next()
        self.phases.append(self.now)

    def terms(self, into: str, outputs: Iterable[str]) -> list[str]:
        """What the gradient of an input is the sum of."""
        found = []
        for output in outputs:
            factor = self.equations.jacobian.get((output, into))
            if factor is not None and output in self.d:
                value = self.now.value(factor)
                found.append(self.d[output] if value == "1.0" else f"{self.d[output]} * {value}")
        return found

    def gradients_of_step(self, signals: dict[str, str]) -> None:
        """dh and d_signal_k: what the layer's output and the step after say."""
        now, width = self.now, len(self.layout.columns)
        now.write("dh = take(grad_h + own, ok, ACC)")
        through = "take(d_output + at + own, valid, ACC)"
        if self.layout.hidden_gates:
            columns = range(self.layout.first_hidden, width)
            seen = f"da + at_columns + B_long * ({width} * H)"
            if self.normalizes:
                width, columns = len(columns), range(len(columns))
                seen = f"d_recurrent + at_hidden + B_long * ({width} * H)"
            now.write("size = tl.where(t + 1 < longest, H, 0)")  # nothing comes after the last step
            write_product(now, ["through"], "U", columns, seen, width, "size")
            if signals:
                seeing = [columns[self.layout.hidden_gates.index(gate)] for gate in self.cell.recurrent_gates]
                write_product(now, list(signals.values()), "V", seeing, seen, width, "size")
            through += f" + through{self.mask}"
        now.write(f"dh = tl.where(valid, dh + {through}, dh)")

    def reduce_norms(self, signals: dict[str, str]) -> None:
        """What the gradients of normalised states need of all their units."""
        places = {"dh": "grad_h + own"} | {
            d: f"d_signals + own_signals + {k} * H" for k, d in enumerate(signals.values())
        }
        for name, place in places.items():
            self.now.put(place, name, "ok")
        for state in self.plan.norms:
            _, standard, gain = self.now.normalize(state, taken(f"statistics_{state}"))
            parts = " + ".join(self.terms(f"norm.{state}", self.equations.readout))
            d_norm = self.now.let(f"tl.where(valid, {parts}, 0.0)")
            self.now.put(f"d_norm_{state} + at + own", d_norm, "ok")
            self.now.write(
                f"total, along = tl.sum({d_norm} * {gain}, 1), tl.sum({d_norm} * {gain} * {standard}, 1)",
                f"put_two(sums_{state}, t, rows, B, row_ok, tile, total, along, NUM_TILES)",
            )
        self.next_phase()
        self.now.write(*(f"{name} = take({place}, ok, ACC)" for name, place in places.items()))

    def gradients_of_outputs(self) -> dict[str, str]:
        """Completes d by what readout makes of them. Returns what zoneout hands on, by state."""
        now, readout, kept = self.now, self.equations.readout, {}
        normalized = {state: now.normalize(state, taken(f"statistics_{state}")) for state in self.plan.norms}
        for state in self.cell.inner_states:
            now.write(f"carried_{state} = take(grad_{state} + own, ok, ACC)")
            parts = [f"carried_{state}", *self.terms(f"{state}'", readout)]
            if self.plan.zoneout_cell:
                kept[state] = now.let(f"carried_{state} * {now.input('keep.cell')}")
                parts.append(f"(-{kept[state]})")
            if state in normalized:
                scale, standard, gain = normalized[state]
                now.write(f"total, along = {reduced(f'sums_{state}')}")
                weighted = f"take(d_norm_{state} + at + own, valid, ACC) * {gain}"
                parts.append(f"{scale} * ({weighted} - total / H - {standard} * along / H)")
            self.d[f"{state}'"] = now.let(" + ".join(parts))
        for name in self.equations.update:
            parts = self.terms(name, readout) + ([self.d[name]] if name in self.cell.recurrent else [])
            if parts and not name.endswith("'"):
                self.d[name] = now.let(" + ".join(parts))
        return kept

    def gradients_of_inputs(self, kept: dict[str, str]) -> None:
        """Of preactivations, vectors and the states before."""
        now, outputs = self.now, [*self.equations.readout, *self.equations.update]
        for k, column in enumerate(self.layout.columns):
            now.write(f"da_{k} = tl.where(valid, {' + '.join(self.terms(f'a.{column}', outputs)) or 0.0}, 0.0)")
            now.put(now.column("da", column), f"da_{k}", "ok")
        self.add_vectors(outputs)
        for state in self.cell.state_names:
            parts = self.terms(state, outputs) + ([kept[state]] if state in kept else [])
            before = "dh" if state == "h" else f"carried_{state}"
            now.put(f"grad_{state} + own", f"tl.where(valid, {' + '.join(parts) or 0.0}, {before})", "ok")

    def add_vectors(self, outputs: Iterable[str]) -> None:
        names = self.cell.vector_names
        for k, name in enumerate(names):
            if parts := self.terms(f"p.{name}", outputs):
                self.now.add(f"d_vectors + rows[:, None] * ({len(names)} * H) + cols[None, :] + {k} * H", parts)

    def through_inner(self) -> None:
        """From the gates that see what inner returns to what inner sees."""
        self.next_phase()
        now, outputs = self.now, list(self.equations.inner)
        columns = range(len(self.layout.inner))
        write_product(now, ["through"], "U_inner", columns, "da + at_columns", len(self.layout.columns), "H")
        self.d[INNER_VALUE] = now.let(f"through{self.mask}")
        places = {f"a.{column}": now.column("da", column) for column in self.layout.columns}
        places |= {state: f"grad_{state} + own" for state in self.cell.state_names}
        for into, place in places.items():
            if parts := self.terms(into, outputs):
                now.add(place, parts)
        self.add_vectors(outputs)

    def through_normalization(self) -> None:
        """From the normalised recurrent terms to the terms."""
        R, first = len(self.layout.hidden_gates), self.layout.first_hidden
        now, line = self.now, f"mean, scale = {taken('hidden_statistics')}"
        now.write(line, "total = tl.zeros((ROWS,), ACC)", "along = tl.zeros((ROWS,), ACC)")
        for j in range(R):
            weighted = now.let(now.times_gain(j, f"da_{first + j}"))
            now.write(f"total += tl.sum({weighted}, 1)", f"along += tl.sum({weighted} * {now.standard(j)}, 1)")
        now.write("put_two(hidden_sums, t, rows, B, row_ok, tile, total, along, NUM_TILES)")
        self.next_phase()
        now = self.now
        now.write(line, f"total, along = {reduced('hidden_sums')}")
        for j in range(R):
            weighted = now.times_gain(j, f"take({now.column('da', self.layout.columns[first + j])}, valid, ACC)")
            inner = f"{weighted} - total / ({R} * H) - {now.standard(j)} * along / ({R} * H)"
            now.put(f"d_recurrent + at_hidden + own_hidden + {j} * H", f"tl.where(valid, scale * ({inner}), 0.0)", "ok")


def write_product(
    now: Phase, accs: Sequence[str], weight: str, columns: Sequence[int], seen: str, width: int, size: str
) -> None:
    """accs (rows, columns) each: the columns of seen (B, width·H) times weight (len(columns)·H, len(accs)·H)."""
    now.write(
        *(f"{acc} = tl.zeros((ROWS, COLUMNS), ACC)" for acc in accs),
        f"for k in range(0, {size}, DEPTH):",
        "    ks = k + tl.arange(0, DEPTH)",
        "    seen_ok = row_ok[:, None] & (ks < H)[None, :]",
        f"    seen_at = {seen} + rows[:, None] * ({width} * H) + ks[None, :]",
    )
    for row, column in enumerate(columns):
        now.write(f"    seen = take_shared(seen_at + {column} * H, seen_ok)")
        for k, acc in enumerate(accs):
            place = f"{row}, ks, {k} * H, cols, H, {len(accs)} * H"
            now.write(f"    {acc} = add_columns({acc}, seen, {weight}, {place}, PRECISION)")


def taken(statistics: str) -> str:
    return f"take_statistics({statistics}, t, rows, B_long, row_ok, ACC)"


def reduced(sums: str) -> str:
    return f"row_sums({sums}, t, rows, B, row_ok, NUM_TILES, TILES_PADDED)"
