"""Multi-label classification as a task: selected by macro-F1, beside TF-IDF with a logistic regression for each label."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gatelab.config.identity import flatten
from gatelab.config.schema import Config
from gatelab.runs.folder import RunFolder
from gatelab.runs.label_predictions import joined, write_label_examples, write_label_predictions
from gatelab.runs.metrics import SELECTED
from gatelab.tasks.multi_label.multi_label_baselines import baseline_metrics, fit_linear
from gatelab.tasks.multi_label.multi_label_classifier import MultiLabelClassifier
from gatelab.tasks.multi_label.multi_label_scores import all_metrics
from gatelab.tasks.multi_label.multi_label_symptoms import symptoms
from gatelab.tasks.sequence.calibrated_module import FIT
from gatelab.tasks.sequence.chosen_rows import Chosen, Selection
from gatelab.tasks.sequence.sequence_task import SequenceTask


class MultiLabel(SequenceTask):
    """Any of K labels for each row."""

    targets = "labels"
    monitor = SELECTED
    logged = (
        "train/loss_step", "train/loss", "validation/loss", "validation/micro_f1", "validation/macro_f1", "validation/exact_match",
        "validation/hamming_loss",
    )  # fmt: skip

    def arguments(self, prepared: Any) -> dict[str, Any]:
        counts = list(prepared.record["label_counts"]["train"].values())
        num_rows = len(prepared.parts["train"])
        return {"num_labels": len(prepared.classes), "label_counts": counts, "num_rows": num_rows}

    def fit_linear(self, features: Any, targets: NDArray[Any], test_features: Any, classes: list[str]) -> NDArray[Any]:
        return fit_linear(features, targets, test_features)

    def baseline_metrics(
        self, linear: NDArray[Any], train_targets: NDArray[Any], test_targets: NDArray[Any], config: Config,
        classes: list[str],
    ) -> dict[str, dict[str, Any]]:  # fmt: skip
        threshold = config.model.get("threshold", 0.5)
        threshold = MultiLabelClassifier.unfitted_threshold if threshold == FIT else float(threshold)
        return baseline_metrics(linear, train_targets, test_targets, classes, threshold)

    def metrics(self, module: Any, predictions: Tensor, targets: Tensor, classes: list[str]) -> dict[str, Any]:
        return all_metrics(predictions, targets, classes, module.threshold)

    def symptoms(self, metrics: dict[str, Any], best_validation: dict[str, float]) -> list[str]:
        own = {
            name: value
            for name, value in flatten(metrics).items()
            if isinstance(value, float) and "per_class" not in name
        }
        validation = {f"validation/{name}": value for name, value in best_validation.items()}
        found = metrics.get("micro_f1", best_validation.get("micro_f1", 1.0))  # neither where nothing was evaluated
        return symptoms({**own, **validation}, found)

    def write_rows(
        self, folder: RunFolder, module: Any, prepared: Any, rows: NDArray[Any], predictions: NDArray[Any], linear: Any
    ) -> None:
        write_label_predictions(folder.predictions, prepared, rows, predictions, linear, module.threshold)
        write_label_examples(folder.examples, prepared, rows, predictions, module.threshold)

    def selected_rows(
        self, module: Any, predictions: NDArray[Any], targets: NDArray[Any], lengths: NDArray[Any]
    ) -> Chosen:
        """The row with most wrong labels, the least certain one, and those with most labels right and none wrong."""
        wrong = (predictions >= module.threshold) != (targets == 1)
        margin, selection = np.abs(predictions - module.threshold).min(1), Selection(lengths)
        num_wrong, num_labels = wrong.sum(1), targets.sum(1)
        selection.choose("most wrong labels", num_wrong > 0, -num_wrong)
        selection.choose("least certain", selection.free, margin)
        for _ in range(2):
            selection.choose("most labels right", num_wrong == 0, -num_labels)
        return selection.chosen

    def truth(self, target: Any, classes: list[str]) -> str:
        return joined(classes, target)
