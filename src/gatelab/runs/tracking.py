"""Where metrics go: always metrics.csv, and a tracker."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from gatelab.runs.secrets import redact


class MetricsCsv(Logger):
    """metrics.csv: epoch, step, name, value, one line a value, written as it is logged."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self._written = False

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> int:
        return 0

    @property
    @rank_zero_experiment
    def experiment(self) -> Path:
        return self.file

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        epoch = int(metrics.get("epoch", 0))
        with open(self.file, "a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if not self._written and self.file.stat().st_size == 0:
                writer.writerow(["epoch", "step", "name", "value"])
            self._written = True
            writer.writerows(
                [epoch, step, name, repr(float(value))] for name, value in metrics.items() if name != "epoch"
            )

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The config has a file of its own."""


def wandb_logger(
    *, project: str, entity: str | None, mode: str, folder: Path, name: str, identity: str, config: dict[str, Any]
) -> Logger:
    """Weights & Biases, its files inside the run folder."""
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    settings = wandb.Settings(silent=True, console="off")
    with redacted_arguments():
        run = wandb.init(
            project=project,
            entity=entity,
            mode=mode,  # type: ignore[arg-type]
            dir=str(folder),
            name=f"{name}-{identity}",
            group=name,
            id=identity,
            resume="allow" if mode == "online" else None,
            config=config,
            settings=settings,
        )
    return WandbLogger(experiment=run)


def best_validation(metrics_file: Path) -> dict[str, float]:
    """The validation metrics of the first epoch with the best macro-F1, and that epoch, counted from 0."""
    epochs: dict[int, dict[str, float]] = {}
    with open(metrics_file, newline="", encoding="utf-8") as stream:
        for line in csv.DictReader(stream):
            part, _, name = line["name"].partition("/")
            if part == "validation":
                epochs.setdefault(int(line["epoch"]), {})[name] = float(line["value"])
    epoch = max(epochs, key=lambda number: epochs[number]["macro_f1"])
    return {"epoch": epoch, **epochs[epoch]}


@contextmanager
def redacted_arguments() -> Iterator[None]:
    """Hides the secrets of the command line from a tracker that would keep it."""
    arguments = sys.argv
    sys.argv = redact(arguments)
    try:
        yield
    finally:
        sys.argv = arguments


def close_tracker() -> None:
    """End the wandb run of this job, if there is one, so that the next job has its own."""
    if "wandb" in sys.modules and sys.modules["wandb"].run is not None:
        sys.modules["wandb"].finish()


def tracker_hint(folder: Path, tracker: dict[str, Any]) -> str | None:
    """The line that shows the run in its tracker."""
    if not tracker:
        return None
    if tracker.get("mode") == "offline":
        runs = sorted((folder / "wandb").glob("offline-run-*"))
        return f"wandb leet {runs[-1]}   (or, with an account: wandb sync {runs[-1]})" if runs else None
    return f"https://wandb.ai, project {tracker.get('project')}"
