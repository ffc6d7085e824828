"""A config of somebody else's runs nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from attack import CANARY, gatelab

TOUCH = f"touch {CANARY}"
TARGETS = {
    "encoder._target_=os.system": "only what is inside torch",
    "encoder._target_=gatelab.screen.os.system": "system of posix, which may not be built",
}


@pytest.mark.parametrize("override", TARGETS)
def test_a_target_that_is_no_part_of_a_run_is_refused(override: str, attack: Callable[..., Any]) -> None:
    attack(TARGETS[override], gatelab, "train", override, f"+encoder._args_=[{TOUCH}]")
