"""What goes wrong around a training, at a phase of it: the disk, the descriptors, the processes, the memory, the clock."""

import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from attack import gatelab, limit, used_memory

NOBODY = 65534  # whom no limit on processes is lifted for, and whom a folder can be closed to
BALLAST = "ballast"
SETTINGS = [
    "data.num_rows=80", "data.batch_size=16", "trainer.max_epochs=2", "trainer=cpu", "encoder.hidden_size=8", "encoder.dropout=0.3",
    "model.embedding_size=8", "tracker=none", "baseline=none", "report=false", "checkpoint_minutes=0",
]  # fmt: skip


def train(phase: str, fault: str, *more: str) -> None:
    """A run that meets a fault at a phase: at its start, after its first epoch or at its end. As another user where we are root."""
    if os.getuid() == 0:
        become_nobody()
    at(phase, FAULTS[fault])
    gatelab("train", *SETTINGS, *more)


def become_nobody() -> None:
    """Another user, who may read what we may: modules are still to be imported, perhaps from our home."""
    import ctypes

    keep_capabilities, version_3, may_read = 8, 0x20080522, 1 << 2  # PR_SET_KEEPCAPS, CAP_DAC_READ_SEARCH
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(keep_capabilities, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    header = (ctypes.c_uint32 * 2)(version_3, 0)
    assert libc.capset(header, (ctypes.c_uint32 * 6)(may_read, may_read)) == 0


def at(phase: str, meet: Callable[[], None]) -> None:
    from gatelab.training import finish
    from gatelab.training.checkpoint import Resume

    if phase == "start":
        meet()
    elif phase == "first epoch":
        mock.patch.object(Resume, "on_train_epoch_end", in_turn(Resume.on_train_epoch_end, meet)).start()
    else:
        mock.patch.object(finish, "record_result", in_turn(meet, finish.record_result)).start()


def in_turn(*calls: Callable[..., Any]) -> Callable[..., None]:
    """Calls each, the one that is the fault without arguments."""

    def call_all(*arguments: Any) -> None:
        for call in calls:
            call(*(() if call in FAULTS.values() else arguments))

    return call_all


def fill_the_disk() -> None:
    with suppress(OSError), open(BALLAST, "ab", buffering=0) as stream:
        while True:
            stream.write(bytes(1024))


def close_the_folders() -> None:
    Path("outputs").mkdir(exist_ok=True)
    for path in [Path("outputs"), *Path("outputs").rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)


def allow_small_files() -> None:
    limit(resource.RLIMIT_FSIZE, 4096)


def allow_few_descriptors() -> None:
    limit(resource.RLIMIT_NOFILE, 64)


def allow_no_process() -> None:
    limit(resource.RLIMIT_NPROC, 1)
    with pytest.raises(BlockingIOError):
        os._exit(1) if os.fork() == 0 else None


def allow_no_memory() -> None:
    limit(resource.RLIMIT_DATA, used_memory() + 2**20)


def set_the_clock_back() -> None:
    from gatelab.runs import folder

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(days=1)

    mock.patch.object(folder, "datetime", Earlier).start()
    mock.patch("time.time", side_effect=lambda now=time.time: now() - 86400).start()


FAULTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "a full disk": fill_the_disk,
    "a read-only folder": close_the_folders,
    "a limit on files": allow_small_files,
    "few descriptors": allow_few_descriptors,
    "no process": allow_no_process,
    "no memory": allow_no_memory,
    "a clock set back": set_the_clock_back,
}
