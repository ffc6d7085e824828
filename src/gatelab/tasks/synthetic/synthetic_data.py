"""The data modules of sequences: the training as a function of (seed, epoch, index), validation and test always the same."""

import hashlib
import re
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import numpy as np
import pytorch_lightning as pl
from annotated_types import Gt, Le, MinLen
from numpy.typing import NDArray

from gatelab.annotations import ArgumentsOf, Count, Seed
from gatelab.data.epoch_loader import EpochLoader
from gatelab.errors import ConfigError
from gatelab.tasks.synthetic.sequences import Answer, SequenceBatch, Sequences, as_batch

PARTS = {"train": 0, "validation": 1, "test": 2}  # the first word of the seed of their sequences


class SequenceData(pl.LightningDataModule):
    """Sequences and what must be answered of them, as a subclass has them.

    batch_size counts the sequences of all devices. success: the fraction of sequences that must be right for a length to count as solved.
    seed: of the training sequences and their order.
    """

    answer: ClassVar[Answer]  # what is asked for
    num_features: int = 0  # F of real inputs; 0 where they are symbols
    num_symbols: int = 0  # of the input, where it is of symbols
    num_outputs: int  # symbols that may be answered; 1 for a number
    tolerance: ClassVar[float] = 0.0  # below which the error of a number counts as right
    length: int
    test_lengths: list[int]  # ascending, length among them
    sizes: dict[str, int]  # sequences of an epoch, and of validation and test, the latter at each length

    def __init__(
        self, *, batch_size: Count, eval_batch_size: Count, success: Annotated[float, Gt(0), Le(1)], seed: Seed
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size, self.success, self.seed = batch_size, eval_batch_size, success, seed
        self.targets = ""  # which training sets, for tables

    @abstractmethod
    def training_sequences(self, epoch: int, begin: int, end: int) -> Sequences:
        """Those from begin to end of an epoch, a function of the seed and these numbers alone."""

    @abstractmethod
    def evaluation_sequences(self, part: str, length: int, begin: int, end: int) -> Sequences:
        """Those from begin to end of the validation, or of the test at a length."""

    @abstractmethod
    def baseline(self, length: int) -> dict[str, float]:
        """The metrics of the best answer without memory: one that knows where it is in the sequence, but no earlier input."""

    @abstractmethod
    def note(self) -> str:
        """Where the sequences come from, as a clause."""

    @cached_property
    def prepared(self) -> SimpleNamespace:
        """record: what run.json says. The first test sequences of each length stand for the data in the identity."""
        digest = hashlib.sha256()
        for length in self.test_lengths:
            for array in self.evaluation_sequences("test", length, 0, min(self.sizes["test"], self.eval_batch_size)):
                digest.update(array.tobytes())
        record = {
            "sha256": {"sequences": [digest.hexdigest()]},
            "files": [f"{self.title}, length {self.length}"],
            "split_sizes": self.sizes,
            "unit": "sequence",
            "notes": [self.note()],
        }
        return SimpleNamespace(record=record)

    @property
    def title(self) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).lower()

    def summary(self) -> list[str]:
        lengths = ", ".join(map(str, self.test_lengths))
        sizes = self.sizes
        return [
            f"data        {self.title}, length {self.length}: {sizes['train']:,} training sequences an epoch, {sizes['validation']:,} to "
            f"validate, {sizes['test']:,} to test at length {lengths}; {self.note()}"
        ]

    def train_dataloader(self) -> "SequenceLoader":
        def make(epoch: int, index: int) -> SequenceBatch:
            return self._batch(
                self.training_sequences(epoch, *self._span("train", index, self.batch_size)), self.length
            )

        return SequenceLoader(make, -(-self.sizes["train"] // self.batch_size))

    def val_dataloader(self) -> "SequenceLoader":
        return self._evaluation("validation", [self.length])

    def test_dataloader(self) -> "SequenceLoader":
        return self._evaluation("test", self.test_lengths)

    def _evaluation(self, part: str, lengths: list[int]) -> "SequenceLoader":
        per_length = -(-self.sizes[part] // self.eval_batch_size)

        def make(_: int, index: int) -> SequenceBatch:
            length, span = lengths[index // per_length], self._span(part, index % per_length, self.eval_batch_size)
            return self._batch(self.evaluation_sequences(part, length, *span), length)

        return SequenceLoader(make, per_length * len(lengths))

    def _span(self, part: str, index: int, batch_size: int) -> tuple[int, int]:
        return index * batch_size, min((index + 1) * batch_size, self.sizes[part])

    def _batch(self, sequences: Sequences, length: int) -> SequenceBatch:
        ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return as_batch(sequences, length, *ranks)


class GeneratedData(SequenceData):
    """A problem, whose sequences a subclass generates.

    length: of the sequences or the gap in them, as the problem says; test_lengths: others to test at as well. num_sequences: an epoch of the
    training, of new ones in each, or with fixed=true of the same in another order.
    """

    def __init__(
        self,
        *,
        length: Count,
        test_lengths: Annotated[list[Count], MinLen(1)] | None = None,
        num_sequences: Count,
        num_validation: Count,
        num_test: Count,
        fixed: bool = False,
        **batches: Annotated[Any, ArgumentsOf(SequenceData)],
    ) -> None:
        super().__init__(**batches)
        self.length, self.test_lengths = length, sorted({length, *(test_lengths or ())})
        self.sizes = {"train": num_sequences, "validation": num_validation, "test": num_test}
        self.fixed = fixed

    @abstractmethod
    def generate(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        """num sequences for a length, as in the test."""

    def generate_training(self, random: np.random.Generator, num: int, length: int) -> Sequences:
        """Those of training and validation, where they differ from the test's."""
        return self.generate(random, num, length)

    def at_least(self, shortest: int) -> None:
        """Raises ConfigError for a length that is too short for the problem."""
        if self.test_lengths[0] < shortest:
            key = "length" if self.length < shortest else "test_lengths"
            raise ConfigError(f"data.{key}={self.test_lengths[0]}: is too short. This problem begins at {shortest}.")

    def note(self) -> str:
        return f"generated, those of the training {'the same' if self.fixed else 'new'} in each epoch"

    def training_sequences(self, epoch: int, begin: int, end: int) -> Sequences:
        if not self.fixed:
            return self.generate_training(random_of("train", self.seed, epoch, begin), end - begin, self.length)
        return self._training_set.take(shuffled(self.sizes["train"], self.seed, epoch)[begin:end])

    @cached_property
    def _training_set(self) -> Sequences:
        return self.generate_training(random_of("train", self.seed), self.sizes["train"], self.length)

    def evaluation_sequences(self, part: str, length: int, begin: int, end: int) -> Sequences:
        make = self.generate_training if part == "validation" else self.generate
        return make(random_of(part, length, begin), end - begin, length)


def random_of(part: str, *numbers: int) -> np.random.Generator:
    entropy = [PARTS[part], *(number % 2**64 for number in numbers)]  # which takes no negative one
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def shuffled(num: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(num)


class SequenceLoader(EpochLoader[SequenceBatch]):
    """make: a batch from epoch and index."""

    def __init__(self, make: Callable[[int, int], SequenceBatch], num_batches: int) -> None:
        self.make, self.num_batches = make, num_batches

    def __len__(self) -> int:
        return self.num_batches

    def batches_of(self, epoch: int) -> Callable[[int], SequenceBatch]:
        return partial(self.make, epoch)
