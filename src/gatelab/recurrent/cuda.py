"""CUDA: to be written from the cells' equations."""

from typing import Any


class Unsupported(Exception):
    """What the kernels cannot do, as the end of a sentence that begins with the backend's name."""


def check(weight: Any) -> None:
    raise Unsupported("has no kernel yet")


def run_layer(*_: Any) -> Any:
    raise Unsupported("has no kernel yet")


def warn_of_equations(problem: str) -> None:
    pass
