"""The recurrent encoders. Knows torch and nothing else of gatelab."""

from gatelab.recurrent.cell import Cell
from gatelab.recurrent.encoder import GatedEncoder, GRUEncoder, LSTMEncoder, RNNEncoder
from gatelab.recurrent.gated import GatedLSTM
from gatelab.recurrent.ragged import reverse_valid, valid_mask

__all__ = [
    "Cell",
    "GRUEncoder",
    "GatedEncoder",
    "GatedLSTM",
    "LSTMEncoder",
    "RNNEncoder",
    "reverse_valid",
    "valid_mask",
]
