"""When averaging begins and what is averaged, as in algorithm 1 of Merity et al. 2018."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from gatelab.training.non_monotonic_averaging import NonMonotonicAveraging


def validate(callback: NonMonotonicAveraging, value: float) -> None:
    strategy = SimpleNamespace(broadcast=lambda value: value)
    trainer: Any = SimpleNamespace(
        sanity_checking=False, callback_metrics={callback.monitor: torch.tensor(value)}, strategy=strategy
    )
    callback.on_validation_end(trainer, None)  # type: ignore[arg-type]


def made(mode: str = "min") -> tuple[NonMonotonicAveraging, Any]:
    callback, model = NonMonotonicAveraging("validation/perplexity", mode, patience=2), nn.Linear(1, 1, bias=False)
    callback._average_model = AveragedModel(model, avg_fn=callback.average)  # type: ignore[arg-type]
    return callback, model


@pytest.mark.parametrize(
    ("mode", "values", "begins"),
    [
        ("min", [9, 8, 7, 6, 5], None),
        ("min", [9, 8, 8.5, 9.5], 3),  # 9.5 is worse than 9, which is more than two before it
        ("min", [9, 10, 11], None),  # there is none so long before
        ("min", [9, 8, 10, 7, 7, 8.5], 5),  # 8.5 is worse than 8
        ("max", [0.5, 0.4, 0.45, 0.45], 3),
    ],
)
def test_it_begins_at_a_validation_worse_than_the_best_of_long_before(
    mode: str, values: list[float], begins: int | None
) -> None:
    callback, _ = made(mode)
    begun = []
    for value in values:
        validate(callback, value)
        begun.append(callback.begun_after is not None)
    assert begun == [begins is not None and number >= begins for number in range(len(values))]


def test_the_weights_are_the_last_ones_before_it_begins_and_then_the_mean_of_all_since() -> None:
    callback, model = made()

    def step(weight: float) -> float:
        model.weight.data.fill_(weight)
        callback._average_model.update_parameters(model)  # type: ignore[union-attr]
        return next(callback._average_model.parameters()).item()  # type: ignore[union-attr]

    assert [step(1.0), step(5.0)] == [1.0, 5.0]
    for value in (3, 4, 5, 6):
        validate(callback, value)
    assert callback.begun_after == 2
    assert [step(10.0), step(20.0), step(60.0)] == pytest.approx([10, 15, 30])


def test_a_resumed_one_goes_on_averaging() -> None:
    callback, _ = made()
    for value in (3, 4, 5, 6):
        validate(callback, value)
    again, _ = made()
    again.load_state_dict(callback.state_dict())
    assert (again.begun_after, again.validated) == (0, [3, 4, 5, 6])
