"""What a tracker is given and what it does. Each works in a thread of its own, so it may block; see background.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gatelab.config.identity import flatten
from gatelab.runs.folder import RunFolder
from gatelab.runs.run_notes import Notes

SECONDS_TO_ANSWER = 5


class TrackerError(Exception):
    """What a tracker could not do, in one sentence."""


@dataclass(frozen=True)
class Point:
    """Metrics logged together, under the names of metrics.csv. epoch counts from 0, as in Lightning."""

    step: int
    epoch: int
    values: dict[str, float]


@dataclass(frozen=True)
class TrackedRun:
    """What there is to know of a run when its tracker starts. Nothing in it is secret."""

    folder: RunFolder
    name: str
    identity: str
    config: dict[str, Any]
    past: Sequence[Point] = ()  # of a resumed run: what metrics.csv holds of it
    started: str = ""  # the first start of a resumed run
    resumed: bool = False
    commit: str = ""
    notes: Notes = field(default_factory=Notes)  # as its training starts
    # For what the user should know although the tracker keeps working.
    warn: Callable[[str], None] = field(default=print)

    @property
    def title(self) -> str:
        return f"{self.name}-{self.identity}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The config, flat, without the trackers' own settings."""
        return {key: value for key, value in flatten(self.config).items() if key.split(".")[0] != "tracker"}


class Tracker:
    """A place where the metrics of one run also go. Whatever it raises turns it off for this run, with one warning.

    It begins with the past of a resumed run: a tracker that cannot add to what it has of it begins anew.
    """

    package: ClassVar[str | None] = None  # what it needs: the optional dependency of gatelab that has the same name

    def __init__(self, run: TrackedRun) -> None:
        self.run = run

    def log(self, points: Sequence[Point]) -> None:
        """Take points, their steps ascending."""
        raise NotImplementedError

    def finish(self, status: str) -> list[str]:
        """Take what else the run folder holds, end with one of STATUSES, and return the commands that show the run."""
        raise NotImplementedError


def check_answers(address: str) -> None:
    """Raise TrackerError unless a server answers there, whatever it says: clients of trackers try for minutes by default."""
    import requests

    try:
        requests.get(address, timeout=SECONDS_TO_ANSWER, stream=True).close()
    except requests.Timeout:
        raise TrackerError(f"{address} does not answer within {SECONDS_TO_ANSWER} s") from None
    except requests.RequestException:
        raise TrackerError(f"{address} cannot be reached") from None
