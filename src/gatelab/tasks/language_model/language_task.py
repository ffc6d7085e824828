"""Language modelling as a task: selected by perplexity, beside n-grams over the same tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gatelab.config.schema import Config
from gatelab.data.batch import batches_within
from gatelab.errors import ConfigError
from gatelab.runs.activity import write_activity
from gatelab.runs.folder import RunFolder
from gatelab.runs.language_evidence import write_language_evidence
from gatelab.tasks.base import Baselines, Task
from gatelab.tasks.encoder_equations import write_encoder_equations
from gatelab.tasks.language_model.language_baselines import baseline_metrics, cached_metrics, compressor_metrics
from gatelab.tasks.language_model.language_folder import build_language_model, load_language_model, save_language_model
from gatelab.tasks.language_model.language_module import LOGGED, LanguageModel
from gatelab.tasks.language_model.language_scores import TextSize, language_metrics, sizes_of
from gatelab.tasks.language_model.text_data import EVALUATED_WINDOW, PlainText
from gatelab.tasks.language_model.text_evidence import text_evidence
from gatelab.tasks.language_model.text_loss import TextLoss
from gatelab.tasks.language_model.text_units import read_stretch, telling_units
from gatelab.tasks.sequence.unit_activity import gates_measured


class LanguageModelling(Task):
    """Needs of its data what PlainText has."""

    targets = "tokens"
    monitor = "perplexity"
    logged = ("train/loss_step", *(f"{part}/{name}" for part in ("train", "validation") for name in LOGGED))

    def configure_data(self, config: Config, data: Any) -> None:
        """Also finds settings of the model that contradict each other."""
        if not isinstance(data, PlainText):
            raise ConfigError(
                "model=language_model reads running text: take data=text data.path=FILE, or no data= at all."
            )
        cutoffs = config.model.get("adaptive_softmax") or []
        least = max([0, *cutoffs]) + 2  # the vocabulary is not known yet
        size = config.encoder.get("hidden_size") or config.encoder.get("output_size")
        if isinstance(size, int) and sorted(cutoffs) == list(cutoffs):  # else the model says what is wrong
            refuse_narrow(cutoffs, size)
        build_language_model(config.model, config.encoder, vocab_size=least, start_id=0, unknown_id=None)

    def build_module(self, config: Config, data: Any) -> LanguageModel:
        tokenizer = data.prepared.tokenizer
        module = build_language_model(
            config.model, config.encoder, vocab_size=tokenizer.vocab_size, start_id=tokenizer.start_id,
            unknown_id=tokenizer.unknown_id,
        )  # fmt: skip
        module.sizes = sizes_of(data.prepared.record)
        module.usual_window = data.window if data.variable_window else None
        return module

    def fit_baselines(self, config: Config, data: Any) -> Baselines:
        prepared = data.prepared
        test = prepared.parts["test"][: 1 + num_tested(config, data)]
        if config.baseline == "none" or len(test) < 2:
            return Baselines()
        size = tested_size(prepared, len(test) - 1)

        def compute() -> dict[str, dict[str, Any]]:
            metrics = baseline_metrics(prepared.parts["train"], test, prepared.tokenizer.vocab_size, size)
            if len(test) == len(prepared.parts["test"]):
                metrics |= compressor_metrics(prepared.spans["train"], prepared.spans["test"], size)
            return metrics

        return Baselines(cached_metrics(prepared.folder, len(test), compute))

    def test_metrics(self, module: Any, data: Any) -> dict[str, Any]:
        losses = module.token_losses
        return {**language_metrics(losses.double().mean().item(), tested_size(data.prepared, len(losses)))}

    def predictor(self, model_folder: Path, allow_targets: Sequence[str] = ()) -> TextLoss:
        return TextLoss(model_folder, allow_targets)

    def graph(self, model_folder: Path, allow_targets: Sequence[str] = ()) -> Any:
        from gatelab.tasks.language_model.next_tokens import next_tokens_graph

        return next_tokens_graph(*load_language_model(model_folder, allow_targets))

    def unit_activity(self, module: Any, data: Any) -> dict[str, NDArray[Any]] | None:
        stretch = read_stretch(module, data.prepared)
        return None if stretch is None else stretch.activity

    def write_results(self, folder: RunFolder, config: Config, module: Any, data: Any, baselines: Baselines) -> None:
        """equations.json, gates.npz, language.json and the model."""
        prepared, units = data.prepared, []
        with gates_measured():
            if (stretch := read_stretch(module, prepared)) is not None:
                write_activity(folder, stretch.activity)
                units = telling_units(stretch)
        write_encoder_equations(folder, module.encoder)
        parts, tokenizer = prepared.parts, prepared.tokenizer
        evidence = text_evidence(module, tokenizer, parts["train"], parts["test"], data.window, module.samples)
        write_language_evidence(folder.language, evidence.model_copy(update={"units": units}))
        save_language_model(folder.model, module, tokenizer, model=config.model, encoder=config.encoder)


def refuse_narrow(cutoffs: Sequence[int], output_size: int) -> None:
    """Raise ConfigError where the last cluster of an adaptive softmax, each of a quarter of the units of the one before, has none."""
    if output_size < (least := 4 ** len(cutoffs)):
        raise ConfigError(
            f"model.adaptive_softmax={list(cutoffs)}: states of {output_size} units leave none for the last of {len(cutoffs) + 1} clusters. "
            f"Give fewer ids, or an encoder of at least {least}."
        )


def num_tested(config: Config, data: Any) -> int:
    """How many tokens of the test are read within trainer.limit_test_batches."""
    num_tokens = len(data.prepared.parts["test"]) - 1
    num_windows = batches_within(-(-num_tokens // EVALUATED_WINDOW), config.trainer.tested_batches)
    return min(num_tokens, num_windows * EVALUATED_WINDOW)


def tested_size(prepared: Any, num_tokens: int) -> TextSize:
    """The size of the first tokens of the test, whose characters and bytes are taken to be as many a token as in all of it."""
    size = sizes_of(prepared.record)["test"]
    share = num_tokens / size.tokens
    return TextSize(num_tokens, round(share * size.characters), round(share * size.bytes))
