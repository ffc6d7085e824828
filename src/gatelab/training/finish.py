"""What a finished run leaves: its task's metrics, evidence and model, and the record of them in run.json."""

from typing import Any

from gatelab.config.schema import Config
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import best_validation
from gatelab.tasks.base import Baselines, Task


def record_result(
    folder: RunFolder, config: Config, task: Task, trainer: Any, module: Any, data: Any, baselines: Baselines
) -> None:
    # Not current_epoch, which is one less where a resumed run had nothing left to train.
    epochs = trainer.fit_loop.epoch_progress.current.processed
    has_test = sum(trainer.num_test_batches) > 0
    metrics = task.test_metrics(module, data) if has_test else {}
    for logger in trainer.loggers:
        plain = {f"test/{name}": value for name, value in metrics.items() if isinstance(value, float)}
        if plain:
            logger.log_metrics({"epoch": epochs, **plain}, step=trainer.global_step)
    task.write_results(folder, config, module, data, baselines)
    best = best_validation(folder.metrics, folder.record.monitor)
    frozen = sum(parameter.numel() for parameter in module.parameters() if not parameter.requires_grad)
    folder.update(
        **({"metrics": metrics} if has_test else {}),
        weights="best epoch" if folder.best.exists() else "last step",
        baselines=baselines.metrics,
        best_validation=best,
        symptoms=task.symptoms(metrics, best),
        **task.fitted(module, data),
        epochs=epochs,
        steps=trainer.global_step,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        **({"frozen_parameters": frozen} if frozen else {}),
    )
