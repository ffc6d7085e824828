"""gatelab.compare: arms of runs over their seeds or folds, as a table in Python."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from gatelab.api.rendered import Rendered, new_screen
from gatelab.api.run_objects import Run
from gatelab.errors import RunError
from gatelab.reports.analysis import comparison as analysis
from gatelab.reports.terminal.comparison_table import screen
from gatelab.reports.terminal.formats import to_csv, to_latex, to_markdown
from gatelab.runs.folder import RunFolder, find_run
from gatelab.runs.load import load_runs


class Comparison(Rendered):
    """Shows itself as ``gatelab compare`` does."""

    def __init__(self, comparison: analysis.Comparison) -> None:
        self._comparison = comparison

    def frame(self) -> pd.DataFrame:
        """A row for each arm and metric: mean, std, interval, difference to the reference, p; NaN where undefined."""
        table = to_csv(self._comparison, for_spreadsheets=False)
        return pd.read_csv(io.StringIO(table), keep_default_na=False, na_values=[""])

    def markdown(self) -> str:
        return to_markdown(self._comparison)

    def latex(self) -> str:
        return to_latex(self._comparison)

    def renderables(self) -> Iterator[Any]:
        yield screen(self._comparison, new_screen())


def compare(
    runs: Iterable[Run] | pd.DataFrame,
    by: str | Sequence[str] | None = None,
    metrics: str | Sequence[str] | None = None,
    reference: str | None = None,
) -> Comparison:
    """Compare the arms of runs, or of the rows of a ``Runs.frame``, over their seeds or folds.

    by: keys or groups of the config that define an arm, by default all settings that differ. metrics: accuracy and the selection
    metric unless given. reference: the arm, or a baseline, that the others are compared with.
    Raises RunError for an unknown key, metric or reference, and where there is no run.
    """
    folders = folders_of(runs)
    if not folders:
        raise RunError("There are no runs to compare.")
    return Comparison(analysis.compare(load_runs(folders), as_words(by), as_words(metrics), reference))


def as_words(given: str | Sequence[str] | None) -> list[str] | None:
    return None if given is None else [given] if isinstance(given, str) else list(given)


def folders_of(runs: Iterable[Run] | pd.DataFrame) -> list[RunFolder]:
    if isinstance(runs, pd.DataFrame):
        if "path" not in runs.columns:
            raise RunError("The DataFrame has no column path that says where its runs are. Take one of Runs.frame().")
        return [find_run(path, "") for path in runs["path"]]
    listed = list(runs)
    if not all(isinstance(run, Run) for run in listed):
        raise RunError("gatelab.compare takes runs, such as gatelab.load_runs('NAME') gives.")
    return [RunFolder(run.path) for run in listed]
