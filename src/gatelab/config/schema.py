"""The configs: where they lie, and what may stand in them. Checked before any data is read."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gatelab.annotations import Count, Fraction, NotNegative, Positive
from gatelab.config.build import construct
from gatelab.config.experiment import check_experiment
from gatelab.config.identity import flatten
from gatelab.config.memory import too_large
from gatelab.config.settle import WITH_KEYS
from gatelab.config.signature import schema_of
from gatelab.config.targets import check_targets, is_inside, locate
from gatelab.errors import ConfigError, did_you_mean

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parents[1]
# An installed wheel carries both inside the package; a checkout has them at its top.
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _CHECKOUT / "conf"
EXPERIMENT_DIRS = (_PACKAGE / "experiments", _CHECKOUT / "experiments", Path("experiments"))


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OpenGroup(BaseModel):
    """Keys that are read here, and others that only what its ``_target_`` names knows."""

    model_config = ConfigDict(extra="allow")

    target: str = Field(alias="_target_")


OF_SCHEDULE = {"schedule", "warmup", *WITH_KEYS}  # the keys of the optimizer that are not torch's
OF_MONITOR = ("monitor", "mode")  # the keys of a callback that are the run's own where they are null

Decay = Annotated[float, Field(gt=0, lt=1)]


class Plateau(Group):
    factor: Decay
    patience: Annotated[int, Field(ge=0, lt=2**31)]


class Step(Group):
    factor: Decay
    epochs: Count


class Exponential(Group):
    factor: Decay


class OneCycle(Group):
    rise: Decay
    start: Decay
    end: Decay


class Optimizer(OpenGroup):
    lr: Positive
    weight_decay: NotNegative = 0.0
    schedule: Literal["constant", "linear", "cosine", "step", "exponential", "one_cycle", "plateau"]
    warmup: Fraction
    plateau: Plateau | None = None
    step: Step | None = None
    exponential: Exponential | None = None
    one_cycle: OneCycle | None = None

    @model_validator(mode="after")
    def is_a_schedule(self) -> "Optimizer":
        name = self.schedule
        if name in WITH_KEYS and getattr(self, name) is None:
            groups: dict[str, type[Group]] = {
                "plateau": Plateau, "step": Step, "exponential": Exponential, "one_cycle": OneCycle,
            }  # fmt: skip
            keys = " and ".join(f"{name}.{key}" for key in groups[name].model_fields)
            raise ValueError(f"schedule={name} needs {keys}")
        if name in ("plateau", "one_cycle") and self.warmup:
            raise ValueError(f"schedule={name} has no warmup. Set optimizer.warmup=0, or take another schedule")
        return self

    @property
    def schedule_keys(self) -> dict[str, float]:
        """Those of the group that is named as the schedule."""
        return getattr(self, self.schedule).model_dump() if self.schedule in WITH_KEYS else {}

    def of_torch(self) -> dict[str, Any]:
        """The keys that are arguments of what is built, and its ``_target_``."""
        return self.model_dump(by_alias=True, exclude_unset=True, exclude=OF_SCHEDULE)


MAX_DEVICES = 1024
SMALLER = "Make encoder.hidden_size or model.embedding_size smaller."
Limit = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]
LimitOrNone = Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, le=1)]


class Trainer(OpenGroup):
    max_epochs: Count
    gradient_clip_val: Positive | None
    accumulate_grad_batches: Count
    precision: Literal["16-mixed", "bf16-mixed", "32-true", "64-true", "bf16-true", "16-true"]
    accelerator: Literal["auto", "cpu", "cuda", "gpu"]
    devices: Annotated[int, Field(le=MAX_DEVICES)] | Literal["auto"] | list[int]
    deterministic: bool | Literal["warn"]
    limit_train_batches: Limit
    limit_val_batches: LimitOrNone
    limit_test_batches: LimitOrNone
    log_every_n_steps: Count

    @property
    def tested_batches(self) -> float:
        """limit_test_batches as Lightning takes it: the number of fast_dev_run where that is given."""
        return int((self.model_extra or {}).get("fast_dev_run") or 0) or self.limit_test_batches


class Config(Group):
    """A checked config. data, encoder, model, callbacks and tracker stay the plain values that they are built from."""

    name: Annotated[str, Field(pattern=r"^[\w][\w.+-]*$")]
    note: str | None = None
    tags: list[str] = []
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    monitor: str | None
    baseline: Literal["linear", "nbsvm", "none"]
    parent: str | None = Field(default=None, alias="from")
    from_parts: Annotated[list[Literal["embedding", "encoder"]], Field(min_length=1)] | None = None
    from_partly: bool = False
    output_dir: str
    force: bool
    retry: Literal["failed"] | None
    checkpoint_minutes: Annotated[float, Field(ge=0)]
    checkpoint_epochs: Count
    report: bool
    allow_targets: list[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]]
    data: dict[str, Any]
    encoder: dict[str, Any]
    model: dict[str, Any]
    optimizer: Optimizer
    trainer: Trainer
    callbacks: dict[str, dict[str, Any] | None]
    tracker: dict[str, dict[str, Any] | None]
    search: dict[str, Any] | None
    experiment: dict[str, Any] | None
    quick: bool = False


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value if isinstance(value, list) else value.values():
            yield from _texts(item)


# With which the key of a setting begins.
KEYS = tuple(field.alias or name for name, field in Config.model_fields.items())


def check_config(settings: dict[str, Any]) -> Config:
    """The config that settings, plain values, describe.

    The keys of data, encoder, model and each tracker are the arguments of what these build, which is imported only after
    ``check_targets``. Raises ConfigError for the first ``_target_`` that may not be built, else for all unknown keys,
    impossible values and missing packages, each by its full key.
    """
    problems = _problems(Config, settings, "")
    problems += [
        f"{key}: has a NUL character, which no name, path or text of a config has."
        for key, value in flatten(settings).items()
        if any("\0" in text for text in _texts(value))
    ]
    if isinstance(settings.get("experiment"), dict):
        problems += check_experiment(settings["experiment"], KEYS)
    if not any(problem.startswith("allow_targets") for problem in problems):
        check_targets(settings, settings["allow_targets"])
        trackers = settings.get("tracker")
        groups = {group: settings.get(group) for group in ("data", "encoder", "model")}
        groups |= {f"tracker.{name}": values for name, values in trackers.items()} if isinstance(trackers, dict) else {}
        if not problems:
            groups |= _passed_on(settings)
        for group, values in groups.items():
            if isinstance(values, dict):
                problems += problems_of_built(group, values, _embedding_size(settings))
    if not problems:
        problems = [f"{key}=nan: is no number." for key, value in flatten(settings).items() if value != value]
    if problems:
        raise ConfigError("\n".join(problems))
    return Config.model_validate(settings)


def _passed_on(settings: dict[str, Any]) -> dict[str, Any]:
    """By group: the keys that only Lightning or torch knows."""
    optimizer, trainer = settings["optimizer"], settings["trainer"]
    groups = {"optimizer": {key: value for key, value in optimizer.items() if key not in OF_SCHEDULE}}
    if not trainer.keys() <= {"_target_", *Trainer.model_fields, "strategy"}:
        groups["trainer"] = {key: value for key, value in trainer.items() if key not in Trainer.model_fields}
    for name, values in settings["callbacks"].items():
        if values:  # a monitor or mode that is null becomes the run's own, which is a text
            own = {key: "" for key in OF_MONITOR if key in values and values[key] is None}
            groups[f"callbacks.{name}"] = values | own
    return groups


def problems_of_built(group: str, values: dict[str, Any], input_size: int = 1) -> list[str]:
    """What is wrong with the keys of a group whose ``_target_`` was checked, each by its full key."""
    if "_target_" not in values:
        return [f"{group}._target_: is missing."]
    target = values["_target_"]
    found = locate(f"{group}._target_", target)
    package = getattr(found, "package", None) if group.startswith("tracker.") else None
    if package is not None and find_spec(package) is None:
        return [f"{group} needs {package}: pip install 'gatelab[{package}]'."]
    problems = _problems(schema_of(group, found, values), values, f"{group}.")
    if group == "encoder" and isinstance(values.get("cell"), dict):
        problems += problems_of_built("encoder.cell", values["cell"])
    if not problems and group == "encoder" and is_inside(target, ("gatelab",)):
        import torch

        try:
            with torch.device("meta"):  # an encoder without weights, which finds settings that contradict each other
                encoder = construct(group, values, {"input_size": input_size})
            if problem := too_large(sum(weights.numel() for weights in encoder.parameters())):
                problems.append(f"encoder: {problem}. {SMALLER}")
        except ConfigError as error:  # of what stands in the group, such as its cell
            return [f"{group}: {str(error.__cause__ or error).rstrip('.')}."]
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            if "overflow" in str(error).lower():  # torch's, of a size in bytes
                return [f"encoder: its weights need more memory than 64 bits can count. {SMALLER}"]
            return [f"{group}: {str(error).splitlines()[0].rstrip('.')}."]
    return problems


def _embedding_size(settings: dict[str, Any]) -> int:
    """The number of the encoder's inputs; 1 where it is not known before the vectors are read."""
    model = settings["model"]
    size = model.get("embedding_size") if isinstance(model, dict) else None
    return size if type(size) is int and size > 0 else 1


