"""Callbacks of Lightning's in a run: what they do is what is tested and recorded."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from safetensors.torch import load_file

from gatelab.commands.train import compose
from gatelab.errors import ConfigError, RunError
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_points
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.tasks.classification.task import Classification
from gatelab.training.checkpoint import AtomicCheckpoints, best_state
from gatelab.training.foreign_errors import foreign_errors
from gatelab.training.run import train

SETTINGS = [
    "data.num_rows=80", "data.batch_size=16", "trainer=cpu", "trainer.max_epochs=2", "tracker=none", "encoder.hidden_size=4",
    "model.embedding_size=4", "baseline=none", "report=false", "optimizer.lr=0.05",
    "+callbacks.mine._target_=pytorch_lightning.callbacks.ModelCheckpoint", "+callbacks.mine.monitor=null", "+callbacks.mine.mode=null",
    "+callbacks.mine.save_top_k=2", "+callbacks.mine.save_last=true",
    "+callbacks.average._target_=pytorch_lightning.callbacks.EMAWeightAveraging", "+callbacks.average.decay=0.5",
    "+trainer.profiler=simple",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> RunFolder:
    """With a ModelCheckpoint of the user's own, averaged weights and a profiler."""
    output_dir = tmp_path_factory.mktemp("outputs")
    return train(compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={output_dir}"]))[0]


def test_averaged_weights_are_those_that_are_tested(trained: RunFolder) -> None:
    last = torch.load(trained.last, weights_only=True)
    best = torch.load(trained.best, weights_only=True)["state_dict"]
    model = load_file(trained.model / "model.safetensors")
    assert all(torch.equal(best[name], weight) for name, weight in model.items())
    assert float(best_state(last)["best_model_score"]) == trained.record.best_validation["macro_f1"]
    for saved in (torch.load(file, weights_only=True) for file in (trained.best, trained.last)):
        assert not torch.equal(saved["state_dict"]["head.weight"], saved["current_model_state"]["head.weight"])


def test_with_averaged_weights_a_run_that_is_interrupted_and_resumed_ends_in_the_same_bytes(
    trained: RunFolder, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training_step = SequenceClassifier.training_step

    def stopped(self: SequenceClassifier, batch: Any, index: int) -> Any:
        if self.trainer.global_step == 5:  # inside the second epoch of four steps
            os.kill(os.getpid(), signal.SIGTERM)
        return training_step(self, batch, index)

    settings = compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={tmp_path}"])
    monkeypatch.setattr(SequenceClassifier, "training_step", stopped)
    with pytest.raises(SystemExit):
        train(settings)
    monkeypatch.undo()
    resumed, _ = train(settings)
    assert len(resumed.record.resumed) == 1
    for name in ("metrics.csv", "predictions.csv", "model/model.safetensors"):
        assert (resumed.path / name).read_bytes() == (trained.path / name).read_bytes(), name
    kept = [sorted(file.name for file in (run.checkpoints / "mine").iterdir()) for run in (resumed, trained)]
    assert kept[0] == kept[1]


def test_another_model_checkpoint_of_the_same_monitor_has_a_folder_of_its_own(trained: RunFolder) -> None:
    assert {file.name for file in trained.checkpoints.iterdir()} == {"best.ckpt", "last.ckpt", "previous.ckpt", "mine"}
    assert "last.ckpt" in {file.name for file in (trained.checkpoints / "mine").iterdir()}
    assert len(list((trained.checkpoints / "mine").glob("epoch=*.ckpt"))) == 2


def test_the_profilers_tables_are_in_the_run_folder(trained: RunFolder) -> None:
    assert [file.name for file in trained.profiles] == ["fit-profile.txt", "test-profile.txt"]
    assert "run_training_epoch" in trained.profiles[0].read_text()


def test_what_a_task_says_it_logs_is_what_it_logs(trained: RunFolder) -> None:
    points = read_points(trained.metrics, trained.metrics.stat().st_size)
    logged = {name for point in points for name in point.values if not name.startswith("test/")}
    assert logged | {"train/loss_step"} == set(Classification.logged)  # a step in 50 of few has none


def test_a_checkpoint_of_before_best_ckpt_had_a_key_of_its_own_keeps_its_best(tmp_path: Path) -> None:
    state = {"dirpath": "/old/checkpoints", "best_model_path": "/old/checkpoints/best.ckpt"}
    file = tmp_path / "run" / "checkpoints" / "last.ckpt"
    mine = {"dirpath": "/elsewhere/mine", "best_model_path": "/elsewhere/mine/a.ckpt"}
    AtomicCheckpoints().save_checkpoint(
        {"callbacks": {"ModelCheckpoint{'monitor': 'a'}": state, "ModelCheckpoint{}": mine}}, file
    )
    states = AtomicCheckpoints().load_checkpoint(file)["callbacks"]
    assert states["gatelab.best"]["best_model_path"] == f"{file.parent.resolve()}/best.ckpt"
    assert states["ModelCheckpoint{}"] == mine


def test_out_of_memory_and_what_lightning_refuses_are_sentences() -> None:
    with pytest.raises(RunError, match=r"^out of memory: .*data\.batch_size"), foreign_errors():
        torch.empty(2**50)
    with pytest.raises(RunError, match=r"^out of memory: .*encoder\.hidden_size"), foreign_errors():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(ConfigError, match=r"^trainer: no such thing\.$"), foreign_errors():
        raise MisconfigurationException("no such thing.\nAnd more")
    with pytest.raises(KeyError), foreign_errors():
        raise KeyError("of the user's own code")


def test_what_code_without_a_module_raises_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), foreign_errors():
        exec("1 / 0", {})  # such as the steps of a cell
