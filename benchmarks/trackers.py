"""What each tracker adds to a run: to an epoch, to its start, and at its end.

    python benchmarks/trackers.py     # [--rounds 5] [--epochs 5] [--threads 2]

An epoch of the GOP debate tweets (settings of experiments/gop_debate.yaml), training, validation and checkpoint, from one
start of training to the next, with tracker=none and with each of the others, which take turns in an order that goes round.
Beside the seconds: the processor time of gatelab and the processes that it has started, and how much of it the trackers' own
threads and processes take, which what else the machine does moves least (without a tracker it is wandb's idle process, left from
the warm-up). The first epoch of each training is left out: a tracker starts in it, in the background. What that costs is told
by itself, from a first round in which the clients are imported, too; so is what is waited for at the end. Goal: at most 1.02.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch

from epoch import new_module, quieten, settings_of
from gatelab.config.build import build
from gatelab.config.schema import check_config
from gatelab.runs.folder import RunFolder
from gatelab.trackers.tracking import Trackers
from gatelab.training.checkpoint import StopRequest
from gatelab.training.fit import start_loggers, tracker_makers
from gatelab.training.trainer import build_trainer

GOAL = 1.02
TRACKERS = ("none", "tensorboard", "wandb", "mlflow", "[wandb,tensorboard,mlflow]")


class Cost(NamedTuple):
    """Of an epoch, in seconds."""

    wall: float
    processor: float
    trackers: float  # processor time of all but the main thread and torch's own


class EpochCosts(pl.Callback):
    """From the start of each epoch to the start of the next, everything in between included."""

    def __init__(self) -> None:
        self.starts: list[Cost] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.starts.append(costs_so_far())

    @property
    def costs(self) -> list[Cost]:
        pairs = zip(self.starts, self.starts[1:], strict=False)
        return [Cost(*(end - start for start, end in zip(before, after, strict=True))) for before, after in pairs]


def costs_so_far() -> Cost:
    """Of this process, and of those that it has started and that still live, such as wandb's."""
    others = [thread.ident for thread in threading.enumerate() if thread is not threading.main_thread()]
    threads = sum(time.clock_gettime(time.pthread_getcpuclockid(thread)) for thread in others if thread)
    children = child_seconds()
    return Cost(time.perf_counter(), time.process_time() + children, threads + children)


def child_seconds() -> float:
    seconds = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def epochs(settings: dict[str, Any], path: Path) -> tuple[list[Cost], float]:
    """The cost of each epoch, and seconds of the wait at the end."""
    data = build("data", settings["data"])
    module, timer, folder = new_module(settings, data.prepared), EpochCosts(), RunFolder(path / "run")
    folder.checkpoints.mkdir(parents=True)
    folder.update(status="running")
    if "mlflow" in settings["tracker"]:
        settings["tracker"]["mlflow"]["uri"] = f"sqlite:///{path}/mlflow.db"
    with Trackers(tracker_makers(settings["tracker"]), settings, folder) as trackers:
        trainer = build_trainer(check_config(settings), folder, StopRequest(), start_loggers(folder, None, trackers))
        trainer.callbacks.append(timer)
        trainer.fit(module, datamodule=data)
        folder.update(status="interrupted")
        end = time.perf_counter()
    waited = time.perf_counter() - end
    for name, outcome in folder.record.get("trackers", {}).items():
        assert "problem" not in outcome, f"{name}: {outcome}"
    return timer.costs, waited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5, help="timed in each round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    quieten()
    first: dict[str, float] = {}
    costs: dict[str, list[list[Cost]]] = {tracker: [] for tracker in TRACKERS}  # a list a round
    waits: dict[str, list[float]] = {tracker: [] for tracker in TRACKERS}
    with tempfile.TemporaryDirectory() as cache:
        for number in range(arguments.rounds + 1):
            place = number % len(TRACKERS)
            for tracker in TRACKERS[place:] + TRACKERS[:place] if number else TRACKERS:
                settings = settings_of(cache, tracker)
                settings["trainer"] |= {"max_epochs": 2 + (arguments.epochs if number else 1), "limit_val_batches": 1.0}
                with tempfile.TemporaryDirectory() as path:
                    found, waited = epochs(settings, Path(path))
                if number:
                    costs[tracker].append(found[1:])
                    waits[tracker].append(waited)
                else:
                    first[tracker] = found[0].wall
            if number:
                told = ", ".join(f"{tracker} {median(costs[tracker][-1:], 'wall'):.3f} s" for tracker in TRACKERS)
                print(f"round {number}: {told}", flush=True)
    show(first, costs, waits)


def show(first: dict[str, float], costs: dict[str, list[list[Cost]]], waits: dict[str, list[float]]) -> None:
    """Ratios of medians over all epochs, and in brackets the least and greatest of the rounds' own."""
    for tracker in TRACKERS:
        print(f"{tracker}, of none")
        for kind, title in (("wall", "seconds of an epoch"), ("processor", "processor time of an epoch")):
            ratio = median(costs[tracker], kind) / median(costs["none"], kind)
            rounds = [
                median([one], kind) / median([other], kind)
                for one, other in zip(costs[tracker], costs["none"], strict=True)
            ]
            print(f"  {title:<28} {ratio:.3f}   ({min(rounds):.3f} to {max(rounds):.3f}), goal {GOAL}")
        shares = sorted(cost.trackers / cost.processor for cost in chain(*costs[tracker]))
        print(f"  its share of that            {statistics.median(shares):.2%}   ({shares[0]:.2%} to {shares[-1]:.2%})")
        print(f"  first epoch in a process     {first[tracker] - first['none']:+.1f} s")
        print(f"  waited for at the end        {statistics.median(waits[tracker]):.2f} s")


def median(rounds: list[list[Cost]], kind: str) -> float:
    return statistics.median(getattr(cost, kind) for cost in chain(*rounds))


if __name__ == "__main__":
    main()
