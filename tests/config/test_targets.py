"""Nothing that a config names runs before it is known to be harmless."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from gatelab.commands.train import compose
from gatelab.config.targets import check_target, check_targets
from gatelab.errors import ConfigError, RunError
from gatelab.tasks.sequence.export import load_model, save_model
from gatelab.training.run import resolve

SYSTEM = "touch hacked"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_nothing_that_is_resolved_later_may_stand_where_things_are_built() -> None:
    foreign = "${oc.create:'{_target_: os.system, _args_: [touch hacked]}'}"
    for values in (
        {"hidden_size": foreign},
        {"cell": {"_target_": "gatelab.recurrent.cells.LSTM", "peepholes": [foreign]}},
    ):
        with pytest.raises(ConfigError, match=r"encoder: holds \$\{oc\.create:.*Write the value itself"):
            check_targets({"encoder": {"_target_": "gatelab.recurrent.LSTMEncoder", **values}})
    check_targets(
        {"experiment": {"question": "a text with ${}"}, "encoder": {"_target_": "gatelab.recurrent.LSTMEncoder"}}
    )


def test_the_cell_of_an_encoder_is_a_cell(tmp_path: Path) -> None:
    encoder = {"_target_": "gatelab.recurrent.CellEncoder", "cell": {"_target_": "gatelab.recurrent.cells.LSTM"}}
    check_targets({"encoder": encoder})
    (tmp_path / "my_cells.py").write_text("from gatelab.recurrent.cells import LSTM\nclass Mine(LSTM):\n    pass\n")
    check_targets({"encoder": {**encoder, "cell": {"_target_": "my_cells.Mine"}}}, ["my_cells"])
    for target, reason in {"torch.nn.Linear": "is no Cell", "my_cells.Mine": "only what is inside torch"}.items():
        with pytest.raises(ConfigError, match=rf"encoder\.cell\._target_={target}: {reason}"):
            check_targets({"encoder": {**encoder, "cell": {"_target_": target}}})


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("os.system", "only what is inside torch"),
        ("builtins.eval", "only what is inside torch"),
        ("subprocess.run", "only what is inside torch"),
        ("gatelab.training.run.os.system", "system of posix, which may not be built"),
        ("torch.serialization.pickle.loads", "loads of _pickle, which may not be built"),
        ("gatelab.runs.folder.shutil.rmtree", "of shutil, which may not be built"),
        ("torch.load", "is no Module"),
        ("torch.hub.load", "is no Module"),
        ("torch.utils.cpp_extension.load_inline", "is no Module"),
        ("pytorch_lightning.cli.LightningCLI", "is no Module"),
        ("gatelab.runs.folder.atomic_write", "is no Module"),
        ("torch.optim.Adam", "is no Module"),
        ("torch.nn.LSTMM", "cannot be found"),
        ("torch.nn.LSTM()", "is no name of a class"),
        (["os.system"], "is no name of a class"),
    ],
)
def test_an_encoder_is_a_module_from_the_known_packages_and_nothing_else(target: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=r"encoder\._target_=") as raised:
        check_targets({"encoder": {"_target_": target}})
    assert reason in str(raised.value)


def test_the_cell_of_an_encoder_is_a_cell_of_gatelabs_or_of_a_listed_module(tmp_path: Path) -> None:
    def cell(target: str) -> dict[str, Any]:
        return {"encoder": {"_target_": "gatelab.recurrent.CellEncoder", "cell": {"_target_": target}}}

    check_targets(cell("gatelab.recurrent.cells.GRU"))
    for target in ("torch.nn.Linear", "gatelab.recurrent.GRUEncoder", "gatelab.recurrent.program.record"):
        with pytest.raises(ConfigError, match=r"encoder\.cell\._target_=.*: is no Cell, which is what this key builds"):
            check_targets(cell(target))
    (tmp_path / "mine_cell.py").write_text("from gatelab.recurrent import Cell\nclass Mine(Cell): pass\n")
    with pytest.raises(ConfigError, match=r"allow_targets=\[mine_cell\]"):
        check_targets(cell("mine_cell.Mine"))
    check_targets(cell("mine_cell.Mine"), ["mine_cell"])


@pytest.mark.parametrize(
    "target", ["gatelab.runs.folder.atomic_write", "torch.nn.Linear", "gatelab.trackers.tracking.Trackers"]
)
def test_a_tracker_is_one_of_gatelabs_or_a_logger_of_lightnings(target: str) -> None:
    check_targets({"tracker": {"mine": {"_target_": "pytorch_lightning.loggers.CSVLogger"}}})
    with pytest.raises(ConfigError, match=r"tracker\.mine\._target_=.*: is no Tracker or Logger"):
        check_targets({"tracker": {"mine": {"_target_": target}}})


@pytest.mark.parametrize(
    "config",
    [
        {"encoder": {"_target_": "torch.nn.LSTM", "hidden_size": {"_target_": "os.system", "_args_": [SYSTEM]}}},
        {"data": {"labels": [{"_target_": "builtins.eval"}]}},
        {"experiment": {"a": {"b": [[{"_target_": "os.system"}]]}}},
    ],
)
def test_targets_are_found_however_deep(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="only what is inside"):
        check_targets(config)


def test_a_module_of_the_users_own_is_imported_only_when_it_is_listed(tmp_path: Path) -> None:
    (tmp_path / "mine_listed.py").write_text(
        "from os import system\nimport torch\nopen('imported', 'w').close()\n"
        "class Encoder(torch.nn.Module): pass\ndef make(): pass\n"
    )
    config = {"encoder": {"_target_": "mine_listed.Encoder"}}
    with pytest.raises(ConfigError, match=r"allow_targets=\[mine_listed\]"):
        check_targets(config)
    assert not Path("imported").exists()
    check_targets(config, ["mine_listed"])
    assert Path("imported").exists()
    check_targets({"encoder": {"_target_": "mine_listed.make"}}, ["mine_listed"])
    with pytest.raises(ConfigError, match="system of posix, which may not be built"):
        check_targets({"encoder": {"_target_": "mine_listed.system"}}, ["mine_listed"])


@pytest.mark.parametrize("module", ["os", "builtins", "subprocess", "os.path"])
def test_pythons_own_modules_cannot_be_listed(module: str) -> None:
    with pytest.raises(ConfigError, match="is part of Python itself"):
        check_targets({}, [module])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    from gatelab.data.tokenize import fit_tokenizer, new_tokenizer
    from gatelab.tasks.sequence.build_model import build_model

    settings = resolve(compose(["encoder.hidden_size=4", "model.embedding_size=4"]))
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, dict.fromkeys("abc", 1), vocab_size=None, min_count=1)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    module = build_model(settings["model"], settings["encoder"], vocab_size=tokenizer.get_vocab_size(), num_classes=2)
    folder = tmp_path / "model"
    save_model(
        folder, module, tmp_path / "tokenizer.json", model=settings["model"], encoder=settings["encoder"],
        classes=["a", "b"], max_length=9,
    )  # fmt: skip
    loaded, _, _ = load_model(folder)
    for name, tensor in module.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    return folder


class Evil:
    def __reduce__(self) -> Any:
        return __import__("os").system, (SYSTEM,)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_file_of_the_model_folder_that_is_a_pickle_is_refused_unopened(model: Path, name: str) -> None:
    (model / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RunError, match=name):
        load_model(model)
    assert not Path("hacked").exists()


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "gatelab.training.run.os.system"])
def test_a_model_folder_whose_config_names_a_command_is_refused(model: Path, target: str) -> None:
    config = json.loads((model / "config.json").read_text())
    config["encoder"] = {"_target_": target, "_args_": [SYSTEM]}
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"encoder\._target_"):
        load_model(model)
    assert not Path("hacked").exists()


def test_a_checkpoint_that_is_a_pickle_is_passed_over_and_does_not_run(tmp_path: Path) -> None:
    from gatelab.runs.folder import RunFolder
    from gatelab.training.saved_state import find_checkpoint

    folder = RunFolder(tmp_path / "run")
    folder.checkpoints.mkdir(parents=True)
    torch.save({"gatelab": Evil()}, folder.last)
    shutil.copy(folder.last, folder.previous)
    with pytest.warns(UserWarning, match="is damaged"):
        assert find_checkpoint(folder) is None
    assert not Path("hacked").exists()


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("torch.optim.Adamm", "torch.optim has no Adamm. Did you mean Adam?"),
        ("torch.optim.Adam.Nothing", "torch.optim.Adam has no Nothing."),
        ("torch.nowhere.Adam", "torch has no nowhere."),
    ],
)
def test_a_name_that_leads_nowhere_is_told_from_where(target: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_target("optimizer._target_", target)
    assert sentence in str(refused.value)
