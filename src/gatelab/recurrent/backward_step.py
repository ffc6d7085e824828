"""The functions of a backward step: factors of many steps at once, then what multiplies a step's gradients by them. See plan.py."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gatelab.recurrent.emit import Call, Key, Source
from gatelab.recurrent.plan import Plan, inputs_of, output_key
from gatelab.recurrent.program import Node, needed

TEMPORARY = ("factor", "kept", "next")
Term = tuple[str, Any]  # the output whose gradient is multiplied, and by what: a number or a key


def write_all(
    plan: Plan, saved: Mapping[str, list[Node]], new_source: Callable[[], Source] = Source
) -> tuple[Call, Call, Call, Call]:
    equations, layout = plan.equations, plan.layout
    jacobian = equations.jacobian
    keys = inputs_of(plan)
    for column in layout.columns:  # what each place holds by now
        keys.pop(equations.graph.input(f"a.{column}"))
        keys[saved[column][-1]] = ("column", column)
    for name, node in equations.outputs.items():
        if node.op not in ("input", "constant"):
            keys.setdefault(node, output_key(plan, name))

    find_vectors_in_columns(plan, keys)
    source = new_source()
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
    source.write(outputs, given)
    for column in layout.columns:
        if f"a.{column}" not in terms:
            source.zero(source.parameter("da", column))
    one_pass = source.one_pass and not plan.norms and not layout.inner  # then nothing stands between
    update = source if one_pass else new_source()
    readout, inner = update if one_pass else new_source(), new_source()
    Lines(plan, terms, equations.readout, readout).readout()
    Lines(plan, terms, equations.update, update).update()
    Lines(plan, terms, equations.inner, inner).inner()
    if one_pass:
        source, readout = new_source(), new_source()
    return source.build(), readout.build(), update.build(TEMPORARY if one_pass else ()), inner.build()


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


class Lines:
    """From the gradients of a stage's outputs to those of its inputs, line by line."""

    def __init__(self, plan: Plan, terms: Mapping[str, list[Term]], outputs: Iterable[str], source: Source) -> None:
        self.plan, self.states, self.source = plan, plan.cell.inner_states, source
        self.terms = {into: [term for term in all_terms if term[0] in outputs] for into, all_terms in terms.items()}

    def of(self, into: str) -> list[Term]:
        return self.terms.get(into, [])

    def at(self, *key: str) -> str:
        return self.source.parameter(*key)

    def gradient(self, output: str) -> str:
        if output == "h'":
            return self.at("after", "dh")
        return self.at("d", output[:-1]) if output.endswith("'") else self.at("d_signal", output)

    def factor(self, term: Term) -> str | float:
        factor = term[1]
        return factor if isinstance(factor, float) else self.at(*factor)

    def add(self, target: str, term: Term) -> None:
        self.source.add(target, self.gradient(term[0]), self.factor(term))

    def put(self, target: str, term: Term) -> None:
        self.source.put(target, self.gradient(term[0]), self.factor(term))

    def preactivations(self) -> None:
        """And vectors. Neighbours with one and the same gradient are multiplied together."""
        layout = self.plan.layout
        groups: list[tuple[str, list[str]]] = []
        for column in layout.columns:
            for output, factor in self.of(f"a.{column}"):
                if factor == ("da", column):
                    if groups and groups[-1][0] == output and layout.at(groups[-1][1][-1]) + 1 == layout.at(column):
                        groups[-1][1].append(column)
                    else:
                        groups.append((output, [column]))
        for output, columns in groups:
            self.source.multiply_columns(columns, self.gradient(output))
        for column in layout.columns:
            for output, factor in self.of(f"a.{column}"):
                if factor != ("da", column):
                    self.add(self.at("da", column), (output, factor))
        for name in self.plan.cell.vector_names:
            for term in self.of(f"p.{name}"):
                self.add(self.at("d_vector", name), term)

    def hidden_before(self) -> None:
        for term in self.of("h"):
            self.add(self.at("before", "dh"), term)

    def readout(self) -> None:
        if self.plan.zoneout_cell:
            for state in self.states:
                d, kept = self.at("d", state), self.at("kept", state)
                self.source.put(kept, d, self.at("keep", "cell"))
                self.source.add(d, kept, -1.0)
        self.preactivations()
        for signal in self.plan.signals:
            if signal in self.plan.equations.update:
                recurs = signal in self.plan.cell.recurrent  # then its gradient has something in it
                terms = self.of(signal)
                if not terms and not recurs:
                    self.source.zero(self.at("d_signal", signal))
                for index, term in enumerate(terms):
                    (self.add if index or recurs else self.put)(self.at("d_signal", signal), term)
        for state in self.states:
            terms = self.of(f"norm.{state}")
            if state in self.plan.norms and not terms:
                self.source.zero(self.at("d_norm", state))
            for index, term in enumerate(terms):
                (self.add if index else self.put)(self.at("d_norm", state), term)
            for term in self.of(f"{state}'"):
                self.add(self.at("d", state), term)
        self.hidden_before()

    def update(self) -> None:
        self.preactivations()
        self.hidden_before()
        mixed = any(
            output.endswith("'") and output not in ("h'", f"{state}'")
            for state in self.states
            for output, _ in self.of(state)
        )  # then the gradient of a state is still needed when that of another is written
        for state in self.states:
            d = self.at("d", state)
            target = self.at("next", state) if mixed else d
            terms = sorted(self.of(state), key=lambda term: term[0] != f"{state}'")
            if not terms:
                self.source.zero(target)
            for index, term in enumerate(terms):
                if index:
                    self.add(target, term)
                elif target != d or term != (f"{state}'", 1.0):
                    self.put(target, term)
        for state in self.states:
            if mixed:
                self.source.copy(self.at("d", state), self.at("next", state))
            if self.plan.zoneout_cell:
                self.source.add(self.at("d", state), self.at("kept", state))

    def inner(self) -> None:
        self.preactivations()
        self.hidden_before()
        for state in self.states:
            for term in self.of(state):
                self.add(self.at("d", state), term)
