"""A loader that resumes inside an epoch: all that it needs to remember are two integers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

B = TypeVar("B")


class EpochLoader(ABC, Generic[B]):
    """Iterates over the batches of one epoch, from ``index`` to its end, and is then at the start of the next one."""

    epoch = index = 0

    @abstractmethod
    def __len__(self) -> int:
        """How many batches every epoch has."""

    @abstractmethod
    def batches_of(self, epoch: int) -> Callable[[int], B]:
        """What makes a batch of an epoch from its index; the same batch of the same two numbers."""

    def __iter__(self) -> Iterator[B]:
        epoch, num_batches = self.epoch, len(self)
        make = self.batches_of(epoch)
        for index in range(self.index, num_batches):
            # The state advances before the batch is yielded: after the last batch a consumer may not return here.
            last = index + 1 == num_batches
            self.epoch, self.index = (epoch + 1, 0) if last else (epoch, index + 1)
            yield make(index)

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "index": self.index}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch, self.index = state["epoch"], state["index"]
