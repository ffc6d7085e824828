"""Every shipped cell: exact against torch's, or against its paper's equations in NumPy; the engine against the equations."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from example_cells import needs_compiler
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab.recurrent import Cell, CellEncoder, Recurrent, cells

E, H, B, T = 3, 5, 4, 6
LENGTHS = torch.tensor([3, 6, 1, 4])
EXACT: Any = {"rtol": 0, "atol": 1e-10}
pytestmark = pytest.mark.usefixtures("one_thread_one_seed")

CELLS: dict[str, Cell] = {
    "GRU": cells.GRU(),
    "GRU2014": cells.GRU2014(),
    "RNN": cells.RNN(),
    "RNN_relu": cells.RNN("relu"),
    "MGU": cells.MGU(),
    "UGRNN": cells.UGRNN(),
    "RAN": cells.RAN(),
    "RAN_identity": cells.RAN("identity"),
    "IndRNN": cells.IndRNN(),
    "SRU": cells.SRU(),
    "MinGRU": cells.MinGRU(),
    "MinLSTM": cells.MinLSTM(),
    "SLSTM": cells.SLSTM(),
}
every_cell = pytest.mark.parametrize("name", CELLS)


def recurrent(name: str, **options: Any) -> Recurrent:
    layers = Recurrent(CELLS[name], E, H, batch_first=True, **options).double()
    for parameter in layers.parameters():
        nn.init.normal_(parameter, std=0.6)
    return layers


def test_every_cell_is_tested() -> None:
    assert {type(cell).__name__ for cell in CELLS.values()} | {"LSTM"} == set(cells.__all__)


def sigmoid(a: NDArray[Any]) -> NDArray[Any]:
    return 1 / (1 + np.exp(-a))


Parts = dict[str, Any]
Step = tuple[NDArray[Any], Parts]  # h and the other states
# One step of each paper: W, U, b, v by gate, x_t, h and the other states before → those after. They share no code with gatelab.


def gru_2014(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Cho et al. 2014."""
    r = sigmoid(W["reset"] @ x + U["reset"] @ h + b["reset"])
    z = sigmoid(W["update"] @ x + U["update"] @ h + b["update"])
    candidate = np.tanh(W["candidate"] @ x + U["candidate"] @ (r * h) + b["candidate"])
    return z * h + (1 - z) * candidate, {}


