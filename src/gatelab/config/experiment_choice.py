"""The experiment that a command chooses, checked before its first run, and its quick mode."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gatelab.config.experiment import Experiment, check_experiment, find_experiment, read_experiment, wheres
from gatelab.errors import ConfigError, suggest_key

QUICK = re.compile(r"\+{0,2}quick=true", re.IGNORECASE)
SUFFIX = "_quick"  # of the name under which quick runs are kept, apart from those of the experiment


def chosen_experiment(words: Sequence[str]) -> str | None:
    """NAME of experiments=NAME among the overrides; None for none or several."""
    found = [word.partition("=")[2] for word in words if word.startswith("experiments=")]
    return found[-1] if found and re.fullmatch(r"[\w-]+", found[-1]) else None


def check_chosen(
    words: Sequence[str], folders: Iterable[Path], known: Iterable[str], choices: Callable[[str], list[str]]
) -> None:
    """Raise ConfigError for all that is wrong in what the chosen experiment states. known: the keys of a config; choices: those of a
    group, none of what is no group."""
    name = chosen_experiment(words)
    file = None if name is None else find_experiment(name, folders)
    if file is None:
        return
    values = read_experiment(file)
    problems = check_experiment(values, known)
    if not problems:
        for place, where in wheres(Experiment.model_validate(values)):
            for group, choice in where.items():
                there = choices(group)
                if there and choice not in there:
                    problems.append(
                        f"experiment.{place}: {group}={choice}: no such choice.{suggest_key(str(choice), there)}"
                    )
    if problems:
        raise ConfigError("\n".join(f"{file}: {problem}" for problem in problems))


def with_quick(words: Sequence[str], folders: Iterable[Path]) -> list[str]:
    """The overrides, for quick=true with those of the experiment's quick mode that are not given, and a name of its own. Raises
    ConfigError where there is none."""
    if not any(map(QUICK.fullmatch, words)):
        return list(words)
    name = chosen_experiment(words)
    file = None if name is None else find_experiment(name, folders)
    if file is None:
        raise ConfigError("quick=true: is a mode of an experiment: gatelab train experiments=NAME +quick=true.")
    quick = Experiment.model_validate(read_experiment(file)).quick
    if not quick:
        raise ConfigError(
            f"quick=true: {file} has no experiment.quick, a list of overrides with which it takes minutes."
        )
    own = [word for word in words if not QUICK.fullmatch(word)]
    given = {key_of(word) for word in own}
    added = [word for word in (f"name={name}{SUFFIX}", *quick) if key_of(word) not in given]
    return [*own, *added, "+quick=true"]


def key_of(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
