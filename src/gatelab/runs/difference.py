"""How two run folders differ: the first number of each file, and the conditions under which they were made."""

import csv
import filecmp
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from gatelab.bounded import open_safetensors, open_table
from gatelab.errors import RunError
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_values
from gatelab.runs.record import RunRecord

# Listed first: a change in one of them explains more than a change elsewhere.
COMPUTING = [
    "python",
    "torch",
    "numpy",
    "pytorch-lightning",
    "torchmetrics",
    "tokenizers",
    "pandas",
    "scikit-learn",
    "triton",
]


class Condition(NamedTuple):
    """A recorded condition that differs."""

    name: str
    recorded: str
    now: str


def differences(recorded: RunFolder, now: RunFolder) -> list[str]:
    """A sentence for each of metrics.csv, model.safetensors and predictions.csv that differs, with its first number
    that does. The name of the data file may differ."""
    compare = {
        "metrics.csv": first_metric,
        "model/model.safetensors": first_weight,
        "predictions.csv": first_prediction,
    }
    found = []
    for name, first in compare.items():
        files = recorded.path / name, now.path / name
        if not all(file.exists() for file in files):  # a run without a test has no predictions
            only = [owner for owner, file in zip(("recorded", "new"), files, strict=True) if file.exists()]
            found += [f"{name}: only the {only[0]} run has it"] if only else []
        elif not filecmp.cmp(*files, shallow=False) and (sentence := first(*files)):
            found.append(f"{name}: {sentence}")
    return found


def first_metric(recorded: Path, now: Path) -> str | None:
    for line, (then, new) in enumerate(zip_longest(*map(read_values, (recorded, now))), 2):
        if repr(then) != repr(new):  # NaN is the same as NaN here
            epoch, step, name, _ = then or new
            values = [repr(one.value) if one else "nothing" for one in (then, new)]
            if then and new and then[1:3] != new[1:3]:
                values[1] = f"step {new.step}, {new.name}"
            return f"line {line}, epoch {epoch}, step {step}, {name}: recorded {values[0]}, now {values[1]}"
    return None


def first_prediction(recorded: Path, now: Path) -> str | None:
    for line, (then, new) in enumerate(zip_longest(*map(rows, (recorded, now))), 2):
        if not then or not new or then.keys() != new.keys():
            return f"line {line}: recorded {'a row' if then else 'nothing'}, now {'another' if new else 'nothing'}"
        name = next((key for key in then if key != "file" and then[key] != new[key]), None)
        if name:
            return f"line {line} ({then['file']} line {then['line']}), {name}: recorded {then[name]}, now {new[name]}"
    return None


def first_weight(recorded: Path, now: Path) -> str | None:
    import torch

    then, new = weights(recorded), weights(now)
    for name in then:
        if name not in new or then[name].shape != new[name].shape:
            return f"{name}: recorded {tuple(then[name].shape)}, now {tuple(new[name].shape) if name in new else 'nothing'}"
        if not torch.equal(then[name], new[name]):
            apart = (then[name] - new[name]).abs()
            index = tuple(torch.nonzero(apart)[0].tolist())
            values = then[name][index].item(), new[name][index].item()
            return f"{name}{list(index)}: recorded {values[0]!r}, now {values[1]!r}; the largest difference in it is {apart.max():.1e}"
    return None


def weights(file: Path) -> dict[str, Any]:
    from safetensors import SafetensorError

    try:
        with open_safetensors(file) as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 -- no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{file}: does not hold the weights of a model: {error}.") from None


def rows(file: Path) -> Iterator[dict[str, str]]:
    with open_table(file) as stream:
        yield from csv.DictReader(stream)


def conditions(recorded: RunRecord, now: RunRecord) -> list[Condition]:
    """Where two run.json differ in data, code, determinism, versions and hardware; packages that only one of them has come last."""
    found = list(differing_data(digests(recorded), digests(now)))
    for group in ("code", "git", "determinism", "hardware", "versions"):
        then, new = (dict(getattr(record, group) or {}) for record in (recorded, now))
        order = {key: place for place, key in enumerate(COMPUTING)}
        keys = sorted(
            then.keys() | new.keys(), key=lambda key: (order.get(key, 99), (key in then) != (key in new), key)
        )
        for key in keys:
            if then.get(key) != new.get(key) and key != "top":
                name = f"{group}.{key}" if group != "versions" else f"version of {key}"
                found.append(Condition(name, show(then.get(key)), show(new.get(key))))
    return found


def digests(record: RunRecord) -> dict[str, list[str]]:
    return record.data.sha256 if record.data else {}


def differing_data(recorded: dict[str, list[str]], now: dict[str, list[str]]) -> Iterator[Condition]:
    for part in recorded.keys() | now.keys():
        for number, (then, new) in enumerate(zip_longest(recorded.get(part, []), now.get(part, [])), 1):
            if then != new:
                yield Condition(f"data, {part} file {number}, sha256", show(then), show(new))


def show(value: Any) -> str:
    if value is None:
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    is_hash = len(text) in (40, 64) and all(letter in "0123456789abcdef" for letter in text)
    return text[:12] if is_hash else text
