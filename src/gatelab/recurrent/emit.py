"""From a graph of pointwise operations to a Python function that computes it in few passes over memory.

Every value goes to the place that the caller names, or to scratch space that is used again; products that are added are
one pass (addcmul, lerp). A function is source text of torch's own calls, compiled once.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import torch

from gatelab.recurrent.program import Node, is_number, needed, takes_tensor

aten = torch.ops.aten
# Operations that write where they are told. Any other is computed and copied.
WITH_OUT: dict[str, str] = {
    **{
        name: f"torch.{name}({{args}}, out={{out}})"
        for name in (
            "sigmoid", "tanh", "mul", "add", "sub", "div", "neg", "exp", "expm1", "log", "log1p", "abs", "sqrt", "rsqrt",
            "square", "reciprocal", "maximum", "minimum", "addcmul", "lerp", "where", "erf", "sin", "cos", "clamp_min",
        )
    },
    "relu": "torch.clamp({args}, min=0, out={out})",
    "sigmoid_backward": "aten.sigmoid_backward.grad_input({args}, grad_input={out})",
    "tanh_backward": "aten.tanh_backward.grad_input({args}, grad_input={out})",
    "threshold_backward": "aten.threshold_backward.grad_input({args}, grad_input={out})",
    "softplus": "aten.softplus.out({args}, out={out})",
    "softplus_backward": "aten.softplus_backward.grad_input({args}, grad_input={out})",
}  # fmt: skip
UNARY = ("sigmoid", "tanh", "relu", "exp", "neg")


Key = tuple[Any, ...]


class Call(NamedTuple):
    """A compiled function and the keys of its arguments."""

    run: Callable[..., None]
    keys: list[Key]


class Calls(NamedTuple):
    """The functions of one step each way, see plan.py: those before the loop and the factors are of many steps at once."""

    before_loop: Call
    inner: Call
    update: Call
    readout: Call
    factors: Call
    back_readout: Call
    back_update: Call
    back_inner: Call


class Source:
    """A function as it is written: its parameters, each named by a key, and its lines. Written in torch's own calls;
    ``c_source.CSource`` writes the same in C."""

    one_pass = False  # whether all of a backward step is better one function than factors of many steps first

    def __init__(self) -> None:
        self.parameters: dict[Any, str] = {}
        self.lines: list[str] = []
        self.num_scratch = 0
        self.constants: dict[str, Any] = {"torch": torch, "aten": aten}

    def parameter(self, *key: Any) -> str:
        return self.parameters.setdefault(key, f"v{len(self.parameters)}")

    def write(
        self, outputs: Sequence[tuple[Node, str]], given: dict[Node, str], places: dict[Node, str] | None = None
    ) -> None:
        """Lines that compute outputs, each (node, where it goes), from given (node → its name).

        places: inner values that go to a place of their own, such as over the input that nothing else reads.
        """
        write(self, outputs, given, places)

    def squash(self, op: str, columns: Sequence[str]) -> None:
        """In place, of neighbours."""
        key = ("column", columns[0]) if len(columns) == 1 else ("column_block", columns[0], columns[-1])
        place = self.parameter(*key)
        self.lines.append(WITH_OUT[op].format(args=place, out=place))

    def multiply_columns(self, columns: Sequence[str], by: str) -> None:
        """The factors of neighbours, in place."""
        if len(columns) == 1:
            self.lines.append(f"{self.parameter('da', *columns)}.mul_({by})")
        else:
            self.lines.append(f"{self.parameter('da_block', columns[0], columns[-1])}.mul_({by}.unsqueeze(1))")

    def zero(self, target: str) -> None:
        self.lines.append(f"{target}.zero_()")

    def copy(self, target: str, value: str) -> None:
        self.lines.append(f"{target}.copy_({value})")

    def put(self, target: str, value: str, by: str | float) -> None:
        self.lines.append(f"torch.mul({value}, {by}, out={target})")

    def add(self, target: str, value: str, by: str | float = 1.0) -> None:
        if isinstance(by, str):
            self.lines.append(f"{target}.addcmul_({value}, {by})")
        else:
            self.lines.append(f"{target}.add_({value}, alpha={by!r})")

    def scratch(self, free: list[str]) -> str:
        if free:
            return free.pop()
        self.num_scratch += 1
        return f"s{self.num_scratch - 1}"

    def number(self, value: float) -> str:
        """As a tensor without dimensions, where torch wants no number."""
        name = f"k{len(self.constants)}"
        self.constants[name] = torch.tensor(value, dtype=torch.float64)
        return name

    def build(self, temporary: Collection[str] = ()) -> Call:
        """Scratch space is ("scratch", 0), … What kinds of keys nobody reads afterwards are named only where it helps."""
        for index in range(self.num_scratch):
            self.parameters.setdefault(("scratch", index), f"s{index}")
        text = f"def run({', '.join(self.parameters.values())}):\n    " + "\n    ".join(self.lines or ["pass"])
        space = dict(self.constants)
        exec(compile(text, "<gatelab cell>", "exec"), space)
        space["run"].__doc__ = text
        return Call(space["run"], list(self.parameters))


def write(
    source: Source, outputs: Sequence[tuple[Node, str]], given: dict[Node, str], places: dict[Node, str] | None = None
) -> None:
    """``Source.write`` in torch's calls."""
    names = dict(given)
    targets: dict[Node, str] = dict(places or {})
    copies: list[tuple[Node, str]] = []
    for node, place in outputs:
        if node in given or node.op == "constant" or node in targets:
            copies.append((node, place))
        else:
            targets[node] = place
    order = [node for node in needed((node for node, _ in outputs), given) if node.op != "constant"]
    uses = count_uses(order, [node for node, _ in outputs])
    fused = {node: fuse(node, uses, given, targets) for node in order}
    wanted = set(live(order, fused, [node for node, _ in outputs], given))
    order = [node for node in order if node in wanted]
    last_use: dict[Node, int] = {}
    for position, node in enumerate(order):
        for arg in fused[node][1]:
            last_use[arg] = position
    for node, _ in copies:
        last_use[node] = len(order)
    free: list[str] = []
    for position, node in enumerate(order):
        op, args, template = fused[node]
        words, filled = [], []
        for index, arg in enumerate(args):
            how = takes(op, index, None if template else node)
            if arg.op == "constant" and how == "filled":
                words.append(source.scratch(free))
                filled.append(words[-1])
                source.lines.append(f"{words[-1]}.fill_({arg.value!r})")
            elif arg.op == "constant":
                words.append(source.number(arg.value) if how == "tensor" else repr(arg.value))
            else:
                words.append(names[arg])
        for arg in dict.fromkeys(args):
            if last_use[arg] == position and names.get(arg, "").startswith("s"):
                free.append(names[arg])
        if node not in targets and template is None:  # torch makes its place
            names[node] = f"t{position}"
            source.lines.append(f"t{position} = {called(source, node)}({', '.join(words)})")
            continue
        place = targets[node] if node in targets else source.scratch(free)
        names[node] = place
        free += filled
        if template is not None:
            source.lines.append(template.format(args=", ".join(words), out=place))
        else:
            source.lines.append(f"{place}.copy_({called(source, node)}({', '.join(words)}))")
    for node, place in copies:
        if node.op == "constant":
            source.lines.append(f"{place}.fill_({node.value!r})")
        elif names[node] != place:
            source.lines.append(f"{place}.copy_({names[node]})")


