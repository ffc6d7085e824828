"""The selection metric has one key, however it is named."""

from pathlib import Path

import pytest

from gatelab.commands.train import compose
from gatelab.runs.config import load_config
from gatelab.runs.folder import RunFolder
from gatelab.training.run import train

SETTINGS = [
    "data.num_rows=60", "trainer=cpu", "trainer.max_epochs=1", "tracker=none", "encoder.hidden_size=4", "model.embedding_size=4",
    "baseline=none", "report=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


def run(output_dir: Path, cache_dir: Path, *more: str) -> tuple[Path, bool]:
    folder, trained = train(compose([*SETTINGS, f"data.cache_dir={cache_dir}", f"output_dir={output_dir}", *more]))
    return folder.path, trained


@pytest.mark.parametrize("name", ["macro_f1", "macro-F1", "validation/macro_f1"])
def test_the_tasks_own_metric_given_by_name_is_the_same_run(name: str, output_dir: Path, cache_dir: Path) -> None:
    plain, _ = run(output_dir, cache_dir)
    assert run(output_dir, cache_dir, f"monitor={name}") == (plain, False)


def test_another_metric_is_another_run_whose_config_has_its_key(output_dir: Path, cache_dir: Path) -> None:
    plain, _ = run(output_dir, cache_dir)
    by_loss, trained = run(output_dir, cache_dir, "monitor=validation/loss")
    assert trained
    assert by_loss != plain
    folder = RunFolder(by_loss)
    assert (folder.record.monitor, load_config(folder)["monitor"]) == ("loss", "loss")
    assert run(output_dir, cache_dir, "monitor=loss") == (by_loss, False)
