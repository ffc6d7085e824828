"""How far the gradient reaches, held against loops over the steps that autograd differentiates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gatelab.commands.draw_gradients import draw_gradients
from gatelab.commands.train import compose
from gatelab.errors import ConfigError, RunError
from gatelab.recurrent import GatedEncoder, LSTMEncoder, RNNEncoder
from gatelab.reports.charts.gradient_chart import gradient_charts
from gatelab.runs.folder import RunFolder
from gatelab.runs.gradients import Reach, read_gradients, write_gradients
from gatelab.training.gradient_reach import StepByStep
from gatelab.training.run import train

NUM_STEPS, NUM_ROWS, HIDDEN = 6, 3, 4


def by_hand(encoder: Any, cell: nn.RNNCell | nn.LSTMCell, x: Tensor) -> list[list[float]]:
    """The norms of dL/dh_t, and dL/dc_t with h_t held, of the loss sum(h_T²)."""
    layer = encoder.forward_layers[0] if hasattr(encoder, "forward_layers") else encoder.recurrent
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(cell, name).data.copy_(getattr(layer, f"{name}_l0"))
    state: Any = torch.zeros(NUM_ROWS, HIDDEN)
    state = (state, state) if isinstance(cell, nn.LSTMCell) else state
    kept = []
    for step in range(NUM_STEPS):
        state = cell(x[:, step], state)
        parts = tuple(part.clone() for part in (state if isinstance(state, tuple) else (state,)))  # so that h_t holds
        state = parts if isinstance(state, tuple) else parts[0]
        for part in parts:
            part.retain_grad()
        kept.append(parts)
    (kept[-1][0] ** 2).sum().backward()
    return [
        [0.0 if parts[k].grad is None else parts[k].grad.norm().item() for parts in kept] for k in range(len(kept[0]))
    ]


@pytest.mark.parametrize(
    ("kind", "cell"), [(RNNEncoder, nn.RNNCell), (LSTMEncoder, nn.LSTMCell), (GatedEncoder, nn.LSTMCell)]
)
def test_the_norms_are_those_of_a_loop_over_the_steps(kind: Any, cell: Any) -> None:
    torch.manual_seed(0)
    encoder = kind(2, HIDDEN)
    x = torch.randn(NUM_ROWS, NUM_STEPS, 2)
    read = StepByStep(encoder)
    states, _ = read(x, torch.full((NUM_ROWS,), NUM_STEPS))
    assert torch.allclose(states, encoder(x, torch.full((NUM_ROWS,), NUM_STEPS))[0], atol=1e-6)
    (states[:, -1] ** 2).sum().backward()
    for found, expected in zip(read.norms(), by_hand(encoder, cell(2, HIDDEN), x), strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    words = ["data=adding", "data.length=5", "data.num_sequences=32", "data.num_validation=8", "data.num_test=8", "encoder=lstm",
             "encoder.hidden_size=4", "trainer=cpu", "trainer.max_epochs=2", "tracker=none", "report=false"]  # fmt: skip
    folder, _ = train(compose([*words, f"output_dir={tmp_path_factory.mktemp('reach')}"]))
    return folder


def test_the_command_leaves_numbers_a_picture_and_a_section_of_the_page(finished: RunFolder) -> None:
    draw_gradients(str(finished.path), finished.path.parents[1])
    reaches = read_gradients(finished.gradients)
    assert [(reach.weights, reach.state) for reach in reaches] == [
        ("start", "h"),
        ("start", "c"),
        ("end", "h"),
        ("end", "c"),
    ]
    assert all(len(reach.norms) == 5 for reach in reaches)
    assert reaches[0].norms != reaches[2].norms
    assert (finished.figures / "gradients.svg").exists()
    assert "How far the gradient reaches" in finished.report.read_text(encoding="utf-8")
    again = finished.gradients.read_bytes()
    draw_gradients(str(finished.path), finished.path.parents[1])
    assert finished.gradients.read_bytes() == again


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "gradients.csv"
    reaches = [Reach("start", "h", [1e-9, 0.0, 0.5]), Reach("end", "h", [0.1, 0.2, 0.3])]
    write_gradients(file, reaches)
    assert read_gradients(file) == reaches
    (chart,) = gradient_charts(reaches)
    assert chart.y.is_log
    assert np.isnan(chart.lines[0].y).tolist() == [False, True, False]  # an axis without a zero
    assert "2.0e-09 with the first weights, 3.3e-01 with the trained weights" in chart.summary
    for damage in (
        "weights,state\n",
        file.read_text().replace("start,h,2", "start,h,3"),
        file.read_text().replace("0.5", "nan"),
    ):
        file.write_text(damage)
        with pytest.raises(RunError, match=r"gradients\.csv: cannot be read as gradients"):
            read_gradients(file)


class Stateless(nn.Module):
    output_size = 4

    def forward(self, x: Tensor, lengths: Tensor, state: Any = None) -> tuple[Tensor, None]:
        return x.repeat(1, 1, 2), None


def test_an_encoder_without_a_state_is_refused() -> None:
    with pytest.raises(ConfigError, match="Stateless has no state to continue from"):
        StepByStep(Stateless())(torch.ones(1, 2, 2), torch.tensor([2]))
