"""Which jobs a multirun has: all combinations (grid), or trials that Optuna proposes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gatelab.config.choices import NUM_JOBS
from gatelab.sweeps.outcome import OUTCOMES, Outcome
from hydra_plugins.gatelab.launchers import ParallelLauncher


class GridSweeper(BasicSweeper):
    """Hydra's own, but it keeps how each job ended, and leaves no file that a second sweep of the name would overwrite."""

    def sweep(self, arguments: list[str]) -> list[Outcome]:
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)  # type: ignore[union-attr]
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        number = 0
        batches = self.split_arguments(overrides, self.max_batch_size)
        num_jobs = sum(map(len, batches))
        with ending(self.launcher) as launcher:
            for batch in batches:
                self.validate_batch_is_legal(batch)  # a misspelt key is found before the first job starts
                OUTCOMES.extend(result.return_value for result in launcher.launch(counted(batch, num_jobs), number))
                number += len(batch)
        return OUTCOMES


class OptunaSweeper(Sweeper):
    """Trials of an Optuna study that is kept in a file: a search that died resumes where it was. See conf/hydra/sweeper."""

    def __init__(self, params: Mapping[str, str] | None, **options: Any) -> None:
        """params: what is searched, which the command line comes before."""
        self.params = params or {}
        self.options: dict[str, Any] = OmegaConf.to_container(OmegaConf.create(options))  # type: ignore[assignment]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.compose = partial(hydra_context.config_loader.load_sweep_config, config)
        self.parser = OverridesParser.create(config_loader=hydra_context.config_loader)
        self.folder = Path(config.hydra.sweep.dir)
        self.jobs = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Outcome]:
        from gatelab.errors import ConfigError

        try:
            from gatelab.sweeps.search import Search
        except ImportError as error:
            raise ConfigError(f"hydra/sweeper=optuna needs {error.name}: pip install 'gatelab[optuna]'.") from None

        written = [f"{key}={values}" for key, values in self.params.items()]
        parsed = self.parser.parse_overrides([*written, *arguments])
        overrides = {override.get_key_element(): override for override in parsed}.values()
        fixed = [as_text(override) for override in overrides if not override.is_sweep_override()]
        space = [override for override in overrides if override.is_sweep_override()]

        def monitor(chosen: list[str]) -> str:
            return self.selection_metric(fixed + chosen)

        search = Search(folder=self.folder, space=space, monitor=monitor, **self.options)

        def launch(chosen: Sequence[list[str]], number: int) -> list[Outcome]:
            batch = [fixed + values for values in chosen]
            self.compose(batch[0])  # a misspelt key is found before the start
            return [result.return_value for result in self.jobs.launch(counted(batch, search.num_trials), number)]

        with ending(self.jobs):
            OUTCOMES.extend(search.run(launch))
        return OUTCOMES

    def selection_metric(self, overrides: list[str]) -> str:
        """Of a run with these overrides."""
        from gatelab.config.targets import check_targets
        from gatelab.tasks.base import selection_metric, task_of

        config = self.compose(overrides)
        model: Any = OmegaConf.to_container(config.model, resolve=True)
        check_targets({"model": model}, list(config.allow_targets))
        return selection_metric(config.monitor, task_of(model))


@contextmanager
def ending(launcher: Launcher | None) -> Iterator[Launcher]:
    """The launcher, which lets go at the end of what it keeps from batch to batch."""
    assert launcher is not None  # Hydra has called setup
    try:
        yield launcher
    finally:
        if isinstance(launcher, ParallelLauncher):
            launcher.end()


def counted(batch: Sequence[Sequence[str]], num_jobs: int) -> list[list[str]]:
    """The jobs, each with how many there are in all among its overrides, which reach other machines too."""
    return [[*overrides, f"++hydra.job.env_set.{NUM_JOBS}={num_jobs}"] for overrides in batch]


def as_text(override: Override) -> str:
    return f"{override.get_key_element()}={override.get_value_element_as_str()}"
