"""Jobs that run side by side, each in a process of its own, on one new SQLite file."""

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from commands import forking

from gatelab.runs.folder import RunFolder
from gatelab.runs.run_notes import Notes
from gatelab.trackers.mlflow import MlflowTracker, as_key
from gatelab.trackers.tracker import Point, TrackedRun

JOBS, POINTS = 4, 30


def track(folder: str, job: int) -> None:
    run = TrackedRun(RunFolder(Path(folder) / f"{job:04x}"), "side", f"{job:04x}", {"seed": job})
    run.folder.path.mkdir()
    tracker = MlflowTracker(run, f"sqlite:///{folder}/mlflow.db")
    for step in range(POINTS):
        tracker.log([Point(step, 0, {"train/loss": job + step / POINTS})])
    tracker.finish("finished")


def test_jobs_that_start_at_once_share_one_file_and_one_experiment(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    processes = [forking().Process(target=track, args=(str(tmp_path), job)) for job in range(JOBS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * JOBS
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("SELECT name FROM experiments WHERE name != 'Default'").fetchall() == [("side",)]
        seeds = database.execute("SELECT value FROM params JOIN runs USING (run_uuid) WHERE key = 'seed'").fetchall()
        assert sorted(seeds) == [(str(job),) for job in range(JOBS)]
        assert database.execute("SELECT DISTINCT status FROM runs").fetchall() == [("FINISHED",)]
        points = database.execute("SELECT value FROM metrics WHERE key = 'train/loss'").fetchall()
    expected = [job + step / POINTS for job in range(JOBS) for step in range(POINTS)]
    assert sorted(value for (value,) in points) == pytest.approx(sorted(expected))


def test_tags_are_mlflows_own_and_names_that_it_refuses_or_that_would_be_one_for_it_are_kept_apart(
    tmp_path: Path,
) -> None:
    pytest.importorskip("mlflow")
    names = ["a//b", "/n/", "..", "lr[0]", "lr_0_", "validation/macro_f1"]
    notes = Notes(note="too large", tags=["odd", "lr+"])
    run = TrackedRun(RunFolder(tmp_path / "0001"), "names", "0001", dict.fromkeys(names, 1), notes=notes)
    run.folder.path.mkdir()
    tracker = MlflowTracker(run, f"sqlite:///{tmp_path}/mlflow.db")
    tracker.log([Point(1, 0, {name: float(number) for number, name in enumerate(names)})])
    tracker.finish("finished")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        found = dict(database.execute("SELECT key, value FROM metrics WHERE key != 'epoch'").fetchall())
        tags = dict(database.execute("SELECT key, value FROM tags").fetchall())
    assert (tags["odd"], tags["lr_"], tags["mlflow.note.content"]) == ("true", "true", "too large")
    assert found == {"a/b": 0, "n": 1, "_": 2, "lr_0_": 3, "lr_0__2": 4, "validation/macro_f1": 5}
    assert as_key("validation/macro_f1") == "validation/macro_f1"


def track_until_half_the_tables_are_there(folder: str) -> None:
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "after_cursor_execute")
    def kill(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "CREATE TABLE _alembic_tmp_" in statement:
            os.kill(os.getpid(), signal.SIGKILL)

    track(folder, 0)


def test_a_process_killed_while_it_makes_the_tables_leaves_a_place_in_which_the_next_one_tracks(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    killed = forking().Process(target=track_until_half_the_tables_are_there, args=(str(tmp_path),))
    killed.start()
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL
    track(str(tmp_path), 1)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]
    assert {file.name for file in tmp_path.iterdir()} == {"0000", "0001", "mlflow.db", ".mlflow.db.lock"}
