"""gatelab: experiments with recurrent networks on text. The door for Python; what a name needs is imported on its first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gatelab.errors import ConfigError, DataError, RunError, UserError

if TYPE_CHECKING:
    from gatelab.api.comparison_of_runs import compare
    from gatelab.api.run_objects import Run, Runs, load_run, load_runs
    from gatelab.api.start import train
    from gatelab.recurrent import Cell, GatedLSTM

__version__ = "0.1.0"
__all__ = [
    "Cell",
    "ConfigError",
    "DataError",
    "GatedLSTM",
    "Run",
    "RunError",
    "Runs",
    "UserError",
    "compare",
    "load_run",
    "load_runs",
    "train",
]
_HOMES = {
    "Cell": "recurrent",
    "GatedLSTM": "recurrent",
    "Run": "api.run_objects",
    "Runs": "api.run_objects",
    "load_run": "api.run_objects",
    "load_runs": "api.run_objects",
    "compare": "api.comparison_of_runs",
    "train": "api.start",
}


if not TYPE_CHECKING:  # to which a misspelt name is an error

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'gatelab' has no attribute '{name}'")
        return getattr(import_module(f"gatelab.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
