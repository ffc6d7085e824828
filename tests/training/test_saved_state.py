"""A checkpoint of somebody else's is refused with what is wrong in it, and removes no file of the user's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from gatelab.errors import RunError
from gatelab.training.checkpoint import AtomicCheckpoints
from gatelab.training.saved_state import load_resumable, put_weights, restoring

OWN: dict[str, Any] = {"loader": None, "random": [{}], "should_stop": False, "metrics_size": 0}
SAVED: dict[str, Any] = {"gatelab": OWN, "state_dict": {}, "callbacks": {"EarlyStopping": {}}, "epoch": 1}
DAMAGED: list[tuple[Any, str]] = [
    ([1], "its input should be a valid dictionary"),
    (5, "its input should be a valid dictionary"),
    ({}, "gatelab field required"),
    ({**SAVED, "gatelab": []}, "gatelab input should be a valid dictionary"),
    ({**SAVED, "gatelab": {**OWN, "random": []}}, r"gatelab\.random list should have at least 1 item"),
    ({**SAVED, "gatelab": {**OWN, "random": [5]}}, r"gatelab\.random\.0 input should be a valid dictionary"),
    ({**SAVED, "gatelab": {**OWN, "should_stop": "no"}}, r"gatelab\.should_stop input should be a valid boolean"),
    ({**SAVED, "gatelab": {**OWN, "metrics_size": -5}}, r"gatelab\.metrics_size input should be greater"),
    ({**SAVED, "state_dict": 5}, "state_dict input should be a valid dictionary"),
    ({**SAVED, "callbacks": []}, "callbacks input should be a valid dictionary"),
    ({**SAVED, "callbacks": {"EarlyStopping": 5}}, r"callbacks\.EarlyStopping input should be a valid dictionary"),
]


@pytest.mark.parametrize(("saved", "says"), DAMAGED)
def test_a_checkpoint_that_holds_something_else_is_named(saved: Any, says: str, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "last.ckpt")
    with pytest.raises(RunError, match=rf"last\.ckpt: is no checkpoint of a run \({says}"):
        load_resumable(tmp_path / "last.ckpt")
    torch.save(SAVED, tmp_path / "last.ckpt")
    assert load_resumable(tmp_path / "last.ckpt") == SAVED


@pytest.mark.parametrize("saved", [[1], {}, {"state_dict": 5}, {"state_dict": {"weight": torch.ones(9)}}])
def test_weights_of_something_else_are_named(saved: Any, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "best.ckpt")
    with pytest.raises(RunError, match=r"best\.ckpt: does not hold the weights of this run \("):
        put_weights(nn.Linear(2, 3), tmp_path / "best.ckpt")


def test_what_goes_wrong_before_the_first_batch_is_the_checkpoints_and_later_the_modules() -> None:
    resume: Any = SimpleNamespace(has_begun=False)
    says = r"last\.ckpt: does not fit this run \(KeyError: 'loops'\)"
    with pytest.raises(RunError, match=says), restoring("last.ckpt", resume):
        raise KeyError("loops")
    with pytest.raises(KeyError), restoring(None, resume):
        raise KeyError("loops")
    resume.has_begun = True
    with pytest.raises(KeyError), restoring("last.ckpt", resume):
        raise KeyError("loops")


def test_a_checkpoint_that_names_a_file_elsewhere_as_its_best_does_not_remove_it(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    mine, own = tmp_path / "thesis.tex", tmp_path / "checkpoints" / "old.ckpt"
    for file in (mine, own):
        file.touch()
    AtomicCheckpoints().remove_checkpoint(tmp_path / "checkpoints" / ".." / "thesis.tex")
    AtomicCheckpoints().remove_checkpoint(own)
    assert (mine.exists(), own.exists()) == (True, False)
