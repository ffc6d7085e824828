"""The trackers against real servers: tensorboard, mlflow, and wandb's own client before a server of the test."""

import csv
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from commands import forking, gatelab, once, the_run
from kill import arm
from wandb_server import WandbServer, wandb_server

from gatelab.runs.folder import RunFolder
from gatelab.trackers.mlflow import MlflowTracker
from gatelab.trackers.tracker import Point, TrackedRun

ALL = "tracker=[wandb,tensorboard,mlflow]"
LIGHTNINGS = "+tracker.plain={_target_:pytorch_lightning.loggers.CSVLogger,save_dir:plain}"
SMALL = [
    "data.num_rows=400", "data.batch_size=16", "trainer.max_epochs=4", "trainer=cpu", "trainer.log_every_n_steps=3", "baseline=none",
    "encoder.hidden_size=8", "model.embedding_size=8", "checkpoint_minutes=0", "optimizer.lr=0.02",
]  # fmt: skip
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A folder in which one run went to all trackers; trained once for all workers."""
    for package in ("tensorboard", "mlflow"):
        pytest.importorskip(package)

    def train(folder: Path) -> None:
        output = gatelab("train", *SMALL, ALL, LIGHTNINGS, f"data.cache_dir={cache_dir}", cwd=folder)
        (folder / "screen.txt").write_text(output)

    return once(tmp_path_factory, "tracked", train)


def metrics_csv(run: Path) -> dict[tuple[str, int], float]:
    """(name, step) → value; a test run logs no name twice at one step."""
    lines = list(csv.DictReader((run / "metrics.csv").open()))
    values = {(line["name"], int(line["step"])): float(line["value"]) for line in lines}
    assert len(values) == len(lines)
    return values


def final_metrics(run: Path) -> dict[str, float]:
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    return {f"test/{name}": metrics[name] for name in ("accuracy", "macro_f1", "auroc", "calibration_error")}


@contextmanager
def serving(command: list[str], folder: Path, path: str) -> Iterator[str]:
    """The address of a server started on a free port, once it answers under path."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = folder / "server.log"
    with open(log, "w") as stream:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], cwd=folder, stdout=stream, stderr=stream, start_new_session=True
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                if requests.get(address + path, timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # and the workers that it has started
        process.wait()


def test_the_screen_and_the_record_end_with_the_commands_that_show_the_run(tracked: Path) -> None:
    run = the_run(tracked)
    latest = f"outputs/default/{run.name}/wandb/latest-run"
    commands = [
        f"wandb leet {latest}", f"wandb sync {latest}   (with an account)", "tensorboard --logdir outputs/default",
        "mlflow ui --backend-store-uri sqlite:///outputs/mlflow.db", "plain",
    ]  # fmt: skip
    screen = (tracked / "screen.txt").read_text().splitlines()
    assert [line for line in screen if line.startswith("tracker ")] == [
        f"tracker     {command}" for command in commands
    ]
    record = json.loads((run / "run.json").read_text())
    assert [command for tracker in record["trackers"].values() for command in tracker["look"]] == commands
    assert "warning" not in "\n".join(screen)


def test_a_tracker_changes_no_byte_of_the_result(tracked: Path, tmp_path: Path, cache_dir: Path) -> None:
    gatelab("train", *SMALL, "tracker=none", "report=false", f"data.cache_dir={cache_dir}", cwd=tmp_path)
    assert the_run(tmp_path).name == the_run(tracked).name
    for name in ("metrics.csv", "predictions.csv", "model/model.safetensors"):
        assert (the_run(tmp_path) / name).read_bytes() == (the_run(tracked) / name).read_bytes(), name


def test_a_logger_of_lightnings_is_a_tracker_too(tracked: Path) -> None:
    (file,) = tracked.glob("plain/**/metrics.csv")
    found = {
        (name, int(line["step"])): float(value)
        for line in csv.DictReader(file.open())
        for name, value in line.items()
        if value and name not in ("step", "epoch")
    }
    assert found == pytest.approx(metrics_csv(the_run(tracked)))


def test_tensorboard_serves_every_metric_and_fills_in_hparams(tracked: Path) -> None:
    run = the_run(tracked)
    command = [str(BIN / "tensorboard"), "--logdir", "outputs/default", "--load_fast", "false"]
    with serving(command, tracked, "/data/runs") as address:
        name = f"{run.name}/tensorboard"
        wait_for(lambda: name in requests.get(f"{address}/data/runs").json())
        found: dict[tuple[str, int], float] = {}
        for tag in requests.get(f"{address}/data/plugin/scalars/tags").json()[name]:
            points = requests.get(f"{address}/data/plugin/scalars/scalars", params={"run": name, "tag": tag}).json()
            assert len(points) == len({step for _, step, _ in points}), tag
            found |= {(tag, step): value for _, step, value in points}
        asked = {"startIndex": 0, "sliceSize": 9, "allowedStatuses": ["STATUS_SUCCESS"], "colParams": []}
        (group,) = requests.post(f"{address}/data/plugin/hparams/session_groups", json=asked).json()["sessionGroups"]
    assert {key: value for key, value in found.items() if key[0] != "epoch"} == pytest.approx(
        metrics_csv(run), rel=1e-6
    )
    assert group["hparams"]["encoder.hidden_size"] == 8
    assert group["hparams"]["optimizer.lr"] == 0.02
    shown = {value["name"]["tag"]: value["value"] for value in group["metricValues"]}
    assert {name: shown[name] for name in final_metrics(run)} == pytest.approx(final_metrics(run), rel=1e-6)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.long
def test_mlflow_serves_metrics_params_and_the_report_with_its_pictures(tracked: Path) -> None:
    command = [str(BIN / "mlflow"), "server", "--backend-store-uri", "sqlite:///outputs/mlflow.db", "--workers", "1"]
    with serving(command, tracked, "/health") as address:  # what mlflow ui starts, too
        check_mlflow(address, the_run(tracked))
        check_a_run_that_logs_to(address, the_run(tracked))


def check_mlflow(address: str, run: Path) -> None:
    (found,) = mlflow_runs(address, "default")
    metrics = {metric["key"]: metric["value"] for metric in found["data"]["metrics"]}
    assert {name: metrics[name] for name in final_metrics(run)} == pytest.approx(final_metrics(run))
    assert mlflow_history(address, found) == pytest.approx(metrics_csv(run))
    params = {param["key"]: param["value"] for param in found["data"]["params"]}
    assert (params["encoder.hidden_size"], params["optimizer.lr"]) == ("8", "0.02")
    tags = {tag["key"]: tag["value"] for tag in found["data"]["tags"]}
    assert tags["gatelab.identity"] == found["info"]["run_name"] == run.name
    assert tags["mlflow.source.git.commit"] == (json.loads((run / "run.json").read_text())["git"]["commit"] or "")
    assert found["info"]["status"] == "FINISHED"
    assert {"report.html", "figures", "config.yaml", "run.json"} <= set(artifacts(address, found))
    assert {Path(picture).suffix for picture in artifacts(address, found, path="figures")} >= {".svg", ".pdf"}
    asked = {"run_uuid": found["info"]["run_id"], "path": "report.html"}
    assert requests.get(f"{address}/get-artifact", params=asked).content == (run / "report.html").read_bytes()


def check_a_run_that_logs_to(address: str, folder: Path) -> None:
    run = TrackedRun(RunFolder(folder), "remote", folder.name, {"data": {"labels": {"größe": 1}}, "long": "x" * 9000})
    tracker = MlflowTracker(run, address)
    tracker.log([Point(7, 0, {"test/accuracy": 0.5, "lr-Adam[0]": 0.1})])
    assert tracker.finish("failed") == [f"{address}, experiment remote"]
    (found,) = mlflow_runs(address, "remote")
    assert mlflow_history(address, found) == {("test/accuracy", 7): 0.5, ("lr-Adam_0_", 7): 0.1}
    params = {param["key"]: param["value"] for param in found["data"]["params"]}
    assert params == {"data.labels.gr__e": "1", "long": "x" * 6000}
    assert found["info"]["status"] == "FAILED"
    assert {"report.html", "figures"} <= set(artifacts(address, found))


def mlflow_runs(address: str, experiment: str) -> list[dict[str, Any]]:
    api = f"{address}/api/2.0/mlflow"
    found = requests.get(f"{api}/experiments/get-by-name", params={"experiment_name": experiment}).json()
    asked = {"experiment_ids": [found["experiment"]["experiment_id"]]}
    return requests.post(f"{api}/runs/search", json=asked).json()["runs"]


def mlflow_history(address: str, run: dict[str, Any]) -> dict[tuple[str, int], float]:
    """(name, step) → value of all points; raises AssertionError where one stands twice."""
    points: list[dict[str, Any]] = []
    for metric in run["data"]["metrics"]:
        asked = {"run_id": run["info"]["run_id"], "metric_key": metric["key"]}
        points += requests.get(f"{address}/api/2.0/mlflow/metrics/get-history", params=asked).json()["metrics"]
    assert max(Counter((point["key"], int(point["step"])) for point in points).values()) == 1
    return {(point["key"], int(point["step"])): point["value"] for point in points if point["key"] != "epoch"}


def artifacts(address: str, run: dict[str, Any], **path: str) -> list[str]:
    asked = {"run_id": run["info"]["run_id"], **path}
    found = requests.get(f"{address}/api/2.0/mlflow/artifacts/list", params=asked).json()["files"]
    return [file["path"] for file in found]


def synced(folder: Path) -> WandbServer:
    """What the server has after the command of the screen: wandb sync."""
    (latest,) = folder.glob("outputs/*/*/wandb/latest-run")
    with wandb_server() as server:
        done = subprocess.run(
            [BIN / "wandb", "sync", str(latest.relative_to(folder))], cwd=folder, env={**os.environ, **server.environment},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return server


def wandb_metrics(server: WandbServer, run: str) -> dict[tuple[str, int], float]:
    """(name, step) → value of the plain numbers; raises AssertionError where a step stands twice."""
    rows = server.rows(run)
    assert len(rows) == len({row["_step"] for row in rows})
    return {
        (name, row["_step"]): value
        for row in rows
        for name, value in row.items()
        if isinstance(value, float) or (name not in ("epoch", "_step") and isinstance(value, int))
    }


def test_the_offline_wandb_run_holds_all_once_it_is_synced(tracked: Path) -> None:
    run, server = the_run(tracked), synced(tracked)
    (name,) = server.history
    assert name.startswith(f"{run.name}-")
    assert wandb_metrics(server, name) == pytest.approx(metrics_csv(run))
    summary = server.summary[name]
    assert {key: summary[key] for key in final_metrics(run)} == pytest.approx(final_metrics(run))
    assert server.config[name]["encoder"]["value"]["hidden_size"] == 8
    assert server.exit_codes[name] == 0
    assert "report.html" in server.files[name]
    charts = server.config[name]["_wandb"]["value"]["visualize"]
    kinds = {key: chart["panel_config"]["panelDefId"] for key, chart in charts.items()}
    assert kinds == {
        "test/confusion_matrix": "wandb/confusion_matrix/v1",
        "test/precision_recall": "wandb/area-under-curve/v0",
    }
    (table,) = (run / "wandb" / "latest-run").glob("files/media/table/test/mistakes_*.json")
    mistakes = json.loads(table.read_text())
    rows = list(csv.DictReader((run / "predictions.csv").open()))
    wrong = {(row["file"], int(row["line"])) for row in rows if row["label"] != row["prediction"]}
    place = [mistakes["columns"].index(column) for column in ("file", "line")]
    assert mistakes["data"]
    assert {tuple(row[column] for column in place) for row in mistakes["data"]} <= wrong


def train_until(folder: str, arguments: list[str], countdown: int) -> None:
    """One start of a run that kills itself in its countdown-th batch."""
    from gatelab.commands.train import compose
    from gatelab.training.run import train

    os.chdir(folder)
    arm("batch", countdown)
    train(compose(arguments))


def test_a_killed_run_goes_on_in_its_trackers_without_a_point_twice_or_missing(
    tracked: Path, tmp_path: Path, cache_dir: Path
) -> None:
    arguments = [*SMALL, ALL, f"data.cache_dir={cache_dir}"]
    process = forking().Process(target=train_until, args=(str(tmp_path), arguments, 40))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    gatelab("train", *arguments, "checkpoint_minutes=5", "report=false", cwd=tmp_path)
    run, expected = the_run(tmp_path), metrics_csv(the_run(tracked))
    assert metrics_csv(run) == expected
    server = synced(tmp_path)
    (name,) = server.history
    assert wandb_metrics(server, name) == pytest.approx(expected)
    assert len(list(run.glob("wandb/offline-run-*"))) == 1
    assert tensorboard_points(run / "tensorboard") == pytest.approx(expected, rel=1e-6)
    assert mlflow_points(tmp_path / "outputs" / "mlflow.db") == pytest.approx(expected)


def mlflow_points(file: Path) -> dict[tuple[str, int], float]:
    """Of the one run in the file, read without MLflow."""
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]
        points = database.execute("SELECT key, step, value FROM metrics WHERE key != 'epoch'").fetchall()
    assert len(points) == len({(key, step) for key, step, _ in points})
    return {(key, step): value for key, step, value in points}


def tensorboard_points(folder: Path) -> dict[tuple[str, int], float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    points = [(tag, event.step, event.value) for tag in events.Tags()["scalars"] for event in events.Scalars(tag)]
    assert len(points) == len({(tag, step) for tag, step, _ in points})
    return {(tag, step): value for tag, step, value in points if tag != "epoch"}


def test_a_server_that_accepts_and_never_answers_costs_one_warning(tmp_path: Path, cache_dir: Path) -> None:
    pytest.importorskip("mlflow")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        options = [
            "tracker=mlflow",
            f"tracker.mlflow.uri=http://ada:lovelace@{address}",
            "trainer=smoke",
            "report=false",
        ]
        output = gatelab("train", *SMALL[:2], *options, "baseline=none", f"data.cache_dir={cache_dir}", cwd=tmp_path)
    (line,) = [line for line in output.splitlines() if "warning" in line]
    assert line == f"warning: tracker mlflow is off for this run: http://***@{address} does not answer within 5 s"
    record = json.loads((the_run(tmp_path) / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["trackers"] == {"mlflow": {"problem": f"http://***@{address} does not answer within 5 s"}}
