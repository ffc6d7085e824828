"""Many runs: launchers, deaths of their processes, searches, several processes for one run. All with real processes."""

import csv
import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Started, gatelab
from kill import COMPARED, SETTINGS

SMALL = [*SETTINGS, "trainer.max_epochs=3"]
QUICK = ["trainer=smoke", "report=false", "data.num_rows=200", "encoder.hidden_size=4", "tracker=none", "baseline=none"]


def start(folder: Path, *arguments: str) -> Started:
    return Started("train", *arguments, cwd=folder)


def wait_until(condition: Callable[[], Any], process: Started, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, process.end()
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)
    return found


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("outputs/*/*/run.json"))]


def saved_and_running(folder: Path) -> list[int]:
    """The processes of the runs that have a checkpoint inside their first epochs."""
    return [
        record["process"]
        for record in records(folder)
        if record["status"] == "running"
        and (folder / "outputs" / record["name"] / record["identity"] / "checkpoints/last.ckpt").exists()
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> dict[str, dict[str, bytes]]:
    """What two runs leave that nothing disturbs, by identity."""
    folder = tmp_path_factory.mktemp("plain")
    gatelab("train", *SMALL, "-m", "seed=1,2", f"data.cache_dir={cache_dir}", cwd=folder)
    return {
        run.parent.name: {name: (run.parent / name).read_bytes() for name in COMPARED}
        for run in folder.glob("outputs/*/*/run.json")
    }


def assert_as_plain(folder: Path, plain: dict[str, dict[str, bytes]]) -> None:
    for identity, files in plain.items():
        for name, content in files.items():
            assert (folder / "outputs" / "default" / identity / name).read_bytes() == content, (identity, name)


@pytest.mark.parametrize(
    ("launcher", "seeds"),
    [
        ("joblib", "1,2"),
        pytest.param("submitit_local", "1", marks=pytest.mark.long),
        pytest.param("ray", "1", marks=pytest.mark.long),
    ],
)
def test_a_killed_job_comes_back_and_ends_as_if_nothing_had_happened(
    launcher: str, seeds: str, tmp_path: Path, cache_dir: Path, plain: dict[str, dict[str, bytes]]
) -> None:
    pytest.importorskip({"submitit_local": "submitit"}.get(launcher, launcher))
    sweep = [*SMALL, "-m", f"seed={seeds}", f"data.cache_dir={cache_dir}", f"hydra/launcher={launcher}"]
    with start(tmp_path, *sweep) as process:
        (killed, *_) = wait_until(lambda: saved_and_running(tmp_path), process)
        os.kill(killed, signal.SIGKILL)
        output = process.end()
    assert process.returncode == 0, output
    assert sum(len(record.get("resumed", [])) for record in records(tmp_path)) >= 1
    if launcher != "ray":  # Ray starts it again by itself, without a word
        assert "it resumes from its last checkpoint" in output
    done = {record["identity"]: plain[record["identity"]] for record in records(tmp_path)}
    assert len(done) == len(seeds.split(","))
    assert_as_plain(tmp_path, done)
    if launcher == "joblib":  # without it: its processes take seconds to start
        assert "2 runs: 0 done, 2 skipped (finished before), 0 failed" in gatelab("train", *sweep[:-1], cwd=tmp_path)


@pytest.mark.long
def test_jobs_side_by_side_are_saved_by_ctrl_c_and_end_with_a_killed_sweep_and_the_same_command_goes_on(
    tmp_path: Path, cache_dir: Path, plain: dict[str, dict[str, bytes]]
) -> None:
    sweep = [*SMALL, "-m", "seed=1,2", f"data.cache_dir={cache_dir}", "hydra/launcher=joblib"]
    with start(tmp_path, *sweep) as process:
        wait_until(lambda: saved_and_running(tmp_path), process)
        process.send_signal(signal.SIGINT)
        output = process.end(60)
    assert process.returncode == 130, output
    assert "Interrupted. The same command resumes where it stopped. Its folder is outputs/default; " in output
    assert "interrupted" in [record["status"] for record in records(tmp_path)]
    with start(tmp_path, *sweep) as process:
        wait_until(lambda: saved_and_running(tmp_path), process)
        process.kill()
    output = gatelab("train", *sweep, cwd=tmp_path)
    assert "2 runs: " in output
    assert ", 0 failed" in output
    assert_as_plain(tmp_path, plain)


@pytest.mark.long
def test_a_failure_among_jobs_that_run_side_by_side_ends_no_other_and_is_shown(tmp_path: Path, cache_dir: Path) -> None:
    sweep = [*QUICK, f"data.cache_dir={cache_dir}", "-m", "encoder.hidden_size=3,-1,4", "hydra/launcher=joblib"]
    output = gatelab("train", *sweep, cwd=tmp_path, code=1)
    assert "3 runs: 2 done, 0 skipped (finished before), 1 failed" in output
    assert "failed  encoder.hidden_size=-1" in output
    assert re.search(r"hidden_size=[34]: 0\.\d+ macro-F1, .*\n", output)
    assert "see it      gatelab compare default\n" in output
    assert "encoder.hidden_size=3  done  accuracy" in output
    assert "3 jobs; gatelab runs default --watch shows them as they train" in output
    assert sorted((record["job"], record["jobs"]) for record in records(tmp_path)) == [(0, 3), (2, 3)]


def test_two_starts_of_one_run_at_the_same_time_are_one_run_and_one_refusal(tmp_path: Path, cache_dir: Path) -> None:
    arguments = [*SMALL, f"data.cache_dir={cache_dir}"]
    with start(tmp_path, *arguments) as one, start(tmp_path, *arguments) as two:
        ended = [process.end() for process in (one, two)]
    assert {one.returncode, two.returncode} == {0, 2}, ended
    refused = ended[0] if one.returncode else ended[1]
    assert "is running elsewhere (process " in refused
    assert [record["status"] for record in records(tmp_path)] == ["finished"]


def test_each_job_has_its_own_tracker_run_also_after_a_failure(tmp_path: Path, cache_dir: Path) -> None:
    sweep = [
        "trainer=smoke",
        "data.num_rows=200",
        "baseline=none",
        "report=false",
        f"data.cache_dir={cache_dir}",
        "-m",
        "seed=1,2",
    ]
    lr = ["optimizer=sgd", "optimizer.lr=1e38,0.1", "trainer.gradient_clip_val=null", "trainer.limit_train_batches=5"]
    output = gatelab("train", *sweep, *lr, cwd=tmp_path, code=1)
    assert "2 failed" in output
    lines = output.splitlines()
    for title, seed, rate in (("job 1/4", 1, "1e+38"), ("job 2/4", 1, "0.1"), ("job 4/4", 2, "0.1")):
        (line,) = [line for line in lines if line.startswith(title)]
        assert f"seed={seed}" in line
        assert f"optimizer.lr={rate}" in line
    assert all(line.endswith(" rows/s") for line in lines if line.startswith("epoch "))
    for record in records(tmp_path):
        run = tmp_path / "outputs" / record["name"] / record["identity"]
        (tracked,) = run.glob("wandb/offline-run-*/*.wandb")
        assert tracked.name.startswith(f"run-{record['identity']}-")


def test_a_job_counts_its_own_memory_and_not_that_of_the_one_before(tmp_path: Path, cache_dir: Path) -> None:
    sweep = [*QUICK, f"data.cache_dir={cache_dir}", "-m", "model.embedding_size=15000,8"]
    gatelab("train", *sweep, "encoder.hidden_size=1", cwd=tmp_path)
    large, small = sorted((record["resources"]["peak_memory_bytes"] for record in records(tmp_path)), reverse=True)
    assert large - small > 50e6


def trials(folder: Path) -> list[Any]:
    optuna = pytest.importorskip("optuna")
    from gatelab.sweeps.search import open_storage

    return optuna.load_study(
        study_name="default", storage=open_storage(str(folder / "outputs/default/search.journal"))
    ).trials


SEARCH = [
    "-m", "hydra/sweeper=optuna", "optimizer.lr=tag(log,interval(1e-4,1e-1))", "encoder.hidden_size=range(2,9)",
    "encoder=choice(lstm,gru)", "trainer.max_epochs=3", "data.num_rows=200", "tracker=none", "baseline=none", "report=false",
]  # fmt: skip


def test_a_search_killed_in_a_trial_goes_on_with_it_and_has_its_number_of_trials_in_all(
    tmp_path: Path, cache_dir: Path
) -> None:
    pytest.importorskip("optuna")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    search = [*SEARCH, f"data.cache_dir={cache_dir}", "hydra.sweeper.num_trials=4"]
    gatelab("train", *search, cwd=whole)
    with start(killed, *search) as process:
        wait_until(lambda: len(list(killed.glob("outputs/default/*/metrics.csv"))) == 3, process)
        process.kill()
    with open(killed / "outputs/default/search.journal", "ab") as stream:
        stream.write(b'{"op_code": 4, "wor')  # a line that a power cut left half-written
    output = gatelab("train", *search, cwd=killed)
    assert "2 of 4 trials are done" in output
    assert "best of 4 trials" in output
    assert [(trial.params, trial.value) for trial in trials(killed)] == [
        (trial.params, trial.value) for trial in trials(whole)
    ]
    assert len(list(killed.glob("outputs/default/*/run.json"))) == 4


def test_a_search_prunes_trials_and_says_so(tmp_path: Path, cache_dir: Path) -> None:
    pytest.importorskip("optuna")
    search = [*SEARCH, f"data.cache_dir={cache_dir}", "hydra.sweeper.num_trials=8", "hydra.sweeper.pruner=median"]
    output = gatelab("train", *search, "hydra.sweeper.at_once=2", "hydra/launcher=joblib", cwd=tmp_path)
    pruned = sum(trial.state.name == "PRUNED" for trial in trials(tmp_path))
    assert pruned > 0
    assert f"{pruned} pruned" in output
    assert sum(record["status"] == "pruned" for record in records(tmp_path)) == pruned


def test_a_search_that_an_experiment_writes_down_looks_at_the_monitor_of_its_runs(
    tmp_path: Path, cache_dir: Path
) -> None:
    pytest.importorskip("optuna")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "lr.yaml").write_text(
        "defaults: [override /hydra/sweeper: optuna]\nmonitor: validation/loss\n"
        'hydra: {mode: MULTIRUN, sweeper: {num_trials: 1, params: {optimizer.lr: "interval(1e-4,1e-1)"}}}'
    )
    gatelab("train", "experiments=lr", *QUICK, f"data.cache_dir={cache_dir}", cwd=tmp_path)
    (record,), (trial,) = records(tmp_path), trials(tmp_path)
    assert record["monitor"] == "loss"
    assert trial.value == record["best_validation"]["loss"]


