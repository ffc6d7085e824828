"""A run that was stopped, in whatever way, ends as one that never was."""

import errno
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Started, gatelab, the_run
from kill import COMPARED, SETTINGS, kill_and_compare

SMALL = [*SETTINGS, "trainer.max_epochs=3"]


def train(folder: Path, *more: str, code: int = 0) -> str:
    output = gatelab("train", *SMALL, *more, cwd=folder, code=code)
    assert "Traceback" not in output
    return output


def start(folder: Path, *more: str, before: Callable[[], Any] | None = None) -> Started:
    return Started("train", *SMALL, *more, cwd=folder, before=before)


def wait_for(file: Path, process: Started) -> None:
    """Until metrics.csv has several lines."""
    while process.poll() is None and not (file.exists() and file.read_text().count("\n") > 4):
        time.sleep(0.02)
    assert file.exists(), process.end()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(folder, f"data.cache_dir={cache_dir}")
    return the_run(folder)


def assert_identical(run: Path, whole: Path) -> None:
    for name in COMPARED:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_kills_at_any_moment_change_no_byte_of_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kill_and_compare(20, tmp_path, 141, SETTINGS)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("identical")
    assert int(last.split(" times resumed")[0].split()[-1]) >= 5, last


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_says_how_to_go_on(
    number: int, code: int, tmp_path: Path, cache_dir: Path, whole: Path
) -> None:
    with start(tmp_path, f"data.cache_dir={cache_dir}", "checkpoint_minutes=60") as process:
        run = tmp_path / "outputs" / "default" / whole.name
        wait_for(run / "metrics.csv", process)
        process.send_signal(number)
        output = process.end()
    assert process.returncode == code, output
    assert "resumes where it stopped" in output
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert (run / "checkpoints" / "last.ckpt").exists()
    assert "Resuming from" in train(tmp_path, f"data.cache_dir={cache_dir}")
    assert_identical(run, whole)


@pytest.mark.parametrize("damage", ["cut", "flipped", "metrics"])
def test_a_damaged_checkpoint_is_noticed_and_what_is_whole_is_used(
    damage: str, tmp_path: Path, cache_dir: Path, whole: Path
) -> None:
    with start(tmp_path, f"data.cache_dir={cache_dir}") as process:
        run = tmp_path / "outputs" / "default" / whole.name
        wait_for(run / "metrics.csv", process)
        process.terminate()
    last = run / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    if damage == "cut":
        last.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        last.write_bytes(content)
    else:
        (run / "metrics.csv").write_text("")
    output = train(tmp_path, f"data.cache_dir={cache_dir}")
    assert "is damaged" in output
    assert ("Resuming from" in output) == (damage != "metrics")
    assert_identical(run, whole)


def test_a_damaged_best_checkpoint_is_noticed_before_the_run_goes_on_to_an_end_it_cannot_reach(
    tmp_path: Path, cache_dir: Path, whole: Path
) -> None:
    run = stopped(tmp_path, cache_dir, whole, lambda run: (run / "checkpoints" / "best.ckpt").exists())
    best = run / "checkpoints" / "best.ckpt"
    content = bytearray(best.read_bytes())
    content[len(content) // 2] ^= 1
    best.write_bytes(content)
    output = train(tmp_path, f"data.cache_dir={cache_dir}")
    assert "best.ckpt: " in output
    assert "does not fit its checksum" in output
    assert_identical(run, whole)


def test_a_run_folder_that_was_moved_goes_on_where_it_is_now(tmp_path: Path, cache_dir: Path, whole: Path) -> None:
    (tmp_path / "here").mkdir()
    stopped(tmp_path / "here", cache_dir, whole, lambda run: (run / "checkpoints" / "best.ckpt").exists())
    (tmp_path / "here").rename(tmp_path / "there")
    assert "Resuming from" in train(tmp_path / "there", f"data.cache_dir={cache_dir}")
    assert_identical(the_run(tmp_path / "there"), whole)
    assert not (tmp_path / "here").exists()


def stopped(folder: Path, cache_dir: Path, whole: Path, ready: Callable[[Path], bool]) -> Path:
    """The folder of a run that was stopped once it was ready."""
    run = folder / "outputs" / "default" / whole.name
    with start(folder, f"data.cache_dir={cache_dir}") as process:
        while not ready(run):
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
    assert process.returncode == 143
    return run


def test_a_loss_that_is_no_number_stops_the_run_with_batch_step_and_rate(tmp_path: Path, cache_dir: Path) -> None:
    output = train(
        tmp_path, f"data.cache_dir={cache_dir}", "optimizer=sgd", "optimizer.lr=1e38", "optimizer.schedule=constant",
        "trainer.gradient_clip_val=null", code=2,
    )  # fmt: skip
    assert "the loss is nan at step" in output or "the loss is inf at step" in output
    assert "learning rate 1e+38" in output
    assert json.loads((the_run(tmp_path) / "run.json").read_text())["status"] == "failed"


def fill_the_disk() -> None:
    """The ninth checkpoint does not fit."""
    from gatelab.training import checkpoint

    whole, left = checkpoint.atomic_write, 9

    def full(file: Path, content: str | bytes, previous: Path | None = None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(file, content, previous)

    checkpoint.atomic_write = full


def test_a_full_disk_stops_the_run_with_a_sentence_and_the_state_before_stays(
    tmp_path: Path, cache_dir: Path, whole: Path
) -> None:
    with start(tmp_path, f"data.cache_dir={cache_dir}", before=fill_the_disk) as process:
        output = process.end()
    assert process.returncode == 2, output
    assert "No space left on device. The checkpoint before it is kept" in process.errors()
    run = the_run(tmp_path)
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    (run / "checkpoints" / ".last.ckpt.half").write_bytes(b"what a killed process leaves")
    assert "Resuming from" in train(tmp_path, f"data.cache_dir={cache_dir}")
    assert not list((run / "checkpoints").glob(".*"))
    assert_identical(run, whole)


def test_a_sweep_goes_on_where_it_died_and_tries_failures_again_on_request(tmp_path: Path, cache_dir: Path) -> None:
    sweep = [f"data.cache_dir={cache_dir}", "-m", "seed=1,2", "optimizer=sgd", "optimizer.schedule=constant"]
    sweep += ["trainer.gradient_clip_val=null", "optimizer.lr=0.1,1e38"]
    with start(tmp_path, *sweep) as process:
        while len(list(tmp_path.glob("outputs/*/*/metrics.csv"))) < 2:
            assert process.poll() is None, process.end()
            time.sleep(0.02)
        process.kill()
    output = train(tmp_path, *sweep, code=1)
    assert "4 runs: " in output
    assert "2 failed" in output
    assert output.count("log outputs") == 2
    again = train(tmp_path, *sweep, code=1)
    assert "4 runs: 0 done, 2 skipped (finished before), 2 failed" in again
    assert "retry=failed tries it again" in again
    assert again.partition("4 runs: ")[2].count("the loss is") == 2
    retried = train(tmp_path, *sweep, "retry=failed", code=1)
    assert "retry=failed tries" not in retried
    assert "4 runs: 0 done, 2 skipped (finished before), 2 failed" in retried
