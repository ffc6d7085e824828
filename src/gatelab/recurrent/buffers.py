"""Where the engine keeps what the functions of a plan read and write. B batch, H hidden, N valid steps of all rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from gatelab.recurrent.emit import Key
from gatelab.recurrent.plan import Plan, signal_key
from gatelab.recurrent.ragged import StepOrder


class Buffers:
    """What the functions of a step read and write, by key."""

    def __init__(
        self,
        plan: Plan,
        order: StepOrder,
        columns: Tensor,
        states: Mapping[str, Tensor],
        vectors: Tensor | None,
        chunks: Sequence[tuple[int, int]],
    ) -> None:
        """columns (N, C·H); states (B + N, H), the initial ones first; vectors (number · H,); chunks: of steps, the largest
        that ``many`` is asked for."""
        self.plan, self.order, self.like, self.states = plan, order, columns, dict(states)
        self.num_rows, self.hidden_size = order.num_rows, columns.shape[1] // max(1, len(plan.layout.columns))
        self.num_chunk_rows = max((order.offsets[stop] - order.offsets[start] for start, stop in chunks), default=0)
        self.rows: dict[Key, Tensor] = {}  # (N, ·)
        self.chunk: dict[Key, Tensor] = {}  # (rows of some steps, ·)
        self.scratch: dict[Key, Tensor] = {}  # (B, H), of which a step uses the first rows
        self.fixed: dict[Key, Tensor] = {}  # (H,)
        self.steps: dict[tuple[Any, ...], Sequence[Tensor]] = {}  # one view a step, of all of them or of a chunk's
        self.whole: dict[str, tuple[Tensor, dict[Key, Tensor]]] = {}  # (·, C·H), and where blocks of its columns go
        self.split_columns("column", columns, self.rows)
        for name, buffer in states.items():
            self.rows["after", name] = self.rows["carried", name] = buffer[self.num_rows :]
        if vectors is not None:
            parts = vectors.split(self.hidden_size)
            self.fixed = {("vector", name): part for name, part in zip(plan.cell.vector_names, parts, strict=True)}

    def keep(self, kept: Mapping[Key, Tensor], keep_hidden: Tensor | None, keep_cell: Tensor | None) -> None:
        """What a pass keeps of every step besides columns and states, and what noise keeps of the states: (N, H)."""
        self.rows |= kept
        noise = {("keep", "hidden"): keep_hidden, ("keep", "cell"): keep_cell}
        self.rows |= {key: part for key, part in noise.items() if part is not None}

    def split_columns(self, kind: str, buffer: Tensor, into: dict[Key, Tensor]) -> None:
        """Each column of buffer (·, C·H) as (kind, name) into rows or chunk, and with ``_block`` any neighbours, (·, k, H)."""
        self.whole[f"{kind}_block"] = buffer, into
        parts = zip(self.plan.layout.columns, buffer.split(self.hidden_size, 1), strict=True)
        into |= {(kind, name): part for name, part in parts}

    def _place_block(self, key: Key) -> None:
        buffer, into = self.whole.get(key[0], (None, {}))
        if buffer is not None and key not in into:
            begin, end = (self.plan.layout.at(name) for name in key[1:])
            columns = buffer[:, begin * self.hidden_size : (end + 1) * self.hidden_size]
            into[key] = columns.unflatten(1, (-1, self.hidden_size))

    def many(self, keys: Sequence[Key], start: int, stop: int) -> list[Tensor]:
        """The arguments of a function of the steps start to stop at once. What is nowhere yet gets a place."""
        rows = slice(self.order.offsets[start], self.order.offsets[stop])
        return [self._many(key, rows) for key in keys]

    def _many(self, key: Key, rows: slice) -> Tensor:
        if key in self.fixed:
            return self.fixed[key].expand(rows.stop - rows.start, -1)
        if key[0] == "before":
            return self.order.before(self.states[key[1]], rows)
        self._place_block(key)
        if key in self.rows:
            return self.rows[key][rows]
        if key not in self.chunk:
            self.chunk[key] = self.like.new_empty(self.num_chunk_rows, self.hidden_size)
        return self.chunk[key][: rows.stop - rows.start]

    def each(self, keys: Sequence[Key], start: int, stop: int) -> list[tuple[Tensor, ...]]:
        """The arguments of a function of one step, for each of the steps start to stop."""
        if not keys:
            return [()] * (stop - start)
        return list(zip(*(self._each(key, start, stop) for key in keys), strict=True))

    def _each(self, key: Key, start: int, stop: int) -> Sequence[Tensor]:
        self._place_block(key)
        if key in self.chunk:
            sizes = self.order.sizes[start:stop]
            known = key, *sizes
            if known not in self.steps:
                self.steps[known] = self.chunk[key][: sum(sizes)].split(sizes)
            return self.steps[known]
        if key not in self.steps:
            self.steps[key] = self._split(key)
        return self.steps[key][start:stop]

    def _split(self, key: Key) -> Sequence[Tensor]:
        """Of every step."""
        sizes = self.order.sizes
        if key in self.fixed:
            return [self.fixed[key].expand(n, -1) for n in sizes]
        if key[0] == "before":
            parts = self.states[key[1]].split([self.num_rows, *sizes])
            return [first(part, n) for part, n in zip(parts, sizes, strict=False)]
        if key in self.rows:
            return self.rows[key].split(sizes)
        if key not in self.scratch:
            self.scratch[key] = self.like.new_empty(self.num_rows, self.hidden_size)
        return [first(self.scratch[key], n) for n in sizes]


def signal_keys(plan: Plan) -> list[Key]:
    return [signal_key(plan, name) for name in plan.cell.recurrent]


def extra_rows(plan: Plan) -> list[Key]:
    """What is kept of every step besides columns and states."""
    keys: list[Key] = [("signal", name) for name in plan.signals if name not in plan.in_column]
    if plan.zoneout_cell:  # the states before it
        keys += [("after", name) for name in plan.cell.inner_states]
    return keys


def first(rows: Tensor, count: int) -> Tensor:
    return rows if rows.shape[0] == count else rows[:count]