def test_a_search_with_a_misspelt_key_is_refused_before_its_first_trial(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    search = [text.replace("optimizer.lr", "optimizer.rl") for text in SEARCH]
    assert "optimizer.rl: unknown key" in gatelab("train", *search, cwd=tmp_path, code=2)
    assert not list(tmp_path.glob("outputs/*/*/run.json"))


DDP = ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"]
CURVE = [
    "data.num_rows=603", "trainer.max_epochs=3", "trainer.log_every_n_steps=1", "encoder.hidden_size=16", "model.embedding_size=16",
    "model.dropout=0", "optimizer.schedule=cosine", "model.class_weights=[1,2]", "baseline=none", "report=false",
]  # fmt: skip


def losses(folder: Path) -> list[tuple[str, str, float]]:
    (file,) = folder.glob("outputs/*/*/metrics.csv")
    return [(row["step"], row["name"], float(row["value"])) for row in csv.DictReader(file.open())]


def test_two_processes_train_as_one_with_the_same_batches_in_one_folder_and_one_tracker_run(
    tmp_path: Path, cache_dir: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    gatelab("train", *CURVE, "trainer=cpu", "tracker=none", f"data.cache_dir={cache_dir}", cwd=one)
    gatelab("train", *CURVE, *DDP, "-m", "seed=141", f"data.cache_dir={cache_dir}", cwd=two)
    expected, found = losses(one), losses(two)
    # 422 training rows: the last batch of an epoch has 6.
    assert [line[:2] for line in found] == [line[:2] for line in expected]
    assert [line[2] for line in found] == pytest.approx([line[2] for line in expected], abs=1e-6)
    (record,) = records(two)
    run = two / "outputs" / "default" / record["identity"]
    assert len(list(run.glob("wandb/offline-run-*"))) == 1
    assert not list(run.glob("rank*.log"))
    rows = list(csv.DictReader((run / "predictions.csv").open()))
    assert len(rows) == len({row["line"] for row in rows}) == record["data"]["split_sizes"]["test"]


@pytest.mark.long
def test_a_run_of_two_processes_resumes_exactly_when_one_of_them_was_killed(tmp_path: Path, cache_dir: Path) -> None:
    arguments = [*SMALL, *DDP, f"data.cache_dir={cache_dir}", "trainer.max_epochs=4"]
    arguments.remove("trainer=cpu")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    gatelab("train", *arguments, cwd=whole)
    with start(killed, *arguments) as process:
        (first,) = wait_until(lambda: saved_and_running(killed), process)
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        ranks = [child for child in children if "gatelab.training.rank" in Path(f"/proc/{child}/cmdline").read_text()]
        os.kill(int(ranks[0]), signal.SIGKILL)
        output = process.end()
    assert process.returncode == 2, output
    assert "one of the run's processes was killed (signal 9)" in output
    assert [record["status"] for record in records(killed)] == ["interrupted"]
    assert "Resuming from" in gatelab("train", *arguments, cwd=killed)
    (one,), (two,) = (list(folder.glob("outputs/default/*/run.json")) for folder in (whole, killed))
    for name in COMPARED:
        assert (one.parent / name).read_bytes() == (two.parent / name).read_bytes(), name


def test_a_scheduler_that_takes_the_machine_away_gets_a_saved_run_and_starts_it_again(
    tmp_path: Path, cache_dir: Path, plain: dict[str, dict[str, bytes]]
) -> None:
    pytest.importorskip("submitit")
    sweep = [
        *SMALL,
        "-m",
        "seed=1",
        f"data.cache_dir={cache_dir}",
        "hydra/launcher=submitit_local",
        "checkpoint_minutes=60",
    ]
    with start(tmp_path, *sweep) as process:
        (file,) = wait_until(lambda: list(tmp_path.glob("outputs/*/*/metrics.csv")), process)
        wait_until(lambda: file.read_text().count("\n") > 2, process)
        os.kill(records(tmp_path)[0]["process"], signal.SIGUSR2)
        output = process.end()
    assert process.returncode == 0, output
    (record,) = records(tmp_path)
    assert len(record["resumed"]) == 1
    assert_as_plain(tmp_path, {record["identity"]: plain[record["identity"]]})
    (log,) = tmp_path.glob("outputs/default/.submitit/*/*.err")
    assert "this job is preempted" in log.read_text()
