"""What the units of a trained model do over many texts: how their gates and states are distributed. B batch, T time, H hidden.

Saturation is that of Karpathy, Johnson & Fei-Fei 2015, Visualizing and Understanding Recurrent Networks, section 4.2: a gate is
left-saturated below 0.1 and right-saturated above 0.9.
"""

from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.data.batch import BatchLoader
from gatelab.recurrent import valid_mask
from gatelab.runs.activity import LEFT, RIGHT
from gatelab.screen import console

MAX_ROWS = 1000  # evenly drawn from more; of 20 tokens each, a share of their gate values is known to some thousandths
BATCH_SIZE = 64


@contextmanager
def gates_measured() -> Iterator[None]:
    """Where what happens in the block fails, a sentence says that the gates could not be measured."""
    try:
        yield
    except Exception as error:  # an encoder of the user's own may trace otherwise
        console.print(f"The gates could not be measured ({error}); the report goes without their saturation.")


def measured_part(module: Any, parts: Mapping[str, Sized]) -> str | None:
    """The validation, else the test; None without rows or without gates."""
    there = [part for part in ("validation", "test") if len(parts[part])]
    return there[0] if there and hasattr(module.encoder, "trace") else None


@torch.inference_mode()
def measure_activity(module: Any, prepared: Any) -> dict[str, NDArray[Any]] | None:
    """The arrays of gates.npz (see ``runs.activity``) over up to 1,000 texts of the validation, or where there are none over those of the
    test; None without either, or without gates."""
    part = measured_part(module, prepared.parts)
    if part is None:
        return None
    rows = prepared.parts[part]
    rows = rows[:: max(1, -(-len(rows) // MAX_ROWS))]
    module.eval()

    def traces() -> Iterator[tuple[Mapping[str, Any], Tensor]]:
        for batch in BatchLoader(prepared, rows, batch_size=BATCH_SIZE, seed=0, shuffle=False):
            tokens, lengths = batch.tokens.to(module.device), batch.lengths.to(module.device)
            yield module.encoder.trace(module.embedding(tokens), lengths), valid_mask(lengths, tokens.shape[1])

    return activity_of(traces(), part, len(rows))


def activity_of(
    traces: Iterable[tuple[Mapping[str, Any], Tensor]], part: str, num_rows: int
) -> dict[str, NDArray[Any]]:
    """The arrays of gates.npz. traces: of each batch what its encoder's trace returns, and which steps are valid (B, T)."""
    sums: dict[str, Any] = {}
    num_tokens = 0
    for trace, valid in traces:
        num_tokens += int(valid.sum())
        for name, step in trace.items():
            for field, value in step._asdict().items():
                values = value[valid].double()  # (tokens, H)
                found = torch.stack(
                    [values.sum(0), values.square().sum(0), (values < LEFT).sum(0), (values > RIGHT).sum(0)]
                )
                sums[f"{name}.{field}"] = sums.get(f"{name}.{field}", 0) + found
    about = {"part": np.array(part), "rows": np.array(num_rows), "tokens": np.array(num_tokens)}
    return about | {name: distribution(found / num_tokens).cpu().numpy() for name, found in sums.items()}


def distribution(means: Tensor) -> Tensor:
    """Of the means of values, squares and the two shares, (4, H): with the standard deviation in place of the squares."""
    mean, squares, left, right = means
    return torch.stack([mean, (squares - mean**2).clamp(min=0).sqrt(), left, right])
