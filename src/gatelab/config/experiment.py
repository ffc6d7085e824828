"""What an experiment states before its runs: a claim, published numbers, and what counts as reproduced.

Stands in the YAML of the experiment as ``experiment:``, and with it in the config.yaml of each of its runs. docs/papers.md.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from gatelab.bounded import MAX_YAML_BYTES, check_yaml, read_text
from gatelab.config.identity import flatten
from gatelab.errors import ConfigError, did_you_mean

# Config keys or groups, such as encoder, and the value that runs have.
Where = dict[str, str | int | float | bool | None]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


def not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def plain_override(text: str) -> str:
    """Of a key of the run: what only the command line may say stays there."""
    if not re.match(r"(?!(hydra|allow_targets|experiments?|quick|name|output_dir)\b)[A-Za-z_][\w./]*=", text):
        raise ValueError("is no override of a key of the run, such as trainer.max_epochs=1")
    return text


Text = Annotated[str, AfterValidator(not_empty)]
Override = Annotated[str, AfterValidator(plain_override)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Published(Part):
    """A number of a paper, of the arm or of its baseline. With a margin it is a criterion: reproduced where the difference of our mean lies within ± margin, for a
    reason. std and num_seeds: over the paper's own runs."""

    where: Where = {}
    baseline: Text | None = None  # by its name in run.json: linear
    metric: Text
    value: FiniteFloat
    std: Annotated[FiniteFloat, Field(ge=0)] | None = None
    num_seeds: Annotated[int, Field(ge=1)] | None = None
    source: str = ""
    table: str | int | None = None
    margin: Annotated[FiniteFloat, Field(gt=0)] | None = None
    reason: str = ""

    @model_validator(mode="after")
    def has_a_reason(self) -> "Published":
        if self.margin is not None and not self.reason.strip():
            raise ValueError("margin needs reason: why a difference of this size does not matter")
        return self


class Solved(Part):
    """The share of an arm's runs that solve their task, at least or at most.

    A run does by the record of its task; or by a metric that is at least the threshold, at most where lower is better."""

    where: Where
    at_least: Share | None = None
    at_most: Share | None = None
    metric: Text | None = None
    threshold: FiniteFloat | None = None
    source: str = ""

    @model_validator(mode="after")
    def is_complete(self) -> "Solved":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give at_least or at_most, one of the two")
        if (self.metric is None) != (self.threshold is None):
            raise ValueError("metric and threshold go together")
        return self


class Ordering(Part):
    """One arm is better than another in a metric, both inside where. test: by ranks, or the almost stochastic order."""

    where: Where = {}
    better: Where
    worse: Where
    metric: Text
    test: Literal["ranks", "almost_stochastic"] = "ranks"
    source: str = ""


class Deviation(Part):
    """What the paper did, what was done here, and why."""

    paper: Text
    ours: Text
    why: Text


def kind_of_claim(values: Any) -> str:
    return "ordering" if isinstance(values, Ordering) or (isinstance(values, dict) and "better" in values) else "solved"


Claim = Annotated[Annotated[Solved, Tag("solved")] | Annotated[Ordering, Tag("ordering")], Discriminator(kind_of_claim)]


class Experiment(BaseModel):
    """Further keys are notes of the user's own."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    question: str = ""
    claim: str = ""
    published: list[Published] = []
    claims: list[Claim] = []
    deviations: list[Deviation] = []
    quick: list[Override] = []

    @model_validator(mode="before")
    @classmethod
    def without_nulls(cls, values: Any) -> Any:
        return (
            {key: value for key, value in values.items() if value is not None} if isinstance(values, dict) else values
        )

    @field_validator("published", mode="before")
    @classmethod
    def of_one_source(cls, values: Any) -> Any:
        """The form of earlier records: metrics of one source, nested by class."""
        if not isinstance(values, dict):
            return values
        stated = flatten(values)
        source = stated.pop("source", "")
        keys = {key: key.partition(".") for key in stated}
        metrics = {key: f"per_class.{name}.{measure}" if name else key for key, (measure, _, name) in keys.items()}
        return [{"metric": metrics[key], "value": value, "source": source} for key, value in stated.items()]

    @property
    def has_criteria(self) -> bool:
        return bool(self.claims) or any(stated.margin is not None for stated in self.published)


def check_experiment(values: Any, known: Iterable[str]) -> list[str]:
    """What is wrong with it, each by its full key. known: the first words of the config's keys, with which those of a where begin."""
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        texts = [explained(problem, values) for problem in error.errors()]
        return list({text.partition(": ")[0]: text for text in reversed(texts)}.values())[::-1]  # the first of each key
    own, first_words = set(Experiment.model_fields), set(known)
    problems = [  # other keys are free, unless misspelt
        f"experiment.{key}: unknown key.{near}"
        for key in values
        if key not in own and (near := did_you_mean(str(key), own, cutoff=0.75))
    ]
    for place, where in wheres(experiment):
        for key in where:
            if key.split(".")[0] not in first_words:
                problems.append(f"experiment.{place}: {key} is no key of a config.{did_you_mean(key, first_words)}")
    return problems


def wheres(experiment: Experiment) -> Iterable[tuple[str, Where]]:
    """Each with its place."""
    for number, stated in enumerate(experiment.published):
        yield f"published[{number}].where", stated.where
    for number, claim in enumerate(experiment.claims):
        yield f"claims[{number}].where", claim.where
        if isinstance(claim, Ordering):
            yield f"claims[{number}].better", claim.better
            yield f"claims[{number}].worse", claim.worse


def explained(problem: Any, values: Any) -> str:
    """One of pydantic's errors, with the items of lists counted from 0."""
    key, inside, missing = "experiment", values, problem["type"] == "missing"
    for number, part in enumerate(problem["loc"], 1):
        if isinstance(inside, list) and isinstance(part, int):
            key, inside = f"{key}[{part}]", inside[part]
        elif isinstance(inside, dict) and (part in inside or (missing and number == len(problem["loc"]))):
            key, inside = f"{key}.{part}", inside.get(part)
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key."
    if missing:
        return f"{key}: is missing."
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}."
    shown = "" if isinstance(problem["input"], (dict, list)) else f"={problem['input']!s:.80}"
    return f"{key}{shown}: {problem['msg'][0].lower()}{problem['msg'][1:]}."


def find_experiment(name: str, folders: Iterable[Path]) -> Path | None:
    """The YAML of the name, of the last folder that has one."""
    files = [folder / f"{name}.yaml" for folder in folders]
    return next((file for file in reversed(files) if file.is_file()), None)


def read_experiment(file: Path) -> dict[str, Any]:
    """What stands in a YAML as experiment:, not checked yet. Raises ConfigError for a file that cannot be read."""
    import yaml

    try:
        content = read_text(file, MAX_YAML_BYTES)
        check_yaml(content)
        config = yaml.safe_load(content)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read as a config: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{file}: is no YAML of a config in UTF-8: {' '.join(str(error).split())}.") from None
    found = config.get("experiment") if isinstance(config, dict) else None
    return found if isinstance(found, dict) else {}
