"""run.json as a typed record; no other module knows its keys.

An entry of the wrong type, or a null where a value belongs, is dropped, so that one damaged entry hides no run.
"""

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from typing_extensions import NotRequired, TypedDict

from gatelab.bounded import MIB, read_json
from gatelab.config.identity import flatten
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.runs.metrics import METRICS, SELECTED
from gatelab.runs.secrets import redact

MAX_BYTES = 64 * MIB
MAX_DEPTH = 60
SCHEMA_VERSION = 2  # raised when older code can no longer read it; version 1 was not written
BLIND = ("majority", "prior", "mean", "median", "memoryless")  # baselines that ignore the input
Count = Annotated[int, Field(gt=-(2**63), lt=2**63)]
Number = Annotated[float, Field(gt=-1e300, lt=1e300)]


class Part(BaseModel):
    """A part of the record; keeps unknown entries."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class ClassScores(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]
    precision: NotRequired[float]
    recall: NotRequired[float]
    f1: NotRequired[float]
    support: NotRequired[Count]


class Scores(Part):
    """The test metrics of a model or a baseline: numbers by key, by class, by length of the test sequences, and the confusion matrix
    (rows: true class)."""

    per_class: dict[str, ClassScores] = {}
    by_length: dict[Annotated[str, Field(pattern=r"^[0-9]{1,15}$")], dict[str, Number]] = {}
    confusion_matrix: list[list[Number]] = []

    def numbers(self) -> dict[str, float]:
        """All finite numbers by key: accuracy, per_class.positive.f1."""
        return finite(flatten(self.model_dump(exclude={"confusion_matrix"})))

    def __getitem__(self, key: str) -> float:
        """A metric by its key, finite or not. Raises KeyError."""
        if (value := self.get(key)) is None:
            raise KeyError(key)
        return value

    def get(self, key: str) -> float | None:
        value = (self.model_extra or {}).get(key)
        return value if type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max) else None

    def f1_of(self, name: str) -> float | None:
        """Of a class."""
        found = self.per_class.get(name)
        return None if found is None else found.get("f1")


class Vectors(Part):
    """Pretrained vectors. types and tokens (by part): how many were found and how, by exact, case_folding and none."""

    files: list[str] = []
    dimension: Count | None = None
    vocab: str = ""
    types: dict[str, Count] = {}
    tokens: dict[str, dict[str, Count]] = {}


class Columns(TypedDict):
    text: str | list[str]
    label: str | list[str]
    all: NotRequired[list[str]]


class Reject(TypedDict):
    file: str
    line: Count
    reason: str


class Leakage(TypedDict):
    """Test texts that are in the training set: word for word, and normalised."""

    test_rows: Count
    exact: Count
    exact_share: Number
    normalised: Count
    normalised_share: Number


class Duplicates(TypedDict):
    exact: Count
    normalised: Count


class Data(Part):
    """The data: counts are of rows, split_sizes of units, sha256 of the files of each part.

    unknown_share: of the tokens of each part; lengths: of the uncut texts in tokens, by quantile ("0", "50", … in percent);
    cut_share: of the texts that are longer than max_length."""

    sha256: dict[str, list[str]] = {}
    files: list[str] = []
    classes: list[str] = []
    columns: Columns | None = None
    encoding: str | None = None
    rows: Count | None = None
    used: Count | None = None
    rejected: Count | None = None
    rejects: list[Reject] = []
    dropped: dict[str, dict[str, Count]] | None = None
    notes: list[str] = []
    label_counts: dict[str, dict[str, Count]] | None = None
    numbers: dict[str, dict[str, Number]] | None = None
    split_sizes: dict[str, Count] = {}
    unit: str = "row"  # what a part is counted in: row, token
    leakage: Leakage | None = None
    duplicates: Duplicates | None = None
    tokenizer: str = "word"
    unknown_share: dict[str, Number] = {}
    lengths: dict[str, Count] = {}
    cut_share: Number | None = None
    vocab_size: Count | None = None
    num_tokens: Count | None = None
    vectors: Vectors | None = None

    @field_validator("label_counts")
    @classmethod
    def of_all_classes(cls, counts: dict[str, dict[str, int]] | None, info: ValidationInfo) -> Any:
        if counts and not all(set(part) == set(info.data.get("classes", ())) for part in counts.values()):
            raise ValueError("other classes than those of the data")
        return counts


class InputFile(Part):
    """A file besides the data that can change the result; bytes: its size."""

    name: str = ""
    sha256: str = ""
    bytes: Count | None = None


class Git(Part):
    top: str = ""
    commit: str = ""
    dirty: bool = False


class Hardware(Part):
    processor: str = ""
    system: str = ""
    cores: Count | None = None
    threads: Count | None = None
    gpus: list[str] = []


class Resources(Part):
    """Totals over all starts of the run."""

    wall_seconds: Number | None = None
    cpu_seconds: Number | None = None
    peak_memory_bytes: Count | None = None
    peak_gpu_memory_bytes: Count | None = None
    energy_joules: dict[str, Number] = {}


class TrackerRecord(Part):
    """look: commands or addresses that show the run in a tracker."""

    look: list[str] = []


class Parent(Part):
    """The run that this one continues, or whose weights it begins with, and the epochs that it had trained. taken: by part how many
    of its weights, "of" how many of this run's; empty where it is continued."""

    identity: str = ""
    name: str = ""
    epochs: Count | None = None
    taken: dict[str, dict[str, Count]] = {}


