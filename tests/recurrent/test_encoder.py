from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab.recurrent import GatedEncoder, GRUEncoder, LSTMEncoder, RNNEncoder, equations

E, H, B, T = 3, 5, 4, 6
LENGTHS = torch.tensor([3, 6, 1, 4])
VALID = torch.tensor([[step < length for step in range(T)] for length in LENGTHS.tolist()])
EXACT: Any = {"rtol": 0, "atol": 1e-10}
pytestmark = pytest.mark.usefixtures("one_thread_one_seed")
TORCH_ENCODERS = [(LSTMEncoder, nn.LSTM), (GRUEncoder, nn.GRU), (RNNEncoder, nn.RNN)]
ENCODERS = [LSTMEncoder, GRUEncoder, RNNEncoder, GatedEncoder]
shapes = pytest.mark.parametrize(
    ("num_layers", "bidirectional"), [(layers, directions) for layers in (1, 2, 3) for directions in (False, True)]
)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(B, T, E, dtype=torch.float64)


def stacked_weights(encoder: nn.Module) -> dict[str, Tensor]:
    """The weights of an encoder's single layers under the names that one stack of torch's gives them."""
    weights = {}
    for name, value in encoder.state_dict().items():
        direction, layer, kind = name.split(".")  # forward_layers.0.weight_ih_l0
        suffix = "_reverse" if direction == "backward_layers" else ""
        weights[f"{kind.removesuffix('_l0')}_l{layer}{suffix}"] = value
    return weights


@shapes
@pytest.mark.parametrize(("encoder_type", "layer_type"), TORCH_ENCODERS)
def test_the_states_and_gradients_within_each_row_are_those_of_a_packed_stack(
    encoder_type: Any, layer_type: Any, num_layers: int, bidirectional: bool, x: Tensor
) -> None:
    encoder = encoder_type(E, H, num_layers=num_layers, bidirectional=bidirectional).double()
    stack = layer_type(E, H, num_layers=num_layers, bidirectional=bidirectional, batch_first=True).double()
    stack.load_state_dict(stacked_weights(encoder))
    packed_x, encoder_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    packed, _ = stack(pack_padded_sequence(packed_x, LENGTHS, batch_first=True, enforce_sorted=False))
    expected, _ = pad_packed_sequence(packed, batch_first=True)
    states = encoder(encoder_x, LENGTHS)[0]
    assert states.shape == (B, T, encoder.output_size) == expected.shape
    torch.testing.assert_close(states[VALID], expected[VALID], **EXACT)
    weight = torch.randn_like(expected[VALID])
    (expected[VALID] * weight).sum().backward()
    (states[VALID] * weight).sum().backward()
    torch.testing.assert_close(encoder_x.grad, packed_x.grad, **EXACT)


@pytest.mark.parametrize("backend", ["equations", "fused", "native"])
@shapes
def test_the_gated_encoder_equals_the_lstm_encoder_of_the_same_weights(
    num_layers: int, bidirectional: bool, backend: Any, x: Tensor
) -> None:
    options: Any = {"num_layers": num_layers, "bidirectional": bidirectional}
    lstm, gated = LSTMEncoder(E, H, **options).double(), GatedEncoder(E, H, **options, backend=backend).double()
    gated.load_state_dict({f"lstm.{name}": value for name, value in stacked_weights(lstm).items()})
    weight = torch.randn(B, T, lstm.output_size, dtype=torch.float64)[VALID]
    gradients = []
    for encoder in (lstm, gated):
        given = x.clone().requires_grad_()
        states = encoder(given, LENGTHS)[0][VALID]
        named = dict(encoder.named_parameters())
        if encoder is lstm:
            order = stacked_weights(lstm).keys()
            by_stacked = dict(zip(order, named.values(), strict=True))
        else:
            by_stacked = {name.removeprefix("lstm."): value for name, value in named.items()}
        names = sorted(by_stacked)
        found = torch.autograd.grad((states * weight).sum(), [given, *(by_stacked[name] for name in names)])
        gradients.append([states, *found])
    torch.testing.assert_close(gradients[1], gradients[0], **EXACT)


