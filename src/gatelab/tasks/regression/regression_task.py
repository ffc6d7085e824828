"""Regression as a task: selected by mean squared error, beside TF-IDF with ridge regression."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gatelab.config.identity import flatten
from gatelab.config.schema import Config
from gatelab.errors import DataError
from gatelab.runs.folder import RunFolder
from gatelab.runs.number_predictions import write_number_examples, write_number_predictions
from gatelab.tasks.regression.regression_baselines import baseline_metrics, fit_linear
from gatelab.tasks.regression.regression_scores import all_metrics
from gatelab.tasks.regression.regression_symptoms import symptoms
from gatelab.tasks.sequence.chosen_rows import Chosen, Selection
from gatelab.tasks.sequence.sequence_task import SequenceTask


class Regression(SequenceTask):
    """A number for each row."""

    targets = "number"
    monitor = "mse"
    logged = ("train/loss_step", "train/loss", "validation/loss", "validation/mse", "validation/mae", "validation/r2")

    def arguments(self, prepared: Any) -> dict[str, Any]:
        targets = np.asarray(prepared.labels)[prepared.parts["train"]]
        if not (deviation := float(targets.std())):
            raise DataError(
                f"every number of the training rows is {targets[0]:g}, so there is nothing to learn. Give another column with data.label=."
            )
        return {"target_mean": float(targets.mean()), "target_deviation": deviation}

    def fit_linear(self, features: Any, targets: NDArray[Any], test_features: Any, classes: list[str]) -> NDArray[Any]:
        return fit_linear(features, targets, test_features)

    def baseline_metrics(
        self, linear: NDArray[Any], train_targets: NDArray[Any], test_targets: NDArray[Any], config: Config,
        classes: list[str],
    ) -> dict[str, dict[str, Any]]:  # fmt: skip
        return baseline_metrics(linear, train_targets, test_targets)

    def metrics(self, module: Any, predictions: Tensor, targets: Tensor, classes: list[str]) -> dict[str, Any]:
        return {**all_metrics(predictions[:, 0].numpy(), targets.numpy())}

    def symptoms(self, metrics: dict[str, Any], best_validation: dict[str, float]) -> list[str]:
        validation = {f"validation/{name}": value for name, value in best_validation.items()}
        return symptoms({**{k: v for k, v in flatten(metrics).items() if isinstance(v, float)}, **validation})

    def write_rows(
        self, folder: RunFolder, module: Any, prepared: Any, rows: NDArray[Any], predictions: NDArray[Any], linear: Any
    ) -> None:
        write_number_predictions(folder.predictions, prepared, rows, predictions[:, 0], linear)
        write_number_examples(folder.examples, prepared, rows, predictions[:, 0])

    def selected_rows(
        self, module: Any, predictions: NDArray[Any], targets: NDArray[Any], lengths: NDArray[Any]
    ) -> Chosen:
        """The largest error, the highest and the lowest prediction, and the smallest error."""
        errors, selection = np.abs(predictions[:, 0] - targets), Selection(lengths)
        orders = {
            "largest error": -errors,
            "highest prediction": -predictions[:, 0],
            "lowest prediction": predictions[:, 0],
            "smallest error": errors,
        }
        for role, order in orders.items():
            selection.choose(role, selection.free, order)
        return selection.chosen

    def truth(self, target: Any, classes: list[str]) -> str:
        return f"{target:.6g}"
