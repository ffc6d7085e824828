"""report.html of a sweep or an experiment, one self-contained page."""

import hashlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.claims import can_be_solved, claimed_metrics, judge_all
from gatelab.reports.analysis.comparison import BASELINES, METRICS, Comparison, compare
from gatelab.reports.analysis.disagreement import disagreement, has_rows
from gatelab.reports.analysis.importance import importance
from gatelab.reports.analysis.notes import method_notes
from gatelab.reports.analysis.statement import statement_of
from gatelab.reports.analysis.swept import swept_keys
from gatelab.reports.charts.arm_curves import arm_curves
from gatelab.reports.charts.parallel import draw_parallel
from gatelab.reports.charts.shared_text import shared_text
from gatelab.reports.charts.strip_plot import strip_plot
from gatelab.reports.charts.swept_lines import lines_over_keys, lines_over_lengths
from gatelab.reports.charts.trials import budget_chart, search_chart, searched_metric
from gatelab.reports.pages import sweep_tables
from gatelab.reports.pages.disputed_tables import disagreement_matrix, disputed_table
from gatelab.reports.pages.experiment_sections import answer_experiment, experiment_sections
from gatelab.reports.pages.facts import train_command
from gatelab.reports.pages.html import render
from gatelab.reports.pages.links import Link, links_from
from gatelab.reports.pages.page_progress import Look, look_once, sweep_progress, written
from gatelab.reports.pages.run_page import only_run_errors
from gatelab.reports.pages.sweep_answer import answer_sweep
from gatelab.reports.pages.sweep_tables import published_marks, published_numbers
from gatelab.reports.shown import visible
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run, files_of, name_contents, readable_runs
from gatelab.runs.metrics import is_lower_better, shared_monitor, title_of
from gatelab.screen import counted

T = TypeVar("T")
ASSETS = ("sweep", "tints", "copy", "figure")  # besides what every page has
MAX_COMMANDS = 5
LONG_NUMBER = re.compile(r"(?<![\w.])\d*\.\d{6,}(e[-+]?\d+)?\b")
# id, title, and the value of the page that the section needs
SECTIONS = (
    ("claims", "Claims", "claims"),
    ("setting", "Setting", "setting"),
    ("solved", "Solved", "solved"),
    ("comparison", "Comparison", "comparisons"),
    ("seeds", "Every seed", "dots"),
    ("lengths", "Over the length of the sequences", "lengths"),
    ("learning", "Learning curves", "curves"),
    ("search", "Search", "search"),
    ("keys", "Swept keys", "keys"),
    ("text", "One text, read by each arm", "text"),
    ("disagreement", "Where arms disagree", "matrix"),
    ("runs", "Runs", "runs"),
    ("cost", "Cost", "cost"),
    ("repeat", "Reproduce", "commands"),
)


def write_sweep(folders: Sequence[RunFolder], **options: Any) -> list[Path]:
    """Write report.html of a name and figures/; returns the files, the page first. options: those of ``compare``.
    Raises RunError for damaged files."""
    with only_run_errors(folders[0].path.parent):
        runs, problems = readable_runs(folders)
        digest = "" if any(options.values()) else runs_digest(folders)
        return write_compared(runs, problems, compare_sweep(runs, **options), digest)


def write_compared(runs: Sequence[Run], problems: Sequence[str], comparison: Comparison, digest: str) -> list[Path]:
    """The same of runs of one name that are compared already. problems and digest: those of sweep_page."""
    from gatelab.reports.charts.sweep_figures import draw_sweep_figures

    place = runs[0].folder.path.parent
    with only_run_errors(place):
        page = place / "report.html"
        content = sweep_page(runs, comparison, place.name, links_from(place), problems=problems, digest=digest)
        atomic_write(page, content.encode("utf-8", "replace"))
        return [page, *draw_sweep_figures(place / "figures", comparison, runs)]


def compare_sweep(
    runs: Sequence[Run],
    by: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
) -> Comparison:
    """As gatelab compare, but with the selection metric first, or the metric of a search: selecting trials on the test set would be
    biased."""
    return with_short_names(compare(runs, by, metrics or leading_metrics(runs), reference))


