"""Handwritten digits pixel by pixel (Le, Jaitly & Hinton 2015, on MNIST), and MNIST-1D (Greydanus & Kobak 2024) from a file."""

import os
import zipfile
from functools import cached_property
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from gatelab.annotations import ArgumentsOf
from gatelab.bounded import regular
from gatelab.data.formats.records import MAX_UNPACKING
from gatelab.errors import DataError
from gatelab.tasks.synthetic.sequences import Sequences, at_the_end
from gatelab.tasks.synthetic.synthetic_data import SequenceData, shuffled

ARRAYS = ("x", "y", "x_test", "y_test")
TEST_OF_DIGITS = 297  # of scikit-learn's 1,797 digits, the last ones: by other writers than the first
TO_VALIDATE = 6  # one in so many training sequences
MAX_CLASSES = 1000


class SeqDigits(SequenceData):
    """A number at a step; asked at the end is the digit. Without a path scikit-learn's digits: 1,797 images of 8 × 8 pixels, row by row.

    path: an .npz with the arrays x (N, T), y (N,), x_test and y_test, such as MNIST-1D: 4,000 and 1,000 sequences of 40 steps. The last sixth of
    the training rows validates. permuted: the steps in another order, the same for all. Raises DataError for a file that is not so.
    """

    answer = "symbol"
    num_features = 1

    def __init__(
        self, *, path: str | None = None, permuted: bool = False, **batches: Annotated[Any, ArgumentsOf(SequenceData)]
    ) -> None:
        super().__init__(**batches)
        self.path, self.permuted = path, permuted

    @cached_property
    def prepared(self) -> SimpleNamespace:
        x, y, x_test, y_test = read_digits() if self.path is None else read_arrays(self.path)
        cut, num_steps = len(x) - len(x) // TO_VALIDATE, x.shape[1]
        order = np.random.default_rng(0).permutation(num_steps) if self.permuted else np.arange(num_steps)
        rows = {"train": (x[:cut], y[:cut]), "validation": (x[cut:], y[cut:]), "test": (x_test, y_test)}
        self.tables = {part: as_sequences(inputs[:, order], digits) for part, (inputs, digits) in rows.items()}
        self.sizes = {part: len(digits) for part, (_, digits) in rows.items()}
        self.length, self.test_lengths = num_steps, [num_steps]
        self.num_outputs = int(max(y.max(), y_test.max())) + 1
        record: SimpleNamespace = super().prepared
        return record

    def training_sequences(self, epoch: int, begin: int, end: int) -> Sequences:
        return self.tables["train"].take(shuffled(self.sizes["train"], self.seed, epoch)[begin:end])

    def evaluation_sequences(self, part: str, length: int, begin: int, end: int) -> Sequences:
        return self.tables[part].take(slice(begin, end))

    def baseline(self, length: int) -> dict[str, float]:
        """The share of the most frequent digit of the training in the test."""
        train, test = (self.tables[part].targets[:, -1] for part in ("train", "test"))
        return {"sequences_right": float((test == np.bincount(train).argmax()).mean())}

    def note(self) -> str:
        return "scikit-learn's digits" if self.path is None else f"from {self.path}"


def as_sequences(x: NDArray[Any], y: NDArray[Any]) -> Sequences:
    lengths = np.full(len(x), x.shape[1])
    return Sequences(np.ascontiguousarray(x, np.float32)[:, :, None], lengths, at_the_end(y.astype(np.int64), lengths))


def read_digits() -> tuple[NDArray[Any], ...]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, cut = x / 16, len(y) - TEST_OF_DIGITS
    return x[:cut], y[:cut], x[cut:], y[cut:]


def read_arrays(path: str) -> tuple[NDArray[Any], ...]:
    """The arrays of an .npz, checked."""
    try:
        with open(path, "rb", opener=regular) as stream, np.load(stream, allow_pickle=False) as file:
            if (
                sum(member.file_size for member in file.zip.infolist())
                > MAX_UNPACKING * os.fstat(stream.fileno()).st_size
            ):
                raise DataError(
                    f"data.path={path}: unpacks to more than {MAX_UNPACKING:g} times its size. Write it with numpy.savez."
                )
            missing = [name for name in ARRAYS if name not in file]
            if missing:
                raise DataError(
                    f"data.path={path}: lacks the arrays {', '.join(missing)}. It needs {', '.join(ARRAYS)}."
                )
            x, y, x_test, y_test = (file[name] for name in ARRAYS)
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "it is no .npz of plain arrays"
        raise DataError(
            f"data.path={path}: cannot be read: {reason}. Write it with numpy.savez(path, x=…, y=…, x_test=…, y_test=…)."
        ) from None
    for name, inputs, digits in (("", x, y), ("_test", x_test, y_test)):
        if (
            inputs.ndim != 2
            or digits.shape != inputs.shape[:1]
            or inputs.shape[1] != x.shape[1]
            or len(inputs) < TO_VALIDATE
        ):
            raise DataError(
                f"data.path={path}: x{name} has the shape {inputs.shape} and y{name} {digits.shape}. They are (N, T) and (N,), with one T."
            )
        if inputs.dtype.kind not in "fiu" or not np.isfinite(inputs).all():
            raise DataError(f"data.path={path}: x{name} holds what is no finite number.")
        if digits.dtype.kind not in "iu" or digits.min() < 0 or digits.max() >= MAX_CLASSES:
            raise DataError(f"data.path={path}: y{name} holds what is no class from 0 to {MAX_CLASSES - 1}.")
    return x, y, x_test, y_test
