"""The pages of gatelab ui: the table of all runs, and the comparison of selected ones."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from gatelab.errors import RunError, UnknownName
from gatelab.reports import numbers
from gatelab.reports.analysis.settings import build_names, columns_of, differing_keys, setting_cells, show
from gatelab.reports.pages.html import render
from gatelab.reports.pages.links import links_from, url_of
from gatelab.reports.pages.page_progress import Look, look_once, run_progress, written
from gatelab.reports.pages.sweep_page import compare_sweep, rounded, sweep_page
from gatelab.reports.pages.sweep_tables import linked, status
from gatelab.reports.shown import isolated, shorten, visible
from gatelab.runs.history import read_values
from gatelab.runs.load import SEED_KEYS, Run, files_of, name_contents
from gatelab.runs.metrics import SELECTED, best_of, shared_monitor, title_of
from gatelab.screen import counted

ASSETS = ("sweep", "index", "columns", "address", "copy")
MAX_WORDS = 1000  # characters that a search finds a run by
ABOUT_COLUMNS = [
    ("", "pick"), ("name", "text"), ("run", "text"), ("status", "text"), ("data", "text"), ("settings", "text"), ("seed", "number"),
    ("epoch", "number"), ("best validation", "number"),
]  # fmt: skip
GROUPING = ("name", "status", "data", "settings", "seed")  # columns whose values many runs share
MEASURED = [
    (SELECTED, None),
    ("accuracy", None),
    ("auroc", None),
    (SELECTED, "linear"),
]  # metrics, and of which baseline
NAME_COLUMNS = [
    ("", "pick"), ("name", "text"), ("runs", "number"), ("finished", "number"), ("running", "number"),
    ("failed", "number"), ("best macro-F1", "number"), ("last started, UTC", "text"),
]  # fmt: skip


def index_page(runs: Sequence[Run], problems: Sequence[str], output_dir: str, look: Look = look_once) -> str:
    """The table of all runs, with links relative to the root. problems: a sentence for each unreadable folder. look: how far a
    running run is."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(name_of(run), []).append(run)
    settings = {
        id(run): text for group in by_name.values() for run, text in zip(group, setting_texts(group), strict=True)
    }
    data, has_notes = name_contents(list(runs)), any(run.notes for run in runs)
    newest_first = sorted(runs, key=lambda run: run.started, reverse=True)
    others = sorted({run.record.monitor for run in runs if run.record.monitor in run.record.numbers()} - {SELECTED})
    measured = [*MEASURED, *((metric, baseline) for metric in others for baseline in (None, "linear"))]
    measured = [
        (metric, baseline)
        for metric, baseline in measured
        if any(metric in run.record.numbers(baseline) for run in runs)
    ]
    titles = [f"{baseline or ''} {title_of(metric)}".strip() for metric, baseline in measured]
    names = sorted(by_name, key=lambda name: max(run.started for run in by_name[name]), reverse=True)
    return render(
        "index.html.j2",
        assets=ASSETS,
        forms=True,
        title="gatelab",
        output_dir=output_dir,
        problems=problems,
        num_runs=len(runs),
        statuses=sorted({run.status for run in runs}),
        names=names,
        name_columns=NAME_COLUMNS,
        name_rows=[name_row(name, by_name[name]) for name in names],
        ranged=(titles[0], len(ABOUT_COLUMNS)) if titles else None,
        grouping=GROUPING,
        run_columns=[
            *ABOUT_COLUMNS,
            *((title, "number") for title in (*titles, "seconds")),
            ("started, UTC", "text"),
            *[("notes", "text")] * has_notes,
        ],
        run_rows=[
            [*run_row(run, settings[id(run)], data[run.content], measured, look), *[notes_cell(run)] * has_notes]
            for run in newest_first
        ],
        run_words=[words_of(run) for run in newest_first],
        written=written() if any(run.status == "running" for run in runs) else "",
    )


def name_of(run: Run) -> str:
    return run.folder.path.parent.name


def setting_texts(runs: Sequence[Run]) -> list[str]:
    """The settings, except seeds, in which the runs of one name differ; where none does, the encoder."""
    columns = columns_of(runs, [key for key in differing_keys(runs) if key not in SEED_KEYS])
    if not columns:
        return build_names(runs, "encoder")
    titles, cells = setting_cells(runs, columns, merge=False)
    return [" ".join(f"{title}={cell}" for title, cell in zip(titles, row, strict=True) if cell != "") for row in cells]


def name_row(name: str, runs: Sequence[Run]) -> list[Any]:
    counts = [sum(run.status == status for run in runs) for status in ("finished", "running", "failed")]
    monitor = shared_monitor(run.record.monitor for run in runs)
    scores = [value for run in runs if (value := run.record.numbers().get(monitor)) is not None]
    if len({run.content for run in runs}) > 1:  # runs on different data have no common best
        scores = []
    last = max(run.started for run in runs)
    return [
        pick("name", name, f"name {name}"),
        linked(name, url_of(name, "report.html")),
        str(len(runs)),
        *(str(count) for count in counts),
        best_text(monitor, scores),
        moment(last),
    ]


