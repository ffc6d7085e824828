"""A picture of the gates while a model reads: tokens along the bottom, time to the right. T tokens, H hidden."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FORMATS = (".svg", ".pdf", ".png")
MOST_TOKENS = 60
GREY, INK = "#8a8a8a", "#222222"
CLASS_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", INK)  # Okabe & Ito
CLASS_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 2)))


def class_style(number: int) -> dict[str, Any]:
    """Colour and dash of a class by its number in the data, the same in all pictures."""
    return {"color": CLASS_COLOURS[number % len(CLASS_COLOURS)], "linestyle": CLASS_STYLES[number % len(CLASS_STYLES)]}


def draw_gates(gates: Mapping[str, np.ndarray], width: float | None = None) -> Figure:
    """The figure of what ``gatelab gates`` saves; of a text of over 60 tokens, the last 60. width in inches, by default
    what the tokens need.

    Three parts, read from above: the probability of each class after each token; a band a gate, its mean over units, dark
    shut and bright open; a band a unit, its cell state above or below zero, beside the logits it adds in the end.
    """
    first = max(0, len(gates["tokens"]) - MOST_TOKENS)
    tokens = [shorten(str(token)) for token in gates["tokens"][first:]]
    bands = gate_bands(gates, first)
    units = unit_bands(gates, first)
    longest = max(map(len, tokens))
    heights = [1.1, 0.22 * len(bands) + 0.05, 0.3 * len(units)]
    figure = Figure(
        figsize=(width or max(4.6, 2.6 + 0.3 * len(tokens)), sum(heights) + 1.5 + 0.07 * longest), layout="constrained"
    )
    top, middle, bottom = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": heights})

    draw_predictions(top, gates["probabilities"][first:], [str(name) for name in gates["classes"]])
    low, high = colour_range(list(bands.values()))
    image = middle.imshow(
        np.stack(list(bands.values())), aspect="auto", cmap="cividis", vmin=low, vmax=high, interpolation="nearest"
    )
    middle.set_yticks(range(len(bands)), list(bands))
    middle.set_yticks(np.arange(0.5, len(bands) - 1), minor=True)
    middle.grid(axis="y", which="minor", color="white", linewidth=2)
    middle.tick_params(which="both", length=0)
    bar = figure.colorbar(image, ax=middle, ticks=[low, high], pad=0.01, fraction=0.02, aspect=8)
    bar.ax.set_yticklabels([f"{low:.2f} shut", f"{high:.2f} open"], fontsize=7)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]
    draw_units(bottom, units)
    bottom.set_xticks(range(len(tokens)), tokens, rotation=90)
    for label, unknown in zip(bottom.get_xticklabels(), gates["unknown"][first:], strict=True):
        if unknown:
            label.set(color=GREY, style="italic")
    for axes in (top, middle, bottom):
        axes.spines[:].set_visible(False)
        axes.tick_params(labelsize=8, length=0)
    if width:
        bottom.tick_params(axis="x", labelsize=min(8.0, 72 * (width - 1.9) / len(tokens)))
    titles = ["probability after each token", "gates, mean over units", "cell state of the units that decide most"]
    for axes, title in zip((top, middle, bottom), titles, strict=True):
        axes.set_title(title, fontsize=8, loc="left", color=INK, pad=3)
    notes = []
    if first:
        notes.append(f"the last {len(tokens)} of {len(gates['tokens'])} tokens")
    if gates["unknown"][first:].any():
        notes.append("grey italics: not in the vocabulary")
    if notes:
        bottom.set_xlabel("; ".join(notes), fontsize=7, color=GREY, loc="left")
    return figure


def shorten(token: str, most: int = 16) -> str:
    token = "".join(letter if letter.isprintable() else "·" for letter in token).replace("$", r"\$")
    return token if len(token) <= most else token[: most - 1] + "…"


def last_layer(gates: Mapping[str, np.ndarray]) -> list[str]:
    """The names of the last layer's directions: ["l1", "l1_reverse"]."""
    names = {name.split(".")[0] for name in gates if name.endswith(".cell")}
    last = max(int(name[1:].split("_")[0]) for name in names)
    return sorted(name for name in names if name.split("_")[0] == f"l{last}")


