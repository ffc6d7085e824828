"""Every gate of a language model while it reads a text. T tokens, H hidden."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.tasks.language_model.language_module import LanguageModel
from gatelab.tasks.language_model.text_tokenizer import TextTokenizer
from gatelab.tasks.sequence.trace import NUM_UNITS, arrays_of, moving_gates, refuse_without_gates

NUM_NEXT = 5  # tokens whose probabilities are shown


@torch.inference_mode()
def read_text_gates(module: LanguageModel, tokenizer: TextTokenizer, text: str) -> dict[str, NDArray[Any]]:
    """Arrays as ``gatelab.tasks.sequence.trace.read_gates`` has them: the classes are the tokens that are likeliest after the text,
    probabilities (T, 5) theirs after each token, and units those that move the score of the likeliest most.

    As for its loss, the text is read as if a line had ended before it. Raises RunError for an encoder without gates to read.
    """
    encoder: Any = module.encoder
    refuse_without_gates(encoder)
    ids = tokenizer.encode(text)
    read = torch.tensor([[tokenizer.start_id, *ids.tolist()]], device=module.device)  # (1, 1 + T)
    begun = encoder.trace(module.embedding(read), torch.tensor([read.shape[1]], device=module.device))
    traces = {name: type(step)(*(value[:, 1:] for value in step)) for name, step in begun.items()}
    states = list(traces.values())[-1].hidden[0]  # (T, H)
    probabilities = module.output_layer.log_probabilities(states).exp()
    likeliest = probabilities[-1].argsort(descending=True)[:NUM_NEXT]
    named = [repr(token)[1:-1] for token in tokenizer.shown(likeliest.tolist())]
    contributions = states[-1] * module.embedding.weight[likeliest[0]] if module.tied else states[-1]
    units = contributions.abs().argsort(descending=True)[:NUM_UNITS]
    gates = {
        "tokens": np.array(tokenizer.shown(ids.tolist())),
        "unknown": ids == (-1 if tokenizer.unknown_id is None else tokenizer.unknown_id),
        "answer": np.array(named[0]),
        "classes": np.array(named),
        "probabilities": probabilities[:, likeliest].double().cpu().numpy(),
        "units": units.cpu().numpy(),
        "contributions": contributions[units].cpu().numpy(),
        "learned": np.array(moving_gates(traces)),
    }
    return gates | arrays_of(traces)
