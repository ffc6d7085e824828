"""Synthetic sequences as a task: selected by the loss, beside the best answer without memory, tested at several lengths."""

import math
from typing import Any

from gatelab.config.build import build
from gatelab.config.memory import memory_bytes
from gatelab.config.schema import Config
from gatelab.errors import ConfigError
from gatelab.runs.folder import RunFolder
from gatelab.tasks.base import Baselines, Task
from gatelab.tasks.encoder_equations import write_encoder_equations
from gatelab.tasks.sequence.broken_numbers import broken_numbers
from gatelab.tasks.sequence.saved_module import write_weights
from gatelab.tasks.synthetic.synthetic_data import SequenceData
from gatelab.tasks.synthetic.synthetic_module import SyntheticModule
from gatelab.tasks.synthetic.synthetic_scores import test_metrics_of

METRICS = ("loss", "sequences_right", "steps_right")
KEPT_A_STEP = 8  # numbers of a unit that a backward pass keeps for each step, at least


class SyntheticTask(Task):
    """Needs of its data what SequenceData has."""

    monitor = "loss"
    logged = ("train/loss_step", *(f"{part}/{name}" for part in ("train", "validation") for name in METRICS))

    def configure_data(self, config: Config, data: Any) -> None:
        """Raises ConfigError for data of another kind, an encoder that sees the future, and a length beyond the memory."""
        if not isinstance(data, SequenceData):
            raise ConfigError(
                "model=synthetic reads generated sequences: take data=adding, copy, parity, … (docs/synthetic.md)."
            )
        if config.encoder.get("bidirectional"):
            raise ConfigError(
                "encoder.bidirectional=true: reads what is still to come, which is what a sequence asks for. Leave it out."
            )
        size = config.encoder.get("hidden_size")
        if isinstance(size, int) and hasattr(data, "length"):
            needed = 4 * data.batch_size * data.length * size * KEPT_A_STEP
            memory = memory_bytes() or math.inf
            tested = 4 * data.eval_batch_size * data.test_lengths[-1] * size
            if max(needed, tested) > memory:
                key = f"data.length={data.length}" if needed > memory else f"data.test_lengths={data.test_lengths[-1]}"
                raise ConfigError(
                    f"{key}: a batch needs at least {max(needed, tested) / 2**30:,.0f} GiB, and this machine has {memory / 2**30:,.0f}. "
                    "Make it shorter, or data.batch_size or data.eval_batch_size smaller."
                )

    def build_module(self, config: Config, data: Any) -> SyntheticModule:
        size = (data.num_symbols and config.model.get("embedding_size")) or data.num_symbols or data.num_features
        module: SyntheticModule = build(
            "model", config.model, encoder=build("encoder", config.encoder, input_size=size), answer=data.answer,
            num_symbols=data.num_symbols, num_outputs=data.num_outputs, tolerance=data.tolerance, success=data.success,
            sequences_an_epoch=data.sizes["train"],
        )  # fmt: skip
        return module

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        if config.baseline == "none":
            return Baselines()
        by_length = {str(length): data.baseline(length) for length in data.test_lengths}
        return Baselines({"memoryless": {**by_length[str(data.length)], "by_length": by_length}})

    def test_metrics(self, module: Any, data: Any) -> dict[str, Any]:
        """Those at the length of the training, and of each length; longest_right: the longest that counts as solved."""
        table = {str(length): test_metrics_of(data.answer, sums) for length, sums in module.by_length.items()}
        solved = [int(length) for length, found in table.items() if found["sequences_right"] >= data.success]
        found = {**table.get(str(data.length), {}), "longest_right": max(solved, default=0)}
        return {**found, **({} if module.seen is None else {"sequences_seen": module.seen}), "by_length": table}

    def symptoms(self, metrics: dict[str, Any], best_validation: dict[str, float]) -> list[str]:
        numbers = {name: value for name, value in metrics.items() if isinstance(value, float)}
        return broken_numbers(numbers, float("inf"), "")

    def write_results(self, folder: RunFolder, config: Config, module: Any, data: Any, baselines: Baselines) -> None:
        """equations.json and the weights."""
        write_encoder_equations(folder, module.encoder)
        folder.model.mkdir(exist_ok=True)
        write_weights(folder.model, module)
