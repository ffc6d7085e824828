"""gatelab compare: read the runs, show the comparison, write it in the formats asked for."""

import sys
from collections.abc import Callable
from pathlib import Path

from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.reports.analysis.comparison import Comparison, compare
from gatelab.reports.terminal.comparison_table import screen
from gatelab.reports.terminal.formats import to_csv, to_latex, to_markdown
from gatelab.runs.load import find_runs, readable_runs
from gatelab.screen import console, errors, visible

STANDARD_OUTPUT = Path("-")


def compare_runs(
    names: list[str],
    output_dir: Path,
    *,
    by: list[str] | None = None,
    metrics: list[str] | None = None,
    reference: str | None = None,
    csv: Path | None = None,
    markdown: Path | None = None,
    latex: Path | None = None,
) -> None:
    """Show the tables, and write them to the given files, of which one may be - for standard output. Raises RunError
    for missing runs or folders before anything is written."""
    wanted: list[tuple[Path | None, Callable[[Comparison], str]]] = [(csv, to_csv), (markdown, to_markdown), (latex, to_latex)]  # fmt: skip
    files = [(file, form) for file, form in wanted if file is not None]
    check_files([file for file, _ in files])
    runs, problems = readable_runs(find_runs(names, output_dir))
    comparison = compare(runs, by, metrics, reference)
    for problem in problems:
        errors.print(f"left out: {problem}", soft_wrap=True)
    piped = STANDARD_OUTPUT in dict(files)
    if not piped:
        console.print(screen(comparison, console))
    for file, form in files:
        if file == STANDARD_OUTPUT:
            text = form(comparison)
            sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
        else:
            atomic_write(file, form(comparison))
            (errors if piped else console).print(f"written  {file}", soft_wrap=True)


def check_files(files: list[Path]) -> None:
    for file in files:
        if files.count(file) > 1:
            raise RunError(f"{file}: two tables cannot go to one place. Name another file for one of them.")
        if file != STANDARD_OUTPUT and not file.parent.is_dir():
            raise RunError(f"{file}: there is no folder {file.parent}. Make it first.")
        if file.is_dir():
            raise RunError(f"{file}: is a folder. Name a file in it.")
