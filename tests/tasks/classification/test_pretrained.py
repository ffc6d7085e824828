"""Training from pretrained vectors: where they go, that frozen ones stay, and that a run with them is found again by their content."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gatelab.commands.reproduce import reproduce
from gatelab.commands.train import compose
from gatelab.errors import ConfigError, DataError
from gatelab.reports.analysis.settings import differing_keys
from gatelab.reports.pages.facts import cost_facts, data_facts, origin_facts
from gatelab.runs.config import load_config, write_config
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import load_runs
from gatelab.runs.record import Data, Vectors
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.tasks.sequence.prediction import Predictor
from gatelab.training.run import resolve, train

SETTINGS = [
    "data.num_rows=80", "data.batch_size=16", "trainer=cpu", "trainer.max_epochs=2", "trainer.log_every_n_steps=2", "tracker=none",
    "encoder.hidden_size=4", "optimizer.weight_decay=0.1", "optimizer.lr=0.01", "baseline=none", "report=false", "callbacks=none",
]  # fmt: skip
WORDS = ["the", "was", "expected", "i", "had", "that", "food", "good", "awful", "elsewhere"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five numbers a word."""
    file = tmp_path_factory.mktemp("vectors") / "v.txt"
    numbers = np.random.default_rng(3).normal(size=(len(WORDS), 5)).round(3)
    file.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(WORDS, numbers, strict=True)))
    return file


