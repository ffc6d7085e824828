from pathlib import Path
from typing import Any

import pytest
from run_folders import Folders, gated

from gatelab.errors import RunError
from gatelab.reports.analysis.arms import Arms, group_arms
from gatelab.reports.analysis.settings import show
from gatelab.runs.folder import all_runs
from gatelab.runs.load import find_runs, load_runs

GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def grouped(folders: Folders, *by: str) -> Arms:
    return group_arms(load_runs(all_runs(folders.output_dir)), by or None)


def names(arms: Arms) -> list[str]:
    return [arm.name for arm in arms.arms]


def test_an_arm_is_the_runs_that_differ_only_in_the_seed(folders: Folders) -> None:
    for seed in (1, 2):
        folders.write(seed, 0.8)
        folders.write(seed, 0.8, settings=GRU)
        folders.write(seed, 0.8, settings={**GRU, "data.split.seed": 7})
    arms = grouped(folders)
    assert [(arm.name, len(arm.runs)) for arm in arms.arms] == [("LSTMEncoder", 2), ("GRUEncoder", 4)]
    assert arms.titles == ("encoder",)


@pytest.mark.parametrize(
    "settings",
    [{"tracker": {"project": "mine"}}, {"baseline": "none"}, {"output_dir": "/elsewhere"}, {"data.cache_dir": "/tmp"},
     {"model.dropout": 0.20}, {"encoder.hidden_size": 128.0}],
)  # fmt: skip
def test_what_cannot_move_a_number_makes_no_arm(settings: dict[str, Any], folders: Folders) -> None:
    folders.write(1, 0.8)
    folders.write(2, 0.8, settings=settings)
    assert len(grouped(folders).arms) == 1


def test_by_a_key_pools_what_else_differs_and_names_it(folders: Folders) -> None:
    for seed in (1, 2):
        for size in (16, 32):
            for rate in (0.1, 0.2):
                folders.write(
                    seed, size + 10 * rate + seed, settings={"encoder.hidden_size": size, "optimizer.lr": rate}
                )
    arms = grouped(folders, "encoder.hidden_size")
    assert names(arms) == ["hidden_size=16", "hidden_size=32"]
    assert [column.keys for column in arms.pooled] == [("optimizer.lr",)]
    # A seed with several runs counts with their mean, so that it stays one pair of one test.
    assert list(arms.arms[0].values("accuracy").values()) == pytest.approx([16 + 1.5 + 1, 16 + 1.5 + 2])


def test_by_a_group_tells_apart_what_is_built_and_its_settings_that_differ(folders: Folders) -> None:
    folders.write(1, 0.8, choices={"encoder": "lstm"}, changed={})
    folders.write(1, 0.8, settings=gated(peepholes=True), choices={"encoder": "peephole"}, changed={})
    changed = {"encoder.layer_norm": True, "model.dropout": 0.2}
    folders.write(1, 0.8, settings=gated(layer_norm=True), choices={"encoder": "gated"}, changed=changed)
    folders.write(2, 0.8, settings={"optimizer.lr": 0.1}, choices={"encoder": "lstm"}, changed={})
    arms = grouped(folders, "encoder")
    assert names(arms) == ["lstm", "peephole", "gated layer_norm=true"]
    assert len(arms.arms[0].runs) == 2


def test_without_noted_choices_an_arm_is_named_by_its_target_and_what_is_unusual(folders: Folders) -> None:
    folders.write(1, 0.8)
    folders.write(1, 0.8, settings=GRU | {"encoder.hidden_size": 64})
    for settings in (gated(), gated(peepholes=True), gated(coupled="input")):
        folders.write(1, 0.8, settings=settings | {"encoder.hidden_size": 128})
    assert names(grouped(folders)) == [
        "LSTMEncoder",
        "GRUEncoder hidden_size=64",
        "GatedEncoder",
        "GatedEncoder peepholes=true",
        "GatedEncoder coupled=input",
    ]


def test_where_no_setting_is_usual_every_arm_says_its_own(folders: Folders) -> None:
    folders.write(1, 0.8)
    folders.write(1, 0.8, settings=GRU | {"encoder.hidden_size": 64})
    assert names(grouped(folders)) == ["LSTMEncoder hidden_size=128", "GRUEncoder hidden_size=64"]


