"""E embedding, H hidden, B batch, T time; lengths of ragged batches are out of order on purpose."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab.recurrent import GatedLSTM
from gatelab.recurrent.cells import LSTM
from gatelab.recurrent.equations import trace_layer
from gatelab.recurrent.weights import Noise, Weights

E, H, B, T = 3, 5, 4, 6
LENGTHS = torch.tensor([3, 6, 1, 4])
EXACT: Any = {"rtol": 0, "atol": 1e-10}
pytestmark = pytest.mark.usefixtures("one_thread_one_seed")


def run(
    lstm: nn.Module, x: Tensor, hx: tuple[Tensor, Tensor] | None, lengths: Tensor | None, weights: list[Tensor]
) -> dict[str, Tensor]:
    """Output, final states and the gradients of a weighted sum of all three."""
    x = x.clone().requires_grad_()
    hx = None if hx is None else (hx[0].clone().requires_grad_(), hx[1].clone().requires_grad_())
    if lengths is None or isinstance(lstm, GatedLSTM):
        output, (h_n, c_n) = lstm(x, hx) if lengths is None else lstm(x, hx, lengths)
    else:
        assert isinstance(lstm, nn.LSTM)
        packed = pack_padded_sequence(x, lengths, batch_first=lstm.batch_first, enforce_sorted=False)
        states, (h_n, c_n) = lstm(packed, hx)
        output, _ = pad_packed_sequence(
            states, batch_first=lstm.batch_first, total_length=x.shape[1 if lstm.batch_first else 0]
        )
    lstm.zero_grad()
    sum((part * weight).sum() for part, weight in zip((output, h_n, c_n), weights, strict=True)).backward()
    results = {"output": output, "h_n": h_n, "c_n": c_n, "input": x.grad}
    if hx is not None:
        results |= {"h_0": hx[0].grad, "c_0": hx[1].grad}
    results |= {name: parameter.grad for name, parameter in lstm.named_parameters()}
    for name, value in results.items():
        assert value is not None, name
    return {name: value.detach() for name, value in results.items() if value is not None}


@pytest.mark.parametrize(  # native has no final cell states of a ragged batch; the encoder's test compares its outputs
    ("backend", "ragged"),
    [("equations", False), ("equations", True), ("fused", False), ("fused", True), ("native", False)],
)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one_direction", "two_directions"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_outputs_states_and_all_gradients_equal_those_of_nn_lstm(
    backend: Any, num_layers: int, bidirectional: bool, ragged: bool
) -> None:
    for bias, batch_first, given_state in product([True, False], repeat=3):
        options: Any = {
            "num_layers": num_layers,
            "bidirectional": bidirectional,
            "bias": bias,
            "batch_first": batch_first,
        }
        reference = nn.LSTM(E, H, **options).double()
        gated = GatedLSTM(E, H, **options, backend=backend).double()
        for parameter in reference.parameters():
            nn.init.normal_(parameter, std=0.5)
        gated.load_state_dict(reference.state_dict())
        directions = 2 if bidirectional else 1
        sizes = (B, T) if batch_first else (T, B)
        x = torch.randn(*sizes, E, dtype=torch.float64)
        hx = (
            (
                torch.randn(num_layers * directions, B, H, dtype=torch.float64),
                torch.randn(num_layers * directions, B, H, dtype=torch.float64),
            )
            if given_state
            else None
        )
        weights = [torch.randn(*sizes, H * directions, dtype=torch.float64)]
        weights += [torch.randn(num_layers * directions, B, H, dtype=torch.float64) for _ in range(2)]
        lengths = LENGTHS if ragged else None
        expected = run(reference, x, hx, lengths, weights)
        found = run(gated, x, hx, lengths, weights)
        torch.testing.assert_close(found, expected, **EXACT)


def test_the_weights_of_either_load_into_the_other() -> None:
    options: Any = {"num_layers": 2, "bidirectional": True}
    gated, reference = GatedLSTM(E, H, **options).double(), nn.LSTM(E, H, **options).double()
    x = torch.randn(T, B, E, dtype=torch.float64)
    assert not torch.allclose(gated(x)[0], reference(x)[0])
    reference.load_state_dict(gated.state_dict())
    torch.testing.assert_close(gated(x)[0], reference(x)[0], **EXACT)
    assert [name for name, _ in gated.named_parameters()] == [name for name, _ in reference.named_parameters()]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_same_seed_gives_the_initial_weights_of_nn_lstm(bidirectional: bool, bias: bool) -> None:
    torch.manual_seed(3)
    reference = nn.LSTM(E, H, num_layers=2, bidirectional=bidirectional, bias=bias).state_dict()
    torch.manual_seed(3)
    gated = GatedLSTM(E, H, num_layers=2, bidirectional=bidirectional, bias=bias).state_dict()
    assert list(gated) == list(reference)
    assert all(torch.equal(gated[name], reference[name]) for name in reference)


def test_a_step_is_the_six_textbook_equations() -> None:
    """The equations over [h_{t-1}, x_t] of Gers, Schmidhuber & Cummins (2000), in NumPy."""
    rng = np.random.default_rng(0)
    W = {gate: rng.normal(size=(H, H + E)) for gate in "ifCo"}
    b = {gate: rng.normal(size=H) for gate in "ifCo"}
    x, h_before, C_before = rng.normal(size=(B, E)), rng.normal(size=(B, H)), rng.normal(size=(B, H))

    def sigmoid(a: NDArray[Any]) -> NDArray[Any]:
        return 1 / (1 + np.exp(-a))

    h_and_x = np.concatenate([h_before, x], axis=1)
    f_t = sigmoid(h_and_x @ W["f"].T + b["f"])
    i_t = sigmoid(h_and_x @ W["i"].T + b["i"])
    C_candidate = np.tanh(h_and_x @ W["C"].T + b["C"])
    C_t = f_t * C_before + i_t * C_candidate
    o_t = sigmoid(h_and_x @ W["o"].T + b["o"])
    h_t = o_t * np.tanh(C_t)

    stacked = torch.tensor(np.concatenate([W[gate] for gate in "ifCo"]))
    weights = Weights(stacked[:, H:], stacked[:, :H], torch.tensor(np.concatenate([b[gate] for gate in "ifCo"])))
    state = torch.tensor(h_before), torch.tensor(C_before)
    _, (h, c) = trace_layer(torch.tensor(x)[:, None], state, weights, LSTM(), None, Noise())
    np.testing.assert_allclose(h.numpy(), h_t, rtol=0, atol=1e-12)
    np.testing.assert_allclose(c.numpy(), C_t, rtol=0, atol=1e-12)


def test_the_gates_come_as_input_forget_candidate_output() -> None:
    """Each gate alone, by what it does: saturated biases open or shut it."""
    lstm = GatedLSTM(E, H).double()
    open_, shut = 50.0, -50.0
    x, h_0 = torch.zeros(1, B, E, dtype=torch.float64), torch.zeros(1, B, H, dtype=torch.float64)
    c_0 = torch.full_like(h_0, 0.25)
    cases = [  # input, forget, candidate, output → cell state, hidden state
        ((shut, open_, open_, open_), 0.25, np.tanh(0.25)),
        ((open_, shut, open_, open_), 1.0, np.tanh(1.0)),
        ((open_, open_, shut, open_), -0.75, np.tanh(-0.75)),
        ((open_, open_, open_, shut), 1.25, 0.0),
    ]
    for biases, cell, hidden in cases:
        with torch.no_grad():
            for parameter in lstm.parameters():
                parameter.zero_()
            lstm.get_parameter("bias_ih_l0").copy_(torch.tensor(biases).repeat_interleave(H))
        _, (h_n, c_n) = lstm(x, (h_0, c_0))
        torch.testing.assert_close(c_n, torch.full_like(c_n, cell), **EXACT)
        torch.testing.assert_close(h_n, torch.full_like(h_n, hidden), **EXACT)


def test_its_gradients_are_those_of_finite_differences() -> None:
    lstm = GatedLSTM(2, 2, bidirectional=True, batch_first=True).double()
    names = [name for name, _ in lstm.named_parameters()]
    lengths = torch.tensor([1, 3])

    def call(x: Tensor, h_0: Tensor, c_0: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        arguments = (x, (h_0, c_0), lengths)
        output, finals = torch.func.functional_call(lstm, dict(zip(names, parameters, strict=True)), arguments)
        return output, *finals

    inputs = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in ((2, 3, 2), (2, 2, 2), (2, 2, 2))]
    assert torch.autograd.gradcheck(call, (*inputs, *lstm.parameters()))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_no_result_and_its_states_are_zero(bidirectional: bool) -> None:
    lstm = GatedLSTM(E, H, num_layers=2, bidirectional=bidirectional, batch_first=True).double()
    x = torch.randn(B, T, E, dtype=torch.float64)
    padding = torch.tensor([[step >= length for step in range(T)] for length in LENGTHS.tolist()])
    poisoned = x.masked_fill(padding[..., None], 1e30)
    output, finals = lstm(x, lengths=LENGTHS)
    poisoned_output, poisoned_finals = lstm(poisoned, lengths=LENGTHS)
    assert torch.equal(output, poisoned_output)
    assert all(map(torch.equal, finals, poisoned_finals))
    assert output[padding].abs().max() == 0
    assert output[~padding].abs().min() > 0


def test_each_row_of_a_ragged_batch_is_as_if_it_ran_alone() -> None:
    lstm = GatedLSTM(E, H, num_layers=2, bidirectional=True, batch_first=True).double()
    x = torch.randn(B, T, E, dtype=torch.float64)
    output, (h_n, c_n) = lstm(x, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, (h_alone, c_alone) = lstm(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0], **EXACT)
        torch.testing.assert_close(h_n[:, row], h_alone[:, 0], **EXACT)
        torch.testing.assert_close(c_n[:, row], c_alone[:, 0], **EXACT)


def test_a_row_of_length_zero_ends_in_its_initial_state() -> None:
    lstm = GatedLSTM(E, H, bidirectional=True).double()
    hx = (torch.randn(2, 2, H, dtype=torch.float64), torch.randn(2, 2, H, dtype=torch.float64))
    output, (h_n, c_n) = lstm(torch.randn(T, 2, E, dtype=torch.float64), hx, torch.tensor([0, T]))
    assert output[:, 0].abs().max() == 0
    assert torch.equal(h_n[:, 0], hx[0][:, 0])
    assert torch.equal(c_n[:, 0], hx[1][:, 0])


def test_no_steps_give_no_states_and_the_initial_state() -> None:
    lstm = GatedLSTM(E, H, num_layers=2)
    hx = (torch.randn(2, B, H), torch.randn(2, B, H))
    output, (h_n, c_n) = lstm(torch.zeros(0, B, E), hx)
    assert output.shape == (0, B, H)
    assert torch.equal(h_n, hx[0])
    assert torch.equal(c_n, hx[1])


def test_dropout_acts_between_layers_and_in_training_only() -> None:
    two = GatedLSTM(E, H, num_layers=2, dropout=0.5)
    x = torch.randn(T, B, E)
    without = GatedLSTM(E, H, num_layers=2)
    without.load_state_dict(two.state_dict())
    assert not torch.equal(two(x)[0], two(x)[0])
    assert not torch.equal(two(x)[0], without(x)[0])
    assert (two(x)[0] != 0).all()  # the last layer's outputs are left alone
    assert torch.equal(two.eval()(x)[0], without(x)[0])
    one = GatedLSTM(E, H, dropout=0.5)
    assert torch.equal(one(x)[0], one.eval()(x)[0])


def test_dropout_never_touches_the_states_within_a_layer() -> None:
    lstm = GatedLSTM(E, H, num_layers=2, dropout=0.9)
    x = torch.randn(T, B, E)
    assert torch.equal(lstm(x)[1][0][0], lstm(x)[1][0][0])
    assert not torch.equal(lstm(x)[1][0][1], lstm(x)[1][0][1])


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
@pytest.mark.parametrize("size", [0, -1])
def test_a_size_below_one_is_refused_by_name(name: str, size: int) -> None:
    sizes: dict[str, Any] = {"input_size": E, "hidden_size": H, name: size}
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, not {size}$"):
        GatedLSTM(**sizes)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 1.5, float("nan")])
def test_a_dropout_outside_its_range_is_refused(dropout: float) -> None:
    with pytest.raises(ValueError, match=r"^dropout must lie in \[0, 1\), not "):
        GatedLSTM(E, H, dropout=dropout)


def test_an_input_without_a_batch_gives_states_without_one() -> None:
    reference, gated = nn.LSTM(E, H, num_layers=2).double(), GatedLSTM(E, H, num_layers=2).double()
    gated.load_state_dict(reference.state_dict())
    x = torch.randn(T, E, dtype=torch.float64)
    hx = (torch.randn(2, H, dtype=torch.float64), torch.randn(2, H, dtype=torch.float64))
    torch.testing.assert_close(gated(x, hx), reference(x, hx), **EXACT)


def test_an_input_of_one_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="the input has two or three dimensions"):
        GatedLSTM(E, H)(torch.zeros(T))