class Calibration(Part):
    """What was fitted on rows of the validation once the weights were; before and after: metrics of these rows."""

    temperature: Number | None = None
    threshold: Number | None = None
    rows: Count | None = None
    before: dict[str, Number] = {}
    after: dict[str, Number] = {}


class RunRecord(Part):
    """run.json. job counts from 0; started and resumed are ISO 8601 in UTC."""

    schema_version: int = 1
    status: str = ""
    started: str = ""
    resumed: list[str] = []
    changed_conditions: list[str] = []  # of each time it resumed under others than before
    name: str = ""
    identity: str = ""
    seed: int | None = None
    parent: Parent | None = None
    error: str = ""
    process: Count | None = None
    directory: str = ""
    command: list[str] = []
    choices: dict[str, str] = {}
    changed: dict[str, Any] | None = None
    job: Count | None = None
    jobs: Count | None = None
    data: Data | None = None
    files: dict[str, list[InputFile]] = {}  # by the config key that names them
    code: dict[str, str] = {}
    git: Git | None = None
    project_git: Git | None = None
    diff_problem: str = ""  # why there is no uncommitted.diff although the code is not that of the commit
    versions: dict[str, str] = {}
    hardware: Hardware | None = None
    determinism: dict[str, Any] = {}
    monitor: str = SELECTED  # the selection metric, as a key of best_validation
    metrics: Scores | None = None  # of a finished run without where it had no test
    calibration: Calibration | None = None
    uncalibrated: Scores | None = None  # metrics of the test without it
    weights: str = ""  # of what epoch the model is: "best epoch", or "last step" where no epoch was validated
    baselines: dict[str, Scores] = {}
    best_validation: dict[str, Any] = {}
    validation_f1: dict[str, list[Number]] = {}  # by class, a number a validation
    symptoms: list[str] = []
    epochs: Count | None = None
    steps: Count | None = None
    parameters: Count | None = None
    frozen_parameters: Count | None = None  # of them, those that are not trained
    seconds: Number | None = None
    evaluates: str = ""  # NAME/IDENTITY of the run whose model was tested on another file, which this then records
    resources: Resources = Resources()
    trackers: dict[str, TrackerRecord] = {}

    @property
    def content(self) -> str:
        """Identifies its data by the sha256 of the files: only numbers on the same data are ranked or subtracted."""
        return json.dumps(self.data.sha256 if self.data and self.data.sha256 else None, sort_keys=True)

    @property
    def lacks(self) -> list[str]:
        """What a finished run was without: validation, test."""
        if self.status != "finished" or not self.weights:  # a run that does not say so had both
            return []
        return ["validation"] * (self.weights == "last step") + ["test"] * (self.metrics is None)

    @property
    def last_start(self) -> str:
        return self.resumed[-1] if self.resumed else self.started

    @property
    def seed_text(self) -> str:
        return "" if self.seed is None else str(self.seed)

    @property
    def first_error_line(self) -> str:
        return self.error.split("\n")[0]

    def numbers(self, baseline: str | None = None) -> dict[str, float]:
        """The finite test metrics of the model or a baseline, and for the model validation/… of the best epoch."""
        scores = self.baselines.get(baseline) if baseline else self.metrics
        validation = {} if baseline else {f"validation/{name}": value for name, value in self.best_validation.items()}
        return {**(scores.numbers() if scores else {}), **finite(validation)}

    def has(self, metric: str) -> bool:
        """Whether it has a metric of the model, finite or not."""
        validation = [f"validation/{name}" for name in self.best_validation]
        return metric in self.numbers() or metric in validation or scores_of(self).get(metric) is not None

    def ordered_baselines(self) -> dict[str, Scores]:
        """The baselines, those that ignore the input last."""
        return dict(sorted(self.baselines.items(), key=lambda item: item[0] in BLIND))

    def started_at(self) -> float | None:
        """Unix time; None without a valid date."""
        try:
            return datetime.fromisoformat(self.started).timestamp()
        except (ValueError, OverflowError):
            return None


