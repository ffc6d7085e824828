"""The keys of a group are the arguments of what it builds, also of a class that gatelab does not know."""

import functools
from pathlib import Path
from typing import Any

import pytest

from gatelab.commands.train import compose
from gatelab.config.schema import check_config
from gatelab.errors import ConfigError
from gatelab.training.run import resolve

MINE = """
from typing import TYPE_CHECKING, Literal
from torch import nn
from gatelab.annotations import Passed
if TYPE_CHECKING:
    from nowhere import Unknown

class Annotated(nn.Module):
    def __init__(self, input_size: int, output_size: int, kind: Literal["a", "b"] = "a", width: int = None, nothing: None = None, batch: Passed[int] = 3):
        raise RuntimeError("built by the check")

class Bare(nn.Module):
    def __init__(self, input_size, output_size, inner: nn.Module = None): ...

class Quoted(nn.Module):
    def __init__(self, input_size: int, size: "Unknown"): ...

class Open(nn.Module):
    def __init__(self, input_size: int, size: int, **more): ...
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_checked.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)


@functools.cache
def settings() -> dict[str, Any]:
    return resolve(compose())


def check(name: str, **keys: Any) -> None:
    encoder = {"_target_": f"mine_checked.{name}", **keys}
    check_config({**settings(), "encoder": encoder, "allow_targets": ["mine_checked"]})


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("Annotated", {"output_size": 3}),
        ("Annotated", {"output_size": 3, "kind": "b", "width": None}),
        ("Bare", {"output_size": "anything"}),
        ("Bare", {"output_size": 3, "inner": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 3}}),
        ("Quoted", {"size": "anything"}),
        ("Open", {"size": 3, "anything": [3]}),
    ],
)
def test_what_the_constructor_takes_is_let_through_unbuilt(name: str, keys: dict[str, Any]) -> None:
    check(name, **keys)


@pytest.mark.parametrize(
    ("name", "keys", "sentence"),
    [
        ("Annotated", {"output_size": 3, "knd": "b"}, r"encoder\.knd: unknown key\. Did you mean encoder\.kind\?"),
        ("Annotated", {"output_size": "wide"}, r"encoder\.output_size=wide: .*valid integer"),
        ("Annotated", {"output_size": 3, "kind": "c"}, r"encoder\.kind=c: input should be 'a' or 'b'"),
        ("Annotated", {}, r"encoder\.output_size: is missing"),
        ("Annotated", {"output_size": 3, "input_size": 4}, r"encoder\.input_size: unknown key"),
        ("Annotated", {"output_size": 3, "batch": 4}, r"encoder\.batch: unknown key"),
        ("Bare", {"output_size": 3, "width": 4}, r"encoder\.width: unknown key"),
        ("Quoted", {"length": 3}, r"encoder\.length: unknown key"),
        ("Open", {"size": "wide", "anything": 3}, r"encoder\.size=wide: .*valid integer"),
    ],
)
def test_what_it_does_not_take_is_refused_as_in_a_class_of_gatelabs(
    name: str, keys: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check(name, **keys)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["encoder=gated", "encoder.coupled=input", "encoder.forget_gate=false"],
         r"^encoder: coupled=input ties .* forget_gate=false takes one away\.$"),
        (["encoder=peephole", "encoder.backend=native"], r"^encoder: backend=native is torch's own LSTM kernel"),
        (["encoder=gated", "encoder.zoneout_cell=1"], r"^encoder\.zoneout_cell=1: .*less than 1"),
        (["encoder=gated", "+encoder.peephole=true"], r"Did you mean encoder\.peepholes\?"),
        (["+data.nrows=3"], r"^data\.nrows: unknown key\. Did you mean data\.num_rows\?"),
        (["+data.tokenizer.url=true"], r"^data\.tokenizer\.url: unknown key\. Did you mean data\.tokenizer\.urls\?"),
        (["~data.split.by"], r"^data\.split\.by: is missing"),
        (["~encoder._target_"], r"^encoder\._target_: is missing"),
        (["encoder.hidden_size=0", "seed=-1"], r"^seed=-1: .*\nencoder\.hidden_size=0: "),
    ],
)  # fmt: skip
def test_the_keys_of_gatelabs_own_classes(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_config(resolve(compose(overrides)))


def test_nothing_is_imported_of_a_config_with_a_target_that_may_not_be_built(tmp_path: Path) -> None:
    (tmp_path / "mine_imported.py").write_text("open('imported', 'w').close()\n")
    config = {**settings(), "encoder": {"_target_": "mine_imported.Encoder"}}
    with pytest.raises(ConfigError, match=r"allow_targets=\[mine_imported\]"):
        check_config(config)
    assert not Path("imported").exists()


def test_the_checked_config_has_the_values_by_attribute() -> None:
    config = check_config(resolve(compose(["seed=7", "trainer.precision=bf16-mixed", "encoder.hidden_size=9"])))
    assert (config.seed, config.trainer.precision, config.encoder["hidden_size"]) == (7, "bf16-mixed", 9)
