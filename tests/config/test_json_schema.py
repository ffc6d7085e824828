"""The JSON Schema that gatelab schema writes, held against the shipped YAMLs and against check_config."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from omegaconf import OmegaConf

from gatelab.commands.schema_file import write_schema
from gatelab.commands.train import compose
from gatelab.config.json_schema import GROUPS, json_schema
from gatelab.config.schema import CONF_DIR, EXPERIMENT_DIRS, check_config
from gatelab.errors import ConfigError
from gatelab.training.run import resolve

EXPERIMENTS = sorted(EXPERIMENT_DIRS[1].glob("*.yaml"))
CONFIGS = [(group, file) for group in GROUPS for file in sorted((CONF_DIR / group).rglob("*.yaml"))]
FILES = [(None, CONF_DIR / "train.yaml"), *((None, file) for file in EXPERIMENTS), *CONFIGS]


@cache
def validator(group: str | None) -> Any:
    schema = json.loads(json.dumps(json_schema(group), allow_nan=False))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def loaded(file: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(file))


def test_every_group_of_a_run_has_a_schema() -> None:
    assert {folder.name for folder in CONF_DIR.iterdir() if folder.is_dir()} == {*GROUPS, "hydra"}


@pytest.mark.parametrize(("group", "file"), FILES, ids=lambda part: getattr(part, "stem", part))
def test_every_shipped_yaml_is_valid_and_is_not_with_a_misspelt_key(group: str | None, file: Path) -> None:
    values = loaded(file)
    assert [error.message for error in validator(group).iter_errors(values)] == []
    assert not validator(group).is_valid({**values, "hiden_size": 3})
    for key in ("split", "encoder", "tokenizer"):  # and in a group inside
        if key in values:
            assert not validator(group).is_valid({**values, key: {"hiden_size": 3}})


def test_what_an_experiment_states_has_a_schema_too() -> None:
    claim = {"where": {"encoder": "gru"}, "at_least": 0.5}
    assert validator(None).is_valid({"experiment": {"claims": [claim], "note": "of my own"}})
    assert not validator(None).is_valid({"experiment": {"claims": [{**claim, "at_lest": 0.5}]}})
    assert not validator(None).is_valid({"experiment": {"published": [{"metric": "accuracy", "value": "high"}]}})


@cache
def default_settings() -> dict[str, Any]:
    return resolve(compose())


def test_a_complete_config_is_valid_resolved_or_not() -> None:
    assert validator(None).is_valid(default_settings())
    assert validator(None).is_valid(OmegaConf.to_container(compose(["encoder=irnn", "tokenizer=bpe", "data=csv"])))


@pytest.mark.parametrize(
    ("key", "value"),
    [("encoder.hidden_size", -1), ("encoder.dropout", 1.5), ("data.split.test", 1.2), ("data.split.by", "rows"), ("data.batch_size", "many"),
     ("model.pooling", "sum"), ("optimizer.lr", 0), ("optimizer.schedule", "cosinus"), ("trainer.precision", 17), ("trainer.max_epochs", 0),
     ("seed", -1), ("baseline", "liner"), ("tracker.wandb.mode", "onlin"), ("data.tokenizer.vocab_size", 1), ("name", "../elsewhere"),
     ("callbacks.early_stopping.patience", "long"), ("trainer.max_epoch", 3)],
)  # fmt: skip
def test_what_the_check_refuses_is_invalid(key: str, value: Any) -> None:
    changed = OmegaConf.create(default_settings())
    OmegaConf.update(changed, key, value, force_add=True)
    settings: Any = OmegaConf.to_container(changed)
    assert not validator(None).is_valid(settings)
    with pytest.raises(ConfigError, match=re.escape(key)):
        check_config(settings)


def test_a_class_of_the_users_own_has_keys_of_its_own() -> None:
    assert validator("encoder").is_valid({"_target_": "mine.Encoder", "width": 3})
    assert not validator("encoder").is_valid({"_target_": "gatelab.recurrent.LSTMEncoder", "width": 3})


def test_keys_have_the_comments_of_the_yamls() -> None:
    keys = [lstm["properties"] for lstm in json_schema("encoder")["anyOf"] if "dropout" in lstm["properties"]]
    assert keys[0]["dropout"]["description"] == "between layers"


def test_the_command_writes_a_file_that_a_modeline_names_and_refuses_other_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_schema("tracker", tmp_path / "tracker.json")
    assert json.loads((tmp_path / "tracker.json").read_text(encoding="utf-8")) == json_schema("tracker")
    assert f"# yaml-language-server: $schema={tmp_path}/tracker.json" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"^encodr: is no group\. Did you mean encoder\? There are: callbacks, data"):
        write_schema("encodr", None)
    with pytest.raises(ConfigError, match=r"there is no folder .*Name a file in a folder that is there\.$"):
        write_schema(None, tmp_path / "nowhere" / "all.json")
