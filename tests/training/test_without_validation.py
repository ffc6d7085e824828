"""Runs without a validation or a test, whether the user wants none or Lightning comes to none."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score

from gatelab.commands.train import compose
from gatelab.errors import ConfigError
from gatelab.reports.analysis.comparison import compare
from gatelab.reports.analysis.notes import caution_notes
from gatelab.reports.pages.run_page import write_report
from gatelab.reports.terminal.result import result_table
from gatelab.reports.terminal.run_list import runs_table
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import load_runs
from gatelab.screen import Screen
from gatelab.training.run import train

SETTINGS = [
    "data.num_rows=80", "data.batch_size=16", "trainer=cpu", "trainer.max_epochs=2", "tracker=none", "encoder.hidden_size=4",
    "model.embedding_size=4", "baseline=none", "report=false",
]  # fmt: skip


def run(output_dir: Path, cache_dir: Path, *more: str) -> RunFolder:
    return train(compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={output_dir}", *more]))[0]


def model_weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.model / "model.safetensors")


def are_those_of(folder: RunFolder, checkpoint: Path) -> bool:
    saved = torch.load(checkpoint, weights_only=True)["state_dict"]
    return all(torch.equal(saved[name], weight) for name, weight in model_weights(folder).items())


def on_screen(shown: object) -> str:
    console = Screen(width=200, file=io.StringIO())
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "settings",
    [
        ["data.split.validation=0"],
        ["trainer.limit_val_batches=0"],
        ["+trainer.max_steps=3"],
        ["+trainer.check_val_every_n_epoch=3"],
        ["+trainer.fast_dev_run=true"],
    ],
    ids=str,
)
def test_without_a_validation_the_last_weights_are_tested(settings: list[str], tmp_path: Path, cache_dir: Path) -> None:
    folder = run(tmp_path, cache_dir, *settings)
    record = folder.record
    assert (record.status, record.weights, record.best_validation) == ("finished", "last step", {})
    assert record.metrics is not None
    assert are_those_of(folder, folder.last)


def test_page_list_and_comparison_say_that_no_epoch_was_validated(tmp_path: Path, cache_dir: Path) -> None:
    folder = run(tmp_path, cache_dir, "data.split.validation=0")
    assert folder.record.lacks == ["validation"]
    write_report(folder, gates=False)
    assert "No epoch was validated" in folder.report.read_text(encoding="utf-8")
    assert "finished, no validation" in on_screen(runs_table([folder]))
    comparison = compare(load_runs([folder]))
    assert "In default (1 run) no epoch was validated, so that the last weights are the model." in caution_notes(
        comparison
    )


def test_where_some_epochs_are_validated_the_best_of_them_is_tested(tmp_path: Path, cache_dir: Path) -> None:
    folder = run(tmp_path, cache_dir, "+trainer.check_val_every_n_epoch=2", "trainer.max_epochs=3", "optimizer.lr=0.05")
    assert (folder.record.weights, folder.record.best_validation["epoch"]) == ("best epoch", 1)
    assert are_those_of(folder, folder.best)
    assert not are_those_of(folder, folder.last)


def test_without_a_test_all_rows_are_trained_on_and_all_say_so(tmp_path: Path, cache_dir: Path) -> None:
    folder = run(tmp_path, cache_dir, "data.split.test=0", "baseline=linear")
    record = folder.record
    assert record.data is not None
    assert record.data.split_sizes["test"] == 0
    assert (record.metrics, record.baselines, record.lacks) == (None, {}, ["test"])
    write_report(folder, gates=False)
    assert "without a test</h1>" in folder.report.read_text(encoding="utf-8")
    assert "finished, no test" in on_screen(runs_table([folder]))
    best = f"{record.best_validation['macro_f1']:.4f}"
    table = on_screen(result_table(folder))
    assert "no test" in table
    assert best in table
    comparison = compare(load_runs([folder]))
    assert "nothing was tested" in " ".join(caution_notes(comparison))
    assert comparison.tables["validation/macro_f1"][0].values.mean == record.best_validation["macro_f1"]


def test_a_limited_test_and_its_baselines_are_on_the_same_rows(tmp_path: Path, cache_dir: Path) -> None:
    limits = ["trainer.limit_test_batches=1", "data.eval_batch_size=7", "baseline=linear", "trainer.max_epochs=1"]
    folder = run(tmp_path, cache_dir, *limits)
    rows = list(csv.DictReader(folder.predictions.open(encoding="utf-8")))
    assert len(rows) == 7
    record = folder.record
    labels = [row["label"] for row in rows]
    assert record.metrics is not None
    assert record.metrics["accuracy"] == pytest.approx(accuracy_score(labels, [row["prediction"] for row in rows]))
    linear = [max(("negative", "positive"), key=lambda name: float(row[f"linear:{name}"])) for row in rows]
    assert record.baselines["linear"]["accuracy"] == pytest.approx(accuracy_score(labels, linear))
    assert [np.sum(scores.confusion_matrix) for scores in record.baselines.values()] == [7, 7]
    write_report(folder, gates=False)
    page = folder.report.read_text(encoding="utf-8")
    assert "Only 7 of 16 test rows were tested (trainer.limit_test_batches); the baselines on the same rows." in page


@pytest.mark.parametrize("none", ["data.split.validation=0", "trainer.limit_val_batches=0"])
@pytest.mark.parametrize(
    ("settings", "what"),
    [("optimizer.schedule=plateau", "schedule=plateau waits"), ("+search.trial=0", "search compares")],
)
def test_what_needs_a_validation_is_refused_without_one(
    settings: str, what: str, none: str, tmp_path: Path, cache_dir: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"{what} .*{none} leaves none"):
        run(tmp_path, cache_dir, none, settings)
    assert not any(tmp_path.iterdir())
