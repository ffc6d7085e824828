"""A cell's equations as a graph of ATen operations, derivatives included: recorded once, when the cell is built.

From it come the fused loop, the CUDA kernels and the formula, so none of them can differ from the equations.
"""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gatelab.errors import CellError
from gatelab.recurrent.cell import APART, INNER, Cell, argument_names, check_names, namespace, observed

aten = torch.ops.aten
SAME = (aten.detach.default, aten.alias.default, aten.lift_fresh.default, aten.clone.default)
FILLED = {aten.ones_like.default: 1.0, aten.zeros_like.default: 0.0}
INNER_VALUE = "inner()"  # what inner returns, among the outputs
BRANCHES = (aten._local_scalar_dense.default, aten.is_nonzero.default, aten.equal.default)


@dataclass(eq=False, repr=False)
class Node:
    """An operation on values of one shape, or with op "input" or "constant" a value."""

    op: str
    args: tuple["Node", ...] = ()
    target: Any = None  # the ATen operation
    name: str = ""  # of an input
    value: float = 0.0  # of a constant

    def __repr__(self) -> str:
        if self.op == "constant":
            return f"{self.value:g}"
        return self.name or f"{self.op}({', '.join(map(repr, self.args))})"


@dataclass
class Graph:
    """Makes each node once, and none that arithmetic spares."""

    known: dict[Any, Node] = field(default_factory=dict)

    def input(self, name: str) -> Node:
        return self.known.setdefault(name, Node("input", name=name))

    def constant(self, value: float) -> Node:
        value = value if isinstance(value, bool) else float(value)
        return self.known.setdefault((type(value), value), Node("constant", value=value))

    def add(self, x: Node, y: Node) -> Node:
        if x.op == "neg":
            x, y = y, x
        if y.op == "neg":
            return self.subtract(x, y.args[0])
        if is_number(x, 0) or is_number(y, 0):
            return y if is_number(x, 0) else x
        return self._node(aten.add.Tensor, x, y)

    def subtract(self, x: Node, y: Node) -> Node:
        if y.op == "neg":
            return self.add(x, y.args[0])
        if is_number(x, 0):
            return self.negative(y)
        return x if is_number(y, 0) else self._node(aten.sub.Tensor, x, y)

    def multiply(self, x: Node, y: Node) -> Node:
        for one, other in ((x, y), (y, x)):
            if is_number(one, 1):
                return other
            if is_number(one, 0):
                return one
            if is_number(one, -1):
                return self.negative(other)
            if one.op == "neg":
                return self.negative(self.multiply(one.args[0], other))
        return self._node(aten.mul.Tensor, x, y)

    def negative(self, x: Node) -> Node:
        if x.op == "neg":
            return x.args[0]
        if x.op == "sub":
            return self.subtract(*x.args[::-1])
        return self._node(aten.neg.default, x)

    def call(self, target: Any, *args: Node) -> Node:
        """target of args, simplified: autograd's ones and signs vanish."""
        simple: dict[str, Callable[..., Node]] = {
            "add": self.add,
            "sub": self.subtract,
            "mul": self.multiply,
            "neg": self.negative,
        }
        op = target.overloadpacket.__name__
        if op in simple:
            return simple[op](*args)
        if op == "rsub":
            return self.subtract(args[1], args[0])
        if op == "div" and is_number(args[1], 1):
            return args[0]
        if op == "where" and args[0].op == "constant":
            return args[1] if args[0].value else args[2]
        # One exponential for all that it is multiplied with.
        if op == "softplus_backward" and not is_number(args[0], 1):
            return self.multiply(args[0], self.call(target, self.constant(1), *args[1:]))
        if op == "lerp":
            return self.add(args[0], self.multiply(args[2], self.subtract(args[1], args[0])))
        if op == "addcmul":
            return self.add(args[0], self.multiply(*args[1:]))
        return self._node(target, *args)

    def _node(self, target: Any, *args: Node) -> Node:
        op = target.overloadpacket.__name__
        if all(arg.op == "constant" for arg in args):
            return self.constant(target(*map(as_argument, args, target._schema.arguments)).item())
        order = sorted(args, key=id) if op in ("add", "mul", "maximum", "minimum") else args
        return self.known.setdefault((str(target), *order), Node(op, args, target))


def as_argument(node: Node, parameter: Any) -> Any:
    """A constant as an operation takes it: as a tensor or as a number."""
    if not takes_tensor(parameter):
        return node.value
    return torch.tensor(node.value, dtype=torch.bool if isinstance(node.value, bool) else torch.float64)


def takes_tensor(parameter: Any) -> bool:
    return isinstance(parameter.type, torch.TensorType)


def is_number(node: Node, value: float) -> bool:
    return node.op == "constant" and node.value == value


