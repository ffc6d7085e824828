"""gatelab show: one run on one screen."""

from pathlib import Path

from gatelab.reports.terminal.run_summary import run_summary
from gatelab.runs.folder import find_run
from gatelab.screen import console


def show(run: str, output_dir: Path) -> None:
    """Raises RunError where there is no such run, or its record is damaged."""
    for part in run_summary(find_run(run, output_dir)):
        console.print(part)
