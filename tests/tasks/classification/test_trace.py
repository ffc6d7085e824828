from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gatelab.commands.train import compose
from gatelab.data.subwords import SUBWORDS
from gatelab.data.tokenize import SPECIAL, fit_tokenizer, new_tokenizer
from gatelab.reports.charts.gate_picture import draw_gates
from gatelab.reports.charts.reading import describe_reading
from gatelab.reports.charts.reading_svg import draw_reading as draw_svg
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.trace import read_gates
from gatelab.training.run import resolve

WORDS = {"▁good": 3, "▁film": 3, "▁<url>": 9, "▁fine": 2}


@pytest.mark.parametrize(
    ("kind", "words", "tokens"),
    [
        ("word", ["good", "film", "<url>"], ["Good", "film", "Ж", "<url>"]),
        ("bpe", WORDS, ["▁good", "▁film", "▁", "Ж", "▁<url>"]),
        ("char", [*"▁godfilm", "<url>"], [*"▁good▁film▁Ж▁", "<url>"]),
    ],
)
def test_tokens_are_shown_as_they_stand_in_the_text_and_subwords_with_their_spaces(
    kind: str, words: Any, tokens: list[str]
) -> None:
    tokenizer = new_tokenizer(kind=kind)
    counts = words if isinstance(words, dict) else dict.fromkeys(words, 1)
    fit_tokenizer(tokenizer, counts, kind=kind, vocab_size=200 if kind in SUBWORDS else None, min_count=1)
    settings = resolve(compose(["encoder.hidden_size=3", "model.embedding_size=2"]))
    torch.manual_seed(1)
    module = build_model(settings["model"], settings["encoder"], vocab_size=200, num_classes=2).eval()
    predictor: Any = SimpleNamespace(
        module=module, device="cpu", tokenizer=tokenizer, max_length=len(tokens), classes=["n", "p"]
    )
    gates = read_gates(predictor, "Good film Ж http://a.b")
    assert "attention" not in gates
    unknown = [SPECIAL["<unk>"] == number for number in tokenizer.encode("Good film Ж http://a.b").ids[: len(tokens)]]
    assert gates["tokens"].tolist() == tokens
    assert gates["unknown"].tolist() == unknown


def test_the_attention_of_a_reading_is_the_weight_of_each_state_in_what_is_predicted_and_on_the_pictures() -> None:
    tokenizer = new_tokenizer(kind="word")
    fit_tokenizer(tokenizer, dict.fromkeys(["good", "film"], 1), kind="word", vocab_size=None, min_count=1)
    settings = resolve(compose(["encoder=minlstm", "encoder.hidden_size=3", "encoder.bidirectional=true", "model.embedding_size=2",
                                "model.pooling=attention"]))  # fmt: skip
    torch.manual_seed(1)
    module = build_model(settings["model"], settings["encoder"], vocab_size=9, num_classes=2).eval()
    predictor: Any = SimpleNamespace(module=module, device="cpu", tokenizer=tokenizer, max_length=9, classes=["n", "p"])
    gates = read_gates(predictor, "A good good film")
    check_attributions(module, gates, tokenizer.encode("A good good film").ids)
    states = np.concatenate([gates["l0.hidden"], gates["l0_reverse.hidden"]], 1)
    outputs = module.head(torch.from_numpy(gates["attention"] @ states))
    assert gates["probabilities"][-1] == pytest.approx(outputs.softmax(0).tolist(), abs=1e-6)
    assert np.ptp(gates["attention"]) > 0

    reading = describe_reading(gates)
    (cells,) = [cells for _, name, _, cells in draw_svg(reading).bands if name == "attention"]
    weights = gates["attention"] / gates["attention"].max()
    assert [shade for _, shade in cells] == pytest.approx(weights.tolist(), abs=0.01)
    assert "attention" in reading.table.header
    bars: Any = draw_gates(gates).axes[1].patches
    assert [bar.get_height() for bar in bars] == pytest.approx(gates["attention"].tolist())


def check_attributions(module: Any, gates: Any, ids: list[int]) -> None:
    """Against differences of the logits themselves, a thousand midpoints along the way from zeros."""
    x, length = module.embedding(torch.tensor([ids])).detach(), torch.tensor([len(ids)])
    winner = int(gates["probabilities"][-1].argmax())

    def margin(x: Any) -> Any:
        outputs = module.head(module.pool(module.encoder(x, length.expand(len(x)))[0], length.expand(len(x)), True))
        return outputs[:, winner] - outputs[:, 1 - winner]

    points = ((torch.arange(1000)[:, None, None] + 0.5) / 1000 * x).requires_grad_()
    margin(points).sum().backward()
    assert gates["attributions"] == pytest.approx((points.grad.mean(0) * x[0]).sum(1).tolist(), abs=1e-5)
    difference = (margin(x) - margin(0 * x)).item()
    assert gates["attributions"].sum() == pytest.approx(difference, abs=1e-5)
    assert gates["scores"][1] - gates["scores"][0] == pytest.approx(difference, abs=1e-5)
    assert gates["toward"].tolist() == [f"toward {gates['classes'][winner]}", f"toward {gates['classes'][1 - winner]}"]
