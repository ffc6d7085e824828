"""The keys of a config group, from the signature of what its ``_target_`` names."""

import inspect
from collections.abc import Iterator
from typing import Any, Optional

from pydantic import ConfigDict, TypeAdapter
from typing_extensions import NotRequired, TypedDict

from gatelab.annotations import PASSED, ArgumentsOf
from gatelab.config.targets import find_targets

# The argument that every class of a group is passed. What a task passes besides is annotated as Passed.
PASSED_TO = {"encoder": "input_size", "model": "encoder", "optimizer": "params", "tracker": "run"}


def schema_of(group: str, target: Any, values: dict[str, Any]) -> type:
    """A TypedDict for values: those of a group such as encoder or tracker.wandb, whose ``_target_`` leads to target.

    It allows the constructor's arguments, and other keys only where the constructor takes ``**more``. Any value is allowed
    for an argument that has no annotation, or none that pydantic knows, and for a value that is built from a ``_target_``.
    """
    keys: dict[str, Any] = {"_target_": str, "_recursive_": NotRequired[bool]}  # the latter is Hydra's
    extra = False
    for argument in arguments_of(target):
        name, hint = argument.name, argument.annotation
        if argument.kind is argument.VAR_KEYWORD:
            extra = True
        elif name != PASSED_TO.get(group.split(".")[0]) and PASSED not in getattr(hint, "__metadata__", ()):
            if not is_known(hint) or any(find_targets({name: values.get(name)})):
                hint = Any
            elif argument.default is None:
                hint = Optional[hint]  # noqa: UP045 -- also of None
            keys.setdefault(name, hint if argument.default is argument.empty else NotRequired[hint])
    return typed_dict(keys, extra)


def arguments_of(target: Any) -> Iterator[inspect.Parameter]:
    """Those that can be given by name, and a VAR_KEYWORD where any other can."""
    try:
        signature = inspect.signature(target, eval_str=True)
    except Exception:  # an annotation may stand in quotes, and raise anything
        try:
            signature = inspect.signature(target)
        except (TypeError, ValueError):  # of what is not written in Python
            signature = inspect.signature(lambda **_: None)
    for argument in signature.parameters.values():
        others = [more for more in getattr(argument.annotation, "__metadata__", ()) if isinstance(more, ArgumentsOf)]
        if others:
            for other in others:
                yield from (more for more in arguments_of(other.target) if more.name not in other.without)
        elif argument.kind not in (argument.POSITIONAL_ONLY, argument.VAR_POSITIONAL):
            yield argument


def is_known(hint: Any) -> bool:
    try:
        return hint is not inspect.Parameter.empty and TypeAdapter(typed_dict({"key": hint})).pydantic_complete
    except Exception:  # pydantic's own, of several types, and what the annotation itself raises
        return False


def typed_dict(keys: dict[str, Any], extra: bool = False) -> type:
    found = TypedDict("found", keys)  # type: ignore[misc]
    config = ConfigDict(extra="allow" if extra else "forbid", arbitrary_types_allowed=True)
    found.__pydantic_config__ = config  # type: ignore[attr-defined]
    return found
