from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab.recurrent import GatedEncoder, GRUEncoder, LSTMEncoder, RNNEncoder, reverse_valid, valid_mask

B, T, E, H = 4, 6, 3, 5
LENGTHS = torch.tensor([6, 1, 3, 5])
ENCODERS: list[Any] = [LSTMEncoder, GRUEncoder, RNNEncoder, GatedEncoder]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize(
    ("encoder_type", "torch_type"), [(LSTMEncoder, nn.LSTM), (GRUEncoder, nn.GRU), (RNNEncoder, nn.RNN)]
)
def test_valid_states_are_those_of_a_packed_torch_layer(
    encoder_type: Any, torch_type: Any, num_layers: int, bidirectional: bool
) -> None:
    encoder = encoder_type(E, H, num_layers=num_layers, bidirectional=bidirectional).double()
    theirs = torch_type(E, H, num_layers, batch_first=True, bidirectional=bidirectional).double()
    for layer in range(num_layers):
        for suffix, layers in (("", encoder.forward_layers), ("_reverse", encoder.backward_layers)):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                if suffix == "" or bidirectional:
                    weights = getattr(layers[layer], f"{kind}_l0").data
                    getattr(theirs, f"{kind}_l{layer}{suffix}").data.copy_(weights)
    x = torch.randn(B, T, E).double()
    expected = theirs(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False))[0]
    expected = pad_packed_sequence(expected, batch_first=True, total_length=T)[0]
    valid = valid_mask(LENGTHS, T)
    torch.testing.assert_close(encoder(x, LENGTHS)[valid], expected[valid], rtol=0, atol=1e-10)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_padding_cannot_touch_a_valid_state(encoder_type: Any, bidirectional: bool) -> None:
    encoder = encoder_type(E, H, num_layers=2, bidirectional=bidirectional)
    x = torch.randn(B, T, E)
    valid = valid_mask(LENGTHS, T)
    poisoned = torch.where(valid[..., None], x, 1e6)
    assert torch.equal(encoder(x, LENGTHS)[valid], encoder(poisoned, LENGTHS)[valid])


@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_every_encoder_has_one_interface(encoder_type: Any) -> None:
    encoder = encoder_type(E, H, num_layers=2, bidirectional=True, dropout=0.1)
    assert encoder.output_size == 2 * H
    assert encoder.bidirectional
    assert encoder(torch.randn(B, T, E), LENGTHS).shape == (B, T, 2 * H)
    with pytest.raises(ValueError, match="num_layers"):
        encoder_type(E, H, num_layers=0)
    with pytest.raises(ValueError, match="dropout"):
        encoder_type(E, H, dropout=-0.1)


def test_the_gate_level_encoder_gives_the_states_of_torchs_lstm() -> None:
    theirs, ours = LSTMEncoder(E, H).double(), GatedEncoder(E, H).double()
    ours.lstm.load_state_dict(theirs.forward_layers[0].state_dict())
    x = torch.randn(B, T, E).double()
    valid = valid_mask(LENGTHS, T)
    torch.testing.assert_close(ours(x, LENGTHS)[valid], theirs(x, LENGTHS)[valid], rtol=0, atol=1e-10)


def test_reversing_twice_gives_the_row_again_and_leaves_the_padding() -> None:
    x = torch.arange(B * T, dtype=torch.float).reshape(B, T, 1)
    lengths = torch.tensor([6, 0, 1, 4])
    once = reverse_valid(x, lengths)
    assert torch.equal(reverse_valid(once, lengths), x)
    assert once[3, :, 0].tolist() == [21, 20, 19, 18, 22, 23]
    assert torch.equal(once[1:3], x[1:3])
    assert torch.equal(reverse_valid(x, None), x.flip(1))
