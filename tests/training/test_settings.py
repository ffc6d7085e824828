"""What a user sets for Lightning, torch and Hydra works, or is refused with its key before any data is read."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from gatelab.commands.train import compose, run_hydra
from gatelab.config.identity import flatten
from gatelab.errors import ConfigError, UserError
from gatelab.training.callbacks import build_callbacks
from gatelab.training.run import check, resolve

LIGHTNING = "pytorch_lightning.callbacks"


def mine(kind: str, *more: str) -> list[str]:
    return [f"+callbacks.mine._target_={LIGHTNING}.{kind}", *(f"+callbacks.mine.{text}" for text in more)]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["monitor=val_loss"], r"^monitor=val_loss: the validation has no such metric\. Did you mean loss\? There are: loss, acc"),
        (["monitor=macrof1"], r"^monitor=macrof1: .*Did you mean macro_f1\?"),
        (["callbacks.early_stopping.monitor=val_loss"], r"^callbacks\.early_stopping\.monitor=val_loss: .*mean validation/loss\?"),
        (["callbacks.early_stopping.monitor=train_acc"], r"Did you mean train/accuracy\?"),
        (["callbacks.early_stopping.patience=many"], r"^callbacks\.early_stopping\.patience=many: .*integer"),
        (["+callbacks.early_stopping.patients=3"], r"^callbacks\.early_stopping\.patients: unknown key\. Did you mean .*patience\?"),
        (["~callbacks"], r"^callbacks: is missing\. callbacks=none is without"),
        (["callbacks=[]"], r"^callbacks: is missing\. callbacks=none is without"),
        (mine("BatchSizeFinder"), r"^callbacks\.mine: BatchSizeFinder .*Set data\.batch_size"),
        (mine("LearningRateFinder"), r"^callbacks\.mine: LearningRateFinder .*gatelab find-lr"),
        (mine("StochasticWeightAveraging", "swa_lrs=0.1"), r"^callbacks\.mine: StochasticWeightAveraging .*EMAWeightAveraging"),
        (mine("EarlyStop"), r"^callbacks\.mine\._target_=.*EarlyStop: cannot be found: .* Did you mean EarlyStopping\?$"),
        (mine("BackboneFinetuning"), r"^callbacks\.mine: BackboneFinetuning .*from_parts="),
        (mine("ModelPruning", "pruning_fn=l1_unstructured"), r"^callbacks\.mine: ModelPruning .*Leave it out"),
        (["+trainer.max_steps=-5"], r"^trainer\.max_steps=-5: "),
        (mine("RichProgressBar"), r"^callbacks\.mine: RichProgressBar .*Leave it out"),
        (mine("EarlyStopping", "monitor=null", "mode=null"), r"^callbacks: Found more than one stateful callback"),
        (["+trainer.logger=false"], r"^trainer\.logger=False: cannot be set: .*tracker=none"),
        (["+trainer.overfit_batches=1"], r"^trainer\.overfit_batches=1: cannot be set: .*limit_train_batches"),
        (["+trainer.enable_checkpointing=false"], r"^trainer\.enable_checkpointing=False: cannot be set"),
        (["+trainer.max_epoch=3"], r"^trainer\.max_epoch: unknown key\. Did you mean trainer\.max_epochs\?"),
        (["+trainer.profiler=simpl"], r"^trainer\.profiler=simpl: no such profiler\. Did you mean simple\?"),
        (["trainer=cpu", "trainer.precision=16-mixed"], r"^trainer\.precision=16-mixed: a CPU has .*\. Take bf16-mixed\.$"),
        (["+trainer.min_epochs=30"], r"^trainer\.min_epochs=30: is more than trainer\.max_epochs=20\.$"),
        (["trainer=cpu", "trainer.devices=0"], r"^trainer\.devices=0: "),
        (["trainer=cpu", "trainer.devices=1000"], r"^trainer\.devices=1000: is a process each, and this machine has \d+ cores"),
        (["trainer=cpu", "trainer.strategy=ddp_spawn"], r"^trainer\.strategy=ddp_spawn: starts processes of its own.* Take trainer=ddp\.$"),
        (["data.cache_dir=\"a\0b\""], r"^data\.cache_dir: has a NUL character"),
        (["+encoder.other=[{a: \"a\0b\"}]"], r"encoder\.other: has a NUL character"),
        (["trainer.strategy=foo"], r"^trainer\.strategy=foo: You selected an invalid strategy"),
        (["+trainer.max_time=soon"], r"^trainer\.max_time=soon: .*not a valid duration"),
        (["+optimizer.betas=[2,3]"], r"^optimizer: .*Invalid beta parameter"),
        (["+optimizer.beta=3"], r"^optimizer\.beta: unknown key\. Did you mean optimizer\.betas\?"),
        (["optimizer._target_=torch.optim.SparseAdam", "~optimizer.weight_decay"], r"^optimizer: .*does not support dense"),
        (["optimizer.lr=inf"], r"^optimizer\.lr=inf: .*less than inf"),
        (["encoder.hidden_size=100000000000000000000"], r"^encoder\.hidden_size=1000.*: .*less than 2147483648"),
        (["encoder.hidden_size=1000000000"], r"^encoder: its weights need more memory than 64 bits can count\. Make encoder\.hid"),
        (["data.max_length=9223372036854775807"], r"^data\.max_length=9.*: input should be less than 2147483648\.$"),
        (["data.seed=1000000000000000000000"], r"^data\.seed=1.*: input should be less than 9223372036854775808\.$"),
        (["data.split.folds=9000000000", "data.split.fold=0"], r"^data\.split\.folds=9000000000: input .* 1000000\.$"),
        (["tokenizer=bpe", "data.tokenizer.vocab_size=1000000000"], r"^data\.tokenizer\.vocab_size=1000000000: .*10000000\.$"),
        (["encoder=gated", "encoder.forget_bias=inf"], r"^encoder\.forget_bias=inf: input should be less than inf\.$"),
        (["optimizer.weight_decay=inf"], r"^optimizer\.weight_decay=inf: input should be less than inf\.$"),
        (["callbacks.early_stopping.min_delta=nan"], r"^callbacks\.early_stopping\.min_delta=nan: is no number\.$"),
        (["callbacks.early_stopping.mode=up"], r"^callbacks\.early_stopping: .*`mode` can be min, max, got up"),
        (["trainer.devices=2000"], r"^trainer\.devices=2000: input should be less than .* 1024; or 'auto'; or a valid list\.$"),
        (["encoder.hidden_size=1e9"], r"^encoder\.hidden_size=1000000000\.0: write it as 1000000000\.$"),
        (["encoder.hidden_size=10000000"], r"^encoder: its weights need .* GiB, and this machine has .* encoder\.hidden_size"),
        (["model.embedding_size=1000000000"], r"^encoder: its weights need .* GiB .* model\.embedding_size smaller\.$"),
        (["encoder.num_layers=1000000"], r"^encoder\.num_layers=1000000: .*1000"),
        (["data.batch_size=true"], r"^data\.batch_size=True: write it as 1"),
        (["seed=${nothing}"], r"^seed=\$\{nothing\}: Interpolation key 'nothing' not found\.$"),
        (["seed=${nobody:x}"], r"^seed=\$\{nobody:x\}: Unsupported interpolation type nobody\.$"),
        (["seed=${data.batch_size}", "data.batch_size=${seed}"], r"^(seed|data\.batch_size)=\$.*: Recursive interpolation"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_key_before_data_is_read(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check(resolve(compose(overrides)))


def test_device_statistics_without_psutil_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = resolve(compose(mine("DeviceStatsMonitor")))
    monkeypatch.setattr("gatelab.training.callbacks.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^callbacks\.mine: DeviceStatsMonitor needs psutil: pip install psutil\.$"):
        check(settings)


VALUES: tuple[Any, ...] = (
    0,
    -1,
    10**30,
    -(10**30),
    1e400,
    float("nan"),
    1e9,
    "",
    "x",
    "None",
    "9" * 40,
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    None,
    True,
)


def test_of_a_hundred_values_none_at_any_key_ends_in_a_traceback() -> None:
    settings = resolve(compose(["trainer=cpu"]))
    keys = [key for key in flatten(settings) if "tokenizer" not in key]
    pairs = [(key, value) for key in keys for value in VALUES]
    sentences = []
    for key, value in random.Random(3).sample(pairs, 100):
        changed = copy.deepcopy(settings)
        *groups, last = key.split(".")
        group: Any = changed
        for name in groups:
            group = group[name]
        group[last] = value
        try:
            check(changed)
        except UserError as error:
            sentences.append((key, value, str(error)))
    assert len(sentences) > 50
    for key, value, sentence in sentences:
        assert sentence.startswith(key.split(".")[0]), (key, value, sentence)
        assert len(sentence.splitlines()) <= 4, (key, value, sentence)


def test_a_monitor_of_its_own_is_watched_in_its_own_direction() -> None:
    settings = resolve(compose(["callbacks.early_stopping.monitor=validation/loss"]))
    (stopping,) = build_callbacks(settings["callbacks"], "macro_f1", Path())
    assert (stopping.monitor, stopping.mode) == ("validation/loss", "min")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a: [1", r"^a config is no YAML in UTF-8: .*broken\.yaml.* line 1"),
        (b"\tb: 1", r"^a config is no YAML in UTF-8: .*broken\.yaml"),
        (b"a: \xff", r"^a config is no YAML in UTF-8: .*0xff"),
        (b"a: ${", r"^a: no viable alternative at input '\$\{'"),
    ],
)
def test_a_broken_yaml_is_told_in_a_sentence(
    text: bytes, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "encoder" / "folder.yaml").mkdir(parents=True)
    (tmp_path / "conf" / "encoder" / "broken.yaml").write_bytes(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        run_hydra(["encoder=broken"])
    with pytest.raises(ConfigError, match=r"^encoder=folder: no such choice\. There are: (?!.*folder)"):
        run_hydra(["encoder=folder"])


def test_an_interpolation_that_hydra_itself_resolves_is_named_by_its_override() -> None:
    with pytest.raises(ConfigError, match=r"^output_dir=\$\{nothing\}: Interpolation key 'nothing' not found\.$"):
        run_hydra(["output_dir=${nothing}"])
