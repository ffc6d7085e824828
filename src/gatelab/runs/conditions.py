"""What differs between the conditions under which a run began and those under which it resumes: its numbers may differ for it."""

from typing import Any

from gatelab.runs.record import RunRecord
from gatelab.runs.secrets import redact

MAX_NAMED = 6


def changed_conditions(before: RunRecord, now: dict[str, Any]) -> list[str]:
    """Of code, packages and hardware, such as "threads 2 → 1". now: as run.json is to say it from now on."""
    now = redact(now)  # as the record is: a package may be named like a secret
    then, hardware = before.hardware, now["hardware"]
    pairs = [(f"code of {name}", digest, now["code"].get(name)) for name, digest in before.code.items()]
    pairs += [(name, version, now["versions"].get(name)) for name, version in before.versions.items()]
    if then is not None:
        pairs += [(key, getattr(then, key), hardware.get(key)) for key in ("processor", "threads")]
        pairs.append(("gpus", ", ".join(then.gpus) or "none", ", ".join(hardware.get("gpus", ())) or "none"))
    changed = [f"{what} {short(was)} → {short(value)}" for what, was, value in pairs if was and was != value]
    return changed[:MAX_NAMED] + ([f"and {len(changed) - MAX_NAMED} more"] if len(changed) > MAX_NAMED else [])


def short(value: Any) -> str:
    """A digest by its first digits."""
    text = "none" if value is None else str(value)
    return text[:8] if len(text) == 64 and text.isalnum() else text
