"""Kill a training again and again, each time start it again, and compare its end with a run that was never stopped.

python tests/end_to_end/kill.py --kills 200

Dropout, shuffling, batches by length, a learning-rate schedule and early stopping are in play. Some kills strike at
any moment, the others inside a batch, the validation, the writing of a checkpoint, its renaming, the writing of metrics.csv or of
run.json. Tolerance: none.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from commands import forking

SETTINGS = [
    "data.num_rows=400", "data.batch_size=16", "data.eval_batch_size=16", "trainer.max_epochs=4", "trainer=cpu",
    "trainer.log_every_n_steps=3", "encoder=zoneout", "encoder.hidden_size=8", "encoder.num_layers=2", "encoder.dropout=0.3",
    "model.embedding_size=8", "model.embedding_dropout=0.2", "model.dropout=0.3", "optimizer.schedule=cosine",
    "callbacks.early_stopping.patience=2", "tracker=none", "baseline=none", "report=false", "checkpoint_minutes=0",
]  # fmt: skip
COMPARED = ("metrics.csv", "predictions.csv", "model/model.safetensors")
MOMENTS = ("any", "batch", "checkpoint", "metrics", "validation", "rename", "record")


def train(folder: str, cache: str, more: list[str], moment: str | None, countdown: int) -> None:
    """One start of the run, in a process of its own; at a moment inside a function it kills itself there."""
    import torch

    from gatelab.commands.train import compose
    from gatelab.training.run import train as run

    torch.set_num_threads(1)
    os.chdir(folder)
    if moment not in (None, "any"):
        arm(moment, countdown)
    run(compose([*SETTINGS, f"data.cache_dir={cache}", *more]))


def arm(moment: str, countdown: int) -> None:
    """Make the countdown-th call of a function the process's last; a file being written is left half-written."""
    from gatelab.runs import folder
    from gatelab.tasks.classification.classifier import SequenceClassifier
    from gatelab.training import checkpoint
    from gatelab.training.metrics_csv import MetricsCsv

    left = countdown

    def strike(before: Any = None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            if before is not None:
                before()
            os.kill(os.getpid(), signal.SIGKILL)

    if moment in ("batch", "validation"):
        name = "training_step" if moment == "batch" else "validation_step"
        step = getattr(SequenceClassifier, name)

        def struck(self: Any, batch: Any, index: int) -> Any:
            strike()
            return step(self, batch, index)

        setattr(SequenceClassifier, name, struck)
    elif moment == "metrics":
        log = MetricsCsv.log_metrics

        def half(self: Any, metrics: Any, step: Any = None) -> None:
            strike(lambda: self.file.open("a").write("1,7,train/lo"))
            log(self, metrics, step)

        MetricsCsv.log_metrics = half  # type: ignore[method-assign]
    elif moment in ("checkpoint", "record"):
        module: Any = checkpoint if moment == "checkpoint" else folder
        whole = module.atomic_write

        def torn(file: Path, content: Any, previous: Path | None = None) -> None:
            half = (content.encode() if isinstance(content, str) else content)[: len(content) // 2]
            strike(lambda: file.with_name(".torn").write_bytes(half))
            whole(file, content, previous)

        module.atomic_write = torn
    elif moment == "rename":
        replace = os.replace

        def kill_after(source: Any, target: Any) -> None:
            replace(source, target)
            if Path(target).name in ("previous.ckpt", "last.ckpt"):
                strike()

        os.replace = kill_after  # type: ignore[assignment]


def start(context: Any, *arguments: Any, seconds: float | None = None) -> bool:
    """Whether the run came to its end."""
    process = context.Process(target=train, args=arguments)
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise SystemExit(f"the run failed with exit code {process.exitcode}")
    return process.exitcode == 0


def kill_and_compare(kills: int, folder: Path, seed: int, more: list[str]) -> None:
    """Raises AssertionError where a byte differs."""
    chance = random.Random(seed)
    context = forking()
    cache = str(folder / "cache")
    struck: dict[str, int] = dict.fromkeys(MOMENTS, 0)
    (folder / "whole").mkdir()
    begin = time.monotonic()
    assert start(context, str(folder / "whole"), cache, more, None, 0)
    duration = time.monotonic() - begin
    (whole,) = (folder / "whole" / "outputs").glob("*/*/run.json")
    number, round_number, resumed = 0, 0, 0
    while number < kills:
        round_number += 1
        place = folder / f"killed{round_number}"
        place.mkdir()
        ended = False
        in_this_round = 0
        while not ended:
            strike = number < kills and in_this_round < 20
            moment = chance.choice(MOMENTS) if strike else None
            seconds = chance.uniform(0.05, 0.7 * duration) if moment == "any" else None
            ended = start(context, str(place), cache, more, moment, chance.randint(1, 6), seconds=seconds)
            if not ended and moment:
                struck[moment] += 1
                number += 1
                in_this_round += 1
        (killed,) = place.glob("outputs/*/*/run.json")
        for name in COMPARED:
            expected, got = (run.parent.joinpath(name).read_bytes() for run in (whole, killed))
            assert expected == got, f"{killed.parent / name} differs from {whole.parent / name}"
        leftovers = [path for path in killed.parent.rglob(".*") if path.is_file()]
        assert not leftovers, leftovers
        resumed += len(json.loads(killed.read_text()).get("resumed", []))
        print(f"{number} kills, {struck}, {resumed} times resumed from a checkpoint: identical", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=141)
    parser.add_argument("more", nargs="*", help="more overrides")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        kill_and_compare(options.kills, Path(scratch), options.seed, options.more)