def needed(outputs: Iterable[Node], given: Mapping[Node, Any]) -> list[Node]:
    """What has to be computed for outputs, each after its arguments, from what is given."""
    order: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in given and node not in order:
            for arg in node.args:
                visit(arg)
            order[node] = None

    for output in outputs:
        visit(output)
    return list(order)


def is_pointwise(func: Any) -> bool:
    """As torch tags it, and the derivatives that it forgets to tag."""
    forward = getattr(aten, func.overloadpacket.__name__.removesuffix("_backward"), None)
    overloads = [] if forward is None else [getattr(forward, name) for name in forward.overloads()]
    return any(torch.Tag.pointwise in one.tags for one in (func, *overloads))


class Recorder(TorchDispatchMode):
    """Adds to a graph what torch computes with the tensors that it knows."""

    def __init__(self, graph: Graph, name: str) -> None:
        super().__init__()
        self.graph, self.name = graph, name
        self.node_of: dict[int, Node] = {}  # by storage, which what autograd detaches keeps
        self.alive: list[Tensor] = []
        self.differentiating = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or torch imports its compiler, which takes longer than all cells together

    def know(self, tensor: Tensor, node: Node) -> Tensor:
        self.node_of[tensor.untyped_storage().data_ptr()] = node
        self.alive.append(tensor)
        return tensor

    def find(self, value: Any) -> Node:
        if isinstance(value, bool | int | float):
            return self.graph.constant(value)
        if isinstance(value, Tensor):
            found = self.node_of.get(value.untyped_storage().data_ptr())
            if found is not None:
                return found
            if value.numel() == 1:
                with torch.utils._python_dispatch._disable_current_modes():
                    return self.graph.constant(float(value))
            raise self.fault(
                "uses a tensor that is neither a gate, a vector nor a state. Declare weights in vectors, and write "
                "numbers as numbers"
            )
        raise self.fault(f"passes {type(value).__name__} to an operation, which is no number")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        op = func.overloadpacket.__name__
        if func in BRANCHES:
            raise self.fault("decides by the value of a tensor. Use torch.where")
        result = func(*args, **kwargs)
        if func in SAME:
            return self.know(result, self.find(args[0]))
        if func in FILLED:
            return self.know(result, self.graph.constant(FILLED[func]))
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise self.fault(
                f"draws random numbers ({op}), which a cell may not. Noise is the layer's: zoneout, dropout"
            )
        if func is aten.empty_like.default:  # which noise and derivatives fill
            return result
        if func is aten.fill_.Scalar and self.differentiating:
            return self.know(result, self.graph.constant(args[1]))
        if func._schema.is_mutable:
            if not self.differentiating:
                raise self.fault(f"changes a tensor in place ({op}). Write a new value instead")
            func, op = getattr(getattr(aten, op.removesuffix("_")), func._overloadname), op.removesuffix("_")
        if func is aten.log_sigmoid_forward.default:  # with its backward, which take a buffer between them
            self.know(result[0], self.graph.call(aten.log_sigmoid.default, self.find(args[0])))
            return result
        if func is aten.log_sigmoid_backward.default:
            opposite = self.graph.call(aten.sigmoid.default, self.graph.negative(self.find(args[1])))
            return self.know(result, self.graph.multiply(self.find(args[0]), opposite))
        if not is_pointwise(func) or not isinstance(result, Tensor):
            if not any(isinstance(arg, Tensor) and self._knows(arg) for arg in args):
                return result  # a number made into a tensor
            raise self.fault(
                f"computes {op}, which mixes units. Unit j may see unit j only; for a cell that is otherwise, set pointwise = False"
            )
        if op == "clamp":
            low, high = (
                kwargs.get(name, at) for name, at in zip(("min", "max"), (*args[1:], None, None), strict=False)
            )
            node = self.find(args[0])
            for bound, limit in ((aten.maximum.default, low), (aten.minimum.default, high)):
                node = node if limit is None else self.graph.call(bound, node, self.find(limit))
            return self.know(result, node)
        alpha = kwargs.pop("alpha", 1) if op in ("add", "sub", "rsub") else 1
        if kwargs:
            raise self.fault(f"calls {op} with {', '.join(kwargs)}, which the fast path cannot")
        nodes = [self.find(arg) for arg in args]
        if op in ("add", "sub", "rsub") and len(args) == 3:
            nodes, alpha = nodes[:2], args[2]
        if alpha != 1:
            scaled = 0 if op == "rsub" else 1
            nodes[scaled] = self.graph.multiply(nodes[scaled], self.graph.constant(alpha))
        return self.know(result, self.graph.call(func, *nodes))

    def _knows(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self.node_of

    def fault(self, what: str, frames: Sequence[traceback.FrameSummary] | None = None) -> CellError:
        """With the innermost line of the cell's code among frames, those of the caller unless given."""
        own = (
            str(Path(torch.__file__).parent),
            str(Path(__file__).parent / "program.py"),
            str(Path(__file__).parent / "cell.py"),
        )
        for frame in reversed(traceback.extract_stack() if frames is None else frames):
            if frame.filename == __file__ and frame.name == "equations":
                break
            if not frame.filename.startswith(own) and "contextlib" not in frame.filename:
                return CellError(f"{self.name}, {frame.filename}, line {frame.lineno}: {frame.line}\n{what}.")
        return CellError(f"{self.name}: {what}.")


def explain(error: Exception) -> str:
    if isinstance(error, AttributeError) and isinstance(error.obj, SimpleNamespace):
        return f"asks for {error.name}, which is none of {', '.join(vars(error.obj))}"
    return f"raises {type(error).__name__}: {error}".rstrip(".")


@dataclass
class Equations:
    """A cell's functions in one graph. Inputs: a.GATE, p.VECTOR, a state before by its name, after with ', h before.

    inner, update, readout: outputs by name (a state's with ', that of inner as INNER_VALUE); jacobian: (output, input) → the
    factor, without what is zero, in the order in which the backward pass takes them. named: what the equations call by name.
    """

    cell: Cell
    graph: Graph
    inner: dict[str, Node]
    update: dict[str, Node]
    readout: dict[str, Node]
    named: dict[str, Node]
    jacobian: dict[tuple[str, str], Node]

    @property
    def outputs(self) -> dict[str, Node]:
        return {**self.inner, **self.update, **self.readout}


def column_names(cell: Cell) -> list[str]:
    """The preactivations by name, in the order of the gates."""
    return [
        name for gate, seen in cell.sees.items() for name in ([f"{gate}.x", f"{gate}.h"] if seen == APART else [gate])
    ]


def record(cell: Cell, *, normalized: bool = False, keep_hidden: bool = False) -> Equations:
    """Raises CellError, with the line, for equations that are not pointwise, keep something, or have no derivative.

    normalized: readout sees normalize(state) as an input norm.STATE. keep_hidden: h is mixed with h before by an input
    keep.hidden, as zoneout does.
    """
    check_names(cell)
    first = _record(cell, normalized, keep_hidden)
    before = dict(vars(cell))
    second = _record(cell, normalized, keep_hidden)
    after = vars(cell)
    differ = listing(first) != listing(second)
    if differ or before.keys() != after.keys() or any(before[k] is not after[k] for k in before):
        raise CellError(
            f"{type(cell).__name__}: a second step has other equations than the first, so the cell keeps something between "
            "steps. What is kept is a state: name it in states."
        )
    return first


def listing(equations: Equations) -> list[tuple[str, list[int]]]:
    """What is computed, in order: each operation with the places of its arguments, and those of the outputs."""
    outputs = equations.outputs.values()
    places = {node: place for place, node in enumerate(needed(outputs, {}))}
    steps = [(node.op if node.args else repr(node), [places[arg] for arg in node.args]) for node in places]
    return [*steps, ("", [places[node] for node in outputs])]


def _record(cell: Cell, normalized: bool, keep_hidden: bool) -> Equations:
    graph = Graph()
    kind = type(cell).__name__
    jacobian: dict[tuple[str, str], Node] = {}
    columns = column_names(cell)

    def tensors(names: Iterable[str], recorder: Recorder) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(0)
        found = {}
        for name in names:
            value = torch.rand(2, 3, generator=generator, dtype=torch.float64).mul_(0.8).add_(0.1)
            value = value.requires_grad_().clone()  # no leaf, which torch itself lets nobody change in place
            found[name] = recorder.know(value, graph.input(name))
        return found

    def equations(
        title: str, function: Callable[[dict[str, Tensor], Recorder], dict[str, Tensor]], names: list[str]
    ) -> dict[str, Node]:
        recorder, cpu = Recorder(graph, f"{kind}.{title}"), torch.device("cpu")
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False), cpu:
            inputs = tensors(names, recorder)
            with recorder:
                try:
                    outputs = function(inputs, recorder)
                except CellError:
                    raise
                except Exception as error:  # of the cell's own code, and what torch refuses
                    raise recorder.fault(explain(error), traceback.extract_tb(error.__traceback__)) from error
                return differentiate(recorder, inputs, outputs)

    def differentiate(recorder: Recorder, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> dict[str, Node]:
        nodes = {name: recorder.find(value) for name, value in outputs.items()}
        recorder.differentiating = True
        for name, value in outputs.items():
            if isinstance(value, Tensor) and value.requires_grad:
                ones = recorder.know(torch.ones_like(value), graph.constant(1))
                factors = torch.autograd.grad(value, list(inputs.values()), ones, retain_graph=True, allow_unused=True)
                for source, factor in zip(inputs, factors, strict=True):
                    if factor is not None and not is_number(recorder.find(factor), 0):
                        jacobian[name, source] = recorder.find(factor)
            elif nodes[name].op != "constant":
                name = name.rstrip("'")
                raise CellError(f"{recorder.name}: {name} has no derivative. Do not detach it.")
        return nodes

    named: dict[str, Node] = {}
    gates = [f"a.{name}" for name in columns]
    vectors = [f"p.{name}" for name in cell.vector_names]
    before = list(dict.fromkeys([*cell.states, *(["h"] if keep_hidden else [])]))

    def spaces(inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        return {
            "a": namespace((name, inputs[f"a.{name}"]) for name in columns),
            "p": namespace((name, inputs[f"p.{name}"]) for name in cell.vector_names),
        }

    def zoneout(hidden: Any, inputs: Mapping[str, Tensor]) -> Any:
        if not keep_hidden:
            return hidden
        keep = inputs["keep.hidden"]
        return keep * inputs["h"] + (1 - keep) * hidden

    def update(inputs: dict[str, Tensor], recorder: Recorder) -> dict[str, Any]:
        after, found = observed(cell.update, {**spaces(inputs), **{name: inputs[name] for name in cell.states}})
        values = (after,) if len(cell.states) == 1 else after
        known = isinstance(values, tuple) and all(isinstance(value, Tensor | int | float) for value in values)
        if not known or len(values) != len(cell.states):
            seen = f"{len(after)} values" if isinstance(after, tuple) else type(after).__name__
            raise CellError(f"{kind}.update must return {', '.join(cell.states)}, not {seen}.")
        named.update({name: recorder.find(value) for name, value in found.items()})
        outputs = {f"{name}'": value for name, value in zip(cell.states, values, strict=True)}
        if "h" in cell.states:
            outputs["h'"] = zoneout(outputs["h'"], inputs)
        return outputs | {name: value for name, value in found.items() if name in seen_later(cell)}

    def readout(inputs: dict[str, Tensor], recorder: Recorder) -> dict[str, Any]:
        known = {name: inputs[f"{name}'"] for name in cell.inner_states}

        def normalize(value: Tensor) -> Tensor:
            name = recorder.find(value).name.rstrip("'")
            if f"norm.{name}" not in inputs:
                raise recorder.fault("normalizes what is no state")
            return inputs[f"norm.{name}"]

        reading = cell.normalizing(normalize) if normalized else cell
        signals = {name: inputs[name] for name in seen_later(cell) if name in inputs}
        hidden, found = observed(reading.readout, {**spaces(inputs), **known, **signals})
        if not isinstance(hidden, Tensor):
            raise CellError(f"{kind}.readout must return the hidden state, not {type(hidden).__name__}.")
        named.update({name: recorder.find(value) for name, value in found.items()})
        recurrent = {name: value for name, value in found.items() if name in cell.recurrent}
        return {"h'": zoneout(hidden, inputs), **recurrent}

    def inner(inputs: dict[str, Tensor], recorder: Recorder) -> dict[str, Any]:
        seen, found = observed(cell.inner, {**spaces(inputs), **{name: inputs[name] for name in cell.state_names}})
        named.update({name: recorder.find(value) for name, value in found.items()})
        return {INNER_VALUE: seen}

    keeps = ["keep.hidden"] if keep_hidden else []
    has_inner = INNER in cell.sees.values()
    from_inner = equations("inner", inner, [*gates, *vectors, *cell.state_names]) if has_inner else {}
    updated = equations("update", update, [*gates, *vectors, *before, *keeps]) if cell.states else {}
    read: dict[str, Node] = {}
    if "h" not in cell.states:
        states = [f"{name}'" for name in cell.inner_states]
        norms = [f"norm.{name}" for name in cell.inner_states] if normalized else []
        signals = [name for name in updated if not name.endswith("'")]
        hidden_before = ["h"] if keep_hidden else []
        read = equations("readout", readout, [*gates, *vectors, *states, *norms, *signals, *hidden_before, *keeps])
    stages = {name: stage for stage, outputs in enumerate((read, updated, from_inner)) for name in outputs}
    ordered = dict(sorted(jacobian.items(), key=lambda item: stages[item[0][0]]))
    return Equations(cell, graph, from_inner, updated, read, named, ordered)


def seen_later(cell: Cell) -> set[str]:
    """The named values of update that readout asks for, or the next step sees."""
    asked = set() if "h" in cell.states else set(argument_names(cell.readout)) - {"a", "p", *cell.states}
    return asked | set(cell.recurrent)
