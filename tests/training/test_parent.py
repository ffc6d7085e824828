"""from=RUN continues a finished run with more epochs, as a run of its own, or begins with parts of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from gatelab.commands.train import compose
from gatelab.errors import ConfigError, RunError
from gatelab.runs.config import load_config, read_config
from gatelab.runs.folder import RunFolder
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.transfer import check_same_cell, take_rows, transfer
from gatelab.training.parent import continue_from, find_parent
from gatelab.training.run import resolve, train

SETTINGS = [
    "data.num_rows=80", "data.batch_size=16", "trainer=cpu", "trainer.max_epochs=2", "tracker=none", "encoder.hidden_size=4",
    "model.embedding_size=4", "baseline=none", "report=false", "optimizer.lr=0.05", "model.dropout=0.3",
]  # fmt: skip


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


def run(output_dir: Path, cache_dir: Path, *more: str) -> tuple[RunFolder, bool]:
    return train(compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={output_dir}", *more]))


@pytest.fixture(scope="module")
def parent(output_dir: Path, cache_dir: Path) -> RunFolder:
    return run(output_dir, cache_dir)[0]


def test_two_epochs_and_two_more_are_four(parent: RunFolder, output_dir: Path, cache_dir: Path) -> None:
    before = {file: file.read_bytes() for file in parent.path.rglob("*") if file.is_file()}
    child, trained = run(output_dir, cache_dir, f"from={parent.path.name}", "trainer.max_epochs=4")
    assert trained
    four, _ = run(output_dir, cache_dir, "trainer.max_epochs=4")
    assert len({parent.path.name, child.path.name, four.path.name}) == 3
    for name in ("metrics.csv", "predictions.csv", "model/model.safetensors"):
        assert (child.path / name).read_bytes() == (four.path / name).read_bytes(), name
    assert {file: file.read_bytes() for file in parent.path.rglob("*") if file.is_file()} == before
    record = child.record
    assert record.parent is not None
    assert (record.parent.identity, record.parent.epochs, record.epochs) == (parent.path.name, 2, 4)
    again, trained = run(output_dir, cache_dir, f"from={parent.path}", "trainer.max_epochs=4")
    assert (again.path, trained) == (child.path, False)
    recorded = load_config(child)["from"]
    assert run(output_dir, cache_dir, f"from={recorded}", "trainer.max_epochs=4")[0].path == child.path
    assert load_file(recorded).keys() == load_file(child.model / "model.safetensors").keys()


@pytest.mark.parametrize("name", ["model.safetensors", "/model.safetensors", "x/model.safetensors"])
def test_weights_that_are_in_no_run_folder_are_none_of_a_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"from={name}: is no run"):
        find_parent(name, "outputs")


def test_files_that_are_none_of_a_run_are_not_copied(tmp_path: Path) -> None:
    parent, child = RunFolder(tmp_path / "parent"), RunFolder(tmp_path / "child")
    for folder in (parent, child):
        folder.checkpoints.mkdir(parents=True)
    own: dict[str, Any] = {"loader": None, "random": [{}], "should_stop": False, "metrics_size": 0}
    torch.save({"gatelab": own, "state_dict": {}, "callbacks": {}}, parent.last)
    parent.config.write_text("callbacks: {}\n")
    with parent.best.open("wb") as stream:
        stream.truncate(2**21)
    with pytest.raises(ConfigError, match=r"best\.ckpt is larger than 1 MiB"):
        continue_from(parent, child, {"callbacks": {}})
    parent.best.unlink()
    parent.metrics.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match=r"metrics\.csv is a device and no file"):
        continue_from(parent, child, {"callbacks": {}})
    assert not [file for file in child.path.rglob("*") if file.is_file()]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["trainer.max_epochs=2"], r"^trainer\.max_epochs=2: run \w+ has trained 2 epochs\. Give more\.$"),
        (
            ["trainer.max_epochs=4", "optimizer.lr=0.1"],
            r"^optimizer\.lr=0\.1: run \w+ has 0\.05\. A run that continues",
        ),
        (["trainer.max_epochs=4", "encoder=gru"], r"^encoder\._target_=.*: run \w+ has .*LSTMEncoder"),
    ],
    ids=str,
)
def test_what_does_not_continue_the_run_is_refused(
    more: list[str], sentence: str, parent: RunFolder, output_dir: Path, cache_dir: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run(output_dir, cache_dir, f"from={parent.path.name}", *more)


def test_only_a_finished_run_is_continued(parent: RunFolder, output_dir: Path, cache_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^ffffffff: no such run"):
        run(output_dir, cache_dir, "from=ffffffff")
    unfinished = RunFolder(tmp_path / "default" / "abcdefabcd")
    unfinished.path.mkdir(parents=True)
    unfinished.update(status="failed")
    with pytest.raises(ConfigError, match=r"^from=abcdef: is failed\. Only a finished run can be continued\.$"):
        run(tmp_path, cache_dir, "from=abcdef")


def test_a_run_that_was_stopped_early_is_continued_with_other_callbacks(output_dir: Path, cache_dir: Path) -> None:
    patient = ["callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=2"]  # no gain is ever enough
    stopped, _ = run(output_dir, cache_dir, *patient, "trainer.max_epochs=6")
    epochs = stopped.record.epochs
    assert epochs is not None
    assert epochs < 6
    with pytest.raises(ConfigError, match=r"was stopped early\. Give a larger callbacks\.early_stopping\.patience"):
        run(output_dir, cache_dir, *patient, "trainer.max_epochs=6", f"from={stopped.path.name}")
    longer = [patient[1], "callbacks.early_stopping.patience=3", f"trainer.max_epochs={epochs + 2}"]
    child, _ = run(output_dir, cache_dir, *longer, f"from={stopped.path.name}")
    assert child.record.epochs == epochs + 2


def tokens_of(folder: RunFolder) -> dict[str, int]:
    return Tokenizer.from_file(str(folder.model / "tokenizer.json")).get_vocab()


def test_a_run_begins_with_the_encoder_of_another_and_with_its_rows_of_the_tokens_that_both_have(
    parent: RunFolder, output_dir: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = ["optimizer=sgd", "optimizer.lr=1e-30", "trainer.max_epochs=1", "data.num_rows=60", "data.gap=9"]
    parts = [f"from={parent.path.name}", "from_parts=[encoder,embedding]"]
    child, _ = run(output_dir, cache_dir, *still, *parts)
    before, after = (load_file(folder.model / "model.safetensors") for folder in (parent, child))
    encoder = [name for name in after if name.startswith("encoder.")]
    assert len(encoder) == 4
    assert all(torch.equal(after[name], before[name]) for name in encoder)
    assert not torch.equal(after["head.weight"], before["head.weight"])
    theirs, ours = tokens_of(parent), tokens_of(child)
    shared, fresh = theirs.keys() & ours.keys(), ours.keys() - theirs.keys()
    assert fresh
    assert any(theirs[token] != ours[token] for token in shared)
    rows = {token: after["embedding.weight"][row] for token, row in ours.items()}
    assert all(torch.equal(rows[token], before["embedding.weight"][theirs[token]]) for token in shared)
    settings = read_config(child)
    assert settings["from_parts"] == ["embedding", "encoder"]
    torch.manual_seed(settings["seed"])
    drawn = build_model(settings["model"], settings["encoder"], vocab_size=len(ours), num_classes=2).embedding.weight
    assert all(torch.equal(rows[token], drawn[ours[token]]) for token in fresh)

    record = child.record.parent
    assert record is not None
    weights = sum(after[name].numel() for name in encoder)
    assert record.identity == parent.path.name
    assert record.taken == {
        "embedding": {"taken": len(shared), "of": len(ours)}, "encoder": {"taken": weights, "of": weights}
    }  # fmt: skip
    said = f"Beginning with run {parent.path.name}: {len(shared)} of {len(ours)} embedding rows, those of tokens that both have; {weights}"
    assert said in capsys.readouterr().out
    again, trained = run(output_dir, cache_dir, *still, parts[0], "from_parts=[embedding,encoder]")
    assert (again.path, trained) == (child.path, False)


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return resolve(compose(SETTINGS))


def transferred(
    parent: RunFolder, settings: dict[str, Any], part: str, *, partly: bool = False, kind: str = "word"
) -> Any:
    """The module before and after, and how much was taken."""
    module = build_model(settings["model"], settings["encoder"], vocab_size=len(tokens_of(parent)), num_classes=2)
    drawn = {name: value.clone() for name, value in module.state_dict().items()}
    tokenizer = (kind, parent.model / "tokenizer.json")
    taken = transfer(module, settings["encoder"], tokenizer, parent, [part], partly)
    return drawn, module.state_dict(), taken


def test_what_fits_of_an_encoder_of_other_shapes_is_taken_where_that_is_asked_for(
    parent: RunFolder, settings: dict[str, Any]
) -> None:
    deeper = {**settings, "encoder": {**settings["encoder"], "num_layers": 2}}
    with pytest.raises(
        ConfigError, match=r"forward_layers\.1\.bias_hh_l0 is 16 here and is not there in .*from_partly=true"
    ):
        transferred(parent, deeper, "encoder")
    drawn, after, taken = transferred(parent, deeper, "encoder", partly=True)
    before = load_file(parent.model / "model.safetensors")
    names = [name for name in after if name.startswith("encoder.forward_layers.0.")]
    assert all(torch.equal(after[name], before[name]) for name in names)
    assert all(torch.equal(after[name], drawn[name]) for name in after.keys() - set(names))
    assert taken == {"encoder": {"taken": sum(after[name].numel() for name in names), "of": 2 * 160}}


@pytest.mark.parametrize(
    ("part", "group", "changed", "sentence"),
    [
        ("encoder", "encoder", {"_target_": "gatelab.recurrent.encoder.GRUEncoder"}, r"_target_=.*GRUEncoder, and that run has .*LSTMEnc"),
        ("encoder", "encoder", {"hidden_size": 7}, "no weight of that run has a name and shape"),
        ("embedding", "model", {"embedding_size": 5}, r"vectors of 4 numbers, and this one of 5\. Give model\.embedding_size"),
    ],
    ids=str,
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(
    part: str, group: str, changed: dict[str, Any], sentence: str, parent: RunFolder, settings: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        transferred(parent, {**settings, group: {**settings[group], **changed}}, part, partly=True)


def test_tokens_of_another_kind_or_none_in_common_and_other_equations_are_refused(
    parent: RunFolder, settings: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"the tokens are those of tokenizer=bpe, and of word in that run\."):
        transferred(parent, settings, "embedding", kind="bpe")
    module = build_model(settings["model"], settings["encoder"], vocab_size=3, num_classes=2)
    coupled = "input_gate = 1 - forget_gate"
    with pytest.raises(ConfigError, match=f"the cells differ: .* here, and {coupled} in that run"):
        check_same_cell(module, settings["encoder"], settings["encoder"], [coupled])
    weights = {"embedding.weight": torch.zeros(3, 4)}
    with pytest.raises(ConfigError, match="have no token in common"):
        take_rows(module, weights, {"<pad>": 0, "<unk>": 1, "да": 2}, {"<pad>": 0, "<unk>": 1, "yes": 2})


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["from_parts=[encoder]", "encoder.hidden_size=3"], r"^from_parts=\[encoder\]: forward_layers\.0\.bias_hh_l0 is 12 here and is 16 in"),
        (["from_partly=true"], r"^from_partly=true: says how"),
        (["from=null", "from_parts=[encoder]"], r"^from_parts=\['encoder'\]: of which run\?"),
    ],
    ids=str,
)  # fmt: skip
def test_a_run_that_cannot_begin_with_them_leaves_no_folder(
    more: list[str], sentence: str, parent: RunFolder, output_dir: Path, cache_dir: Path
) -> None:
    before = set(output_dir.rglob("run.json"))
    with pytest.raises(ConfigError, match=sentence):
        run(output_dir, cache_dir, f"from={parent.path.name}", *more)
    assert set(output_dir.rglob("run.json")) == before
