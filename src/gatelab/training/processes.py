"""The processes of one machine: what each gets of it, and that none outlives the one that started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any

SECONDS_TO_SAVE = 60


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """On Linux: a signal for this process when the one that started it dies, in whatever way."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, number)


def detach() -> None:
    """For a worker: Ctrl-C reaches only the process that started it, which then says what is to be done."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    end_with_parent()


def share_machine(num_jobs: int | None) -> list[dict[str, str]]:
    """The environment variables of each of num_jobs workers: its threads, and its GPU where there are some.

    num_jobs=None: as many as GPUs, without GPUs as many as cores. Of more jobs than GPUs some share one.
    """
    gpus, cores = visible_gpus(), usable_cores()
    num_jobs = num_jobs or len(gpus) or cores
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, cores // num_jobs))}
    return [{**threads, **({"CUDA_VISIBLE_DEVICES": gpus[job % len(gpus)]} if gpus else {})} for job in range(num_jobs)]


def visible_gpus() -> list[str]:
    """The names under which CUDA_VISIBLE_DEVICES knows the GPUs that this process may use."""
    import torch

    count = torch.cuda.device_count()  # without starting CUDA
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def terminate(processes: Iterable[Any]) -> None:
    """Ask processes to end; a run among them is saved first."""
    for process in processes:
        if process.is_alive():
            process.terminate()
