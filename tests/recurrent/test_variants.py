"""Every variant against its paper's equations in NumPy, every backend against the equations in torch.

The transcription below is written from Greff et al. 2017 (section II and appendix), Hochreiter & Schmidhuber 1997, van der
Westhuizen & Lasenby 2018 and Ba et al. 2016, a gate at a time and with its own weights; it shares no code with gatelab.
"""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from torch import Tensor, nn

from gatelab.recurrent import GatedLSTM

E, H, B, T = 3, 5, 4, 6
LENGTHS = torch.tensor([3, 6, 0, 1])
EXACT: Any = {"rtol": 0, "atol": 1e-10}
pytestmark = pytest.mark.usefixtures("one_thread_one_seed")
JANET = {"coupled": "forget", "coupling_shift": 1.0, "output_gate": False, "output_activation": "identity"}
LSTM_1997 = {"forget_gate": False, "candidate_activation": "tanh_1997", "output_activation": "tanh_1997"}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "NIG": {"input_gate": False},
    "NFG": {"forget_gate": False},
    "NOG": {"output_gate": False},
    "NIAF": {"candidate_activation": "identity"},
    "NOAF": {"output_activation": "identity"},
    "CIFG": {"coupled": "input"},
    "peephole": {"peepholes": True},
    "FGR": {"gate_recurrence": True},
    "coupled_forget": {"coupled": "forget"},
    "JANET": JANET,
    "1997": LSTM_1997,
    "layer_norm": {"layer_norm": True},
}
PEEPING = {  # Greff et al. keep the peepholes in all their variants but one
    f"{name}_with_peepholes": {**VARIANTS[name], "peepholes": True}
    for name in ("NIG", "NFG", "NOG", "NIAF", "NOAF", "CIFG", "FGR", "JANET", "layer_norm")
}
MIXED: dict[str, dict[str, Any]] = {
    "coupled_FGR_1997": {
        "coupled": "input",
        "gate_recurrence": True,
        "peepholes": True,
        "output_activation": "tanh_1997",
    },
    "all_on": {"gate_recurrence": True, "peepholes": True, "layer_norm": True},
    "output_gate_alone": {"input_gate": False, "forget_gate": False, "gate_recurrence": True, "peepholes": True},
    "no_gates": {"input_gate": False, "forget_gate": False, "output_gate": False},
}
ALL = VARIANTS | PEEPING | MIXED
NOISY: dict[str, dict[str, Any]] = {
    "zoneout": {"zoneout_hidden": 0.2, "zoneout_cell": 0.4},
    "zoneout_of_everything": {"zoneout_hidden": 0.2, "zoneout_cell": 0.4, **MIXED["all_on"]},
    "recurrent_dropout": {"recurrent_dropout": 0.4, "input_dropout": 0.3},
    "weight_drop": {"weight_drop": 0.4},
    "everything": {"zoneout_cell": 0.3, "recurrent_dropout": 0.3, "weight_drop": 0.2, **MIXED["coupled_FGR_1997"]},
}
every_variant = pytest.mark.parametrize("options", ALL.values(), ids=ALL.keys())


def random_weights(lstm: GatedLSTM) -> GatedLSTM:
    for parameter in lstm.parameters():
        nn.init.normal_(parameter, std=0.6)
    return lstm


def sigmoid(a: NDArray[Any]) -> NDArray[Any]:
    return 1 / (1 + np.exp(-a))


