"""How far runs are that are at work, and the jobs of a multirun that wait for them."""

import math
import os
from collections.abc import Sequence

from gatelab.runs.load import Run
from gatelab.runs.record import RunRecord


def latest_of(runs: Sequence[Run]) -> Run:
    """The one that started last, of several the last job."""
    return max(runs, key=lambda run: (run.record.last_start, run.record.job or 0))


def jobs_behind(record: RunRecord) -> int:
    """The number of jobs after a run in its multirun, which starts them in order."""
    return max(0, (record.jobs or 0) - (record.job or 0) - 1)


def num_waiting(runs: Sequence[Run]) -> int:
    """The jobs of the latest multirun that have not started; none once nothing runs and its process has ended."""
    if not runs:
        return 0
    record = latest_of(runs).record
    is_at_work = any(run.status == "running" for run in runs) or is_alive(record.process)
    return jobs_behind(record) if is_at_work else 0


def is_alive(process: int | None) -> bool:
    """Whether there is such a process on this machine."""
    if process is None or process <= 0:  # which would stand for a group of processes
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        pass
    return True


def seconds_left(left: Sequence[float | None], taken: Sequence[float], waiting: int) -> float | None:
    """For all runs, assuming the current parallelism and the duration of finished runs; None where unknown. left: of the running
    ones; taken: by the finished ones."""
    known = [seconds for seconds in left if seconds is not None]
    if not left or len(known) < len(left) or (waiting and not taken):
        return None
    mean = math.fsum(taken) / len(taken) if taken else 0.0
    return max(*known, (sum(known) + waiting * mean) / len(left))
