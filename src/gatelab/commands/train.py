"""gatelab train and Hydra: run the overrides, explain those that are wrong, complete those half typed."""

import argparse
import contextlib
import io
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gatelab.config.choices import num_jobs
from gatelab.config.config_files import read_config_file
from gatelab.config.experiment_choice import check_chosen, with_quick
from gatelab.config.identity import flatten
from gatelab.config.model_choice import register_model_choice
from gatelab.config.schema import CONF_DIR, EXPERIMENT_DIRS, KEYS
from gatelab.config.trusted_loader import trusting
from gatelab.errors import ConfigError, Interrupted, RunningElsewhere, suggest_key
from gatelab.runs.folder import RunFolder
from gatelab.runs.secrets import redact_text
from gatelab.runs.shell import command, command_on
from gatelab.screen import console, is_user_error, sentence_of, show_error, styled, visible
from gatelab.sweeps.outcome import (
    INTERRUPTED,
    OUTCOMES,
    Outcome,
    given_by_user,
    interrupted_line,
    job_title,
    summary_lines,
)

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

# What users of other templates type.
MEANT = {
    "logger": "tracker", "debug": "trainer=smoke", "epochs": "trainer.max_epochs", "num_epochs": "trainer.max_epochs",
    "learning_rate": "optimizer.lr", "experiment": "experiments",
    "ckpt_path": "from",
}  # fmt: skip
VALUED = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p", "--cfg", "-c")
PRINTED_BY_HYDRA = ("--help", "--hydra-help", "--cfg", "--info", "--version")
PROFILE_LINES = 12


def run_hydra(overrides: list[str]) -> int:
    """Compose and run, once or as a multirun. Returns the exit code: 0, 1 a run failed, 2 the user's mistake."""
    import hydra

    from gatelab.commands.report import report_sweeps

    overrides = roots_as_overrides(overrides)
    overrides = [re.sub(r"^\+?experiments?=(?=[\w-]+$)(?!null$)", "experiments=", word) for word in overrides]
    overrides = [re.sub(r"^\+(?=(note|tags)=)", "", word) for word in overrides]  # which are keys of every config
    refuse(overrides)
    given, overrides = overrides, with_quick(overrides, EXPERIMENT_DIRS)
    register_experiments()
    OUTCOMES.clear()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us as they are, to be explained here
    ordered = flags_first(overrides)
    if not folders_given(overrides):
        ordered += [f"--config-dir={folder}" for folder in config_folders(overrides)[1:]]
    arguments, sys.argv = sys.argv, ["gatelab", *ordered]
    try:
        with explained(overrides), unchecked_help(), trusting(given), printed_as_text(overrides):
            hydra.main(version_base="1.3", config_path=str(CONF_DIR.resolve()), config_name="train")(job)()
    except KeyboardInterrupt:  # outside any job
        console.print(INTERRUPTED)
        raise
    finally:
        sys.argv = arguments
    if len(OUTCOMES) == 1:
        return OUTCOMES[0].code
    for line in summary_lines(OUTCOMES) if OUTCOMES else ():
        console.print(line, soft_wrap=True)
    report_sweeps(OUTCOMES)
    return int(any(outcome.code for outcome in OUTCOMES))


def roots_as_overrides(words: list[str]) -> list[str]:
    """The words with --output-dir, which all other commands have, as the override that Hydra knows."""
    found, left = list[str](), iter(words)
    for word in left:
        option, equals, value = word.partition("=")
        if option != "--output-dir":
            found.append(word)
        elif root := value if equals else next(left, ""):
            found.append(root_override(root))
        else:
            raise ConfigError("--output-dir needs a folder.")
    return found


def root_override(root: str | Path) -> str:
    is_plain = re.fullmatch(r"[\w./-]+", str(root))
    return f"output_dir={root if is_plain else in_quotes(str(root))}"