def with_short_names(comparison: Comparison) -> Comparison:
    """lr=0.05651 for lr=0.05651405264653441, unless two arms would get the same name."""
    arms = [replace(arm, cells=tuple(map(rounded, arm.cells)), name=rounded(arm.name)) for arm in comparison.arms.arms]
    if len({arm.cells for arm in arms}) < len(arms):
        return comparison
    renamed = dict(zip((arm.cells for arm in comparison.arms.arms), arms, strict=True))
    reference = comparison.reference
    if reference is not None:
        reference = reference._replace(
            arms=tuple(renamed[arm.cells] for arm in reference.arms), name=rounded(reference.name)
        )
    tables = {
        metric: [replace(row, cells=tuple(map(rounded, row.cells)), name=rounded(row.name)) for row in rows]
        for metric, rows in comparison.tables.items()
    }
    return Comparison(replace(comparison.arms, arms=tuple(arms)), reference, tables)


def rounded(text: str) -> str:
    return LONG_NUMBER.sub(lambda found: f"{float(found[0]):.4g}", text)


def leading_metrics(runs: Sequence[Run]) -> list[str] | None:
    """None where no run has them, for the default of the comparison."""
    known = {name for run in runs if run.status == "finished" for name in run.record.numbers()}
    searched = searched_metric(runs)
    monitor = shared_monitor(run.record.monitor for run in runs)
    wanted = (monitor, *METRICS) if searched is None else (searched, searched.removeprefix("validation/"))
    wanted = (*claimed_metrics(statement_of(runs).experiment, runs), *wanted)
    return [name for name in dict.fromkeys(wanted) if name in known] or None


def sweep_page(
    runs: Sequence[Run],
    comparison: Comparison,
    title: str,
    link: Link,
    *,
    form: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
    digest: str = "",
    look: Look = look_once,
) -> str:
    """The page as text. link: from the page to a run's files. form: the request to gatelab ui, to be edited. problems:
    sentences on unreadable runs. digest: identifies the runs of a page with default options. look: how far a running run is."""
    arms, metric = ordered_arms(comparison), next(iter(comparison.tables))
    stated = statement_of(runs)
    source, published = published_numbers(stated.experiment)
    marks = published_marks(stated.experiment)
    unread = list(problems)
    legend, curves = arm_curves(arms, unread)
    judged = judge_all(stated.experiment, arms)
    answer = answer_experiment(stated, judged, answer_sweep(comparison), can_be_solved(runs))
    answer.cautions.extend(unread)
    strips = [plot for name in comparison.tables if (plot := arm_strips(comparison, name, arms, marks, link))]
    drawn = {name for plot in strips for arm in plot.arms for name in arm.baselines}
    values: dict[str, Any] = {
        "title": title,
        "form": form,
        "digest": digest,
        "progress": sweep_progress(runs, look),
        "written": written(),
        "kicker": kicker(runs),
        "question": stated.experiment.question,
        "answer": answer,
        "comparisons": [sweep_tables.comparison_table(comparison, name) for name in comparison.tables],
        "notes": method_notes(comparison),
        "noun": comparison.noun,
        **experiment_sections(stated, judged, runs, arms),
        "published": sweep_tables.published_table(published, arms),
        "source": source,
        "dots": strips,
        "drawn_baselines": {name: title for name, title in BASELINES.items() if name in drawn},
        "lengths": [*lines_over_keys(runs, list(comparison.tables)), *lines_over_lengths(arms)],
        "legend": legend,
        "curves": curves,
        "search": [chart for chart in (search_chart(runs), budget_chart(runs)) if chart is not None],
        "metric": title_of(metric),
        "keys": swept(arms, metric, link),
        "text": unless_damaged(lambda: shared_text(arms, link), "One text, read by each arm,", answer.cautions),
        **disputed(arms, answer.cautions),
        "runs": sweep_tables.runs_table(runs, list(comparison.tables), link),
        "failures": sweep_tables.failures_table(comparison, link),
        "commands": commands(runs),
    }
    values["sections"] = [
        (id, title.replace("seed", comparison.noun)) for id, title, there in SECTIONS if values[there]
    ]
    return render("sweep.html.j2", assets=ASSETS, forms=form is not None, **values)