def called(source: Source, node: Node) -> str:
    name = f"f{len(source.constants)}"
    source.constants[name] = node.target
    return name


def takes(op: str, index: int, called: Node | None) -> str:
    """How torch takes a number there: as a number, as a tensor without dimensions, or as one of full size.

    called: the operation, where it is called as it is.
    """
    if called is not None and index and takes_tensor(called.target._schema.arguments[index]):
        return "tensor"
    if op in ("maximum", "minimum") or (index == 0 and op in ("sub", "div", "sigmoid_backward", "tanh_backward")):
        return "tensor"
    return "filled" if index == 0 or op == "where" else "number"


def count_uses(order: Iterable[Node], outputs: Iterable[Node]) -> dict[Node, int]:
    uses: dict[Node, int] = {}
    for node in order:
        for arg in node.args:
            uses[arg] = uses.get(arg, 0) + 1
    for node in outputs:
        uses[node] = uses.get(node, 0) + 1
    return uses


Fused = tuple[str, tuple[Node, ...], str | None]


def fuse(node: Node, uses: dict[Node, int], given: dict[Node, str], targets: dict[Node, str]) -> Fused:
    """The operation to call, its arguments, and how to write it, with products that only this node reads inside."""

    def product(arg: Node) -> bool:
        return (
            arg.op == "mul" and uses[arg] == 1 and arg not in given and arg not in targets
            and not any(part.op == "constant" for part in arg.args)
        )  # fmt: skip

    if node.op == "add":
        x, y = node.args
        if product(x) and product(y):
            for one, other in ((x, y), (y, x)):
                for weight in other.args:
                    kept = next((part for part in one.args if is_one_minus(part, weight)), None)
                    if kept is not None:
                        start, end = rest(one, kept), rest(other, weight)
                        return "lerp", (start, end, weight), WITH_OUT["lerp"]
        if product(y) and x.op != "constant":
            return "addcmul", (x, *y.args), WITH_OUT["addcmul"]
        if product(x) and y.op != "constant":
            return "addcmul", (y, *x.args), WITH_OUT["addcmul"]
    if node.op == "sub" and product(node.args[1]) and node.args[0].op != "constant":
        return "addcmul", (node.args[0], *node.args[1].args), "torch.addcmul({args}, value=-1, out={out})"
    if node.op in ("add", "mul") and node.args[0].op == "constant":
        return node.op, node.args[::-1], WITH_OUT[node.op]
    return node.op, node.args, WITH_OUT.get(node.op)


def is_one_minus(node: Node, weight: Node) -> bool:
    return node.op == "sub" and is_number(node.args[0], 1) and node.args[1] is weight


def rest(product: Node, part: Node) -> Node:
    x, y = product.args
    return y if x is part else x


def live(order: list[Node], fused: dict[Node, Fused], outputs: Iterable[Node], given: dict[Node, str]) -> list[Node]:
    """What is still computed once products are inside sums."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in given and node.op != "constant" and node not in found:
            for arg in fused[node][1]:
                visit(arg)
            found[node] = None

    for node in outputs:
        visit(node)
    return [node for node in order if node in found]
