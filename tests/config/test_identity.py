import copy
import functools
from typing import Any

import pytest

from gatelab.commands.train import compose
from gatelab.config.identity import identity_of
from gatelab.training.run import resolve

CONTENT = {"train": ["00ff"]}


@functools.cache  # most tests compare with the same one
def settings(*overrides: str) -> dict[str, Any]:
    return resolve(compose(["data=csv", "data.path=a.csv", *overrides]))


def identity(*overrides: str, content: Any = CONTENT) -> str:
    return identity_of(settings(*overrides), content)


@pytest.mark.parametrize(
    "override", ["seed=7", "encoder=gru", "encoder.hidden_size=3", "data.max_length=9", "trainer.max_epochs=2",
                 "optimizer.lr=0.1", "tokenizer=char", "tokenizer=bpe", "data.split.by=random", "callbacks=none", "model.dropout=0.3"]
)  # fmt: skip
def test_whatever_can_move_a_number_makes_another_run(override: str) -> None:
    assert identity(override) != identity()


@pytest.mark.parametrize(
    "override", ["output_dir=elsewhere", "name=other", "tracker=none", "tracker.wandb.mode=online", "tracker=[wandb,mlflow]", "force=true", "note=x", "tags=[a,b]",
                 "data.path=b.csv", "data.cache_dir=/tmp/x", "data.cache_gib=1", "data.max_unpacking=9", "trainer.log_every_n_steps=1"]
)  # fmt: skip
def test_where_and_how_a_run_is_shown_does_not(override: str) -> None:
    assert identity(override) == identity()


def test_the_keys_of_the_plateau_schedule_are_part_of_no_other_runs_identity() -> None:
    assert identity("optimizer.plateau.patience=7") == identity("~optimizer.plateau") == identity()
    plateau = identity("optimizer.schedule=plateau")
    assert len({identity(), plateau, identity("optimizer.schedule=plateau", "optimizer.plateau.patience=7")}) == 3


@pytest.mark.parametrize(
    ("schedule", "key"), [("step", "epochs=7"), ("exponential", "factor=0.5"), ("one_cycle", "rise=0.2")]
)
def test_the_keys_of_a_schedule_are_part_of_the_identity_of_runs_with_it_alone(schedule: str, key: str) -> None:
    changed = f"optimizer.{schedule}.{key}"
    assert identity(changed) == identity(f"~optimizer.{schedule}") == identity()
    of_schedule = [identity(f"optimizer.schedule={schedule}", *more) for more in ([], [changed])]
    assert len({identity(), *of_schedule}) == 3


def test_folds_and_a_column_of_parts_are_part_of_no_other_runs_identity() -> None:
    config = copy.deepcopy(settings())
    for key in ("folds", "fold", "column"):
        del config["data"]["split"][key]
    assert identity_of(config, CONTENT) == identity()
    folds = [identity("data.split.folds=10", f"data.split.fold={fold}") for fold in (0, 1)]
    assert len({identity(), *folds, identity("data.split.column=part")}) == 4


def test_how_a_table_without_a_header_is_named_is_part_of_no_other_runs_identity() -> None:
    config = copy.deepcopy(settings())
    config["data"] = {key: value for key, value in config["data"].items() if key not in ("header", "columns")}
    assert identity_of(config, CONTENT) == identity()
    assert len({identity(), identity("data.header=false"), identity("data.columns=[label,text]")}) == 3


def test_a_younger_key_at_its_default_is_part_of_no_identity() -> None:
    config = copy.deepcopy(settings())
    for key in ("label_separator", "sampling"):
        assert config["data"].pop(key, "") is None
    assert identity_of(config, CONTENT) == identity()
    assert len({identity(), identity("data.label_separator=';'"), identity("data.sampling=balanced")}) == 3


def test_data_enters_by_its_content() -> None:
    assert identity(content={"train": ["00fe"]}) != identity()


def test_an_identity_is_ten_hex_digits_and_stays_what_it_is() -> None:
    assert identity_of({"a": 1, "b": {"c": [1, 2]}}, CONTENT) == identity_of({"b": {"c": [1, 2]}, "a": 1}, CONTENT)
    assert len(identity()) == 10
    int(identity(), 16)


def test_keys_that_came_later_leave_the_runs_that_do_not_use_them_as_they_were() -> None:
    assert identity_of(resolve(compose([])), {"train": ["00"]}) == "26bdcfc977"  # of commit b9d8c1c
    assert identity("model.freeze_vectors=false", "model.vectors_vocab=train", "model.embedding_size=128") == identity()


def test_the_losses_keys_at_their_defaults_are_part_of_no_identity() -> None:
    assert identity("~model.label_smoothing", "~model.focal_gamma") == identity()
    others = ["model.label_smoothing=0.1", "model.focal_gamma=2", "model.class_weights={positive: 2}"]
    assert len({identity(), *map(identity, others)}) == 4


def test_what_is_fitted_on_the_validation_is_part_of_the_identity_of_runs_that_do_it_alone() -> None:
    assert identity("model.temperature=1.0", "~model.temperature") == identity()
    assert len({identity(), identity("model.temperature=fit"), identity("model.threshold=fit")}) == 3


def test_what_is_done_with_vectors_makes_another_run_and_their_dimension_in_words_does_not() -> None:
    content = {**CONTENT, "model.vectors": ["00aa"]}
    runs = [
        identity("model.vectors=v.txt", *more, content=content)
        for more in (["model.embedding_size=50"], [], ["model.freeze_vectors=true"], ["model.vectors_vocab=all"])
    ]
    assert runs[0] == runs[1]
    assert len({identity(), *runs}) == 4
