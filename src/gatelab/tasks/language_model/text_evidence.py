"""Where a language model is surprised: by position in a window, by frequency, token by token. N tokens of the test, V vocabulary."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.runs.language_evidence import Frequency, LanguageEvidence, Passage, Positions, Sample
from gatelab.tasks.language_model.text_tokenizer import TextTokenizer

MAX_WINDOWS = 128  # that are read again from a fresh state
MAX_POINTS = 64  # of a curve
PASSAGE = 1500  # characters
MAX_SAMPLES = 40


def text_evidence(
    module: Any, tokenizer: TextTokenizer, train: NDArray[Any], test: NDArray[Any], window: int, samples: Sequence[Sequence[int]]
) -> LanguageEvidence:  # fmt: skip
    """train and test: streams, train empty where it is not known. module holds the losses of the test where there was one; samples: ids after each validation."""
    numbers = thinned(range(len(samples)), MAX_SAMPLES)
    texts = [Sample(validation=number + 1, text=tokenizer.decode(samples[number])) for number in numbers]
    if module.token_losses is None:
        return LanguageEvidence(positions=None, frequencies=[], passage=None, samples=texts)
    losses = np.nan_to_num(module.token_losses.double().numpy(), posinf=1e5)
    tokens = np.asarray(test[1 : 1 + len(losses)])
    counts = np.bincount(train, minlength=tokenizer.vocab_size)[tokens]
    return LanguageEvidence(
        positions=by_position(module, test, losses, window),
        frequencies=by_frequency(counts, losses) if len(train) else [],
        passage=beginning(tokenizer, tokens, losses),
        samples=texts,
    )


@torch.inference_mode()
def by_position(module: Any, test: NDArray[Any], losses: NDArray[Any], window: int) -> Positions | None:
    """losses (N,) from the carried state. None for a text shorter than a window."""
    num_windows = min(len(losses) // window, MAX_WINDOWS)
    if not num_windows:
        return None
    read = np.asarray(test[: 1 + num_windows * window]).astype(np.int64)
    tokens, targets = (torch.from_numpy(part).view(num_windows, window) for part in (read[:-1], read[1:]))
    module.eval()
    fresh, _ = module.losses(tokens.to(module.device), targets.to(module.device), None)
    carried = losses[: num_windows * window].reshape(num_windows, window)
    starts = np.unique(np.linspace(0, window, min(window, MAX_POINTS), endpoint=False).astype(int))
    sizes = np.diff(np.append(starts, window))
    means = (np.add.reduceat(part.mean(0), starts) / sizes for part in (fresh.double().cpu().numpy(), carried))
    by_part = [np.nan_to_num(part, posinf=1e5).tolist() for part in means]
    return Positions(read=starts.tolist(), fresh=by_part[0], carried=by_part[1])


def by_frequency(counts: NDArray[Any], losses: NDArray[Any]) -> list[Frequency]:
    """By powers of ten of how often each token (N,) stands in the training text; empty ranges are left out."""
    found, low = [], 0
    while low <= counts.max(initial=-1):
        high = max(low * 10, 1)
        inside = (counts >= low) & (counts < high)
        if inside.any():
            loss = float(losses[inside].mean())
            found.append(Frequency(least=low, most=high - 1, tokens=int(inside.sum()), loss=loss))
        low = high
    return found


def beginning(tokenizer: TextTokenizer, tokens: NDArray[Any], losses: NDArray[Any]) -> Passage:
    shown = tokenizer.shown(tokens[:PASSAGE].tolist())
    end = int(np.searchsorted(np.cumsum([len(text) for text in shown]), PASSAGE, side="right"))
    return Passage(tokens=shown[:end], losses=[round(loss, 4) for loss in losses[:end].tolist()])


def thinned(items: Sequence[Any], most: int) -> list[Any]:
    """Evenly spaced ones of many, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, most).round().astype(int)]
