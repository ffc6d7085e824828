"""from=RUN continues a finished run with more epochs, as a run of its own."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from gatelab.commands.train import compose
from gatelab.errors import ConfigError, RunError
from gatelab.runs.config import load_config
from gatelab.runs.folder import RunFolder
from gatelab.training.run import train

SETTINGS = [
    "data.num_rows=80", "data.batch_size=16", "trainer=cpu", "trainer.max_epochs=2", "tracker=none", "encoder.hidden_size=4",
    "model.embedding_size=4", "baseline=none", "report=false", "optimizer.lr=0.05", "model.dropout=0.3",
]  # fmt: skip


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


def run(output_dir: Path, cache_dir: Path, *more: str) -> tuple[RunFolder, bool]:
    return train(compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={output_dir}", *more]))


@pytest.fixture(scope="module")
def parent(output_dir: Path, cache_dir: Path) -> RunFolder:
    return run(output_dir, cache_dir)[0]


def test_two_epochs_and_two_more_are_four(parent: RunFolder, output_dir: Path, cache_dir: Path) -> None:
    before = {file: file.read_bytes() for file in parent.path.rglob("*") if file.is_file()}
    child, trained = run(output_dir, cache_dir, f"from={parent.path.name}", "trainer.max_epochs=4")
    assert trained
    four, _ = run(output_dir, cache_dir, "trainer.max_epochs=4")
    assert len({parent.path.name, child.path.name, four.path.name}) == 3
    for name in ("metrics.csv", "predictions.csv", "model/model.safetensors"):
        assert (child.path / name).read_bytes() == (four.path / name).read_bytes(), name
    assert {file: file.read_bytes() for file in parent.path.rglob("*") if file.is_file()} == before
    record = child.record
    assert record.parent is not None
    assert (record.parent.identity, record.parent.epochs, record.epochs) == (parent.path.name, 2, 4)
    again, trained = run(output_dir, cache_dir, f"from={parent.path}", "trainer.max_epochs=4")
    assert (again.path, trained) == (child.path, False)
    recorded = load_config(child)["from"]
    assert run(output_dir, cache_dir, f"from={recorded}", "trainer.max_epochs=4")[0].path == child.path
    assert load_file(recorded).keys() == load_file(child.model / "model.safetensors").keys()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["trainer.max_epochs=2"], r"^trainer\.max_epochs=2: run \w+ has trained 2 epochs\. Give more\.$"),
        (
            ["trainer.max_epochs=4", "optimizer.lr=0.1"],
            r"^optimizer\.lr=0\.1: run \w+ has 0\.05\. A run that continues",
        ),
        (["trainer.max_epochs=4", "encoder=gru"], r"^encoder\._target_=.*: run \w+ has .*LSTMEncoder"),
    ],
    ids=str,
)
def test_what_does_not_continue_the_run_is_refused(
    more: list[str], sentence: str, parent: RunFolder, output_dir: Path, cache_dir: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run(output_dir, cache_dir, f"from={parent.path.name}", *more)


def test_only_a_finished_run_is_continued(parent: RunFolder, output_dir: Path, cache_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^ffffffff: no such run"):
        run(output_dir, cache_dir, "from=ffffffff")
    unfinished = RunFolder(tmp_path / "default" / "abcdefabcd")
    unfinished.path.mkdir(parents=True)
    unfinished.update(status="failed")
    with pytest.raises(ConfigError, match=r"^from=abcdef: is failed\. Only a finished run can be continued\.$"):
        run(tmp_path, cache_dir, "from=abcdef")


def test_a_run_that_was_stopped_early_is_continued_with_other_callbacks(output_dir: Path, cache_dir: Path) -> None:
    patient = ["callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=2"]  # no gain is ever enough
    stopped, _ = run(output_dir, cache_dir, *patient, "trainer.max_epochs=6")
    epochs = stopped.record.epochs
    assert epochs is not None
    assert epochs < 6
    with pytest.raises(ConfigError, match=r"was stopped early\. Give a larger callbacks\.early_stopping\.patience"):
        run(output_dir, cache_dir, *patient, "trainer.max_epochs=6", f"from={stopped.path.name}")
    longer = [patient[1], "callbacks.early_stopping.patience=3", f"trainer.max_epochs={epochs + 2}"]
    child, _ = run(output_dir, cache_dir, *longer, f"from={stopped.path.name}")
    assert child.record.epochs == epochs + 2
