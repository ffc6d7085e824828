"""How the engine computes a cell: what it keeps of a step for the backward pass, and the functions of one step each way.

All of it follows from the cell's equations (program.py). A step is linear in the gradients of its outputs, unit by unit, so
each factor ∂output/∂input is a number a unit. The factors of many steps are computed at once, where they are read they are
only multiplied.

A preactivation's place in memory holds in the end the deepest value of the forward pass from which every factor can still be
computed: the open gate rather than what is squashed to it. Names of tensors are keys, such as ("column", "input").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gatelab.recurrent.cell import APART, BOTH, Cell, H, X
from gatelab.recurrent.emit import UNARY, WITH_OUT, Source, write
from gatelab.recurrent.program import Equations, Node, needed, record

Key = tuple[Any, ...]


class Call(NamedTuple):
    """A compiled function and the keys of its arguments."""

    run: Callable[..., None]
    keys: list[Key]


class Layout:
    """Which columns of (n, C·H) hold which preactivation: first those that see x only, then both, then h only.

    columns: by name, in order. input_rows, hidden_rows: the gates in the order of the columns that x and h write.
    """

    def __init__(self, cell: Cell) -> None:
        sees = cell.sees
        first = [name if seen == X else f"{name}.x" for name, seen in sees.items() if seen in (X, APART)]
        both = [name for name, seen in sees.items() if seen == BOTH]
        last = [name if seen == H else f"{name}.h" for name, seen in sees.items() if seen in (H, APART)]
        self.columns = (*first, *both, *last)
        self.num_input, self.first_hidden = len(first) + len(both), len(first)
        self.input_gates = [name.removesuffix(".x") for name in self.columns[: self.num_input]]
        self.hidden_gates = [name.removesuffix(".h") for name in self.columns[self.first_hidden :]]
        self.input_order = positions([name for name, seen in sees.items() if seen != H], self.input_gates)
        self.hidden_order = positions([name for name, seen in sees.items() if seen != X], self.hidden_gates)
        self.input_only = first
        self.hidden_only = last

    def at(self, column: str) -> int:
        return self.columns.index(column)


def positions(rows: list[str], wanted: list[str]) -> list[int] | None:
    """Where the wanted stand among rows; None where they stand as they are."""
    return None if rows == wanted else [rows.index(name) for name in wanted]


Term = tuple[str, Any]  # the output whose gradient is multiplied, and by what: a number or a key


@dataclass(eq=False)
class Plan:
    """layer_norm, zoneout_hidden, zoneout_cell: what stands between the equations. Built once for a cell; see build_plan."""

    cell: Cell
    equations: Equations
    layout: Layout
    layer_norm: bool
    zoneout_hidden: bool
    zoneout_cell: bool
    signals: list[str] = field(default_factory=list)  # named values that are kept
    in_column: dict[str, str] = field(default_factory=dict)  # signal → the column that holds it anyway
    before_loop: Call = field(init=False)
    update: Call = field(init=False)
    readout: Call = field(init=False)
    factors: Call = field(init=False)
    back_readout: Call = field(init=False)
    back_update: Call = field(init=False)
    from_columns: dict[str, tuple[str, Key]] = field(
        default_factory=dict
    )  # vector → a column and what it is multiplied by

    @property
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

    @property
    def norms(self) -> tuple[str, ...]:
        """The states that readout sees normalised."""
        return tuple(name for name in self.cell.inner_states if ("h'", f"norm.{name}") in self.equations.jacobian)


def build_plan(
    cell: Cell, *, layer_norm: bool = False, zoneout_hidden: bool = False, zoneout_cell: bool = False
) -> Plan:
    """Raises CellError for equations that the engine cannot rely on."""
    equations = record(cell, normalized=layer_norm and "h" not in cell.states, keep_hidden=zoneout_hidden)
    plan = Plan(cell, equations, Layout(cell), layer_norm, zoneout_hidden, zoneout_cell)
    saved = choose_saved(plan)
    plan.signals = [name for name in {**equations.update, **equations.readout} if not name.endswith("'")]
    node_of = {**equations.update, **equations.readout}
    column_of = {chain[-1]: column for column, chain in saved.items()}
    plan.in_column = {name: column_of[node_of[name]] for name in plan.signals if node_of[name] in column_of}
    write_forward(plan, saved)
    write_backward(plan, saved)
    return plan


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
    for _name, node in plan.equations.graph.known.items():
        if isinstance(node, Node) and node.op == "input":
            found[node] = signal_key(plan, node.name) if node.name in plan.signals else key_of(node.name)
    return found


def signal_key(plan: Plan, name: str) -> Key:
    return ("column", plan.in_column[name]) if name in plan.in_column else ("signal", name)


def choose_saved(plan: Plan) -> dict[str, list[Node]]:
    """Of each column the values it holds one after another, from the preactivation to what is kept."""
    equations = plan.equations
    outputs = [*equations.update.values(), *equations.readout.values()]
    forward = needed(outputs, {})
    users: dict[Node, list[Node]] = {}
    for node in forward:
        for arg in node.args:
            users.setdefault(arg, []).append(node)
    states = {node for name, node in {**equations.update, **equations.readout}.items() if name.endswith("'")}
    chains: dict[str, list[Node]] = {}
    for column in plan.layout.columns:
        chain = [equations.graph.input(f"a.{column}")]
        while chain[-1] not in outputs and len(users.get(chain[-1], [])) == 1:
            (user,) = users[chain[-1]]
            others = [arg for arg in user.args if arg is not chain[-1]]
            late = any(node.name.startswith("a.") for node in needed(others, {}))
            if user in states or len(user.args) - len(others) != 1 or (others and late):
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


def write_forward(plan: Plan, saved: Mapping[str, list[Node]]) -> None:
    """before_loop over all steps at once, then update and readout of each."""
    equations, layout = plan.equations, plan.layout
    keys = inputs_of(plan)
    done: set[str] = set()  # columns that hold what they keep

    def begin(source: Source) -> dict[Node, str]:
        names = {node: source.parameter(*key) for node, key in keys.items() if used_now(node, key)}
        for column in done:
            names[saved[column][-1]] = source.parameter("column", column)
        return names

    def used_now(node: Node, key: Key) -> bool:
        return node in now

    def squash(source: Source, columns: Sequence[str]) -> None:
        """Neighbours that are squashed alike are squashed together."""
        groups: list[list[str]] = []
        for column in columns:
            chain = saved[column]
            names = begin(source)
            places = dict.fromkeys(chain[1:-1], names[chain[0]])
            if len(chain) > 2:
                write(source, equations.graph, [(chain[-2], names[chain[0]])], names, places)
            neighbours = groups and layout.at(groups[-1][-1]) + 1 == layout.at(column)
            if neighbours and saved[groups[-1][-1]][-1].op == chain[-1].op:
                groups[-1].append(column)
            else:
                groups.append([column])
        for group in groups:
            place = source.parameter(*(("column", group[0]) if len(group) == 1 else ("block", group[0], group[-1])))
            source.lines.append(WITH_OUT[saved[group[0]][-1].op].format(args=place, out=place))
        done.update(columns)

    early, late = Source(), Source()
    update_nodes = set(needed(equations.update.values(), {}))
    now = update_nodes | set(needed(equations.readout.values(), {}))
    squashed = [
        column
        for column in layout.columns
        if len(saved[column]) > 1 and saved[column][-1].op in UNARY and len(saved[column][-1].args) == 1
    ]
    squash(early, [column for column in squashed if column in layout.input_only and len(saved[column]) == 2])
    plan.before_loop = Call(*early.build())

    now = update_nodes
    squash(late, [column for column in squashed if column not in done and saved[column][-1] in now])
    names = begin(late)
    places = {
        node: late.parameter("column", column) for column in layout.columns for node in saved[column][1:]
        if node in now and column not in done
    }  # fmt: skip
    outputs = [
        (node, late.parameter(*output_key(plan, name)))
        for name, node in equations.update.items()
        if name not in plan.in_column
    ]
    outputs += [(saved[c][-1], late.parameter("column", c)) for c in layout.columns if saved[c][-1] in places]
    write(late, equations.graph, outputs, names, places)
    done.update(column for column in layout.columns if saved[column][-1] in now)
    plan.update = Call(*late.build())

    last = Source()
    now = set(needed(equations.readout.values(), {}))
    squash(last, [column for column in squashed if column not in done])
    names = begin(last)
    places = {
        node: last.parameter("column", column) for column in layout.columns for node in saved[column][1:]
        if node in now and column not in done
    }  # fmt: skip
    outputs = [
        (node, last.parameter(*output_key(plan, name)))
        for name, node in equations.readout.items()
        if name not in plan.in_column
    ]
    outputs += [(saved[c][-1], last.parameter("column", c)) for c in layout.columns if saved[c][-1] in places]
    write(last, equations.graph, outputs, names, places)
    plan.readout = Call(*last.build())


def output_key(plan: Plan, name: str) -> Key:
    return ("after", name[:-1]) if name.endswith("'") else signal_key(plan, name)


def write_backward(plan: Plan, saved: Mapping[str, list[Node]]) -> None:
    """factors of many steps at once; back_readout and back_update, which multiply a step's gradients by them."""
    equations, layout = plan.equations, plan.layout
    jacobian = equations.jacobian
    keys = inputs_of(plan)
    for column in layout.columns:  # what each place holds by now
        keys.pop(equations.graph.input(f"a.{column}"))
        keys[saved[column][-1]] = ("column", column)
    for name, node in {**equations.update, **equations.readout}.items():
        if node.op not in ("input", "constant"):
            keys.setdefault(node, output_key(plan, name))

    find_vectors_in_columns(plan, keys)
    source = Source()
    wanted: list[tuple[Node, Key]] = []
    terms: dict[str, list[Term]] = {}
    for (output, into), node in jacobian.items():
        if into.startswith("p.") and into[2:] in plan.from_columns:
            continue
        place: Any
        if into.startswith("a."):
            first = into not in terms
            place = ("da", into[2:]) if first else ("factor", output, into)
            wanted.append((node, place))
        elif node.op == "constant":
            place = node.value
        elif node in keys:
            place = keys[node]
        else:
            place = ("factor", output, into)
            wanted.append((node, place))
        terms.setdefault(into, []).append((output, place))
    outputs = [(node, source.parameter(*place)) for node, place in wanted]
    reachable = set(needed((node for node, _ in wanted), dict.fromkeys(keys)))
    given = {
        node: source.parameter(*key) for node, key in keys.items()
        if any(node in inner.args for inner in reachable) or any(node is wanted_node for wanted_node, _ in wanted)
    }  # fmt: skip
    write(source, equations.graph, outputs, given)
    for column in layout.columns:
        if f"a.{column}" not in terms:
            source.lines.append(f"{source.parameter('da', column)}.zero_()")
    plan.factors = Call(*source.build())
    plan.back_readout = Call(*back(plan, terms, set(equations.readout), from_update=False).build())
    plan.back_update = Call(*back(plan, terms, set(equations.update), from_update=True).build())


