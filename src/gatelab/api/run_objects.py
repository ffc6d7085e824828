"""Runs as Python sees them: their metrics, tables and models, read from the run folders."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from gatelab.api.rendered import Rendered
from gatelab.bounded import open_table
from gatelab.errors import RunError
from gatelab.runs import load
from gatelab.runs.flat_row import row_of, tested
from gatelab.runs.folder import RunFolder, all_runs, find_run
from gatelab.runs.history import read_values
from gatelab.runs.predictions import kind_in, readable
from gatelab.runs.record import RunRecord

if TYPE_CHECKING:
    from gatelab.api.trained_model import Model

OUTPUTS = "outputs"
# Of predictions.csv, by what was predicted: what is text although it may look like a number.
TEXT_COLUMNS = {"class": ["label", "prediction"], "labels": ["labels", "predictions"], "number": []}


class Run(Rendered):
    """A run folder, read when asked. Shows itself as its headline and table."""

    def __init__(self, folder: RunFolder, allow_targets: Sequence[str] = ()) -> None:
        self._folder, self._allow_targets = folder, allow_targets
        self.path = folder.path
        self.identity = folder.path.name

    @property
    def record(self) -> RunRecord:
        """run.json."""
        return self._folder.record

    @property
    def status(self) -> str:
        """running, finished, interrupted, failed or pruned."""
        return self._folder.status

    @property
    def name(self) -> str:
        return self.path.parent.name

    @property
    def settings(self) -> dict[str, Any]:
        """The config, flat: {"encoder.hidden_size": 128, …}."""
        return load.load_run(self._folder).settings

    @property
    def metrics(self) -> dict[str, float]:
        """The finite numbers of the test as test/NAME, and of the best epoch as validation/NAME."""
        return tested(self.record.numbers())

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """By baseline, such as linear, its metrics as test/NAME."""
        record = self.record
        return {name: tested(record.numbers(name)) for name in record.baselines}

    @property
    def predictions(self) -> pd.DataFrame:
        """predictions.csv: a row for each test row. Raises RunError where there is none."""
        file = self._folder.predictions
        if not file.exists():
            raise RunError(f"run {self.identity} is {self.status} and has no predictions: no row was tested.")
        with readable(file), open_table(file) as stream:
            texts = ["file", *TEXT_COLUMNS[kind_in(stream)]]
            return pd.read_csv(
                stream, dtype=dict.fromkeys(texts, str), keep_default_na=False, float_precision="round_trip"
            )

    @property
    def curves(self) -> pd.DataFrame:
        """A row an epoch, counted from 0, and a column a metric, such as train/loss; the mean of what was logged in it."""
        values = [value for value in read_values(self._folder.metrics) if not value.name.startswith("test/")]
        table = pd.DataFrame(values, columns=["epoch", "step", "name", "value"])
        wide = table.pivot_table(index="epoch", columns="name", values="value", sort=False)
        return wide.sort_index().rename_axis(columns=None)

    @property
    def report(self) -> Path:
        """The page of the run, which ``gatelab report`` writes again."""
        return self._folder.report

    @cached_property
    def model(self) -> "Model":
        """The trained model. Raises RunError for a run that is not finished."""
        from gatelab.api.trained_model import Model

        if self.status != "finished":
            raise RunError(f"run {self.identity} is {self.status}, so it has no model.")
        return Model(self._folder.model, self._allow_targets)

    def __repr__(self) -> str:
        return f"<gatelab run {self.identity}, {self.status}: {self.path}>"

    def renderables(self) -> Iterator[Any]:
        from gatelab.reports.pages.run_page import page_values
        from gatelab.reports.terminal.result import result_table

        answer = page_values(self._folder)["answer"]
        yield answer.sentence
        if self.status == "finished":
            yield result_table(self._folder)
        yield from (f"caution: {caution}" for caution in answer.cautions)
        yield f"run folder  {self.path}"


class Runs(Sequence[Run], Rendered):
    """Runs in the order in which they started. Shows itself as the table of ``gatelab runs``."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = list(runs)

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> "Runs": ...
    def __getitem__(self, place: int | slice) -> "Run | Runs":
        return Runs(self._runs[place]) if isinstance(place, slice) else self._runs[place]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return f"<{len(self)} gatelab runs>"

    def frame(self) -> pd.DataFrame:
        """A row for each run by its identity: name, status, path, the choice of each config group, all settings, metrics, those of the
        baselines as linear/accuracy, seconds, started."""
        found = load.load_runs([run._folder for run in self])
        rows = pd.DataFrame([row_of(run) for run in found], columns=None if found else ["identity"])
        return rows.set_index("identity")

    def renderables(self) -> Iterator[Any]:
        from gatelab.reports.terminal.run_list import runs_table

        yield runs_table([run._folder for run in self]) if self else "no runs"


def load_run(run: str | Path, output_dir: str | Path = OUTPUTS, *, allow_targets: Sequence[str] = ()) -> Run:
    """A run by its folder or the first digits of its identity. allow_targets: modules of your own that its model is built from.

    Raises RunError where there is none, or several.
    """
    return Run(find_run(str(run), output_dir), allow_targets)


def load_runs(*names: str, output_dir: str | Path = OUTPUTS, allow_targets: Sequence[str] = ()) -> Runs:
    """All runs of these names, of output_dir where none is given. A folder that
    cannot be read is left out with a warning. Raises RunError for a name without runs."""
    folders = load.find_runs(list(names), Path(output_dir)) if names else all_runs(output_dir)
    runs, problems = load.read_runs(folders)
    for problem in problems:
        warnings.warn(f"left out: {problem}", stacklevel=2)
    return Runs(Run(run.folder, allow_targets) for run in runs)
