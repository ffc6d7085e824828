"""What the units of a trained model do over many texts: how their gates and states are distributed. B batch, T time, H hidden.

Saturation is that of Karpathy, Johnson & Fei-Fei 2015, Visualizing and Understanding Recurrent Networks, section 4.2: a gate is
left-saturated below 0.1 and right-saturated above 0.9.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.data.batch import BatchLoader
from gatelab.recurrent import valid_mask
from gatelab.runs.activity import LEFT, RIGHT, write_activity
from gatelab.runs.folder import RunFolder
from gatelab.screen import console

MAX_ROWS = 1000  # evenly drawn from more; of 20 tokens each, a share of their gate values is known to some thousandths
BATCH_SIZE = 64


def write_unit_activity(folder: RunFolder, module: Any, prepared: Any) -> None:
    """Write gates.npz over the validation texts, or where there are none over those of the test; nothing without either, or without gates."""
    part = measured_part(module, prepared)
    if part is None:
        return
    try:
        write_activity(folder, measure_activity(module, prepared, part))
    except Exception as error:  # an encoder of the user's own may trace otherwise
        console.print(f"The gates could not be measured ({error}); the report goes without their saturation.")


def measured_part(module: Any, prepared: Any) -> str | None:
    """The validation, else the test; None without rows or without gates."""
    there = [part for part in ("validation", "test") if len(prepared.parts[part])]
    return there[0] if there and hasattr(module.encoder, "trace") else None


@torch.inference_mode()
def measure_activity(module: Any, prepared: Any, part: str) -> dict[str, NDArray[Any]]:
    """The arrays of gates.npz (see ``runs.activity``) over up to 1,000 rows of a part of the data."""
    rows = prepared.parts[part]
    rows = rows[:: max(1, -(-len(rows) // MAX_ROWS))]
    module.eval()
    sums: dict[str, Any] = {}
    num_tokens = 0
    for batch in BatchLoader(prepared, rows, batch_size=BATCH_SIZE, seed=0, shuffle=False):
        tokens, lengths = batch.tokens.to(module.device), batch.lengths.to(module.device)
        valid = valid_mask(lengths, tokens.shape[1])  # (B, T)
        num_tokens += int(valid.sum())
        for name, step in module.encoder.trace(module.embedding(tokens), lengths).items():
            for field, value in step._asdict().items():
                values = value[valid].double()  # (tokens, H)
                found = torch.stack(
                    [values.sum(0), values.square().sum(0), (values < LEFT).sum(0), (values > RIGHT).sum(0)]
                )
                sums[f"{name}.{field}"] = sums.get(f"{name}.{field}", 0) + found
    about = {"part": np.array(part), "rows": np.array(len(rows)), "tokens": np.array(num_tokens)}
    return about | {name: distribution(found / num_tokens).cpu().numpy() for name, found in sums.items()}


def distribution(means: Tensor) -> Tensor:
    """Of the means of values, squares and the two shares, (4, H): with the standard deviation in place of the squares."""
    mean, squares, left, right = means
    return torch.stack([mean, (squares - mean**2).clamp(min=0).sqrt(), left, right])
