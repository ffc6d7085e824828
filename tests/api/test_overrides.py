"""Python values as overrides that Hydra reads back as the same values."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gatelab.api.overrides import text_of, to_overrides
from gatelab.api.start import checked, compose_here
from gatelab.errors import ConfigError


def composed(*words: str, **settings: Any) -> Any:
    config = compose_here(checked(to_overrides(list(words), settings, compose_here)))
    return OmegaConf.to_container(config, resolve=True)


@pytest.mark.parametrize(
    "value",
    ["plain", "with space", 'a "quote"', "it's", "null", "1", "a=b,c", "C:\\new\\", "é ☕", ["a b", "c,d", "[e]"],
     ("a", "b"), None, Path("some where/x.csv")],
)  # fmt: skip
def test_a_value_arrives_as_it_was_given(value: Any) -> None:
    found = OverridesParser.create().parse_override(f"key={text_of(value)}").value()
    found = OmegaConf.to_container(OmegaConf.create({"key": found}))["key"]  # type: ignore[index,call-overload]
    expected = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    assert found == expected


def test_numbers_and_flags_keep_their_type_numpys_too() -> None:
    config = composed(seed=np.int64(3), force=True, optimizer={"lr": np.float32(0.5)}, checkpoint_minutes=2)
    found = config["seed"], config["force"], config["optimizer"]["lr"], config["checkpoint_minutes"]
    assert found == (3, True, 0.5, 2)
    assert [type(value) for value in found] == [int, bool, float, int]


def test_a_mapping_is_a_group_where_the_config_has_one_and_a_value_elsewhere() -> None:
    classes = {0: "bad", 4: "good: very", "in between": None}
    config = composed(data={"path": "x.csv", "labels": classes, "split": {"by": "random", "test": 0.5}}, encoder="gru")
    assert config["data"]["labels"] == classes
    assert config["data"]["split"]["by"] == "random"
    assert config["data"]["split"]["validation"] == 0.1
    assert config["encoder"]["_target_"] == "gatelab.recurrent.GRUEncoder"


def test_a_path_is_data_csv_unless_another_choice_is_named() -> None:
    assert composed(data={"path": "x.csv"})["data"]["_target_"].endswith("SentimentData")
    assert composed("data=gop_debate", data={"path": "x.zip"})["data"]["_target_"].endswith("GopDebateData")


def test_a_frame_stands_wherever_a_path_does_in_the_cache_that_the_call_names(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["one", "two"], "label": [0, 1]})
    data = composed(data={"path": frame, "test_path": frame[:1], "cache_dir": str(tmp_path)})["data"]
    lines = [Path(data[key]).read_text() for key in ("path", "test_path")]
    assert lines[0] == '{"text": "one", "label": 0}\n{"text": "two", "label": 1}\n'
    assert lines[1] == lines[0].splitlines(keepends=True)[0]
    assert Path(data["path"]).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        ((), {"encoder": {"hiden_size": 1}}, r"encoder\.hiden_size: unknown key\. Did you mean encoder\.hidden_size\?"),
        (("seed=1,2",), {}, "trains one run.*gatelab train -m"),
        (("-m",), {}, "-m: is no override"),
        (("experiments=adding", "+quick=true"), {}, r"\+quick=true: is a mode of a sweep, for gatelab train"),
        ((), {"data": "reviews.csv"}, r"is no choice .*data=\{'path': 'reviews\.csv'\}"),
        ((), {"encoder": None}, "encoder=null: is no choice"),
        ((), {"seed": pd.DataFrame()}, "DataFrame is no value of a config"),
    ],
)
def test_what_no_run_can_be_made_of_is_one_sentence(
    words: tuple[str, ...], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        composed(*words, **settings)
