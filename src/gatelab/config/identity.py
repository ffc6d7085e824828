"""Ten hex digits that name a run: a hash of what can change its result."""

import hashlib
import json
from typing import Any

# Whose value is the path of a file, or a list of paths: the place is outside, the content inside (config/inputs.py).
FILES = ("model.vectors", "data.tokenizer.file", "from")
# What only says where things are written or read, or how they are shown.
OUTSIDE = (
    "name",
    "note",
    "tags",
    "output_dir",
    "force",
    "retry",
    "checkpoint_minutes",
    "checkpoint_epochs",
    "search",
    "report",
    "allow_targets",
    "tracker",
    "experiments",
    "experiment",
    "quick",
    "data.cache_dir",
    "data.cache_gib",
    "data.max_unpacking",
    "data.path",
    "data.validation_path",
    "data.test_path",
    "data.url",
    *FILES,
    "trainer.log_every_n_steps",
)
# Classes by their module now; recorded configs name them by the module that they have left.
MOVED = {
    "gatelab.learning.classifier.SequenceClassifier": "gatelab.tasks.classification.classifier.SequenceClassifier",
    **{
        f"gatelab.runs.trackers.{name}": f"gatelab.trackers.{name}"
        for name in ("wandb.WandbTracker", "tensorboard.TensorboardTracker", "mlflow.MlflowTracker")
    },
}
# What these keys held before configs had a monitor, and so what null stands for in an identity.
WITHOUT_MONITOR = {"callbacks.early_stopping.monitor": "validation/macro_f1", "callbacks.early_stopping.mode": "max"}
# Null is as if the key were not there, as in configs from before it.
YOUNGER = (
    "monitor", "data.header", "data.columns", "data.label_separator", "data.split.folds", "data.split.fold", "data.split.column",
    "data.sampling",
)  # fmt: skip
FORMAT = 1  # raised when the same config no longer gives the same numbers


def identity_of(config: dict[str, Any], content: Any) -> str:
    """The identity of a resolved config. content: the sha256 digests of its data, part by part, and of what FILES name, by key."""
    inside = {key: value for key, value in flatten(config).items() if not key_in(key, OUTSIDE)}
    inside |= {key: value for key, value in WITHOUT_MONITOR.items() if key in inside and inside[key] is None}
    inside = {key: value for key, value in inside.items() if value is not None or key not in YOUNGER}
    if "model.vectors" in content:
        inside.pop("model.embedding_size", None)  # that of the vectors, or the run is refused
    first_names = {now: then for then, now in MOVED.items()}  # a class that moves names no other run
    inside = {
        key: first_names.get(value, value) if key.endswith("_target_") else value for key, value in inside.items()
    }
    plain = json.dumps([FORMAT, inside, content], sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()[:10]


def at_home(config: Any) -> Any:
    """A recorded config, nested or flat, with every ``_target_`` where it is defined now."""
    if isinstance(config, dict):
        return {
            key: MOVED.get(value, value) if str(key).endswith("_target_") and isinstance(value, str) else at_home(value)
            for key, value in config.items()
        }
    return [at_home(value) for value in config] if isinstance(config, list) else config


def key_in(key: str, keys: tuple[str, ...]) -> bool:
    return any(key == outside or key.startswith(outside + ".") for outside in keys)


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}; lists stay values, and so do empty mappings."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
