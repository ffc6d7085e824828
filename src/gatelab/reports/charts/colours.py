"""The colours of gates and states, the same on a page, light or dark, and in a paper; what is not a number has none.

OPENNESS runs from shut, 0, to open, 1: cividis (Nuñez, Anderton & Renslow 2018), read alike with any kind of colour vision. SIGNED runs
from negative to positive, white at 0: RdBu of ColorBrewer (Harrower & Brewer 2003). Between the nine colours of each, RGB is linear.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

OPENNESS = ("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838")
SIGNED = ("#053061", "#2a71b2", "#6bacd1", "#c2ddec", "#f7f6f6", "#fbccb4", "#e48066", "#ba2832", "#67001f")
NUM_COLOURS = 101  # that a value is rounded to: a hundredth of openness
ROUND = (1.0, 2.0, 5.0)


@cache
def palette(colours: tuple[str, ...]) -> NDArray[np.uint8]:
    """(101, 3): RGB from the first colour to the last."""
    ends = np.array([[int(colour[place : place + 2], 16) for place in (1, 3, 5)] for colour in colours])
    places = np.linspace(0, len(colours) - 1, NUM_COLOURS)
    return np.stack([np.interp(places, range(len(colours)), ends[:, k]) for k in range(3)], 1).round().astype(np.uint8)


def extent(values: NDArray[np.floating], nothing: float = np.nan) -> tuple[float, float]:
    """The smallest and largest finite value; nothing twice where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (nothing, nothing)


def fractions(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.floating]:
    """From 0 at low to 1 at high, the ends beyond them; NaN where a value is not a number."""
    return np.clip((values - low) / (high - low), 0, 1)


def hexadecimal(fraction: float, colours: tuple[str, ...] = OPENNESS) -> str:
    return "#" + bytes(palette(colours)[round(fraction * (NUM_COLOURS - 1))]).hex()


def ends_said(low: float, high: float) -> tuple[str, str]:
    """Beside the colours of a gate or state."""
    return ("0 shut", "1 open") if low == 0 else (f"{low:g}", f"{high:g}")


def is_openness(name: str, values: NDArray[np.floating]) -> bool:
    """Whether values are those of a gate, by its name, and none is outside 0 to 1, as an exponential gate's can be."""
    low, high = extent(values, nothing=0.0)
    return name.endswith("_gate") and low >= 0 and high <= 1


def scale_of(name: str, values: NDArray[np.floating]) -> tuple[tuple[str, ...], float, float]:
    """The colours and the ends of a gate or state: 0 to 1, or around 0 to ±1, ±2, ±5, ±10 and so on, which most texts share."""
    if is_openness(name, values):
        return OPENNESS, 0.0, 1.0
    largest = extent(np.abs(values), nothing=0.0)[1]
    power = 10.0 ** max(0.0, np.floor(np.log10(largest))) if largest else 1.0
    high = next((power * step for step in ROUND if largest <= power * step), 10 * power)
    return SIGNED, -high, high


def contrast(first: Sequence[float], second: Sequence[float]) -> float:
    """Of two colours in RGB from 0 to 1: from 1 to 21 (WCAG 2.2)."""
    dark, light = sorted(map(luminance, (first, second)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Sequence[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
