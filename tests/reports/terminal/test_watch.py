"""What gatelab runs --watch says of runs that other processes make."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from commands import Started, gatelab
from run_folders import Folders

from gatelab.reports.analysis.jobs import num_waiting
from gatelab.reports.terminal import watch as module
from gatelab.reports.terminal.watch import Watch, watch_runs
from gatelab.reports.terminal.watched import WatchedRun
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import load_runs
from gatelab.screen import Screen

HEAD = "epoch,step,name,value\n"
LENGTH = {"trainer.max_epochs": 10, "data.batch_size": 32}  # 20 steps an epoch
ROWS = {"split_sizes": {"train": 640}}
START = "2026-01-01T12:00:00+00:00"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def epochs(first: int, last: int) -> str:
    """The lines of epochs counted from 0, the macro-F1 best in the third."""
    lines = ""
    for epoch in range(first, last + 1):
        step = 20 * (epoch + 1) - 1
        lines += f"{epoch},{step},train/loss,{1 / (epoch + 1)}\n{epoch},{step},validation/macro_f1,{0.5 - abs(epoch - 2) / 100}\n"
    return lines


def write(folder: RunFolder, text: str, seconds: float = 0, *, append: bool = False) -> None:
    """As if seconds had gone by since START."""
    with open(folder.metrics, "a" if append else "w", encoding="utf-8") as stream:
        stream.write(text)
    moment = datetime.fromisoformat(START).timestamp() + seconds
    os.utime(folder.metrics, (moment, moment))


def shown(watch: Watch, most: int | None = None) -> str:
    console = Screen(width=200, file=io.StringIO())
    console.print(watch.table(most))
    return console.file.getvalue()  # type: ignore[attr-defined]


def running(folders: Folders, seed: int = 1, **record: Any) -> RunFolder:
    return folders.write(seed, status="running", settings=LENGTH, data=ROWS, **{"started": START, **record})


def test_a_running_run_shows_epoch_losses_last_and_best_speed_and_time_left(folders: Folders) -> None:
    folder = running(folders)
    run = WatchedRun(folder)
    with folder.locked():
        write(folder, HEAD + epochs(0, 2), 30)
        run.look()
        assert (run.status, run.epoch, run.num_epochs) == ("running", 4, 10)
        assert (run.train_loss, run.monitored, run.best) == (1 / 3, 0.5, 0.5)
        assert (run.seconds_per_epoch, run.seconds_left) == (10, 70)  # 3 of 10 epochs in 30 s
        write(folder, epochs(3, 4), 40, append=True)
        run.look()
        assert (run.epoch, run.train_loss, run.monitored, run.best) == (6, 1 / 5, 0.48, 0.5)
        assert (run.seconds_per_epoch, run.seconds_left) == (5, 25)  # the last 2 epochs in 10 s
    run.look()
    assert (run.status, run.epoch, run.seconds_left) == ("interrupted", 5, None)


def test_in_its_first_epoch_the_number_of_rows_tells_how_long_one_takes(folders: Folders) -> None:
    folder = running(folders)
    run = WatchedRun(folder)
    with folder.locked():
        write(folder, HEAD + "0,4,train/loss,0.7\n", 5)
        run.look()
        assert (run.epoch, run.seconds_per_epoch, run.seconds_left) == (1, 20, 195)  # 5 of 200 steps, 1 s each


def test_a_resumed_run_has_a_speed_only_once_it_was_seen_to_move(folders: Folders) -> None:
    folder = running(folders, resumed=["2026-01-02T12:00:00+00:00"])
    run = WatchedRun(folder)
    with folder.locked():
        write(folder, HEAD + epochs(0, 2), 1000)
        run.look()
        assert (run.epoch, run.seconds_left) == (4, None)
        write(folder, epochs(3, 3), 1002, append=True)
        run.look()
        assert run.seconds_left == 12


def test_only_what_is_new_is_read_and_half_a_line_waits_for_its_end(folders: Folders) -> None:
    folder = running(folders)
    run = WatchedRun(folder)
    write(folder, HEAD + epochs(0, 3) + "4,99,train/lo", 40)
    run.look()
    size = folder.metrics.stat().st_size
    folder.metrics.write_text("x" * size)  # what was read is not looked at again
    write(folder, "ss,0.125\n", 50, append=True)
    run.look()
    assert (run.train_loss, run.best) == (0.125, 0.5)


def test_metrics_that_were_cut_back_to_a_checkpoint_are_read_anew(folders: Folders) -> None:
    folder = running(folders)
    run = WatchedRun(folder)
    write(folder, HEAD + epochs(0, 4), 40)
    run.look()
    write(folder, HEAD + epochs(0, 1), 50)
    run.look()
    assert (run.epoch, run.train_loss, run.monitored) == (2, 1 / 2, 0.49)


def test_a_sweep_counts_what_is_done_and_what_has_not_started_and_says_when_all_will_be(folders: Folders) -> None:
    for job in (0, 1):
        folders.write(job, 0.7, settings=LENGTH, job=job, jobs=6, seconds=100.0)
    one, two = (running(folders, seed, job=seed, jobs=6) for seed in (2, 3))
    watch = Watch(folders.output_dir, "sweep")
    with one.locked(), two.locked():
        write(one, HEAD + epochs(0, 2), 30)
        write(two, HEAD + epochs(0, 7), 80)
        watch.look()
        # 70 and 20 s of those that run and twice 100 s, two at a time
        assert "6 runs: 2 running, 2 finished, 2 not started   2:25 left" in shown(watch)
    watch.look()
    assert watch.is_expecting()
    assert "6 runs: 2 finished, 2 interrupted, 2 not started" in shown(watch)


def test_where_not_all_fit_those_that_run_and_the_latest_stay_in_the_order_of_the_sweep(folders: Folders) -> None:
    first = running(folders, 0, job=0)
    names = [folders.write(seed, 0.7, settings=LENGTH, job=seed).path.name for seed in range(1, 200)]
    watch = Watch(folders.output_dir, "sweep")
    with first.locked():
        watch.look()
    screen = shown(watch, most=20)
    assert "(180 not shown)" in screen
    identities = [line.split("│")[1].strip() for line in screen.splitlines() if line.startswith("│")]
    assert identities == [first.path.name, *names[-19:]]


def test_a_table_that_is_watched_ends_by_itself_with_the_sweep_of_another_process(
    tmp_path: Path, cache_dir: Path
) -> None:
    command = [
        "train", "-m", "seed=1,2", "trainer=cpu", "trainer.max_epochs=2", "data.num_rows=200", "baseline=none",
        "report=false", "tracker=none", "encoder.hidden_size=4", f"data.cache_dir={cache_dir}",
    ]  # fmt: skip
    screen = io.StringIO()
    with Started(*command, cwd=tmp_path) as sweep:
        while not list(tmp_path.glob("outputs/default/*/run.json")):
            assert sweep.poll() is None
            time.sleep(0.05)
        watch_runs(
            tmp_path / "outputs", "default", 0.1, Screen(file=screen, force_terminal=True, width=120, color_system=None)
        )
    tables = screen.getvalue().split(" runs: ")
    assert "1 running, 1 not started" in screen.getvalue()
    assert tables[-1].startswith("2 finished")
    assert tables[-1].count("2/2") == 2


def test_a_sweep_that_nobody_continues_is_not_waited_for(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_APPEAR", 0.3)
    folders.write(0, 0.7, settings=LENGTH, job=0, jobs=2)
    screen = io.StringIO()
    watch_runs(folders.output_dir, None, 0.1, Screen(file=screen, force_terminal=True, color_system=None))
    assert "2 runs: 1 finished, 1 not started" in screen.getvalue()


def test_jobs_of_another_sweep_and_skipped_ones_count_for_none_of_this(folders: Folders) -> None:
    for job in (0, 1, 2):
        folders.write(job, 0.7, settings=LENGTH, job=job, jobs=3)
    first = running(folders, 3, job=0, jobs=3, started="2026-01-02T12:00:00+00:00")
    watch = Watch(folders.output_dir, "sweep")
    with first.locked():
        watch.look()
        assert "2 not started" in shown(watch)
        first.update(job=2)  # the two before it were finished earlier, and skipped
        watch.look()
        assert "not started" not in shown(watch)


def test_between_two_jobs_it_waits_for_as_long_as_their_process_lives(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_APPEAR", 0.0)
    latest = folders.write(0, 0.7, settings=LENGTH, job=0, jobs=2, process=os.getpid())
    watch = Watch(folders.output_dir, "sweep")
    watch.look()
    assert watch.is_expecting()
    with subprocess.Popen(["true"]) as ended:
        pass
    latest.update(process=ended.pid)
    watch.look()
    assert not watch.is_expecting()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_in_a_narrow_terminal_what_is_shown_is_shown_whole(width: int, folders: Folders) -> None:
    for seed in (1, 2):
        settings = {**LENGTH, "optimizer.lr": 0.001 * seed, "model.dropout": 0.1 * seed}
        folder = folders.write(seed, 0.7, settings=settings, status="finished", started=START)
        write(folder, HEAD + epochs(0, 9), 30)
    watch = Watch(folders.output_dir, "sweep")
    watch.look()
    console = Screen(width=width, file=io.StringIO())
    console.print(watch.table(width=width))
    screen = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("finished", "0.002", "0.2", "dropout", "10/10", "0.4300"):
        assert word in screen
    assert "…" not in screen
    assert width != 80 or "seconds" not in screen
    assert width != 200 or "seconds" in screen


@pytest.mark.parametrize("width", [60, 80])
def test_as_a_run_moves_each_screen_replaces_the_one_before_and_cuts_nothing(
    width: int, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, size in enumerate((64, 128), start=1):
        run: dict[str, Any] = {
            "identity": f"{number}f9c3b8a2d",
            "settings": {**LENGTH, "encoder.hidden_size": size},
            "data": ROWS,
        }
        write(folders.write(number, 0.7, started=START, **run), HEAD + epochs(0, 9), 30)
    moving = folders.write(7, status="running", started=START, **{**run, "identity": "7f9c3b8a2d"})
    write(moving, HEAD)
    screen, times = io.StringIO(), iter(range(3))

    def move(_: float) -> None:
        epoch = next(times, None)
        if epoch is None:
            moving.update(status="finished")
        else:
            write(moving, epochs(epoch, epoch), append=True)

    monkeypatch.setattr(module.time, "sleep", move)
    with moving.locked():
        watch_runs(folders.output_dir, "sweep", 0.1, Screen(file=screen, force_terminal=True, width=width, height=30, color_system=None))  # fmt: skip
    found = re.split(r"(?:\r?\x1b\[\?25[lh]|\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*)+", screen.getvalue())
    screens = [lines.splitlines() for lines in found if "runs: " in lines]
    ups = [erased.count("\x1b[1A") for erased in re.findall(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*", screen.getvalue())]
    assert ups == [len(lines) - 1 for lines in screens[:-1]]  # no line of an earlier table is left above
    for done, lines in enumerate(screens[:4]):
        assert max(map(len, lines)) <= width
        assert (lines[-1][0], lines[-1][-1]) == ("└", "┘")
        assert "7f9c" in lines[-2]
        assert f"{done + 1}/10" in lines[-2]
        assert not done or f"{0.5 - abs(done - 3) / 100:.4f}" in lines[-2]
    assert "3 finished" in screens[-1][0]


def test_a_damaged_folder_is_named_and_the_others_are_shown(folders: Folders) -> None:
    good, damaged, half = (running(folders, seed) for seed in (1, 2, 3))
    damaged.record_file.write_text('{"half', encoding="utf-8")
    watch = Watch(folders.output_dir, "sweep")
    with good.locked(), half.locked():
        write(good, HEAD + epochs(0, 1), 20)
        half.metrics.write_bytes(HEAD.encode() + b"0,3\n\0\0\0\xff\n0,19,validation/macro_f1,0.25\n")
        watch.look()
    screen = shown(watch)
    assert f"{damaged.path.name}/run.json: line 1 is not valid JSON" in screen.replace("\n", "")
    assert "0.4900" in screen
    assert "0.2500" in screen


def test_without_a_terminal_the_table_is_printed_once(folders: Folders, tmp_path: Path) -> None:
    folder = running(folders)
    with folder.locked():
        output = gatelab("runs", "--watch", cwd=tmp_path)
        assert output.count("1 run: 1 running") == 1
    assert "No runs in outputs/nothing yet." in gatelab("runs", "nothing", "--watch", cwd=tmp_path)


def test_ctrl_c_ends_the_watching_and_is_no_failure(folders: Folders, tmp_path: Path) -> None:
    folder = running(folders)
    with folder.locked():
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "gatelab.cli", "runs", "--watch"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stderr=theirs, stdin=theirs)
        os.close(theirs)
        output = b""
        while b"1 run: " not in output:
            output += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        os.close(ours)


@pytest.mark.parametrize("process", [2**40, 0, -1, None])
def test_nothing_waits_for_a_process_that_cannot_be(process: int | None, folders: Folders) -> None:
    folders.write(1, job=0, jobs=3, process=os.getpid())
    assert num_waiting(load_runs(all_runs(folders.output_dir))) == 2
    folders.write(2, job=0, jobs=3, process=process)
    assert num_waiting(load_runs(all_runs(folders.output_dir))) == 0
