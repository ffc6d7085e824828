"""One run in several processes of this machine, one a device (trainer=ddp). Rank 0 is the process that the run began in.

Only rank 0 holds the run folder and the tracker. The others are started by it with the same settings, and end with it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gatelab.config.schema import Trainer
from gatelab.errors import RunStopped

ADDRESS = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "NODE_RANK", "LOCAL_RANK")
SECONDS_TO_NOTICE = 30  # that a rank waits in vain for one that has died


def num_processes(trainer: Trainer) -> int:
    """How many processes the config of a trainer asks for: one a device."""
    import torch

    devices = trainer.devices
    if isinstance(devices, list):
        return len(devices)
    if isinstance(devices, int) and devices > 0:
        return devices
    on_gpus = trainer.accelerator in ("auto", "cuda", "gpu")
    return max(1, torch.cuda.device_count() if on_gpus else 1)  # auto


@contextmanager
def ranks(world_size: int, work: dict[str, Any], log_folder: Path) -> Iterator[None]:
    """Run ``python -m gatelab.training.rank`` with work (plain values) as each other rank while the body runs as rank 0.

    Raises RunStopped where one of them was killed; their messages stand in log_folder/rank<N>.log.
    """
    if world_size == 1:
        yield
        return
    import torch

    before = {name: os.environ.get(name) for name in ADDRESS}
    threads = torch.get_num_threads()
    num_threads = max(1, threads // world_size)
    values = ("127.0.0.1", str(free_port()), str(world_size), "0", "0")
    os.environ.update(zip(ADDRESS, values, strict=True))
    torch.set_num_threads(num_threads)
    others = [start_rank(rank, num_threads, work, log_folder / f"rank{rank}.log") for rank in range(1, world_size)]
    watching = threading.Event()
    threading.Thread(target=watch, args=(others, watching), daemon=True).start()
    try:
        yield
    except Exception as error:
        # A broken connection may be that to a process that was killed, which the system reports a moment later.
        watching.wait(1)
        killed = [process for process in others if process.poll() is not None and process.returncode < 0]
        if killed:
            raise RunStopped(
                f"one of the run's processes was killed (signal {-killed[0].returncode}). The last checkpoint is kept; start the same "
                f"command again. Messages: {log_folder}/rank*.log"
            ) from error
        raise
    finally:
        watching.set()
        end(others)
        for log in log_folder.glob("rank*.log"):
            if not log.stat().st_size:
                log.unlink()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)  # Lightning may have done it
            else:
                os.environ[name] = value


def start_rank(rank: int, threads: int, work: dict[str, Any], log: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": str(threads)}
    with open(log, "w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gatelab.training.rank"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stream, env=environment, text=True,
        )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps({"path": sys.path, **work}))
    process.stdin.close()
    return process


def watch(others: list["subprocess.Popen[str]"], ended: threading.Event) -> None:
    """Rank 0 may wait without end for one that has died: then it dies, too, and the same command resumes the run."""
    while not ended.wait(1):
        if any(process.poll() not in (None, 0) for process in others):
            if not ended.wait(SECONDS_TO_NOTICE):
                print(
                    "error: one of the run's processes has died. The same command resumes from the last checkpoint.",
                    file=sys.stderr,
                )
                os._exit(1)
            return


def end(processes: list["subprocess.Popen[str]"]) -> None:
    deadline = time.monotonic() + 5  # they have nothing left to do
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
