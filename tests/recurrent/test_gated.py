"""GatedLSTM against nn.LSTM, in float64 with random weights."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab.recurrent import GatedLSTM
from gatelab.recurrent.gated import lstm_step

B, T, E, H = 5, 7, 3, 4
LENGTHS = torch.tensor([7, 1, 4, 6, 2])
TOLERANCE: Any = {"rtol": 0.0, "atol": 1e-10}


def a_pair(num_layers: int = 1, bidirectional: bool = False, bias: bool = True, batch_first: bool = True):
    torch.manual_seed(0)
    theirs = nn.LSTM(E, H, num_layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours = GatedLSTM(
        E, H, num_layers=num_layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional
    ).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def packed(lstm: nn.LSTM, x: Tensor, lengths: Tensor, hx: Any):
    sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    output, final = lstm(sequence, hx)
    return pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])[0], final


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_outputs_states_and_all_gradients_are_those_of_torch(
    num_layers: int, bidirectional: bool, bias: bool, ragged: bool, initial: bool
) -> None:
    ours, theirs = a_pair(num_layers, bidirectional, bias)
    num_states = num_layers * (2 if bidirectional else 1)
    results = []
    for lstm in (ours, theirs):
        torch.manual_seed(1)
        x = torch.randn(B, T, E, dtype=torch.double, requires_grad=True)
        hx = tuple(torch.randn(num_states, B, H, dtype=torch.double, requires_grad=True) for _ in range(2))
        given = hx if initial else None
        if lstm is ours:
            output, (h, c) = ours(x, given, lengths=LENGTHS if ragged else None)
        else:
            output, (h, c) = packed(theirs, x, LENGTHS, given) if ragged else theirs(x, given)
        sum((tensor * torch.randn(tensor.shape).double()).sum() for tensor in (output, h, c)).backward()
        gradients = {name: parameter.grad for name, parameter in lstm.named_parameters()}
        results.append((output, h, c, x.grad, *((hx[0].grad, hx[1].grad) if initial else ()), gradients))
    *mine, my_gradients = results[0]
    *other, their_gradients = results[1]
    for one, two in zip(mine, other, strict=True):
        torch.testing.assert_close(one, two, **TOLERANCE)
    assert my_gradients.keys() == their_gradients.keys()
    for name in my_gradients:
        torch.testing.assert_close(my_gradients[name], their_gradients[name], **TOLERANCE)


def test_weights_go_both_ways() -> None:
    ours, theirs = a_pair(2, bidirectional=True)
    theirs.load_state_dict(ours.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_time_comes_first_unless_asked_otherwise() -> None:
    ours, theirs = a_pair(2, batch_first=False)
    x = torch.randn(T, B, E, dtype=torch.double)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], **TOLERANCE)


def test_the_same_seed_gives_the_weights_that_torch_would_draw() -> None:
    torch.manual_seed(3)
    theirs = nn.LSTM(E, H, 2, bidirectional=True)
    torch.manual_seed(3)
    ours = GatedLSTM(E, H, num_layers=2, bidirectional=True)
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_step_is_the_textbook() -> None:
    random = np.random.default_rng(0)
    gates = [tuple(random.normal(size=shape) for shape in ((H, E), (H, H), (H,))) for _ in range(4)]
    x, h, c = (random.normal(size=(B, size)) for size in (E, H, H))

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    z_i, z_f, z_C, z_o = (np.concatenate([h, x], 1) @ np.concatenate([U, W], 1).T + b for W, U, b in gates)
    cell = sigmoid(z_f) * c + sigmoid(z_i) * np.tanh(z_C)
    hidden = sigmoid(z_o) * np.tanh(cell)

    module = GatedLSTM(E, H).double()
    W, U, b = (torch.from_numpy(np.concatenate(part)) for part in zip(*gates, strict=True))
    module.load_state_dict({"weight_ih_l0": W, "weight_hh_l0": U, "bias_ih_l0": b, "bias_hh_l0": torch.zeros_like(b)})
    h_t, c_t = lstm_step(torch.from_numpy(x), torch.from_numpy(h), torch.from_numpy(c), module.gates(0))
    np.testing.assert_allclose(h_t.detach().numpy(), hidden, atol=1e-12)
    np.testing.assert_allclose(c_t.detach().numpy(), cell, atol=1e-12)


def test_gradients_agree_with_finite_differences() -> None:
    module = GatedLSTM(2, 3, num_layers=2, bidirectional=True, batch_first=True).double()
    x = torch.randn(2, 3, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: module(x, lengths=torch.tensor([3, 1]))[0], (x,))


def test_a_row_without_steps_keeps_its_initial_state() -> None:
    ours, _ = a_pair()
    hx = (torch.randn(1, 2, H).double(), torch.randn(1, 2, H).double())
    output, (h, c) = ours(torch.randn(2, T, E).double(), hx, lengths=torch.tensor([0, T]))
    assert not output[0].any()
    assert torch.equal(h[:, 0], hx[0][:, 0])
    assert torch.equal(c[:, 0], hx[1][:, 0])


def test_dropout_acts_between_layers_in_training_alone() -> None:
    x = torch.randn(B, T, E)
    deep = GatedLSTM(E, H, num_layers=2, dropout=0.5)
    assert not torch.equal(deep(x)[0], deep(x)[0])
    deep.eval()
    assert torch.equal(deep(x)[0], deep(x)[0])
    flat = GatedLSTM(E, H, num_layers=1, dropout=0.5)
    assert torch.equal(flat(x)[0], flat(x)[0])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"hidden_size": 0}, "hidden_size"), ({"num_layers": 0}, "num_layers"), ({"dropout": 1.0}, "dropout")],
)
def test_impossible_sizes_are_refused_by_name(arguments: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        GatedLSTM(E, **{"hidden_size": H, **arguments})  # type: ignore[arg-type]


def test_an_input_without_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="three dimensions"):
        GatedLSTM(E, H)(torch.randn(T, E))
