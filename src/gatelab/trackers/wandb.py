"""Weights & Biases, its files in the run folder. Offline it needs no account: wandb leet shows the run, wandb sync sends it."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from gatelab.runs.examples import read_examples
from gatelab.runs.predictions import read_predictions
from gatelab.runs.secrets import redacted_arguments
from gatelab.trackers.tracker import Point, TrackedRun, Tracker, TrackerError, check_answers

SECONDS_TO_START = 15  # online
SECONDS_TO_FINISH = 20
EXAMPLE_COLUMNS = ("text", "label", "prediction", "probability", "rows", "file", "line")


class WandbTracker(Tracker):
    """One wandb run a run. mode=online adds to the run that the server has; offline all of it begins anew in one folder.

    wandb's own variables come before the config: WANDB_MODE (disabled, too), PROJECT, ENTITY, NAME, TAGS, DIR, RUN_GROUP.
    Without a login, or a server that answers, an online run becomes an offline one, with a warning.
    """

    def __init__(self, run: TrackedRun, project: str, entity: str | None, mode: Literal["offline", "online"]) -> None:
        super().__init__(run)
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        options: dict[str, Any] = {
            "project": project,
            "entity": entity,
            "dir": str(run.folder.path),
            "name": run.title,
            "group": run.name,
            "id": wandb_id(run),
            "tags": run.notes.tags,
            "notes": run.notes.note or None,
            "config": {key: value for key, value in run.config.items() if key != "tracker"},
            **of_environment(),
        }
        wanted: Any = os.environ.get("WANDB_MODE") or mode
        before = list((Path(options["dir"]) / "wandb").glob(f"offline-run-*-{options['id']}*"))
        with redacted_arguments():
            online = start_online(run, options) if wanted == "online" else None
            without: Literal["disabled", "offline"] = "disabled" if wanted == "disabled" else "offline"
            self._wandb = online or wandb.init(**options, mode=without, settings=settings())
            self.mode = "online" if online else without
        self._parts = before if self.mode == "offline" else []

    def log(self, points: Sequence[Point]) -> None:
        for point in points:  # wandb passes over a step that it already has
            self._wandb.log({"epoch": point.epoch, **point.values}, step=point.step)

    def finish(self, status: str) -> list[str]:
        if self.mode == "disabled":
            return []
        try:
            self._log_results(status)
        except Exception as error:
            self.run.warn(f"lacks plots of the test, or the report: {error}")
        folder, address = Path(self._wandb.settings.sync_dir), self._wandb.url
        try:
            self._wandb.finish(exit_code=int(status not in ("finished", "pruned")))
        except TimeoutError:
            raise TrackerError(
                f"its server did not take everything in time; wandb sync --include-online {quote(str(folder))} sends it"
            ) from None
        for part in self._parts:  # the run folder's metrics, all of them, stand in the new one
            shutil.rmtree(part, ignore_errors=True)
        if self.mode == "online":
            return [str(address)]
        latest = self.run.folder.path / "wandb" / "latest-run"
        place = latest if latest.exists() else folder
        return [f"wandb leet {quote(str(place))}", f"wandb sync {quote(str(place))}   (with an account)"]

    def _log_results(self, status: str) -> None:
        if status == "finished":
            self._log_test()
        report = self.run.folder.report
        if report.exists():
            self._wandb.save(shutil.copy(report, self._wandb.dir), base_path=self._wandb.dir, policy="now")

    def _log_test(self) -> None:
        """wandb's own confusion matrix, precision-recall curves and table, of the test rows."""
        import wandb

        rows = read_predictions(self.run.folder.predictions)
        labels, predictions = rows.labels.tolist(), rows.predictions.tolist()
        confusion = wandb.plot.confusion_matrix(y_true=labels, preds=predictions, class_names=rows.classes)
        curves = wandb.plot.pr_curve(labels, rows.probabilities.tolist(), labels=rows.classes)
        mistakes = read_examples(self.run.folder.examples).get("most confident errors", [])
        table = wandb.Table(
            columns=list(EXAMPLE_COLUMNS),
            data=[[printable(row[column]) for column in EXAMPLE_COLUMNS] for row in mistakes],
        )
        self._wandb.log({"test/confusion_matrix": confusion, "test/precision_recall": curves, "test/mistakes": table})


def start_online(run: TrackedRun, options: dict[str, Any]) -> Any:
    """The wandb run of the server; None, after a warning, where there is no login or no answer."""
    import wandb

    try:
        if not wandb.login(prompt=False, verify=False):
            raise TrackerError("there is no login (wandb login)")
        check_answers(wandb.setup().settings.base_url)
        return wandb.init(**options, mode="online", resume="allow", settings=settings())
    except (wandb.Error, TrackerError) as error:
        if isinstance(error, wandb.Error):
            options["id"] += "-offline"  # the one of a start that failed is in use until the process ends
        run.warn(f"is offline for this run: {str(error).splitlines()[0]}")
        return None


def of_environment() -> dict[str, Any]:
    """What wandb's own variables say, as arguments of wandb.init."""
    names = {"project": "PROJECT", "entity": "ENTITY", "name": "NAME", "group": "RUN_GROUP", "dir": "DIR"}
    found: dict[str, Any] = {key: os.environ.get(f"WANDB_{name}") for key, name in names.items()}
    found["tags"] = [tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag.strip()]
    if found["dir"]:
        Path(found["dir"]).mkdir(parents=True, exist_ok=True)
    return {key: value for key, value in found.items() if value}


def settings() -> Any:
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        init_timeout=SECONDS_TO_START,
        finish_timeout=SECONDS_TO_FINISH,
        finish_timeout_raises=True,
        reinit="create_new",
    )


def wandb_id(run: TrackedRun) -> str:
    """The identity and six digits more, since a run under another name, or run again with force=true, is another one here."""
    return f"{run.identity}-{hashlib.sha256(f'{run.name} {run.started}'.encode()).hexdigest()[:6]}"


def printable(value: Any) -> Any:
    """A text that UTF-8 can hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
