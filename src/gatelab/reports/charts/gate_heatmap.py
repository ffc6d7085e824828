"""Every unit of a layer while the model reads a text: a panel a gate and state, tokens along the x axis. T tokens, H hidden."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gatelab.reports.charts.paper import STYLE, plain
from gatelab.reports.charts.reading import MAX_TOKENS

PANEL_HEIGHT = 1.3  # inches
SHORT = 16  # characters of a token


def draw_heatmap(tokens: Sequence[str], panels: Mapping[str, NDArray[np.floating]], figure: Figure) -> None:
    """panels (T, H) by name, into an empty figure; the last 60 tokens. A gate is dark where shut and bright where open, from 0 to 1; other values
    are blue below 0 and red above."""
    num_tokens, first = len(tokens), max(0, len(tokens) - MAX_TOKENS)
    tokens, panels = tokens[first:], {name: values[first:] for name, values in panels.items()}
    longest = max(len(plain(token, SHORT)) for token in tokens)
    with matplotlib.rc_context(), style.context(STYLE):
        figure.set_layout_engine("constrained")
        figure.set_size_inches(max(4.6, 1.6 + 0.3 * len(tokens)), PANEL_HEIGHT * len(panels) + 0.3 + 0.07 * longest)
        rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, values) in zip(rows, panels.items(), strict=True):
            is_gate = name.endswith("_gate")
            largest = float(np.nanmax(np.abs(values), initial=1e-9))
            low, high, colours = (0.0, 1.0, "cividis") if is_gate else (-largest, largest, "RdBu_r")
            image = axes.imshow(
                values.T, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest", origin="lower"
            )
            axes.set_title(name.replace("_", " "), fontsize=8, loc="left", pad=3)
            axes.set_ylabel("unit", fontsize=7)
            axes.tick_params(labelsize=7, length=0)
            bar = figure.colorbar(image, ax=axes, ticks=[low, high], pad=0.01, fraction=0.02, aspect=12)
            bar.ax.set_yticklabels([f"{low:.2g}", f"{high:.2g}"])
            bar.ax.tick_params(labelsize=7, length=0)
        rows[-1].set_xticks(range(len(tokens)), [plain(token, SHORT) for token in tokens], rotation=90)
        if first:
            rows[-1].set_xlabel(f"the last {len(tokens)} of {num_tokens} tokens", fontsize=7, loc="left")
