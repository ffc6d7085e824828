"""A search: trials that Optuna proposes, kept in storage, so that a search that died resumes where it was.

gatelab train -m hydra/sweeper=optuna name=search 'optimizer.lr=tag(log,interval(1e-4,1e-1))' 'encoder.hidden_size=choice(32,64,128)'
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
import pytorch_lightning as pl
from filelock import Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from gatelab.errors import ConfigError, Pruned, RunError
from gatelab.files import lock_of
from gatelab.runs.metrics import SELECTED, is_lower_better
from gatelab.screen import console, decimal
from gatelab.sweeps.outcome import Outcome

SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}
PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}
Launch = Callable[[Sequence[list[str]], int], list[Outcome]]


class SearchError(ConfigError):
    """A search that cannot be made from its settings."""


class Search:
    """num_trials in all, at_once at a time; the settings are those of conf/hydra/sweeper/optuna.yaml.

    monitor: gives the selection metric, without validation/, of the run with a trial's overrides; used where metric is None.
    """

    def __init__(
        self, *, folder: Path, space: Sequence[Any], num_trials: int, at_once: int, metric: str | None,
        direction: Literal["maximize", "minimize"] | None,
        sampler: str, pruner: str, seed: int, study: str, storage: str | None, monitor: Callable[[list[str]], str],
    ) -> None:  # fmt: skip
        for key, value, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
            if value not in known:
                raise SearchError(f"hydra.sweeper.{key}={value}: must be one of {', '.join(known)}.")
        if direction not in (None, "maximize", "minimize"):
            raise SearchError(f"hydra.sweeper.direction={direction}: must be maximize or minimize.")
        if metric is not None and not metric.startswith("validation/"):
            raise SearchError(f"hydra.sweeper.metric={metric}: a search looks at validation/… only, never at the test.")
        if not space:
            raise SearchError(
                "there is nothing to search: give a key a range, such as 'optimizer.lr=interval(1e-4,1e-1)'."
            )
        self.folder, self.num_trials, self.at_once = folder, num_trials, at_once
        self.given_direction, self.sampler, self.pruner, self.seed, self.name = direction, sampler, pruner, seed, study
        self.space = {override.get_key_element(): distribution_of(override) for override in space}
        first = [f"{key}={first_of(values)}" for key, values in self.space.items()]
        self.metric, self.names_metric = metric or f"validation/{monitor(first)}", metric is not None
        self.storage = storage or str((folder / "search.journal").absolute())

    def run(self, launch: Launch) -> Iterator[Outcome]:
        """Launch what is missing; yields the outcome of each trial that was run now."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "search", self.name):
            mend_journal(self.storage)
            study = optuna.create_study(
                storage=open_storage(self.storage), study_name=self.name, direction=self.direction, load_if_exists=True
            )
            self.check_metric(study)
            self.check_space(study)
            # We hold the lock, so a trial marked as running was cut off: it is resumed, and so is its run.
            unfinished = [trial for trial in study.trials if trial.state == TrialState.RUNNING]
            if study.trials:
                console.print(
                    f"search {self.name}: {len(study.trials) - len(unfinished)} of {self.num_trials} trials are done"
                )
            while True:
                batch = [optuna.Trial(study, trial._trial_id) for trial in unfinished[: self.at_once]]
                unfinished = unfinished[len(batch) :]
                while len(batch) < self.at_once and len(study.trials) < self.num_trials:
                    # Seeded by the trial's number, so a search that was cut off proposes what it would have proposed.
                    study.sampler = SAMPLERS[self.sampler](self.seed + len(study.trials))
                    batch.append(study.ask(self.space))
                if not batch:
                    break
                outcomes = launch([self.overrides(trial) for trial in batch], batch[0].number)
                for trial, outcome in zip(batch, outcomes, strict=True):
                    self.record(study, trial, outcome)
                    yield outcome
            report(study)

    def overrides(self, trial: optuna.Trial) -> list[str]:
        chosen = [f"{key}={value}" for key, value in trial.params.items()]
        belongs = {
            "storage": self.storage,
            "study": self.name,
            "trial": trial._trial_id,
            "metric": self.metric,
            "pruner": self.pruner,
        }
        return chosen + [
            f"++search.{key}='{value}'" if isinstance(value, str) else f"++search.{key}={value}"
            for key, value in belongs.items()
        ]

    def record(self, study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
        if outcome.kind in ("done", "skipped"):
            name = self.metric.removeprefix("validation/")
            if not outcome.validation:
                raise SearchError(f"a search compares validations, and the run {outcome.folder} had none.")
            if name not in outcome.validation:
                raise SearchError(
                    f"hydra.sweeper.metric={self.metric}: a run has validation/{', validation/'.join(outcome.validation)}."
                )
            study.tell(trial, outcome.validation[name])
        elif outcome.kind == "pruned":
            study.tell(trial, state=TrialState.PRUNED)
        elif outcome.kind == "failed":
            study.tell(trial, state=TrialState.FAIL)
        # interrupted: it stays as it is, to be resumed at the next start

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        return self.given_direction or ("minimize" if is_lower_better(self.metric) else "maximize")

    def check_metric(self, study: optuna.Study) -> None:
        """A study keeps the metric and the direction that it was begun with. One that has trials but names no metric is from
        when macro-F1 was the default."""
        if not study.trials:
            study.set_user_attr("metric", self.metric)
        elif "metric" not in study.user_attrs and not self.names_metric:
            self.metric = f"validation/{SELECTED}"
        begun = {"metric": study.user_attrs.get("metric", self.metric), "direction": study.direction.name.lower()}
        for key, value in begun.items():
            if value != getattr(self, key):
                raise SearchError(
                    f"the search {self.name} in {self.storage} was begun with hydra.sweeper.{key}={value}, not "
                    f"{getattr(self, key)}. Give that one, or another name=."
                )

    def check_space(self, study: optuna.Study) -> None:
        """A study that was begun with another space cannot be resumed with this one."""
        for trial in study.trials:
            if trial.distributions and trial.distributions != self.space:
                differs = sorted(
                    key for key in {**trial.distributions, **self.space}
                    if trial.distributions.get(key) != self.space.get(key)
                )  # fmt: skip
                raise SearchError(
                    f"the search {self.name} in {self.storage} was begun with other ranges for {', '.join(differs)}. Give those, or "
                    "another name=."
                )


def distribution_of(override: Any) -> BaseDistribution:
    """Hydra's interval, range (without its end) and choice as Optuna's; tag(log, …) and int(…) as in Hydra's grammar."""
    value = override.value()
    try:
        if override.is_interval_sweep():
            return numbers_between(value.start, value.end, None, "log" in value.tags)
        if override.is_range_sweep():
            last = value.start + (math.ceil((value.stop - value.start) / value.step) - 1) * value.step
            return numbers_between(value.start, last, value.step, "log" in value.tags)
        return CategoricalDistribution(list(override.sweep_iterator(transformer=text_of)))
    except ValueError as error:
        raise SearchError(f"{override.input_line}: cannot be searched: {error}") from None


def numbers_between(low: float, high: float, step: float | None, log: bool) -> BaseDistribution:
    if all(isinstance(number, int) for number in (low, high, step or 1)):
        return IntDistribution(int(low), int(high), log=log, step=1 if log or step is None else int(step))
    return FloatDistribution(low, high, log=log, step=None if log else step)


def first_of(values: Any) -> Any:
    return values.choices[0] if isinstance(values, CategoricalDistribution) else values.low


def text_of(value: Any) -> str:
    from hydra.core.override_parser.types import Override

    return Override._get_value_element_as_str(value)


def open_storage(storage: str) -> Any:
    """A database URL as Optuna takes it, else the path of a journal, which many processes and machines may share."""
    if "://" in storage:
        return optuna.storages.get_storage(storage)
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(storage))