def find_vectors_in_columns(plan: Plan, keys: Mapping[Node, Key]) -> None:
    """A vector that is multiplied by something kept, where it adds to one preactivation, needs no factor of its own."""
    jacobian = plan.equations.jacobian
    for name in plan.cell.vector_names:
        of_vector = {output: node for (output, into), node in jacobian.items() if into == f"p.{name}"}
        for column in plan.layout.columns:
            of_column = {output: node for (output, into), node in jacobian.items() if into == f"a.{column}"}
            if of_vector.keys() != of_column.keys():
                continue
            others = {multiplied_by(of_vector[output], of_column[output]) for output in of_vector}
            if len(others) == 1 and (other := others.pop()) is not None and other in keys:
                plan.from_columns[name] = column, keys[other]


def multiplied_by(node: Node, factor: Node) -> Node | None:
    if node.op != "mul" or factor not in node.args:
        return None
    x, y = node.args
    return y if x is factor else x


def back(plan: Plan, terms: Mapping[str, list[Term]], outputs: set[str], from_update: bool) -> Source:
    """The lines of one step: from the gradients of outputs to those of the inputs."""
    source = Source()
    layout, cell = plan.layout, plan.cell
    line = source.lines.append

    def gradient(output: str) -> str:
        if output == "h'":
            return source.parameter("after", "dh")
        return source.parameter("d", output[:-1]) if output.endswith("'") else source.parameter("d_signal", output)

    def mine(into: str) -> list[Term]:
        return [(output, place) for output, place in terms.get(into, []) if output in outputs]

    def add(target: str, output: str, place: Any) -> None:
        if isinstance(place, float):
            line(f"{target}.add_({gradient(output)}" + (")" if place == 1 else f", alpha={place!r})"))
        else:
            line(f"{target}.addcmul_({gradient(output)}, {source.parameter(*place)})")

    def put(target: str, output: str, place: Any) -> None:
        if isinstance(place, float):
            line(f"torch.mul({gradient(output)}, {place!r}, out={target})")
        else:
            line(f"torch.mul({gradient(output)}, {source.parameter(*place)}, out={target})")

    if not from_update and plan.zoneout_cell:
        for state in cell.inner_states:
            d, kept = source.parameter("d", state), source.parameter("kept", state)
            line(f"torch.mul({d}, {source.parameter('keep', 'cell')}, out={kept})")
            line(f"{d}.sub_({kept})")
    # The preactivations: neighbours with one and the same gradient together.
    groups: list[tuple[str, list[str]]] = []
    later: list[tuple[str, Term]] = []
    for column in layout.columns:
        own = mine(f"a.{column}")
        for output, place in own:
            if place != ("da", column):
                later.append((column, (output, place)))
            elif groups and groups[-1][0] == output and layout.at(groups[-1][1][-1]) + 1 == layout.at(column):
                groups[-1][1].append(column)
            else:
                groups.append((output, [column]))
    for output, columns in groups:
        if len(columns) == 1:
            line(f"{source.parameter('da', columns[0])}.mul_({gradient(output)})")
        else:
            line(f"{source.parameter('da_block', columns[0], columns[-1])}.mul_({gradient(output)}.unsqueeze(1))")
    for column, (output, place) in later:
        add(source.parameter("da", column), output, place)
    for name in cell.vector_names:
        for output, place in mine(f"p.{name}"):
            add(source.parameter("d_vector", name), output, place)
    if not from_update:
        for signal in plan.equations.update:
            if not signal.endswith("'"):
                own = mine(signal)
                for index, (output, place) in enumerate(own):
                    (add if index or signal in cell.recurrent else put)(
                        source.parameter("d_signal", signal), output, place
                    )
        for state in cell.inner_states:
            for output, place in mine(f"norm.{state}"):
                put(source.parameter("d_norm", state), output, place)
            for output, place in mine(f"{state}'"):
                add(source.parameter("d", state), output, place)
        for output, place in mine("h"):
            add(source.parameter("before", "dh"), output, place)
        return source
    for output, place in mine("h"):
        add(source.parameter("before", "dh"), output, place)
    own_only = all(
        output == f"{state}'" for state in cell.inner_states for output, _ in mine(state) if output.endswith("'")
    )
    finals = []
    for state in cell.inner_states:
        d = source.parameter("d", state)
        parts = sorted(mine(state), key=lambda term: term[0] != f"{state}'")
        into = d if own_only else source.parameter("next", state)
        if not parts:
            line(f"{into}.zero_()")
        for index, (output, place) in enumerate(parts):
            if index:
                add(into, output, place)
            elif into != d or output != f"{state}'":
                put(into, output, place)
            elif place != 1.0:
                put(d, output, place)
        if into != d:
            finals.append((d, into))
    for d, into in finals:
        line(f"{d}.copy_({into})")
    if plan.zoneout_cell:
        for state in cell.inner_states:
            line(f"{source.parameter('d', state)}.add_({source.parameter('kept', state)})")
    return source