@pytest.fixture(scope="module")
def run_with(vectors: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """run_with(*overrides): the folder, trained once for each, and whether it was trained now."""
    output_dir = tmp_path_factory.mktemp("outputs")

    def run(*more: str, place: Path = vectors) -> tuple[RunFolder, bool]:
        settings = [*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={output_dir}", f"model.vectors={place}"]
        return train(compose([*settings, *more]))

    return run


def embedding(folder: RunFolder) -> dict[str, Any]:
    """By word, as the exported model has it."""
    words = json.loads((folder.model / "tokenizer.json").read_text())["model"]["vocab"]
    rows = load_file(folder.model / "model.safetensors")["embedding.weight"]
    return {word: rows[row] for word, row in words.items()}


def in_file(file: Path) -> dict[str, Any]:
    lines = [line.split(" ") for line in file.read_text().splitlines()]
    return {word: torch.tensor([float(number) for number in numbers]) for word, *numbers in lines}


def test_frozen_vectors_are_those_of_the_file_after_training_and_trained_ones_are_not(
    run_with: Any, vectors: Path
) -> None:
    frozen, trained = (run_with(f"model.freeze_vectors={value}")[0] for value in ("true", "false"))
    known, before, after = in_file(vectors), embedding(frozen), embedding(trained)
    common = [word for word in known if word in before]
    assert len(common) >= 4
    assert all(torch.equal(before[word], known[word]) for word in common)
    assert not any(torch.equal(after[word], known[word]) for word in common)
    for words in (before, after):
        assert not words["<pad>"].any()
    drawn = [row for word, row in before.items() if word not in known and word != "<pad>"]
    assert all(row.any() for row in drawn)
    size = len(before) * 5
    assert (frozen.record.frozen_parameters, trained.record.frozen_parameters) == (size, None)
    assert frozen.record.parameters == trained.record.parameters
    assert f"{frozen.record.parameters:,}, {size:,} of them not trained" in dict(cost_facts(frozen.record)).values()


def test_what_was_found_and_the_file_are_in_the_record_and_on_the_page(run_with: Any, vectors: Path) -> None:
    folder, _ = run_with()
    record = folder.record
    assert record.data is not None
    assert record.data.vectors is not None
    assert record.data.vocab_size is not None
    facts = dict(data_facts(record.data, load_config(folder)))
    types = record.data.vectors.types
    known = in_file(vectors)
    assert types["exact"] == sum(word in known for word in embedding(folder))
    exact = f"{types['exact']} of {record.data.vocab_size - 2}: {types['exact']} exactly, 0 by case folding"
    assert facts["words with a vector"].startswith(exact)
    assert facts["pretrained vectors"] == "v.txt, 5 numbers a word"
    assert "fitted on the training rows" in facts["vocabulary"]
    assert dict(origin_facts(record))["sha256, model.vectors"] == f"v.txt {record.files['model.vectors'][0].sha256}"
    assert record.files["model.vectors"][0].bytes == vectors.stat().st_size
    everything = Data(vocab_size=9, vectors=Vectors(vocab="all"))
    assert "validation and test rows" in dict(data_facts(everything, {}))["vocabulary"]


def test_a_run_with_vectors_differs_from_one_without_in_the_key_of_the_vectors_alone(
    run_with: Any, tmp_path: Path
) -> None:
    folder, _ = run_with()
    runs = load_runs([folder])
    without = resolve(compose([*SETTINGS, "model.embedding_size=5", f"output_dir={tmp_path}"]))
    other = RunFolder(tmp_path / "0123456789")
    other.path.mkdir()
    write_config(other, without)
    other.update(status="finished")
    assert [key for key in differing_keys([*runs, *load_runs([other])]) if not key.startswith("data.")] == [
        "model.vectors"
    ]


def test_the_model_predicts_without_the_file_of_vectors(run_with: Any, vectors: Path, tmp_path: Path) -> None:
    folder, _ = run_with()
    away = vectors.rename(tmp_path / "away.txt")
    try:
        probabilities = Predictor(folder.model).predictions(["the food was awful"])
    finally:
        away.rename(vectors)
    assert probabilities.sum() == pytest.approx(1)
    config = json.loads((folder.model / "config.json").read_text())["model"]
    assert config["embedding_size"] == 5
    assert not [key for key in config if "vectors" in key]


def test_the_same_vectors_elsewhere_and_their_dimension_given_are_the_same_run(
    run_with: Any, vectors: Path, tmp_path: Path
) -> None:
    folder, _ = run_with()
    copy = Path(shutil.copy(vectors, tmp_path / "copy.txt"))
    again, trained = run_with("model.embedding_size=5", place=copy)
    assert (again.path, trained) == (folder.path, False)


def test_a_reproduction_is_identical_and_wants_the_same_vectors(run_with: Any, vectors: Path, tmp_path: Path) -> None:
    folder, _ = run_with("model.freeze_vectors=true")
    copy = Path(shutil.copy(vectors, tmp_path / "copy.txt"))
    other = tmp_path / "other.txt"
    other.write_text("the 1 2 3 4 5\n")
    with pytest.raises(DataError, match=r"model\.vectors: other\.txt has sha256 .* made with v\.txt"):
        reproduce(str(folder.path), folder.path.parent, [f"model.vectors={other}"])
    assert reproduce(str(folder.path), folder.path.parent, [f"model.vectors={copy}"])


def test_a_run_stopped_inside_an_epoch_resumes_to_the_same_bytes(
    run_with: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = run_with("model.freeze_vectors=true")
    step = SequenceClassifier.training_step

    def stopped(self: SequenceClassifier, batch: Any, index: int) -> Any:
        if self.trainer.global_step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, index)

    settings = "model.freeze_vectors=true", f"output_dir={tmp_path}"
    monkeypatch.setattr(SequenceClassifier, "training_step", stopped)
    with pytest.raises(SystemExit):
        run_with(*settings)
    monkeypatch.undo()
    resumed, _ = run_with(*settings)
    assert len(resumed.record.resumed) == 1
    for name in ("metrics.csv", "predictions.csv", "model/model.safetensors"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()


@pytest.mark.parametrize("override", ["model.freeze_vectors=true", "model.vectors_vocab=all"])
def test_a_setting_of_vectors_without_vectors_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=rf"{override.split('=')[0]}=\w+: there are no vectors. Give model\.vectors="):
        resolve(compose([override]))
