"""Every unit of a layer while the model reads a text: a panel a gate and state, tokens along the x axis. T tokens, U units."""

from collections.abc import Sequence

import matplotlib
from matplotlib import style
from matplotlib.figure import Figure

from gatelab.reports.charts.gate_picture import draw_image, name_tokens, width_of
from gatelab.reports.charts.paper import STYLE, plain
from gatelab.reports.charts.reading import Reading
from gatelab.reports.charts.unit_maps import UnitMap

PANEL_HEIGHT = 1.3  # inches
MAX_PANELS = 6
SHORT = 16  # characters of a token


def maps_of_reading(reading: Reading) -> Figure:
    """Of the last layer's first direction, as many as a column holds."""
    layer = reading.maps[0].name.partition(".")[0]
    maps = [one for one in reading.maps if one.name.startswith(f"{layer}.")]
    return draw_maps([token for token, _ in reading.tokens], maps[:MAX_PANELS])


def draw_maps(tokens: Sequence[str], maps: Sequence[UnitMap]) -> Figure:
    figure = Figure()
    draw_heatmap(tokens, maps, figure)
    return figure


def draw_heatmap(tokens: Sequence[str], maps: Sequence[UnitMap], figure: Figure) -> None:
    """Into an empty figure, a column wide or both. A gate is blue where shut and yellow where open, from 0 to 1; other values are blue below 0
    and red above. The first unit is on top. tokens: of the text, of which the maps have the last."""
    shown = [plain(token, SHORT) for token in tokens[-len(maps[0].values) :]]
    width = width_of(len(shown))
    with matplotlib.rc_context(), style.context(STYLE):
        figure.set_layout_engine("constrained")
        figure.set_size_inches(width, (PANEL_HEIGHT + 0.2) * len(maps) + 0.3 + 0.07 * max(map(len, shown)))
        rows = figure.subplots(len(maps), 1, sharex=True, squeeze=False)[:, 0]
        for axes, one in zip(rows, maps, strict=True):
            draw_image(figure, axes, one.values.T, one.colours, one.low, one.high)
            axes.set_title(plain(one.title, 60), fontsize=7, loc="left", pad=3)
            axes.set_ylabel(plain(f"{len(one.units)} units, {one.ordered}", 90), fontsize=5)
            axes.set_yticks([0, len(one.units) - 1], [str(one.units[0]), str(one.units[-1])])
            axes.tick_params(labelsize=6, length=0)
            axes.xaxis.set_visible(axes is rows[-1])
        name_tokens(rows[-1], shown, width)
        if len(shown) < len(tokens):
            rows[-1].set_xlabel(f"the last {len(shown)} of {len(tokens)} tokens", fontsize=6, loc="left")
