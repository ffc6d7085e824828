"""The CUDA kernels: on a CUDA device where there is one, else in Triton's interpreter on the CPU, at small shapes.

B batch, T time, E embedding, H hidden.
"""

import itertools
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from example_cells import FUNCTIONS, NoProduct, Numbers, Pointwise, SecondProduct, TwoStates
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gatelab.recurrent import GatedLSTM, Recurrent, cells, cuda
from gatelab.recurrent.cuda import Tiles, choose_tiles, run_layer
from gatelab.recurrent.equations import trace_layer
from gatelab.recurrent.operations import CODE
from gatelab.recurrent.program import needed, record
from gatelab.recurrent.weights import Noise, Weights

pytest.importorskip("triton", reason="Triton is not installed: the CUDA kernels cannot be tested")

ON_DEVICE = torch.cuda.is_available()  # where there is none, conftest.py turns the interpreter on
DEVICE = torch.device("cuda" if ON_DEVICE else "cpu")
pytestmark = [
    pytest.mark.usefixtures("one_thread_one_seed", "quick_interpreter"),
    pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning"),  # NumPy's, of the side of tl.where not taken
]

CELLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no_input_gate": {"input_gate": False},
    "no_forget_gate": {"forget_gate": False, "peepholes": True},
    "no_output_gate": {"output_gate": False, "peepholes": True},
    "no_gates": {"input_gate": False, "forget_gate": False, "output_gate": False},
    "linear_candidate": {"candidate_activation": "identity"},
    "linear_output": {"output_activation": "identity"},
    "coupled": {"coupled": "input", "peepholes": True},
    "coupled_forget": {"coupled": "forget", "peepholes": True},
    "janet": {"coupled": "forget", "coupling_shift": 1.0, "output_gate": False, "output_activation": "identity"},
    "lstm_1997": {"forget_gate": False, "candidate_activation": "tanh_1997", "output_activation": "tanh_1997"},
    "peephole": {"peepholes": True},
    "full_gate_recurrence": {"gate_recurrence": True},
    "output_gate_alone": {"input_gate": False, "forget_gate": False, "gate_recurrence": True, "peepholes": True},
    "coupled_full_gate_recurrence": {"coupled": "input", "gate_recurrence": True, "peepholes": True},
    "layer_norm": {"layer_norm": True},
    "layer_norm_and_all": {"gate_recurrence": True, "peepholes": True, "layer_norm": True},
    "zoneout": {"zoneout_hidden": 0.2, "zoneout_cell": 0.4},
    "zoneout_and_all": {"zoneout_cell": 0.4, "gate_recurrence": True, "peepholes": True, "layer_norm": True},
    "recurrent_dropout": {"recurrent_dropout": 0.4},
    "gru": {"cell": cells.GRU()},
    "gru_and_all": {"cell": cells.GRU(), "layer_norm": True, "zoneout_hidden": 0.2, "recurrent_dropout": 0.4},
    "two_states": {"cell": TwoStates()},
    "two_states_and_all": {
        "cell": TwoStates(), "layer_norm": True, "zoneout_hidden": 0.2, "zoneout_cell": 0.4, "recurrent_dropout": 0.4
    },
    "no_product": {"cell": NoProduct()},
    "no_product_and_all": {"cell": NoProduct(), "layer_norm": True, "zoneout_hidden": 0.2, "zoneout_cell": 0.4},
    "second_product": {"cell": SecondProduct()},
    "second_product_and_all": {
        "cell": SecondProduct(), "zoneout_hidden": 0.2, "zoneout_cell": 0.4, "recurrent_dropout": 0.4
    },
}  # fmt: skip
FEW = (
    "plain", "coupled", "janet", "full_gate_recurrence", "layer_norm", "zoneout", "recurrent_dropout", "gru", "two_states",
    "no_product", "second_product",
)  # fmt: skip
IN_FLOAT64 = (*FEW, "zoneout_and_all", "gru_and_all")  # by make test; make test-long has the others
few_cells = pytest.mark.parametrize("options", [CELLS[name] for name in FEW], ids=FEW)

