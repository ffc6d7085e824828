"""Kill a training again and again, each time start it again, and compare its end with a run that was never stopped.

python tests/end_to_end/kill.py --kills 200 [--of classification|language_model|sweep]

Dropout, shuffling, batches by length, a learning-rate schedule and early stopping are in play. Some kills strike at
any moment, the others inside a batch, the validation, the writing of a checkpoint, its renaming, the writing of metrics.csv or of
run.json; of a sweep with two jobs at once a job's process, the one that started them, or all three. Tolerance: none.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from commands import Started, forking

SETTINGS = [
    "data.num_rows=400", "data.batch_size=16", "data.eval_batch_size=16", "trainer.max_epochs=4", "trainer=cpu",
    "trainer.log_every_n_steps=3", "encoder=zoneout", "encoder.hidden_size=8", "encoder.num_layers=2", "encoder.dropout=0.3",
    "model.embedding_size=8", "model.embedding_dropout=0.2", "model.dropout=0.3", "optimizer.schedule=cosine",
    "callbacks.early_stopping.patience=2", "tracker=none", "baseline=none", "report=false", "checkpoint_minutes=0",
]  # fmt: skip
LANGUAGE_SETTINGS = [
    "model=language_model", "data.num_sentences=50", "data.batch_size=6", "data.window=24", "data.variable_window=true",
    "data.split.test=0.2", "trainer.max_epochs=4", "trainer=cpu", "trainer.log_every_n_steps=3", "encoder=zoneout",
    "encoder.hidden_size=12", "encoder.num_layers=2", "encoder.dropout=0.3", "model.output_dropout=0.2",
    "model.embedding_dropout=0.2", "optimizer.schedule=cosine", "callbacks.early_stopping.patience=2", "tracker=none",
    "report=false", "checkpoint_minutes=0",
]  # fmt: skip
SINGLE = {"classification": SETTINGS, "language_model": LANGUAGE_SETTINGS}
SWEEP = [*SETTINGS, "-m", "seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
COMPARED = ("metrics.csv", "predictions.csv", "model/model.safetensors")
VICTIMS = ("job", "launcher", "all")
MOMENTS = ("any", "batch", "checkpoint", "metrics", "validation", "rename", "record")


def train(folder: str, cache: str, settings: list[str], moment: str | None, countdown: int) -> None:
    """One start of the run, in a process of its own; at a moment inside a function it kills itself there."""
    import torch

    from gatelab.commands.train import compose
    from gatelab.training.run import train as run

    torch.set_num_threads(1)
    os.chdir(folder)
    if moment not in (None, "any"):
        arm(moment, countdown)
    run(compose([*settings, f"data.cache_dir={cache}"]))


def arm(moment: str, countdown: int) -> None:
    """Make the countdown-th call of a function the process's last; a file being written is left half-written."""
    from gatelab.runs import folder
    from gatelab.tasks.language_model.language_module import LanguageModel
    from gatelab.tasks.sequence.sequence_module import SequenceModule
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
        for module in (SequenceModule, LanguageModel):
            setattr(module, name, striking(getattr(module, name), strike))
    elif moment == "metrics":
        log = MetricsCsv.log_metrics

        def half(self: Any, metrics: Any, step: Any = None) -> None:
            strike(lambda: self.file.open("a").write("1,7,train/lo"))
            log(self, metrics, step)

        MetricsCsv.log_metrics = half  # type: ignore[method-assign]
    elif moment in ("checkpoint", "record"):
        writer: Any = checkpoint if moment == "checkpoint" else folder
        whole = writer.atomic_write

        def torn(file: Path, content: Any, previous: Path | None = None) -> None:
            half = (content.encode() if isinstance(content, str) else content)[: len(content) // 2]
            strike(lambda: file.with_name(f".{file.name}.01234567").write_bytes(half))
            whole(file, content, previous)

        writer.atomic_write = torn
    elif moment == "rename":
        replace = os.replace

        def kill_after(source: Any, target: Any) -> None:
            replace(source, target)
            if Path(target).name in ("previous.ckpt", "last.ckpt"):
                strike()

        os.replace = kill_after  # type: ignore[assignment]


def striking(step: Any, strike: Any) -> Any:
    def struck(self: Any, batch: Any, index: int) -> Any:
        strike()
        return step(self, batch, index)

    return struck


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


def kill_and_compare(kills: int, folder: Path, seed: int, settings: list[str]) -> None:
    """Raises AssertionError where a byte differs."""
    chance = random.Random(seed)
    context = forking()
    cache = str(folder / "cache")
    struck = Counter[str]()
    (folder / "whole").mkdir()
    begin = time.monotonic()
    assert start(context, str(folder / "whole"), cache, settings, None, 0)
    duration = time.monotonic() - begin
    for place in new_folders(kills, folder, struck):
        ended = False
        in_this_round = 0
        while not ended:
            strike = struck.total() < kills and in_this_round < 20
            moment = chance.choice(MOMENTS) if strike else None
            seconds = chance.uniform(0.05, 0.7 * duration) if moment == "any" else None
            ended = start(context, str(place), cache, settings, moment, chance.randint(1, 6), seconds=seconds)
            if not ended and moment:
                struck[moment] += 1
                in_this_round += 1


def new_folders(kills: int, folder: Path, struck: Counter[str]) -> Iterator[Path]:
    """One after another, until there were enough kills. The runs that are made in one are then compared with those of the folder whole."""
    number = resumed = 0
    while struck.total() < kills:
        number += 1
        place = folder / f"killed{number}"
        place.mkdir()
        yield place
        resumed += compare(folder / "whole", place)
        print(
            f"{struck.total()} kills, {dict(struck)}, {resumed} times resumed from a checkpoint: identical", flush=True
        )


def compare(whole: Path, killed: Path) -> int:
    """How often the runs below the folder killed resumed from a checkpoint. Raises AssertionError where one of their bytes differs."""
    runs, expected = (sorted(place.glob("outputs/*/*/run.json")) for place in (killed, whole))
    assert [run.parent.name for run in runs] == [run.parent.name for run in expected]
    for run, undisturbed in zip(runs, expected, strict=True):
        for name in COMPARED:
            if (undisturbed.parent / name).exists():  # a language model predicts no rows
                same = (run.parent / name).read_bytes() == (undisturbed.parent / name).read_bytes()
                assert same, f"{run.parent / name} differs from {undisturbed.parent / name}"
        leftovers = [path for path in run.parent.rglob(".*") if path.is_file()]
        assert not leftovers, leftovers
    return sum(len(json.loads(run.read_text()).get("resumed", [])) for run in runs)


def kill_sweep_and_compare(kills: int, folder: Path, seed: int) -> None:
    """The same for a sweep with two jobs at once. A job that is killed comes back by itself, up to three times."""
    chance, struck = random.Random(seed), Counter[str]()
    command = ["train", *SWEEP, f"data.cache_dir={folder / 'cache'}"]
    (folder / "whole").mkdir()
    with Started(*command, cwd=folder / "whole") as process:
        process.wait(3600)
    assert process.returncode == 0, process.end()
    duration = max(json.loads(file.read_text())["seconds"] for file in folder.glob("whole/outputs/*/*/run.json"))
    for place in new_folders(kills, folder, struck):
        ended = False
        while not ended:
            with Started(*command, cwd=place) as process:
                while struck.total() < kills and process.poll() is None:
                    if not running_jobs(place):
                        process.wait_for(0.05)
                        continue
                    process.wait_for(chance.uniform(0, 0.7) * duration)
                    victim = chance.choice(VICTIMS)
                    if process.poll() is None and (jobs := running_jobs(place)):
                        kill_all({"job": jobs[:1], "launcher": [process.pid], "all": [process.pid, *jobs]}[victim])
                        struck[victim] += 1
                        if victim != "job":
                            break
                process.wait(3600)
            while running_jobs(place):  # those whose launcher died save and end
                time.sleep(0.1)
            ended = process.returncode == 0
            assert process.returncode in (0, -signal.SIGKILL), process.end()


def running_jobs(place: Path) -> list[int]:
    """The processes that runs below a folder say are theirs."""
    found = [json.loads(file.read_text()) for file in place.glob("outputs/*/*/run.json")]
    return [run["process"] for run in found if run["status"] == "running" and Path(f"/proc/{run['process']}").exists()]


def kill_all(processes: list[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of each")
    parser.add_argument("--of", choices=[*SINGLE, "sweep"], nargs="*", default=[*SINGLE, "sweep"])
    parser.add_argument("--seed", type=int, default=141)
    options = parser.parse_args()
    for name in options.of:
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            if name == "sweep":
                kill_sweep_and_compare(options.kills, Path(scratch), options.seed)
            else:
                kill_and_compare(options.kills, Path(scratch), options.seed, SINGLE[name])