def refuse(overrides: list[str]) -> None:
    """Raise ConfigError for what Hydra has no sentence for, or would do wrong."""
    refuse_no_name(overrides)
    refuse_folders(overrides)
    refuse_two_sweeps(overrides)
    check_chosen(overrides, EXPERIMENT_DIRS, KEYS, partial(choices_of, words=overrides))
    refuse_unquoted(overrides)
    refuse_pickles(overrides)


@contextlib.contextmanager
def explained(overrides: list[str]) -> Iterator[None]:
    """Raise ConfigError in place of what Hydra raises for overrides that do not fit."""
    from hydra.errors import HydraException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(str(error) or str(error.__cause__), overrides)) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"a config is no YAML in UTF-8: {' '.join(str(error).split())}.") from None
    except ValueError as error:  # Hydra's too, of a group that no folder of configs has choices for
        if not str(error).startswith("Config group override"):
            raise
        raise ConfigError(f"{error}. Give the name of a choice.") from None


@contextlib.contextmanager
def printed_as_text(overrides: list[str]) -> Iterator[None]:
    """What Hydra prints by itself holds values of others: with controls made visible, once it is complete."""
    words = [text.partition("=")[0] for text in overrides]
    asked = [re.match("-[hi]$|-c($|job|hydra|all)", word) or is_flag_of_hydra(word) for word in words]
    if not any(asked):
        yield
        return
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        print(visible(printed.getvalue()), end="")


def is_flag_of_hydra(word: str) -> bool:
    """Also abbreviated, as argparse takes it."""
    return len(word) > 2 and any(flag.startswith(word) for flag in PRINTED_BY_HYDRA)


@contextlib.contextmanager
def unchecked_help() -> Iterator[None]:
    """Python 3.14 checks the help of an option when it is added, and that of one of Hydra 1.3's is no str."""
    owner: Any = argparse._ActionsContainer
    check = getattr(owner, "_check_help", None)
    if check is None:
        yield
        return
    owner._check_help = lambda *_: None
    try:
        yield
    finally:
        owner._check_help = check


