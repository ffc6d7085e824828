"""gatelab report: the page of a run, or of all runs of a name; and that of a sweep at its end."""

from collections.abc import Sequence
from pathlib import Path

from gatelab.outcome import Outcome
from gatelab.reports.load import find_run_or_sweep
from gatelab.runs.folder import RunError, RunFolder, all_runs
from gatelab.screen import console


def write(
    what: str,
    output_dir: Path,
    *,
    by: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
) -> None:
    """by, metrics and reference are for a name alone. Raises RunError for what is not there or cannot be read."""
    found = find_run_or_sweep(what, output_dir)
    if isinstance(found, RunFolder):
        given = {"--by": by, "--metric": metrics, "--reference": reference}
        for option, value in given.items():
            if value:
                raise RunError(f"{option}: {what} is one run. It tells arms apart in the report of a name.")
        from gatelab.reports.page import write_report

        tell(write_report(found))
    else:
        from gatelab.reports.sweep import write_sweep

        tell(write_sweep(found, by=by and ",".join(by).split(","), metrics=metrics, reference=reference))


def tell(files: Sequence[Path]) -> None:
    page, *pictures = files
    console.print(f"report      {page}", soft_wrap=True, markup=False)
    if pictures:
        console.print(f"pictures    {page.parent / 'figures'}, {len(pictures)} files", soft_wrap=True, markup=False)


def report_sweeps(outcomes: Sequence[Outcome]) -> None:
    """Write the page of each name that the jobs of a multirun ran under. Without one the runs are still what they are."""
    runs = [Path(outcome.folder or outcome.log) for outcome in outcomes if outcome.folder or outcome.log]
    places = dict.fromkeys(run.parents[1] if run.suffix == ".log" else run.parent for run in runs)
    for place in places:
        try:
            folders = all_runs(place.parent, place.name)
            if len(folders) < 2:
                continue
            from gatelab.reports.sweep import write_sweep

            page, *_ = write_sweep(folders)
            console.print(f"report      {page}", soft_wrap=True, markup=False)
        except Exception as error:
            console.print(
                f"{place / 'report.html'} could not be written ({type(error).__name__}: {error}). gatelab report {place} "
                "tries again.", markup=False, soft_wrap=True,
            )  # fmt: skip