def mend_journal(storage: str) -> None:
    """Take away a last line that was cut off while it was written."""
    if "://" in storage or not os.path.exists(storage):
        return
    content = Path(storage).read_bytes()
    if not content.endswith(b"\n"):
        os.truncate(storage, content.rfind(b"\n") + 1)


@contextmanager
def locked(file: Path, name: str) -> Iterator[None]:
    lock = lock_of(file, 0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"the search {name} is running elsewhere. Wait for it, or give another name=.") from None
    try:
        yield
    finally:
        lock.release()


def report(study: optuna.Study) -> None:
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    if done:
        settings = " ".join(f"{key}={value}" for key, value in study.best_params.items())
        console.print(
            f"best of {len(study.trials)} trials: {decimal(study.best_value)} in trial {study.best_trial.number}  {settings}",
            soft_wrap=True,
        )


class Pruning(pl.Callback):
    """Reports the metric after each epoch, and stops the run where the study's pruner says so, once the epoch is saved."""

    def __init__(self, *, storage: str, study: str, trial: int, metric: str, pruner: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.metric = metric
        opened = optuna.load_study(study_name=study, storage=open_storage(storage), pruner=PRUNERS[pruner]())
        self.trial = optuna.Trial(opened, trial)
        self._prune = False

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.metric not in trainer.callback_metrics or trainer.sanity_checking:
            return
        if trainer.is_global_zero:
            self.trial.report(float(trainer.callback_metrics[self.metric]), trainer.current_epoch)
            self._prune = self.trial.should_prune()
        self._prune = trainer.strategy.broadcast(self._prune)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._prune:
            raise Pruned
