from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gatelab.recurrent import GatedEncoder
from gatelab.reports.charts.saturation_chart import saturation_charts
from gatelab.tasks.sequence.unit_activity import measure_activity


def test_saturation_is_the_share_of_a_units_gate_values_at_valid_tokens_and_each_dot_stands_there() -> None:
    torch.manual_seed(1)
    module: Any = SimpleNamespace(
        embedding=nn.Embedding(20, 3), encoder=GatedEncoder(3, 4, bidirectional=True).eval(), device=torch.device("cpu"),
        eval=lambda: None,
    )  # fmt: skip
    nn.init.normal_(module.embedding.weight, std=9)
    texts = [np.random.default_rng(row).integers(1, 20, 1 + row % 7) for row in range(70)]  # two batches
    prepared: Any = SimpleNamespace(
        tokens=np.concatenate(texts), offsets=np.cumsum([0, *map(len, texts)]), labels=np.zeros(70, int),
        parts={"validation": np.arange(70), "test": np.arange(3)},
    )  # fmt: skip
    found = measure_activity(module, prepared)
    assert found is not None
    assert (int(found["rows"]), int(found["tokens"])) == (70, sum(map(len, texts)))
    one_by_one = [
        module.encoder.trace(module.embedding(torch.from_numpy(text)[None]), torch.tensor([len(text)]))
        for text in texts
    ]
    for layer, field in (("l0", "forget_gate"), ("l0_reverse", "input_gate"), ("l0", "cell")):
        values = torch.cat([getattr(trace[layer], field)[0] for trace in one_by_one]).detach().numpy()
        expected = [values.mean(0), values.std(0), (values < 0.1).mean(0), (values > 0.9).mean(0)]
        np.testing.assert_allclose(found[f"{layer}.{field}"], expected, atol=1e-5)
    charts = {chart.title: chart for chart in saturation_charts(found)}
    assert len(charts) == 6
    dots = charts["Input gate, layer 1 ←"].lines[1]
    assert dots.x.tolist() == found["l0_reverse.input_gate"][2].tolist()
    assert dots.y.tolist() == found["l0_reverse.input_gate"][3].tolist()
    assert dots.x.max() > 0.2


def test_of_values_that_are_no_numbers_no_dot_is_drawn() -> None:
    shares = np.array([[0.5, np.nan], [0.1, np.nan], [0.2, 0.0], [0.3, 0.0]])
    about = {"part": np.array("test"), "rows": np.array(1), "tokens": np.array(2)}
    (chart,) = saturation_charts({**about, "l0.forget_gate": shares})
    assert chart.lines[1].x.tolist() == [0.2]
    assert saturation_charts({**about, "l0.forget_gate": shares * np.nan}) == []
    assert pytest.approx(0.3) == chart.lines[1].y[0]
