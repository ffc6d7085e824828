"""The LightningDataModules: sources of the files, and loaders over the prepared arrays."""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytorch_lightning as pl
from annotated_types import Ge, Len
from pydantic import Field

from gatelab.annotations import ArgumentsOf, Count, Positive, Seed
from gatelab.data.batch import BatchLoader, rows_within
from gatelab.data.cache_folders import CACHE_GIB
from gatelab.data.formats.records import MAX_UNPACKING
from gatelab.data.prepare import Prepared, Settings, Source, prepare, summary_lines
from gatelab.data.pretrained import more_words, with_vectors
from gatelab.data.row_targets import Kind
from gatelab.data.sources import csv_source, gop_debate_source, sample_source
from gatelab.data.split import CheckedSplit, Indices
from gatelab.data.tokenize import TokenizerSettings
from gatelab.data.vectors import VectorFiles


class TextData(pl.LightningDataModule):
    """Texts with labels from a table. Settings as in conf/data; ``batch_size`` counts the rows of all devices.

    vectors: pretrained vectors that the model asks for; set before ``prepared`` is first read.
    """

    def __init__(
        self,
        *,
        batch_size: Count,
        eval_batch_size: Count,
        seed: Seed,
        sampling: Literal["balanced"] | None = None,
        cache_dir: str,
        cache_gib: Positive = CACHE_GIB,
        text: str | list[str] | None = None,
        label: str | list[str] | None = None,
        label_separator: Annotated[str, Len(1)] | None = None,
        labels: list[Any] | dict[Any, Any] | None = None,
        encoding: str | None = None,
        delimiter: Annotated[str, Len(1, 1)] | None = None,
        header: bool | None = None,
        columns: list[str] | None = None,
        split: CheckedSplit,
        tokenizer: TokenizerSettings,
        max_length: Count | None,
        max_unpacking: Positive = MAX_UNPACKING,
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size, seed
        self.sampling = sampling
        self.cache_dir, self.cache_gib = Path(cache_dir).expanduser(), cache_gib
        self.settings = Settings(
            text,
            label,
            labels,
            encoding,
            delimiter,
            header,
            columns,
            dict(split),
            dict(tokenizer),
            max_length,
            label_separator,
            max_unpacking=max_unpacking,
        )
        self.vectors: VectorFiles | None = None
        self.targets: Kind = "class"  # training sets that of the task, before ``prepared`` is read
        self._prepared: Prepared | None = None

    @abstractmethod
    def source(self) -> Source:
        """The files. A data set of your own is a subclass that returns a Source here."""

    @property
    def prepared(self) -> Prepared:
        if self._prepared is None:
            more = None if self.vectors is None else more_words(self.vectors, self.cache_dir)
            settings = replace(self.settings, targets=self.targets)
            prepared = prepare(self.source(), settings, self.cache_dir, more, cache_gib=self.cache_gib)
            self._prepared = prepared if self.vectors is None else with_vectors(prepared, self.vectors, self.cache_dir)
        return self._prepared

    def summary(self) -> list[str]:
        """Lines for the screen."""
        return summary_lines(self.prepared.record)

    def prepare_data(self) -> None:
        _ = self.prepared

    def train_dataloader(self) -> BatchLoader:
        return self._loader("train", self.batch_size, shuffle=True, balanced=self.sampling == "balanced")

    def val_dataloader(self) -> list[BatchLoader]:
        return self._evaluation("validation", self.trainer.limit_val_batches if self.trainer else 1.0)

    def test_dataloader(self) -> list[BatchLoader]:
        return self._evaluation("test", self.trainer.limit_test_batches if self.trainer else 1.0)

    def evaluated_rows(self, part: str, limit: float) -> Indices:
        """The rows of validation or test that are evaluated within a limit of Lightning's, ascending."""
        return rows_within(self.prepared.parts[part], self.eval_batch_size, limit, self.seed)

    def _evaluation(self, part: str, limit: float) -> list[BatchLoader]:
        """Its loader; none for a part without rows."""
        is_there = len(self.prepared.parts[part]) > 0
        return [self._loader(part, self.eval_batch_size, shuffle=False, limit=limit)] if is_there else []

    def _loader(
        self, part: str, batch_size: int, *, shuffle: bool, balanced: bool = False, limit: float = 1.0
    ) -> BatchLoader:
        return BatchLoader(
            self.prepared,
            self.prepared.parts[part],
            batch_size=batch_size,
            seed=self.seed,
            shuffle=shuffle,
            balanced=balanced,
            limit=limit,
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self.trainer.world_size if self.trainer else 1,
        )


class SentimentData(TextData):
    """The user's own files, the parts apart where they are given."""

    def __init__(
        self,
        *,
        path: str | list[str],
        validation_path: str | list[str] | None = None,
        test_path: str | list[str] | None = None,
        **table: Annotated[Any, ArgumentsOf(TextData)],
    ) -> None:
        super().__init__(**table)
        self.paths = path, validation_path, test_path

    def source(self) -> Source:
        return csv_source(*self.paths)


class SampleData(TextData):
    """The generated sample, written once to the cache folder."""

    def __init__(
        self,
        *,
        num_rows: Annotated[int, Ge(20)],
        gap: Annotated[int, Ge(0)],
        sample_seed: int,
        **table: Annotated[Any, ArgumentsOf(TextData)],
    ) -> None:
        super().__init__(**table)
        self.sample = {"num_rows": num_rows, "gap": gap, "sample_seed": sample_seed}

    def source(self) -> Source:
        return sample_source(self.cache_dir, **self.sample)


class GopDebateData(TextData):
    """The notebook's file, from a local copy or downloaded."""

    def __init__(
        self,
        *,
        path: str | None,
        url: str,
        sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")],
        **table: Annotated[Any, ArgumentsOf(TextData)],
    ) -> None:
        super().__init__(**table)
        self.path, self.url, self.sha256 = path, url, sha256

    def source(self) -> Source:
        return gop_debate_source(self.cache_dir, path=self.path, url=self.url, sha256=self.sha256)
