"""What it costs that a run survives anything: time an epoch with all of it and with none of it, and the size of a run folder.

    python benchmarks/checkpoints.py     # [--rounds 5] [--epochs 5] [--threads 2] [--minutes 5]

An epoch of the GOP debate tweets (settings of experiments/gop_debate.yaml), training and validation, from one start of
training to the next. With: a checkpoint after each epoch, the best one, metrics.csv, the look at each loss, and the state
of the random generators, all flushed to the disk. Without: Lightning's loop with nothing that writes. The two take turns;
of the epochs of a round the first is left out. Goal: at most 1.02. Where the two
differ by less than the machine's own unrest, the share of an epoch that writing takes says more: it is timed by itself.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from epoch import DATA, new_module, quieten
from gatelab.commands.train import compose
from gatelab.config.build import build
from gatelab.config.schema import check_config
from gatelab.runs.folder import RunFolder
from gatelab.training.checkpoint import StopRequest
from gatelab.training.metrics_csv import MetricsCsv
from gatelab.training.run import resolve
from gatelab.training.trainer import build_trainer

GOAL = 1.02


class EpochTimes(pl.Callback):
    """Seconds from the start of each epoch to the start of the next, everything in between included."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.starts.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        return [end - start for start, end in zip(self.starts, self.starts[1:], strict=False)]


def epochs(settings: dict[str, Any], path: str, *, survives: bool) -> tuple[list[float], float]:
    """Seconds of each timed epoch, and how many of them all went into checkpoints and metrics.csv."""
    data = build("data", settings["data"])
    module, timer, folder = new_module(settings, data.prepared), EpochTimes(), RunFolder(path)
    folder.checkpoints.mkdir()
    loggers = [MetricsCsv(folder.metrics)] if survives else []
    trainer = build_trainer(check_config(settings), folder, StopRequest(), loggers)
    if not survives:
        trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, Checkpoint)]
    trainer.callbacks.append(timer)
    written = [0.0]
    for owner, name in [(trainer, "save_checkpoint"), *((logger, "log_metrics") for logger in loggers)]:
        setattr(owner, name, timed(getattr(owner, name), written, timer))
    trainer.fit(module, datamodule=data)
    return timer.seconds[1:], sum(written)


def timed(call: Callable[..., Any], seconds: list[float], timer: EpochTimes) -> Callable[..., Any]:
    def timing(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            if len(timer.starts) > 1:  # the first epoch is left out
                seconds.append(time.perf_counter() - start)

    return timing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5, help="timed in each round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--minutes", type=float, default=5, help="between checkpoints inside an epoch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    quieten()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    shares: list[float] = []
    with tempfile.TemporaryDirectory() as cache:
        settings = resolve(
            compose(
                [
                    "experiments=gop_debate", "trainer=cpu", "tracker=none", f"data.cache_dir={cache}",
                    f"data.path={DATA / 'gop_debate' / 'Sentiment.csv.zip'}", f"trainer.max_epochs={arguments.epochs + 2}",
                    f"checkpoint_minutes={arguments.minutes}",
                ]
            )
        )  # fmt: skip
        for number in range(arguments.rounds):
            for survives in (True, False) if number % 2 else (False, True):
                with tempfile.TemporaryDirectory() as path:
                    found, written = epochs(settings, path, survives=survives)
                    seconds[survives] += found
                    if survives:
                        shares.append(written / (len(found) + 1) / statistics.median(found))
                        sizes = {
                            file.relative_to(path): file.stat().st_size
                            for file in Path(path).rglob("*")
                            if file.is_file()
                        }
            medians = {survives: statistics.median(values) for survives, values in seconds.items()}
            print(
                f"round {number + 1}: with {medians[True]:.3f} s, without {medians[False]:.3f} s an epoch so far",
                flush=True,
            )
    print(
        f"with / without: {medians[True] / medians[False]:.4f}, goal {GOAL} ({len(seconds[True])} epochs each, medians)"
    )
    print(f"writing takes {statistics.median(shares):.2%} of an epoch")
    print("checkpoints " + ", ".join(f"{file.name} {size / 1e6:.1f} MB" for file, size in sorted(sizes.items())))


if __name__ == "__main__":
    main()
