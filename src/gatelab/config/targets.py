"""What a ``_target_`` may build, so that a config from somebody else can be run without running whatever it names.

Inside torch, pytorch_lightning, torchmetrics and gatelab: classes of the kind that the config group is for. Inside the modules
that the user lists in allow_targets: whatever these modules define. Checked before anything is called, by name and by
what the name leads to, so that an alias of os.system is os.system.
"""

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from gatelab.errors import ConfigError, did_you_mean

ROOTS = ("torch", "pytorch_lightning", "torchmetrics", "gatelab")


def check_targets(config: dict[str, Any], allow_targets: Sequence[str] = ()) -> None:
    """Raise ConfigError for the first ``_target_`` anywhere in config that may not be built."""
    for module in allow_targets:
        if module.split(".")[0] in sys.stdlib_module_names:
            raise ConfigError(f"allow_targets: {module} is part of Python itself. List modules of your own only.")
    if allow_targets:
        find_own_modules()
    for group, values in config.items():
        if any(find_targets(values)) and (found := re.search(r"\$\{[^}]*\}?", str(values))):
            raise ConfigError(
                f"{group}: holds {found[0]}, which would be resolved to anything at all. Write the value itself."
            )
    for key, target in find_targets(config):
        check_target(key, target, allow_targets)


def find_own_modules() -> None:
    """Let the modules of the working folder be imported. Until the user names one, nothing in that folder is."""
    if (folder := os.getcwd()) not in sys.path:
        sys.path.append(folder)


def find_targets(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The full key of every ``_target_``, in mappings and lists alike, and what it names."""
    items = (
        config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, (list, tuple)) else ()
    )
    for key, value in items:
        if key == "_target_":
            yield f"{prefix}_target_", value
        yield from find_targets(value, f"{prefix}{key}.")


def check_target(key: str, target: Any, allow_targets: Sequence[str] = ()) -> None:
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        raise ConfigError(f"{key}={target}: is no name of a class. Give one with its module, such as torch.optim.Adam.")
    if not is_inside(target, (*ROOTS, *allow_targets)):
        own = target.split(".")[0]
        raise ConfigError(
            f"{key}={target}: only what is inside {', '.join(ROOTS)} may be built. If {own} is a module of your own that you "
            f"trust: allow_targets=[{own}], or --allow-targets {own} where a finished run is used."
        )
    found = locate(key, target)
    defined_in = str(getattr(found, "__module__", None))
    if is_inside(defined_in, allow_targets):
        return
    if not is_inside(defined_in, ROOTS):
        raise ConfigError(
            f"{key}={target}: is {getattr(found, '__qualname__', found)} of {defined_in}, which may not be built."
        )
    kinds = kinds_of(key)
    if not (isinstance(found, type) and issubclass(found, kinds)):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"{key}={target}: is no {names}, which is what this key builds.")


def kinds_of(key: str) -> tuple[type, ...]:
    """The classes of which what stands at key must be one."""
    import pytorch_lightning as pl
    import torch
    import torchmetrics
    from pytorch_lightning.loggers import Logger
    from pytorch_lightning.profilers import Profiler
    from pytorch_lightning.strategies import Strategy

    from gatelab.recurrent import Cell
    from gatelab.trackers.tracker import Tracker

    by_group: dict[str, type] = {
        "data": pl.LightningDataModule,
        "encoder": torch.nn.Module,
        "model": pl.LightningModule,
        "optimizer": torch.optim.Optimizer,
        "trainer": pl.Trainer,
    }
    group, *rest = key.split(".")
    if rest == ["_target_"] and group in by_group:
        return (by_group[group],)
    if key == "encoder.cell._target_":
        return (Cell,)
    if group == "callbacks" and len(rest) == 2:
        return (pl.Callback,)
    if group == "tracker" and len(rest) == 2:
        return (Tracker, Logger)
    parts = (torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)
    return (*parts, torchmetrics.Metric, pl.Callback, Logger, Profiler, Strategy)


def locate(key: str, target: str) -> Any:
    """What a dotted name leads to, as Hydra looks it up. Imports nothing but modules of that name."""
    first, *rest = target.split(".")
    path = first
    try:
        found: Any = importlib.import_module(first)
        for part in rest:
            path = f"{path}.{part}"
            if not hasattr(found, part):
                importlib.import_module(path)
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        problem = str(error)
        if isinstance(error, ModuleNotFoundError) and path != first and is_inside(path, [str(error.name)]):
            problem = f"{path.rpartition('.')[0]} has no {part}.{did_you_mean(part, vars(found))}"
        stop = "" if problem.endswith("?") else "."
        raise ConfigError(f"{key}={target}: cannot be found: {problem.rstrip('.')}{stop}") from None
    return found


def is_inside(name: str, modules: Sequence[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)
