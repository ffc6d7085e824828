"""A text classifier: embed → encode → pool → head.

B batch, T time, E embedding, D = H × directions, K classes.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.annotations import Count, Dropout, Passed, Positive
from gatelab.data.batch import NO_LABEL, Batch
from gatelab.data.tokenize import PAD_ID
from gatelab.errors import ConfigError
from gatelab.tasks.base import Task
from gatelab.tasks.classification.pooling import POOLINGS
from gatelab.tasks.classification.scores import headline_metrics
from gatelab.tasks.classification.symptoms import symptoms


class SequenceClassifier(pl.LightningModule):
    """Classifies right-padded token ids.

    encoder maps (B, T, E) and lengths (B,) to states (B, T, D) and a state; see gatelab.recurrent.encoder.
    label_counts (K,): the training rows of each class, for balanced class_weights; equal where None.
    word_vectors (V, E): the first values of the embedding, from the files in vectors, which the task reads with vectors_vocab.

    Raises ValueError for an unknown pooling or an encoder without output_size, ConfigError unless there are K weights.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        encoder: nn.Module,
        *,
        vocab_size: Passed[int],
        num_classes: Passed[int],
        label_counts: Passed[Sequence[int] | None] = None,
        word_vectors: Passed[Tensor | None] = None,
        embedding_size: Count | None,
        vectors: str | list[str] | None = None,
        freeze_vectors: bool = False,
        vectors_vocab: Literal["train", "all"] = "train",
        embedding_dropout: Dropout = 0.0,
        dropout: Dropout = 0.0,
        pooling: Literal["last", "mean", "max"] = "last",
        class_weights: Literal["balanced"] | list[Positive] | None = None,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"model.pooling must be one of {', '.join(POOLINGS)}, not {pooling}")
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
        self.pool = POOLINGS[pooling]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.output_size, num_classes)  # type: ignore[arg-type]
        weights = weigh_classes(class_weights, label_counts or [1] * num_classes)
        self.register_buffer("class_weights", None if weights is None else torch.tensor(weights), False)
        # Of the training so far in this epoch: weighted loss, weights, correct rows, rows.
        self._epoch_sums = torch.zeros(4, dtype=torch.float64)
        self.symptoms: list[str] = []  # of the last validation
        self._evaluated: list[tuple[Tensor, Tensor, Tensor]] = []
        self.predictions: tuple[Tensor, Tensor, Tensor] | None = None

    @classmethod
    def task(cls) -> Task:
        from gatelab.tasks.classification.task import Classification

        return Classification()

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens (B, T), lengths (B,) → logits (B, K)."""
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
        logits = self(batch.tokens, batch.lengths)
        if self.trainer.world_size > 1:
            return self._part_of_loss(logits, batch.labels)
        loss = F.cross_entropy(logits, batch.labels, weight=self.class_weights)
        counts = self._count(logits, batch.labels)
        self._log_step(loss, torch.cat([(loss.detach().double() * counts[0]).reshape(1), counts]))
        return loss

    def _part_of_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """This rank's part, such that the mean over ranks, of losses and of gradients, is that of one process with all rows."""
        mine = F.cross_entropy(logits, labels, weight=self.class_weights, reduction="sum")
        total = torch.cat([mine.detach().reshape(1), self._count(logits, labels)])
        torch.distributed.all_reduce(total)
        self.global_loss = total[0] / total[1]
        self._log_step(self.global_loss, total)
        return mine * self.trainer.world_size / total[1]

    def _count(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(3,): the weights of the rows that count, how many of them are correct, and how many there are."""
        counted = labels != NO_LABEL
        rows = counted.sum().float()
        weight = rows if self.class_weights is None else (self.class_weights[labels.clamp(min=0)] * counted).sum()
        return torch.stack([weight, (logits.argmax(1) == labels).sum(), rows]).detach()

    def _log_step(self, loss: Tensor, sums: Tensor) -> None:
        self.log("train/loss_step", loss, on_step=True, on_epoch=False)
        self._epoch_sums = self._epoch_sums.to(sums.device) + sums  # on the device: nothing waits for a number

    def _epoch_means(self) -> dict[str, Tensor]:
        """Over the rows of the epoch that has ended; the next begins."""
        loss, weight, correct, rows = self._epoch_sums
        self._epoch_sums = torch.zeros_like(self._epoch_sums)
        return {"train/loss": loss / weight, "train/accuracy": correct / rows}

    def on_train_epoch_end(self) -> None:
        if self._epoch_sums[-1]:  # an epoch without validation
            self.log_dict(self._epoch_means())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["epoch_sums"] = self._epoch_sums.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._epoch_sums = checkpoint.get("epoch_sums", self._epoch_sums)  # which older ones lack

    def validation_step(self, batch: Batch, index: int) -> None:
        self._evaluate(batch)

    def test_step(self, batch: Batch, index: int) -> None:
        self._evaluate(batch)

    def _evaluate(self, batch: Batch) -> None:
        logits = self(batch.tokens, batch.lengths)
        self._evaluated.append((batch.rows, logits.float(), batch.labels))

    def on_validation_epoch_start(self) -> None:
        self._evaluated.clear()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        _, logits, labels = self._gather()
        weights = None if self.class_weights is None else self.class_weights.double()
        loss = F.cross_entropy(logits.double(), labels, weight=weights)
        predicted_counts = logits.argmax(1).bincount(minlength=logits.shape[1]).tolist()
        metrics = {"loss": loss.item(), **headline_metrics(logits.double().softmax(1), labels)}
        values = self._epoch_means() if self.trainer.is_last_batch else {}
        values |= {f"validation/{name}": torch.tensor(value, dtype=torch.float64) for name, value in metrics.items()}
        self.symptoms = symptoms({name: value.item() for name, value in values.items()}, predicted_counts)
        self.log_dict(values)  # of tensors: Lightning rounds other numbers to float32

    def on_test_epoch_end(self) -> None:
        """Leaves (rows (N,), probabilities (N, K), labels (N,)) in ``predictions``, in the order of the rows."""
        rows, logits, labels = self._gather()
        order = rows.argsort()
        self.predictions = rows[order].cpu(), logits[order].double().softmax(1).cpu(), labels[order].cpu()

    def _gather(self) -> tuple[Tensor, Tensor, Tensor]:
        """What every rank has evaluated, as three tensors with N rows."""
        mine = tuple(torch.cat(parts) for parts in zip(*self._evaluated, strict=True))
        self._evaluated.clear()
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, tuple(tensor.cpu() for tensor in mine))
            rows, logits, labels = (torch.cat(parts).to(self.device) for parts in zip(*gathered, strict=True))
            counted = labels != NO_LABEL
            mine = rows[counted], logits[counted], labels[counted]
        return mine  # type: ignore[return-value]


def weigh_classes(wanted: Literal["balanced"] | Sequence[float] | None, counts: Sequence[int]) -> list[float] | None:
    """model.class_weights as numbers: "balanced" gives every class the same total weight over the training rows."""
    if wanted is None:
        return None
    if wanted == "balanced":
        sizes = np.asarray(counts, dtype=float)
        return (sizes.sum() / (len(sizes) * sizes)).tolist()
    if len(wanted) != len(counts):
        raise ConfigError(f"model.class_weights: has {len(wanted)} weights for {len(counts)} classes.")
    return [float(weight) for weight in wanted]
