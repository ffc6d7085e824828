"""report.html of a run, one self-contained page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.reports import numbers
from gatelab.reports.analysis.curves import Learning, learning_curves
from gatelab.reports.analysis.intervals import RESAMPLES
from gatelab.reports.charts.gradient_chart import gradient_charts
from gatelab.reports.charts.reading import describe_reading
from gatelab.reports.charts.run_charts import learning_charts
from gatelab.reports.charts.saturation_chart import saturation_charts
from gatelab.reports.pages import facts, run_tables
from gatelab.reports.pages.class_sections import class_sections
from gatelab.reports.pages.html import render
from gatelab.reports.pages.label_sections import label_sections
from gatelab.reports.pages.language_sections import language_sections
from gatelab.reports.pages.length_section import length_section
from gatelab.reports.pages.number_sections import number_sections
from gatelab.reports.pages.page_progress import Look, look_once, run_progress, written
from gatelab.reports.pages.run_answer import answer_finished, answer_unfinished, answer_untested, cautions
from gatelab.reports.pages.run_context import files, run_context
from gatelab.reports.shown import visible
from gatelab.runs.activity import read_activity
from gatelab.runs.cell_equations import read_equations
from gatelab.runs.config import load_config
from gatelab.runs.folder import RunFolder
from gatelab.runs.gradients import read_gradients
from gatelab.runs.label_predictions import read_label_predictions
from gatelab.runs.number_predictions import read_number_predictions
from gatelab.runs.predictions import kind_of, read_predictions
from gatelab.runs.readings import read_readings
from gatelab.runs.record import Data, RunRecord
from gatelab.runs.shell import command
from gatelab.screen import console

ASSETS = ("tints", "reading", "copy", "figure")  # besides what every page has
NEEDED = ("status", "started", "seed", "data", "versions")
# id, title, and the value of the page that the section needs
SECTIONS = (
    ("test", "Test", "figures"),
    ("lengths", "By length of the sequences", "lengths"),
    ("learning", "Learning curves", "learning"),
    ("confusion", "Confusion matrix", "confusion"),
    ("curves", "Precision, recall, calibration", "curves"),
    ("predicted", "Prediction and target", "predicted"),
    ("text", "Surprise", "surprise"),
    ("units", "What units tell", "units"),
    ("samples", "Samples", "samples"),
    ("classes", "By class and length", "by_class"),
    ("rows", "Selected examples", "examples"),
    ("data", "Data", None),
    ("cell", "Cell", "equations"),
    ("gradients", "How far the gradient reaches", "gradients"),
    ("saturation", "Saturation", "saturation"),
    ("gates", "Gates", "readings"),
    ("cost", "Time and memory", None),
    ("repeat", "Reproduce", None),
)


@contextmanager
def reported(folder: RunFolder) -> Iterator[None]:
    """Write the report when the block ends, also after an error. A failure to write it is one sentence on the screen."""
    try:
        yield
    finally:
        try:
            if folder.record_file.exists():
                write_report(folder, gates=False)
        except Exception as error:
            console.print(
                f"{folder.report} could not be written ({type(error).__name__}: {error}). "
                f"{command('report', str(folder.path))} tries again.", soft_wrap=True,
            )  # fmt: skip


def write_report(folder: RunFolder, gates: bool = True) -> list[Path]:
    """Write report.html and, for a finished run, figures/; returns the files, the page first. gates: also draw the
    gates, which take most of the time. Raises RunError for damaged files."""
    with only_run_errors(folder.path):
        page = page_values(folder)
        write_page(folder, page)
        if folder.status != "finished" or not page["figures"]:
            return [folder.report]
        from gatelab.reports.charts.figures import draw_figures

        drawn = draw_figures(folder, page, gates)
        write_page(folder, page | files(folder))  # which links to them
        return [folder.report, *drawn]


def write_page(folder: RunFolder, page: dict[str, Any]) -> None:
    atomic_write(folder.report, render("run.html.j2", assets=ASSETS, **page).encode("utf-8", "replace"))


@contextmanager
def only_run_errors(place: Path) -> Iterator[None]:
    """Raise RunError for whatever prevents a page, such as a run.json without required entries."""
    try:
        yield
    except (RunError, OSError):
        raise
    except Exception as error:
        raise RunError(
            f"{place}: does not hold what a report needs ({type(error).__name__}: {error}). Run again with force=true."
        ) from error


def run_page(folder: RunFolder, look: Look = look_once) -> str:
    return render("run.html.j2", assets=ASSETS, **page_values(folder, look))


def page_values(folder: RunFolder, look: Look = look_once) -> dict[str, Any]:
    """The values of the page, with its charts and gate readings. look: how far a running run is."""
    record, config = folder.record, load_config(folder)
    if missing := [key for key in NEEDED if not getattr(record, key) and getattr(record, key) != 0]:
        raise RunError(f"{folder.record_file}: lacks {', '.join(missing)}, so it is no record of a run.")
    data = record.data or Data()
    status, learning = folder.status_of(record), learning_curves(folder.metrics, record.monitor)
    activity = read_activity(folder)
    model = visible(encoder_name(record, config))
    values: dict[str, Any] = {
        "title": f"{record.name} {folder.path.name}",
        "name": record.name,
        "identity": folder.path.name,
        "status": status,
        "started": numbers.moment(record.started),
        "progress": run_progress(look(folder)) if status == "running" else None,
        "written": written(),
        "learning": learning_charts(learning, record.validation_f1),
        "lengths": length_section(record, model),
        "resamples": RESAMPLES,
        "no_auroc_interval": False,
        "confusion": None,
        "curves": [],
        "predicted": None,
        "surprise": None,
        "units": [],
        "samples": [],
        "by_class": None,
        "by_class_charts": [],
        "figures": {},
        "more_figures": {},
        "titles": {},
        "examples": [],
        "equations": read_equations(folder.equations),
        "gradients": gradient_charts(read_gradients(folder.gradients)),
        "activity": activity,
        "saturation": saturation_charts(activity),
        "readings": read_readings(folder, lambda gates: describe_reading(gates, activity)),
        "data_facts": facts.data_facts(data, config),
        "parts": run_tables.parts(data),
        "rejects": run_tables.rejects(data),
        "calibrated": facts.calibration_fact(record),
        "cost_facts": facts.cost_facts(record),
        "try_gates": command("gates", folder.path.name, "a text", output_dir=folder.path.parent.parent),
        "try_generate": command("generate", folder.path.name, output_dir=folder.path.parent.parent),
        "commands": facts.repeat_commands(record, folder.path.parent.parent),
        "origin_facts": facts.origin_facts(record),
        "settings": run_tables.settings(config),
        **run_context(folder, record, config),
    }
    if folder.predictions.exists() and record.metrics is not None:
        gaps = any(reading.has_gaps for reading in values["readings"].values())
        warnings = ["Some gate values are not a number: they are gaps in the figures."] if gaps else []
        values |= tested(folder, record, config, model, learning, warnings)
        values["examples"] = run_tables.examples(folder)
    elif record.metrics is not None and status == "finished":
        num_tested = data.split_sizes.get("test", 0)
        answer = answer_finished(record, model, num_tested or None, {})
        values["answer"] = replace(answer, cautions=cautions(record, config, num_tested, learning))
    elif "test" in record.lacks:
        values["answer"] = answer_untested(record, model)
    else:
        values["answer"] = answer_unfinished(record, model, status, learning)
    values |= language_sections(folder)
    titles = values["titles"] = {id: title for id, title, _ in SECTIONS} | values["titles"]
    values["sections"] = [(id, titles[id]) for id, _, there in SECTIONS if there is None or values[there]]
    return values


def tested(
    folder: RunFolder, record: RunRecord, config: dict[str, Any], model: str, learning: Learning, warnings: list[str]
) -> dict[str, Any]:
    """The parts of the page that need predictions, by what was predicted."""
    kind = kind_of(folder.predictions)
    if kind == "number":
        numbered = read_number_predictions(folder.predictions)
        return number_sections(record, numbered, model, warnings + cautions(record, config, len(numbered), learning))
    if kind == "labels":
        labelled = read_label_predictions(folder.predictions)
        warnings += cautions(record, config, len(labelled), learning)
        return label_sections(record, config, labelled, model, warnings)
    rows = read_predictions(folder.predictions)
    return class_sections(record, rows, model, warnings + cautions(record, config, len(rows), learning))


def encoder_name(record: RunRecord, config: dict[str, Any]) -> str:
    """The recorded choice of encoder=, such as peephole; else from the class: lstm, gated."""
    target = str(config.get("encoder._target_", "model")).rsplit(".", 1)[-1]
    return record.choices.get("encoder") or target.removesuffix("Encoder").lower()
