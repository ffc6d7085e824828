"""gatelab compare: read the runs, show the comparison, write it in the formats asked for."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.reports.analysis.comparison import compare
from gatelab.reports.terminal.comparison_table import screen
from gatelab.reports.terminal.formats import to_csv, to_latex, to_markdown
from gatelab.runs.load import find_runs, readable_runs
from gatelab.screen import console, errors, visible

STANDARD_OUTPUT = Path("-")
T = TypeVar("T")


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
    asked = files_of((csv, to_csv), (markdown, to_markdown), (latex, to_latex))
    runs, problems = readable_runs(find_runs(names, output_dir))
    comparison = compare(runs, by, metrics, reference)
    if STANDARD_OUTPUT not in asked:
        console.print(screen(comparison, console))
    write_files(asked, comparison, problems, errors if STANDARD_OUTPUT in asked else console)


def files_of(*wanted: tuple[Path | None, Callable[[T], str]]) -> dict[Path, Callable[[T], str]]:
    """Those that are asked for, and what makes their text. Raises RunError for one that cannot be written."""
    files = [file for file, _ in wanted if file is not None]
    for file in files:
        if files.count(file) > 1:
            raise RunError(f"{file}: two tables cannot go to one place. Name another file for one of them.")
        if file != STANDARD_OUTPUT and not file.parent.is_dir():
            raise RunError(f"{file}: there is no folder {file.parent}. Make it first.")
        if file.is_dir():
            raise RunError(f"{file}: is a folder. Name a file in it.")
    return {file: form for file, form in wanted if file is not None}


def write_files(
    asked: Mapping[Path, Callable[[T], str]], value: T, problems: Sequence[str], told: Console = errors
) -> None:
    """problems: sentences on runs that are left out. told: where it is said what is written."""
    for problem in problems:
        errors.print(f"left out: {problem}", soft_wrap=True)
    for file, form in asked.items():
        text = form(value)
        if file == STANDARD_OUTPUT:
            sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
        else:
            atomic_write(file, text.encode("utf-8", "replace"))
            told.print(f"written  {file}", soft_wrap=True)
