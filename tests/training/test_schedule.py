from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from gatelab.training.schedule import make_schedule


def test_a_constant_rate_needs_no_schedule() -> None:
    assert make_schedule("constant", 0.0) is None


@pytest.mark.parametrize(
    ("name", "warmup", "factors"),
    [
        ("linear", 0.0, [1, 0.75, 0.5, 0.25, 0]),
        ("cosine", 0.0, [1, 0.853553, 0.5, 0.146447, 0]),
        ("constant", 0.5, [1 / 3, 2 / 3, 1, 1, 1]),
        ("linear", 0.5, [1 / 3, 2 / 3, 1, 0.5, 0]),
    ],
)
def test_the_rate_follows_its_curve(name: str, warmup: float, factors: list[float]) -> None:
    schedule = make_schedule(name, warmup)
    assert schedule is not None
    assert [schedule(step, 4) for step in range(5)] == pytest.approx(factors, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "keys", "of_torch"),
    [
        ("step", {"factor": 0.3, "epochs": 2}, lambda optimizer: lr_scheduler.StepLR(optimizer, 2 * 5, 0.3)),
        (
            "exponential",
            {"factor": 0.9},
            lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [5, 10, 15, 20, 25], 0.9),
        ),
        (
            "one_cycle",
            {"rise": 0.3, "start": 0.04, "end": 4e-6},
            lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 1.0, 30, cycle_momentum=False),
        ),
    ],
)
def test_the_rate_of_each_of_six_epochs_of_five_steps_is_that_of_torchs_schedule(
    name: str, keys: dict[str, float], of_torch: Any
) -> None:
    schedule = make_schedule(name, 0.0, keys)
    assert schedule is not None
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    other = of_torch(optimizer)
    for step in range(30):
        assert schedule(step, 30, 5) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9), step
        optimizer.step()
        if step < 29:
            other.step()


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_one_cycle_of_few_steps_stays_between_its_end_and_one(num_steps: int) -> None:
    schedule = make_schedule("one_cycle", 0.0, {"rise": 0.3, "start": 0.04, "end": 4e-6})
    assert schedule is not None
    assert all(4e-6 <= schedule(step, num_steps, 1) <= 1 for step in range(num_steps + 1))


def test_a_warmup_comes_before_the_steps() -> None:
    schedule = make_schedule("step", 0.2, {"factor": 0.5, "epochs": 1})
    assert schedule is not None
    assert [schedule(step, 10, 5) for step in range(10)] == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, *[0.5] * 5])