# B, T, E, H, tiles: rows and columns that no tile divides evenly; one tile of columns, two, and three
SHAPES: list[Any] = [
    ((5, 4, 3, 13), Tiles(16, 16, 16, 4)),
    ((18, 3, 5, 19), Tiles(16, 16, 16, 4)),
    ((3, 4, 2, 37), Tiles(16, 16, 32, 4)),
]
DEVICE_SHAPES: list[Any] = [((67, 41, 50, 130), None), ((129, 30, 33, 61), None), ((35, 20, 20, 517), None)]


@pytest.fixture(autouse=True)
def poisoned_buffers() -> Iterator[None]:
    """torch.empty is NaN: what a kernel does not write shows."""
    torch.use_deterministic_algorithms(True)
    settings: Any = torch.utils.deterministic
    settings.fill_uninitialized_memory = True  # a run that a fixture trained may have set it otherwise
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


def build(options: dict[str, Any], input_size: int, hidden_size: int, **others: Any) -> Recurrent:
    others |= {name: value for name, value in options.items() if name != "cell"}
    if "cell" in options:
        return Recurrent(options["cell"], input_size, hidden_size, **others)
    return GatedLSTM(input_size, hidden_size, **others)


class Case:
    """Random input of one layer in float64, the same for every way of computing it."""

    def __init__(self, options: dict[str, Any], shape: tuple[int, ...], ragged: bool) -> None:
        B, T, E, H = shape
        layers = build(options, E, H, batch_first=True, dtype=torch.float64, device=DEVICE)
        for parameter in layers.parameters():
            nn.init.normal_(parameter, std=1.2 / H**0.5)
        assert layers.plan is not None
        self.cell, self.plan = layers.cell, layers.plan
        self.noise = layers._noise(torch.randn(B, T, E, device=DEVICE))
        weights = layers.weights(0)
        self.weight_names = [name for name, value in zip(Weights._fields, weights, strict=True) if value is not None]
        states = [(B, H)] * len(self.cell.state_names)
        self.inputs = [torch.randn(*shape, device=DEVICE, dtype=torch.float64) for shape in ((B, T, E), *states)]
        self.inputs += [value.detach() for value in weights if value is not None]
        self.probes = [torch.randn(*shape, device=DEVICE, dtype=torch.float64) for shape in ((B, T, H), *states)]
        self.lengths = torch.randint(0, T + 1, (B,), device=DEVICE) if ragged else None

    def layer(self, leaves: list[Tensor]) -> tuple[Tensor, list[Tensor], Weights]:
        """x, the state before and the weights, out of leaves as they are in ``inputs``."""
        end = 1 + len(self.cell.state_names)
        given: dict[str, Any] = dict(zip(self.weight_names, leaves[end:], strict=True))
        return leaves[0], leaves[1:end], Weights(*(given.get(name) for name in Weights._fields))  # type: ignore[arg-type]

    def run(self, by_kernels: bool, dtype: torch.dtype, tiles: Tiles | None = None) -> dict[str, Tensor]:
        """States, final states and the gradients of a weighted sum of them all."""
        leaves = [value.to(dtype).requires_grad_() for value in self.inputs]
        x, state, weights = self.layer(leaves)
        noise = Noise(*(None if part is None else part.to(dtype) for part in self.noise))
        if by_kernels:
            states, final = run_layer(x, state, weights, self.plan, self.lengths, noise, tiles)
        else:
            trace, final = trace_layer(x, state, weights, self.cell, self.lengths, noise)
            states = trace["h"]
        results = (states, *final)
        probes = [probe.to(dtype) for probe in self.probes]
        gradients = torch.autograd.grad(results, leaves, probes, materialize_grads=True)
        names = self.cell.state_names
        keys = ("states", *(f"{name}_n" for name in names), "d_x", *(f"d_{name}_0" for name in names))
        keys += tuple(f"d_{name}" for name in self.weight_names)
        return dict(zip(keys, (*results, *gradients), strict=True))


