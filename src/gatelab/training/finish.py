"""What a finished run leaves: the baselines beside it, predictions, telling rows, the model, and the final metrics."""

from typing import Any

import numpy as np

from gatelab.runs.folder import RunFolder
from gatelab.runs.history import best_validation
from gatelab.runs.predictions import write_predictions
from gatelab.tasks.classification import baselines as baseline
from gatelab.tasks.classification.export import save_model
from gatelab.tasks.classification.metrics import all_metrics
from gatelab.tasks.classification.selection import write_telling_rows
from gatelab.tasks.classification.symptoms import record_symptoms


def fit_baselines(data: Any, wanted: str) -> Any:
    """Those of baseline=linear or none, from the data cache or fitted now."""
    if wanted == "none":
        return baseline.Baselines()

    def compute() -> baseline.Baselines:
        parts, labels, texts = data.prepared.parts, np.asarray(data.prepared.labels), data.prepared.texts
        train, test = parts["train"], parts["test"]
        train_texts, test_texts = ([texts[row] for row in rows] for rows in (train, test))
        return baseline.fit_baselines(train_texts, labels[train], test_texts, labels[test], data.prepared.classes)

    return baseline.cached_baselines(data.prepared.folder, compute)


def record_result(
    folder: RunFolder, settings: dict[str, Any], trainer: Any, module: Any, prepared: Any, baselines: Any
) -> None:
    """Predictions, the model, and the final metrics of the test rows."""
    baselines, linear = baselines
    rows, probabilities, labels = module.predictions
    # Not current_epoch, which is one less where a resumed run had nothing left to train.
    epochs = trainer.fit_loop.epoch_progress.current.processed
    metrics = all_metrics(probabilities, labels, prepared.classes)
    for logger in trainer.loggers:
        plain = {f"test/{name}": value for name, value in metrics.items() if isinstance(value, float)}
        logger.log_metrics({"epoch": epochs, **plain}, step=trainer.global_step)
    write_predictions(folder.predictions, prepared, rows.numpy(), probabilities.numpy(), linear)
    write_telling_rows(folder, module, prepared, rows.numpy(), probabilities.numpy(), settings["data"]["max_length"])
    save_model(
        folder.model,
        module,
        prepared.tokenizer_file,
        model=settings["model"],
        encoder=settings["encoder"],
        classes=prepared.classes,
        max_length=settings["data"]["max_length"],
    )
    best = best_validation(folder.metrics)
    folder.update(
        metrics=metrics,
        baselines=baselines,
        best_validation=best,
        symptoms=record_symptoms(metrics, best),
        epochs=epochs,
        steps=trainer.global_step,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )
