"""What gatelab export writes of a language model, run in onnxruntime window by window."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gatelab.errors import RunError
from gatelab.recurrent import GatedEncoder, LSTMEncoder
from gatelab.tasks.language_model.language_module import LanguageModel
from gatelab.tasks.language_model.next_tokens import next_tokens_graph
from gatelab.tasks.language_model.text_tokenizer import CharacterTokenizer
from gatelab.tasks.sequence.exported import exported_program, onnx_model

TOKENIZER = CharacterTokenizer(["<unk>", "\n", *"abcdefg"])


def model_of(encoder: nn.Module) -> LanguageModel:
    module = LanguageModel(encoder, vocab_size=9, start_id=1, unknown_id=0).eval()
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.7, 0.7)
    return module


@pytest.mark.parametrize(
    "encoder", [pytest.param(LSTMEncoder(4, 4), marks=pytest.mark.long), GatedEncoder(4, 4, peepholes=True)]
)
def test_two_windows_with_the_state_handed_on_are_one_unbroken_text_in_onnxruntime(
    encoder: Any, one_thread_one_seed: None
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'gatelab[onnx]'")
    pytest.importorskip("onnxscript", reason="pip install 'gatelab[onnx]'")
    module = model_of(encoder)
    stream = torch.randint(0, 9, (3, 13))
    expected = -module.losses(stream[:, :-1], stream[:, 1:], None)[0].detach().numpy()  # (3, 12)
    graph = next_tokens_graph(module, TOKENIZER)
    content, _ = onnx_model(exported_program(graph), graph)
    session = runtime.InferenceSession(content)
    about = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    layers, _, units = about["state_shape"]
    state = {f"state_{name}": np.full((layers, 3, units), value, "f") for name, value in about["first_state"].items()}
    found = []
    for tokens in (stream[:, :5], stream[:, 5:-1]):
        scores, *after = session.run(None, {"tokens": tokens.numpy(), **state})
        state = dict(zip(state, after, strict=True))
        found.append(scores)
    of_targets = np.take_along_axis(np.concatenate(found, 1), stream[:, 1:, None].numpy(), 2)[..., 0]
    assert np.abs(of_targets - expected).max() < 2e-6
    assert [node.name for node in session.get_outputs()] == ["log_probabilities", "next_state_h", "next_state_c"]
    assert [node.shape[:2] for node in session.get_inputs()] == [["rows", "tokens"], [layers, "rows"], [layers, "rows"]]
    assert (about["tokenizer"], about["start_id"], about["unknown_id"]) == ("char", 1, 0)


@torch.no_grad()
def test_each_layer_goes_on_from_its_own_state(one_thread_one_seed: None) -> None:
    module = model_of(LSTMEncoder(4, 4, num_layers=2))
    stream = torch.randint(0, 9, (2, 7))
    losses, state = module.losses(stream[:, :-1], stream[:, 1:], None)
    graph = next_tokens_graph(module, TOKENIZER).module
    first = graph(stream[:, :3], torch.zeros(2, 2, 4), torch.zeros(2, 2, 4))
    scores, *after = graph(stream[:, 3:-1], *first[1:])
    torch.testing.assert_close(scores.gather(2, stream[:, 4:, None])[..., 0], -losses[:, 3:])
    torch.testing.assert_close(tuple(after), state)


class Sum(nn.Module):
    """An encoder of somebody's own."""

    output_size = 4

    def forward(self, x: Any, lengths: Any, state: Any = None) -> tuple[Any, Any]:
        total = x.cumsum(1) + (0 if state is None else state[0][-1][:, None])
        return total, (total[None, :, -1],)


def test_a_state_of_another_form_is_refused_in_a_sentence() -> None:
    with pytest.raises(RunError, match="Sum is no encoder of gatelab"):
        next_tokens_graph(model_of(Sum()), TOKENIZER)
