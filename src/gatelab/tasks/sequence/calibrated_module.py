"""A module with probabilities, whose temperature and threshold may be fitted on the validation once its weights are.

N rows, K outputs.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from gatelab.annotations import ArgumentsOf, Positive
from gatelab.tasks.sequence.sequence_module import SequenceModule

FIT = "fit"
TEMPERATURES = (0.1, 10.0)  # where all rows are right, or none says anything, the best would be 0 or infinite
THRESHOLDS = sorted((k / 100 for k in range(1, 100)), key=lambda threshold: abs(threshold - 0.5))


class CalibratedModule(SequenceModule):
    """The base of classification and multi-label classification.

    temperature: what the outputs are divided by before they become probabilities (Guo et al. 2017, "On Calibration of Modern Neural
    Networks", section 4.2). threshold: the probability from which a class or label is predicted. "fit": the temperature that minimises
    the negative log-likelihood of the validation rows, without weights; then the threshold, of 0.01 to 0.99, with their largest
    macro-F1, and of several the nearest to 0.5.
    """

    unfitted_threshold: ClassVar[float | None]
    temperature: float
    threshold: float | None

    def __init__(
        self,
        encoder: nn.Module,
        *,
        temperature: Positive | Literal["fit"] = 1.0,
        threshold: float | Literal["fit"] | None,
        **reading: Annotated[Any, ArgumentsOf(SequenceModule)],
    ) -> None:
        super().__init__(encoder, **reading)
        self.fits = tuple(
            name for name, value in (("temperature", temperature), ("threshold", threshold)) if value == FIT
        )
        self.temperature = 1.0 if isinstance(temperature, str) else temperature
        self.threshold = self.unfitted_threshold if isinstance(threshold, str) else threshold

    @abstractmethod
    def probabilities(self, outputs: Tensor) -> Tensor:
        """(N, K) in float64 from outputs at temperature 1."""

    @abstractmethod
    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over rows, or rows and labels, of outputs (N, K) in float64 at temperature 1; no class or row has a weight."""

    def predict(self, outputs: Tensor) -> Tensor:
        """The probability of each class or label."""
        return self.probabilities(outputs.double() / self.temperature)

    def fit_to(self, outputs: Tensor, targets: Tensor) -> None:
        outputs = outputs.double()
        before = self._measured(outputs, targets)
        if "temperature" in self.fits:
            self.temperature = fit_temperature(lambda value: -self.log_likelihood(outputs / value, targets).item())
        if "threshold" in self.fits:
            predictions = self.predict(outputs)

            def macro_f1(threshold: float) -> float:
                self.threshold = threshold
                return self.headline(predictions, targets)["macro_f1"]

            self.threshold = fit_threshold(macro_f1)
        values = {name: float(getattr(self, name)) for name in self.fits}
        measured = {"before": before, "after": self._measured(outputs, targets)}
        self.fitted = {**values, "rows": len(outputs), **measured}

    def _measured(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        negative = -self.log_likelihood(outputs / self.temperature, targets).item()
        return {"nll": negative, **self.headline(self.predict(outputs), targets)}

    @contextmanager
    def unfitted(self) -> Iterator[None]:
        """As it was before ``fit_to``."""
        fitted = {name: getattr(self, name) for name in self.fits}
        start = {"temperature": 1.0, "threshold": self.unfitted_threshold}
        try:
            for name in fitted:
                setattr(self, name, start[name])
            yield
        finally:
            for name, value in fitted.items():
                setattr(self, name, value)


def fit_temperature(loss: Callable[[float], float]) -> float:
    """Where the loss, which is convex in 1 / temperature, is smallest within TEMPERATURES."""
    bounds = tuple(np.log(TEMPERATURES).tolist())
    found = minimize_scalar(
        lambda log: loss(float(np.exp(log))), bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def fit_threshold(score: Callable[[float], float]) -> float:
    """The one of THRESHOLDS with the largest score; NaN is the smallest."""
    return max(THRESHOLDS, key=lambda threshold: np.nan_to_num(score(threshold), nan=-np.inf))
