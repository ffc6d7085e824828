"""The seam of a task: all that training knows of what is learned.

A LightningModule brings its task along: the class that ``model._target_`` names has a classmethod ``task``, which returns it.
So a module of your own, listed in allow_targets, is trained, resumed and recorded like those of gatelab.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import pytorch_lightning as pl
from numpy.typing import NDArray

from gatelab.config.build import build
from gatelab.config.schema import Config
from gatelab.config.targets import is_inside, locate
from gatelab.errors import ConfigError, RunError, did_you_mean
from gatelab.runs.folder import RunFolder
from gatelab.runs.metrics import key_of

PREFIXES = {"train": "train", "val": "validation"}  # of metrics, here and in other frameworks


class Baselines(NamedTuple):
    """metrics: those of each baseline by its name, as ``Task.test_metrics`` gives them; predictions: for the results."""

    metrics: dict[str, dict[str, Any]] = {}  # noqa: RUF012 -- a NamedTuple's default, never changed
    predictions: Any = None


class Task(ABC):
    """What is learned. Its methods are called in the order in which they stand here; between the baselines and the test
    metrics the module is fitted, given the weights of its best epoch, and tested. Where no epoch is validated it keeps the last
    weights; where nothing is tested, ``test_metrics`` is not called.

    module: what ``build_module`` built. It logs the monitor in each validation, and keeps of the test what the other
    methods need. What ``build_module`` passes to its constructor besides the keys of ``model`` is annotated there as
    ``gatelab.annotations.Passed``, but for encoder. Its optimizer is that of the config, unless its class makes its own.
    data: the LightningDataModule of the config. Training needs of it
        prepared.record   plain values for run.json; its "sha256", {part: [digest, …]}, stands for the data in the identity
        summary()         lines for the screen
        targets           an attribute, set to that of the task before anything else is asked
        a training loader with the ``state_dict`` of gatelab.data.epoch_loader.EpochLoader, to resume inside an epoch
    and what else is in ``prepared`` is between it and the task.
    """

    # What the label column of a table is read as; tokens: no label, the text itself is learned.
    targets: ClassVar[Literal["class", "number", "labels", "tokens"]] = "class"
    monitor: ClassVar[str]  # the selection metric by its key: "mse" where the module logs validation/mse
    baselines: ClassVar[tuple[str, ...]] = ("linear", "none")  # values of the config's baseline that it knows
    logged: tuple[str, ...] = ()  # all that the module logs while it is fitted; empty where that is not known before

    def configure_data(self, config: Config, data: Any) -> None:  # noqa: B027 -- not every task has a need
        """Tell the data what the model needs of it, before it is prepared. Here nothing."""

    @abstractmethod
    def build_module(self, config: Config, data: Any) -> pl.LightningModule:
        """The module with random weights, the same in every process. Raises ConfigError for what it refuses."""

    def transfer(
        self, module: Any, config: Config, data: Any, parent: RunFolder, parts: Sequence[str], partly: bool
    ) -> dict[str, dict[str, int]]:
        """Put weights of parts of a finished run's model into what ``build_module`` built. Returns by part how many were "taken", "of"
        how many. Raises ConfigError where they do not fit; here always."""
        raise ConfigError(f"from_parts={parts}: {type(module).__name__} takes no parts of another run.")

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        """What the model has to beat, unless baseline=none. Here nothing."""
        return Baselines()

    @abstractmethod
    def test_metrics(self, module: Any, data: Any) -> dict[str, Any]:
        """The metrics of run.json, plain values; the floats among them are logged as test/NAME too."""

    def fitted(self, module: Any, data: Any) -> dict[str, Any]:
        """What was fitted on the validation once the weights were, plain values for run.json: ``calibration``, and the test's metrics
        without it, ``uncalibrated``; and what was kept of each validation, ``validation_f1``. Here nothing."""
        return {}

    def predictor(self, model_folder: Path, allow_targets: Sequence[str] = ()) -> Any:
        """What ``gatelab predict`` asks: an object with ``stream(texts)``, an array (C,) of each text in their order, the names of its
        ``columns`` in a table with ``row(array)``, and its ``titles`` on a screen with ``shown(array)``, both of texts; and
        ``read_gates(text, attributions=True)``, as gatelab.tasks.sequence.trace has it. That of a language model also has
        ``continued(text, temperature=…, seed=…)``, an iterator over what it writes after the text, without end.

        Raises RunError, as here, where the model does not predict from a text.
        """
        raise RunError(f"{model_folder}: holds a model that does not predict from a text.")

    def graph(self, model_folder: Path, allow_targets: Sequence[str] = ()) -> Any:
        """What ``gatelab export`` writes, a ``gatelab.tasks.sequence.exported.Graph``. Raises RunError, as here, where there is none."""
        raise RunError(f"{model_folder}: holds a model that has no graph for other programs.")

    def unit_activity(self, module: Any, data: Any) -> dict[str, NDArray[Any]] | None:
        """The arrays of gates.npz (see ``gatelab.runs.activity``), which ``gatelab gates RUN`` draws; None, as here, where there are no
        gates to read or no texts."""
        return None

    def symptoms(self, metrics: dict[str, Any], best_validation: dict[str, float]) -> list[str]:
        """Signs that the model is broken although its training came to an end, as clauses. Here none is known."""
        return []

    @abstractmethod
    def write_results(self, folder: RunFolder, config: Config, module: Any, data: Any, baselines: Baselines) -> None:
        """The evidence that sections of a report are made from, and in folder.model all that a prediction needs."""


def build_data(config: Config, task: Task) -> Any:
    """The data module of a config, told what its task reads and its model needs."""
    data = build("data", config.data)
    data.targets = task.targets
    task.configure_data(config, data)
    return data


def selection_metric(monitor: str | None, task: Task) -> str:
    """The key, without validation/, of what chooses the best epoch: the config's monitor, else the task's own.

    Raises ConfigError for a monitor that the task is known not to log.
    """
    key = key_of(monitor or task.monitor).removeprefix("validation/")
    if task.logged and f"validation/{key}" not in task.logged:
        known = [name.removeprefix("validation/") for name in task.logged if name.startswith("validation/")]
        raise no_such_metric("monitor", str(monitor), known)
    return key


def no_such_metric(key: str, name: str, known: Sequence[str], where: str = "the validation") -> ConfigError:
    """The error of a key that names a metric which is none of known. Other frameworks' val_loss leads to validation/loss."""
    part, _, last = re.sub(r"^(train|val)\w*?[_/]", lambda found: f"{PREFIXES[found[1]]}/", name).rpartition("/")
    alike = [one for one in known if one.rpartition("/")[2].startswith(last) and one.startswith((part, last))]
    hint = f" Did you mean {alike[0]}?" if last and alike else did_you_mean(name, known)
    return ConfigError(f"{key}={name}: {where} has no such metric.{hint} There are: {', '.join(known)}.")


def task_of(model: dict[str, Any]) -> Task:
    """The task of the module that the config's group model names. Raises ConfigError where it has none."""
    target = model["_target_"]
    make = getattr(locate("model._target_", target), "task", None)
    task = make() if callable(make) else None
    if not isinstance(task, Task):
        raise ConfigError(
            f"model._target_={target}: has no task. Give the class a classmethod task that returns a gatelab.tasks.base.Task, or "
            "derive it from gatelab's SequenceClassifier."
        )
    if not is_inside(target, ("gatelab",)):
        task.logged = ()  # a class derived from one of gatelab's may log more than that
    return task
