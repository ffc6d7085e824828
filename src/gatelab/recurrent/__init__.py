"""The recurrent encoders. Knows torch and nothing else of gatelab but its errors."""

from gatelab.recurrent.cell import Cell
from gatelab.recurrent.encoder import CellEncoder, GatedEncoder, GRUEncoder, LSTMEncoder, RNNEncoder
from gatelab.recurrent.layers import GatedLSTM, Recurrent
from gatelab.recurrent.ragged import reverse_valid, valid_mask

__all__ = [
    "Cell",
    "CellEncoder",
    "GRUEncoder",
    "GatedEncoder",
    "GatedLSTM",
    "LSTMEncoder",
    "RNNEncoder",
    "Recurrent",
    "reverse_valid",
    "valid_mask",
]