def headline_of(scores: Scores) -> list[str]:
    """The keys of its numeric metrics: those of the table in its order, then others."""
    found = {key for key in scores.model_extra or {} if scores.get(key) is not None}
    return [*(key for key in METRICS if key in found), *sorted(found - METRICS.keys())]


def baseline_title(name: str) -> str:
    spelled = {"majority": "majority class", "nbsvm": "NBSVM baseline", "naive_bayes": "naive Bayes baseline"}
    return spelled.get(name, f"{name} baseline")


def scores_of(record: RunRecord) -> Scores:
    """The test metrics of a finished run."""
    return record.metrics or Scores()


def finite(values: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if type(value) in (int, float) and abs(value) <= sys.float_info.max  # of an int too, and no nan
    }


def load_record(file: Path) -> RunRecord:
    """Empty without a file. Raises RunError for a damaged one, or one of a newer gatelab."""
    values = read(file)
    version = values.get("schema_version", 1)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RunError(
            f"{file}: was written by a newer gatelab (schema version {version}, this one reads up to {SCHEMA_VERSION}). Install that."
        )
    while True:
        try:
            return RunRecord.model_validate(values)
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False)
            for place in {entry_at(values, problem["loc"]) for problem in problems}:
                if place:
                    drop(values, place)
                else:  # a key that is half of a pair
                    values = {
                        key: value for key, value in values.items() if key.encode(errors="ignore").decode() == key
                    }


def entry_at(values: Any, place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The innermost mapping entry on the way to place; of a list with a wrong item, or a mapping that lacks one, it as a whole."""
    length = 1
    for number, step in enumerate(place, 1):
        if isinstance(values, dict) and step in values:
            length = number
        elif not isinstance(values, list) or not isinstance(step, int):
            break
        values = values[step]
    return place[:length]


def drop(values: Any, place: tuple[int | str, ...]) -> None:
    """Remove a mapping entry, unless another one around it is gone."""
    for step in place[:-1]:
        if isinstance(values, dict) and step not in values:
            return
        values = values[step]
    values.pop(place[-1], None)


def update_record(file: Path, **values: Any) -> None:
    """Change entries of run.json atomically, with secrets redacted."""
    record = redact({"schema_version": SCHEMA_VERSION, **read(file), **values}, numbers=False)
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    atomic_write(file, text.encode(errors="replace"))  # half a pair of a damaged record


def read(file: Path) -> dict[str, Any]:
    problem = "is not the record of a run"
    try:
        record = read_json(file, MAX_BYTES)
        if is_deeper(record, MAX_DEPTH):
            problem += f" (it is nested more than {MAX_DEPTH} deep)"
        elif isinstance(record, dict):
            return record
    except FileNotFoundError:
        if not file.is_symlink():
            return {}
        problem = "is a link to a file that is not there"
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno} is not valid JSON"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except OSError as error:
        problem = str(error.strerror)
    except ValueError as error:
        problem += f" ({error})"
    raise RunError(f"{file}: {problem}. Run again with force=true.")


def is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and mappings are nested more than depth deep."""
    level = [value]
    while depth and level:
        level = [one for several in level for one in inner(several)]
        depth -= 1
    return any(isinstance(one, (dict, list)) for one in level)


def inner(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