def job(config: DictConfig) -> Outcome:
    """One job of Hydra's: train, and show how it ended. A failure of one job of a multirun does not end the others."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    if hydra.job.chdir:
        os.chdir(hydra.runtime.cwd)  # all paths are those of where the command was given; a run has its folder anyway
    in_sweep = hydra.mode == RunMode.MULTIRUN
    if in_sweep:
        title = job_title(hydra.job.num, num_jobs())
        given = given_by_user([redact_text(text) for text in hydra.overrides.task])
        console.print(styled(f"\n{title}", "bold"), f" {given}", soft_wrap=True)
    try:
        outcome = run_job(config, in_sweep)
    except (KeyboardInterrupt, SystemExit) as stopped:
        place = getattr(stopped, "run_folder", None)  # none before it is made
        line = INTERRUPTED if place is None else interrupted_line(place, config.name, config.output_dir)
        console.print(line, soft_wrap=True)
        if isinstance(stopped, KeyboardInterrupt):
            raise Interrupted(signal.SIGINT) from None
        raise
    if not in_sweep:
        OUTCOMES.append(outcome)  # of a multirun's jobs, which may run elsewhere, the sweeper does it
    return outcome


def run_job(config: DictConfig, in_sweep: bool) -> Outcome:
    from gatelab.training.run import train

    try:
        folder, trained = train(config, in_sweep)
    except Exception as error:
        sentence = redact_text(sentence_of(error))
        if not console.quiet and is_user_error(error):
            show_error(sentence)
        elif not console.quiet:
            import traceback

            print(visible(redact_text(traceback.format_exc())), file=sys.stderr)
        kind = "elsewhere" if isinstance(error, RunningElsewhere) else "failed"
        first_line = sentence.split("\n")[0] or type(error).__name__
        return Outcome(kind, 2 if is_user_error(error) else 1, first_line, str(getattr(error, "run_log", "")))
    record = folder.record
    about: dict[str, Any] = {
        "folder": str(folder.path),
        "metrics": record.numbers(),
        "monitor": record.monitor,
        "validation": record.best_validation,
        "symptoms": record.symptoms,
    }
    if record.status == "failed":
        error_before = record.error
        console.print(
            f"Run {folder.path.name} failed before: {error_before}. retry=failed tries it again.", soft_wrap=True
        )
        return Outcome("failed", 1, error_before.split("\n")[0], str(folder.error_log), **about)
    if record.status == "pruned":
        console.print(f"Run {folder.path.name} was pruned by its search after epoch {record.epochs}.")
        return Outcome("pruned", **about)
    show_result(folder, trained)
    return Outcome("done" if trained else "skipped", **about)


def show_result(folder: RunFolder, trained: bool) -> None:
    from gatelab.reports.pages.facts import calibration_fact
    from gatelab.reports.terminal.result import result_table

    if not trained:
        console.print(f"Run {folder.path.name} is already finished; this is its result. force=true runs it again.")
    if trained and folder.profiles:
        console.print("\n".join(profile_lines(folder.profiles[0])), soft_wrap=True)
    console.print(result_table(folder))
    record = folder.record
    if "validation" in record.lacks:
        console.print("weights     those of the last step: no epoch was validated")
    if said := calibration_fact(record):
        console.print(f"calibration {said}", soft_wrap=True)
    for clause in record.symptoms:
        console.print(styled("caution:", "yellow"), f"   {clause}", soft_wrap=True)
    console.print(f"run folder  {folder.path}", soft_wrap=True)
    if folder.report.exists():
        console.print(f"report      {folder.report}", soft_wrap=True)
    for file in folder.profiles:
        console.print(f"profile     {file}", soft_wrap=True)
    for tracker in record.trackers.values():
        for look in tracker.look:
            console.print(f"tracker     {look}", soft_wrap=True)
    for number, line in enumerate(commands_to_try(folder)):
        console.print(f"{'' if number else 'try it':<11} {line}", soft_wrap=True)


def commands_to_try(folder: RunFolder) -> list[str]:
    found = []
    if (folder.model / "config.json").exists():
        found = [command_on(folder, "generate")] if folder.language.exists() else []
        found += [command_on(folder, name, "a text") for name in ("predict", *["gates"] * folder.equations.exists())]
    return [*found, command("ui", "--open", output_dir=folder.path.parent.parent)]


def flags_first(words: list[str]) -> list[str]:
    """Hydra's parser wants its flags, and what they are given, before or after all overrides, not among them."""
    flags, others, left = list[str](), list[str](), iter(words)
    for word in left:
        (flags if word.startswith("-") else others).append(word)
        if word in VALUED:
            flags += [value for value in [next(left, None)] if value is not None]
    return [*flags, *others]


def profile_lines(file: Path) -> list[str]:
    """The beginning of a profiler's table, where the slowest stand."""
    lines = [line.rstrip() for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and set(line) != {"-"}][:PROFILE_LINES]


def folders_given(words: list[str]) -> list[str]:
    """What --config-dir names."""
    pairs = pairwise([*words, ""])
    return [word.partition("=")[2] or after for word, after in pairs if word.split("=")[0] in ("--config-dir", "-cd")]


def config_folders(words: list[str]) -> list[Path]:
    """That of gatelab's configs, and one of the user's own: --config-dir, else conf where they work."""
    own = Path(next(iter(folders_given(words)), "conf")).resolve()
    return [CONF_DIR, own] if own.is_dir() and own != CONF_DIR.resolve() else [CONF_DIR]


def choices_of(group: str, words: list[str]) -> list[str]:
    if group == "experiments":
        return sorted(file.stem for folder in EXPERIMENT_DIRS for file in folder.glob("*.yaml"))
    return sorted(
        file.stem for folder in config_folders(words) for file in (folder / group).glob("[!_]*.yaml") if file.is_file()
    )


def refuse_no_name(overrides: list[str]) -> None:
    """Raise ConfigError for a group that is set to null, a number or a mapping, for which Hydra has no sentence."""
    for text in overrides:
        override = parse(text)
        if override is None or (override.is_delete() and override.value() is None):
            continue
        if is_name(override.value()):
            continue
        if choices := choices_of(override.key_or_group, overrides):
            raise ConfigError(f"{text}: is no choice. There are: {', '.join(choices)}.")


