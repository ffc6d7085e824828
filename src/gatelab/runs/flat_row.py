"""A run as one flat row, for tables that other programs read."""

from typing import Any

from gatelab.runs.load import Run


def row_of(run: Run) -> dict[str, Any]:
    """identity, name, status, path, the choice of each config group, all settings, the finite numbers of the test as test/NAME and of the
    best epoch as validation/NAME, those of the baselines as BASELINE/NAME, seconds, started."""
    record = run.record
    baselines = {f"{name}/{key}": value for name in record.baselines for key, value in record.numbers(name).items()}
    return {
        "identity": run.identity,
        "name": run.folder.path.parent.name,
        "status": run.status,
        "path": str(run.folder.path.absolute()),
        **record.choices,
        **run.settings,
        **tested(record.numbers()),
        **baselines,
        "seconds": record.seconds,
        "started": run.started,
    }


def tested(numbers: dict[str, float]) -> dict[str, float]:
    return {name if name.startswith("validation/") else f"test/{name}": value for name, value in numbers.items()}