def by_the_book(lstm: GatedLSTM, x: NDArray[Any], y: NDArray[Any], c: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """One row through one layer: x (T, E), y and c (H,); every gate and state (T, H)."""
    cell = lstm.cell
    p = {name: parameter.detach().numpy() for name, parameter in lstm.named_parameters()}
    names = [n for n, here in (
        ("i", cell.input_gate and cell.coupled != "forget"), ("f", cell.forget_gate and cell.coupled != "input"),
        ("z", True), ("o", cell.output_gate),
    ) if here]  # fmt: skip
    gates = [n for n in names if n != "z"]
    rows = {n: slice(k * H, (k + 1) * H) for k, n in enumerate(names)}
    gate_rows = {n: slice(k * H, (k + 1) * H) for k, n in enumerate(gates)}
    last: dict[str, NDArray[Any]] = dict.fromkeys(gates, np.zeros(H))
    out: dict[str, list[NDArray[Any]]] = {}

    def standardized(v: NDArray[Any]) -> NDArray[Any]:
        return (v - v.mean()) / np.sqrt(v.var() + 1e-5)

    def squash(v: NDArray[Any], which: str, top: float) -> NDArray[Any]:
        if which == "identity":
            return v
        if which == "tanh":
            return np.tanh(v)
        return top * (2 * sigmoid(v) - 1)  # 1997: g = 4σ − 2, h = 2σ − 1

    for x_t in x:
        from_x = {n: p["weight_ih_l0"][rows[n]] @ x_t for n in names}
        from_y = {n: p["weight_hh_l0"][rows[n]] @ y for n in names}
        if cell.gate_recurrence:
            for n in gates:
                for m in gates:
                    from_y[n] = from_y[n] + p["weight_gates_l0"][gate_rows[n], gate_rows[m]] @ last[m]
        if lstm.layer_norm:
            whole_x = standardized(np.concatenate([from_x[n] for n in names])) * p["norm_ih_l0"]
            whole_y = standardized(np.concatenate([from_y[n] for n in names])) * p["norm_hh_l0"]
            from_x, from_y = {n: whole_x[rows[n]] for n in names}, {n: whole_y[rows[n]] for n in names}
        a = {n: from_x[n] + from_y[n] + p["bias_ih_l0"][rows[n]] + p["bias_hh_l0"][rows[n]] for n in names}

        def peep(n: str, c: NDArray[Any], a: dict[str, NDArray[Any]] = a) -> NDArray[Any]:
            return a[n] + p["weight_peephole_l0"][gate_rows[n]] * c if cell.peepholes else a[n]

        z = squash(a["z"], cell.candidate_activation, 2.0)
        if cell.coupled == "input":
            i = sigmoid(peep("i", c))
            f = 1 - i
        elif cell.coupled == "forget":
            f = sigmoid(peep("f", c))
            i = 1 - sigmoid(peep("f", c) - cell.coupling_shift)
        else:
            i = sigmoid(peep("i", c)) if cell.input_gate else np.ones(H)
            f = sigmoid(peep("f", c)) if cell.forget_gate else np.ones(H)
        c = z * i + c * f
        o = sigmoid(peep("o", c)) if cell.output_gate else np.ones(H)
        seen = standardized(c) * p["norm_cell_l0"][0] + p["norm_cell_l0"][1] if lstm.layer_norm else c
        y = squash(seen, cell.output_activation, 1.0) * o
        opened: dict[str, NDArray[Any]] = {"i": i, "f": f, "o": o}
        last = {n: opened[n] for n in gates}
        for name, value in (
            ("input_gate", i), ("forget_gate", f), ("candidate", z), ("cell", c), ("output_gate", o), ("hidden", y),
        ):  # fmt: skip
            out.setdefault(name, []).append(value)
    return {name: np.stack(values) for name, values in out.items()}


@every_variant
@pytest.mark.parametrize("backend", ["equations", "fused"])
def test_every_variant_is_its_equation_in_numpy(backend: Any, options: dict[str, Any]) -> None:
    lstm = random_weights(GatedLSTM(E, H, batch_first=True, backend=backend, **options).double())
    x, h_0, c_0 = torch.randn(B, T, E).double(), torch.randn(1, B, H).double(), torch.randn(1, B, H).double()
    output, (h_n, c_n) = lstm(x, (h_0, c_0))
    trace = lstm.trace(x, (h_0, c_0))["l0"]._asdict()
    for row in range(B):
        expected = by_the_book(lstm, x[row].numpy(), h_0[0, row].numpy(), c_0[0, row].numpy())
        np.testing.assert_allclose(output[row].detach().numpy(), expected["hidden"], rtol=0, atol=1e-10)
        np.testing.assert_allclose(h_n[0, row].detach().numpy(), expected["hidden"][-1], rtol=0, atol=1e-10)
        np.testing.assert_allclose(c_n[0, row].detach().numpy(), expected["cell"][-1], rtol=0, atol=1e-10)
        for name, value in expected.items():
            np.testing.assert_allclose(trace[name][row].detach().numpy(), value, rtol=0, atol=1e-10, err_msg=name)


def results(
    lstm: GatedLSTM, x: Tensor, hx: tuple[Tensor, Tensor] | None, lengths: Tensor | None, seed: int = 5
) -> list[Tensor]:
    """Output, final states and the gradients of a random weighting of them, with the same noise for the same seed."""
    inputs = [x.clone().requires_grad_()] + ([] if hx is None else [part.clone().requires_grad_() for part in hx])
    torch.manual_seed(seed)
    output, (h_n, c_n) = lstm(inputs[0], None if hx is None else (inputs[1], inputs[2]), lengths)
    torch.manual_seed(seed + 1)
    loss = sum((part * torch.randn(part.shape, dtype=part.dtype)).sum() for part in (output, h_n, c_n))
    assert isinstance(loss, Tensor)
    gradients = torch.autograd.grad(loss, [*inputs, *lstm.parameters()], materialize_grads=True)
    return [part.detach() for part in (output, h_n, c_n, *gradients)]


def compare_fused(
    options: dict[str, Any], lengths: Tensor | None, sizes: tuple[int, ...], more: dict[str, Any]
) -> None:
    rows, steps, features, hidden = sizes
    equations = random_weights(GatedLSTM(features, hidden, backend="equations", **options, **more).double())
    fused = GatedLSTM(features, hidden, backend="fused", **options, **more).double()
    fused.load_state_dict(equations.state_dict())
    x = torch.randn(*((rows, steps) if more.get("batch_first") else (steps, rows)), features, dtype=torch.float64)
    count = more.get("num_layers", 1) * (2 if more.get("bidirectional") else 1)
    hx = None
    if more.get("dropout", 0) == 0:
        hx = tuple(torch.randn(count, rows, hidden, dtype=torch.float64) for _ in range(2))
    expected = results(equations, x, hx, lengths)  # type: ignore[arg-type]
    torch.testing.assert_close(results(fused, x, hx, lengths), expected, **EXACT)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", (ALL | NOISY).values(), ids=(ALL | NOISY).keys())
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["dense", "ragged"])
def test_fused_gives_the_results_and_gradients_of_the_equations(
    options: dict[str, Any], lengths: Tensor | None
) -> None:
    for num_layers, bidirectional, batch_first in ((1, False, True), (2, True, False)):
        more = {"num_layers": num_layers, "bidirectional": bidirectional, "batch_first": batch_first}
        compare_fused(options, lengths, (B, T, E, H), more)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_fused_is_the_equations_at_any_shape_and_lengths(data: st.DataObject) -> None:
    torch.manual_seed(data.draw(st.integers(0, 1000), label="seed"))
    name = data.draw(st.sampled_from(sorted(ALL | NOISY)), label="variant")
    rows, steps = data.draw(st.integers(1, 6), label="rows"), data.draw(st.integers(0, 9), label="steps")
    sizes = (rows, steps, data.draw(st.integers(1, 4)), data.draw(st.integers(1, 7), label="hidden"))
    lengths = data.draw(st.none() | st.lists(st.integers(0, steps), min_size=rows, max_size=rows), label="lengths")
    more = {
        "num_layers": data.draw(st.integers(1, 3), label="layers"),
        "bidirectional": data.draw(st.booleans(), label="bidirectional"),
        "batch_first": data.draw(st.booleans(), label="batch_first"),
        "bias": data.draw(st.booleans(), label="bias"),
    }
    compare_fused((ALL | NOISY)[name], None if lengths is None else torch.tensor(lengths), sizes, more)


