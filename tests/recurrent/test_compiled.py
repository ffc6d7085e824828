"""The pointwise part of a step in C. Every shipped cell is held to its equations in test_cells.py, random ones in test_random_cells.py."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from example_cells import FUNCTIONS, NoProduct, Numbers, Pointwise, SecondProduct, TwoStates, needs_compiler
from torch import Tensor, nn

from gatelab.recurrent import GatedLSTM, Recurrent, c_source, native
from gatelab.recurrent.c_source import CSource, Library, c_code
from gatelab.recurrent.program import Node, as_argument, needed, record

pytestmark = needs_compiler
SPECIAL = [
    0.0, -0.0, 1e-40, -1e-40, 1e-8, 0.3, -0.3, 20.0, -20.0, 87.0, 88.6, -87.5, -100.0, 700.0, -740.0, 1e30, -1e30,
    math.inf, -math.inf, math.nan,
]  # fmt: skip
SAME_NAME = ("exp", "expm1", "tanh", "sigmoid", "log", "log1p", "sqrt", "sign", "abs", "erf", "sin", "cos", "relu")
OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {name: getattr(torch, name) for name in SAME_NAME}
OPERATIONS["softplus"] = nn.functional.softplus


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_functions_in_c_are_torchs_to_the_last_digits_over_the_whole_range(dtype: torch.dtype) -> None:
    row = torch.cat([torch.tensor(SPECIAL), torch.randn(300), 30 * torch.randn(300)]).to(dtype)
    x = torch.stack([row, row.flip(0)])  # so that each stands in a whole vector and beside the last one
    library, calls = Library(), {}
    for op in OPERATIONS:
        source = CSource(library)
        place, target = source.parameter("x"), source.parameter("y")
        source.store(target, source.let(c_code(Node(op), [source.load(place)])))
        calls[op] = source.build()
    library.link(dtype)
    limits = torch.finfo(dtype)
    for op, call in calls.items():
        found, expected = torch.empty_like(x), OPERATIONS[op](x.double())
        call.run(x, found)
        torch.testing.assert_close(
            found.double(), expected.to(dtype).double(), rtol=5 * limits.eps, atol=limits.tiny, equal_nan=True,
            msg=partial("{}: {}".format, op),
        )  # fmt: skip


def test_every_operation_and_its_derivative_is_torchs_in_c() -> None:
    library, cases = Library(), {}
    for name, function in FUNCTIONS.items():
        equations = record(Pointwise(function))
        nodes = [*equations.outputs.values(), *equations.jacobian.values()]
        inputs = [node for node in needed(nodes, {}) if node.op == "input"]
        source = CSource(library)
        given = {node: source.parameter(node.name) for node in inputs}
        source.write([(node, source.parameter("out", number)) for number, node in enumerate(nodes)], given)
        cases[name] = inputs, nodes, source.build()
    library.link(torch.float64)
    for name, (inputs, nodes, call) in cases.items():
        values = {node: 2 * torch.randn(5, 13, dtype=torch.float64) for node in inputs}
        outputs = [torch.empty(5, 13, dtype=torch.float64) for _ in nodes]
        call.run(*values.values(), *outputs)
        for node, found in zip(nodes, outputs, strict=True):
            expected = torch.as_tensor(evaluate(node, values), dtype=torch.float64).expand_as(found)
            digits = 1e-7 if name == "hardsigmoid" else 1e-13  # in whose derivative torch takes 1/6 as a float32
            torch.testing.assert_close(found, expected, rtol=digits, atol=digits, msg=partial("{}: {}".format, name))


def evaluate(node: Node, values: dict[Node, Any]) -> Any:
    """By torch's own operations."""
    if node.op == "constant":
        return node.value
    if node not in values:
        schema = node.target._schema.arguments
        args = [
            as_argument(arg, parameter) if arg.op == "constant" else evaluate(arg, values)
            for arg, parameter in zip(node.args, schema, strict=False)
        ]
        values[node] = node.target(*args)
    return values[node]


