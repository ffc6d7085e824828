"""A run that is stopped inside an epoch and started again, for the tests of each task."""

from typing import Any

import pytest
from omegaconf import DictConfig
from torch import Tensor

from gatelab.errors import RunStopped
from gatelab.runs.folder import RunFolder
from gatelab.training.run import train


def stopped_and_resumed(
    module: type[Any], step: int, first: DictConfig, again: DictConfig, monkeypatch: pytest.MonkeyPatch
) -> RunFolder:
    """The run of the config first, stopped before the given step of its module's training, then that of again, which resumes it."""
    training_step = module.training_step

    def stopping(self: Any, batch: Any, index: int) -> Tensor:
        if self.trainer.global_step == step:
            raise RunStopped("the power is gone")
        return training_step(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(module, "training_step", stopping)
        with pytest.raises(RunStopped):
            train(first)
    resumed, _ = train(again)
    assert len(resumed.record.resumed) == 1
    return resumed


def assert_same_bytes(resumed: RunFolder, whole: RunFolder) -> None:
    for name in ("metrics.csv", "model/model.safetensors"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name