@every_variant
def test_fused_in_float32_keeps_to_the_equations(options: dict[str, Any]) -> None:
    """‖difference‖ / ‖result‖ below 1e-5 of outputs and of every gradient, at a size where sums are long."""
    lstm = {backend: GatedLSTM(32, 64, backend=backend, **options) for backend in ("equations", "fused")}
    # From small weights a normalised recurrent term makes any rounding grow step by step.
    if lstm["equations"].layer_norm:
        random_weights(lstm["equations"])
    lstm["fused"].load_state_dict(lstm["equations"].state_dict())
    x = torch.randn(40, 16, 32)
    lengths = torch.randint(0, 41, (16,))
    pairs = zip(*(results(module, x, None, lengths) for module in lstm.values()), strict=True)
    for expected, found in pairs:
        assert (found - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("options", (ALL | NOISY).values(), ids=(ALL | NOISY).keys())
def test_the_gradients_of_every_variant_are_those_of_finite_differences(options: dict[str, Any]) -> None:
    """Of the equations, whose gradients backend=fused has to 1e-10: test_fused_gives_the_results_and_gradients_of_the_equations."""
    call, inputs = small_problem(options, "equations")
    assert torch.autograd.gradcheck(call, inputs)


@every_variant
def test_the_equations_can_be_differentiated_twice(options: dict[str, Any]) -> None:
    call, inputs = small_problem(options, "equations", E=1, H=1)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_fused_says_that_it_cannot_be_differentiated_twice() -> None:
    call, inputs = small_problem({}, "fused")
    with pytest.raises(RuntimeError, match=r"no second derivative .* use backend=equations"):
        torch.autograd.grad(call(*inputs)[0].sum(), inputs[0], create_graph=True)


def small_problem(options: dict[str, Any], backend: Any, E: int = 2, H: int = 2) -> tuple[Any, tuple[Tensor, ...]]:
    lstm = random_weights(GatedLSTM(E, H, batch_first=True, backend=backend, **options).double())
    names = [name for name, _ in lstm.named_parameters()]
    lengths = torch.tensor([1, 3])

    def call(x: Tensor, h_0: Tensor, c_0: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(3)  # the same noise for every difference
        weights = dict(zip(names, parameters, strict=True))
        output, finals = torch.func.functional_call(lstm, weights, (x, (h_0, c_0), lengths))
        return output, *finals

    inputs = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in ((2, 3, E), (1, 2, H), (1, 2, H))]
    return call, (*inputs, *lstm.parameters())


@every_variant
@pytest.mark.parametrize("backend", ["equations", "fused"])
def test_what_stands_in_the_padding_reaches_no_result_and_no_gradient(backend: Any, options: dict[str, Any]) -> None:
    lstm = random_weights(GatedLSTM(E, H, bidirectional=True, batch_first=True, backend=backend, **options).double())
    x = torch.randn(B, T, E, dtype=torch.float64)
    padding = torch.arange(T) >= LENGTHS[:, None]
    first = results(lstm, x, None, LENGTHS)
    second = results(lstm, x.masked_fill(padding[..., None], 1e9), None, LENGTHS)
    assert all(map(torch.equal, first, second))
    assert first[0][padding].abs().max() == 0
    assert first[3][padding].abs().max() == 0  # the gradient of the input


@pytest.mark.parametrize("backend", ["equations", "fused", "auto"])  # native where the processor has it: test_native.py
def test_bfloat16_autocast_stays_near_float32(backend: Any) -> None:
    lstm = GatedLSTM(32, 64, batch_first=True, backend=backend)
    x, lengths = torch.randn(8, 20, 32), torch.full((8,), 20)
    exact = lstm(x, lengths=lengths)[0]
    with torch.autocast("cpu", torch.bfloat16):
        output = lstm(x, lengths=lengths)[0]
    gradients = torch.autograd.grad(output.float().square().sum(), list(lstm.parameters()))
    wanted = torch.autograd.grad(exact.square().sum(), list(lstm.parameters()))
    assert 0 < (output.float() - exact).norm() / exact.norm() < 1e-2
    for found, expected in zip(gradients, wanted, strict=True):
        assert found.dtype == torch.float32
        assert (found - expected).norm() < 5e-2 * expected.norm()


@pytest.mark.parametrize("name", ["zoneout", "recurrent_dropout", "weight_drop"])
def test_regularisation_acts_in_training_alone(name: str) -> None:
    lstm = GatedLSTM(E, H, **NOISY[name]).double()
    x = torch.randn(T, B, E, dtype=torch.float64)
    assert not torch.equal(lstm(x)[0], lstm(x)[0])
    lstm.eval()
    assert torch.equal(lstm(x)[0], lstm(x)[0])
    plain = GatedLSTM(E, H).double()
    plain.load_state_dict(lstm.state_dict())
    assert torch.allclose(lstm(x)[0], plain(x)[0]) == (name != "zoneout")


def test_zoneout_keeps_units_in_training_and_mixes_states_in_evaluation() -> None:
    lstm = GatedLSTM(E, 400, zoneout_hidden=0.25).double()
    plain = GatedLSTM(E, 400).double()
    plain.load_state_dict(lstm.state_dict())
    x, h_0 = torch.randn(1, 1, E).double(), torch.randn(1, 1, 400).double()
    new = plain(x, (h_0, h_0))[0]
    kept = lstm(x, (h_0, h_0))[0] == h_0
    assert 0.15 < kept.double().mean() < 0.35
    mixed = lstm(x, (h_0, h_0))[0]
    torch.testing.assert_close(1.0, ((mixed - new).abs().minimum((mixed - h_0).abs()) < 1e-12).double().mean().item())
    torch.testing.assert_close(lstm.eval()(x, (h_0, h_0))[0], 0.25 * h_0 + 0.75 * new, **EXACT)


def test_recurrent_dropout_uses_one_mask_for_all_steps_of_a_row() -> None:
    """With U = 1 on one unit and nothing else, a dropped h_{t-1} leaves no trace at any step."""
    lstm = GatedLSTM(1, 1, recurrent_dropout=0.5).double()
    x, h_0 = torch.zeros(8, 64, 1).double(), torch.zeros(1, 64, 1).double()
    states = lstm(x, (h_0, h_0))[0][:, :, 0]
    assert len(torch.unique(states.T, dim=0)) == 2
    assert states.T.shape == (64, 8)
