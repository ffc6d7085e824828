"""A run that meets a fault of the machine at any phase ends with a sentence, and resumes to the bytes of an undisturbed run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attack import WORKS, attempt
from commands import the_run
from faults import BALLAST, NOBODY, train
from kill import COMPARED

pytestmark = pytest.mark.long

Attack = Callable[..., Any]
CACHE = "data.cache_dir=cache"
LONG: dict[str, Any] = {"seconds": 30, "waiting": 120}
BEFORE = r"last\.ckpt: cannot be written: {}\. The checkpoint before it is kept; {} and start the same command again"
LAST = r"cannot be written: {}\. The last checkpoint is kept; {} and start the same command again"
FULL, CLOSED, LARGE = "No space left on device", "Permission denied", "File too large"
# phase, fault (faults.py), and what is said
CASES = [
    ("start", "a full disk", r"sample-.*\.csv: No space left on device"),
    ("first epoch", "a full disk", BEFORE.format(FULL, "make room")),
    ("end", "a full disk", LAST.format(FULL, "make room")),
    ("start", "a read-only folder", "outputs/default: Permission denied"),
    ("first epoch", "a read-only folder", BEFORE.format(CLOSED, "allow writing there")),
    ("end", "a read-only folder", LAST.format(CLOSED, "allow writing there")),
    ("start", "a limit on files", r"sample-.*\.csv: File too large"),
    ("first epoch", "a limit on files", BEFORE.format(LARGE, "make room")),
    ("end", "a limit on files", LAST.format(LARGE, "make room")),
    ("start", "few descriptors", WORKS),
    ("start", "no process", WORKS),
    ("start", "no memory", "out of memory. Free some"),
    ("first epoch", "no memory", "out of memory"),
    ("first epoch", "a clock set back", WORKS),
]


def new_folder() -> Path:
    """A folder that another user can reach, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp())
    give(folder, NOBODY)
    return folder


def give(folder: Path, user: int) -> None:
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, user)


def mount(folder: Path, size: str) -> None:
    """A small file system there."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},uid={NOBODY}", "none", str(folder)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")


def results(folder: Path) -> dict[str, bytes]:
    run = the_run(folder)
    assert [path for path in run.rglob(".*") if path.is_file()] == []
    return {name: (run / name).read_bytes() for name in COMPARED}


@pytest.fixture(scope="module")
def whole() -> Iterator[Path]:
    """Of a run that nothing disturbs."""
    folder = new_folder()
    done = attempt(train, "start", "none", CACHE, folder=folder, **LONG)
    assert done.kind == "worked", done
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def place() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    for mounted in (folder, folder / "cache"):
        if mounted.is_mount():
            subprocess.run(["umount", mounted], check=True)
    shutil.rmtree(folder)


@pytest.mark.parametrize(("phase", "fault", "says"), CASES)
def test_a_fault_costs_no_byte_of_the_result(
    phase: str, fault: str, says: str, place: Path, whole: Path, attack: Attack
) -> None:
    if fault == "a full disk":
        mount(place, "4m")
    attack(says, train, phase, fault, CACHE, folder=place, **LONG)
    if says != WORKS:
        (place / BALLAST).unlink(missing_ok=True)
        for path in place.glob("outputs/**/"):
            path.chmod(0o755)
        attack(WORKS, train, "start", "none", CACHE, folder=place, **LONG)
    assert results(place) == results(whole)


def test_a_full_cache_is_named_and_leaves_nothing_half_written(place: Path, whole: Path, attack: Attack) -> None:
    mount(place / "cache", "16k")
    attack("No space left on device", train, "start", "none", CACHE, folder=place, **LONG)
    assert not list((place / "cache").rglob("*.partial"))
    attack(WORKS, train, "start", "none", f"data.cache_dir={place / 'other'}", folder=place, **LONG)
    assert results(place) == results(whole)


def test_a_cache_of_another_user_s_is_read_and_what_it_lacks_is_refused(
    place: Path, whole: Path, attack: Attack
) -> None:
    cache = Path(shutil.copytree(whole / "cache", place / "cache"))
    give(cache, 0)
    for path in (cache, *cache.rglob("*")):
        path.chmod(0o555)
    attack(WORKS, train, "start", "none", CACHE, folder=place, **LONG)
    assert results(place) == results(whole)
    attack("cache.*: Permission denied", train, "start", "none", CACHE, "data.num_rows=90", folder=place, **LONG)
    for path in cache.rglob("*"):
        path.chmod(0o755)