def mgu(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Zhou et al. 2016."""
    f = sigmoid(W["forget"] @ x + U["forget"] @ h + b["forget"])
    candidate = np.tanh(W["candidate"] @ x + U["candidate"] @ (f * h) + b["candidate"])
    return (1 - f) * h + f * candidate, {}


def ugrnn(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Collins et al. 2017."""
    c = np.tanh(W["candidate"] @ x + U["candidate"] @ h + b["candidate"])
    g = sigmoid(W["update"] @ x + U["update"] @ h + b["update"])
    return g * h + (1 - g) * c, {}


def ran(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Lee et al. 2017."""
    content = W["candidate"] @ x + b["candidate"]
    i = sigmoid(W["input"] @ x + U["input"] @ h + b["input"])
    f = sigmoid(W["forget"] @ x + U["forget"] @ h + b["forget"])
    c = i * content + f * s["c"]
    return np.tanh(c), {"c": c}


def ran_identity(*arguments: Any) -> Step:
    _, states = ran(*arguments)
    return states["c"], states


def indrnn(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Li et al. 2018."""
    return np.maximum(W["hidden"] @ x + v["hidden"] * h + b["hidden"], 0), {}


def sru(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Lei et al. 2018, with x projected in the fourth."""
    f = sigmoid(W["forget"] @ x + v["forget"] * s["c"] + b["forget"])
    c = f * s["c"] + (1 - f) * (W["candidate"] @ x + b["candidate"])
    r = sigmoid(W["reset"] @ x + v["reset"] * s["c"] + b["reset"])
    return r * c + (1 - r) * (W["highway"] @ x + b["highway"]), {"c": c}


def min_gru(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Feng et al. 2024: minGRU."""
    z = sigmoid(W["update"] @ x + b["update"])
    return (1 - z) * h + z * (W["candidate"] @ x + b["candidate"]), {}


def min_lstm(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Feng et al. 2024: minLSTM."""
    f, i = sigmoid(W["forget"] @ x + b["forget"]), sigmoid(W["input"] @ x + b["input"])
    return f / (f + i) * h + i / (f + i) * (W["candidate"] @ x + b["candidate"]), {}


def slstm(W: Parts, U: Parts, b: Parts, v: Parts, x: Any, h: Any, s: Parts) -> Step:
    """Beck et al. 2024, the equations that have no stabiliser: c and n of the cell are these times exp(−m)."""
    a = {gate: W[gate] @ x + U[gate] @ h + b[gate] for gate in W}
    i, f, o = np.exp(a["input"]), sigmoid(a["forget"]), sigmoid(a["output"])
    c = f * s["c"] + i * np.tanh(a["candidate"])
    n = f * s["n"] + i
    return o * c / n, {"c": c, "n": n}


BY_THE_BOOK: dict[str, Callable[..., Step]] = {
    "GRU2014": gru_2014,
    "MGU": mgu,
    "UGRNN": ugrnn,
    "RAN": ran,
    "RAN_identity": ran_identity,
    "IndRNN": indrnn,
    "SRU": sru,
    "MinGRU": min_gru,
    "MinLSTM": min_lstm,
    "SLSTM": slstm,
}


def walk(name: str, layers: Recurrent, x: NDArray[Any], state: Parts) -> tuple[NDArray[Any], Parts]:
    """One row, x (T, E), through the paper's equations: hidden states (T, H) and the states at the end."""
    p = {key.removesuffix("_l0"): value.detach().numpy() for key, value in layers.named_parameters()}
    sees = CELLS[name].sees
    from_h = [gate for gate, seen in sees.items() if seen != "x"]
    W = dict(zip(sees, np.split(p["weight_ih"], len(sees)), strict=True))
    U = dict(zip(from_h, np.split(p["weight_hh"], len(from_h)), strict=True)) if from_h else {}
    b = dict(zip(sees, np.split(p["bias_ih"], len(sees)), strict=True))
    if from_h:
        b |= {gate: b[gate] + part for gate, part in zip(from_h, np.split(p["bias_hh"], len(from_h)), strict=True)}
    names = CELLS[name].vector_names
    v = dict(zip(names, np.split(p["weight_recurrent"], len(names)), strict=True)) if names else {}
    h, states = state["h"], {key: value for key, value in state.items() if key != "h"}
    rows = []
    for x_t in x:
        h, states = BY_THE_BOOK[name](W, U, b, v, x_t, h, states)
        rows.append(h)
    return np.stack(rows), {"h": h, **states}


@pytest.mark.parametrize("name", BY_THE_BOOK)
@pytest.mark.parametrize("backend", ["equations", "fused"])
def test_every_cell_is_its_papers_equations_in_numpy(name: str, backend: Any) -> None:
    layers, names = recurrent(name, backend=backend), CELLS[name].state_names
    x = torch.randn(B, T, E, dtype=torch.float64)
    hx = [torch.randn(1, B, H, dtype=torch.float64) for _ in names]
    if name == "SLSTM":  # a normaliser is a sum of exponentials
        hx[names.index("n")].abs_()
    output, finals = layers(x, hx)
    for row in range(B):
        state = {key: part[0, row].numpy() for key, part in zip(names, hx, strict=True)}
        if name == "SLSTM":
            scale = np.exp(state.pop("m"))
            state |= {"c": state["c"] * scale, "n": state["n"] * scale}
        hidden, after = walk(name, layers, x[row].numpy(), state)
        np.testing.assert_allclose(output[row].detach().numpy(), hidden, rtol=0, atol=1e-10)
        found = {key: part[0, row].detach().numpy() for key, part in zip(names, finals, strict=True)}
        if name == "SLSTM":
            scale = np.exp(found.pop("m"))
            found |= {"c": found["c"] * scale, "n": found["n"] * scale}
        for key, value in after.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-9, err_msg=key)


TORCH: dict[str, Callable[..., nn.RNNBase]] = {
    "GRU": nn.GRU,
    "RNN": nn.RNN,
    "RNN_relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
}


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("backend", ["equations", "fused"])
@pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
def test_outputs_states_and_all_gradients_equal_those_of_torch(name: str, backend: Any, ragged: bool) -> None:
    for num_layers, bidirectional, bias in product((1, 2), (False, True), (False, True)):
        options: Any = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
        reference = TORCH[name](E, H, batch_first=True, **options).double()
        layers = recurrent(name, backend=backend, **options)
        reference.load_state_dict(layers.state_dict())
        assert list(layers.state_dict()) == list(reference.state_dict())
        count = num_layers * (1 + bidirectional)
        x = torch.randn(B, T, E, dtype=torch.float64, requires_grad=True)
        h_0 = torch.randn(count, B, H, dtype=torch.float64, requires_grad=True)
        weights = [torch.randn(B, T, H * (1 + bidirectional)).double(), torch.randn(count, B, H).double()]

        def gradients(
            module: nn.Module, output: Tensor, h_n: Tensor, x: Tensor = x, h_0: Tensor = h_0, by: Any = weights
        ) -> Any:
            loss = (output * by[0]).sum() + (h_n * by[1]).sum()
            return [output, h_n, *torch.autograd.grad(loss, [x, h_0, *module.parameters()])]

        if ragged:
            packed, h_n = reference(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False), h_0)
            expected = gradients(reference, pad_packed_sequence(packed, batch_first=True)[0], h_n)
        else:
            expected = gradients(reference, *reference(x, h_0))
        output, (h_n,) = layers(x, [h_0], LENGTHS if ragged else None)
        torch.testing.assert_close(gradients(layers, output, h_n), expected, **EXACT)


def results(layers: Recurrent, lengths: Tensor | None) -> list[Tensor]:
    """Output, final states and the gradients of a random weighting of them, with the same inputs and noise for each call."""
    torch.manual_seed(5)
    count = layers.num_layers * len(layers.directions)
    x = torch.randn(B, T, layers.input_size, dtype=torch.float64, requires_grad=True)
    hx = [torch.randn(count, B, H, dtype=torch.float64).abs().requires_grad_() for _ in layers.cell.state_names]
    output, finals = layers(x, hx, lengths)
    loss = torch.stack([(part * torch.randn(part.shape).double()).sum() for part in (output, *finals)]).sum()
    gradients = torch.autograd.grad(loss, [x, *hx, *layers.parameters()], materialize_grads=True, allow_unused=True)
    return [part.detach() for part in (output, *finals, *gradients)]


NOISE: dict[str, dict[str, Any]] = {
    "plain": {},
    "layer_norm": {"layer_norm": True},
    "zoneout_hidden": {"zoneout_hidden": 0.3},
    "zoneout_cell": {"zoneout_cell": 0.3},
    "recurrent_dropout": {"recurrent_dropout": 0.4, "input_dropout": 0.3},
    "weight_drop": {"weight_drop": 0.4},
    "everything": {"layer_norm": True, "zoneout_hidden": 0.3, "zoneout_cell": 0.3, "recurrent_dropout": 0.4},
}


def allowed(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that the cell has something for."""
    sees_h = any(seen != "x" for seen in CELLS[name].sees.values())
    without = {"recurrent_dropout", "weight_drop"} if not sees_h else set()
    without |= set() if CELLS[name].inner_states else {"zoneout_cell"}
    without |= {"layer_norm"} if "x + inner" in CELLS[name].sees.values() else set()
    return {key: value for key, value in options.items() if key not in without}


@every_cell
@pytest.mark.parametrize("options", NOISE.values(), ids=NOISE.keys())
def test_fused_gives_the_results_and_gradients_of_the_equations(name: str, options: dict[str, Any]) -> None:
    for lengths, bidirectional in product((None, LENGTHS), (False, True)):
        more = {**allowed(name, options), "num_layers": 1 + bidirectional, "bidirectional": bidirectional}
        equations, fused = recurrent(name, backend="equations", **more), recurrent(name, backend="fused", **more)
        fused.load_state_dict(equations.state_dict())
        torch.testing.assert_close(results(fused, lengths), results(equations, lengths), **EXACT)


@needs_compiler
@every_cell
@pytest.mark.parametrize("options", ["plain", "everything"])
def test_compiled_gives_the_results_and_gradients_of_the_equations(name: str, options: str) -> None:
    more = {**allowed(name, NOISE[options]), "num_layers": 2, "bidirectional": True}
    equations, compiled = recurrent(name, backend="equations", **more), recurrent(name, backend="compiled", **more)
    compiled.load_state_dict(equations.state_dict())
    torch.testing.assert_close(results(compiled, LENGTHS), results(equations, LENGTHS), **EXACT)


@every_cell
@pytest.mark.parametrize("backend", ["fused", pytest.param("compiled", marks=needs_compiler)])
def test_fused_in_float32_keeps_to_the_equations(name: str, backend: str) -> None:
    equations, fused = (recurrent(name, backend=backend) for backend in ("equations", backend))
    fused.load_state_dict(equations.state_dict())
    x = torch.randn(B, T, E)
    torch.testing.assert_close(fused.float()(x), equations.float()(x), rtol=1e-5, atol=1e-5)
    fused(x)[0].sum().backward()
    equations(x)[0].sum().backward()
    for one, other in zip(fused.parameters(), equations.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)


@every_cell
def test_its_gradients_are_those_of_finite_differences(name: str) -> None:
    layers = Recurrent(CELLS[name], 2, 2, batch_first=True, bidirectional=True).double()
    names = [key for key, _ in layers.named_parameters()]
    count = len(CELLS[name].state_names)

    def call(x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        parameters = dict(zip(names, others[count:], strict=True))
        output, finals = torch.func.functional_call(layers, parameters, (x, others[:count], torch.tensor([1, 3])))
        return output, *finals

    x, *hx = (torch.rand(size, dtype=torch.float64, requires_grad=True) for size in ((2, 3, 2), *[(2, 2, 2)] * count))
    assert torch.autograd.gradcheck(call, (x, *hx, *layers.parameters()))


@every_cell
def test_each_row_of_a_ragged_batch_is_as_if_it_ran_alone(name: str) -> None:
    layers = recurrent(name, num_layers=2, bidirectional=True)
    x = torch.randn(B, T, E, dtype=torch.float64)
    poisoned = x.masked_fill((torch.arange(T) >= LENGTHS[:, None])[..., None], 1e30)
    output, finals = layers(poisoned, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, finals_alone = layers(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0], **EXACT)
        assert (output[row, length:] == 0).all()
        torch.testing.assert_close([part[:, row] for part in finals], [part[:, 0] for part in finals_alone], **EXACT)


@every_cell
def test_a_text_in_two_pieces_has_the_states_of_the_whole(name: str) -> None:
    encoder = CellEncoder(E, H, cell=CELLS[name], num_layers=2).double()
    x = torch.randn(B, T, E, dtype=torch.float64)
    whole, state = encoder(x, torch.full((B,), T))
    first, between = encoder(x[:, :2], torch.full((B,), 2))
    second, after = encoder(x[:, 2:], torch.full((B,), T - 2), between)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, **EXACT)
    torch.testing.assert_close(list(after), list(state), **EXACT)


GATES = {
    "GRU": ["reset_gate", "update_gate"],
    "GRU2014": ["reset_gate", "update_gate"],
    "RNN": [],
    "RNN_relu": [],
    "MGU": ["forget_gate"],
    "UGRNN": ["update_gate"],
    "RAN": ["input_gate", "forget_gate"],
    "RAN_identity": ["input_gate", "forget_gate"],
    "IndRNN": [],
    "SRU": ["forget_gate", "reset_gate"],
    "MinGRU": ["update_gate"],
    "MinLSTM": ["forget_gate", "input_gate"],
    "SLSTM": ["input_gate", "forget_gate", "output_gate"],
}


@every_cell
def test_a_trace_names_the_gates_which_lie_between_0_and_1(name: str) -> None:
    layers = recurrent(name)
    x = torch.randn(B, T, E, dtype=torch.float64)
    step = layers.trace(x, lengths=LENGTHS)["l0"]._asdict()
    assert [key for key in step if key.endswith("_gate")] == GATES[name]
    assert all(((step[key] >= 0) & (step[key] <= 1)).all() for key in GATES[name])
    valid = torch.arange(T) < LENGTHS[:, None]
    torch.testing.assert_close(step["hidden"][valid], layers(x, lengths=LENGTHS)[0][valid], **EXACT)
    if "candidate" in CELLS[name].sees:
        assert step["candidate"].shape == (B, T, H)


@pytest.mark.parametrize(
    ("name", "gate", "sign"),
    [("GRU", "update", 1), ("GRU2014", "update", 1), ("MGU", "forget", -1), ("UGRNN", "update", 1), ("RAN", "forget", 1),
     ("SRU", "forget", 1), ("MinGRU", "update", -1), ("MinLSTM", "forget", 1), ("SLSTM", "forget", 1)],
)  # fmt: skip
def test_a_forget_bias_opens_what_keeps_the_state(name: str, gate: str, sign: int) -> None:
    layers = Recurrent(CELLS[name], E, H, forget_bias=50.0, batch_first=True).double()
    hx = [torch.rand(1, B, H, dtype=torch.float64) for _ in layers.cell.state_names]
    step = layers.trace(torch.randn(B, 1, E).double(), hx)["l0"]._asdict()
    kept = step[f"{gate}_gate"].round(decimals=6)
    assert (kept == (1 if sign > 0 else 0)).all() or name in ("MinLSTM", "SLSTM")  # whose gates are relative
    total = layers.get_parameter("bias_ih_l0").clone()
    if hasattr(layers, "bias_hh_l0"):
        row = layers._from("h").index(gate) * H
        at = layers._from("x").index(gate) * H
        total[at : at + H] += layers.get_parameter("bias_hh_l0")[row : row + H]
    row = layers._from("x").index(gate) * H
    assert total[row : row + H].tolist() == [50.0 * sign] * H


@pytest.mark.parametrize("name", ["RNN", "IndRNN"])
def test_a_cell_without_a_gate_that_keeps_has_no_forget_bias(name: str) -> None:
    for option in ({"forget_bias": 1.0}, {"chrono": 10}):
        with pytest.raises(ValueError, match=f"and {name} has none that keeps its state"):
            Recurrent(CELLS[name], E, H, **option)


def test_an_identity_rnn_begins_by_keeping_its_state() -> None:
    """Le, Jaitly & Hinton 2015: U = I, b = 0, W normal with standard deviation 0.001."""
    layers = Recurrent(cells.RNN("relu", identity=True), 200, 200)
    assert torch.equal(layers.get_parameter("weight_hh_l0"), torch.eye(200))
    assert (layers.get_parameter("bias_ih_l0") == 0).all()
    assert (layers.get_parameter("bias_hh_l0") == 0).all()
    assert layers.get_parameter("weight_ih_l0").std().item() == pytest.approx(0.001, rel=0.03)


def test_the_recurrent_weights_of_an_indrnn_begin_between_0_and_what_doubles_in_num_steps() -> None:
    weights = Recurrent(cells.IndRNN(num_steps=10), 1, 4000).get_parameter("weight_recurrent_l0")
    expected = torch.linspace(0, 2**0.1, 4000)
    assert (weights.sort().values - expected).abs().max() < 0.05


@pytest.mark.parametrize("backend", ["equations", "fused"])
def test_a_state_begins_where_its_cell_says(backend: Any) -> None:
    layers = Recurrent(cells.SLSTM(), E, H, backend=backend)
    with torch.no_grad():
        layers.get_parameter("bias_ih_l0")[:H] = -3.0  # of the input gate, below the logarithm of the forget gate
    x = torch.randn(1, B, E)
    h, c, n, m = torch.zeros(4, 1, B, H)
    stabilizer = layers(x)[1][3]
    assert (stabilizer < -1).all()
    torch.testing.assert_close(stabilizer, layers(x, (h, c, n, m - 1e4))[1][3], rtol=0, atol=0)
    assert (layers(x, (h, c, n, m))[1][3] > stabilizer).all()


def test_the_first_step_of_an_slstm_is_exact_however_small_its_input_gate() -> None:
    """h_1 = o_1 tanh(z̃_1), since c_1 / n_1 is the candidate; without care exp(−1000) is 0 and h is 0 / 0."""
    for backend in ("equations", "fused"):
        layers = Recurrent(cells.SLSTM(), E, H, batch_first=True, backend=backend)
        with torch.no_grad():
            layers.get_parameter("bias_ih_l0")[:H] = -1000.0
        x = torch.randn(B, T, E, requires_grad=True)
        output = layers(x)[0]
        a = x[:, 0] @ layers.get_parameter("weight_ih_l0").T + layers.get_parameter("bias_ih_l0")
        a = a + layers.get_parameter("bias_hh_l0")
        _, _, candidate, o = a.split(H, 1)
        torch.testing.assert_close(output[:, 0], o.sigmoid() * candidate.tanh())
        output.sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: cells.RNN("gelu"), "nonlinearity must be one of tanh, relu, not gelu"),  # type: ignore[arg-type]
        (lambda: cells.RAN("relu"), "output_activation must be one of tanh, identity, not relu"),  # type: ignore[arg-type]
        (lambda: cells.IndRNN(num_steps=0), "num_steps must be at least 1, not 0"),
        (
            lambda: Recurrent(cells.GRU(), E, H, zoneout_cell=0.1),
            "zoneout_cell keeps cell states, and GRU has none but h",
        ),
        (
            lambda: Recurrent(cells.MGU(), E, H, layer_norm=True),
            "layer_norm normalises .* and MGU takes it in two products",
        ),
        (lambda: Recurrent(cells.SRU(), E, H, orthogonal=True), "orthogonal acts on .* no gate of SRU sees h"),
    ],
)
def test_what_a_cell_cannot_is_refused_with_a_sentence(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
