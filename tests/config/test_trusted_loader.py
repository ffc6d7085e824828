"""Two compositions that a run does without give what they would have given."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from gatelab.commands.train import register_experiments
from gatelab.config.choices import composed_from
from gatelab.config.schema import CONF_DIR
from gatelab.config.settle import settle
from gatelab.config.trusted_loader import TrustedLoader, trusting


@contextmanager
def loading(words: list[str]) -> Iterator[Any]:
    register_experiments()
    with trusting(words), initialize_config_dir(str(CONF_DIR.resolve()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["encoder=gru", "seed=1,2"], None),
        (["hydra.mode=MULTIRUN"], RunMode.MULTIRUN),
        (["+hydra.mode=RUN"], RunMode.RUN),
        (["experiments=gates"], RunMode.MULTIRUN),
    ],
    ids=str,
)
def test_the_mode_is_that_of_all_files_and_words(
    words: list[str], expected: RunMode | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loading(words) as loader:
        assert isinstance(loader, TrustedLoader)
        assert mode(loader, words) == mode(ConfigLoaderImpl(loader.config_search_path), words) == expected


def test_the_mode_is_also_that_of_a_file_outside_the_configs(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("# @package _global_\nhydra: {mode: MULTIRUN}\n")
    words = [f"encoder={os.path.relpath(tmp_path / 'x', CONF_DIR / 'encoder')}"]
    with loading(words) as loader:
        assert mode(loader, words) == RunMode.MULTIRUN


def mode(loader: ConfigLoaderImpl, words: list[str]) -> RunMode | None:
    config = loader.load_configuration("train", words, run_mode=RunMode.MULTIRUN, validate_sweep_overrides=False)
    return config.hydra.mode


@pytest.mark.parametrize(
    ("words", "at_once"),
    [
        (["encoder=peephole", "encoder.hidden_size=8", "seed=3", "trainer=smoke", "tracker=[wandb,tensorboard]"], True),
        (["model=language_model", "data.num_sentences=50", "optimizer=sgd"], True),
        (
            ["data=csv", "data.path=x.csv", "model.dropout=0.5", "seed=1", "++hydra.job.env_set.GATELAB_NUM_JOBS=2"],
            True,
        ),
        (["experiments=gop_debate", "seed=1"], False),
        (["~encoder", "+encoder._target_=mine.Words"], False),
    ],
    ids=str,
)
def test_what_a_run_changes_is_told_from_its_choices_composed_alone(words: list[str], at_once: bool) -> None:
    with loading(words) as loader:
        config = compose("train", overrides=words, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        settings: Any = OmegaConf.to_container(
            OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]), resolve=True
        )
        settle(settings)
        assert (loader.choices_alone(list(config.hydra.overrides.task)) is not None) == at_once
        try:
            found = composed_from(settings)
            loader.chosen = None
            assert found == composed_from(settings)
        finally:
            HydraConfig.instance().cfg = None
    assert found["changed"]


def test_hydras_own_config_is_composed_for_its_help() -> None:
    with loading([]) as loader:
        config = loader.load_configuration(None, [], RunMode.RUN)
    assert config.hydra.hydra_help.template