def is_name(value: Any) -> bool:
    """Or several of them, at once or one a run."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob, QuotedString

    if isinstance(value, list | ChoiceSweep):
        return all(map(is_name, value if isinstance(value, list) else value.list))
    return isinstance(value, str | QuotedString | Glob)


@cache
def parse(text: str) -> "Override | None":
    """Nothing for what Hydra's grammar cannot read, as which it takes its own flags too."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    try:
        return OverridesParser.create().parse_override(text)
    except Exception:  # HydraException, and what its parser does not catch
        return None


def refuse_folders(overrides: list[str]) -> None:
    """Raise ConfigError for Hydra's folders of a run, in which nothing would be."""
    for text in overrides:
        key, _, folder = text.lstrip("+").partition("=")
        if key in ("hydra.run.dir", "hydra.sweep.subdir"):
            raise ConfigError(f"{key}={folder}: runs are in output_dir/name/identity. Set output_dir= or name=.")


def refuse_two_sweeps(overrides: list[str]) -> None:
    """Raise ConfigError for several experiments of which one sweeps: Hydra would take the sweep of none."""
    for text in overrides:
        key, _, value = text.partition("=")
        names = value.split(",")
        if key not in ("experiments", "experiment") or len(names) < 2:
            continue
        for name in names:
            files = [folder / f"{name}.yaml" for folder in EXPERIMENT_DIRS]
            loaded = next((read_config_file(file)[1] for file in files if file.is_file()), OmegaConf.create())
            if OmegaConf.select(loaded, "hydra.sweeper.params"):
                each = " ; ".join(f"gatelab train experiments={one}" for one in names)
                raise ConfigError(f"{text}: {name} has a sweep of its own, which runs only alone: {each}")


def refuse_unquoted(overrides: list[str]) -> None:
    """Raise ConfigError with the quoted form of an override that Hydra's grammar cannot read without quotes."""
    for text in overrides:
        key, equals, value = text.partition("=")
        if text.startswith("-") or not equals or parse(text):
            continue
        quoted = f"{key}={in_quotes(value)}"
        if parse(quoted):
            raise ConfigError(
                f"{text}: cannot be read. If its value is meant as it stands, quote it: {shlex.quote(quoted)}"
            )


def refuse_pickles(overrides: list[str]) -> None:
    """Raise ConfigError for Hydra's --experimental-rerun, also abbreviated: it runs whatever a pickle holds."""
    for text in overrides:
        if len(text) > 2 and "--experimental-rerun".startswith(text.split("=")[0]):
            raise ConfigError(f"{text}: reads a pickle, which can run anything. gatelab reproduce RUN repeats a run.")


def in_quotes(value: str) -> str:
    """As Hydra reads it back: a backslash is one, unless a quote follows."""
    quote = "'" if '"' in value and "'" not in value else '"'
    escaped = re.sub(rf"(\\*)({quote}|$)", lambda found: found[1] * 2 + ("\\" if found[2] else "") + found[2], value)
    return f"{quote}{escaped}{quote}"


def register_experiments() -> None:
    """Make every YAML in experiments/ a choice of the group experiments, over all of the config."""
    from hydra.core.config_store import ConfigStore

    register_model_choice()

    store = ConfigStore.instance()
    for folder in EXPERIMENT_DIRS:
        for file in sorted(folder.glob("*.yaml")):
            try:
                node: Any = OmegaConf.load(file)
            except (YAMLError, UnicodeDecodeError, RecursionError, OmegaConfBaseException) as error:
                raise ConfigError(f"{file}: is no YAML of a config in UTF-8: {' '.join(str(error).split())}.") from None
            store.store(name=file.stem, node=node, group="experiments", package="_global_", provider=str(file))


