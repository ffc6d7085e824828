"""The words of a text tinted: by the running prediction, by how much each changed it, by its integrated gradient. T tokens."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.charts.colours import OPENNESS, SIGNED, fractions

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
        return ("o0", f"o{STEPS}") if self.colours is OPENNESS else ("d0", f"d{STEPS}")

    @property
    def shown(self) -> tuple[str, str]:
        return tuple(f"{end:.3g}".replace("-", "−") for end in (self.low, self.high))  # type: ignore[return-value]


def tints_of(values: NDArray[Any], prediction: str, attributions: NDArray[Any] | None) -> list[Tint]:
    """values (T,): the probability of the prediction after each token, or, without a name of it, the predicted number."""
    of = f"probability of {prediction}" if prediction else "predicted number"
    changes = np.diff(values, prepend=np.nan)
    low, high = (0.0, 1.0) if prediction else ends_of(values)
    found = [tint(of, OPENNESS, values, low, high), tint(f"change of the {of}", SIGNED, changes)]
    return found if attributions is None else [*found, tint("integrated gradients", SIGNED, attributions)]


def tint(
    title: str, colours: tuple[str, ...], values: NDArray[Any], low: float | None = None, high: float | None = None
) -> Tint:
    """Between low and high, by default as far below 0 as above."""
    if low is None or high is None:
        high = max(map(abs, ends_of(values))) or 1.0
        low = -high
    letter = "o" if colours is OPENNESS else "d"
    shown = fractions(values, low, high) if high > low else np.where(np.isfinite(values), 0.5, np.nan)
    classes = [f"{letter}{round(float(share) * STEPS)}" if np.isfinite(share) else "" for share in shown]
    return Tint(title, colours, low, high, classes)


def ends_of(values: NDArray[Any]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
