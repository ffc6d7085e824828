"""What a run's page says around its numbers, from records written by hand."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import Folders

from gatelab.reports.pages.run_context import MAX_BYTES, MAX_LINES, changes, early_stop, files, last_lines, way
from gatelab.runs.folder import RunFolder

STOPPING = {
    "callbacks.early_stopping._target_": "pytorch_lightning.callbacks.EarlyStopping",
    "callbacks.early_stopping.patience": 3,
    "callbacks.early_stopping.monitor": None,
    "trainer.max_epochs": 20,
}
STOPPED = "Stopped early, after 7 of 20 epochs: validation macro-F1 had not improved for 3 validations."
DEFAULTS = {
    "tokenizer": "word", "encoder": "lstm", "optimizer": "adam", "trainer": "auto", "callbacks": "default", "tracker": "wandb",
    "data": "sample", "model": "classifier",
}  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


@pytest.mark.parametrize(
    ("settings", "record", "said"),
    [
        ({}, {"epochs": 7}, STOPPED),
        ({}, {"epochs": 20}, ""),  # all of them
        ({"trainer.max_time": "00:01:00:00"}, {"epochs": 7}, ""),  # which may have ended it
        ({}, {"epochs": 7, "status": "interrupted"}, ""),
        ({"callbacks.early_stopping._target_": "mine.Other"}, {"epochs": 7}, ""),
        ({"callbacks.early_stopping.monitor": "validation/loss"}, {"epochs": 7}, STOPPED.replace("macro-F1", "loss")),
    ],
)
def test_early_stopping_is_told_where_it_alone_can_have_ended_the_training(
    settings: dict[str, Any], record: dict[str, Any], said: str, folders: Folders
) -> None:
    assert early_stop(folders.write(1, 0.8, **record).record, {**STOPPING, **settings}) == said


def test_what_differs_from_the_defaults_is_told_choices_first(folders: Folders) -> None:
    assert changes(folders.write(1, choices=DEFAULTS, changed={}).record) == []
    other = {**DEFAULTS, "encoder": "gru", "tracker": "none", "data": "adding", "model": "synthetic"}
    found = changes(folders.write(1, choices=other, changed={"optimizer.lr": 0.1}).record)
    assert found == ["encoder=gru", "data=adding", "optimizer.lr=0.1"]  # model=synthetic is what data=adding brings
    assert changes(folders.write(1, choices=other).record) is None  # of a record that does not say what was changed


def test_the_end_of_the_log_is_quoted_however_long_it_is(folders: Folders) -> None:
    folder = folders.write(1, status="failed")
    assert last_lines(folder) == ""
    folder.error_log.write_text("".join(f"line {number}\n" for number in range(MAX_BYTES)) + "the \x1b[1mend\n")
    lines = last_lines(folder).split("\n")
    assert (len(lines), lines[-2:]) == (MAX_LINES, [f"line {MAX_BYTES - 1}", "the ⟨U+001B⟩[1mend"])


def test_a_page_leads_to_its_sweep_where_there_is_one_and_to_the_files_that_are_there(folders: Folders) -> None:
    folder = folders.write(1, job=0, jobs=3)
    assert way(folder, folder.record) == {"title": "sweep", "address": "../report.html", "is_file": True}
    single = folders.write(1, name="one")
    assert not way(single, single.record)["is_file"]
    of_run = RunFolder(folders.write(1, name="one", evaluates="sweep/0123456789").path)
    assert way(of_run, of_run.record)["address"] == "../../report.html"
    folder.gates.mkdir(parents=True)
    for name in ("curves #1.svg", "curves #1.pdf", "gates/text_1.svg", "gates/text_1.npz"):
        (folder.figures / name).touch()
    assert files(folder) == {
        "files": ["config.yaml", "run.json"],
        "drawn": {
            "curves #1": {"pdf": "figures/curves%20%231.pdf", "svg": "figures/curves%20%231.svg"},
            "gates/text_1": {"svg": "figures/gates/text_1.svg"},
        },
    }