def runs_digest(folders: Sequence[RunFolder]) -> str:
    """Identifies the runs of a page, whatever their order."""
    places = sorted(f"{folder.path.parent.name}/{folder.path.name}" for folder in folders)
    return hashlib.sha256("\n".join(places).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def ordered_arms(comparison: Comparison) -> list[Arm]:
    """As in the first table: the reference, then from best to worst."""
    by_cells = {arm.cells: arm for arm in comparison.arms.arms}
    rows = next(iter(comparison.tables.values()))
    return [by_cells[row.cells] for row in rows if row.kind == "arm"]


def kicker(runs: Sequence[Run]) -> str:
    """54 runs, 50 finished · reviews.csv · started 2026-11-24 20:56:02 UTC"""
    finished = sum(run.status == "finished" for run in runs)
    files = dict.fromkeys(Path(file).name for run in runs for file in files_of(run))
    parts = [f"{counted(len(runs), 'run')}, {finished:,} finished"]
    parts += [", ".join(list(files)[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")] if files else []
    parts += [f"started {numbers.moment(run.started)}" for run in runs[:1] if run.started]
    return visible(" · ".join(parts))


def arm_strips(
    comparison: Comparison, metric: str, arms: Sequence[Arm], published: dict[str, float], link: Link
) -> Any:
    rows = {row.cells: row for row in comparison.tables[metric] if row.kind == "arm" and row.values.mean is not None}
    shown = [arm for arm in arms if arm.cells in rows]
    return strip_plot(metric, [rows[arm.cells] for arm in shown], shown, published.get(metric), link)


def swept(arms: Sequence[Arm], metric: str, link: Link) -> list[dict[str, Any]]:
    """Parallel coordinates and importance of the swept keys over the finished runs, for each data set by itself; data is
    its name where there are several. A data set on which only the seed differs has none."""
    found = [(run, value) for arm in arms for run, value in arm.measured(metric)]
    names = name_contents([run for run, _ in found])
    shown = []
    for content, name in names.items():
        runs, values = zip(*(pair for pair in found if pair[0].content == content), strict=True)
        keys = swept_keys(runs)
        parallel = draw_parallel(runs, keys, metric, values, is_lower_better(metric), link)
        if parallel is not None:
            measured = importance(runs, keys, values)
            if measured is not None and measured.measure == "search" and len(names) > 1:
                measured = None  # the study of a search mixes the data sets
            table = sweep_tables.importance_table(measured, keys) if measured else []
            data = visible(f" on {name}") if len(names) > 1 else ""
            shown.append({"parallel": parallel, "importance": measured, "importance_rows": table, "data": data})
    return shown


def unless_damaged(make: Callable[[], T], what: str, cautions: list[str]) -> T | None:
    """A part of the page; an unreadable file is a caution, since the numbers above do not need it."""
    try:
        return make()
    except RunError as error:
        cautions.append(f"{what} cannot be shown: {error}")
        return None


def disputed(arms: Sequence[Arm], cautions: list[str]) -> dict[str, Any]:
    found = unless_damaged(lambda: disagreement(arms), "Where arms disagree", cautions)
    if found is None:
        return {"matrix": None}
    numbered = len(found.arms) > 6 or any(len(arm.name) > 14 for arm in found.arms)
    left_out = sum(any(map(has_rows, arm.finished)) for arm in arms) - len(found.arms)
    values = {"matrix": disagreement_matrix(found), "disputed": disputed_table(found), "num_disputed": found.num_rows}
    return {**values, "left_out": left_out, "numbered": numbered}


def commands(runs: Sequence[Run]) -> list[str]:
    """The commands that started the runs, as far as recorded, and the one that compares them."""
    found = list(dict.fromkeys(train_command(run.record) for run in runs if was_typed(run)))
    names = list(dict.fromkeys(run.folder.path.parent.name for run in runs))
    root = runs[0].folder.path.parents[1]
    place = [] if root.resolve() == Path("outputs").resolve() else ["--output-dir", str(root)]
    return [*found[:MAX_COMMANDS], visible(shlex.join(["gatelab", "compare", *names, *place]))]


def was_typed(run: Run) -> bool:
    """Whether a user started it, by gatelab or python -m gatelab.cli; the command of a launcher's worker repeats nothing."""
    program = run.record.command[0] if run.record.command else ""
    return "gatelab" in Path(program).name or program.endswith("gatelab/cli.py")
