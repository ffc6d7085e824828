"""language.json: what a language model has made of its test text, and the texts that it wrote while it learned."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatelab.bounded import MIB, read_bytes
from gatelab.errors import RunError
from gatelab.files import atomic_write

MAX_BYTES = 10 * MIB
Loss = Annotated[float, Field(ge=0, lt=1e6)]  # in nats a token
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Positions(Part):
    """Mean losses by the number of tokens read before: from a state that is fresh at the window's start, and from the carried one."""

    read: list[Count]
    fresh: list[Loss]
    carried: list[Loss]


class Frequency(Part):
    """The test tokens that stand least to most times in the training text."""

    least: Count
    most: Count
    tokens: Count
    loss: Loss


class Passage(Part):
    """The beginning of the test text, token by token."""

    tokens: list[str]
    losses: list[Loss]


class Sample(Part):
    """What the model wrote after a validation, counted from 1."""

    validation: Count
    text: str


class TellingUnit(Part):
    """The unit of a layer, both as they are shown, whose state best tells a property of the text: score is the AUROC or the rank
    correlation on tokens that had no part in the choice, states those after each token of a passage, between -1 and 1."""

    property: str
    layer: Count
    unit: Count
    measure: str
    score: Annotated[float, Field(ge=-1, le=1)]
    tokens: list[str]
    states: list[Annotated[float, Field(ge=-1, le=1)]]


class LanguageEvidence(Part):
    positions: Positions | None
    frequencies: list[Frequency]
    passage: Passage | None
    samples: list[Sample]
    units: list[TellingUnit] = []  # which older runs lack


def write_language_evidence(file: Path, evidence: LanguageEvidence) -> None:
    atomic_write(file, json.dumps(evidence.model_dump(), indent=1) + "\n")


def read_language_evidence(file: Path) -> LanguageEvidence | None:
    """None without a file. Raises RunError for a damaged one."""
    try:
        return LanguageEvidence.model_validate_json(read_bytes(file, MAX_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = str(error.strerror)
    except ValidationError as error:
        problem = f"cannot be read ({str(error).splitlines()[0]})"
    raise RunError(f"{file}: {problem}. Remove it to have the page without it.")