@shapes
@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_what_stands_in_the_padding_never_changes_a_valid_state(
    encoder_type: Any, num_layers: int, bidirectional: bool, x: Tensor
) -> None:
    encoder = encoder_type(E, H, num_layers=num_layers, bidirectional=bidirectional).double()
    poisoned = x.masked_fill(~VALID[..., None], 1e30)
    wider = torch.cat([poisoned, torch.full((B, 2, E), -1e30, dtype=torch.float64)], dim=1)
    expected = encoder(x, LENGTHS)[0][VALID]
    torch.testing.assert_close(encoder(poisoned, LENGTHS)[0][VALID], expected, **EXACT)
    torch.testing.assert_close(encoder(wider, LENGTHS)[0][:, :T][VALID], expected, **EXACT)


@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_a_bidirectional_encoder_reads_backward_in_the_second_half_of_its_states(encoder_type: Any, x: Tensor) -> None:
    encoder = encoder_type(E, H, bidirectional=True).double()
    assert encoder.bidirectional is True
    assert encoder.output_size == 2 * H
    changed = x.clone()
    changed[1, -1] += 1  # the last step of the row that has no padding
    before, after = encoder(x, LENGTHS)[0][1], encoder(changed, LENGTHS)[0][1]
    assert torch.equal(before[:-1, :H], after[:-1, :H])
    assert (before[:, H:] != after[:, H:]).all()


@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_dropout_acts_between_layers_and_in_training_only(encoder_type: Any, x: Tensor) -> None:
    encoder = encoder_type(E, H, num_layers=2, dropout=0.5).double()
    without = encoder_type(E, H, num_layers=2).double()
    without.load_state_dict(encoder.state_dict())
    assert not torch.equal(encoder(x, LENGTHS)[0], encoder(x, LENGTHS)[0])
    assert (encoder(x, LENGTHS)[0][VALID] != 0).all()  # the last layer's states are left alone
    assert torch.equal(encoder.eval()(x, LENGTHS)[0], without(x, LENGTHS)[0])
    single = encoder_type(E, H, dropout=0.5).double()
    assert torch.equal(single(x, LENGTHS)[0], single.eval()(x, LENGTHS)[0])


@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_the_same_seed_drops_the_same_units(encoder_type: Any, x: Tensor) -> None:
    encoder = encoder_type(E, H, num_layers=2, dropout=0.5).double()
    torch.manual_seed(0)
    first = encoder(x, LENGTHS)[0]
    torch.manual_seed(0)
    assert torch.equal(first, encoder(x, LENGTHS)[0])


CARRYING: dict[str, Any] = {
    **{encoder_type.__name__: encoder_type for encoder_type in ENCODERS},
    **{backend: partial(GatedEncoder, backend=backend) for backend in ("equations", "fused", "native")},
    "peepholes": partial(GatedEncoder, peepholes=True),
}


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("first", [[1, 1, 1, 1], [2, 3, 0, 4]], ids=["full", "ragged"])
@pytest.mark.parametrize("name", CARRYING)
def test_two_pieces_with_the_state_carried_are_one_run(name: str, first: list[int], num_layers: int, x: Tensor) -> None:
    """Each row is cut at a place of its own; states and gradients of the rows joined again are those of the whole."""
    encoder = CARRYING[name](E, H, num_layers=num_layers).double()
    cuts = torch.tensor(first)
    given = x.clone().requires_grad_()
    begun, state = encoder(given[:, : max(first)], cuts)
    tails = torch.stack([row.roll(-cut, 0) for row, cut in zip(given, first, strict=True)])
    ended, state = encoder(tails, LENGTHS - cuts, state)
    pieces: list[Tensor] = []
    for row, cut in enumerate(first):
        pieces += [begun[row, :cut], ended[row, : LENGTHS[row] - cut]]
    whole_given = x.clone().requires_grad_()
    whole, whole_state = encoder(whole_given, LENGTHS)
    weight = torch.randn(int(LENGTHS.sum()), H, dtype=torch.float64)
    results = []
    for states, last, inputs in ((torch.cat(pieces), state, given), (whole[VALID], whole_state, whole_given)):
        loss = (states * weight).sum() + sum(part.square().sum() for part in last)
        results.append([states, *last, *torch.autograd.grad(loss, [inputs, *encoder.parameters()])])
    torch.testing.assert_close(results[0], results[1], **EXACT)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("encoder_type", "layer_type"), [*TORCH_ENCODERS, (GatedEncoder, nn.LSTM)])
