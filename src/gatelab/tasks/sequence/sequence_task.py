"""What the tasks on rows of texts have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.config.inputs import paths_of
from gatelab.config.memory import too_large
from gatelab.config.schema import Config
from gatelab.data.vectors import VectorFiles
from gatelab.errors import ConfigError
from gatelab.runs.activity import write_activity
from gatelab.runs.folder import RunFolder
from gatelab.tasks.base import Baselines, Task
from gatelab.tasks.encoder_equations import write_encoder_equations
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.chosen_rows import SHARED, Chosen, shared_row, write_gates
from gatelab.tasks.sequence.export import load_model, save_model
from gatelab.tasks.sequence.linear_baseline import cached_predictions, sampled, tfidf
from gatelab.tasks.sequence.prediction import Predictor
from gatelab.tasks.sequence.sequence_module import SequenceModule
from gatelab.tasks.sequence.transfer import transfer
from gatelab.tasks.sequence.unit_activity import gates_measured, measure_activity


class SequenceTask(Task):
    """Needs of its data what gatelab.data.module.TextData has. N test rows, K outputs."""

    @abstractmethod
    def arguments(self, prepared: Any) -> dict[str, Any]:
        """What the module's constructor takes besides vocab_size and the config's keys."""

    @abstractmethod
    def fit_linear(self, features: Any, targets: NDArray[Any], test_features: Any, classes: list[str]) -> NDArray[Any]:
        """What a linear model predicts for the test rows, (N, K) or (N,); features and targets are those of the training rows."""

    @abstractmethod
    def baseline_metrics(
        self, linear: NDArray[Any], train_targets: NDArray[Any], test_targets: NDArray[Any], config: Config,
        classes: list[str],
    ) -> dict[str, dict[str, Any]]:  # fmt: skip
        """Of "linear", whose predictions are given, and of the baselines that ignore the text."""

    @abstractmethod
    def metrics(self, module: Any, predictions: Tensor, targets: Tensor, classes: list[str]) -> dict[str, Any]:
        """Of the test rows."""

    @abstractmethod
    def write_rows(
        self, folder: RunFolder, module: Any, prepared: Any, rows: NDArray[Any], predictions: NDArray[Any], linear: Any
    ) -> None:
        """predictions.csv and examples.json. rows (N,) index the prepared data; linear: of all test rows, or None."""

    @abstractmethod
    def selected_rows(
        self, module: Any, predictions: NDArray[Any], targets: NDArray[Any], lengths: NDArray[Any]
    ) -> Chosen:
        """The rows that a page shows the gates of."""

    @abstractmethod
    def truth(self, target: Any, classes: list[str]) -> str:
        """The target of one row in words."""

    def configure_data(self, config: Config, data: Any) -> None:
        """Raises ConfigError for data that are no texts, and where classes are to be drawn and there are none."""
        if not hasattr(data, "evaluated_rows"):
            raise ConfigError(
                f"model._target_={config.model['_target_']}: reads rows of texts, and data._target_={config.data['_target_']} has none. Leave "
                "model= out, or take other data=."
            )
        if (sampling := config.data.get("sampling")) and self.targets != "class":
            raise ConfigError(
                f"data.sampling={sampling}: draws the classes of model=classifier equally often, and here a row has no class. Leave it "
                "out" + (", or weigh rare labels by model.pos_weight=balanced." if self.targets == "labels" else ".")
            )
        model = config.model
        if model.get("vectors"):
            paths = tuple(paths_of(model["vectors"]))
            data.vectors = VectorFiles(paths, model.get("vectors_vocab", "train"), model.get("embedding_size"))

    def build_module(self, config: Config, data: Any) -> SequenceModule:
        prepared = data.prepared
        arguments = {"vocab_size": prepared.vocab_size, **self.arguments(prepared)}
        refuse_too_large(prepared.vocab_size, config.model.get("embedding_size") or 0)
        if prepared.vectors is not None:
            arguments["word_vectors"] = torch.from_numpy(prepared.vectors.complete(config.seed))
        return build_model(config.model, config.encoder, **arguments)

    def transfer(
        self, module: Any, config: Config, data: Any, parent: RunFolder, parts: Sequence[str], partly: bool
    ) -> dict[str, dict[str, int]]:
        tokenizer = (data.prepared.record["tokenizer"], data.prepared.tokenizer_file)
        return transfer(module, config.encoder, tokenizer, parent, parts, partly)

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        """Those of the config's baseline, linear or none, on the rows that the model is tested on; the linear one from the data cache or fitted now."""
        tested = data.evaluated_rows("test", config.trainer.tested_batches)
        if config.baseline == "none" or not len(tested):
            return Baselines()
        prepared, targets = data.prepared, np.asarray(data.prepared.labels)
        train, test, texts = prepared.parts["train"], prepared.parts["test"], prepared.texts
        sample = sampled(train)

        def compute() -> NDArray[Any]:
            features, test_features = tfidf(*([texts[row] for row in rows] for rows in (sample, test)))
            return self.fit_linear(features, targets[sample], test_features, prepared.classes)

        linear = cached_predictions(prepared.folder, compute)
        metrics = self.baseline_metrics(
            linear[np.isin(test, tested)], targets[train], targets[tested], config, prepared.classes
        )
        metrics["linear"]["train_rows"] = len(sample)
        return Baselines(metrics, linear)

    def test_metrics(self, module: Any, data: Any) -> dict[str, Any]:
        _, predictions, targets = module.predictions
        return self.metrics(module, predictions, targets, data.prepared.classes)

    def fitted(self, module: Any, data: Any) -> dict[str, Any]:
        if not module.fitted:
            return {}
        found = {"calibration": module.fitted}
        if module.predictions is not None:
            with module.unfitted():
                before = self.metrics(
                    module, module.predict(module.outputs).cpu(), module.predictions[2], data.prepared.classes
                )
            found["uncalibrated"] = {name: value for name, value in before.items() if isinstance(value, float)}
        return found

    def unit_activity(self, module: Any, data: Any) -> dict[str, NDArray[Any]] | None:
        return measure_activity(module, data.prepared)

    def predictor(self, model_folder: Path, allow_targets: Sequence[str] = ()) -> Predictor:
        return Predictor(model_folder, allow_targets=allow_targets)

    def graph(self, model_folder: Path, allow_targets: Sequence[str] = ()) -> Any:
        from gatelab.tasks.sequence.exported import predictions_graph

        module, _, config = load_model(model_folder, allow_targets)
        about = {key: config[key] for key in ("classes", "max_length")}
        if (threshold := getattr(module, "threshold", None)) is not None:
            about["threshold"] = threshold
        return predictions_graph(module, about)

    def write_results(self, folder: RunFolder, config: Config, module: Any, data: Any, baselines: Baselines) -> None:
        """predictions.csv, examples.json, equations.json, gates.npz, the gates on the most informative rows and on one that runs share, and the model."""
        prepared, max_length = data.prepared, config.data["max_length"]
        if module.predictions is not None:
            rows, predictions, targets = (tensor.numpy() for tensor in module.predictions)
            self.write_rows(folder, module, prepared, rows, predictions, baselines.predictions)
            lengths = np.diff(prepared.offsets)[rows]
            chosen = [
                *self.selected_rows(module, predictions, targets, lengths),
                (SHARED, shared_row(lengths, rows)),
            ]
            truths = [self.truth(targets[number], prepared.classes) for _, number in chosen]
            write_gates(folder, module, prepared, [(role, rows[k]) for role, k in chosen], truths, max_length)
        with gates_measured():
            if (activity := self.unit_activity(module, data)) is not None:
                write_activity(folder, activity)
        write_encoder_equations(folder, module.encoder)
        save_model(
            folder.model, module, prepared.tokenizer_file, model=config.model, encoder=config.encoder,
            classes=prepared.classes, max_length=max_length, tokenizer=prepared.record["tokenizer"],
        )  # fmt: skip


def refuse_too_large(vocab_size: int, embedding_size: int) -> None:
    """Raise ConfigError for an embedding beyond the memory, which only the data's vocabulary shows."""
    if problem := too_large(vocab_size * embedding_size):
        raise ConfigError(
            f"model.embedding_size={embedding_size}: with a vocabulary of {vocab_size:,} {problem}. Make it smaller, or "
            "data.tokenizer.vocab_size."
        )
