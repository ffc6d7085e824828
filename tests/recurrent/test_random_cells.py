"""Cells that nobody has thought of: the engine against plain autograd through the unrolled loop, for random equations."""

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from example_cells import needs_compiler
from hypothesis import assume, given, settings
from torch import nn

from gatelab.errors import CellError
from gatelab.recurrent import Cell, Recurrent, cuda, engine

E, H, B, T = 2, 3, 4, 4
LENGTHS = torch.tensor([3, 4, 0, 1])
pytestmark = [
    pytest.mark.usefixtures("one_thread_one_seed", "quick_interpreter"),
    pytest.mark.filterwarnings("error::UserWarning"),
]

UNARY = (
    "sigmoid({})", "tanh({})", "relu({})", "exp(tanh({}))", "(1 - {})", "-{}", "0.5 * {}", "({} + 2)", "({} / 3)",
    "tanh({}) ** 2", "abs({})", "torch.square({})", "softplus({})", "torch.sqrt(1 + torch.square({}))", "tanh({}).clamp(-0.5, 0.5)",
    "torch.clamp({}, max=1)", "torch.sin({})", "torch.log1p(torch.square({}))", "torch.ones_like({})",
)  # fmt: skip
BINARY = (
    "({} * {})", "({} + {})", "({} - {})", "torch.maximum({}, {})", "torch.minimum({}, {})", "({} / (1 + exp(tanh({}))))",
    "torch.where({} > 0.001, {}, 0.5)", "torch.add({}, {}, alpha=2)",
)  # fmt: skip
TERNARY = (
    "torch.where({} > 0.001, {}, {})",
    "(sigmoid({0}) * {1} + (1 - sigmoid({0})) * {2})",
    "torch.lerp({}, {}, sigmoid({}))",
)