def test_the_state_is_that_of_a_packed_stack(
    encoder_type: Any, layer_type: Any, bidirectional: bool, x: Tensor
) -> None:
    encoder = encoder_type(E, H, num_layers=2, bidirectional=bidirectional).double()
    stack = layer_type(E, H, num_layers=2, bidirectional=bidirectional, batch_first=True).double()
    gated = encoder_type is GatedEncoder
    stack.load_state_dict(encoder.lstm.state_dict() if gated else stacked_weights(encoder))
    _, expected = stack(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False))
    expected = expected if layer_type is nn.LSTM else (expected,)
    torch.testing.assert_close(tuple(encoder(x, LENGTHS)[1]), expected, **EXACT)


@pytest.mark.parametrize("encoder_type", [LSTMEncoder, GatedEncoder])
def test_a_state_that_nobody_looks_at_costs_nothing(
    encoder_type: Any, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equations, "step", None)
    encoder = encoder_type(E, H, num_layers=2).double()
    states, _ = encoder(x, LENGTHS)
    states.sum().backward()
    _, (h, _) = encoder(x, torch.full((B,), T))
    assert h.shape == (2, B, H)  # of full rows the kernel has it


@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_a_state_that_does_not_fit_is_refused_with_a_sentence(encoder_type: Any, x: Tensor) -> None:
    encoder = encoder_type(E, H, num_layers=2).double()
    _, state = encoder(x, LENGTHS)
    for wrong in (state[0], (*state, state[0]), [part[:, :2] for part in state]):
        with pytest.raises(ValueError, match=r"the state must be \(h,.* each \(2, 4, 5\) \(layers, batch, hidden\)"):
            encoder(x, LENGTHS, wrong)
    both = encoder_type(E, H, bidirectional=True).double()
    with pytest.raises(ValueError, match="a bidirectional encoder cannot go on from a state"):
        both(x, LENGTHS, both(x, LENGTHS)[1])


def test_gates_that_see_the_step_before_cannot_go_on(x: Tensor) -> None:
    encoder = GatedEncoder(E, H, gate_recurrence=True).double()
    with pytest.raises(
        ValueError, match="cannot continue from a state, which lacks input_gate, forget_gate, output_gate"
    ):
        encoder(x, LENGTHS, encoder(x, LENGTHS)[1])


@pytest.mark.parametrize("encoder_type", ENCODERS)
@pytest.mark.parametrize(
    "settings", [{"input_size": 0}, {"hidden_size": 0}, {"num_layers": 0}, {"dropout": 1.0}, {"dropout": -0.1}], ids=str
)
def test_bad_settings_are_refused_by_name(encoder_type: Any, settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        encoder_type(**{"input_size": E, "hidden_size": H, **settings})


@pytest.mark.parametrize("kind", [LSTMEncoder, GRUEncoder, RNNEncoder])
def test_torchs_layers_are_opened_by_the_cell_of_the_same_weights(kind: Any) -> None:
    encoder = kind(E, H, num_layers=2, bidirectional=True).double()
    x, lengths = torch.randn(3, 5, E, dtype=torch.float64), torch.tensor([5, 2, 4])
    traces, states = encoder.trace(x, lengths), encoder(x, lengths)[0]
    hidden = torch.cat([traces["l1"].hidden, traces["l1_reverse"].hidden], 2)
    valid = torch.arange(5) < lengths[:, None]
    torch.testing.assert_close(hidden[valid], states[valid], rtol=0, atol=1e-10)
    assert encoder.formula()
