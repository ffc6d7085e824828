"""The shipped cells: their equations, one short file a family."""

from gatelab.recurrent.cells.lstm import LSTM

__all__ = ["LSTM"]
