"""How numbers are formatted on screens and pages."""

import math

from gatelab.screen import decimal

NOT_A_NUMBER = "not a number"


def metric(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return NOT_A_NUMBER if math.isnan(value) else decimal(value)


def formatted(value: float, form: str) -> str:
    return NOT_A_NUMBER if math.isnan(value) else format(value, form)


def signed(value: float) -> str:
    """A difference of metrics, with a minus as wide as a plus."""
    return decimal(value, sign="+").replace("-", "−")


def interval(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"{decimal(bounds[0])}\u00a0to {decimal(bounds[1])}".replace("-", "−")


def count(value: float) -> str:
    return f"{value:,.0f}"


def moment(iso: str) -> str:
    """2026-11-24 20:56:02 UTC, from ISO 8601"""
    return iso.replace("T", " ").replace("+00:00", " UTC")


def short_count(value: int) -> str:
    """812 · 1.2k · 34k · 5.6M, for small places"""
    for limit, unit in ((1_000_000, "M"), (1000, "k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}" if value < 10 * limit else f"{value / limit:.0f}{unit}"
    return str(value)


def percentage(fraction: float) -> str:
    return f"{fraction:.1%}"


def duration(seconds: float) -> str:
    """3.2 s · 4 min 12 s · 2 h 5 min"""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(num_bytes: float) -> str:
    """812 B · 3.4 MiB"""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if num_bytes < 1024 or unit == "GiB":
            break
        num_bytes /= 1024
    return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"
