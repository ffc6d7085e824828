"""A sequence of numbers or symbols to what is asked of it: the encoder's states after the steps that are asked → head.

B batch, T time, F features, E what the encoder reads of a step, D = states of the encoder, A answers that are asked for, K outputs.
"""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.annotations import Count, Passed, Positive
from gatelab.tasks.base import Task
from gatelab.tasks.synthetic.sequences import Answer, SequenceBatch, asked
from gatelab.tasks.synthetic.synthetic_scores import NUM_SUMS, losses_of, metrics_of, sums_of


class SyntheticModule(pl.LightningModule):
    """Real inputs go into the encoder as they are, symbols one-hot, or embedded where embedding_size is given.

    answer, num_symbols, num_outputs, tolerance and success are those of the data, see ``SequenceData``; input_size is what the encoder
    was built for. ``seen`` counts the training sequences until a validation counts as solved, which ends the training; None before.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        answer: Passed[Answer],
        num_symbols: Passed[int],
        num_outputs: Passed[int],
        tolerance: Passed[float] = 0.0,
        success: Passed[Positive] = 1.0,
        sequences_an_epoch: Passed[int] = 0,
        embedding_size: Count | None = None,
    ) -> None:
        super().__init__()
        self.answer, self.num_symbols, self.tolerance, self.success = answer, num_symbols, tolerance, success
        self.sequences_an_epoch = sequences_an_epoch
        self.embedding = nn.Embedding(num_symbols, embedding_size) if num_symbols and embedding_size else None
        self.encoder = encoder
        self.head = nn.Linear(encoder.output_size, num_outputs)  # type: ignore[arg-type]
        self.seen: int | None = None
        self.by_length: dict[int, Tensor] = {}  # of the test: sums (NUM_SUMS,)
        self._epoch_sums = torch.zeros(NUM_SUMS, dtype=torch.float64)
        self._validation_sums = torch.zeros(NUM_SUMS, dtype=torch.float64)

    @classmethod
    def task(cls) -> Task:
        from gatelab.tasks.synthetic.synthetic_task import SyntheticTask

        return SyntheticTask()

    def embed(self, inputs: Tensor) -> Tensor:
        """(B, T, F) or (B, T) → (B, T, E)"""
        if self.embedding is not None:
            return self.embedding(inputs)
        if self.num_symbols:
            return F.one_hot(inputs, self.num_symbols).to(self.head.weight.dtype)
        return inputs.to(self.head.weight.dtype)

    def forward(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """(A, K): the outputs after the steps that targets (B, T) ask of, row by row."""
        states, _ = self.encoder(self.embed(inputs), lengths)  # (B, T, D)
        return self.head(states[asked(targets)])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(A,)"""
        return losses_of(
            self.answer, outputs.to(torch.promote_types(outputs.dtype, torch.float32)), targets[asked(targets)]
        )

    def training_step(self, batch: SequenceBatch, index: int) -> Tensor:
        outputs = self(batch.inputs, batch.lengths, batch.targets)
        losses = self.loss(outputs, batch.targets)
        sums = self._add_up(self._sums(outputs.detach(), batch.targets))
        self._epoch_sums = self._epoch_sums.to(sums.device) + sums
        self.global_loss = sums[0] / sums[1]
        self.log("train/loss_step", self.global_loss, on_step=True, on_epoch=False)
        # Of several ranks the mean of these losses, and so of their gradients, is that over all answers.
        return losses.sum() * self.trainer.world_size / sums[1].to(losses.dtype)

    def _sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return sums_of(self.answer, outputs, targets, self.tolerance)

    def _add_up(self, sums: Tensor) -> Tensor:
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(sums)
        return sums

    def validation_step(self, batch: SequenceBatch, index: int) -> None:
        self._validation_sums = self._validation_sums.to(self.device) + self._sums(
            self(batch.inputs, batch.lengths, batch.targets), batch.targets
        )

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """A gradient that vanishes passes through denormal numbers, on which a processor is several times slower: here they are 0."""
        torch.set_flush_denormal(True)
        try:
            super().backward(loss, *args, **kwargs)
        finally:
            torch.set_flush_denormal(False)

    def on_validation_epoch_start(self) -> None:
        self._validation_sums = torch.zeros_like(self._validation_sums)

    def on_validation_epoch_end(self) -> None:
        found = metrics_of(self._add_up(self._validation_sums))
        values = {f"validation/{name}": value for name, value in found.items()}
        if self.trainer.is_last_batch:
            values |= self._end_epoch()
            if found["sequences_right"] >= self.success:
                self.seen = self.seen or (self.current_epoch + 1) * self.sequences_an_epoch
                self.trainer.should_stop = True
        self.log_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()})

    def _end_epoch(self) -> dict[str, float]:
        """The means of the epoch that has ended; the next begins."""
        found = metrics_of(self._epoch_sums)
        self._epoch_sums = torch.zeros_like(self._epoch_sums)
        return {f"train/{name}": value for name, value in found.items()}

    def on_train_epoch_end(self) -> None:
        if self._epoch_sums[1]:  # an epoch without validation
            self.log_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in self._end_epoch().items()})

    def on_test_epoch_start(self) -> None:
        self.by_length = {}

    def test_step(self, batch: SequenceBatch, index: int) -> None:
        sums = self._sums(self(batch.inputs, batch.lengths, batch.targets), batch.targets)
        self.by_length[batch.length] = self.by_length.get(batch.length, torch.zeros_like(sums)) + sums

    def on_test_epoch_end(self) -> None:
        self.by_length = {length: self._add_up(sums).cpu() for length, sums in self.by_length.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["epoch_sums"], checkpoint["sequences_seen"] = self._epoch_sums.cpu(), self.seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._epoch_sums, self.seen = checkpoint["epoch_sums"], checkpoint["sequences_seen"]
