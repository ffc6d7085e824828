import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from gatelab.commands.train import completions, compose, explain, refuse_no_name, refuse_unquoted
from gatelab.config.build import build
from gatelab.config.experiment import Experiment, read_experiment
from gatelab.config.schema import CONF_DIR, EXPERIMENT_DIRS, check_config
from gatelab.errors import ConfigError
from gatelab.tasks.base import task_of
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.sequence_task import SequenceTask
from gatelab.training.callbacks import build_callbacks
from gatelab.training.optimization import configure_optimizers
from gatelab.training.run import resolve

CHOICES = sorted(
    f"{file.parent.name}={file.stem}" for file in CONF_DIR.glob("*/*.yaml") if not file.name.startswith("_")
)

OF_TOKENS: dict[str, float] = {"start_id": 0, "unknown_id": 1}
PASSED: dict[str, dict[str, float]] = {
    "model=language_model": OF_TOKENS,
    "tokenizer=bytes": OF_TOKENS,
    "model=regressor": {"target_mean": 0.0, "target_deviation": 1.0},
    "model=multi_label": {"num_labels": 2},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_shipped_choice_composes_passes_the_check_and_builds(choice: str, tmp_path: Path) -> None:
    more = {
        "data=csv": ["data.path=some.csv"],
        "tokenizer=file": ["data.tokenizer.file=some.json"],
        "tokenizer=bytes": ["model=language_model"],
        "model=synthetic": ["data=adding"],
    }.get(choice, [])
    composed = compose([choice, *more])
    if "cache_dir" in composed.data:
        composed.data.cache_dir = str(tmp_path)
    config = resolve(composed)
    checked = check_config(config)
    data, task = build("data", config["data"]), task_of(checked.model)
    if isinstance(task, SequenceTask):
        arguments: dict[str, float] = PASSED.get(choice, {"num_classes": 2})
        module: Any = build_model(config["model"], config["encoder"], vocab_size=10, **arguments)
    else:
        assert data.prepared.record
        module = task.build_module(checked, data)
    assert configure_optimizers(checked, module) is not None
    assert len(build_callbacks(config["callbacks"], "loss", tmp_path)) == len(config["callbacks"])
    if config["trainer"]["accelerator"] != "cuda" and config["trainer"]["strategy"] != "ddp":
        build("trainer", config["trainer"], logger=False, default_root_dir=str(tmp_path))


@pytest.mark.parametrize("file", sorted(EXPERIMENT_DIRS[1].glob("*.yaml")), ids=lambda file: file.stem)
def test_every_experiment_composes_and_passes_the_check(file: Path) -> None:
    config = compose([f"experiments={file.stem}"])
    check_config(resolve(config))
    assert config.name == file.stem
    assert config.experiment.question


@pytest.mark.parametrize("file", sorted(EXPERIMENT_DIRS[1].glob("*.yaml")), ids=lambda file: file.stem)
def test_the_quick_mode_of_every_experiment_changes_keys_that_it_has(file: Path) -> None:
    quick = Experiment.model_validate(read_experiment(file)).quick
    last = [f"{key}={values.split(',')[-1]}" for key, _, values in (word.partition("=") for word in quick)]
    check_config(resolve(compose([f"experiments={file.stem}", *last])))


def test_every_config_opens_with_its_purpose_and_every_choice_says_its_command() -> None:
    for file in [*CONF_DIR.rglob("*.yaml"), *EXPERIMENT_DIRS[1].glob("*.yaml")]:
        lines = file.read_text(encoding="utf-8").splitlines()
        first = lines[lines[0].startswith("# @package ")]  # Hydra reads that in the first line alone
        assert first.startswith("# "), file
        if not file.name.startswith("_") and "hydra" not in file.parts:
            assert "gatelab train" in first, file


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.hidden_size=-1", r"encoder\.hidden_size=-1: .*greater than or equal to 1"),
        ("data.split.test=1.2", r"data\.split\.test=1\.2: .*less than 1"),
        ("data.split.folds=10", r"data\.split.*folds=10 needs the fold.*range\(0,10\)"),
        ("data.split.fold=0", r"data\.split.*fold=0 needs folds"),
        ("data.split.test=0.95", r"data\.split.*leave no rows to train on"),
        ("model.pooling=sum", r"model\.pooling=sum: .*'last', 'mean', 'max' or 'attention'"),
        ("encoder.dropout=1.5", r"encoder\.dropout=1\.5"),
        ("data.batch_size=0", r"data\.batch_size=0"),
        ("data.batch_size=many", r"data\.batch_size=many: .*integer"),
        ("data.gap=-1", r"data\.gap=-1"),
        ("optimizer.lr=0", r"optimizer\.lr=0"),
        ("optimizer.warmup=1", r"optimizer\.warmup=1"),
        ("optimizer.schedule=cosinus", r"optimizer\.schedule=cosinus: .*'cosine'"),
        ("trainer.precision=17", r"trainer\.precision=17"),
        ("trainer.max_epochs=0", r"trainer\.max_epochs=0"),
        ("seed=-1", r"seed=-1"),
        ("baseline=liner", r"baseline=liner: .*'linear'"),
        ("tracker.wandb.mode=onlin", r"tracker\.wandb\.mode=onlin"),
        ("+tracker.wandb.modus=online", r"tracker\.wandb\.modus: unknown key\. Did you mean tracker\.wandb\.mode\?"),
        ("+tracker.mine=3", r"tracker\.mine=3: is no group of keys"),
        ("+tracker.mine.mode=3", r"tracker\.mine\._target_: is missing"),
        ("name=../elsewhere", r"name=\.\./elsewhere"),
        ("data.tokenizer.vocab_size=1", r"data\.tokenizer\.vocab_size=1"),
        ("model.class_weights=balance", r"model\.class_weights=balance"),
        ("+encoder.hidden_sise=3", r"encoder\.hidden_sise: unknown key\. Did you mean encoder\.hidden_size\?"),
        ("+sead=3", r"sead: unknown key\. Did you mean seed\?"),
    ],
)
def test_an_impossible_value_or_unknown_key_is_named_with_its_key(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_config(resolve(compose([override])))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["optimizer.warmup=0.1"],
            r"^optimizer: schedule=plateau has no warmup\. Set optimizer\.warmup=0, or take another",
        ),
        (["optimizer.plateau.factor=1"], r"^optimizer\.plateau\.factor=1: .*less than 1"),
        (["optimizer.plateau.patience=-1"], r"^optimizer\.plateau\.patience=-1: .*greater than or equal to 0"),
        (["~optimizer.plateau"], r"^optimizer: schedule=plateau needs plateau\.factor and plateau\.patience\."),
    ],
)
def test_a_plateau_schedule_that_cannot_be_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_config(resolve(compose(["optimizer.schedule=plateau", *overrides])))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("tokenizer=bpe data.tokenizer.vocab_size=null", r"^data\.tokenizer\.vocab_size=None: .*valid integer"),
        ("tokenizer=bpe data.tokenizer.vocab_size=2", r"^data\.tokenizer\.vocab_size=2: .*greater than or equal to 3"),
        (
            "tokenizer=char +data.tokenizer.lower=true",
            r"^data\.tokenizer\.lower: unknown key\. Did you mean .*lowercase\?$",
        ),
        ("tokenizer=unigram ~data.tokenizer.urls", r"^data\.tokenizer\.urls: is missing\.$"),
        (
            "+data.tokenizer.kind=bp",
            r"^data\.tokenizer\.kind=bp: input should be 'word', 'char', 'bpe', 'unigram' or 'file'",
        ),
        ("tokenizer=file data.tokenizer.file=3", r"^data\.tokenizer\.file=3: .*valid string"),
        ("tokenizer=file data.tokenizer.file=a +data.tokenizer.urls=true", r"^data\.tokenizer\.urls: unknown key"),
        ("data.tokenizer=3", r"^data\.tokenizer=3: is no group of keys"),
    ],
)
def test_the_keys_of_each_tokenizer_are_checked(overrides: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_config(resolve(compose(overrides.split())))


def test_tokenizers_keep_what_the_data_set_of_their_keys() -> None:
    words = compose(["data.tokenizer.vocab_size=5000"]).data.tokenizer
    assert (words.min_count, words.vocab_size, "kind" in words) == (1, 5000, False), "that of data=sample"
    assert compose(["data=csv"]).data.tokenizer.min_count == 2
    assert compose(["tokenizer=bpe", "data=sample"]).data.tokenizer.kind == "bpe"


def test_the_unigram_trainer_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    config = resolve(compose(["tokenizer=unigram"]))
    monkeypatch.setattr("gatelab.data.tokenize.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"^data\.tokenizer\.kind: unigram needs sentencepiece: pip install 'gatelab\[unigram\]'\.$"
    ):
        check_config(config)


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(resolve(compose(["encoder.hidden_size=-1", "data.split.test=1.2", "model.pooling=sum"])))
    assert len(str(caught.value).splitlines()) == 3


def test_a_missing_path_is_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.path is not set"):
        resolve(compose(["data=csv"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["encoder.hiden_size=3"], "Did you mean encoder.hidden_size?"),
        (["pooling=mean"], "Did you mean model.pooling?"),
        (["encoder=lstmm"], "Did you mean lstm?"),
        (["experiments=gop_debat"], "Did you mean gop_debate?"),
        (["encodr=lstm"], "Did you mean encoder?"),
        (["tracker=mlflw"], "Did you mean mlflow? There are: mlflow, none, tensorboard, wandb."),
        (["tracker=[wandb,mlflw]"], "tracker=mlflw: no such choice. Did you mean mlflow?"),
        (["tracker.mode=online"], "Did you mean tracker.wandb.mode?"),
        (["tracker.wandb.mod=online"], "Did you mean tracker.wandb.mode?"),
        (
            ["tracker=none", "tracker.wandb.project=x"],
            "tracker=wandb is not chosen. For it and another: 'tracker=[mlflow,wandb]'.",
        ),
        (["tracker.mlflow.uri=x"], "tracker=mlflow is not chosen. For it and another: 'tracker=[wandb,mlflow]'."),
    ],
)
def test_a_misspelt_override_is_answered_with_the_near_one(overrides: list[str], message: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- Hydra's own, of several types
        compose(overrides)
    assert message in explain(str(caught.value), overrides)


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ([], ["wandb"]),
        (["tracker=none"], []),
        (["tracker=[wandb,mlflow]", "tracker.mlflow.uri=http://localhost:5000"], ["wandb", "mlflow"]),
        (["experiments=gates"], []),
        (["experiments=gates", "tracker=[tensorboard]"], ["tensorboard"]),
    ],
)
def test_trackers_are_chosen_by_name_several_at_once_and_over_an_experiment(
    overrides: list[str], names: list[str]
) -> None:
    config = resolve(compose(overrides))
    check_config(config)
    assert list(config["tracker"]) == names


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_tracker_whose_package_is_missing_is_refused_with_the_command_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve(compose([f"tracker={package}"]))
    monkeypatch.setattr("gatelab.config.schema.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"tracker\.{package} needs {package}: pip install 'gatelab\[{package}\]'"):
        check_config(config)


def test_an_encoder_of_the_users_own_is_one_target_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_near.py").write_text(
        "import torch\nclass Encoder(torch.nn.Module):\n def __init__(self, **_): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    encoder = {"_target_": "mine_near.Encoder", "anything": 3}
    check_config({**resolve(compose()), "encoder": encoder, "allow_targets": ["mine_near"]})


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("encoder=irnn +encoder.cell.nonlinearty=relu", r"^encoder\.cell\.nonlinearty: unknown key\. Did you mean encoder\.cell\.nonlinearity"),
        ("encoder=irnn encoder.cell.nonlinearity=gelu", r"^encoder\.cell\.nonlinearity=gelu: input should be 'tanh' or 'relu'"),
        ("encoder=irnn encoder.zoneout_cell=0.1", r"^encoder: zoneout_cell keeps cell states, and RNN has none but h: use zoneout_hidden"),
        ("encoder=indrnn encoder.cell.num_steps=0", r"^encoder: num_steps must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_the_settings_of_a_cell_are_checked_before_any_data_is_read(overrides: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_config(resolve(compose(overrides.split())))


def test_what_the_target_refuses_names_the_group() -> None:
    with pytest.raises(ConfigError, match=r"encoder: gatelab\.recurrent\.LSTMEncoder refused its settings.*surprise"):
        build("encoder", {"_target_": "gatelab.recurrent.LSTMEncoder", "hidden_size": 3, "surprise": 1}, input_size=2)
    with pytest.raises(ConfigError, match=r"encoder\._target_=gatelab\.nothing"):
        build("encoder", {"_target_": "gatelab.nothing"}, input_size=2)


def test_completion_offers_keys_and_the_choices_of_a_group() -> None:
    assert completions("encoder=g") == ["encoder=gated", "encoder=gru", "encoder=gru_2014", "encoder=gru_open"]
    assert "encoder.hidden_size=" in completions("encoder.h")
    assert "experiments=gop_debate" in completions("experiments=")
    assert completions("tracker=[wandb,ml") == ["tracker=[wandb,mlflow"]


def test_the_composed_config_holds_plain_values_only() -> None:
    assert OmegaConf.create(resolve(compose())) == OmegaConf.create(resolve(compose()))


@pytest.mark.parametrize(
    "word",
    [
        "tracker=null", "tracker=5", "+tracker=-21", "tracker=1.5", "tracker=true", "tracker={a: 1}", "tracker=[none,5]", "~tracker=5",
        "tracker@other=5", "tracker=none,5", "tracker=choice(none,5)", "tracker=range(1,3)", "tracker=interval(1,2)",
    ],
)  # fmt: skip
def test_a_group_that_is_set_to_what_is_no_name_is_refused_with_its_choices(word: str) -> None:
    refuse_no_name(
        ["optimizer.schedule=null", "tracker=none", "tracker=none,'5'", "tracker=[none]", "~tracker", "seed=range(3)"]
    )
    with pytest.raises(
        ConfigError, match=rf"^{re.escape(word)}: is no choice\. There are: mlflow, none, tensorboard, wandb"
    ):
        refuse_no_name(["seed=1", word])


@pytest.mark.parametrize(
    "value",
    [";", ",", "a=b.csv", "it's.csv", "a (1).csv", "a(1).csv", "~/reviews.csv", "a~b.csv", "café.csv", "评论.csv", "a[0-9].csv",
     'a "good" one(1).csv', "C:\\new\\a(1).csv", "folder(1)\\", "it's \"so\".csv"],
)  # fmt: skip
def test_a_value_that_hydra_cannot_read_is_answered_with_the_quoted_form_that_it_can(value: str) -> None:
    with pytest.raises(ConfigError, match="quote it: ") as caught:
        refuse_unquoted(["-m", "data=csv", f"data.path={value}"])
    (override,) = shlex.split(str(caught.value).partition("quote it: ")[2])
    refuse_unquoted([override])
    assert compose(["data=csv", override]).data.path == value


@pytest.mark.parametrize("glob", ["parts/*.csv", "**/part-?.csv", "/data/a b/*.tsv"])
def test_a_glob_needs_no_quotes_but_those_of_the_shell(glob: str) -> None:
    refuse_unquoted([f"data.path={glob}"])
    assert compose(["data=csv", f"data.path={glob}"]).data.path == glob


def test_an_override_that_no_quotes_mend_is_left_to_hydra() -> None:
    refuse_unquoted(["=3", "--config-dir=a(1)", "data.path", "data..path(=3"])
