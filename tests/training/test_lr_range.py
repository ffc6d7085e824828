from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.commands.train import compose
from gatelab.errors import ConfigError
from gatelab.training.lr_range import lr_range, steepest
from gatelab.training.run import resolve

SETTINGS = [
    "data.num_rows=80", "data.batch_size=16", "trainer=cpu", "tracker=none", "encoder.hidden_size=4", "model.embedding_size=4",
]  # fmt: skip


def test_rates_grow_by_one_factor(cache_dir: Path) -> None:
    settings = resolve(compose([*SETTINGS, f"data.cache_dir={cache_dir}"]))
    found = lr_range(settings, 1e-5, 1.0, 40)
    factors = found.rates[2:] / found.rates[1:-1]
    assert factors == pytest.approx(np.full(len(factors), factors[0]))
    assert found.rates[0] < 1.1e-4
    assert found.steepest in found.rates
    with pytest.raises(ConfigError, match=r"--min 1 --max 0\.1: the rates grow"):
        lr_range(settings, 1.0, 0.1, 40)


def test_the_loss_falls_fastest_where_its_slope_over_the_logarithm_is_least() -> None:
    rates = np.logspace(-6, 0, 121)
    losses = 2 - np.tanh(np.log(rates / 0.01))  # steepest at 0.01
    losses[:5] = np.linspace(9, 3, 5)  # of a mean that has only begun
    assert steepest(rates, losses) == pytest.approx(0.01)
    assert steepest(rates, np.linspace(1, 2, 121)) is None
    assert steepest(rates[:8], losses[:8]) is None


def test_the_command_prints_the_rate_draws_the_curve_and_makes_no_run(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["find-lr", *SETTINGS, f"data.cache_dir={cache_dir}", "--steps", "40"])
    assert done.exit_code == 0, done.output
    assert "optimizer.lr=" in done.output
    assert "Finding" not in done.output  # Lightning's own bar
    assert [file.name for file in tmp_path.iterdir()] == ["find_lr.svg"]
    refused = CliRunner().invoke(app, ["find-lr", "encoder=lstmm"])
    assert refused.exit_code == 2