def _problems(schema: type, values: Any, prefix: str) -> list[str]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(schema)
        found = adapter.dump_python(adapter.validate_python(values), by_alias=True)
    except ValidationError as error:
        known = {**flatten(values), **dict.fromkeys(schema.__annotations__)}
        explained = dict.fromkeys(_explain(problem, values, known, prefix) for problem in error.errors())
        subjects = dict.fromkeys(subject for subject, _ in explained)
        return [_sentence(one, [text for subject, text in explained if subject == one]) for one in subjects]
    numbers = flatten(found)
    return [
        f"{prefix}{key}={value}: write it as {numbers[key]}."
        for key, value in flatten(values).items()
        if is_other_number(value, numbers.get(key))
    ]


def is_other_number(given: Any, found: Any) -> bool:
    """Whether pydantic has made a number of what is none, or an int of a float or bool: what is built gets what was given."""
    return (isinstance(given, str) and isinstance(found, (int, float))) or (
        isinstance(given, (float, bool)) and type(found) is int
    )


def key_in_values(problem: Any, values: Any) -> str:
    """The key that one of pydantic's errors is of: the alternatives of a union and the items of a list are no keys."""
    parts = []
    for number, part in enumerate(problem["loc"], 1):
        if isinstance(values, dict) and (
            part in values or (problem["type"] == "missing" and number == len(problem["loc"]))
        ):
            parts.append(str(part))
            values = values.get(part)
    return ".".join(parts)


