"""Text classification as a task: selected by macro-F1, beside TF-IDF with logistic regression."""

from typing import Any

import numpy as np
import torch

from gatelab.config.inputs import paths_of
from gatelab.config.schema import Config
from gatelab.data.vectors import VectorFiles
from gatelab.recurrent.notation import latex, text
from gatelab.runs.cell_equations import write_equations
from gatelab.runs.folder import RunFolder
from gatelab.runs.metrics import SELECTED
from gatelab.runs.predictions import write_predictions
from gatelab.tasks.base import Baselines, Task
from gatelab.tasks.classification.baselines import baseline_metrics, cached_baselines, fit_baselines
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.tasks.classification.export import save_model
from gatelab.tasks.classification.model import build_model
from gatelab.tasks.classification.scores import all_metrics
from gatelab.tasks.classification.selection import write_selected_examples
from gatelab.tasks.classification.symptoms import record_symptoms


class Classification(Task):
    """Needs of its data what gatelab.data.module.TextData has."""

    monitor = SELECTED

    def configure_data(self, config: Config, data: Any) -> None:
        model = config.model
        if model.get("vectors"):
            paths = tuple(paths_of(model["vectors"]))
            data.vectors = VectorFiles(paths, model.get("vectors_vocab", "train"), model.get("embedding_size"))

    def build_module(self, config: Config, data: Any) -> SequenceClassifier:
        counts = list(data.prepared.record["label_counts"]["train"].values())
        vectors = data.prepared.vectors
        return build_model(
            config.model,
            config.encoder,
            vocab_size=data.prepared.vocab_size,
            num_classes=len(data.prepared.classes),
            label_counts=counts,
            word_vectors=None if vectors is None else torch.from_numpy(vectors.complete(config.seed)),
        )

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        """Those of baseline=linear or none on the rows that the model is tested on, from the data cache or fitted now."""
        tested = data.evaluated_rows("test", config.trainer.tested_batches)
        if config.baseline == "none" or not len(tested):
            return Baselines()
        parts, labels, texts = data.prepared.parts, np.asarray(data.prepared.labels), data.prepared.texts
        train, test = parts["train"], parts["test"]

        def compute() -> Baselines:
            train_texts, test_texts = ([texts[row] for row in rows] for rows in (train, test))
            return fit_baselines(train_texts, labels[train], test_texts, labels[test], data.prepared.classes)

        baselines = cached_baselines(data.prepared.folder, compute)
        if len(tested) < len(test):
            linear = baselines.predictions[np.isin(test, tested)]
            metrics = baseline_metrics(linear, labels[train], labels[tested], data.prepared.classes)
            metrics["linear"]["train_rows"] = baselines.metrics["linear"]["train_rows"]
            return Baselines(metrics, baselines.predictions)
        return baselines

    def test_metrics(self, module: Any, data: Any) -> dict[str, Any]:
        _, probabilities, labels = module.predictions
        return all_metrics(probabilities, labels, data.prepared.classes)

    def symptoms(self, metrics: dict[str, Any], best_validation: dict[str, float]) -> list[str]:
        return record_symptoms(metrics, best_validation)

    def write_results(self, folder: RunFolder, config: Config, module: Any, data: Any, baselines: Baselines) -> None:
        """predictions.csv, examples.json, equations.json, the gates on the most informative rows, and the model."""
        if module.predictions is not None:
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
            tokenizer=data.prepared.record["tokenizer"],
        )
