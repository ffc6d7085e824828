"""How a run finds its task."""

import pytest

from gatelab.errors import ConfigError
from gatelab.tasks.base import task_of
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.tasks.classification.task import Classification


class Derived(SequenceClassifier):
    """As a user derives one."""


@pytest.mark.parametrize("target", [f"{SequenceClassifier.__module__}.SequenceClassifier", f"{__name__}.Derived"])
def test_the_class_that_the_model_names_brings_its_task(target: str) -> None:
    assert isinstance(task_of({"_target_": target}), Classification)


def test_a_module_without_a_task_is_told_what_it_needs() -> None:
    with pytest.raises(
        ConfigError, match=r"model\._target_=pytorch_lightning.LightningModule: has no task\. Give the class"
    ):
        task_of({"_target_": "pytorch_lightning.LightningModule"})
