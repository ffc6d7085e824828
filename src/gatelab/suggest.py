"""The near one for a name that is not known."""

import difflib
from collections.abc import Iterable


def suggest_key(key: str, keys: Iterable[str]) -> str:
    """A sentence that proposes the nearest key, or the keys that end in the given one; empty when none is near."""
    keys = list(keys)
    same_end = [known for known in keys if known.endswith("." + key)]
    if same_end:
        return f" Did you mean {' or '.join(same_end[:3])}?"
    return did_you_mean(key, keys)


def did_you_mean(key: str, keys: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(keys), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""
