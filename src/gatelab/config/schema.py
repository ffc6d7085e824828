"""The configs: where they lie, and what may stand in them. Checked before any data is read."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gatelab.config.identity import flatten
from gatelab.errors import ConfigError, did_you_mean

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parents[1]
# An installed wheel carries both inside the package; a checkout has them at its top.
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _CHECKOUT / "conf"
EXPERIMENT_DIRS = (_PACKAGE / "experiments", _CHECKOUT / "experiments", Path("experiments"))


Share = Annotated[float, Field(ge=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)


class Targeted(Group):
    target: str = Field(alias="_target_")


class OpenGroup(BaseModel):
    model_config = ConfigDict(extra="allow")


class OpenTargeted(OpenGroup):
    target: str = Field(alias="_target_")


class Split(Group):
    by: Literal["group", "random"]
    validation: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]
    seed: int

    @model_validator(mode="after")
    def leaves_rows_to_train_on(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError(f"validation={self.validation} and test={self.test} leave no rows to train on")
        return self


class Tokenizer(Group):
    lowercase: bool
    urls: bool
    mentions: bool
    elongations: bool
    vocab_size: Annotated[int, Field(ge=3)] | None
    min_count: Count


class Data(Targeted):
    text: str | None
    label: str | None
    labels: list[Any] | dict[Any, Any] | None
    encoding: str | None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None
    split: Split
    tokenizer: Tokenizer
    max_length: Count | None
    batch_size: Count
    eval_batch_size: Count
    seed: int
    cache_dir: str


class SampleOptions(Data):
    num_rows: Annotated[int, Field(ge=20)]
    gap: Annotated[int, Field(ge=0)]
    sample_seed: int


class CsvOptions(Data):
    path: str | list[str]
    validation_path: str | list[str] | None
    test_path: str | list[str] | None


class GopDebateOptions(Data):
    path: str | None
    url: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Encoder(Targeted):
    hidden_size: Count
    num_layers: Count
    bidirectional: bool
    dropout: Dropout


Squashing = Literal["tanh", "identity", "tanh_1997"]


class GatedOptions(Encoder):
    backend: Literal["auto", "equations", "fused", "native"]
    input_gate: bool
    forget_gate: bool
    output_gate: bool
    coupled: Literal["input", "forget"] | None
    coupling_shift: float
    peepholes: bool
    gate_recurrence: bool
    candidate_activation: Squashing
    output_activation: Squashing
    layer_norm: bool
    forget_bias: float | None
    chrono: Annotated[int, Field(ge=3)] | None
    orthogonal: bool
    zoneout_hidden: Dropout
    zoneout_cell: Dropout
    recurrent_dropout: Dropout
    input_dropout: Dropout
    weight_drop: Dropout

    @model_validator(mode="after")
    def is_a_cell(self) -> "GatedOptions":
        from gatelab.recurrent.cell import Cell
        from gatelab.recurrent.gated import check_backend

        check_backend(self.backend, Cell(**{name: getattr(self, name) for name in Cell.__dataclass_fields__}))
        return self


class Model(Targeted):
    embedding_size: Count
    embedding_dropout: Dropout
    dropout: Dropout
    pooling: Literal["last", "mean", "max"]
    class_weights: Literal["balanced"] | list[Annotated[float, Field(gt=0)]] | None


class Optimizer(OpenGroup):
    target: str = Field(alias="_target_")
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "linear", "cosine"]
    warmup: Share


Limit = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]


class Trainer(OpenGroup):
    target: str = Field(alias="_target_")
    max_epochs: Count
    gradient_clip_val: Annotated[float, Field(gt=0)] | None
    accumulate_grad_batches: Count
    precision: Literal["16-mixed", "bf16-mixed", "32-true", "64-true", "bf16-true", "16-true"]
    accelerator: Literal["auto", "cpu", "cuda", "gpu"]
    deterministic: bool | Literal["warn"]
    limit_train_batches: Limit
    limit_val_batches: Limit
    limit_test_batches: Limit
    log_every_n_steps: Count


class WandbOptions(Targeted):
    project: str
    entity: str | None
    mode: Literal["offline", "online"]


class MlflowOptions(Targeted):
    uri: str

    @field_validator("uri")
    @classmethod
    def is_an_address(cls, uri: str) -> str:
        if not re.match(r"[\w+-]+:", uri):
            raise ValueError(f"{uri} is no address. Give sqlite:///FILE or http://HOST:PORT")
        return uri


class Config(Group):
    name: Annotated[str, Field(pattern=r"^[\w][\w.+-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    monitor: str | None
    baseline: Literal["linear", "none"]
    output_dir: str
    force: bool
    retry: Literal["failed"] | None
    checkpoint_minutes: Annotated[float, Field(ge=0)]
    checkpoint_epochs: Count
    report: bool
    allow_targets: list[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]]
    data: OpenGroup
    encoder: OpenGroup
    model: OpenGroup
    optimizer: Optimizer
    trainer: Trainer
    callbacks: OpenGroup
    tracker: dict[str, OpenTargeted | None]
    search: OpenGroup | None
    experiment: OpenGroup | None


# The groups whose keys are known by what they build; a _target_ of the user's own may have any.
KNOWN: dict[str, type[Group]] = {
    "gatelab.data.module.SampleData": SampleOptions,
    "gatelab.data.module.SentimentData": CsvOptions,
    "gatelab.data.module.GopDebateData": GopDebateOptions,
    "gatelab.recurrent.LSTMEncoder": Encoder,
    "gatelab.recurrent.GRUEncoder": Encoder,
    "gatelab.recurrent.RNNEncoder": Encoder,
    "gatelab.recurrent.GatedEncoder": GatedOptions,
    "gatelab.tasks.classification.classifier.SequenceClassifier": Model,
    "gatelab.trackers.wandb.WandbTracker": WandbOptions,
    "gatelab.trackers.tensorboard.TensorboardTracker": Targeted,
    "gatelab.trackers.mlflow.MlflowTracker": MlflowOptions,
}

# The package that a tracker needs is the optional dependency of the same name.
OPTIONAL = {
    "gatelab.trackers.tensorboard.TensorboardTracker": "tensorboard",
    "gatelab.trackers.mlflow.MlflowTracker": "mlflow",
}


def check_config(config: dict[str, Any]) -> None:
    """Raise ConfigError for unknown keys, impossible values and missing packages, every one named with its full key."""
    problems = _problems(Config, config, "")
    trackers = config.get("tracker")
    groups = {group: config.get(group) for group in ("data", "encoder", "model")}
    groups |= {f"tracker.{name}": values for name, values in trackers.items()} if isinstance(trackers, dict) else {}
    for group, values in groups.items():
        target = values.get("_target_", "") if isinstance(values, dict) else ""
        if target in KNOWN:
            problems += _problems(KNOWN[target], values, f"{group}.")
        package = OPTIONAL.get(target)
        if package is not None and find_spec(package) is None:
            problems.append(f"{group} needs {package}: pip install 'gatelab[{package}]'.")
    if problems:
        raise ConfigError("\n".join(problems))


def _problems(schema: type[BaseModel], values: Any, prefix: str) -> list[str]:
    try:
        schema.model_validate(values)
    except ValidationError as error:
        return list(dict.fromkeys(_explain(problem, values, prefix) for problem in error.errors()))
    return []


def _explain(problem: Any, values: Any, prefix: str) -> str:
    parts = [str(part) for part in problem["loc"]]
    known = flatten(values)
    while len(parts) > 1 and ".".join(parts) not in known and problem["type"] != "missing":
        parts.pop()  # the alternatives of a union and the items of a list are no keys
    key = prefix + ".".join(parts)
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key.{did_you_mean(key, [prefix + k for k in known if prefix + k != key])}"
    if problem["type"] == "missing":
        return f"{key}: is missing." + (" tracker=none is without." if key == "tracker" else "")
    if problem["type"] == "model_type":
        return f"{key}={problem['input']}: is no group of keys."
    if problem["type"] == "value_error":
        return f"{key.rstrip('.')}: {problem['ctx']['error']}."
    return f"{key}={problem['input']}: {problem['msg'][0].lower()}{problem['msg'][1:]}."
