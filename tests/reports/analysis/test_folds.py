"""Folds as replicates: intervals and tests that allow for the training rows that folds share."""

import csv
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import Folders
from scipy import stats

from gatelab.reports.analysis.comparison import Comparison, Row, compare
from gatelab.reports.analysis.notes import caution_notes, method_notes
from gatelab.reports.analysis.statistics import corrected_t_test, describe
from gatelab.reports.pages.links import links_from
from gatelab.reports.pages.sweep_answer import answer_sweep
from gatelab.reports.pages.sweep_page import compare_sweep, sweep_page
from gatelab.reports.terminal.formats import to_csv
from gatelab.reports.terminal.run_list import means_table
from gatelab.runs.folder import all_runs
from gatelab.runs.load import load_runs

GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}
SIZES = {"train": 720, "validation": 80, "test": 200}
OVERLAP = 200 / 720
LSTM_FOLDS, GRU_FOLDS = [0.81, 0.79, 0.84, 0.80, 0.87], [0.84, 0.80, 0.86, 0.84, 0.88]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def write_fold(
    folders: Folders, fold: int, value: float, seed: int = 1, settings: dict[str, Any] | None = None
) -> None:
    data = {"sha256": {"train": ["a" * 64]}, "files": ["/data/reviews.csv"], "split_sizes": SIZES}
    keys = {"data.split.folds": 5, "data.split.fold": fold, **(settings or {})}
    folders.write(
        seed, value, settings=keys, data=data, baselines={"linear": {"accuracy": 0.7 + fold / 50, "macro_f1": 0.7}}
    )


def write_two_arms(folders: Folders) -> None:
    for fold, value in enumerate(LSTM_FOLDS):
        write_fold(folders, fold, value)
    for fold, value in enumerate(GRU_FOLDS):
        write_fold(folders, fold, value, settings=GRU)


def compared(folders: Folders, **options: Any) -> Comparison:
    return compare(load_runs(all_runs(folders.output_dir)), **options)


def row(comparison: Comparison, name: str) -> Row:
    (found,) = (row for row in comparison.tables["accuracy"] if row.name == name)
    return found


def interval_by_hand(values: Any, overlap: float) -> tuple[float, float]:
    """Nadeau & Bengio 2003, equation 9 and section 4.2, by scipy's t."""
    values = np.asarray(values)
    scale = np.sqrt((1 / len(values) + overlap) * values.var(ddof=1))
    return stats.t(len(values) - 1, loc=values.mean(), scale=scale).interval(0.95)


def test_the_interval_over_folds_is_the_corrected_one(folders: Folders) -> None:
    write_two_arms(folders)
    comparison = compared(folders)
    for name, values in (("LSTMEncoder", LSTM_FOLDS), ("GRUEncoder", GRU_FOLDS)):
        found = row(comparison, name).values
        assert (found.num, found.mean, found.std) == (5, pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))  # fmt: skip
        assert found.interval == pytest.approx(interval_by_hand(values, OVERLAP))
    linear = row(comparison, "linear baseline").values
    assert linear.interval == pytest.approx(interval_by_hand(0.7 + np.arange(5) / 50, OVERLAP))


def test_differences_are_paired_by_fold_and_tested_with_the_same_correction(folders: Folders) -> None:
    write_two_arms(folders)
    gru = row(compared(folders), "GRUEncoder")
    differences = np.array(GRU_FOLDS) - np.array(LSTM_FOLDS)
    low, high = interval_by_hand(differences, OVERLAP)
    assert gru.difference is not None
    assert gru.difference.interval == pytest.approx((low, high))
    t = differences.mean() / np.sqrt((1 / 5 + OVERLAP) * differences.var(ddof=1))
    assert gru.p == pytest.approx(2 * stats.t.cdf(-abs(t), 4))
    assert 2 * stats.ttest_1samp(differences, 0).pvalue < (gru.p or 0), "without the correction it would be far smaller"


def test_without_overlap_the_test_is_the_t_test_of_scipy() -> None:
    differences = [0.03, 0.01, 0.02, 0.04, 0.01]
    assert corrected_t_test(differences, 0.0) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert (corrected_t_test([0.1], 0.1), corrected_t_test([0.0, 0.0], 0.1), corrected_t_test([0.1, 0.1], 0.1)) == (None, 1.0, 0.0)  # fmt: skip
    assert describe([0.5], 0.1).interval is None