CASES: dict[str, Callable[[Any], Recurrent]] = {
    "two_states": lambda backend: Recurrent(TwoStates(), 5, 7, backend=backend, zoneout_cell=0.3),
    "no_product": lambda backend: Recurrent(NoProduct(), 5, 7, backend=backend, layer_norm=True),
    "second_product": lambda backend: Recurrent(SecondProduct(), 5, 7, backend=backend, recurrent_dropout=0.4),
    "numbers": lambda backend: Recurrent(Numbers(), 5, 7, backend=backend),
    "full_gate_recurrence": lambda backend: GatedLSTM(5, 7, backend=backend, peepholes=True, gate_recurrence=True),
}


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_what_a_cell_may_say_is_computed_as_by_the_equations(make: Callable[[Any], Recurrent]) -> None:
    equations, compiled = make("equations").double(), make("compiled").double()
    for parameter in equations.parameters():
        nn.init.normal_(parameter, std=0.6)
    compiled.load_state_dict(equations.state_dict())
    x, lengths = torch.randn(6, 4, 5, dtype=torch.float64), torch.tensor([6, 1, 4, 0])
    found, expected = results(compiled, x, lengths), results(equations, x, lengths)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def results(layers: Recurrent, x: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
    torch.manual_seed(5)
    x = x.clone().requires_grad_()
    output, finals = layers(x, lengths=lengths)
    loss = torch.stack([(part * torch.linspace(-1, 1, part.shape[-1])).sum() for part in (output, *finals)]).sum()
    return [
        output,
        *finals,
        *torch.autograd.grad(loss, [x, *layers.parameters()], materialize_grads=True, allow_unused=True),
    ]


def test_a_gradient_of_the_final_state_may_lie_in_memory_as_it_likes() -> None:
    fused, compiled = (GatedLSTM(5, 7, backend=backend).double() for backend in ("fused", "compiled"))
    compiled.load_state_dict(fused.state_dict())
    x, weight, found = torch.randn(6, 4, 5, dtype=torch.float64), torch.randn(7, 4, dtype=torch.float64), []
    for layers in (fused, compiled):
        c_n = layers(x)[1][1]
        found.append(torch.autograd.grad((c_n.transpose(1, 2) * weight).sum(), [*layers.parameters()]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-10)


def test_the_number_of_threads_changes_no_bit() -> None:
    compiled = GatedLSTM(8, 72, backend="compiled", peepholes=True)
    x, threads = torch.randn(3, 300, 8), torch.get_num_threads()  # 21,600 values a step
    found = {}
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            calls = c_source.compile_plan(compiled.plan, torch.float32)  # type: ignore[arg-type]
            places = [torch.sin(torch.arange(300 * 72.0) + k).view(300, 72) for k, _ in enumerate(calls.update.keys)]
            calls.update.run(*places)
            found[number] = places
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(found[1], found[2], strict=True):
        assert torch.equal(one, other)
    assert results(compiled, x)[0].isfinite().all()


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of libraries nor of warnings."""
    monkeypatch.setattr(c_source, "load", c_source.load.__wrapped__)
    monkeypatch.setattr(native, "warn_of_other", native.warn_of_other.__wrapped__)


@pytest.mark.parametrize(
    ("compiler", "dtype", "reason"),
    [
        ("/nowhere/cc", torch.float32, r"needs a C compiler, and there is no /nowhere/cc: install gcc or clang"),
        ("false", torch.float32, r"cannot compile here: false says nothing"),
        ("true", torch.float32, r"cannot compile here: .*cell\.so: cannot open"),
        ("cc", torch.bfloat16, r"computes in float32 and float64, not in bfloat16"),
    ],
)
def test_where_it_cannot_be_compiled_the_fused_loop_computes_after_one_warning(
    compiler: str, dtype: torch.dtype, reason: str, monkeypatch: pytest.MonkeyPatch, no_memory: None
) -> None:
    monkeypatch.setenv("CC", compiler)
    fused, compiled = (GatedLSTM(5, 7, backend=backend, dtype=dtype) for backend in ("fused", "compiled"))
    compiled.load_state_dict(fused.state_dict())
    x = torch.randn(6, 4, 5, dtype=dtype)
    with pytest.warns(UserWarning, match=rf"backend=compiled {reason}.*: backend=fused is used instead"):
        found = compiled(x)[0]
    assert torch.equal(found, fused(x)[0])
    monkeypatch.delenv("CC")  # which is asked once
    assert torch.equal(compiled(x)[0], fused(x)[0])


def test_nothing_that_was_compiled_stays_on_the_disk(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, no_memory: None
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    GatedLSTM(5, 7, backend="compiled", coupled="input")(torch.randn(6, 4, 5))
    assert not list(tmp_path.iterdir())
