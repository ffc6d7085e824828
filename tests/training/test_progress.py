"""The line that moves while a run trains, and the lines that stay."""

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from gatelab.training.progress import ProgressLine

ERASE = "\x1b[2K"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Clock:
    """Each batch takes half a second."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("gatelab.training.progress.time", clock)
    return clock


def train(
    line: ProgressLine, time: Clock, *, epochs: range, best_before: float | None = None, world_size: int = 1
) -> Any:
    """Epochs of 4 batches of 32 rows on each rank, as Lightning calls a callback."""
    score = None if best_before is None else torch.tensor(best_before)
    trainer: Any = SimpleNamespace(
        fit_loop=SimpleNamespace(total_batch_idx=4 * epochs.start - 1), is_global_zero=True, max_epochs=20, num_training_batches=4,
        current_epoch=epochs.start, world_size=world_size, sanity_checking=False, callback_metrics={},
        checkpoint_callbacks=[SimpleNamespace(monitor="validation/macro_f1", best_model_score=score)],
    )  # fmt: skip
    module: Any = None
    line.on_train_start(trainer, module)
    for epoch in epochs:
        trainer.current_epoch = epoch
        line.on_train_epoch_start(trainer, module)
        for number in range(4):
            time.now += 0.5
            trainer.fit_loop.total_batch_idx += 1
            batch = SimpleNamespace(labels=torch.zeros(32))
            line.on_train_batch_end(trainer, module, {"loss": torch.tensor(0.25)}, batch, number)
        values = {
            "train/loss": 0.3,
            "train/accuracy": 0.9,
            "validation/loss": 0.4,
            "validation/accuracy": 0.8,
            "validation/macro_f1": 0.7 - epoch / 100,
        }
        trainer.callback_metrics = {name: torch.tensor(value) for name, value in values.items()}
        line.on_validation_end(trainer, module)
    line.on_fit_end(trainer, module)
    return trainer


def frames(text: str) -> list[str]:
    """What stood on the line each time that it was drawn."""
    return [CODES.sub("", frame.split("\n")[0]) for frame in text.split(ERASE)[1:]]


def test_the_line_says_job_epoch_rows_per_second_loss_best_so_far_and_the_time_left(time: Clock) -> None:
    screen = io.StringIO()
    train(ProgressLine(Console(file=screen, force_terminal=True, width=120), "job 3/15"), time, epochs=range(2))
    last = [frame for frame in frames(screen.getvalue()) if "epoch 2/20" in frame][-1]
    # 8 of 80 batches of half a second are done: 36 s are left; 32 rows in half a second are 64 a second
    assert re.sub("[━╸╺]", "", last).split() == [
        "job",
        "3/15",
        "epoch",
        "2/20",
        "64",
        "rows/s",
        "loss",
        "0.250",
        "best",
        "0.700",
        "0:36",
        "left",
    ]


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_the_line_never_wraps_so_that_no_torn_one_stays(width: int, time: Clock) -> None:
    screen = io.StringIO()
    train(ProgressLine(Console(file=screen, force_terminal=True, width=width), "job 3/15"), time, epochs=range(2))
    drawn = [frame for frame in frames(screen.getvalue()) if "best 0.700" in frame]
    assert drawn
    assert all(frame.endswith("left") for frame in drawn)
    assert [word in drawn[-1] for word in ("loss 0.250", "64 rows/s")] == [width >= 60, width >= 80]
    assert max(map(len, drawn)) <= width
    epochs = re.findall(r"epoch +\d+  [^\n]*? s(?=\n)", CODES.sub("", screen.getvalue()))
    assert len(epochs) == 2
    assert max(map(len, epochs)) <= min(width, 79)  # of ten seconds, 80
    assert all("macro-F1 0.7" in line or "macro-F1 0.6" in line for line in epochs)
    assert screen.getvalue().count("\x1b[1A") == 1  # its removal at the end: it is drawn over, never below itself


def test_a_run_that_goes_on_knows_the_best_of_before_and_times_only_itself(time: Clock) -> None:
    screen = io.StringIO()
    train(
        ProgressLine(Console(file=screen, force_terminal=True, width=120)), time, epochs=range(10, 11), best_before=0.9
    )
    last = [frame for frame in frames(screen.getvalue()) if "rows/s  loss" in frame][-1]
    assert last.startswith("epoch 11/20 ")
    assert last.endswith("best 0.900  0:18 left")


def test_without_a_terminal_each_epoch_is_one_plain_line_with_the_rows_of_all_ranks_per_second(time: Clock) -> None:
    screen = io.StringIO()
    train(ProgressLine(Console(file=screen, width=40)), time, epochs=range(2), world_size=2)
    lines = screen.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1"], ["epoch", "2"]]
    assert all(line.endswith("macro-F1 0.7000  2.0 s  128 rows/s") for line in lines[:1])
    assert "\x1b" not in screen.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_the_line_of_an_epoch_has_train_beside_validation_so_that_overfitting_shows(
    terminal: bool, time: Clock
) -> None:
    screen = io.StringIO()
    train(ProgressLine(Console(file=screen, force_terminal=terminal, width=80)), time, epochs=range(1))
    text = CODES.sub("", screen.getvalue())
    if terminal:
        assert "train / validation\n" in text
        assert "epoch  1  loss 0.300 / 0.400  accuracy 0.900 / 0.800  macro-F1 0.700  2.0 s\n" in text
    else:
        assert "train loss 0.3000  accuracy 0.9000  validation loss 0.4000  accuracy 0.8000  macro-F1 0.7000" in text


def test_a_quiet_console_stays_empty(time: Clock) -> None:
    screen = io.StringIO()
    train(ProgressLine(Console(file=screen, force_terminal=True, quiet=True)), time, epochs=range(2))
    assert screen.getvalue() == ""


@pytest.mark.parametrize("terminal", [False, True])
def test_of_another_task_it_shows_what_that_logs_and_the_smallest_where_that_is_best(terminal: bool) -> None:
    screen = io.StringIO()
    line = ProgressLine(Console(file=screen, force_terminal=terminal, width=80), "", "mse")
    trainer: Any = SimpleNamespace(
        fit_loop=SimpleNamespace(total_batch_idx=-1), is_global_zero=True, max_epochs=2, num_training_batches=1,
        current_epoch=0, world_size=1, sanity_checking=False, callback_metrics={}, checkpoint_callbacks=[],
    )  # fmt: skip
    module: Any = None
    line.on_train_start(trainer, module)
    for mse in (0.25, 0.5):
        trainer.fit_loop.total_batch_idx += 1
        line.on_train_batch_end(trainer, module, {"loss": torch.tensor(1.0)}, (torch.zeros(32, 5), torch.zeros(32)), 0)
        trainer.callback_metrics = {"validation/mse": torch.tensor(mse), "validation/skill": torch.tensor(-1.5)}
        line.on_validation_end(trainer, module)
    assert line._best == 0.25
    assert line._rows == 64
    text = CODES.sub("", screen.getvalue())
    expected = (
        "epoch  1  MSE 0.250  skill -1.500  " if terminal else "epoch   1  validation MSE 0.2500  skill -1.5000  "
    )
    assert expected in text
    line.on_fit_end(trainer, module)


def test_a_batch_that_says_its_size_is_counted_in_its_own_unit(time: Clock) -> None:
    screen = io.StringIO()
    line = ProgressLine(Console(file=screen, force_terminal=False, width=80), "", "perplexity")
    trainer: Any = SimpleNamespace(
        fit_loop=SimpleNamespace(total_batch_idx=0), is_global_zero=True, max_epochs=1, num_training_batches=1,
        current_epoch=0, world_size=2, sanity_checking=False, checkpoint_callbacks=[],
        callback_metrics={"validation/perplexity": torch.tensor(12.0)},
    )  # fmt: skip
    module: Any = None
    line.on_train_start(trainer, module)
    time.now += 0.5
    batch = SimpleNamespace(size=(70, "tokens"))
    line.on_train_batch_end(trainer, module, {"loss": torch.tensor(1.0)}, batch, 0)
    line.on_validation_end(trainer, module)
    assert "280 tokens/s" in screen.getvalue()  # 70 on each of 2 ranks in half a second