def test_arms_whose_choices_had_other_settings_once_keep_different_names(folders: Folders) -> None:
    for size in (64, 128):  # unchanged from what conf/encoder/lstm.yaml said when each of them ran
        settings = {"encoder.hidden_size": size}
        folders.write(1, 0.8, settings=settings, choices={"encoder": "lstm"}, changed={})
    assert names(grouped(folders, "encoder")) == ["lstm hidden_size=64", "lstm hidden_size=128"]


def test_one_config_reached_by_two_choices_is_one_arm(folders: Folders) -> None:
    changed = {"encoder.peepholes": True}
    folders.write(1, 0.8, settings=gated(peepholes=True), choices={"encoder": "gated"}, changed=changed)
    folders.write(2, 0.8, settings=gated(peepholes=True), choices={"encoder": "peephole"}, changed={})
    folders.write(1, 0.8, choices={"encoder": "lstm"}, changed={})
    assert [len(arm.runs) for arm in grouped(folders).arms] == [2, 1]


def test_an_arm_is_named_by_a_run_that_notes_its_choice_and_by_its_target_where_a_choice_means_two(
    folders: Folders,
) -> None:
    folders.write(1, 0.8)  # before choices were noted
    folders.write(2, 0.8, choices={"encoder": "lstm"}, changed={})
    folders.write(1, 0.8, settings=GRU, choices={"encoder": "gru"}, changed={})
    assert names(grouped(folders)) == ["lstm", "gru"]
    folders.write(1, 0.8, settings={"encoder._target_": "mine.Convolution"}, choices={"encoder": "gru"}, changed={})
    assert names(grouped(folders)) == ["lstm", "GRUEncoder", "mine.Convolution"]


def test_by_part_of_a_group_and_several_keys_makes_a_column_each(folders: Folders) -> None:
    for by in ("random", "group"):
        for rate in (0.1, 0.2):
            folders.write(1, 0.8, settings={"data.split.by": by, "optimizer.lr": rate})
    arms = grouped(folders, "data.split", "optimizer.lr")
    assert arms.titles == ("data.split", "lr")
    assert [arm.cells for arm in arms.arms][:2] == [("by=random", "0.1"), ("by=random", "0.2")]


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("encodr", "--by encodr: no such key in the configs of these runs. Did you mean encoder?"),
        ("hidden_size", "Did you mean encoder.hidden_size?"),
        ("optimizer.lrr", "Did you mean optimizer.lr?"),
    ],
)
def test_an_unknown_key_is_named_with_the_near_one(key: str, sentence: str, folders: Folders) -> None:
    folders.write(1, 0.8)
    with pytest.raises(RunError) as raised:
        grouped(folders, key)
    assert sentence in str(raised.value)


def test_data_are_distinguished_by_content_and_not_by_path(folders: Folders) -> None:
    folders.write(1, 0.8, settings={"data.path": "here/a.csv"}, sha256="a" * 64)
    folders.write(2, 0.8, settings={"data.path": "there/a.csv"}, sha256="a" * 64)
    folders.write(1, 0.8, settings={"data.path": "b.csv"}, sha256="b" * 64)
    assert names(grouped(folders, "data.path")) == ["path=a.csv", "path=b.csv"]
    folders.write(1, 0.8, settings={"data.path": "here/a.csv"}, sha256="c" * 64)
    assert names(grouped(folders)) == ["path=a.csv aaaaaaaa", "path=b.csv", "path=a.csv cccccccc"]


def test_generated_data_are_told_by_their_settings_unless_these_made_other_data_once(folders: Folders) -> None:
    generated: dict[str, Any] = {"data.path": None, "data.gap": 4}
    folders.write(1, 0.8, settings=generated, sha256="a" * 64)
    folders.write(1, 0.8, settings=generated | {"data.gap": 12}, sha256="b" * 64)
    assert names(grouped(folders)) == ["gap=4", "gap=12"]
    folders.write(1, 0.8, settings=generated, sha256="c" * 64)
    assert len(grouped(folders).arms) == 3


def test_a_run_kept_under_two_names_counts_once_and_by_name_twice(folders: Folders) -> None:
    folders.write(1, identity="aaaaaaaaaa", name="before", status="failed")
    folders.write(1, 0.9, identity="aaaaaaaaaa", name="after")
    folders.write(2, 0.8, identity="bbbbbbbbbb", name="after")
    (arm,) = grouped(folders).arms
    assert (arm.statuses, grouped(folders).num_repeated) == ({"finished": 2}, 1)
    assert names(grouped(folders, "name")) == ["name=before", "name=after"]


