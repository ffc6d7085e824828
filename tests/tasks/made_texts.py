"""Small files to learn from: a review whose number is that of its good words, and comments with the things that they name."""

import csv
import random
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.commands.train import compose

GOOD, BAD = ("great", "fine", "lovely", "superb"), ("awful", "dull", "poor", "bad")
FILLER = ("the", "film", "had", "a", "cast", "on", "some", "day", "near", "town", "we", "saw")
THINGS = ("plot", "music", "actors")


def write_ratings(file: Path, num_rows: int = 300) -> Path:
    """The sixth row, on line 7, has no number."""
    made = random.Random(3)
    rows = []
    for number in range(num_rows):
        good = made.randint(0, 4)
        words = [*made.choices(GOOD, k=good), *made.choices(BAD, k=4 - good), *made.choices(FILLER, k=6), f"n{number}"]
        made.shuffle(words)
        rows.append((" ".join(words), "n/a" if number == 5 else f"{10 * good + made.gauss(100, 1):.2f}"))
    return write(file, ("review", "points"), rows)


def write_tags(file: Path, num_rows: int = 300) -> Path:
    made = random.Random(3)
    rows = []
    for number in range(num_rows):
        named = [thing for thing in THINGS if made.random() < 0.4]
        words = [*named, *made.choices(FILLER, k=6), f"n{number}"]
        made.shuffle(words)
        rows.append((" ".join(words), "|".join(named)))
    return write(file, ("comment", "tags"), rows)


def write(file: Path, header: tuple[str, ...], rows: Sequence[Sequence[str]]) -> Path:
    with open(file, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return file


def config(folder: Path, file: Path, *settings: str) -> DictConfig:
    return compose(
        ["data=csv", f"data.path={file}", "encoder=gated", "encoder.hidden_size=8", "model.embedding_size=8", "trainer=cpu",
         "trainer.max_epochs=8", "optimizer.lr=0.03", "callbacks=none", "tracker=none", "report=false", f"output_dir={folder / 'outputs'}",
         f"data.cache_dir={folder / 'cache'}", *settings]
    )  # fmt: skip


def said(*arguments: str | Path) -> str:
    """What the command prints, after checking that it ends well."""
    done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output
