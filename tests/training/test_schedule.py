import pytest

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
