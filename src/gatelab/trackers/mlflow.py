"""MLflow: metrics, params, and the report with its pictures as artifacts, in an SQLite file or on a server."""

import logging
import os
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

from pydantic import AfterValidator

from gatelab.files import lock_of
from gatelab.runs.secrets import redact_text
from gatelab.trackers.tracker import Point, TrackedRun, Tracker, check_answers

ENVIRONMENT = {  # unless the user has set them
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # of MLflow's own, 7 and 120 s, a dead server takes half an hour
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
STATUSES = {"finished": "FINISHED", "failed": "FAILED"}  # all others are KILLED
MAX_METRICS, MAX_PARAMS = 1000, 100  # in one call
LONGEST_PARAM, LONGEST_KEY = 6000, 250  # characters
ARTIFACTS = ("report.html", "config.yaml", "run.json")
SQLITE = "sqlite:///"


def check_address(uri: str) -> str:
    if not re.match(r"[\w+-]+:", uri):
        raise ValueError(f"{uri} is no address. Give sqlite:///FILE or http://HOST:PORT")
    return uri


class MlflowTracker(Tracker):
    """One MLflow run a run, in the experiment of the run's name. A resumed run adds the points that MLflow lacks."""

    package = "mlflow"

    def __init__(self, run: TrackedRun, uri: Annotated[str, AfterValidator(check_address)]) -> None:
        super().__init__(run)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if uri.startswith("http"):
            check_answers(uri)
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)  # the import has set it anew
        self.uri = uri
        self._file = Path(uri.removeprefix(SQLITE).split("?")[0]) if uri.startswith(SQLITE) else None
        self._seen: set[tuple[str, int]] = set()
        self._keys: dict[str, str] = {}
        with self._locked():
            if self._file is not None:
                make_tables(self._file)
            self._client = MlflowClient(uri)
            experiment = self._find_experiment()
            found = self._find_run(experiment) if run.resumed else None
            if found is None:
                found = self._client.create_run(experiment, run_name=run.identity, tags=tags(run))
            self.id = found.info.run_id
            self._client.update_run(self.id, status="RUNNING")
            self._log_params(found.data.params)
            for name in found.data.metrics:
                self._seen |= {(name, old.step) for old in self._client.get_metric_history(self.id, name)}

    def log(self, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = []
        for point in points:
            for name, value in {"epoch": float(point.epoch), **point.values}.items():
                key = self._key(name)
                if (key, point.step) not in self._seen:
                    new.append(Metric(key, value, now, point.step))
                    self._seen.add((key, point.step))
        for start in range(0, len(new), MAX_METRICS):
            with self._locked():
                self._client.log_batch(self.id, metrics=new[start : start + MAX_METRICS])

    def finish(self, status: str) -> list[str]:
        folder = self.run.folder
        for name in ARTIFACTS:
            if (folder.path / name).exists():
                self._client.log_artifact(self.id, str(folder.path / name))
        if folder.figures.exists():
            self._client.log_artifacts(self.id, str(folder.figures), folder.figures.name)
        with self._locked():
            self._client.set_tag(self.id, "gatelab.status", status)
            self._client.set_terminated(self.id, STATUSES.get(status, "KILLED"))
        if self._file is not None:
            return [f"mlflow ui --backend-store-uri {quote(self.uri)}"]
        return [f"{redact_text(self.uri)}, experiment {self.run.name}"]

    def _locked(self) -> AbstractContextManager[Any]:
        """Jobs that run side by side take turns with an SQLite file: else one makes its tables while another writes."""
        return nullcontext() if self._file is None else lock_of(self._file)

    def _find_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        artifacts = None  # a server knows its own place
        if self._file is not None:
            artifacts = (self._file.parent / "mlflow-artifacts" / self.run.name).absolute().as_uri()
        found = self._client.get_experiment_by_name(self.run.name)
        if found is None:
            try:
                return self._client.create_experiment(self.run.name, artifact_location=artifacts)
            except MlflowException:  # another job was quicker
                found = self._client.get_experiment_by_name(self.run.name)
                if found is None:
                    raise
        return found.experiment_id

    def _find_run(self, experiment: str) -> Any:
        runs = self._client.search_runs([experiment], f"tags.`gatelab.start` = '{start_of(self.run)}'")
        return runs[0] if runs else None

    def _key(self, name: str) -> str:
        """as_key, and numbered where it is another name's already."""
        if name not in self._keys:
            key, number = as_key(name), 1
            while key in self._keys.values():
                number += 1
                key = f"{as_key(name)[: LONGEST_KEY - 4]}_{number}"
            self._keys[name] = key
        return self._keys[name]

    def _log_params(self, known: dict[str, str]) -> None:
        from mlflow.entities import Param

        values = {self._key(key): str(value)[:LONGEST_PARAM] for key, value in self.run.parameters.items()}
        new = [Param(key, value) for key, value in values.items() if key not in known]
        for start in range(0, len(new), MAX_PARAMS):
            self._client.log_batch(self.id, params=new[start : start + MAX_PARAMS])


def make_tables(file: Path) -> None:
    """A new file has all of its tables or is not there: MLflow makes them one after the other, and a file in which a
    killed process left some of them opens no more."""
    if file.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    for left in (new, new.with_name(f"{new.name}-journal")):
        left.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"{SQLITE}{new}", (file.parent / "mlflow-artifacts").absolute().as_uri())
    store.engine.dispose()
    new.replace(file)


def tags(run: TrackedRun) -> dict[str, str]:
    """A tag of MLflow has a value: that of the user's own is true."""
    about = {"gatelab.identity": run.identity, "gatelab.folder": str(run.folder.path), "gatelab.start": start_of(run)}
    own = {as_key(tag): "true" for tag in run.notes.tags} | (
        {"mlflow.note.content": run.notes.note} if run.notes.note else {}
    )
    return {**own, **about, "mlflow.source.name": "gatelab train", "mlflow.source.git.commit": run.commit}


def start_of(run: TrackedRun) -> str:
    """Distinguishes a resumed run from one that was begun again with force=true."""
    return f"{run.identity} {run.started}"


def as_key(name: str) -> str:
    """A name that MLflow takes: some characters, and what would be a plain path."""
    parts = re.sub(r"[^\w/. :-]", "_", name, flags=re.ASCII)[:LONGEST_KEY].split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "_"
