"""The page of gatelab ui on two runs: what differs in config, data, code and versions, their curves, and the rows they disagree on."""

from collections.abc import Sequence
from typing import Any

from gatelab.errors import RunError
from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.disagreement import disagreement
from gatelab.reports.analysis.settings import differing_keys, show_exactly
from gatelab.reports.charts.arm_curves import arm_curves
from gatelab.reports.pages.disputed_tables import disputed_table
from gatelab.reports.pages.html import render
from gatelab.reports.pages.links import Link
from gatelab.reports.pages.page_progress import Look, look_once, sweep_progress, written
from gatelab.reports.pages.sweep_tables import linked, minus, status
from gatelab.reports.shown import isolated
from gatelab.runs.difference import conditions
from gatelab.runs.load import Run
from gatelab.runs.metrics import shared_monitor, title_of
from gatelab.runs.record import headline_of, scores_of
from gatelab.screen import counted

ASSETS = ("sweep",)  # besides what every page has
FILES = ("config.yaml", "run.json", "predictions.csv", "uncommitted.diff", "error.log")
SHORT = 4  # digits of an identity
SECTIONS = (
    ("settings", "Settings", "settings"), ("conditions", "Data, code and versions", "conditions"), ("numbers", "Numbers", "numbers"),
    ("learning", "Learning curves", "curves"), ("rows", "Where they disagree", "disputed"),
)  # fmt: skip


def two_runs_page(runs: Sequence[Run], link: Link, *, look: Look = look_once) -> str:
    """runs: two, with their data named. link: from the page to a run's files. look: how far a running run is."""
    names = short_names(runs)
    arms = [Arm((name,), name, (run,)) for name, run in zip(names, runs, strict=True)]
    problems: list[str] = []
    legend, curves = arm_curves(arms, problems)
    found = None
    try:
        found = disagreement(arms)
    except RunError as error:
        problems.append(f"The rows that they disagree on cannot be shown: {error}")
    settings = settings_table(runs)
    differing = [
        [isolated(each.name), isolated(each.recorded), isolated(each.now)]
        for each in conditions(*(run.record for run in runs))
    ]
    values: dict[str, Any] = {
        "title": " and ".join(names),
        "sentence": sentence(names, runs),
        "detail": f"{counted(len(settings), 'setting')} that can change a result, and {counted(len(differing), 'condition')} of data, code, "
        "versions and machine differ.",
        "problems": problems,
        "runs": [
            (linked(name, link(run)), status(run), [linked(file, url) for file in FILES if (url := link(run, file))])
            for name, run in zip(names, runs, strict=True)
        ],
        "names": names,
        "progress": sweep_progress(runs, look),
        "written": written(),
        "settings": settings,
        "conditions": differing,
        "numbers": numbers_table(runs),
        "legend": legend,
        "curves": curves,
        "disputed": None if found is None else disputed_table(found),
        "won": None if found is None else (int(found.won[0, 1]), int(found.won[1, 0]), int(found.shared[0, 1])),
        "num_disputed": 0 if found is None else found.num_rows,
    }
    values["sections"] = [(id, title) for id, title, there in SECTIONS if values[there]]
    return render("two_runs.html.j2", assets=ASSETS, **values)


def short_names(runs: Sequence[Run]) -> list[str]:
    """NAME/3f9c, with all digits where these are not enough."""
    short = [f"{run.folder.path.parent.name}/{run.identity[:SHORT]}" for run in runs]
    return short if len(set(short)) == len(runs) else [f"{run.folder.path.parent.name}/{run.identity}" for run in runs]


def sentence(names: Sequence[str], runs: Sequence[Run]) -> str:
    """A/3f9c 0.8123 and A/77aa 0.8011 macro-F1"""
    monitor = shared_monitor(run.record.monitor for run in runs)
    scores = [run.record.numbers().get(monitor) for run in runs]
    said = [
        name if score is None else f"{name} {numbers.metric(score)}" for name, score in zip(names, scores, strict=True)
    ]
    return f"{said[0]} and {said[1]}{'' if scores == [None, None] else f' {title_of(monitor)}'}"


def settings_table(runs: Sequence[Run]) -> list[list[Any]]:
    """The choices of groups and the config keys that differ, without those that can affect no metric, and the classes of the choices."""
    chosen = [run.record.choices for run in runs]
    groups = [
        group for group in dict.fromkeys([*chosen[0], *chosen[1]]) if chosen[0].get(group) != chosen[1].get(group)
    ]
    rows = [[isolated(group), *(isolated(choices.get(group, "not set")) for choices in chosen)] for group in groups]
    keys = [key for key in differing_keys(runs) if key not in [f"{group}._target_" for group in groups]]
    return rows + [[isolated(key), *(isolated(show_exactly(run, key)) for run in runs)] for key in keys]


def numbers_table(runs: Sequence[Run]) -> list[list[Any]]:
    """The headline metrics of the test and the best of the validation, each with the difference, second minus first."""
    keys = dict.fromkeys(key for run in runs if run.record.metrics for key in headline_of(scores_of(run.record)))
    rows = []
    for key in [*keys, *dict.fromkeys(f"validation/{run.record.monitor}" for run in runs)]:
        first, second = (run.record.numbers().get(key) for run in runs)
        if first is not None or second is not None:
            difference = "" if first is None or second is None else minus(numbers.signed(second - first))
            rows.append([title_of(key), numbers.metric(first), numbers.metric(second), difference])
    return rows
