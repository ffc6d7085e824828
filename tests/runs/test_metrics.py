"""The table of metrics: one name for each everywhere, and the way that is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatelab.runs.metrics import METRICS, PARTS, best_of, is_lower_better, key_of, shared_monitor, title_of

KEYS = [*METRICS, *(f"{part}/{key}" for part in PARTS for key in METRICS)]


@pytest.mark.parametrize("key", KEYS)
def test_a_metric_is_found_by_its_key_and_by_its_title(key: str) -> None:
    assert key_of(key) == key_of(title_of(key)) == key_of(title_of(key).upper() if "/" not in key else key) == key


@given(st.text())
def test_what_is_in_no_table_keeps_its_name(name: str) -> None:
    if name.strip().lower() not in {metric.title.lower() for metric in METRICS.values()} and " " not in name:
        assert key_of(name) == name


@pytest.mark.parametrize(
    ("name", "best"),
    [("accuracy", 2), ("validation/loss", 1), ("mse", 1), ("per_class.a.f1", 2), ("calibration_error", 1)],
)
def test_the_best_of_two(name: str, best: float) -> None:
    assert best_of(name, [2, 1]) == best
    assert is_lower_better(name) is (best == 1)


def test_runs_that_were_chosen_by_different_metrics_are_ranked_by_the_default() -> None:
    assert shared_monitor(["loss", "loss"]) == "loss"
    assert shared_monitor(["loss", "mse"]) == shared_monitor([]) == "macro_f1"


def test_a_class_name_with_a_slash_is_no_part() -> None:
    assert title_of("per_class.[/b].f1") == "per_class.[/b].f1"
    assert title_of("validation/per_class.a/b.f1") == "validation per_class.a/b.f1"
