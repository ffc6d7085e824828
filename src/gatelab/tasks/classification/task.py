"""Text classification as a task: selected by macro-F1, beside TF-IDF with logistic regression."""

from typing import Any

import numpy as np

from gatelab.config.schema import Config
from gatelab.recurrent.notation import latex, text
from gatelab.runs.cell_equations import write_equations
from gatelab.runs.folder import RunFolder
from gatelab.runs.metrics import SELECTED
from gatelab.runs.predictions import write_predictions
from gatelab.tasks.base import Baselines, Task
from gatelab.tasks.classification.baselines import cached_baselines, fit_baselines
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.tasks.classification.export import save_model
from gatelab.tasks.classification.model import build_model
from gatelab.tasks.classification.scores import all_metrics
from gatelab.tasks.classification.selection import write_selected_examples
from gatelab.tasks.classification.symptoms import record_symptoms


class Classification(Task):
    """Needs ``prepared`` as gatelab.data.prepare.Prepared."""

    monitor = SELECTED

    def build_module(self, config: Config, data: Any) -> SequenceClassifier:
        counts = list(data.prepared.record["label_counts"]["train"].values())
        return build_model(
            config.model,
            config.encoder,
            vocab_size=data.prepared.vocab_size,
            num_classes=len(data.prepared.classes),
            label_counts=counts,
        )

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        """Those of baseline=linear or none, from the data cache or fitted now."""
        if config.baseline == "none":
            return Baselines()

        def compute() -> Baselines:
            parts, labels, texts = data.prepared.parts, np.asarray(data.prepared.labels), data.prepared.texts
            train, test = parts["train"], parts["test"]
            train_texts, test_texts = ([texts[row] for row in rows] for rows in (train, test))
            return fit_baselines(train_texts, labels[train], test_texts, labels[test], data.prepared.classes)

        return cached_baselines(data.prepared.folder, compute)

    def test_metrics(self, module: Any, data: Any) -> dict[str, Any]:
        _, probabilities, labels = module.predictions
        return all_metrics(probabilities, labels, data.prepared.classes)

    def symptoms(self, metrics: dict[str, Any], best_validation: dict[str, float]) -> list[str]:
        return record_symptoms(metrics, best_validation)

    def write_results(self, folder: RunFolder, config: Config, module: Any, data: Any, baselines: Baselines) -> None:
        """predictions.csv, examples.json, equations.json, the gates on the most informative rows, and the model."""
        rows, probabilities = (tensor.numpy() for tensor in module.predictions[:2])
        write_predictions(folder.predictions, data.prepared, rows, probabilities, baselines.predictions)
        write_selected_examples(folder, module, data.prepared, rows, probabilities, config.data["max_length"])
        if hasattr(module.encoder, "formula"):
            trees = module.encoder.formula()
            write_equations(folder.equations, [{"text": text(t), "latex": latex(t), "tree": t} for t in trees])
        save_model(
            folder.model,
            module,
            data.prepared.tokenizer_file,
            model=config.model,
            encoder=config.encoder,
            classes=data.prepared.classes,
            max_length=config.data["max_length"],
        )
