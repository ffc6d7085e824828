"""Every gate of a trained model while it reads one text. T tokens, H hidden, D = H × directions, K outputs."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.data.tokenize import UNKNOWN_ID
from gatelab.errors import RunError
from gatelab.tasks.sequence.attribution import integrated_gradients
from gatelab.tasks.sequence.pooling import AttentionPooling
from gatelab.tasks.sequence.prediction import Predictor
from gatelab.tasks.sequence.token_texts import token_texts

NUM_UNITS = 8
MAX_PREFIXES = 64  # beginnings of the text in one batch


@torch.no_grad()
def read_gates(predictor: Predictor, text: str, *, attributions: bool = True) -> dict[str, NDArray[Any]]:
    """Arrays by name:

    tokens (T,) as ``token_texts`` has them; unknown (T,) whether the vocabulary lacks them
    classes (K,), probabilities (T, K): what the model says after each token; of a regression predictions (T,) in their place
    answer: what is predicted in the end
    units (U,), contributions (U,): the units of the last layer whose pooled state moves the prediction most, and how far, in
        the units of its direction (see ``SequenceModule.direction``); unit d ≥ H is unit d − H of the backward direction
    toward (2,): what a positive contribution points to, and a negative one
    attributions (T,): integrated gradients, how far each token moves what ``direction`` measures, in all from scores[0], that of
        embeddings of zeros, to scores[1], that of the text; none of them without attributions, which take most of the time
    weights (D,): how much of a step of each unit of the last layer reaches the decision, in the mean over all that could be predicted
    attention (T,): how much of each token's state is in the pooled one, with model.pooling=attention
    l0.forget_gate (T, H) and so on: every gate, candidate, cell and hidden state; l0_reverse.… of the backward direction
    learned: the gates that are not constant, in the order in which they are computed

    Raises RunError for an encoder that has no gates to read.
    """
    module, device = predictor.module, predictor.device
    encoder: Any = module.encoder
    refuse_without_gates(encoder)
    encoded = predictor.tokenizer.encode(text, add_special_tokens=False)
    ids = encoded.ids[: predictor.max_length] or [UNKNOWN_ID]
    tokens = torch.tensor([ids], device=device)  # (1, T)
    length = torch.tensor([len(ids)], device=device)
    prefixes = torch.arange(1, len(ids) + 1, device=device)
    outputs = [module(tokens.expand(len(part), -1), part) for part in prefixes.split(MAX_PREFIXES)]
    predictions = module.predict(torch.cat(outputs))  # (T, K)

    traces = encoder.trace(module.embedding(tokens), length)
    both = getattr(encoder, "bidirectional", False)
    last_layer = list(traces.values())[-2 if both else -1 :]
    states = torch.cat([step.hidden for step in last_layer], 2)  # (1, T, D)
    pooled = module.pool(states, length, both)[0]  # (D,)
    direction = module.direction(predictions[-1])  # (D,)

    def score(x: torch.Tensor) -> torch.Tensor:
        """(B, T, E) → (B,)"""
        states, _ = module.encoder(x, length.expand(len(x)))
        return module.pool(states, length.expand(len(x)), both) @ direction

    contributions = pooled * direction
    units = contributions.abs().argsort(descending=True)[:NUM_UNITS]

    values = predictions.cpu().numpy()
    gates = {
        "tokens": np.array(token_texts(encoded, text, predictor.max_length)),
        "unknown": np.array([number == UNKNOWN_ID for number in ids]),
        "answer": np.array(module.answer(values[-1], predictor.classes)),
        "units": units.cpu().numpy(),
        "contributions": contributions[units].cpu().numpy(),
        "toward": np.array(module.toward(predictions[-1], predictor.classes)),
        "weights": unit_weights(module, predictions.shape[1]).cpu().numpy(),
        "learned": np.array(moving_gates(traces)),
    }
    named = {"classes": np.array(predictor.classes), "probabilities": values}
    gates |= named if predictor.classes else {"predictions": values[:, 0]}
    if attributions:
        moved, scores = integrated_gradients(score, module.embedding(tokens)[0])  # (T,), (2,)
        gates |= {"attributions": moved.cpu().numpy(), "scores": scores.cpu().numpy()}
    if isinstance(module.pool, AttentionPooling):
        gates["attention"] = module.pool.weights(states, length)[0].cpu().numpy()
    return gates | arrays_of(traces)


def refuse_without_gates(encoder: Any) -> None:
    if not hasattr(encoder, "trace"):
        raise RunError(
            f"{type(encoder).__name__} has no gates to read: train with one of gatelab's encoders, such as encoder=lstm."
        )


def arrays_of(traces: Any) -> dict[str, NDArray[Any]]:
    """Of one text every gate and state (T, H) of each layer and direction, by LAYER.NAME."""
    return {
        f"{name}.{field}": value[0].cpu().numpy()
        for name, step in traces.items()
        for field, value in step._asdict().items()
    }


def unit_weights(module: Any, num_outputs: int) -> torch.Tensor:
    """(D,), the same for all texts: the mean size of ``direction`` over predictions that are sure of one output."""
    certain = torch.eye(num_outputs, dtype=torch.float64, device=module.head.weight.device)
    return torch.stack([module.direction(prediction).abs() for prediction in certain]).mean(0)


def moving_gates(traces: Any) -> list[str]:
    """By name, in the order of the equations; a gate that a variant takes away is 1 throughout."""
    gates = {name: value for name, value in next(iter(traces.values()))._asdict().items() if name.endswith("_gate")}
    return [name for name, value in gates.items() if len(value.unique()) > 1]
