"""A cell's equations as a paper writes them, from the graph that the engine runs."""

from collections import Counter
from collections.abc import Iterable, Sequence

from gatelab.recurrent.cell import APART, INNER, Cell, H, X, argument_names
from gatelab.recurrent.notation import (
    ATOM,
    GREEK,
    PRODUCT,
    SUM,
    Tree,
    bracketed,
    number,
    parse_symbol,
    product,
    separated,
    symbol,
    text,
    total,
)
from gatelab.recurrent.program import Equations, Node, needed, record

LETTERS = {"forget": "f", "input": "i", "output": "o", "update": "z", "reset": "r"}
TAKEN = "abtxWUV"  # by what is no value of a cell's own
OPERATORS = {"add": "+", "sub": "−", "mul": "∘", "gt": ">", "ge": "≥", "lt": "<", "le": "≤", "eq": "=", "ne": "≠"}
MAX_SIZE = 500  # of a right side, in values; a longer one is not written out
FUNCTIONS = {"sigmoid": "σ", "maximum": "max", "minimum": "min"}  # others are called as torch calls them


def formula(cell: Cell, *, layer_norm: bool = False) -> list[Tree]:
    """The equations of one step in the order in which they can be computed, each a row "left = right".

    Of a cell that is not pointwise, or whose equations would fill pages, what its gates see and which method gives what. A
    gate that is constant has no line.
    Raises CellError for equations that cannot be computed.
    """
    return Writer(cell, record(cell, normalized=layer_norm) if cell.pointwise else None, layer_norm).equations()


