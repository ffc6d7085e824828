import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_tables import Tables
from run_folders import Folders
from scipy import stats

from gatelab.reports.analysis.importance import MAX_JOURNAL_BYTES, importance
from gatelab.reports.analysis.swept import SweptKey, swept_keys
from gatelab.reports.pages.sweep_page import write_sweep
from gatelab.reports.pages.sweep_tables import importance_table
from gatelab.runs.folder import all_runs
from gatelab.runs.load import Run, load_runs


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def swept(folders: Folders) -> tuple[list[Run], list[SweptKey], list[float]]:
    runs = load_runs(all_runs(folders.output_dir))
    return runs, swept_keys(runs), [run.record.numbers()["accuracy"] for run in runs]


def eta_squared(groups: list[list[float]]) -> float:
    """From scipy's F of a one-way analysis of variance."""
    between, within = len(groups) - 1, sum(map(len, groups)) - len(groups)
    f = stats.f_oneway(*groups).statistic
    return f * between / (f * between + within)


def test_of_a_grid_the_share_of_each_key_is_the_eta_squared_of_scipys_f(folders: Folders) -> None:
    random = np.random.default_rng(2)
    values: dict[str, dict[float, list[float]]] = {"rate": {}, "size": {}, "seed": {}}
    for rate in (0.001, 0.01, 0.1):
        for size in (16, 64):
            for seed in (1, 2, 3):
                value = 0.7 + 0.05 * np.log10(rate) + 0.0005 * size + 0.01 * seed + 0.02 * random.normal()
                folders.write(seed, value, settings={"optimizer.lr": rate, "encoder.hidden_size": size})
                for name, level in (("rate", rate), ("size", size), ("seed", seed)):
                    values[name].setdefault(level, []).append(value)
    runs, keys, measured = swept(folders)
    found = importance(runs, keys, measured)
    assert found is not None
    assert found.measure == "grid"
    fractions = dict(zip((key.title for key in keys), found.fractions, strict=True))
    assert fractions["lr"] == pytest.approx(eta_squared(list(values["rate"].values())))
    assert fractions["hidden_size"] == pytest.approx(eta_squared(list(values["size"].values())))
    assert found.seed == pytest.approx((eta_squared(list(values["seed"].values())), 2 / 17))
    assert dict(zip(fractions, found.by_chance, strict=True)) == {"lr": 2 / 17, "hidden_size": 1 / 17}
    cells: dict[tuple[float, ...], list[float]] = {}
    for run, value in zip(runs, measured, strict=True):
        cells.setdefault((run.settings["optimizer.lr"], run.settings["encoder.hidden_size"]), []).append(value)
    fraction, by_chance = found.interactions or (0.0, 0.0)
    assert sum(found.fractions) + fraction == pytest.approx(eta_squared(list(cells.values())))
    assert by_chance == (6 - 1 - 2 - 1) / 17


def test_with_one_run_per_setting_interactions_are_not_separated_from_noise(folders: Folders) -> None:
    random = np.random.default_rng(4)
    for rate in (0.001, 0.01, 0.1):
        for size in (16, 32, 64):
            folders.write(1, 0.7 + 0.1 * random.random(), settings={"optimizer.lr": rate, "encoder.hidden_size": size})
    runs, keys, measured = swept(folders)
    found = importance(runs, keys, measured)
    assert found is not None
    assert found.measure == "grid"
    assert found.interactions is None
    titles = [str(row[0]) for row in importance_table(found, keys)]
    assert titles[-1] == "<bdi>interactions and residual</bdi>"


def test_of_noise_every_line_has_on_average_what_it_has_by_chance(folders: Folders) -> None:
    random = np.random.default_rng(6)
    for rate in (0.001, 0.01, 0.1):
        for size in (16, 32, 64):
            for seed in (1, 2, 3):
                settings = {"optimizer.lr": rate, "encoder.hidden_size": size}
                folders.write(seed, 0.5, settings=settings)
    runs, keys, _ = swept(folders)
    fractions: list[list[float]] = []
    chances: tuple[float, ...] = ()
    for _ in range(400):
        found = importance(runs, keys, list(random.random(len(runs))))
        assert found is not None
        assert found.interactions is not None
        assert found.seed is not None
        fractions.append([*found.fractions, found.interactions[0], found.seed[0]])
        chances = (*found.by_chance, found.interactions[1], found.seed[1])
    error = np.std(fractions, axis=0) / np.sqrt(len(fractions))
    assert (np.abs(np.mean(fractions, axis=0) - chances) < 4 * error).all()


