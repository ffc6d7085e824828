"""One phase of a kernel, line by line."""

import re
from collections.abc import Iterable, Iterator

from gatelab.recurrent.operations import code_of
from gatelab.recurrent.plan import Plan
from gatelab.recurrent.program import Node

OF_TRITON = re.compile(r"\b(abs|cos|erf|exp|log|maximum|minimum|sin|sqrt|where)\(")


class Phase:
    """A value is computed where it is first needed, after what it needs. numbers: of the names of values."""

    def __init__(self, plan: Plan, numbers: Iterator[int]) -> None:
        self.plan, self.equations, self.cell, self.layout = plan, plan.equations, plan.cell, plan.layout
        self.numbers, self.lines = numbers, list[str]()
        self.names: dict[Node, str] = {}

    def next(self) -> "Phase":
        return Phase(self.plan, self.numbers)

    def write(self, *lines: str) -> None:
        self.lines += lines

    def let(self, expression: str) -> str:
        name = f"v{next(self.numbers)}"
        self.write(f"{name} = {expression}")
        return name

    def put(self, pointer: str, value: str, ok: str = "valid") -> None:
        self.write(f"tl.store({pointer}, {value}, mask={ok})")

    def add(self, pointer: str, parts: Iterable[str]) -> None:
        """Of valid rows."""
        self.put(pointer, f"tl.load({pointer}, mask=valid, other=0.0) + ({' + '.join(parts)})")

    def give(self, name: str, value: str) -> None:
        """The value of an input of the equations."""
        self.names[self.equations.graph.input(name)] = value

    def input(self, name: str) -> str:
        return self.value(self.equations.graph.input(name))

    def value(self, node: Node) -> str:
        if node.op == "constant":
            return literal(node.value)
        if node not in self.names:
            if node.op != "input":
                self.names[node] = self.let(triton_code(node, [self.value(arg) for arg in node.args]))
            elif node.name in self.equations.update and not node.name.endswith("'"):
                self.names[node] = self.value(self.equations.update[node.name])  # readout asks for what update named
            else:
                self.names[node] = self.let(self.load(node.name))
        return self.names[node]

    def tensor(self, node: Node) -> str:
        """Its value where a number alone would be a float32, which a store does not widen."""
        value = self.value(node)
        return self.let(f"tl.full((ROWS, COLUMNS), {value}, ACC)") if node.op == "constant" else value

    def load(self, name: str) -> str:
        """An input of the equations from memory."""
        kind, _, rest = name.partition(".")
        if kind == "a" and rest:
            return f"take({self.column('a', rest)}, valid, ACC)"
        if kind == "p" and rest:
            return f"take(P + {self.cell.vector_names.index(rest)} * H + cols, col_ok, ACC)[None, :]"
        if kind == "keep":
            return f"take(keep_{rest} + at + own, valid, ACC)"
        if name.endswith("'"):
            return f"take({self.after(name[:-1])}, valid, ACC)"
        return f"take(states_{name} + at + own, ok, ACC)"

    def column(self, buffer: str, column: str) -> str:
        return f"{buffer} + at_columns + own_columns + {self.layout.at(column)} * H"

    def after(self, state: str) -> str:
        """Where a step's new state is kept as readout sees it: before zoneout."""
        zoned = self.plan.zoneout_cell and state != "h"
        return f"news_{state} + at + own" if zoned else f"states_{state} + after + own"

    def standard(self, j: int) -> str:
        """A recurrent term without mean and σ, which the lines before have."""
        return f"(take(recurrent + at_hidden + own_hidden + {j} * H, valid, ACC) - mean) * scale"

    def times_gain(self, j: int, value: str) -> str:
        return f"{value} * take(norm_hidden + {j} * H + cols, col_ok, ACC)[None, :]"

    def normalize(self, state: str, statistics: str) -> tuple[str, str, str]:
        """Gives the normalised state to readout. Returns 1/σ, the state without mean and σ, and the gain."""
        mean, scale = f"mean_{state}", f"scale_{state}"
        self.write(f"{mean}, {scale} = {statistics}")
        new = self.input(f"{state}'")
        standard = self.let(f"({new} - {mean}) * {scale}")
        gain = self.let("take(norm_cell + cols, col_ok, ACC)[None, :]")
        self.give(f"norm.{state}", self.let(f"{standard} * {gain} + take(norm_cell + H + cols, col_ok, ACC)[None, :]"))
        return scale, standard, gain


def triton_code(node: Node, args: list[str]) -> str:
    code, numbers = code_of(node, len(args), "Triton")
    args = [*args, *map(literal, numbers)]
    if OF_TRITON.search(code):  # where a number alone would be a float32
        args = [arg if arg.startswith("v") else f"tl.full((), {arg}, ACC)" for arg in args]
    return OF_TRITON.sub(r"tl.\1(", code).format(*args)


def literal(value: float) -> str:
    text = repr(value)
    return f'float("{text}")' if "n" in text else f"({text})" if value < 0 else text
