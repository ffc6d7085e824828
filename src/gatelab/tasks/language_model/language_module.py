"""A language model: embed → encode, the state carried from window to window → softmax over the next token.

B columns, T steps of a window, E embedding, D = states of the encoder, V vocabulary.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.annotations import Count, Dropout, Passed
from gatelab.tasks.base import Task
from gatelab.tasks.language_model.language_scores import TextSize, language_metrics
from gatelab.tasks.language_model.output_layer import AdaptiveSoftmax, Softmax
from gatelab.tasks.language_model.sampling import sample_ids
from gatelab.tasks.language_model.text_streams import Window
from gatelab.tasks.sequence.broken_numbers import broken_numbers

LOGGED = ("perplexity", "bits_per_character", "loss")  # while it learns; the test has more
SAMPLE_LENGTH = 200  # tokens after each validation
SAMPLE_TEMPERATURE = 0.8
State = tuple[Tensor, ...]


class LanguageModel(pl.LightningModule):
    """The probability of the next token, from all before it.

    start_id, unknown_id: see ``TextTokenizer``. embedding_size: the encoder's size where it is None.
    tied: one matrix for embedding and softmax (Inan et al. 2017; Press & Wolf 2017), for which both have one size.
    adaptive_softmax: see ``AdaptiveSoftmax``; untied.
    Dropout in training: embedding_dropout of whole tokens (Gal & Ghahramani 2016), input_dropout of embedded tokens, output_dropout of
    the last layer's states; with locked_dropout the latter two take one mask for all steps of a window. The others are the encoder's:
    dropout (between layers), input_dropout, recurrent_dropout, weight_drop.

    Raises ValueError for settings that contradict each other.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        vocab_size: Passed[int],
        start_id: Passed[int],
        unknown_id: Passed[int | None],
        embedding_size: Count | None = None,
        tied: bool = True,
        adaptive_softmax: list[Count] | None = None,
        embedding_dropout: Dropout = 0.0,
        input_dropout: Dropout = 0.0,
        output_dropout: Dropout = 0.0,
        locked_dropout: bool = False,
    ) -> None:
        super().__init__()
        output_size: int = encoder.output_size  # type: ignore[assignment]
        embedding_size = embedding_size or output_size
        if tied and adaptive_softmax:
            raise ValueError("model.adaptive_softmax has no matrix of its own to tie. Give model.tied=false")
        if tied and embedding_size != output_size:
            raise ValueError(
                f"model.tied=true needs one size, and the embedding has {embedding_size} while the encoder's states have {output_size}. "
                "Give model.embedding_size=null or model.tied=false"
            )
        self.start_id, self.unknown_id, self.tied = start_id, unknown_id, tied
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.encoder = encoder
        self.output_layer: Softmax | AdaptiveSoftmax
        if adaptive_softmax:
            check_cutoffs(adaptive_softmax, vocab_size)
            self.output_layer = AdaptiveSoftmax(output_size, vocab_size, adaptive_softmax)
        else:
            self.output_layer = Softmax(output_size, vocab_size)
            nn.init.zeros_(self.output_layer.bias)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        if tied:
            self.output_layer.weight = self.embedding.weight
        self.embedding_dropout, self.locked_dropout = embedding_dropout, locked_dropout
        self.input_dropout, self.output_dropout = input_dropout, output_dropout
        self.sizes: dict[str, TextSize] = {}  # of the parts of the text; set before training
        self.usual_window: int | None = (
            None  # set where windows vary: the rate of a step is in proportion to its window
        )
        self.samples: list[list[int]] = []  # drawn after each validation
        self.symptoms: list[str] = []  # of the last validation
        self.token_losses: Tensor | None = None  # (N,) of the test, in the order of the text
        self._state: State | None = None  # carried through training
        self._evaluated_state: State | None = None
        self._evaluated: list[Tensor] = []
        self._sums = torch.zeros(2, dtype=torch.float64)  # of this epoch's training: losses, tokens

    @classmethod
    def task(cls) -> Task:
        from gatelab.tasks.language_model.language_task import LanguageModelling

        return LanguageModelling()

    @property
    def arguments(self) -> dict[str, Any]:
        """What the constructor takes besides the encoder and the config's keys."""
        return {"vocab_size": self.embedding.num_embeddings, "start_id": self.start_id, "unknown_id": self.unknown_id}

    def forward(self, tokens: Tensor, state: Sequence[Tensor] | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """tokens (B, T) → states (B, T, D) that the output layer reads, and the state to go on from."""
        x = self._embedded(tokens)  # (B, T, E)
        x = self._dropped(x, self.input_dropout)
        lengths = torch.full(tokens.shape[:1], tokens.shape[1])
        states, state = self.encoder(x, lengths, state)
        return self._dropped(states, self.output_dropout), state

    def losses(self, tokens: Tensor, targets: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The loss (B, T) of each target in nats, and the state, detached."""
        states, after = self(tokens, state)
        losses = self.output_layer.losses(states.flatten(0, 1), targets.flatten())
        return losses.view_as(targets), tuple(part.detach() for part in after)

    def _embedded(self, tokens: Tensor) -> Tensor:
        if not (self.training and self.embedding_dropout):
            return self.embedding(tokens)
        kept = 1 - self.embedding_dropout
        mask = self.embedding.weight.new_empty(self.embedding.num_embeddings, 1).bernoulli_(kept) / kept
        return F.embedding(tokens, self.embedding.weight * mask)

    def _dropped(self, x: Tensor, dropout: float) -> Tensor:
        if not dropout:
            return x
        if self.locked_dropout:
            return F.dropout1d(x.transpose(1, 2), dropout, self.training).transpose(1, 2)
        return F.dropout(x, dropout, self.training)

    def training_step(self, window: Window, index: int) -> Tensor:
        state = None if window.is_first else self._state
        losses, self._state = self.losses(window.tokens, window.targets, state)
        mine, world_size = losses.sum(), self.trainer.world_size
        sums = torch.stack([mine.detach().double(), mine.new_tensor(losses.numel(), dtype=torch.float64)])
        if world_size > 1:
            torch.distributed.all_reduce(sums)
        self._sums = self._sums.to(sums.device) + sums
        self.global_loss = (sums[0] / sums[1]).float()
        self.log("train/loss_step", self.global_loss, on_step=True, on_epoch=False, batch_size=1)
        return mine * (world_size / sums[1].float())  # the mean over ranks is that of one process with all columns

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        if self.usual_window is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            return
        rates = [group["lr"] for group in optimizer.param_groups]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * self._window / self.usual_window
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def on_train_batch_start(self, batch: Window, batch_idx: int) -> None:
        self._window = batch.tokens.shape[1]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["carried_states"] = every_state(self._state, self.trainer.world_size)
        checkpoint["epoch_sums"], checkpoint["samples"] = self._sums.cpu(), self.samples

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        states = checkpoint["carried_states"]  # one a rank
        state = states[self.trainer.global_rank % len(states)]
        self._state = None if state is None else tuple(part.to(self.device) for part in state)
        self._sums, self.samples = checkpoint["epoch_sums"], checkpoint["samples"]

    def on_validation_epoch_start(self) -> None:
        self._evaluated_state = None
        self._evaluated.clear()

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, window: Window, index: int) -> None:
        losses, self._evaluated_state = self.losses(window.tokens, window.targets, self._evaluated_state)
        self._evaluated.append(losses.flatten())

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        values = self._end_epoch() if self.trainer.is_last_batch else {}
        loss = torch.cat(self._evaluated).double().mean().item()
        values |= logged_metrics("validation", loss, self.sizes["validation"])
        losses = {name: value for name, value in values.items() if name.endswith("loss")}
        self.symptoms = self.find_symptoms(losses)
        self.samples.append(self.sample(SAMPLE_LENGTH, seed=len(self.samples)))
        self.log_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}, batch_size=1)

    def on_train_epoch_end(self) -> None:
        if self._sums[1]:  # an epoch without validation
            values = self._end_epoch()
            self.log_dict({k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()}, batch_size=1)

    def _end_epoch(self) -> dict[str, float]:
        """The means of the epoch that has ended; the next begins."""
        loss = (self._sums[0] / self._sums[1]).item()
        self._sums = torch.zeros_like(self._sums)
        return logged_metrics("train", loss, self.sizes["train"])

    def on_test_epoch_end(self) -> None:
        self.token_losses = torch.cat(self._evaluated).cpu()

    def find_symptoms(self, metrics: dict[str, float]) -> list[str]:
        """Signs that the model is broken, as clauses."""
        guess = torch.tensor(float(self.embedding.num_embeddings)).log().item()
        return broken_numbers(metrics, guess, f"{guess:.2f}, the loss of a uniform guess")

    def sample(self, length: int, *, seed: int) -> list[int]:
        """Ids of a text as it would begin; no random generator of training is touched."""
        was_training = self.training
        self.eval()
        drawn = sample_ids(
            self, [self.start_id], temperature=SAMPLE_TEMPERATURE, generator=torch.Generator().manual_seed(seed),
            unknown_id=self.unknown_id,
        )  # fmt: skip
        ids = list(islice(drawn, length))
        self.train(was_training)
        return ids


def logged_metrics(part: str, loss: float, size: TextSize) -> dict[str, float]:
    metrics = language_metrics(loss, size)
    return {f"{part}/{name}": metrics[name] for name in LOGGED}


def check_cutoffs(cutoffs: Sequence[int], vocab_size: int) -> None:
    if list(cutoffs) != sorted(set(cutoffs)) or cutoffs[-1] >= vocab_size:
        raise ValueError(
            f"model.adaptive_softmax={list(cutoffs)}: are ascending ids at which clusters begin, below the vocabulary of {vocab_size:,}"
        )


def every_state(state: State | None, world_size: int) -> list[State | None]:
    """That of each process, in the order of their ranks."""
    mine = None if state is None else tuple(part.cpu() for part in state)
    if world_size == 1:
        return [mine]
    states: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(states, mine)
    return states
