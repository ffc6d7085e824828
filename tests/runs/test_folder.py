import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from gatelab.errors import RunError
from gatelab.files import atomic_write, replacing
from gatelab.runs.folder import RunFolder, all_runs, find_run
from gatelab.runs.run_notes import notes_locked

HOLD = """
import sys, time
from gatelab.runs.folder import RunFolder
folder = RunFolder(sys.argv[1])
with folder.locked(), folder.recorded():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_that_is_running_elsewhere_is_refused_and_a_dead_ones_lock_does_not_block(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "name" / "0123456789")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert folder.status == "running"
        with (
            pytest.raises(RunError, match=rf"0123456789 is running elsewhere \(process {process.pid}"),
            folder.locked(),
        ):
            pass
        process.kill()
    assert folder.status == "interrupted"
    with folder.locked():
        pass


@pytest.mark.parametrize(
    ("error", "status"), [(None, "finished"), (KeyboardInterrupt(), "interrupted"), (RuntimeError("broken"), "failed")]
)
def test_the_record_says_how_a_run_ended(tmp_path: Path, error: BaseException | None, status: str) -> None:
    folder = RunFolder(tmp_path / "run")
    if error is None:
        with folder.recorded(seed=3):
            pass
    else:
        with pytest.raises(type(error)), folder.recorded(seed=3):
            raise error
    record = json.loads(folder.record_file.read_text())
    assert (record["status"], record["seed"]) == (status, 3)
    assert folder.status == status
    assert folder.error_log.exists() == (status == "failed")
    if status == "failed":
        assert record["error"] == "RuntimeError: broken"
        assert "Traceback" in folder.error_log.read_text()


@pytest.mark.parametrize("name", ["metrics.csv", "model", "checkpoints", "checkpoints/last.ckpt", "figures/gates"])
def test_a_run_that_is_resumed_writes_through_no_link(name: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), folder.recorded():
        raise KeyboardInterrupt
    folder.checkpoints.rmdir() if name == "checkpoints" else folder.figures.mkdir()
    (folder.path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=rf"{name}: is a link"), folder.recorded(resumed=True):
        pass
    assert folder.status == "interrupted"
    with folder.recorded():
        pass


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda place: os.symlink(place, place)])
def test_what_is_no_lock_hides_no_run_and_is_named_by_who_needs_it(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "name" / "0123456789")
    folder.path.mkdir(parents=True)
    folder.record_file.write_text('{"status": "running"}')
    for name in (".0123456789.lock", ".0123456789.notes.lock"):
        make(folder.path.with_name(name))
    assert folder.status == "interrupted"
    with pytest.raises(RunError, match=r"\.0123456789\.lock: cannot be held as a lock \("), folder.locked():
        pass
    with pytest.raises(RunError, match=r"\.notes\.lock: cannot be held as a lock \("), notes_locked(folder):
        pass


def test_of_another_users_run_the_record_says_whether_it_is_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError

    folder = RunFolder(tmp_path / "name" / "0123456789")
    folder.path.mkdir(parents=True)
    folder.record_file.write_text('{"status": "running"}')
    folder.path.with_name(".0123456789.lock").touch()
    assert folder.status == "interrupted"
    monkeypatch.setattr(FileLock, "acquire", refused)
    assert folder.status == "running"


def test_a_run_that_is_named_from_inside_its_folder_has_the_same_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "name" / "0123456789")
    folder.figures.mkdir(parents=True)
    with folder.locked():
        for place, name in ((folder.path, "."), (folder.figures, "..")):
            monkeypatch.chdir(place)
            assert RunFolder(name).is_locked()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    atomic_write(file, "old")
    with pytest.raises(UnicodeEncodeError):
        atomic_write(file, "new \ud800")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="is a device, a FIFO or a socket, and no file is put in its place"):
        atomic_write(tmp_path / "fifo", "text")
    assert (tmp_path / "fifo").is_fifo()


def test_a_run_is_found_by_its_folder_or_first_digits(tmp_path: Path) -> None:
    for identity in ("aaaa000000", "aabb000000"):
        with RunFolder(tmp_path / "name" / identity).recorded():
            pass
    assert [folder.path.name for folder in all_runs(tmp_path)] == ["aaaa000000", "aabb000000"]
    assert all_runs(tmp_path, "other") == []
    assert find_run("aab", tmp_path).path.name == "aabb000000"
    assert find_run(str(tmp_path / "name" / "aaaa000000"), tmp_path).path.name == "aaaa000000"
    with pytest.raises(RunError, match="2 runs begin so"):
        find_run("aa", tmp_path)
    with pytest.raises(RunError, match="no such run"):
        find_run("ff", tmp_path)


def test_a_run_is_found_by_its_name_with_digits_and_as_the_latest_of_all_or_of_a_name(tmp_path: Path) -> None:
    for name, identity, started in (
        ("one", "aaaa000000", "2026-01-02"),
        ("two", "aaaa000000", "2026-01-01"),
        ("two", "bbbb000000", "2025-01-01"),
    ):
        folder = RunFolder(tmp_path / name / identity)
        folder.path.mkdir(parents=True)
        folder.update(started=f"{started}T00:00:00+00:00")
    (tmp_path / "three" / "cccc000000").mkdir(parents=True)
    (tmp_path / "three" / "cccc000000" / "run.json").write_text("{")  # damaged, and in nobody's way

    def found(run: str) -> str:
        return str(find_run(run, tmp_path).path.relative_to(tmp_path))

    assert found("two/aa") == "two/aaaa000000"
    assert found(f"{tmp_path}/two/aa") == "two/aaaa000000"
    assert found("latest") == "one/aaaa000000"
    assert found("two/latest") == "two/aaaa000000"
    RunFolder(tmp_path / "two" / "bbbb000000").update(resumed=["2026-03-01T00:00:00+00:00"])
    assert found("latest") == "two/bbbb000000"
    with pytest.raises(RunError, match="Put the name before it, such as one/aaaa"):
        find_run("aaaa000000", tmp_path)
    for run in ("two/cc", "nowhere/latest", "two/"):
        with pytest.raises(RunError, match="no such run"):
            find_run(run, tmp_path)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.record_file.write_text('{"status": ')
    with pytest.raises(RunError, match=r"run\.json: line 1 is not valid JSON"):
        _ = folder.record


def test_a_resumed_run_removes_what_killed_writers_left_wherever_it_lies_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.recorded():
        pass
    (gates := folder.figures / "gates").mkdir(parents=True)
    kept = [gates / "2.npz", gates / ".gitignore", folder.checkpoints / "last.ckpt"]
    for file in kept:
        file.write_bytes(b"whole")
    folder.model.mkdir()
    killed = [replacing(file) for file in (gates / "2.npz", folder.record_file, folder.model / "model.safetensors")]
    for writer in killed:
        writer.__enter__().write(b"half")  # and never left
    with folder.recorded(resumed=True):
        found = {file for file in folder.path.rglob("*") if file.is_file()}
    assert found == {*kept, folder.record_file}
