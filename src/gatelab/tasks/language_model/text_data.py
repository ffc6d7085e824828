"""The LightningDataModule of plain text: streams of tokens, or the generated text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
from annotated_types import Ge, Le
from typing_extensions import TypedDict

from gatelab.annotations import Count, Fraction, Positive, Seed
from gatelab.data.cache_folders import CACHE_GIB
from gatelab.data.sources import generated_file
from gatelab.errors import ConfigError, DataError
from gatelab.tasks.language_model.made_text import write_text
from gatelab.tasks.language_model.prepare_text import PreparedText, TextSettings, prepare_text
from gatelab.tasks.language_model.text_streams import StreamLoader
from gatelab.tasks.language_model.text_tokenizer import TextTokenizerSettings

EVALUATED_WINDOW = 512  # tokens read at once where nothing is learned; no number depends on it


class Shares(TypedDict):
    validation: Fraction
    test: Fraction


class PlainText(pl.LightningDataModule):
    """Text files as they are. Settings as in conf/data/text.yaml; batch_size counts the columns of all devices.

    Validation and test are one unbroken stream each, read by every device.
    """

    def __init__(
        self,
        *,
        path: str | list[str] | None,
        validation_path: str | list[str] | None = None,
        test_path: str | list[str] | None = None,
        split: Shares,
        encoding: str | None = None,
        tokenizer: TextTokenizerSettings,
        batch_size: Count,
        window: Count,
        variable_window: bool = False,
        num_sentences: Annotated[int, Ge(1), Le(10_000_000)],
        text_seed: int,
        seed: Seed,
        cache_dir: str,
        cache_gib: Positive = CACHE_GIB,
    ) -> None:
        super().__init__()
        if split["validation"] + split["test"] >= 1:
            raise ConfigError(
                "data.split: validation and test leave no text for training. Make their sum smaller than 1."
            )
        self.paths = {"train": path, "validation": validation_path, "test": test_path}
        self.settings = TextSettings(split, tokenizer, encoding)
        self.batch_size, self.window, self.variable_window, self.seed = batch_size, window, variable_window, seed
        self.made = {"num_sentences": num_sentences, "seed": text_seed}
        self.cache_dir, self.cache_gib = Path(cache_dir).expanduser(), cache_gib
        self._prepared: PreparedText | None = None

    @property
    def targets(self) -> str:
        return "tokens"

    @targets.setter
    def targets(self, wanted: str) -> None:
        """That of the task."""
        if wanted != self.targets:
            raise ConfigError(
                "data=text holds no labels: take model=language_model, or data=csv for a table with labels."
            )

    @property
    def prepared(self) -> PreparedText:
        if self._prepared is None:
            if self.paths["train"] is None:
                if self.paths["validation"] or self.paths["test"]:
                    raise ConfigError("data.path is not set: give the file of the training text.")
                self.paths["train"] = str(self._made_text())
            prepared = prepare_text(self.paths, self.settings, self.cache_dir, self.cache_gib)
            refuse_short(prepared, self.batch_size, self.window)
            self._prepared = prepared
        return self._prepared

    def _made_text(self) -> Path:
        """The generated text, named after its settings and what makes it."""
        settings = "-".join(str(value) for value in self.made.values())
        return generated_file(self.cache_dir / "text" / f"text-{settings}.txt", write_text, **self.made)

    def summary(self) -> list[str]:
        """Lines for the screen."""
        sizes = self.prepared.record["split_sizes"].items()
        split = " · ".join(f"{part} {size:,}" if size else f"no {part}" for part, size in sizes)
        return [*summary_lines(self.prepared.record), f"split   {split} tokens, by place"]

    def prepare_data(self) -> None:
        _ = self.prepared

    def train_dataloader(self) -> StreamLoader:
        return StreamLoader(
            self.prepared.parts["train"],
            num_columns=self.batch_size,
            window=self.window,
            seed=self.seed,
            variable=self.variable_window,
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self.trainer.world_size if self.trainer else 1,
        )

    def val_dataloader(self) -> list[StreamLoader]:
        return self._evaluation("validation")

    def test_dataloader(self) -> list[StreamLoader]:
        return self._evaluation("test")

    def _evaluation(self, part: str) -> list[StreamLoader]:
        """Its loader; none for a part without tokens."""
        stream = self.prepared.parts[part]
        return [evaluation_loader(stream)] if len(stream) > 1 else []


def evaluation_loader(stream: Any) -> StreamLoader:
    """One unbroken stream (1 + N,)."""
    return StreamLoader(stream, num_columns=1, window=EVALUATED_WINDOW)


def summary_lines(record: Mapping[str, Any]) -> list[str]:
    unknown = ", ".join(f"{part} {share:.2%}" for part, share in record.get("unknown_share", {}).items())
    unknown = f"; unknown: {unknown}" if unknown else ""
    return [
        f"data    {', '.join(record['files'])}",
        f"tokens  {record['tokenizer']}, vocabulary {record['vocab_size']:,}{unknown}",
    ]


def refuse_short(prepared: PreparedText, batch_size: int, window: int) -> None:
    """Raise DataError for a training text that does not fill one window of every column."""
    sizes: dict[str, Any] = prepared.record["split_sizes"]
    name = Path(prepared.record["files"][0]).name
    if sizes["train"] < batch_size * window:
        raise DataError(
            f"{name}: its training part has {sizes['train']:,} tokens, and one window of {window} in each of {batch_size} columns needs "
            f"{batch_size * window:,}. Give a longer text, or a smaller data.window or data.batch_size."
        )