def best_text(monitor: str, scores: Sequence[float]) -> str:
    """With the metric where it is not that of the column."""
    best = numbers.metric(best_of(monitor, scores) if scores else None)
    return best if monitor == SELECTED or not scores else f"{best} {title_of(monitor)}"


def run_row(run: Run, settings: str, data: str, measured: Sequence[tuple[str, str | None]], look: Look) -> list[Any]:
    values = {baseline: run.record.numbers(baseline) for baseline in (None, "linear")}
    name, (epochs, validated) = name_of(run), so_far(run)
    return [
        pick("run", f"{name}/{run.identity}", f"run {run.identity} of {name}"),
        linked(name, url_of(name, "report.html")),
        linked(run.identity, url_of(name, run.identity, "report.html")),
        (moving_status(run, look), status(run).striptags()),
        isolated(data),
        isolated(rounded(settings)),
        run.record.seed_text,
        epoch_text(run, epochs),
        best_text(run.record.monitor, validated),
        *(numbers.metric(values[baseline].get(metric)) for metric, baseline in measured),
        "" if run.record.seconds is None else f"{run.record.seconds:.0f}",
        moment(run.started),
    ]


def moving_status(run: Run, look: Look) -> Markup:
    """With the progress of a running one."""
    if run.status != "running":
        return status(run)
    return Markup('{}<small class="progress">{}</small>').format(status(run), run_progress(look(run.folder)))


def so_far(run: Run) -> tuple[int | None, list[float]]:
    """The number of epochs that it has trained, and the selection metric in its validation: the best of a finished run, of another that of each epoch."""
    monitor = f"validation/{run.record.monitor}"
    if run.record.epochs is not None:
        value = run.record.numbers().get(monitor)
        return run.record.epochs, [] if value is None else [value]
    try:
        found = [value for value in read_values(run.folder.metrics) if value.name == monitor]
    except RunError:  # which its page says
        return None, []
    return found[-1].epoch + 1 if found else None, [value.value for value in found if math.isfinite(value.value)]


def epoch_text(run: Run, epochs: int | None) -> str:
    """7 of 20"""
    most = run.settings.get("trainer.max_epochs")
    return "" if epochs is None else f"{epochs}" + (f" of {most}" if type(most) is int else "")


def notes_cell(run: Run) -> Markup:
    tags = Markup(" ").join(Markup('<span class="tag">{}</span>').format(visible(tag)) for tag in run.notes.tags)
    return Markup("{} {}").format(isolated(run.notes.note), tags)


def words_of(run: Run) -> str:
    """What a search finds a run by, whatever the cells of its row show: its choices, what was changed of them, its classes and data files."""
    named = {**run.record.choices, **(run.record.changed or {})}
    classes = [show(value) for key, value in run.settings.items() if key.endswith("_target_")]
    files = [Path(file).name for file in files_of(run)]
    return shorten(" ".join([*(f"{key}={show(value)}" for key, value in named.items()), *classes, *files]), MAX_WORDS)


def moment(iso: str) -> Any:
    """A time to the minute, with its sort key."""
    return Markup('<span class="date">{}</span>').format(numbers.moment(iso)[:16]), iso


def pick(kind: str, value: str, label: str) -> Markup:
    return Markup('<input type="checkbox" name="{}" value="{}" aria-label="Select {}">').format(kind, value, label)


def compare_again_page(error: UnknownName, picks: Sequence[tuple[str, str]], asked: Mapping[str, str]) -> str:
    """The form of a comparison, as it was asked, with what is wrong and the nearest name to take."""
    names = [name.strip() for name in asked[error.option].split(",")]
    nearest = ",".join(error.near if name == error.given and error.near else name for name in names)
    return render(
        "compare_again.html.j2",
        forms=True,
        title="gatelab",
        sentence=str(error).removeprefix("--"),
        option=error.option,
        near=error.near,
        near_address=f"compare?{urlencode([*picks, *{**asked, error.option: nearest}.items()])}",
        form={"picks": picks, **asked},
    )


def comparison_page(
    runs: Sequence[Run],
    root: Path,
    picks: Sequence[tuple[str, str]],
    asked: Mapping[str, str],
    problems: Sequence[str] = (),
) -> str:
    """The comparison of selected runs, for a page at root. picks: the selection, repeated in the form; asked: by, metric, reference."""
    by, metric = ([asked[key]] if asked[key] else None for key in ("by", "metric"))
    comparison = compare_sweep(runs, by, metric, asked["reference"] or None)
    names = list(dict.fromkeys(map(name_of, runs)))
    title = ", ".join(names[:5]) + (f" and {counted(len(names) - 5, 'more name')}" if len(names) > 5 else "")
    form = {"picks": picks, **asked}
    return sweep_page(runs, comparison, title, links_from(root, made_on_request=True), form=form, problems=problems)
