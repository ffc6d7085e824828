"""Runs of the task: tiny ones, one of them shared."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from stopped_runs import assert_same_bytes, stopped_and_resumed

from gatelab.commands.train import compose
from gatelab.config.model_choice import model_of
from gatelab.errors import ConfigError, DataError, RunError
from gatelab.reports.terminal.result import result_table
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_points
from gatelab.tasks.base import build_data
from gatelab.tasks.model_folder import task_of_folder
from gatelab.tasks.sequence.export import load_model
from gatelab.tasks.synthetic.sequences import as_batch
from gatelab.tasks.synthetic.synthetic_module import SyntheticModule
from gatelab.tasks.synthetic.synthetic_scores import losses_of, sums_of
from gatelab.training.run import check, resolve, train

QUICK = [
    "data=adding", "data.length=6", "data.test_lengths=[9,12]", "data.num_sequences=160", "data.num_validation=50", "data.num_test=50",
    "data.eval_batch_size=32", "encoder=gru", "encoder.hidden_size=8", "trainer=cpu", "trainer.max_epochs=3", "trainer.log_every_n_steps=2",
    "tracker=none", "report=false", "checkpoint_minutes=0",
]  # fmt: skip


@cache
def composed(*choices: str) -> DictConfig:
    return compose([*QUICK, *choices])


def config(output_dir: Path, *overrides: str) -> DictConfig:
    """Composed once, but for other choices of groups."""
    choices = [word for word in overrides if "." not in word.split("=")[0] and not word.startswith("seed=")]
    keys = [word for word in overrides if word not in choices]
    changed = OmegaConf.create(OmegaConf.to_container(composed(*choices)))
    return OmegaConf.merge(changed, OmegaConf.from_dotlist([*keys, f"output_dir={output_dir}"]))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder, trained = train(config(tmp_path_factory.mktemp("synthetic") / "outputs"))
    assert trained
    return folder


def built(tmp_path: Path, *overrides: str) -> tuple[Any, Any, Any]:
    settings, task, _ = check(resolve(config(tmp_path, *overrides)))
    data = build_data(settings, task)
    assert data.prepared.record["unit"] == "sequence"
    return settings, task, data


def test_a_run_is_tested_at_each_length_beside_the_best_answer_without_memory(finished: RunFolder) -> None:
    scores, baseline = finished.record.metrics, finished.record.baselines["memoryless"]
    assert scores is not None
    assert list(scores.by_length) == list(baseline.by_length) == ["6", "9", "12"]
    assert scores.numbers()["by_length.6.mse"] == scores["mse"]
    assert baseline["mse"] == baseline.by_length["12"]["mse"] == pytest.approx(1 / 6)
    assert scores["longest_right"] == 0
    points = read_points(finished.metrics, finished.metrics.stat().st_size)
    validations = [point.values["validation/loss"] for point in points if "validation/loss" in point.values]
    assert finished.record.best_validation["loss"] == min(validations)
    screen = Console(width=90, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    screen.print(result_table(finished))
    assert "MSE, length 12" in screen.export_text()


def test_its_numbers_are_those_of_the_saved_weights_sequence_by_sequence(finished: RunFolder, tmp_path: Path) -> None:
    settings, task, data = built(tmp_path)
    module = task.build_module(settings, data)
    module.load_state_dict(torch.load(finished.best, weights_only=True)["state_dict"])
    errors = []
    for begin, end in ((0, 32), (32, 50)):
        inputs, lengths, targets = data.evaluation_sequences("test", 12, begin, end)
        for x, length, target in zip(inputs, lengths, targets, strict=True):
            states, _ = module.encoder(torch.from_numpy(x[None, :length]), torch.tensor([length]))
            errors.append((module.head(states[0, -1]).item() - target[length - 1]) ** 2)
    assert finished.record.metrics is not None
    assert finished.record.metrics.by_length["12"]["mse"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert finished.record.metrics.by_length["12"]["sequences_right"] == np.mean(np.sqrt(errors) < 0.04)


def test_a_run_that_is_killed_inside_an_epoch_ends_in_the_same_bytes(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = 8  # before the fourth of the second epoch's 5
    resumed = stopped_and_resumed(SyntheticModule, step, config(tmp_path), config(tmp_path), monkeypatch)
    assert resumed.record.metrics == finished.record.metrics
    assert_same_bytes(resumed, finished)


def test_training_sequences_are_new_in_each_epoch_or_fixed_and_those_of_the_test_depend_on_no_seed(
    tmp_path: Path,
) -> None:
    _, _, data = built(tmp_path)
    _, _, other = built(tmp_path, "seed=1")
    _, _, fixed = built(tmp_path, "data.fixed=true")
    batches = [data.training_sequences(epoch, begin, begin + 32).inputs for epoch in (0, 1) for begin in (0, 32)]
    assert len({batch.tobytes() for batch in batches}) == 4
    assert batches[2].tobytes() == built(tmp_path)[2].training_sequences(1, 0, 32).inputs.tobytes()
    assert other.training_sequences(0, 0, 32).inputs.tobytes() != batches[0].tobytes()
    tests = [each.evaluation_sequences("test", 9, 0, 32).inputs.tobytes() for each in (data, other)]
    assert tests[0] == tests[1]
    assert data.prepared.record["sha256"] == other.prepared.record["sha256"]
    assert data.prepared.record["sha256"] != built(tmp_path, "data.length=7")[2].prepared.record["sha256"]
    epochs = [np.sort(fixed.training_sequences(epoch, 0, 160).targets[:, -1]) for epoch in (0, 1)]
    assert np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(*(fixed.training_sequences(epoch, 0, 32).inputs for epoch in (0, 1)))


def test_the_sequences_of_all_ranks_are_those_of_one_and_one_that_fills_counts_for_nothing(tmp_path: Path) -> None:
    sequences = built(tmp_path)[2].training_sequences(0, 0, 3)
    parts = [as_batch(sequences, 6, rank, 4) for rank in range(4)]
    assert torch.equal(torch.cat([part.inputs for part in parts[:3]]), torch.from_numpy(sequences.inputs))
    assert sums_of("number", torch.empty(0, 1), parts[3].targets, 0.04).tolist() == [0, 0, 0, 0, 0]


def test_losses_and_what_is_right_by_hand() -> None:
    outputs = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]]).double()
    sets = torch.tensor([[0b101, -100, 0b001]])
    p = torch.sigmoid(outputs)
    by_hand = [
        -(p[0, 0].log() + (1 - p[0, 1]).log() + p[0, 2].log()) / 3,
        -(p[1, 0].log() + (1 - p[1, 1]).log() + (1 - p[1, 2]).log()) / 3,
    ]
    assert losses_of("set", outputs, torch.tensor([0b101, 0b001])).tolist() == pytest.approx(
        [value.item() for value in by_hand]
    )
    assert sums_of("set", outputs, sets, 0).tolist()[1:] == [2, 1, 1, 0]  # one of two sets, so no sequence
    symbols = torch.tensor([[0, -100], [-100, 1]])
    assert sums_of("symbol", outputs, symbols, 0).tolist()[1:] == [2, 2, 2, 2]
    numbers = torch.tensor([[torch.nan, 2.03], [torch.nan, 0.05]])
    assert sums_of("number", outputs[:, :1], numbers, 0.04).tolist() == pytest.approx(
        [0.03**2 + 0.05**2, 2, 1, 2, 1], rel=1e-5
    )


def test_what_needs_a_model_that_reads_texts_says_so(finished: RunFolder) -> None:
    for read in (task_of_folder, load_model):
        with pytest.raises(
            RunError,
            match=r"^\S+model: holds no model that reads texts, as predict, .* need it: config.json is missing\.$",
        ):
            read(finished.model)


def test_sequences_until_success_are_recorded_and_the_run_stops_there(tmp_path: Path) -> None:
    folder, _ = train(config(tmp_path, "data.success=0.02", "trainer.max_epochs=9"))
    scores = folder.record.metrics
    assert scores is not None
    points = read_points(folder.metrics, folder.metrics.stat().st_size)
    reached = [
        point.values["validation/sequences_right"] for point in points if "validation/sequences_right" in point.values
    ]
    first = next(epoch for epoch, value in enumerate(reached, 1) if value >= 0.02)
    assert scores["sequences_seen"] == 160 * first
    assert folder.record.epochs == first < 9
    assert scores["longest_right"] == max(
        int(length) for length, found in scores.by_length.items() if found["sequences_right"] >= 0.02
    )


@pytest.mark.parametrize(
    ("data", "model"),
    [("adding", "synthetic"), ("seq_digits", "synthetic"), ("sample", "classifier"), ("mine", "classifier")],
)
def test_the_choice_of_data_brings_its_model(data: str, model: str) -> None:
    assert model_of(data) == model


def test_what_the_command_line_chooses_comes_before_what_the_data_brings() -> None:
    composed = compose(["data=parity", "encoder=rnn", "encoder.hidden_size=7", "callbacks=default", "optimizer.lr=0.5"])
    assert composed.model._target_.endswith("SyntheticModule")
    assert (composed.encoder.hidden_size, composed.optimizer.lr, composed.callbacks.early_stopping.patience) == (
        7,
        0.5,
        8,
    )
    assert "tokenizer" not in composed.data


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.length=0"], r"data\.length=0: input should be greater than or equal to 1"),
        (["data.test_lengths=[]"], r"data\.test_lengths=\[\]: list should have at least 1 item"),
        (["data.length=2000000000"], r"data\.length=2000000000: a batch needs at least .* GiB, and this machine has"),
        (["data.test_lengths=[2000000000]"], r"data\.test_lengths=2000000000: a batch needs"),
        (["encoder.bidirectional=true"], r"encoder\.bidirectional=true: reads what is still to come"),
        (["data.variant=mine"], r"data\.variant=mine: input should be 'le' or 'hochreiter'"),
        (["model=classifier", "callbacks=none"], r"SequenceClassifier: reads rows of texts, and .*Adding has none\."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(overrides: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        built(tmp_path, *overrides)


def test_sequences_from_a_file_are_read_and_checked(tmp_path: Path) -> None:
    file, random = tmp_path / "mnist1d.npz", np.random.default_rng(0)
    arrays = {
        "x": random.random((24, 5)),
        "y": np.arange(24) % 3,
        "x_test": random.random((6, 5)),
        "y_test": np.arange(6) % 3,
    }
    words = [word for word in QUICK if not word.startswith("data.")]
    settings, task, _ = check(resolve(compose([*words, "data=seq_digits", f"data.path={file}"])))

    def data_of() -> Any:
        found = build_data(settings, task)
        return found, found.prepared

    np.savez(file, **arrays)  # type: ignore[arg-type]
    data, _ = data_of()
    assert data.sizes == {"train": 20, "validation": 4, "test": 6}
    assert (data.length, data.num_outputs) == (5, 3)
    assert np.allclose(data.evaluation_sequences("test", 5, 0, 6).inputs[:, :, 0], arrays["x_test"])
    for change, sentence in (
        ({"y": np.array(["a"] * 24, dtype=object)}, "cannot be read"), ({"x": np.full((24, 5), np.nan)}, "no finite number"),
        ({"y": np.full(24, -1)}, "no class"), ({"x_test": random.random((6, 4))}, "with one T"),
    ):  # fmt: skip
        np.savez(file, **{**arrays, **change})  # type: ignore[arg-type]
        with pytest.raises(DataError, match=sentence):
            data_of()
    file.write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match=r"cannot be read: it is no \.npz"):
        data_of()


@pytest.mark.long
def test_two_processes_share_the_sequences_and_have_the_same_losses(finished: RunFolder, tmp_path: Path) -> None:
    runs = finished, train(config(tmp_path, "trainer.devices=2"))[0]
    curves = [
        [value for point in read_points(run.metrics, run.metrics.stat().st_size) for value in point.values.values()]
        for run in runs
    ]
    assert len(curves[0]) > 15
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)
