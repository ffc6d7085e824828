"""gatelab report: the page of a run, of a name, and of a sweep at its end."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gatelab.errors import RunError
from gatelab.runs.config import load_config
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import Run, find_run_or_sweep, readable_runs
from gatelab.runs.shell import command
from gatelab.screen import console, counted, styled
from gatelab.sweeps.outcome import Outcome

if TYPE_CHECKING:
    from gatelab.reports.analysis.comparison import Comparison


def write(
    what: str,
    output_dir: Path,
    *,
    by: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
    results: Path | None = None,
) -> None:
    """by, metrics and reference apply only to a name, and results, the folder of result files, to a name without them. Raises RunError
    for missing or damaged runs."""
    found = find_run_or_sweep(what, output_dir)
    given: dict[str, object] = {"--by": by, "--metric": metrics, "--reference": reference}
    if isinstance(found, RunFolder):
        given["--results"] = results
        for option, value in given.items():
            if value:
                raise RunError(f"{option}: {what} is one run. Only the report of a name compares arms.")
        from gatelab.reports.pages.run_page import write_report

        show_files(write_report(found))
        return
    from gatelab.reports.pages.sweep_page import write_sweep

    if results is None:
        show_files(write_sweep(found, by=by, metrics=metrics, reference=reference))
        return
    if any(given.values()):
        raise RunError(
            "--results: a result is of the arms and metrics that its experiment states. Leave out --by, --metric and --reference."
        )
    from gatelab.reports.result_files import check_results, write_results

    check_results(found, results)
    files = write_sweep(found)
    show_files(files)
    picture = next(file for file in files if file.name == "arms.svg")
    for file in write_results(found, results, picture):
        console.print(f"result      {file}", soft_wrap=True)


def show_files(files: Sequence[Path]) -> None:
    page, *figures = files
    console.print(f"report      {page}", soft_wrap=True)
    if figures:
        console.print(f"figures     {page.parent / 'figures'}, {counted(len(figures), 'file')}", soft_wrap=True)


def report_sweeps(outcomes: Sequence[Outcome]) -> None:
    """Show the answer and the table of each name in a multirun, and write its page unless all its jobs have report=false. A failure is one
    sentence on the screen."""
    files = [Path(outcome.folder or outcome.log) for outcome in outcomes if outcome.folder or outcome.log]
    runs = [file.parent if file.suffix == ".log" else file for file in files]
    for place in dict.fromkeys(run.parent for run in runs):
        try:
            folders = all_runs(place.parent, place.name)
            if len(folders) < 2:
                continue
            own = [folder for folder in folders if folder.path in runs]
            shown = own if len(own) > 1 else folders  # its page has all of the name
            compared = show_sweep(shown)
            if not any(load_config(run).get("report", True) for run in own):
                continue
            from gatelab.reports.pages.sweep_page import runs_digest, write_compared, write_sweep

            is_all = len(shown) == len(folders)
            page, *_ = write_compared(*compared, runs_digest(folders)) if is_all else write_sweep(folders)
            console.print(f"report      {page}", soft_wrap=True)
        except Exception as error:
            console.print(
                f"{place / 'report.html'} could not be written ({type(error).__name__}: {error}). "
                f"{command('report', str(place))} tries again.", soft_wrap=True,
            )  # fmt: skip


def show_sweep(folders: Sequence[RunFolder]) -> tuple[list[Run], list[str], "Comparison"]:
    """What its page answers, the table of its first metric, and the commands that show more. Returns what its page is written from: the
    runs, why others cannot be read, and the comparison."""
    from gatelab.reports.pages.sweep_answer import answer_sweep
    from gatelab.reports.pages.sweep_page import compare_sweep
    from gatelab.reports.terminal.comparison_table import screen_tables

    runs, problems = readable_runs(folders)
    comparison = compare_sweep(runs)
    console.print(styled(f"\n{answer_sweep(comparison).sentence}", "bold"))
    console.print(screen_tables(comparison, console.width)[0])
    place = folders[0].path.parent
    for words in (("compare", place.name), ("ui", "--open")):
        console.print(f"see it      {command(*words, output_dir=place.parent)}", soft_wrap=True)
    return runs, problems, comparison
