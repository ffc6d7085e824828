"""examples.json: selected test rows with their texts: the most confident errors and the least certain rows."""

import json
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict

from gatelab.bounded import MIB, read_json
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.runs.record import Count

MAX_ROWS = 100  # of each kind
MAX_CHARACTERS = 10_000  # of a text


class Example(TypedDict):
    """A row, and what the task says of its prediction."""

    __pydantic_config__ = ConfigDict(strict=True, extra="allow")  # type: ignore[misc]
    file: str
    line: Count
    tokens: Count
    rows: Count
    characters: Count
    text: str
    label: NotRequired[str]
    prediction: NotRequired[str | float]
    target: NotRequired[float]
    error: NotRequired[float]
    probability: NotRequired[float]
    wrong: NotRequired[Count]
    running: NotRequired[list[float]]  # the probability of the prediction after each token
    spans: NotRequired[list[Annotated[list[Count], Field(min_length=2, max_length=2)]]]  # of these tokens, in the text


EXAMPLES = TypeAdapter(dict[str, list[Example]])


def write_examples(
    file: Path, prepared: Any, rows: NDArray[Any], probabilities: NDArray[Any], predicted: NDArray[Any]
) -> None:
    """rows (N,) index the prepared data, probabilities (N, K), predicted (N,) classes. Equal texts with the same label are listed once, with
    their number of rows. A long text is truncated; ``characters`` is its full length."""
    labels = np.asarray(prepared.labels)[rows]
    confidence = np.take_along_axis(probabilities, predicted[:, None], 1)[:, 0]
    mistakes = np.flatnonzero(predicted != labels)
    orders = {
        "most confident errors": mistakes[np.argsort(-confidence[mistakes], kind="stable")],
        "least certain": np.argsort(confidence, kind="stable"),
    }

    def outcome(number: int) -> dict[str, Any]:
        return {
            "label": prepared.classes[labels[number]],
            "prediction": prepared.classes[predicted[number]],
            "probability": float(confidence[number]),
        }

    write_selected(file, prepared, rows, orders, lambda number: int(labels[number]), outcome)


def write_selected(
    file: Path,
    prepared: Any,
    rows: NDArray[Any],
    orders: Mapping[str, NDArray[Any]],
    truth: Callable[[int], Hashable],
    outcome: Callable[[int], dict[str, Any]],
) -> None:
    """The first of each order, indices into rows, with distinct text and truth. outcome: what to write of a row's prediction."""
    examples = {
        name: [
            describe_row(prepared, rows[first], outcome(first), count)
            for first, count in distinct(order, rows, truth, prepared.texts)
        ]
        for name, order in orders.items()
    }
    rewrite_examples(file, examples)


def rewrite_examples(file: Path, examples: Mapping[str, Any]) -> None:
    atomic_write(file, json.dumps(examples, indent=1) + "\n")  # in ASCII: a text may hold what UTF-8 does not


def read_examples(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each kind; empty without a file. Raises RunError for a damaged one."""
    try:
        return EXAMPLES.validate_python(read_json(file, 64 * MIB))  # type: ignore[return-value]
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        reason = f"{' '.join(map(str, problem['loc']))}: {problem['msg']}"
    except OSError as error:
        reason = str(error.strerror)
    except ValueError as error:
        reason = f"is not valid JSON, {error}"
    raise RunError(f"{file}: holds no examples ({reason}). Remove it to have the page without it.")


def distinct(
    order: NDArray[Any], rows: NDArray[Any], truth: Callable[[int], Hashable], texts: Any
) -> list[tuple[int, int]]:
    """The first MAX_ROWS of order with distinct text and truth, each with the number of its rows."""
    counts: dict[tuple[str, Hashable], list[int]] = {}
    for number in order.tolist():
        key = (texts[rows[number]], truth(number))
        if key in counts:
            counts[key][1] += 1
        elif len(counts) < MAX_ROWS:
            counts[key] = [number, 1]
    return [(first, count) for first, count in counts.values()]


def describe_row(prepared: Any, row: int, outcome: dict[str, Any], count: int) -> dict[str, Any]:
    text = prepared.texts[row]
    return {
        "file": Path(prepared.record["files"][prepared.files[row]]).name,
        "line": int(prepared.lines[row]),
        "tokens": int(prepared.offsets[row + 1] - prepared.offsets[row]),
        **outcome,
        "rows": count,
        "characters": len(text),
        "text": text[:MAX_CHARACTERS],
    }
