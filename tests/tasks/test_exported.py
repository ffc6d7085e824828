"""What gatelab export writes, held against the model in torch: every shipped encoder, for any number of rows and tokens."""

import json
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from gatelab.config.build import build
from gatelab.config.schema import CONF_DIR
from gatelab.errors import RunError
from gatelab.recurrent.scan import given, initial_row, trace_step
from gatelab.tasks.classification.classifier import SequenceClassifier
from gatelab.tasks.sequence.exported import exported_program, onnx_model, predictions_graph, random_rows

FOLDER = CONF_DIR / "encoder"
# Another's equations.
OTHERS_WEIGHTS = {"chrono", "forget_bias", "gated", "irnn", "orthogonal", "variational_dropout", "weight_drop"}
ENCODERS = sorted({file.stem for file in FOLDER.glob("*.yaml")} - OTHERS_WEIGHTS)


def settings_of(name: str) -> dict[str, Any]:
    """The keys of an encoder's YAML over those of its defaults."""
    own = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for base in own.pop("defaults", []):
        found |= own if base == "_self_" else settings_of(base.removesuffix("@_here_"))
    return found or own


def encoder_of(name: str, **settings: Any) -> Any:
    return build("encoder", settings_of(name) | {"hidden_size": 4, **settings}, input_size=5)


def randomize(module: nn.Module) -> None:
    """So that no weight is at a value, such as 0, where equations that differ are equal."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.7, 0.7)


@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_the_step_of_every_shipped_encoder_that_is_exported_gives_its_states(
    name: str, one_thread_one_seed: None
) -> None:
    encoder = encoder_of(name).eval()
    randomize(encoder)
    layers = encoder.recurrent
    step, weights = trace_step(layers, 0, ""), given(layers.weights(0))
    x = torch.randn(4, 6, 5)  # as many rows as units
    state = [row.expand(4, -1) for row in initial_row(layers, x)]
    found = []
    for x_t in x.unbind(1):
        state = step(x_t, *state, *weights)
        found.append(state[layers.cell.state_names.index("h")])
    expected, _ = encoder(x, torch.full((4,), 6))
    torch.testing.assert_close(torch.stack(found, 1), expected, atol=2e-6, rtol=1e-5)


def test_a_model_of_two_layers_and_directions_gives_the_same_in_onnxruntime(one_thread_one_seed: None) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'gatelab[onnx]'")
    pytest.importorskip("onnxscript", reason="pip install 'gatelab[onnx]'")
    encoder = encoder_of("lstm", num_layers=2, bidirectional=True)
    module = SequenceClassifier(encoder, vocab_size=11, num_classes=3, embedding_size=5).eval()
    randomize(module)
    tokens, lengths = random_rows(module, 4, 9)
    expected = module.predict(module(tokens, lengths)).detach().numpy()
    graph = predictions_graph(module, {"classes": ["bad", "é", "good"]})
    content, difference = onnx_model(exported_program(graph), graph)
    session = runtime.InferenceSession(content)
    (found,) = session.run(None, {"tokens": tokens.numpy(), "lengths": lengths.numpy()})
    assert abs(found - expected).max() < 1e-6
    assert difference < 1e-6
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["bad", "é", "good"]


def test_attention_and_gates_that_see_those_of_the_step_before_give_the_same_in_onnxruntime(
    one_thread_one_seed: None,
) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'gatelab[onnx]'")
    pytest.importorskip("onnxscript", reason="pip install 'gatelab[onnx]'")
    encoder = encoder_of("full_gate_recurrence")
    module = SequenceClassifier(encoder, vocab_size=11, num_classes=3, embedding_size=5, pooling="attention").eval()
    randomize(module)
    graph = predictions_graph(module, {})
    _, difference = onnx_model(exported_program(graph), graph)
    assert difference < 1e-6


class Unexportable(nn.Module):
    output_size = 5

    def forward(self, x: Tensor, lengths: Tensor, state: None = None) -> tuple[Tensor, None]:
        return x * float(x.sum()), None


def test_an_encoder_that_cannot_be_exported_is_refused_in_a_sentence() -> None:
    module = SequenceClassifier(Unexportable(), vocab_size=11, num_classes=3, embedding_size=5)
    with pytest.raises(RunError, match="this model cannot be exported: "):
        exported_program(predictions_graph(module, {}))
