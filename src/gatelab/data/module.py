"""The LightningDataModules: where the files come from, and loaders over the prepared arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from gatelab.data.batch import BatchLoader
from gatelab.data.prepare import Prepared, Settings, Source, prepare, summary_lines
from gatelab.data.sources import csv_source, gop_debate_source, sample_source


class SentimentData(pl.LightningDataModule):
    """Texts with labels from CSV files. Settings as in conf/data; ``batch_size`` counts the rows of all devices."""

    def __init__(
        self,
        *,
        batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        text: str | None = None,
        label: str | None = None,
        labels: Sequence[Any] | Mapping[Any, Any] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        split: Mapping[str, Any],
        tokenizer: Mapping[str, Any],
        max_length: int | None,
        **source_options: Any,
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size, seed
        self.cache_dir = Path(cache_dir).expanduser()
        self.source_options = source_options
        self.settings = Settings(text, label, labels, encoding, delimiter, dict(split), dict(tokenizer), max_length)
        self._prepared: Prepared | None = None

    def source(self) -> Source:
        """The files; for a data set of your own, a subclass returns a Source here."""
        return csv_source(**self.source_options)

    @property
    def prepared(self) -> Prepared:
        if self._prepared is None:
            self._prepared = prepare(self.source(), self.settings, self.cache_dir)
        return self._prepared

    def summary(self) -> list[str]:
        """Lines for the screen."""
        return summary_lines(self.prepared.record)

    def prepare_data(self) -> None:
        _ = self.prepared

    def train_dataloader(self) -> BatchLoader:
        return self._loader("train", self.batch_size, shuffle=True)

    def val_dataloader(self) -> BatchLoader:
        return self._loader("validation", self.eval_batch_size, shuffle=False)

    def test_dataloader(self) -> BatchLoader:
        return self._loader("test", self.eval_batch_size, shuffle=False)

    def _loader(self, part: str, batch_size: int, *, shuffle: bool) -> BatchLoader:
        return BatchLoader(
            self.prepared,
            self.prepared.parts[part],
            batch_size=batch_size,
            seed=self.seed,
            shuffle=shuffle,
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self.trainer.world_size if self.trainer else 1,
        )


class SampleData(SentimentData):
    """The generated sample, written once to the cache folder."""

    def source(self) -> Source:
        return sample_source(self.cache_dir, **self.source_options)


class GopDebateData(SentimentData):
    """The notebook's file, from a local copy or downloaded."""

    def source(self) -> Source:
        return gop_debate_source(self.cache_dir, **self.source_options)