def _explain(problem: Any, values: Any, known: Iterable[str], prefix: str) -> tuple[str, str]:
    """What it is about, KEY or KEY=VALUE, and what is wrong with that."""
    key = prefix + key_in_values(problem, values)
    if problem["type"] == "extra_forbidden":
        return key, f"unknown key.{did_you_mean(key, [prefix + k for k in known if prefix + k != key])}"
    if problem["type"] == "missing":
        return key, "is missing." + (f" {key}=none is without." if key in ("callbacks", "tracker") else "")
    if problem["type"] in ("model_type", "dict_type"):
        return f"{key}={problem['input']}", "is no group of keys."
    if problem["type"] == "value_error":
        return key.rstrip("."), f"{problem['ctx']['error']}."
    return f"{key}={problem['input']}", f"{problem['msg'][0].lower()}{problem['msg'][1:]}."


def _sentence(subject: str, problems: Sequence[str]) -> str:
    """One of all that is wrong with a value, which is what each alternative of a union says."""
    first, *others = problems
    alternatives = [
        f"; or {other.removeprefix('input should be ').replace('is no ', 'a ', 1).rstrip('.')}" for other in others
    ]
    return f"{subject}: {first.rstrip('.')}{''.join(alternatives)}." if others else f"{subject}: {first}"
