"""From states to the probability of each token: one softmax, or an adaptive one. N states, D their size, V vocabulary."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from gatelab.tasks.language_model.cross_entropy import cross_entropy


class Softmax(nn.Linear):
    """A softmax over all tokens."""

    def losses(self, states: Tensor, targets: Tensor) -> Tensor:
        """The negative log-probability (N,) of targets (N,), in nats; states (N, D)."""
        logits = self(states).float()
        return cross_entropy(logits, targets) if logits.is_cpu else F.cross_entropy(logits, targets, reduction="none")

    def log_probabilities(self, states: Tensor) -> Tensor:
        """(N, V)."""
        return F.log_softmax(self(states).float(), dim=-1)


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """Clusters of ever rarer tokens, each with a smaller projection (Grave et al. 2017). cutoffs: the id at which each cluster
    begins; ids are in the order of frequency."""

    def __init__(self, in_features: int, n_classes: int, cutoffs: Sequence[int]) -> None:
        super().__init__(in_features, n_classes, list(cutoffs))

    def losses(self, states: Tensor, targets: Tensor) -> Tensor:
        return -self(states, targets).output.float()

    def log_probabilities(self, states: Tensor) -> Tensor:
        return self.log_prob(states).float()
