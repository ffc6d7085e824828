"""The box for a text of one's own on the page of a run in gatelab ui, and what stands below it once the model has read the text."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from gatelab.reports.charts.reading import describe_reading, shown_token
from gatelab.reports.pages.html import environment

ASSETS = ("own_text",)
MAX_ANSWERS = 20
MAX_LENGTH = 60  # of the name of a class


def own_text_section(max_characters: int, *, goes_on: bool) -> str:
    """goes_on: whether it is of a language model."""
    return part("section", max_characters=max_characters, goes_on=goes_on)


def own_text_answer(gates: Mapping[str, NDArray[Any]], activity: Mapping[str, NDArray[Any]], *, goes_on: bool) -> str:
    """The probability of each class, the most probable of many, and the reading. activity: as for ``describe_reading``."""
    probabilities = gates["probabilities"][-1].tolist() if "probabilities" in gates else []
    names = [shown_token(name, MAX_LENGTH) for name in gates["classes"].tolist()] if probabilities else []
    answers = list(zip(names, probabilities, strict=True))
    if len(answers) > MAX_ANSWERS:
        answers = sorted(answers, key=lambda answer: -answer[1])[:MAX_ANSWERS]
    return part("answer", answers=answers, reading=describe_reading(gates, activity), goes_on=goes_on)


def part(macro: str, **values: Any) -> str:
    return str(getattr(environment().get_template("own_text.html.j2").module, macro)(**values))
