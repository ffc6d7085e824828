"""A metric over a number: over a key that a sweep varies, and over the lengths at which its runs were tested; a line for each arm."""

from collections.abc import Mapping, Sequence

from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.bands import band_of
from gatelab.reports.analysis.swept import is_spread_in_log, setting_texts, swept_keys
from gatelab.reports.charts.arm_curves import draw_bands
from gatelab.reports.charts.chart import BASELINE, MODEL, NUM_COLOURS, Axis, Chart, kind_of
from gatelab.runs.load import Run
from gatelab.runs.record import BLIND, RunRecord, baseline_title, scores_of

Values = dict[str, dict[float, list[float]]]  # of each line, at each number, those of the runs
KEY = "data.length"


def lines_over_keys(runs: Sequence[Run], metrics: Sequence[str]) -> list[Chart]:
    """For the swept length of the sequences, and each metric, its values over it; a line for each setting of the other keys."""
    charts = []
    for metric in metrics:
        found = [run for run in runs if run.status == "finished" and metric in run.record.numbers()]
        keys = swept_keys(found) if found else []
        for key in (key for key in keys if key.key == KEY and len(key.levels) > 1):
            names = setting_texts(found, [other for other in keys if other is not key])
            values: Values = {}
            for run, place in zip(found, key.values, strict=True):
                line = values.setdefault(names[id(run)] or "model", {})
                line.setdefault(place, []).append(run.record.numbers()[metric])
                for name, value in baselines_of(run.record, metric).items():
                    values.setdefault(name, {})[place] = [value]
            charts += chart_of(metric, values, key.title)
    return charts


def lines_over_lengths(arms: Sequence[Arm]) -> list[Chart]:
    """Each metric of the test over the lengths at which the runs of the arms were tested; empty where all were tested at one."""
    by_metric: dict[str, Values] = {}
    for arm in arms[:NUM_COLOURS]:
        for run in arm.finished:
            add_lengths(by_metric, run.record, arm.name)
    return [chart for metric, values in by_metric.items() for chart in chart_of(metric, values, "length")]


def run_over_lengths(record: RunRecord, model: str) -> list[Chart]:
    """The same of one run."""
    by_metric: dict[str, Values] = {}
    add_lengths(by_metric, record, model)
    return [
        chart for metric, values in by_metric.items() for chart in chart_of(metric, values, "length", {model: MODEL})
    ]


def add_lengths(by_metric: dict[str, Values], record: RunRecord, name: str) -> None:
    model = scores_of(record)
    if len(model.by_length) < 2:
        return
    baselines = {baseline_title(blind): record.baselines[blind] for blind in BLIND if blind in record.baselines}
    for title, scores in {name: model, **baselines}.items():
        for length, metrics in scores.by_length.items():
            for metric, value in metrics.items():
                by_metric.setdefault(metric, {}).setdefault(title, {}).setdefault(float(length), []).append(value)


def baselines_of(record: RunRecord, metric: str) -> dict[str, float]:
    numbers = {baseline_title(name): record.numbers(name) for name in BLIND if name in record.baselines}
    return {title: found[metric] for title, found in numbers.items() if metric in found}


def chart_of(metric: str, values: Values, title: str, kinds: Mapping[str, str] | None = None) -> list[Chart]:
    """One, or none where no line has two places. The arms come before the baselines, which are dashed."""
    places = sorted({place for line in values.values() for place in line})
    titles = {baseline_title(name) for name in BLIND}
    arms = [name for name in values if name not in titles][:NUM_COLOURS]
    if len(places) < 2 or not arms:
        return []
    is_log = is_spread_in_log(places)
    x = Axis(title, places[0], places[-1], [(place, f"{place:g}") for place in places], is_log)
    looks = {name: (kinds or {}).get(name, kind_of(number)) for number, name in enumerate(arms)}
    looks |= {name: BASELINE for name in values if name in titles}
    drawn = [(name, band_of(as_whole(values[name])), look) for name, look in looks.items()]
    return [draw_bands(metric, drawn, x, len(arms), over=title, named=True)]


def as_whole(line: Mapping[float, list[float]]) -> dict[float, list[float]]:
    """Whole numbers as integers, which a tooltip shows as 50, not 50.0."""
    return {int(place) if place == int(place) else place: found for place, found in line.items()}
