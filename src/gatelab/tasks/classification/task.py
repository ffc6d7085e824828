"""Text classification as a task: selected by macro-F1, beside TF-IDF with logistic regression."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.config.schema import Config
from gatelab.runs.examples import write_examples
from gatelab.runs.folder import RunFolder
from gatelab.runs.metrics import SELECTED
from gatelab.runs.predictions import write_predictions
from gatelab.tasks.base import Baselines
from gatelab.tasks.classification.baselines import baseline_metrics, fit_linear
from gatelab.tasks.classification.naive_bayes import naive_bayes_metrics
from gatelab.tasks.classification.scores import all_metrics
from gatelab.tasks.classification.selection import selected_rows
from gatelab.tasks.classification.symptoms import record_symptoms
from gatelab.tasks.sequence.chosen_rows import Chosen
from gatelab.tasks.sequence.linear_baseline import sampled
from gatelab.tasks.sequence.running_prediction import add_running_predictions
from gatelab.tasks.sequence.sequence_task import SequenceTask


class Classification(SequenceTask):
    """One class a row."""

    monitor = SELECTED
    baselines = (*SequenceTask.baselines, "nbsvm")
    logged = (
        "train/loss_step", "train/loss", "train/accuracy", "validation/loss", "validation/accuracy", "validation/macro_f1",
    )  # fmt: skip

    def arguments(self, prepared: Any) -> dict[str, Any]:
        counts = list(prepared.record["label_counts"]["train"].values())
        return {"num_classes": len(prepared.classes), "label_counts": counts, "class_names": prepared.classes}

    def fit_linear(self, features: Any, targets: NDArray[Any], test_features: Any, classes: list[str]) -> NDArray[Any]:
        return fit_linear(features, targets, test_features, len(classes))

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        found = super().fit_baselines(config, data)
        if config.baseline == "nbsvm" and found.metrics:
            prepared, labels = data.prepared, np.asarray(data.prepared.labels)
            train, test = sampled(prepared.parts["train"]), data.evaluated_rows("test", config.trainer.tested_batches)
            train_texts, test_texts = ([prepared.texts[row] for row in rows] for rows in (train, test))
            found.metrics.update(
                naive_bayes_metrics(train_texts, labels[train], test_texts, labels[test], prepared.classes)
            )
        return found

    def baseline_metrics(
        self, linear: NDArray[Any], train_targets: NDArray[Any], test_targets: NDArray[Any], config: Config,
        classes: list[str],
    ) -> dict[str, dict[str, Any]]:  # fmt: skip
        return baseline_metrics(linear, train_targets, test_targets, classes)

    def metrics(self, module: Any, predictions: Tensor, targets: Tensor, classes: list[str]) -> dict[str, Any]:
        return all_metrics(predictions, targets, classes, module.choose(predictions))

    def fitted(self, module: Any, data: Any) -> dict[str, Any]:
        by_class = zip(data.prepared.classes, zip(*module.validation_f1, strict=True), strict=False)
        return {**super().fitted(module, data), "validation_f1": {name: list(values) for name, values in by_class}}

    def symptoms(self, metrics: dict[str, Any], best_validation: dict[str, float]) -> list[str]:
        return record_symptoms(metrics, best_validation)

    def write_rows(
        self, folder: RunFolder, module: Any, prepared: Any, rows: NDArray[Any], predictions: NDArray[Any], linear: Any
    ) -> None:
        predicted = chosen(module, predictions)
        write_predictions(folder.predictions, prepared, rows, predictions, linear, predicted)
        write_examples(folder.examples, prepared, rows, predictions, predicted)
        add_running_predictions(folder.examples, module, prepared)

    def selected_rows(
        self, module: Any, predictions: NDArray[Any], targets: NDArray[Any], lengths: NDArray[Any]
    ) -> Chosen:
        return selected_rows(predictions, targets, lengths, chosen(module, predictions))

    def truth(self, target: Any, classes: list[str]) -> str:
        return classes[target]


def chosen(module: Any, probabilities: NDArray[Any]) -> NDArray[Any]:
    """(N,): the predicted class of each row."""
    return module.choose(torch.from_numpy(probabilities)).numpy()
