"""Errors that a user can fix: each is shown as one paragraph, without a traceback."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Says what is wrong, where (file, line, column or key), and what to do."""


class ConfigError(UserError):
    """Names the config key that is wrong, what was expected, and the nearest right one."""


class DataError(UserError):
    """Names the file, line or column that is wrong, what was expected, and what to do."""


class BackendError(UserError):
    """The backend that was asked for by name cannot compute this cell here."""


class CellError(UserError):
    """A cell whose equations cannot be computed: names the method and line at fault and what to do."""


class RunError(UserError):
    """A run that cannot be found, started or read."""


class UnknownName(RunError):
    """What no run of a comparison has. option: by, metric or reference; given: the name that was given to it; near: the nearest that there is."""

    def __init__(self, option: str, given: str, reason: str, known: Iterable[str], listed: str = "") -> None:
        known = list(known)
        self.option, self.given, self.near = option, given, next(iter(near_keys(given, known)), None)
        super().__init__(f"--{option} {given}: {reason}.{suggest_key(given, known)}{listed}")


class RunStopped(RunError):
    """Stopped by its environment, such as a full disk: the same command resumes it from the last checkpoint."""


class RunningElsewhere(RunError):
    """Another process holds the lock of the run."""


class Interrupted(SystemExit):
    """A signal asked the run to stop, and it is saved."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(self.exit_code)


class Pruned(Exception):
    """A search has stopped the run early, since others do better."""


def suggest_key(key: str, keys: Iterable[str]) -> str:
    """A sentence that proposes the nearest key, or the keys that end in the given one; empty when none is near."""
    near = near_keys(key, keys)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def near_keys(key: str, keys: Iterable[str]) -> list[str]:
    """The first three that end in the given one, else the nearest, if one is near."""
    keys = list(keys)
    same_end = [known for known in keys if known.endswith("." + key)]
    return same_end[:3] or difflib.get_close_matches(key, keys, n=1, cutoff=0.6)


def did_you_mean(key: str, keys: Iterable[str], cutoff: float = 0.6) -> str:
    near = difflib.get_close_matches(key, list(keys), n=1, cutoff=cutoff)
    return f" Did you mean {near[0]}?" if near else ""
