"""A text to a vector of outputs: embed → encode → pool → head. What is made of the outputs is said by the task's module.

B batch, T time, E embedding, D = H × directions, K outputs.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gatelab.annotations import Count, Dropout, Passed
from gatelab.data.batch import Batch, counted_rows
from gatelab.data.tokenize import PAD_ID
from gatelab.errors import ConfigError
from gatelab.tasks.sequence.pooling import pooling_of

Pooling = Literal["last", "mean", "max", "attention"]


class SequenceModule(pl.LightningModule):
    """Reads right-padded token ids; the base of the modules of classification, regression and multi-label classification.

    encoder maps (B, T, E) and lengths (B,) to states (B, T, D) and a state; see gatelab.recurrent.encoder.
    word_vectors (V, E): the first values of the embedding, from the files in model.vectors, which the task reads with vectors_vocab.

    Raises ValueError for an unknown pooling or an encoder without output_size.
    """

    num_counts: ClassVar[int] = 1  # the length of what ``count`` returns
    training_only: ClassVar[tuple[str, ...]] = ()  # keys of the config that a trained model does without

    def __init__(
        self,
        encoder: nn.Module,
        *,
        vocab_size: Passed[int],
        num_outputs: Passed[int],
        word_vectors: Passed[Tensor | None] = None,
        embedding_size: Count | None,
        vectors: str | list[str] | None = None,
        freeze_vectors: bool = False,
        vectors_vocab: Literal["train", "all"] = "train",
        embedding_dropout: Dropout = 0.0,
        dropout: Dropout = 0.0,
        pooling: Pooling = "last",
    ) -> None:
        super().__init__()
        if not isinstance(getattr(encoder, "output_size", None), int):
            raise ValueError(f"{type(encoder).__name__} needs an attribute output_size: the D of its states (B, T, D)")
        if word_vectors is not None:
            embedding_size = word_vectors.shape[1]
        if embedding_size is None:
            raise ValueError("embedding_size is missing, and there are no vectors that it could follow")
        self.embedding = nn.Embedding(vocab_size, embedding_size, padding_idx=PAD_ID)
        if word_vectors is not None:
            self.embedding.weight.data.copy_(word_vectors)
            self.embedding.weight.requires_grad_(not freeze_vectors)
        self.embedding_dropout = nn.Dropout1d(embedding_dropout)
        self.encoder = encoder
        self.pool = pooling_of(pooling, encoder.output_size)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.output_size, num_outputs)  # type: ignore[arg-type]
        # Of the training so far in this epoch: the sum of the losses, then what ``count`` returns.
        self._epoch_sums = torch.zeros(1 + self.num_counts, dtype=torch.float64)
        self.symptoms: list[str] = []  # of the last validation
        self._evaluated: list[tuple[Tensor, Tensor, Tensor]] = []
        self.predictions: tuple[Tensor, Tensor, Tensor] | None = None
        self.outputs: Tensor | None = None  # those that predictions are made of
        self.fits: tuple[str, ...] = ()  # keys of the config that are fitted on the validation once the weights are
        self.fitted: dict[
            str, Any
        ] = {}  # their values by key, the number of rows, and metrics of the validation before and after

    @property
    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """What the constructor takes besides the encoder, vocab_size and the config's keys, to hold these weights again."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Of the rows that count: their "mean", or the "sum" that the first of ``count`` divides. outputs (B, K)."""

    @abstractmethod
    def count(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(num_counts,) sums over the rows that count; the last is their number."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """(B, K) in float64, in the units of the data: probabilities, or numbers."""

    @abstractmethod
    def headline(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        """The metrics of a validation, besides the loss."""

    @abstractmethod
    def find_symptoms(self, metrics: dict[str, float], predictions: Tensor) -> list[str]:
        """Signs in a validation that the model is broken, as clauses."""

    @abstractmethod
    def answer(self, predictions: NDArray[Any], classes: list[str]) -> str:
        """The prediction (K,) of one row in words."""

    @abstractmethod
    def direction(self, predictions: Tensor) -> Tensor:
        """(D,): along which the pooled state of a row with these predictions (K,) moves what was predicted."""

    def toward(self, predictions: Tensor, classes: list[str]) -> tuple[str, str]:
        """What a step along ``direction`` leads to, and one against it, such as toward Positive."""
        return "toward the prediction", "away from it"

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens (B, T), lengths (B,) → outputs (B, K)."""
        x = self.embedding(tokens)  # (B, T, E)
        x = self.embedding_dropout(x.transpose(1, 2)).transpose(1, 2)
        encoded = self.encoder(x, lengths)
        if not isinstance(encoded, tuple):
            raise ConfigError(
                f"encoder: {type(self.encoder).__name__} returned a {type(encoded).__name__}. An encoder returns the states and "
                "the state to continue from: return states, None."
            )
        states, _ = encoded  # (B, T, D)
        pooled = self.pool(states, lengths, getattr(self.encoder, "bidirectional", False))  # (B, D)
        return self.head(self.dropout(pooled))  # (B, K)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        outputs = self(batch.tokens, batch.lengths)
        if self.trainer.world_size > 1:
            return self._part_of_loss(outputs, batch.labels)
        loss = self.loss(outputs, batch.labels)
        counts = self.count(outputs, batch.labels).detach()
        self._log_step(loss, torch.cat([(loss.detach().double() * counts[0]).reshape(1), counts]))
        return loss

    def _part_of_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """This rank's part, such that the mean over ranks, of losses and of gradients, is that of one process with all rows."""
        mine = self.loss(outputs, targets, "sum")
        total = torch.cat([mine.detach().reshape(1), self.count(outputs, targets).detach()])
        torch.distributed.all_reduce(total)
        self.global_loss = total[0] / total[1]
        self._log_step(self.global_loss, total)
        return mine * self.trainer.world_size / total[1]

    def _log_step(self, loss: Tensor, sums: Tensor) -> None:
        self.log("train/loss_step", loss, on_step=True, on_epoch=False)
        self._epoch_sums = self._epoch_sums.to(sums.device) + sums  # on the device: nothing waits for a number

    def epoch_means(self, sums: Tensor) -> dict[str, Tensor]:
        """From the sum of the losses and of what ``count`` returned, over the rows of an epoch."""
        return {"train/loss": sums[0] / sums[1]}

    def _end_epoch(self) -> dict[str, Tensor]:
        """The means of the epoch that has ended; the next begins."""
        means = self.epoch_means(self._epoch_sums)
        self._epoch_sums = torch.zeros_like(self._epoch_sums)
        return means

    def on_train_epoch_end(self) -> None:
        if self._epoch_sums[-1]:  # an epoch without validation
            self.log_dict(self._end_epoch())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["epoch_sums"] = self._epoch_sums.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._epoch_sums = checkpoint.get("epoch_sums", self._epoch_sums)  # which older ones lack

    def validation_step(self, batch: Batch, index: int) -> None:
        self._evaluate(batch)

    def test_step(self, batch: Batch, index: int) -> None:
        self._evaluate(batch)

    def predict_step(self, batch: Batch, index: int) -> None:
        self._evaluate(batch)

    def on_predict_epoch_end(self) -> None:
        """After training, over the rows of the validation: fits what ``fits`` names."""
        _, outputs, targets = self._gather()
        self.fit_to(outputs, targets)

    def fit_to(self, outputs: Tensor, targets: Tensor) -> None:
        """Fit what ``fits`` names to the outputs (N, K) of the validation. Here nothing."""

    def _evaluate(self, batch: Batch) -> None:
        outputs = self(batch.tokens, batch.lengths)
        self._evaluated.append((batch.rows, outputs.float(), batch.labels))

    def on_validation_epoch_start(self) -> None:
        self._evaluated.clear()

    on_test_epoch_start = on_predict_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        _, outputs, targets = self._gather()
        predictions = self.predict(outputs)
        metrics = {"loss": self.loss(outputs.double(), targets).item(), **self.headline(predictions, targets)}
        values = self._end_epoch() if self.trainer.is_last_batch else {}
        values |= {f"validation/{name}": torch.tensor(value, dtype=torch.float64) for name, value in metrics.items()}
        self.symptoms = self.find_symptoms({name: value.item() for name, value in values.items()}, predictions)
        self.log_dict(values)  # of tensors: Lightning rounds other numbers to float32
        if not self.trainer.sanity_checking:
            self.keep(predictions, targets)

    def keep(self, predictions: Tensor, targets: Tensor) -> None:
        """Keep of a validation what is told at the end beside its numbers. Here nothing."""

    def on_test_epoch_end(self) -> None:
        """Leaves (rows (N,), predictions (N, K), targets (N,) or (N, K)) in ``predictions``, in the order of the rows."""
        rows, outputs, targets = self._gather()
        order = rows.argsort()
        self.outputs = outputs[order]
        self.predictions = rows[order].cpu(), self.predict(self.outputs).cpu(), targets[order].cpu()

    def _gather(self) -> tuple[Tensor, Tensor, Tensor]:
        """What every rank has evaluated: rows (N,), outputs (N, K), targets."""
        mine = tuple(torch.cat(parts) for parts in zip(*self._evaluated, strict=True))
        self._evaluated.clear()
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, tuple(tensor.cpu() for tensor in mine))
            rows, outputs, targets = (torch.cat(parts).to(self.device) for parts in zip(*gathered, strict=True))
            counted = counted_rows(targets)
            mine = rows[counted], outputs[counted], targets[counted]
        return mine  # type: ignore[return-value]
