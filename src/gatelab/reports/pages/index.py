"""The pages of gatelab ui: the table of all runs, and the comparison of selected ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gatelab.errors import UnknownName
from gatelab.reports.analysis.settings import build_names, columns_of, differing_keys, setting_cells
from gatelab.reports.pages.html import render
from gatelab.reports.pages.index_rows import (
    ABOUT_COLUMNS,
    GROUPING,
    best_text,
    moment,
    name_of,
    notes_cell,
    pick,
    run_row,
    words_of,
)
from gatelab.reports.pages.links import links_from, url_of
from gatelab.reports.pages.page_progress import Look, look_once, written
from gatelab.reports.pages.sweep_page import compare_sweep, sweep_page
from gatelab.reports.pages.sweep_tables import linked
from gatelab.runs.load import SEED_KEYS, Run, name_contents
from gatelab.runs.metrics import SELECTED, shared_monitor, title_of
from gatelab.screen import counted

ASSETS = ("sweep", "index", "columns", "address", "copy")
# Metrics, and of which baseline.
MEASURED = [(SELECTED, None), ("accuracy", None), ("auroc", None), (SELECTED, "linear")]
COMPARED = {"by": "by", "metric": "in", "reference": "with"}
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


def compare_again_page(error: UnknownName, picks: Sequence[tuple[str, str]], asked: Mapping[str, str]) -> str:
    """The form of a comparison, as it was asked, with what is wrong and the nearest name to take."""
    names = [name.strip() for name in asked[error.option].split(",")]
    nearest = ",".join(error.near if name == error.given and error.near else name for name in names)
    return render(
        "compare_again.html.j2",
        forms=True,
        title="gatelab",
        sentence=str(error).removeprefix("--"),
        near=error.near and f"{COMPARED[error.option]} {error.near}",
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
