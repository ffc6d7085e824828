import math

import pytest

from gatelab.screen import decimal


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4825, "0.4825"), (-12.0, "-12.0000"), (1.5e30, "1.5e+30"), (99999.0, "99999.0000"), (-99999.0, "-1e+05"), (math.nan, "nan")],
)  # fmt: skip
def test_a_number_is_written_with_four_digits_or_short(value: float, text: str) -> None:
    assert decimal(value) == text


@pytest.mark.parametrize("value", [10.0**power * sign * 1.234567 for power in range(-300, 300, 7) for sign in (1, -1)])
def test_no_number_takes_more_than_ten_characters(value: float) -> None:
    assert max(len(decimal(value)), len(decimal(value, 3)), len(decimal(value, sign="+"))) <= 10