@pytest.fixture
def search(folders: Folders) -> Any:
    """Forty trials of a search in which the rate decides and the size does not, each with its run."""
    optuna = pytest.importorskip("optuna")
    from optuna.distributions import FloatDistribution, IntDistribution
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    journal = folders.output_dir / "sweep" / "search.journal"
    journal.parent.mkdir(parents=True)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    sampler = optuna.samplers.RandomSampler(seed=3)
    study = optuna.create_study(study_name="sweep", storage=storage, sampler=sampler, direction="maximize")
    space = {"optimizer.lr": FloatDistribution(1e-4, 0.1, log=True), "encoder.hidden_size": IntDistribution(8, 200)}
    for number in range(40):
        trial = study.ask(space)
        value = 0.9 - 0.1 * abs(np.log10(trial.params["optimizer.lr"]) + 2.5)
        settings = {**trial.params, "search.metric": "validation/macro_f1", "search.study": "sweep"}
        folders.write(1, value, settings=settings, job=number)
        study.tell(trial, value)
    return study


def test_of_a_search_the_importances_are_optunas(search: Any, folders: Folders) -> None:
    runs, keys, values = swept(folders)
    found = importance(runs, keys, values)
    assert found is not None
    assert found.measure == "search"
    optuna = pytest.importorskip("optuna")
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
    expected = optuna.importance.get_param_importances(search, evaluator=evaluator)
    fractions = dict(zip((key.key for key in keys), found.fractions, strict=True))
    assert fractions == pytest.approx(expected)
    assert fractions["optimizer.lr"] > 0.9
    page = write_sweep(all_runs(folders.output_dir))[0].read_text(encoding="utf-8")
    rows = Tables(page).rows["What the best trials have in common"]
    assert [row[0] for row in rows] == ["key", "lr", "hidden_size"]
    assert "importances add up to 100 %" in page


def test_a_journal_that_is_damaged_or_missing_and_no_optuna_leave_a_page_without_importance(
    search: Any, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, keys, values = swept(folders)
    journal = runs[0].folder.path.parent / "search.journal"
    assert importance(runs, keys, values) is not None
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "optuna", None)
        assert importance(runs, keys, values) is None
    content = journal.read_bytes()
    for damaged in (b"", b"\xff\n", b"{}\n" + content, content[: len(content) // 3]):
        journal.write_bytes(damaged)
        assert importance(runs, keys, values) is None
        assert "have in common" not in write_sweep(all_runs(folders.output_dir))[0].read_text(encoding="utf-8")
    journal.write_bytes(content)
    os.truncate(journal, MAX_JOURNAL_BYTES + 1)
    assert importance(runs, keys, values) is None
    journal.unlink()
    assert importance(runs, keys, values) is None
    assert not journal.exists()


def test_what_is_neither_a_grid_nor_a_search_and_equal_values_have_no_importance(folders: Folders) -> None:
    random = np.random.default_rng(4)
    for rate, size in zip(10 ** random.uniform(-4, -1, 30), random.integers(8, 200, 30), strict=True):
        settings = {"optimizer.lr": float(rate), "encoder.hidden_size": int(size)}
        folders.write(1, random.uniform(0.5, 0.9), settings=settings)
    runs, keys, values = swept(folders)
    assert importance(runs, keys, values) is None
    assert importance(runs, keys, [0.5] * 30) is None
    assert importance(runs, [], values) is None


@pytest.mark.parametrize(
    ("values", "kind", "levels"),
    [
        ([0.1, 0.001, 0.01], "log", [0.001, 0.01, 0.1]),
        ([16, 32, 64, 128], "log", [16, 32, 64, 128]),
        ([0.1, 0.2, 0.3, 0.4], "number", [0.1, 0.2, 0.3, 0.4]),
        ([1.0, 0, 0.1], "number", [0, 0.1, 1.0]),
        ([128, 16], "number", [16, 128]),
        ([True, False], "choice", ["true", "false"]),
        ([None, 1, 2], "choice", ["null", "1", "2"]),
    ],
)
def test_an_axis_is_of_numbers_in_log_where_they_are_spread_so_or_of_choices(
    values: list[float], kind: str, levels: list[object], folders: Folders
) -> None:
    for value in values:
        folders.write(1, 0.8, settings={"model.dropout": value})
    (key,) = swept(folders)[1]
    assert (key.title, key.kind, key.levels) == ("dropout", kind, levels)


def test_what_follows_from_the_choice_of_an_encoder_is_no_key_of_its_own(folders: Folders) -> None:
    for choice, peepholes in (("lstm", None), ("peephole", True)):
        for size in (16, 64):
            settings = {"encoder.hidden_size": size, "encoder._target_": f"gatelab.recurrent.{choice}"}
            settings |= {} if peepholes is None else {"encoder.peepholes": peepholes}
            folders.write(1, 0.8, settings=settings, choices={"encoder": choice})
    keys = swept(folders)[1]
    assert [(key.title, key.values) for key in keys] == [
        ("encoder", ("lstm", "lstm", "peephole", "peephole")),
        ("hidden_size", (16.0, 64.0, 16.0, 64.0)),
    ]