def test_a_run_without_config_is_in_no_arm_and_not_forgotten(folders: Folders) -> None:
    folders.write(1, 0.8)
    lost = folders.write(2, status="failed")
    lost.config.unlink()
    arms = grouped(folders)
    assert [run.identity for run in arms.without_config] == [lost.path.name]
    assert len(arms.arms[0].runs) == 1


def test_a_damaged_config_is_named(folders: Folders) -> None:
    folder = folders.write(1, 0.8)
    folder.config.write_text("a: 1\nb: [2\n: c\n")
    with pytest.raises(RunError, match=r"config\.yaml: line 3 is not valid YAML"):
        grouped(folders)


def test_names_are_found_by_name_or_folder_and_a_wrong_one_is_told_the_near_one(folders: Folders) -> None:
    folders.write(1, 0.8, name="first_sweep")
    folders.write(1, 0.8, name="other")
    assert len(find_runs(["first_sweep", "other", "other"], folders.output_dir)) == 2
    assert len(find_runs([str(folders.output_dir / "other")], Path("nowhere"))) == 1
    with pytest.raises(RunError, match=r"first_swep: no runs of this name in .* Did you mean first_sweep\?"):
        find_runs(["first_swep"], folders.output_dir)


def test_arms_whose_settings_read_the_same_are_distinguished_and_keep_their_runs(folders: Folders) -> None:
    for seed in (1, 2):
        folders.write(seed, 0.8, settings={"optimizer.weight_decay": None})
        folders.write(seed, 0.7, settings={"optimizer.weight_decay": "null"})
    arms = group_arms(load_runs(all_runs(folders.output_dir))).arms
    assert [arm.name for arm in arms] == ["weight_decay=null", "weight_decay='null'"]
    assert [[run.record.numbers()["accuracy"] for run in arm.runs] for arm in arms] == [[0.8, 0.8], [0.7, 0.7]]


def test_runs_from_before_a_setting_was_added_are_an_arm_of_their_own(folders: Folders) -> None:
    for seed in (1, 2):
        old = gated()
        del old["encoder.layer_norm"]
        folders.write(seed, 0.8, settings=old)
        folders.write(seed, 0.7, settings=gated(layer_norm=True))
        folders.write(seed, 0.6, settings=gated(layer_norm=False))
        folders.write(seed, 0.5, settings=GRU)
    arms = group_arms(load_runs(all_runs(folders.output_dir))).arms
    assert [arm.name for arm in arms] == [
        "GatedEncoder", "GatedEncoder layer_norm=true", "GatedEncoder layer_norm=false", "GRUEncoder"
    ]  # fmt: skip
    assert [len(arm.runs) for arm in arms] == [2, 2, 2, 2]


def test_a_setting_of_a_failed_run_names_its_own_arm_and_no_other(folders: Folders) -> None:
    for seed in (1, 2):
        folders.write(seed, 0.8)
        folders.write(seed, 0.8, settings=GRU)
    folders.write(1, status="failed", settings={"optimizer.lr": 1e12, "model.dropout": 0.5})
    assert names(grouped(folders)) == ["LSTMEncoder", "GRUEncoder", "LSTMEncoder dropout=0.5 lr=1e12"]
    # One that is not failed: now they differ.
    folders.write(2, 0.3, settings={"optimizer.lr": 1e12, "model.dropout": 0.5})
    assert names(grouped(folders))[0] == "encoder=LSTMEncoder dropout=0.2 lr=0.002"


def test_where_only_a_failed_run_differs_the_others_are_called_by_their_name(folders: Folders) -> None:
    folders.write(1, 0.8)
    folders.write(1, status="failed", settings={"optimizer.lr": 1e12})
    assert names(grouped(folders)) == ["sweep", "sweep lr=1e12"]


@pytest.mark.parametrize(
    ("value", "shown"), [(1e12, "1e12"), (2.5e7, "2.5e7"), (1.0, "1.0"), (1234567.5, "1234567.5"), (1e-5, "1e-05")]
)
def test_a_large_number_is_shown_short_if_that_is_the_same_number(value: float, shown: str) -> None:
    assert show(value) == shown
    assert float(shown) == value
