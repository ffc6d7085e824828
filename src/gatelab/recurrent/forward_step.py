"""The functions of a forward step: what can be done before the loop, then update and readout. See plan.py."""

from collections.abc import Callable, Mapping, Sequence

from gatelab.recurrent.emit import UNARY, Call, Source
from gatelab.recurrent.plan import Plan, inputs_of, output_key
from gatelab.recurrent.program import Node, needed


def write_all(
    plan: Plan, saved: Mapping[str, list[Node]], new_source: Callable[[], Source] = Source
) -> tuple[Call, Call, Call, Call]:
    """before_loop, of all steps at once; inner, update and readout, of one."""
    equations, layout = plan.equations, plan.layout
    done: set[str] = set()  # columns that hold what they keep
    squashed = [column for column in layout.columns if len(saved[column]) > 1 and is_squashed(saved[column][-1])]
    early = new_source()
    hoisted = [column for column in squashed if column in layout.input_only and len(saved[column]) == 2]
    squash(plan, early, saved, hoisted)
    done.update(hoisted)

    def stage(source: Source, outputs: Mapping[str, Node]) -> Source:
        now = set(needed(outputs.values(), {}))
        first = [column for column in squashed if column not in done and saved[column][-1] in now]
        squash(plan, source, saved, first)
        done.update(first)
        rest = [column for column in layout.columns if column not in done and saved[column][-1] in now]
        places = {node: source.parameter("column", column) for column in rest for node in saved[column][1:]}
        wanted = [(node, output_key(plan, name)) for name, node in outputs.items() if name not in plan.in_column]
        wanted += [(saved[column][-1], ("column", column)) for column in rest if len(saved[column]) > 1]
        names = given(plan, source, now)
        names |= {saved[column][-1]: source.parameter("column", column) for column in done if saved[column][-1] in now}
        source.write([(node, source.parameter(*key)) for node, key in wanted], names, places)
        done.update(rest)
        return source

    inner, update = stage(new_source(), equations.inner), stage(new_source(), equations.update)
    one_pass = update.one_pass and not plan.norms  # then nothing stands between update and readout
    readout = stage(update if one_pass else new_source(), equations.readout)
    return early.build(), inner.build(), (new_source() if one_pass else update).build(), readout.build()


def is_squashed(node: Node) -> bool:
    return node.op in UNARY and len(node.args) == 1


def given(plan: Plan, source: Source, nodes: set[Node]) -> dict[Node, str]:
    """The inputs of the equations among nodes."""
    return {node: source.parameter(*key) for node, key in inputs_of(plan).items() if node in nodes}


def squash(plan: Plan, source: Source, saved: Mapping[str, list[Node]], columns: Sequence[str]) -> None:
    """Each column's values one after another, in its place; neighbours that are squashed alike are squashed together."""
    groups: list[list[str]] = []
    for column in columns:
        start, *between, squashed = saved[column]
        if between:
            names = given(plan, source, set(needed(between, {})))
            source.write([(between[-1], names[start])], names, dict.fromkeys(between, names[start]))
        follows = groups and plan.layout.at(groups[-1][-1]) + 1 == plan.layout.at(column)
        if follows and saved[groups[-1][-1]][-1].op == squashed.op:
            groups[-1].append(column)
        else:
            groups.append([column])
    for group in groups:
        source.squash(saved[group[0]][-1].op, group)