@st.composite
def expressions(draw: st.DrawFn, leaves: list[str], depth: int = 3) -> str:
    """Source of an expression in leaves."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(leaves))
    form = draw(st.sampled_from(UNARY + BINARY + TERNARY))
    arguments = [draw(expressions(leaves, depth - 1)) for _ in range(3)]
    return form.format(*arguments)


@st.composite
def cell_sources(draw: st.DrawFn) -> str:
    """A class Drawn: up to five gates, three states and two vectors."""
    gates = {f"g{k}": draw(st.sampled_from(["x + h", "x", "h", "x, h"])) for k in range(draw(st.integers(1, 4)))}
    gates["g0"] = draw(st.sampled_from(["x + h", "x", "x, h"]))
    states = draw(
        st.sampled_from([(), ("c",), ("h",), ("c", "n"), ("h", "c"), ("c", "h"), ("c", "n", "m"), ("c", "h", "n")])
    )
    vectors = [f"v{k}" for k in range(draw(st.integers(0, 2)))]
    seen = [
        name
        for gate, sees in gates.items()
        for name in ((f"a.{gate}.x", f"a.{gate}.h") if sees == "x, h" else (f"a.{gate}",))
    ]
    inside = seen + [f"p.{name}" for name in vectors]  # what inner may read
    has_inner = draw(st.integers(0, 3)) == 0
    leaves = [*inside, "a.gi"] if has_inner else inside
    gates |= {"gi": "x + inner"} if has_inner else {}
    lines = [f"gates = {gates}", f"states = {states}", f"vectors = {{'own': {tuple(vectors)}}}" if vectors else ""]
    named = {
        "inner": [],
        "update": [f"u{k}" for k in range(draw(st.integers(0, 2)))],
        "readout": [f"r{k}" for k in range(draw(st.integers(0, 2)))],
    }
    if not states:
        named["update"] = []
    if "h" in states:
        named["readout"] = []
    names = named["update"] + named["readout"]
    see_h = [gate for gate, sees in gates.items() if sees in ("x + h", "h", "x, h")]
    sees_gates: bool = draw(st.booleans())
    if names and see_h and sees_gates:
        recurrent = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        seeing = draw(st.lists(st.sampled_from(see_h), min_size=1, unique=True))
        lines += [f"recurrent = {tuple(recurrent)}", f"recurrent_gates = {tuple(seeing)}"]

    def method(
        name: str, arguments: list[str], known: list[str], results: list[str], normalize: bool = False
    ) -> list[str]:
        body = []
        for value in named[name]:
            body.append(f"    {value} = {draw(expressions(known))} + 0 * {seen[0]}")
            known = [*known, value]
        bounded = [draw(st.sampled_from(["tanh({})", "sigmoid({}) - 0.5", "0.5 * {}"])) for _ in results]
        if normalize:
            known = [*known, *(f"self.normalize({state})" for state in states)]
        values = ", ".join(form.format(f"({draw(expressions(known))})") for form in bounded)
        asked = [
            argument
            for argument in arguments
            if argument in ("a",) or any(argument in text for text in (*body, values))
        ]
        return [f"def {name}(self, {', '.join(asked)}):", *body, f"    return {values} "]

    if has_inner:
        lines += method(
            "inner", ["a", "p", "h", *(name for name in states if name != "h")], [*inside, *states, "h"], ["h"]
        )
    if states:
        lines += method("update", ["a", "p", *states], leaves + list(states), list(states))
    if "h" not in states:
        normalize = bool(states) and draw(st.booleans())
        lines += method(
            "readout", ["a", "p", *states, *named["update"]], leaves + list(states) + named["update"], ["h"], normalize
        )
    return "class Drawn(Cell):\n" + "".join(f"    {line}\n" for line in lines if line)


def build(source: str) -> Cell:
    space: dict[str, Any] = {"Cell": Cell, "torch": torch, "softplus": nn.functional.softplus}
    space |= {name: getattr(torch, name) for name in ("sigmoid", "tanh", "relu", "exp")}
    exec(source, space)
    return space["Drawn"]()


def results(
    layers: Recurrent, x: torch.Tensor, hx: list[torch.Tensor], lengths: torch.Tensor | None
) -> list[torch.Tensor]:
    """Output, final states and the gradients of a random weighting of them, with the same noise for each call."""
    inputs = [part.clone().requires_grad_() for part in (x, *hx)]
    torch.manual_seed(5)
    output, finals = layers(inputs[0], inputs[1:], lengths)
    torch.manual_seed(6)
    loss = 0 * inputs[0].sum()  # for a cell that reads nothing
    for part in (output, *finals):
        loss = loss + (part * torch.randn(part.shape, dtype=part.dtype)).sum()
    gradients = torch.autograd.grad(loss, [*inputs, *layers.parameters()], materialize_grads=True, allow_unused=True)
    return [part.detach() for part in (output, *finals, *gradients)]


@settings(max_examples=60, deadline=None)
@given(source=cell_sources(), chunk_bytes=st.sampled_from([1, 700, engine.CHUNK_BYTES]), data=st.data())
def test_the_engine_computes_any_equations_as_autograd_does(source: str, chunk_bytes: int, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHUNK_BYTES", chunk_bytes)  # every step by itself, some together, or all
        compare_fused(source, data, H)


@needs_compiler
@settings(max_examples=6, deadline=None)
@given(source=cell_sources(), data=st.data())
def test_compiled_code_computes_any_equations_as_autograd_does(source: str, data: st.DataObject) -> None:
    compare_fused(source, data, H, "compiled")


@pytest.mark.skipif(torch.cuda.is_available(), reason="float64 is the interpreter's alone")
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # NumPy's, of the side of tl.where not taken
@settings(max_examples=6, deadline=None)
@given(source=cell_sources(), data=st.data())
def test_the_cuda_kernels_compute_any_equations_as_autograd_does(source: str, data: st.DataObject) -> None:
    pytest.importorskip("triton", reason="Triton is not installed: the CUDA kernels cannot be tested")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "check", lambda weight: None)  # which refuses float64
        patch.setattr(cuda, "choose_tiles", lambda *_: cuda.Tiles(16, 16, 16, 4))
        patch.setattr(
            Recurrent, "_choose", lambda self, *_, **__: "kernels" if self.backend == "fused" else "equations"
        )
        compare_fused(source, data, hidden_size=19)


def compare_fused(source: str, data: st.DataObject, hidden_size: int, backend: Any = "fused") -> None:
    """With backend=equations."""
    cell = build(source)
    sees_h = any(sees != "x" for sees in cell.sees.values())
    options: Any = {
        "layer_norm": "gi" not in cell.sees and data.draw(st.booleans(), label="layer_norm"),
        "zoneout_hidden": data.draw(st.sampled_from([0, 0, 0.4]), label="zoneout_hidden"),
        "zoneout_cell": data.draw(st.sampled_from([0, 0, 0.4]), label="zoneout_cell") if cell.inner_states else 0,
        "recurrent_dropout": data.draw(st.sampled_from([0, 0, 0.4]), label="recurrent_dropout") if sees_h else 0,
        "bidirectional": data.draw(st.booleans(), label="bidirectional"),
        "bias": data.draw(st.booleans(), label="bias"),
    }
    torch.manual_seed(data.draw(st.integers(0, 1000), label="seed"))
    try:
        equations = Recurrent(cell, E, hidden_size, backend="equations", batch_first=True, **options).double()
    except CellError as error:
        assume("has no derivative" not in str(error))  # a step function
        raise
    for parameter in equations.parameters():
        nn.init.normal_(parameter, std=0.7)
    fused = Recurrent(cell, E, hidden_size, backend=backend, batch_first=True, **options).double()
    fused.load_state_dict(equations.state_dict())
    x = torch.randn(B, T, E, dtype=torch.float64)
    hx = [torch.randn(1 + options["bidirectional"], B, hidden_size, dtype=torch.float64) for _ in cell.state_names]
    lengths = data.draw(st.sampled_from([None, LENGTHS]), label="lengths")
    expected = results(equations, x, hx, lengths)
    torch.testing.assert_close(results(fused, x, hx, lengths), expected, rtol=1e-8, atol=1e-10)
