"""gatelab gates: the gates of finished runs as they read a text, as a figure and as numbers."""

from collections.abc import Sequence
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gatelab.commands.predict import finished, predictor_of
from gatelab.commands.reproduce import recorded_settings
from gatelab.data.formats.records import well_formed
from gatelab.errors import RunError, did_you_mean
from gatelab.files import atomic_write
from gatelab.reports.charts.gate_heatmap import draw_maps
from gatelab.reports.charts.gate_picture import FORMATS, draw_side_by_side
from gatelab.reports.charts.reading import answer_probability, describe_reading, first_shown
from gatelab.reports.charts.unit_maps import Order, map_names, unit_maps
from gatelab.runs.activity import read_activity, write_activity
from gatelab.runs.folder import RunFolder, own
from gatelab.runs.readings import write_reading
from gatelab.runs.shell import command_on
from gatelab.screen import console, counted


def draw_text(
    runs: Sequence[str], output_dir: Path, text: str, out: Path | None, *, units: Sequence[str] = (), order: Order = "weight",
    allow_targets: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write the figure of each run reading the text, side by side, and the .npz of each beside it; by default figures/gates.svg of the first
    run's folder, or gates_2.svg and so on: no earlier picture is replaced. units: draw all units of these gates and states instead."""
    folders = [finished(run, output_dir) for run in runs]
    if not text.strip():
        raise RunError('The text is empty. Give what the model is to read: gatelab gates RUN "a text"')
    if units and len(runs) > 1:
        raise RunError("--units draws the units of one run. Leave it out, or name one run.")
    out, numbers = new_files(folders, out)
    found = [predictor_of(folder, allow_targets).read_gates(well_formed(text)) for folder in folders]
    picture = BytesIO()
    figure = draw_units(folders[0], found[0], units, order) if units else draw_side_by_side(
        [(name_of(folder) if len(runs) > 1 else "", describe_reading(gates)) for folder, gates in zip(folders, found, strict=True)]
    )  # fmt: skip
    figure.savefig(picture, format=out.suffix[1:])
    atomic_write(out, picture.getvalue())
    for folder, gates, file in zip(folders, found, numbers, strict=True):
        write_reading(file, gates)
        probability = f" ({answer_probability(gates):.4f})" if "probabilities" in gates else ""
        of = "" if len(runs) == 1 else f"   {name_of(folder)}"
        console.print(
            f"prediction  {gates['answer']}{probability} after {counted(len(gates['tokens']), 'token')}{of}",
            soft_wrap=True,
        )
    console.print(f"figure      {out}", *(f"numbers     {file}" for file in numbers), sep="\n", soft_wrap=True)


def new_files(folders: Sequence[RunFolder], out: Path | None) -> tuple[Path, list[Path]]:
    """Of the figure, and of the numbers of each run: none of them is there yet. Raises RunError where one named by the user is."""
    if out is not None:
        if out.suffix not in FORMATS:
            raise RunError(
                f"--out {out}: the figure is a {', '.join(FORMATS)} file, not {out.suffix or 'one without ending'}."
            )
        if not out.parent.is_dir():
            raise RunError(f"--out {out}: there is no folder {out.parent}. Make it first.")
        numbers = numbers_of(out, folders)
        for file in (out, *numbers):
            if file.exists():
                raise RunError(f"--out {out}: {file} is there, and no picture is replaced. Name another, or remove it.")
        return out, numbers
    first = own(folders[0].figures) / "gates.svg"
    first.parent.mkdir(exist_ok=True)
    for number in count(1):
        out = first if number == 1 else first.with_stem(f"gates_{number}")
        numbers = numbers_of(out, folders)
        if not any(file.exists() for file in (out, *numbers)):
            break
    return out, numbers  # type: ignore[return-value]


def numbers_of(out: Path, folders: Sequence[RunFolder]) -> list[Path]:
    if len(folders) == 1:
        return [out.with_suffix(".npz")]
    return [out.with_name(f"{out.stem}_{number}_{folder.path.name}.npz") for number, folder in enumerate(folders, 1)]


def name_of(folder: RunFolder) -> str:
    record = folder.record
    return f"{record.choices.get('encoder', '')} {record.name}/{folder.path.name[:4]}".strip()


def draw_units(folder: RunFolder, gates: dict[str, NDArray[Any]], units: Sequence[str], order: Order) -> Any:
    """Raises RunError for a name that is no gate or state of the run."""
    there = map_names(gates)
    names = [name if "." in name else f"{there[0].partition('.')[0]}.{name}" for name in units]
    for given, name in zip(units, names, strict=True):
        if name not in there:
            known = sorted({each.partition(".")[2] for each in there}) if "." not in given else there
            raise RunError(
                f"--units {given}: is no gate or state of this run.{did_you_mean(given, known)} There are: {', '.join(there)}."
            )
    maps = unit_maps(gates, read_activity(folder), first=first_shown(gates), order=order, names=names)
    return draw_maps(gates["tokens"].tolist(), maps)


def draw_saturation(run: str, output_dir: Path, *, allow_targets: Sequence[str] = ()) -> None:
    """Write figures/saturation.svg and .pdf of a run, gates.npz if it is not there yet, and its page again."""
    from gatelab.reports.charts.figures import saturation_figure
    from gatelab.reports.charts.paper import save_figures
    from gatelab.reports.charts.saturation_chart import saturation_charts
    from gatelab.reports.pages.run_page import write_report

    folder = finished(run, output_dir)
    if not folder.activity.exists():
        measure(folder, allow_targets)
    charts = saturation_charts(read_activity(folder))
    if not charts:
        raise RunError(
            f"{folder.path}: its cell has no gates that move. A text shows its states: {command_on(folder, 'gates', 'a text')}"
        )
    picture, *_ = save_figures(folder.figures, {"saturation": lambda: saturation_figure(charts)})
    page, *_ = write_report(folder, gates=False)
    for chart in charts:
        console.print(f"{chart.title}: {chart.summary}", soft_wrap=True)
    console.print(f"figure      {picture}\nnumbers     {folder.activity}\nreport      {page}", soft_wrap=True)


def measure(folder: RunFolder, allow_targets: Sequence[str]) -> None:
    """Write gates.npz of a run that was trained without it."""
    from gatelab.tasks.base import build_data
    from gatelab.training.run import check

    config, task, _ = check(recorded_settings(folder, (), allow_targets))
    activity = task.unit_activity(predictor_of(folder, allow_targets).module, build_data(config, task))
    if activity is None:
        raise RunError(f"{folder.path}: has no gates that could be measured, or no texts of a validation or test.")
    write_activity(folder, activity)
