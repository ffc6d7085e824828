"""The parts of a run's page on a language model: where it is surprised, and what it wrote."""

import math
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from gatelab.reports import numbers
from gatelab.reports.charts.chart import MODEL, Axis, Chart, Line, Stop, Table, number_axis
from gatelab.reports.charts.colours import SIGNED
from gatelab.reports.charts.tinted_text import tint
from gatelab.reports.pages.run_tables import SHADES
from gatelab.reports.shown import capital
from gatelab.runs.folder import RunFolder
from gatelab.runs.language_evidence import Frequency, Passage, Positions, TellingUnit, read_language_evidence
from gatelab.screen import visible

MOST_BITS = 8  # of surprise, that have the darkest shade
LINE_END = "⏎\n"


def language_sections(folder: RunFolder) -> dict[str, Any]:
    """Empty for a run without language.json."""
    evidence = read_language_evidence(folder.language)
    if evidence is None:
        return {}
    charts = []
    if evidence.positions and len(evidence.positions.read) > 1:
        charts.append(position_chart(evidence.positions))
    if len(evidence.frequencies) > 1:
        charts.append(frequency_chart(evidence.frequencies))
    passage = coloured(evidence.passage) if evidence.passage else []
    surprise = {"charts": charts, "passage": passage, "most": MOST_BITS} if charts or passage else None
    samples = [sample.model_dump() for sample in evidence.samples]
    return {"surprise": surprise, "samples": samples, "units": [tinted_by(unit) for unit in evidence.units]}


def position_chart(found: Positions) -> Chart:
    """In bits a token, so that it is as high as the passage is dark."""
    x, fresh, carried = (np.array(part) for part in (found.read, found.fresh, found.carried))
    fresh, carried = fresh / math.log(2), carried / math.log(2)
    every = np.concatenate([fresh, carried])
    lines = [
        Line("fresh state", f"{MODEL} dashed", x, fresh, dots=len(x) <= 60),
        Line("carried state", MODEL, x, carried, dots=len(x) <= 60),
    ]
    rows, stops = [], []
    for place, one, other in zip(x.tolist(), fresh.tolist(), carried.tolist(), strict=True):
        cells = [f"{place:,}", numbers.metric(one), numbers.metric(other)]
        rows.append(cells)
        said = f"{cells[0]} tokens read · fresh state {cells[1]} · carried state {cells[2]}"
        stops.append(Stop(place, [(one, f"{MODEL} dashed"), (other, MODEL)], said))
    return Chart(
        "Surprise by what was read of the window",
        "Of the same test tokens: from a state that is fresh at each window's start, and from the one carried through the text.",
        number_axis("tokens of the window read before", 0, float(x.max()), integers=True),
        number_axis("bits a token", 0.0, float(every.max())),
        lines,
        stops,
        Table(["read", "fresh state", "carried state"], rows),
    )


def frequency_chart(found: list[Frequency]) -> Chart:
    x, y = np.arange(len(found), dtype=float), np.array([each.loss for each in found]) / math.log(2)
    names = [f"{each.least:,}" if each.least == each.most else f"{each.least:,}–{each.most:,}" for each in found]
    total = sum(each.tokens for each in found)
    rows = [
        [name, f"{each.tokens:,}", numbers.percentage(each.tokens / total), numbers.metric(float(bits))]
        for name, each, bits in zip(names, found, y, strict=True)
    ]
    stops = [
        Stop(float(place), [(float(bits), MODEL)], f"{row[0]} times in training · {row[1]} test tokens · {row[3]} bits")
        for place, bits, row in zip(x, y, rows, strict=True)
    ]
    ticks = [(float(place), name) for place, name in enumerate(names)]
    return Chart(
        "Surprise by frequency",
        "The test tokens by how often each stands in the training text.",
        Axis("times in the training text", -0.5, x[-1] + 0.5, ticks),
        number_axis("bits a token", 0.0, float(y.max())),
        [Line("model", MODEL, x, y, dots=True)],
        stops,
        Table(["times in training", "test tokens", "share", "bits a token"], rows),
    )


def coloured(passage: Passage) -> list[tuple[str, int, str]]:
    """Each token, its shade and its surprise in bits; the end of a line is seen."""
    found = []
    for text, loss in zip(passage.tokens, passage.losses, strict=True):
        bits = loss / math.log(2)
        found.append((with_line_ends(text), min(SHADES, round(SHADES * bits / MOST_BITS)), f"{bits:.2f}"))
    return found


def tinted_by(unit: TellingUnit) -> tuple[str, list[tuple[str, str]]]:
    """What is said of the unit, and its passage in pieces of one colour, each with its class."""
    said = f"{unit.property}: unit {unit.unit} of layer {unit.layer}, {unit.measure} {numbers.formatted(unit.score, '.3f')}"
    classes = tint("", SIGNED, np.array(unit.states), -1.0, 1.0).classes
    pieces = groupby(zip(classes, unit.tokens, strict=True), key=itemgetter(0))
    return capital(said), [(name, with_line_ends("".join(text for _, text in piece))) for name, piece in pieces]


def with_line_ends(text: str) -> str:
    return LINE_END.join(visible(part) for part in text.split("\n"))