class Writer:
    """Names each value of a cell and writes its equations."""

    def __init__(self, cell: Cell, recorded: Equations | None, layer_norm: bool) -> None:
        self.cell, self.recorded, self.layer_norm = cell, recorded, layer_norm
        self.letters: dict[str, tuple[str, str]] = {}  # letter and accent by name
        for name in (*cell.states, "h"):
            self.letter(name)
        self.indices: dict[str, str] = {}  # of a gate's weights; none where there is one gate
        for gate in cell.sees:
            letter = self.letter(gate)[0] if len(cell.sees) > 1 else ""
            self.indices[gate] = gate if letter in self.indices.values() else letter
        self.lines: dict[str, Tree] = {}
        self.symbols: dict[Node, Tree] = {}

    def equations(self) -> list[Tree]:
        if self.recorded is None:
            return self.outline()
        update, readout = self.recorded.update, self.recorded.readout
        roots = {**update, **readout}
        states = [name for name in roots if name.endswith("'")]
        for name in states:
            self.name(roots[name], self.letter(name.rstrip("'")))
        for name, node in self.recorded.named.items():
            self.name(node, self.letter(name))
        if self.is_long(roots.values()):
            return self.outline()
        self.name_shared([roots[name] for name in states])
        computed = [*self.recorded.named.values(), *self.symbols]
        for outputs in (update, readout):
            used = {*needed([*self.recorded.inner.values(), *outputs.values()], {})}
            for node in computed:
                if node in used and node in self.symbols and not any(node is roots[name] for name in states):
                    self.line(self.symbols[node], node)
            for name in states:
                if name in outputs:
                    self.line(self.at(name.rstrip("'"), "t"), outputs[name])
        return list(self.lines.values())

    def outline(self) -> list[Tree]:
        """Without a graph: the preactivations, and what gives the states."""
        columns = [
            (gate, part) for gate, seen in self.cell.sees.items() for part in (("x", "h") if seen == APART else ("",))
        ]
        lines: list[Tree] = [
            ["row", symbol("a", self.indices[gate], part, "t"), "=", self.preactivation(gate, part)]
            for gate, part in columns
        ]
        if self.cell.states:
            after = [self.at(name, "t") for name in self.cell.states]
            lines.append(["row", *separated(after), "=", self.method("update", "t−1")])
        if "h" not in self.cell.states:
            lines.append(["row", self.at("h", "t"), "=", self.method("readout", "t")])
        return lines

    def method(self, name: str, time: str) -> Tree:
        arguments = argument_names(getattr(self.cell, name))
        named = {"a": symbol("a", "t"), "p": symbol("p"), "h": self.at("h", "t−1")}
        return ["call", symbol(name), *(named.get(one) or self.at(one, time) for one in arguments)]

    def name(self, node: Node, letter: tuple[str, str]) -> None:
        """From now on node is called by its letter, if it is worth a line and has no name yet."""
        if (node.op not in ("input", "constant") or node.name.startswith("a.")) and node not in self.symbols:
            self.symbols[node] = ["symbol", *letter, ["t"]]

    def is_long(self, outputs: Iterable[Node]) -> bool:
        sizes: dict[Node, int] = {}
        for node in needed(outputs, {}):
            sizes[node] = 1 + sum(1 if arg in self.symbols else sizes[arg] for arg in node.args)
        return max(sizes.values()) > MAX_SIZE

    def name_shared(self, outputs: Sequence[Node]) -> None:
        """Preactivations that stand in several places have a line of their own."""
        uses: Counter[Node] = Counter()
        seen: set[Node] = set()

        def look(node: Node) -> None:
            if node.name.startswith("a."):
                uses[node] += 1
            if node in self.symbols and node in seen:
                return
            seen.add(node)
            for arg in self.inside(node):
                look(arg)

        for output in outputs:
            look(output)
        for node, count in uses.items():
            gate, _, part = node.name.removeprefix("a.").partition(".")
            if count > 1 and node not in self.symbols:
                self.symbols[node] = symbol("a", self.indices[gate], part, "t")

    def inside(self, node: Node) -> Sequence[Node]:
        """The nodes that the expression of node is written with."""
        assert self.recorded is not None
        if node.op == "input" and node.name in self.recorded.update and not node.name.endswith("'"):
            return (self.recorded.update[node.name],)
        if self.cell.sees.get(node.name.removeprefix("a.")) == INNER:
            return tuple(self.recorded.inner.values())
        return node.args

    def line(self, left: Tree, node: Node) -> None:
        """The equation that says what left is, after those of what it is written with."""
        if text(left) not in self.lines:
            right = self.expand(node) if self.symbols.get(node) == left else self.expression(node)
            self.lines[text(left)] = ["row", left, "=", right]

    def expression(self, node: Node) -> Tree:
        """The symbol of what has one, whose line then stands before."""
        if node not in self.symbols:
            return self.expand(node)
        self.line(self.symbols[node], node)
        return self.symbols[node]

    def expand(self, node: Node) -> Tree:
        if node.op == "constant":
            return number(node.value)
        if node.op == "input":
            return self.input(node)
        if node.op == "neg":
            return ["row", "−", bracketed(self.expression(node.args[0]), PRODUCT)]
        args = [self.expression(arg) for arg in node.args]
        if node.op in ("add", "sub"):
            return total(args[0], OPERATORS[node.op], args[1])
        if node.op == "mul":
            return product(*args)
        if node.op in OPERATORS:
            return ["row", bracketed(args[0], SUM), OPERATORS[node.op], bracketed(args[1], SUM)]
        if node.op in ("div", "reciprocal"):
            return ["fraction", *(args if node.op == "div" else [number(1), args[0]])]
        if node.op == "pow":
            return ["power", bracketed(args[0], ATOM), args[1]]
        if node.op == "log_sigmoid":
            return ["call", symbol("log"), ["call", symbol("σ"), *args]]
        return ["call", symbol(FUNCTIONS.get(node.op, node.op.replace("_", "-"))), *args]

    def input(self, node: Node) -> Tree:
        kind, _, name = node.name.partition(".")
        if kind == "a":
            gate, _, part = name.partition(".")
            return self.preactivation(gate, part)
        if kind == "p":
            return self.vector(name)
        if kind == "norm":
            return ["call", symbol("LN"), self.at(name, "t")]
        if node.name.endswith("'"):
            return self.at(node.name.rstrip("'"), "t")
        return self.at(node.name, "t−1") if not self.inside(node) else self.expression(self.inside(node)[0])

    def preactivation(self, gate: str, part: str) -> Tree:
        """What the gate sees: W x_t, U h_{t−1}, the gates of the step before, the bias."""
        index, seen = self.indices[gate], self.cell.sees[gate]
        weight = [] if self.layer_norm else [index]
        terms: list[Tree] = []
        if seen != H and part != "h":
            terms.append(self.normalized(index, ["row", symbol("W", *weight), " ", symbol("x", "t")]))
        if seen == INNER:
            terms.append(["row", symbol("U", index), " ", bracketed(self.inner(), ATOM)])
        elif seen != X and part != "x":
            recurrent: Tree = ["row", symbol("U", *weight), " ", self.at("h", "t−1")]
            for name in self.cell.recurrent if gate in self.cell.recurrent_gates else ():
                letter = self.letter(name)[0]
                recurrent += ["+", symbol("V", *weight, letter), " ", self.at(name, "t−1")]
            terms.append(self.normalized(index, recurrent))
        terms.append(symbol("b′" if part == "h" else "b", index))
        return ["row", *separated(terms, "+")]

    def inner(self) -> Tree:
        if self.recorded is None:
            return self.method("inner", "t−1")
        return self.expression(*self.recorded.inner.values())

    def normalized(self, index: str, term: Tree) -> Tree:
        return ["call", symbol("LN", index), term] if self.layer_norm else term

    def vector(self, name: str) -> Tree:
        if name not in self.indices:
            return ["symbol", *self.letter(name), []]
        parameter = next(key for key, names in self.cell.vectors.items() if name in names)
        return ["symbol", *self.letter(parameter, parameter[0]), [*filter(None, [self.indices[name]])]]

    def at(self, name: str, time: str) -> Tree:
        """A named value or state at a time."""
        return ["symbol", *self.letter(name), [time]]

    def letter(self, name: str, default: str = "") -> tuple[str, str]:
        """The letter of a state, a gate and the value NAME_gate, or a vector, and its accent; the whole word where it is taken."""
        base = name.removesuffix("_gate")
        if base not in self.letters:
            given = self.cell.symbols.get(name, self.cell.symbols.get(base))
            self.letters[base] = parse_symbol(name, given) if given is not None else self.choose(base, default)
        return self.letters[base]

    def choose(self, base: str, default: str) -> tuple[str, str]:
        found = (default or LETTERS.get(base) or GREEK.get(base) or base, "")
        if base == "candidate" and self.cell.states:
            found = (self.letter(self.cell.states[0])[0], "tilde")
        if found in self.letters.values() or found[0] in TAKEN:
            found = (base, "")
        while found in self.letters.values():
            found = (f"{found[0]}′", "")
        return found[0].replace("_", "-"), found[1]