def assert_close(got: dict[str, Tensor], wanted: dict[str, Tensor], bound: float) -> None:
    for name, value in wanted.items():
        error = ((got[name].double() - value).norm() / value.norm().clamp(min=1e-12)).item()
        assert error < bound, f"{name} is off by {error:.1e} of its norm"


@pytest.mark.skipif(ON_DEVICE, reason="float64 is the interpreter's alone")
@pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
@pytest.mark.parametrize(
    "options",
    [pytest.param(CELLS[name], marks=[] if name in IN_FLOAT64 else pytest.mark.long, id=name) for name in CELLS],
)
def test_every_cell_equals_the_equations_in_float64(options: dict[str, Any], ragged: bool) -> None:
    for shape, tiles in SHAPES[:2]:
        case = Case(options, shape, ragged)
        assert_close(case.run(True, torch.float64, tiles), case.run(False, torch.float64), 1e-10)


def test_every_operation_with_triton_code_is_among_these_functions() -> None:
    all_equations = [record(Pointwise(function)) for function in FUNCTIONS.values()]
    nodes = [needed([*each.outputs.values(), *each.jacobian.values()], {}) for each in all_equations]
    assert set(CODE) <= {node.op for node in itertools.chain(*nodes)}


@pytest.mark.skipif(ON_DEVICE, reason="float64 is the interpreter's alone")
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_every_operation_equals_torchs(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    case = Case({"cell": Pointwise(function)}, (9, 3, 2, 11), ragged=False)
    assert_close(case.run(True, torch.float64, SHAPES[0][1]), case.run(False, torch.float64), 1e-10)


@pytest.mark.skipif(ON_DEVICE, reason="float64 is the interpreter's alone")
def test_a_number_that_a_cell_returns_is_kept_in_full_precision() -> None:
    case = Case({"cell": Numbers()}, SHAPES[0][0], ragged=True)
    assert_close(case.run(True, torch.float64, SHAPES[0][1]), case.run(False, torch.float64), 1e-14)


@pytest.mark.skipif(ON_DEVICE, reason="float64 is the interpreter's alone")
@pytest.mark.parametrize("name", [name for name in cells.__all__ if name != "LSTM"])
def test_every_shipped_cell_equals_the_equations_in_float64(name: str) -> None:
    shape, tiles = SHAPES[1]
    case = Case({"cell": getattr(cells, name)()}, shape, ragged=True)
    assert_close(case.run(True, torch.float64, tiles), case.run(False, torch.float64), 1e-10)


FULL = (torch.float32, "highest")


@pytest.mark.parametrize(
    ("dtype", "precision", "bound"),
    [(*FULL, 1e-5), (torch.float32, "high", 1e-3), (torch.bfloat16, "highest", 1e-2), (torch.float16, "highest", 1e-2)],
    ids=["float32", "TF32", "bfloat16", "float16"],
)
@few_cells
def test_each_dtype_stays_within_its_bound(
    options: dict[str, Any], dtype: torch.dtype, precision: str, bound: float
) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        # In the interpreter, which computes TF32 in float32, float32 goes through the shapes, and one shows what the others do.
        for shape, tiles in DEVICE_SHAPES if ON_DEVICE else SHAPES[0 if (dtype, precision) == FULL else 2 :]:
            case = Case(options, shape, ragged=True)
            if dtype.itemsize == 2:  # against the numbers that the 16-bit input stands for
                case.inputs = [value.to(dtype).double() for value in case.inputs]
                case.noise = Noise(*(None if part is None else part.to(dtype).double() for part in case.noise))
            if (options.get("layer_norm") or "cell" in options) and dtype == torch.bfloat16:
                bound = 2e-2  # the equations themselves reach 1.2e-2 in bfloat16, and 1.6e-2 of the example cells
            assert_close(case.run(True, dtype, tiles), case.run(False, torch.float64), bound)
    finally:
        torch.set_float32_matmul_precision(before)


@few_cells
def test_equal_inputs_give_equal_bits(options: dict[str, Any]) -> None:
    shape, tiles = DEVICE_SHAPES[0] if ON_DEVICE else SHAPES[1]
    case = Case(options, shape, ragged=True)
    once, again = (case.run(True, torch.float32, tiles) for _ in range(2))
    assert all(torch.equal(once[name], again[name]) for name in once)


@pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one_direction", "two_directions"])
def test_layers_and_directions_equal_the_equations(
    bidirectional: bool, ragged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstm = GatedLSTM(3, 7, 2, batch_first=True, bidirectional=bidirectional, peepholes=True, device=DEVICE)
    x = torch.randn(5, 4, 3, device=DEVICE)
    lengths = torch.tensor([2, 4, 0, 1, 3], device=DEVICE) if ragged else None
    results = []
    for backend in ("equations", "kernels"):
        monkeypatch.setattr(lstm, "_choose", lambda *_, backend=backend, **__: backend)
        output, (h_n, c_n) = lstm(x, None, lengths)
        gradients = torch.autograd.grad(output.sum() + (h_n * c_n).sum(), list(lstm.parameters()))
        results.append([output, h_n, c_n, *gradients])
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_under_autocast_the_products_are_16_bit_and_the_results_float32() -> None:
    case = Case({"peepholes": True}, SHAPES[0][0], ragged=True)
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        got = case.run(True, torch.float32, SHAPES[0][1])
    assert {value.dtype for value in got.values()} == {torch.float32}
    assert not torch.equal(got["states"], case.run(True, torch.float32, SHAPES[0][1])["states"])
    assert_close(got, case.run(False, torch.float64), 1e-2)


def test_no_steps_and_no_rows_give_the_states_back() -> None:
    case = Case({}, (2, 3, 3, 5), ragged=False)
    x, (h, c), weights = case.layer([value.float() for value in case.inputs])
    states, final = run_layer(x[:, :0], (h, c), weights, case.plan, None, Noise())
    assert states.shape == (2, 0, 5)
    assert final[0] is h
    assert run_layer(x[:0], (h[:0], c[:0]), weights, case.plan, None, Noise())[0].shape == (0, 3, 5)


def test_a_second_derivative_is_refused() -> None:
    case = Case({}, SHAPES[0][0], ragged=False)
    x, state, weights = case.layer([value.float().requires_grad_() for value in case.inputs])
    states, _ = run_layer(x, state, weights, case.plan, None, Noise(), SHAPES[0][1])
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(states.sum(), x, create_graph=True)


class Refusing:
    """A kernel that raises where ``refuses`` says so and is itself otherwise; it counts its launches."""

    def __init__(self, kernel: Any, refuses: Any) -> None:
        self.kernel, self.refuses, self.launches, self.arg_names = kernel, refuses, 0, kernel.arg_names

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def launch(*args: Any, **options: Any) -> None:
            self.launches += 1
            if problem := self.refuses(options):
                raise problem
            self.kernel[grid](*args, **options)

        return launch


def test_a_grid_that_does_not_fit_at_once_runs_phase_by_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(options: dict[str, Any]) -> Exception | None:
        together = options.get("launch_cooperative_grid")
        return RuntimeError("Triton Error [CUDA]: too many blocks in cooperative launch") if together else None

    case = Case({}, SHAPES[1][0], ragged=False)
    kernels = cuda.build_kernels(case.plan, masked=False, ragged=False)
    kernel = Refusing(kernels.forward, too_many)
    monkeypatch.setattr(cuda, "build_kernels", lambda *_, **__: kernels._replace(forward=kernel))
    monkeypatch.setattr(cuda, "can_meet", lambda device: True)
    x, state, weights = case.layer([value.float() for value in case.inputs])
    states, _ = run_layer(x, state, weights, case.plan, None, Noise(), SHAPES[1][1])
    assert kernel.launches == 1 + x.shape[1]
    torch.testing.assert_close(states.double(), case.run(False, torch.float64)["states"], rtol=0, atol=1e-5)


def test_too_little_shared_memory_takes_smaller_products_and_at_the_end_the_equations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from triton.runtime.errors import OutOfResources

    lstm = GatedLSTM(3, 20, batch_first=True, device=DEVICE)
    monkeypatch.setattr(lstm, "_choose", lambda *_, **__: "kernels")
    x = torch.randn(2, 3, 3, device=DEVICE)
    with torch.no_grad():
        expected = lstm(x)[0]
        kernels = cuda.build_kernels(lstm.plan, masked=False, ragged=False)
        for largest, launches in ((16, 2), (8, 2)):
            kernel = Refusing(
                kernels.forward,
                lambda options, largest=largest: (
                    OutOfResources(1, 2, "shared memory") if options["DEPTH"] > largest else None
                ),
            )
            monkeypatch.setattr(cuda, "build_kernels", lambda *_, kernel=kernel, **__: kernels._replace(forward=kernel))
            cuda.warn_of_equations.cache_clear()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                torch.testing.assert_close(lstm(x)[0], expected, rtol=0, atol=1e-5)
                lstm(x)
            assert kernel.launches == 2 * launches
            assert len(caught) == (largest < 16)
            assert all("equations is used" in str(warning.message) for warning in caught)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("dtype", "float64"), ("triton", "needs Triton"), ("operation", "no Triton code for digamma")],
)
def test_what_the_kernels_cannot_do_falls_back_to_the_equations_with_one_warning(
    reason: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dtype = torch.float64 if reason == "dtype" else torch.float32
    options: dict[str, Any] = (
        {"cell": Pointwise(lambda a, c: torch.digamma(1 + a * a))} if reason == "operation" else {}
    )
    layers = build(options, 3, 4, backend="fused", dtype=dtype, device=DEVICE)
    x = torch.randn(5, 2, 3, dtype=dtype, device=DEVICE)
    monkeypatch.setattr(layers, "_choose", lambda *_, **__: "equations")
    expected = layers(x)[0]
    monkeypatch.setattr(layers, "_choose", lambda *_, **__: "kernels")
    if reason == "triton":
        monkeypatch.setitem(sys.modules, "triton", None)
    cuda.warn_of_equations.cache_clear()
    with pytest.warns(UserWarning, match=sentence) as caught:
        outputs = [layers(x)[0] for _ in range(2)]
    assert all(torch.equal(output, expected) for output in outputs)
    assert len(caught) == 1


@pytest.mark.skipif(not ON_DEVICE, reason="no CUDA device")
def test_auto_takes_no_kernel_that_was_not_timed_on_a_device() -> None:
    x = torch.randn(2, 3, 3, device=DEVICE)
    assert GatedLSTM(3, 4, peepholes=True, device=DEVICE)._choose(x, ragged=False, finals=True) == "equations"
    assert GatedLSTM(3, 4, peepholes=True, backend="fused", device=DEVICE)._choose(x, False, True) == "kernels"


@given(B=st.integers(1, 5000), H=st.integers(1, 5000), processors=st.integers(1, 300))
def test_tiles_cover_every_state_and_are_resident_at_once_where_that_is_possible(
    B: int, H: int, processors: int
) -> None:
    tiles = choose_tiles(B, H, processors)
    across, down = tiles.grid(B, H)
    assert across * tiles.columns >= H
    assert down * tiles.rows >= B
    assert across == 1 or across * down <= processors or (tiles.rows, tiles.columns) == (128, 64)


COMPILE = Path(__file__).with_name("compile_kernels.py")


def test_both_kernels_compile_for_ampere_and_hopper_without_a_device() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, str(COMPILE)], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 58, done.stdout
