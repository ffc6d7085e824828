"""The words of a text tinted: by the running prediction, by how much each changed it, by its integrated gradient. T tokens."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.charts.colours import OPENNESS, SIGNED, extent, fractions

STEPS = 10  # classes o0 to o10 and d0 to d10 of the style sheet


@dataclass(frozen=True)
class Tint:
    """classes (T,): of the style sheet, in the colours from low to high; empty where a value is not a number."""

    title: str
    colours: tuple[str, ...]
    low: float
    high: float
    classes: list[str]

    @property
    def ends(self) -> tuple[str, str]:
        """The classes of low and high."""
        return class_of(self.colours, 0.0), class_of(self.colours, 1.0)

    @property
    def shown(self) -> tuple[str, str]:
        return tuple(f"{end:.3g}".replace("-", "−") for end in (self.low, self.high))  # type: ignore[return-value]


def tints_of(values: NDArray[Any], prediction: str, attributions: NDArray[Any] | None) -> list[Tint]:
    """values (T,): the probability of the prediction after each token, or, without a name of it, the predicted number."""
    of = f"probability of {prediction}" if prediction else "predicted number"
    changes = np.diff(values, prepend=np.nan)
    low, high = (0.0, 1.0) if prediction else extent(values, nothing=0.0)
    found = [tint(of, OPENNESS, values, low, high), tint(f"change of the {of}", SIGNED, changes)]
    return found if attributions is None else [*found, tint("integrated gradients", SIGNED, attributions)]


def tint(
    title: str, colours: tuple[str, ...], values: NDArray[Any], low: float | None = None, high: float | None = None
) -> Tint:
    """Between low and high, by default as far below 0 as above."""
    if low is None or high is None:
        high = extent(np.abs(values), nothing=0.0)[1] or 1.0
        low = -high
    shown = fractions(values, low, high) if high > low else np.where(np.isfinite(values), 0.5, np.nan)
    classes = [class_of(colours, float(share)) if np.isfinite(share) else "" for share in shown]
    return Tint(title, colours, low, high, classes)


def class_of(colours: tuple[str, ...], share: float) -> str:
    return f"{'o' if colours is OPENNESS else 'd'}{round(share * STEPS)}"
