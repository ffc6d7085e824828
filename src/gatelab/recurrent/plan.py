"""How the engine computes a cell: what it keeps of a step for the backward pass, and the functions of one step each way.

All of it follows from the cell's equations (program.py). A step is linear in the gradients of its outputs, unit by unit, so
each factor ∂output/∂input is a number a unit. The factors of many steps are computed at once, where they are read they are
only multiplied.

A preactivation's place in memory holds in the end the deepest value of the forward pass from which every factor can still be
computed: the open gate rather than what is squashed to it. Names of tensors are keys, such as ("column", "input").
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gatelab.recurrent.cell import APART, BOTH, INNER, Cell, H, X
from gatelab.recurrent.emit import UNARY, WITH_OUT, Calls, Key
from gatelab.recurrent.program import Equations, Node, needed


class Layout:
    """Which columns of (n, C·H) hold which preactivation: first those that see x only or besides what ``inner``
    returns, then both, then h only.

    columns: by name, in order. input_gates, hidden_gates: the gates in the order of the columns that x and h write.
    """

    def __init__(self, cell: Cell) -> None:
        sees = cell.sees
        self.inner = [name for name, seen in sees.items() if seen == INNER]
        only = [name if seen == X else f"{name}.x" for name, seen in sees.items() if seen in (X, APART)]
        first = [*self.inner, *only]
        both = [name for name, seen in sees.items() if seen == BOTH]
        last = [name if seen == H else f"{name}.h" for name, seen in sees.items() if seen in (H, APART)]
        self.columns = (*first, *both, *last)
        self.num_input, self.first_hidden, self.num_shared = len(first) + len(both), len(first), len(both)
        self.input_gates = [name.removesuffix(".x") for name in self.columns[: self.num_input]]
        self.hidden_gates = [name.removesuffix(".h") for name in self.columns[self.first_hidden :]]
        self.input_order = positions([name for name, seen in sees.items() if seen != H], self.input_gates)
        reached = [name for name, seen in sees.items() if seen != X]
        self.hidden_order = positions(reached, self.hidden_gates)
        self.inner_order = positions(reached, self.inner)
        self.input_only = only
        self.hidden_only = last

    def at(self, column: str) -> int:
        return self.columns.index(column)


def positions(rows: list[str], wanted: list[str]) -> list[int] | None:
    """Where the wanted stand among rows; None where they stand as they are."""
    return None if rows == wanted else [rows.index(name) for name in wanted]


@dataclass(eq=False)
class Plan:
    """layer_norm, zoneout_hidden, zoneout_cell: what stands between the equations. Built once for a cell; see compiler.py."""

    cell: Cell
    equations: Equations
    layout: Layout
    layer_norm: bool
    zoneout_hidden: bool
    zoneout_cell: bool
    signals: list[str] = field(default_factory=list)  # named values that are kept
    in_column: dict[str, str] = field(default_factory=dict)  # signal → the column that holds it anyway
    calls: Calls = field(init=False)
    compiled: dict[Any, Calls] = field(default_factory=dict)  # by dtype, see c_source.py; calls where that cannot be
    from_columns: dict[str, tuple[str, Key]] = field(default_factory=dict)  # vector → a column, and its factor

    @cached_property
    def seeing_runs(self) -> list[tuple[slice, slice]]:
        """Which rows of weight_gates reach which columns, those of h first: in runs of neighbours, in gates."""
        runs: list[tuple[slice, slice]] = []
        for row, gate in enumerate(self.cell.recurrent_gates):
            at = self.layout.hidden_gates.index(gate)
            if runs and runs[-1][1].stop == at:
                runs[-1] = slice(runs[-1][0].start, row + 1), slice(runs[-1][1].start, at + 1)
            else:
                runs.append((slice(row, row + 1), slice(at, at + 1)))
        return runs

    @cached_property
    def norms(self) -> tuple[str, ...]:
        """The states that readout sees normalised."""
        read = {node.name for node in needed(self.equations.readout.values(), {})}
        return tuple(name for name in self.cell.inner_states if f"norm.{name}" in read)


def key_of(name: str) -> Key:
    """Of an input of the equations."""
    kind, _, rest = name.partition(".")
    kinds = {"a": "column", "p": "vector", "keep": "keep", "norm": "norm"}
    if rest:
        return kinds[kind], rest
    return ("after", name[:-1]) if name.endswith("'") else ("before", name)


def inputs_of(plan: Plan) -> dict[Node, Key]:
    """Every input of the equations by its key; a signal that readout takes is one too."""
    found: dict[Node, Key] = {}
    for node in plan.equations.graph.known.values():
        if isinstance(node, Node) and node.op == "input":
            found[node] = signal_key(plan, node.name) if node.name in plan.signals else key_of(node.name)
    return found


def signal_key(plan: Plan, name: str) -> Key:
    return ("column", plan.in_column[name]) if name in plan.in_column else ("signal", name)


def choose_saved(plan: Plan) -> dict[str, list[Node]]:
    """Of each column the values it holds one after another, from the preactivation to what is kept."""
    equations = plan.equations
    outputs = [*equations.outputs.values()]
    forward = needed(outputs, {})
    users: dict[Node, list[Node]] = {}
    for node in forward:
        for arg in node.args:
            users.setdefault(arg, []).append(node)
    states = {node for name, node in equations.outputs.items() if name.endswith("'")}
    chains: dict[str, list[Node]] = {}
    for column in plan.layout.columns:
        chain = [equations.graph.input(f"a.{column}")]
        while chain[-1] not in outputs and len(users.get(chain[-1], [])) == 1:
            (user,) = users[chain[-1]]
            others = [arg for arg in user.args if arg is not chain[-1]]
            late = any(node.name.startswith("a.") for node in needed(others, {}))
            if user in states or user.op not in WITH_OUT or len(user.args) - len(others) != 1 or (others and late):
                break
            if user.op not in ("add", "sub", *UNARY) and any(arg.op != "constant" for arg in others):
                break
            if user.op == "sub" and user.args[0] is not chain[-1] and user.args[0].op != "constant":
                break
            chain.append(user)
        chains[column] = chain
    kept = {column: chain[:1] for column, chain in chains.items()}
    for column, chain in chains.items():
        for length in range(len(chain), 1, -1):
            if not reaches(plan, chain[0], {*states, chain[length - 1]}):
                kept[column] = chain[:length]
                break
    return kept


def reaches(plan: Plan, start: Node, stops: set[Node]) -> bool:
    """Whether a factor needs start where stops are there."""
    return start in needed(plan.equations.jacobian.values(), dict.fromkeys(stops))


def output_key(plan: Plan, name: str) -> Key:
    return ("after", name[:-1]) if name.endswith("'") else signal_key(plan, name)
