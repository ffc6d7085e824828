"""Ten hex digits that name a run: a hash of what can change its result."""

import hashlib
import json
from typing import Any

# What only says where things are written or read, or how they are shown.
OUTSIDE = (
    "name",
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
    "data.cache_dir",
    "data.path",
    "data.validation_path",
    "data.test_path",
    "data.url",
    "trainer.log_every_n_steps",
)
FORMAT = 1  # raised when the same config no longer gives the same numbers


def identity_of(config: dict[str, Any], data_content: Any) -> str:
    """The identity of a resolved config whose data files have the given content (sha256 digests, part by part)."""
    inside = {key: value for key, value in flatten(config).items() if not key_in(key, OUTSIDE)}
    plain = json.dumps([FORMAT, inside, data_content], sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()[:10]


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