def explain(message: str, overrides: list[str]) -> str:
    """Hydra's message in one paragraph, with the nearest key or choice."""
    if "full_key: " in message:  # OmegaConf's, of an interpolation that Hydra itself resolves
        given = next((text for text in overrides if "${" in text), message.partition("full_key: ")[2].split()[0])
        return f"{given}: {message.splitlines()[0].rstrip('.')}."
    override = re.search(r"Could not override '([^']+)'", message)
    if override:
        key = override[1].lstrip("+~")
        group, *rest = key.split(".")
        is_tracker = group == "tracker" and len(rest) > 1 and (CONF_DIR / group / f"{rest[0]}.yaml").exists()
        if is_tracker and not any(known.startswith(f"tracker.{rest[0]}.") for known in known_keys(overrides)):
            other = "mlflow" if rest[0] == "wandb" else "wandb"
            return f"{key}: tracker={rest[0]} is not chosen. For it and another: 'tracker=[{other},{rest[0]}]'."
        others = choices_with(group, ".".join(rest))
        if others:
            listed = " or ".join(f"{group}={name}" for name in others[:3])
            return f"{key}: is no key of the chosen {group}=. Choose one that has it: {listed}."
        return f"{key}: unknown key.{near_key(key, overrides)} gatelab train --cfg job shows all of them."
    choice = re.search(r"Could not (?:find|load) '([^']+)'", message)
    if choice:
        group, _, name = choice[1].rpartition("/")
        options = choices_of(group, overrides)
        others = [folder.name for folder in CONF_DIR.iterdir() if name in choices_of(folder.name, overrides)]
        near = f" Did you mean {others[0]}={name}?" if others else suggest_key(name, options)
        return f"{group}={name}: no such choice.{near} There are: {', '.join(options)}."
    group_key = re.search(r"override '([^']+)'", message) or re.search(r"In '[^']*': (.+)", message)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if group_key and "No match in the defaults list" in message:
        key = group_key[1]
        return f"{key}: unknown key or group.{near_key(key, overrides)}"
    return " ".join(lines)


def choices_with(group: str, key: str) -> list[str]:
    """The choices of a group whose own file has a key."""
    files = sorted((CONF_DIR / group).glob("[!_]*.yaml"))
    return [file.stem for file in files if key in flatten(OmegaConf.to_container(OmegaConf.load(file)))]  # type: ignore[arg-type]


def near_key(key: str, overrides: list[str]) -> str:
    return f" Did you mean {MEANT[key]}?" if key in MEANT else suggest_key(key, known_keys(overrides))


def known_keys(overrides: list[str]) -> list[str]:
    """Every key of the config that the overrides' group choices compose."""
    groups = {folder.name for folder in CONF_DIR.iterdir() if folder.is_dir()}
    choices = [text for text in overrides if text.split("=")[0] in groups and re.fullmatch(r"\w+=[\w-]+", text)]
    composed = compose(choices, config_folders(overrides)[1:])
    return list(flatten(OmegaConf.to_container(composed))) + sorted(groups)  # type: ignore[arg-type]


def compose(overrides: list[str] | None = None, folders: Sequence[Path] = ()) -> DictConfig:
    """The config that gatelab train would run, for tests and notebooks. folders: with more configs."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register_experiments()
    GlobalHydra.instance().clear()
    with trusting(overrides or []), initialize_config_dir(str(Path(CONF_DIR).resolve()), version_base="1.3"):
        searched = ", ".join(f'"file://{folder}"' for folder in folders)
        return hydra_compose(
            "train", overrides=[*(overrides or []), *([f"hydra.searchpath=[{searched}]"] if folders else [])]
        )


def completions(incomplete: str) -> list[str]:
    """What the override being typed could become: groups and keys, or the choices after a group's =."""
    key, equals, value = incomplete.partition("=")
    if equals:
        before, last = re.fullmatch(r"(\[(?:\w+,)*)?(.*)", value, re.DOTALL).groups("")  # type: ignore[union-attr]
        return [f"{key}={before}{name}" for name in choices_of(key, []) if name.startswith(last)]
    return [f"{known}=" for known in sorted(set(known_keys([]))) if known.startswith(key)]
