"""How one job ended, in a form that goes from the process that ran it to the one that waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatelab.runs.metrics import SELECTED, title_of
from gatelab.runs.shell import command
from gatelab.screen import decimal

KINDS = {
    "done": "done",
    "skipped": "skipped (finished before)",
    "pruned": "pruned",
    "interrupted": "interrupted",
    "elsewhere": "running elsewhere",
    "failed": "failed",
}
ALWAYS_LISTED = ("done", "skipped", "failed")
INTERRUPTED = "Interrupted. The same command resumes where it stopped."
INNER_KEYS = ("hydra", "search")  # of a job's overrides: what no user has given


@dataclass(frozen=True)
class Outcome:
    """kind is one of KINDS; code the exit code that a single run would end with.

    error is the first line of what went wrong and log the file that says more; folder, metrics (of the test), validation
    (at its best epoch) and symptoms are those of the run, where there is one.
    """

    kind: str
    code: int = 0
    error: str = ""
    log: str = ""
    folder: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    monitor: str = SELECTED
    validation: dict[str, float] = field(default_factory=dict)
    symptoms: list[str] = field(default_factory=list)


OUTCOMES: list[Outcome] = []  # of the jobs that this command has started


def summary_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """The end of a multirun: how many jobs ended how, and every failure with its log."""
    counts = {kind: sum(outcome.kind == kind for outcome in outcomes) for kind in KINDS}
    listed = [f"{number} {KINDS[kind]}" for kind, number in counts.items() if number or kind in ALWAYS_LISTED]
    lines = [f"{len(outcomes)} runs: " + ", ".join(listed)]
    for outcome in outcomes:
        if outcome.error:
            lines.append(f"{outcome.kind}  {outcome.error}" + (f"   log {outcome.log}" if outcome.log else ""))
    return lines


def interrupted_line(place: Path, name: str, output_dir: str) -> str:
    """What is said after Ctrl-C. place: the folder of what the same command resumes."""
    return f"{INTERRUPTED} Its folder is {place}; {command('runs', name, output_dir=output_dir)} lists it."


def job_title(job: int | None, jobs: int | None) -> str:
    """A job's place in its multirun, such as job 3/15; empty outside one. job counts from 0."""
    return "" if job is None else f"job {job + 1}" + (f"/{jobs}" if jobs else "")


def given_by_user(overrides: Sequence[str]) -> str:
    return " ".join(text for text in overrides if text.lstrip("+~").split("=")[0].split(".")[0] not in INNER_KEYS)


def job_line(outcome: Outcome, overrides: Sequence[str]) -> str:
    """One line for one job: what it was and how it ended."""
    numbers = [
        f"{title_of(key)} {decimal(outcome.metrics[key])}"
        for key in dict.fromkeys(("accuracy", outcome.monitor))
        if key in outcome.metrics
    ]
    cautions = [f"caution: {clause}" for clause in outcome.symptoms]
    ended = [KINDS[outcome.kind], *numbers, *cautions, outcome.error or outcome.folder]
    return "  ".join([given_by_user(overrides), *ended])
