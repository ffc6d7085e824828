"""What run.json holds where it holds it: whoever reads it meets no value of another kind, and no null."""

from collections.abc import Callable
from typing import Any

TEXT, COUNT, NUMBER = "a text", "a whole number", "a number"
KINDS: dict[str, Callable[[Any], bool]] = {
    TEXT: lambda value: isinstance(value, str),
    COUNT: lambda value: type(value) is int and abs(value) < 2**63,
    NUMBER: lambda value: type(value) in (int, float) and abs(value) < 1e300,
}
EVERY = "*"  # key of a mapping
METRICS = {"per_class": {EVERY: {}}, "confusion_matrix": [[NUMBER]]}
RECORD = {
    **dict.fromkeys(("status", "started", "name", "identity", "error", "directory"), TEXT),
    **dict.fromkeys(("job", "jobs", "process", "epochs", "steps", "parameters"), COUNT),
    "seconds": NUMBER,
    "resumed": [TEXT],
    "command": [TEXT],
    "choices": {EVERY: TEXT},
    "changed": {},
    "data": {"sha256": {EVERY: [TEXT]}, "files": [TEXT], "classes": [TEXT], "split_sizes": {EVERY: COUNT}},
    "metrics": METRICS,
    "baselines": {EVERY: METRICS},
    "best_validation": {},
    "code": {EVERY: TEXT},
    "versions": {EVERY: TEXT},
    "trackers": {EVERY: {"look": [TEXT]}},
    "git": {},
    "hardware": {},
    "resources": {},
}


def shaped(value: Any, shape: Any = RECORD) -> Any:
    """A copy of value in which what is null or of another kind is not there, so that it hides no run; None where all of it is."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return None
        kept = {
            key: one if (inner := shape.get(key, shape.get(EVERY))) is None else shaped(one, inner)
            for key, one in value.items()
        }
        return {key: one for key, one in kept.items() if one is not None or (key not in shape and EVERY not in shape)}
    if isinstance(shape, list):
        found = [shaped(one, shape[0]) for one in value] if isinstance(value, list) else [None]
        return None if any(one is None for one in found) else found
    return value if KINDS[shape](value) else None
