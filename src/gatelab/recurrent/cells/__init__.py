"""The shipped cells: their equations, one short file a family."""

from gatelab.recurrent.cells.gru import GRU, GRU2014
from gatelab.recurrent.cells.indrnn import IndRNN
from gatelab.recurrent.cells.lstm import LSTM
from gatelab.recurrent.cells.mgu import MGU
from gatelab.recurrent.cells.minimal import MinGRU, MinLSTM
from gatelab.recurrent.cells.ran import RAN
from gatelab.recurrent.cells.rnn import RNN
from gatelab.recurrent.cells.slstm import SLSTM
from gatelab.recurrent.cells.sru import SRU
from gatelab.recurrent.cells.ugrnn import UGRNN

__all__ = ["GRU", "GRU2014", "LSTM", "MGU", "RAN", "RNN", "SLSTM", "SRU", "UGRNN", "IndRNN", "MinGRU", "MinLSTM"]