def gate_bands(gates: Mapping[str, np.ndarray], first: int) -> dict[str, np.ndarray]:
    """The mean over units, (T,), of each gate of the last layer that is not constant."""
    bands = {}
    for name in last_layer(gates):
        arrow = " ←" if name.endswith("_reverse") else ""
        for gate in gates["learned"]:
            bands[f"{str(gate).removesuffix('_gate')}{arrow}"] = gates[f"{name}.{gate}"][first:].mean(1)
    return bands or {"no gates": np.ones(len(gates["tokens"]) - first)}


def unit_bands(gates: Mapping[str, np.ndarray], first: int) -> dict[str, np.ndarray]:
    """The cell state (T,) of the units that decide most, named by number and contribution."""
    names = last_layer(gates)
    hidden_size = gates[f"{names[0]}.cell"].shape[1]
    bands = {}
    for unit, contribution in zip(gates["units"].tolist(), gates["contributions"].tolist(), strict=True):
        direction, number = divmod(unit, hidden_size)
        arrow = " ←" if direction else ""
        bands[f"{number}{arrow}  {contribution:+.2f}"] = gates[f"{names[direction]}.cell"][first:, number]
    return bands


def draw_predictions(axes: Axes, probabilities: np.ndarray, classes: list[str]) -> None:
    steps = np.arange(len(probabilities))
    ends = spread(probabilities[-1], 0.17)
    for k, name in enumerate(classes):
        style = class_style(k)
        axes.plot(steps, probabilities[:, k], **style, marker="o", markersize=2.5, linewidth=1.4)
        axes.annotate(
            f"{shorten(name)} {probabilities[-1, k]:.2f}", (steps[-1], ends[k]), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8, color=style["color"], annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([0, 0.5, 1])
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)


def spread(values: np.ndarray, gap: float) -> np.ndarray:
    """The values moved apart, in their order, so that labels at them do not overlap."""
    values = np.nan_to_num(values)
    order = np.argsort(values)
    places = values[order].astype(float)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    places -= max(0.0, places[-1] - 1.0)
    return places[np.argsort(order)]


def colour_range(bands: list[np.ndarray]) -> tuple[float, float]:
    """The bands' smallest and largest number, at least 0.2 apart, so that small changes are seen and noise is not."""
    every = np.concatenate(bands)
    low, high = extent(every) if np.isfinite(every).any() else (0.0, 1.0)
    room = max(0.0, 0.2 - (high - low)) / 2
    return max(0.0, float(low - room)), min(1.0, float(high + room))


def extent(values: np.ndarray) -> tuple[float, float]:
    """The smallest and largest number among them; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (np.nan, np.nan)


def draw_units(axes: Axes, units: Mapping[str, np.ndarray]) -> None:
    """One band a unit, each in its own scale, written at its right: above its line in ink, below it in grey."""
    for row, values in enumerate(units.values()):
        largest = extent(np.abs(values))[1] or 1.0
        heights = 0.46 * values / largest
        steps = np.arange(len(values))
        axes.bar(steps, -heights, bottom=row, width=0.9, color=np.where(heights >= 0, INK, GREY))
        axes.axhline(row, color=INK, linewidth=0.5)
        axes.annotate(
            f"±{largest:.2g}", (steps[-1], row), xytext=(14, 0), textcoords="offset points", va="center", fontsize=7,
            color=GREY, annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(units)), list(units))
    axes.set_ylim(len(units) - 0.45, -0.55)
    axes.set_ylabel("unit, logits it adds", fontsize=7, color=GREY)