def test_seeds_on_one_split_are_averaged_in_each_fold_first(folders: Folders) -> None:
    values = {(seed, fold): 0.8 + fold / 50 + seed / 100 * (fold % 2) for seed in (1, 2, 3) for fold in range(5)}
    for (seed, fold), value in values.items():
        write_fold(folders, fold, value, seed, {"data.split.seed": 9})
    comparison = compared(folders)
    found = comparison.tables["accuracy"][0].values
    means = [np.mean([values[seed, fold] for seed in (1, 2, 3)]) for fold in range(5)]
    assert (found.num, found.mean) == (5, pytest.approx(np.mean(means)))
    assert found.interval == pytest.approx(interval_by_hand(means, OVERLAP))
    assert "over folds (of one split, first the mean over the seeds trained on each)" in method_notes(comparison)[0]


def test_the_folds_of_several_splits_all_count(folders: Folders) -> None:
    values = np.random.default_rng(0).normal(0.8, 0.02, size=(3, 5))
    for seed, fold in itertools.product(range(3), range(5)):
        write_fold(folders, fold, float(values[seed, fold]), seed)  # the split changes with the seed
    comparison = compared(folders)
    found = comparison.tables["accuracy"][0].values
    assert found.num == 15
    assert found.interval == pytest.approx(interval_by_hand(values.ravel(), OVERLAP))
    assert "over folds (of 3 splits)" in method_notes(comparison)[0]


def test_notes_and_tables_say_folds_and_which_interval_it_is(folders: Folders) -> None:
    write_two_arms(folders)
    comparison = compared(folders)
    notes = " ".join(method_notes(comparison))
    assert "Nadeau & Bengio 2003" in notes
    assert "1/J + n_test/n_train, here n_test/n_train = 0.278" in notes
    assert "t test over folds" in notes
    for wrong in ("bootstrap", "sign-flip", "seeds", "cannot give p"):
        assert wrong not in notes
    first, *_ = csv.DictReader(io.StringIO(to_csv(comparison)))
    assert (first["seeds"], first["folds"]) == ("", "5")
    assert [column.header for column in means_table(all_runs(folders.output_dir)).columns][1] == "folds"
    assert "over 5 folds" in answer_sweep(comparison).sentence


def test_missing_folds_are_named(folders: Folders) -> None:
    for fold in (0, 1, 4):
        write_fold(folders, fold, 0.8)
    (note,) = (note for note in caution_notes(compared(folders)) if "fold" in note)
    assert note == "sweep: 3 of 5 folds; the rows of the others are not tested."


def test_an_arm_a_fold_has_seeds_as_replicates(folders: Folders) -> None:
    for seed, fold in itertools.product((1, 2, 3), (0, 1)):
        write_fold(folders, fold, 0.8 + fold / 10 + seed / 100, seed)
    comparison = compared(folders, by=["data.split.fold"])
    assert [(found.name, found.values.num) for found in comparison.tables["accuracy"] if found.kind == "arm"] == [("split.fold=0", 3), ("split.fold=1", 3)]  # fmt: skip
    assert "bootstrap over seeds" in " ".join(method_notes(comparison))


def test_folds_and_seeds_are_not_paired(folders: Folders) -> None:
    for replicate in range(4):
        folders.write(replicate, 0.8 + replicate / 100)
        write_fold(folders, replicate, 0.8 + replicate / 50, replicate, GRU)
    comparison = compared(folders, by=["encoder"])
    (gru,) = (found for found in comparison.tables["accuracy"] if found.name.startswith("GRU"))
    assert gru.difference is not None
    assert gru.difference.num == 0
    assert comparison.noun == "replicate"


def test_the_page_of_a_sweep_over_folds_says_folds(folders: Folders) -> None:
    write_two_arms(folders)
    runs = load_runs(all_runs(folders.output_dir))
    text = sweep_page(runs, compare_sweep(runs), "sweep", links_from(folders.output_dir / "sweep"))
    for words in ("<h2>Every fold</h2>", "Nadeau &amp; Bengio 2003", "seed 1, fold 4", "over 5 folds"):
        assert words in text
