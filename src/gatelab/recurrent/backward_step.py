"""The functions of a backward step: factors of many steps at once, then what multiplies a step's gradients by them. See plan.py."""

from collections.abc import Mapping
from typing import Any

from gatelab.recurrent.emit import Call, Key, Source, write
from gatelab.recurrent.plan import Plan, inputs_of, output_key
from gatelab.recurrent.program import Node, needed

Term = tuple[str, Any]  # the output whose gradient is multiplied, and by what: a number or a key


def write_all(plan: Plan, saved: Mapping[str, list[Node]]) -> tuple[Call, Call, Call]:
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
    write(source, outputs, given)
    for column in layout.columns:
        if f"a.{column}" not in terms:
            source.lines.append(f"{source.parameter('da', column)}.zero_()")
    back_readout = back(plan, terms, set(equations.readout), from_update=False)
    return source.build(), back_readout.build(), back(plan, terms, set(equations.update), from_update=True).build()


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
