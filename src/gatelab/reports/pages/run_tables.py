"""The tables of a run's page; a cell is text, markup, or (shown, sort key). N rows, K classes."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.analysis.intervals import proportion_interval
from gatelab.reports.analysis.settings import show
from gatelab.reports.charts.chart import MODEL
from gatelab.reports.charts.colours import SIGNED
from gatelab.reports.charts.run_charts import Measured, interval_chart
from gatelab.reports.charts.tinted_text import tint
from gatelab.reports.pages.length_table import Inside, length_table
from gatelab.reports.pages.run_answer import MAX_CLASSES
from gatelab.reports.shown import folded, isolated, tinted
from gatelab.runs.examples import read_examples
from gatelab.runs.folder import RunFolder
from gatelab.runs.predictions import Predictions
from gatelab.runs.record import Data, RunRecord, Scores, scores_of

MAX_IN_MATRIX = 20  # classes; with more, the most frequent confusions are listed
MAX_PAIRS = 200
MAX_REJECTS = 200
SMALL_CHANGES = ("d4", "d5", "d6")  # below 0.3 of the largest
SHADES = 10  # classes s0 to s10 of the style sheet


def confusion(counts: list[list[float]], classes: list[str]) -> dict[str, Any] | None:
    """None for counts that are not of these classes."""
    if {len(counts), *map(len, counts)} != {len(classes)}:
        return None
    matrix = np.array(counts).astype(int)
    totals = matrix.sum(1)
    fractions = matrix / np.maximum(totals, 1)[:, None]
    if len(classes) <= MAX_IN_MATRIX:
        cells = [
            [(int(n), float(s), round(float(s) * SHADES)) for n, s in zip(*both, strict=True)]
            for both in zip(matrix, fractions, strict=True)
        ]
        predicted = matrix.sum(0).tolist()
        return {
            "classes": classes,
            "rows": list(zip(classes, cells, totals.tolist(), strict=True)),
            "predicted": predicted,
        }
    wrong = np.where(np.eye(len(classes), dtype=bool), 0, matrix)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_PAIRS]
    pairs = [
        (isolated(classes[i]), isolated(classes[j]), f"{wrong[i, j]:,}", numbers.percentage(float(fractions[i, j])))
        for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[i, j]
    ]
    return {"classes": classes, "rows": [], "pairs": pairs}


def by_class(
    record: RunRecord, intervals: dict[str, Any], averages: dict[str, float], model: str, noun: str = "class"
) -> dict[str, Any]:
    scores, linear = scores_of(record).per_class, record.baselines.get("linear", Scores()).per_class
    titles = ["test rows", "precision", "recall", "F1", "F1, 95 % interval", "average precision"]
    columns = [(noun, "text"), *((title, "number") for title in titles)]
    if linear:
        columns += [("linear F1", "number")]
    rows = []
    for name, values in scores.items():
        measured = [
            numbers.metric(value) for value in (values.get("precision"), values.get("recall"), values.get("f1"))
        ]
        interval = numbers.interval(intervals["model"].get(f"f1 {name}"))
        rows.append(
            [isolated(name), f"{values.get('support', 0):,}", *measured, interval, numbers.metric(averages.get(name))]
        )
        if linear:
            rows[-1].append(numbers.metric(record.baselines["linear"].f1_of(name)))
    chart = None
    if len(rows) <= MAX_CLASSES:
        points = [class_points(model, MODEL, scores, intervals["model"])]
        if linear and linear.keys() == scores.keys():
            points.append(class_points("linear baseline", "other", linear, intervals.get("linear", {})))
        summary = f"Each dot is a {noun}; the whisker is its 95 % interval over the test rows."
        chart = interval_chart(f"F1 by {noun}", (noun, "F1"), list(scores), points, summary)
    return {"columns": columns, "rows": rows, "chart": chart}


def class_points(name: str, kind: str, scores: Mapping[str, Any], bounds: Mapping[str, Any]) -> Measured:
    found = [bounds[key] for k in scores if (key := f"f1 {k}") in bounds]
    return Measured(
        name,
        kind,
        [values.get("f1", math.nan) for values in scores.values()],
        found if len(found) == len(scores) else [],
    )


def by_length(rows: Predictions, model: str) -> dict[str, Any]:
    """Accuracy and macro-F1 of the model and the linear baseline by range of length."""
    sources = {"model": rows.predictions, **({} if rows.linear is None else {"linear": rows.linear.argmax(1)})}
    right = rows.labels == rows.predictions

    def score(predicted: NDArray[Any], inside: Inside) -> tuple[float, list[str]]:
        accuracy, macro_f1 = exact_metrics(rows.labels[inside], predicted, len(rows.classes))
        return accuracy, [numbers.metric(macro_f1)]

    return length_table(
        rows.tokens, sources, score, lambda inside: proportion_interval(int(right[inside].sum()), int(inside.sum())),
        titles=("accuracy", "95 % interval", "macro-F1", "linear accuracy", "linear macro-F1"),
        heading=("Accuracy by length of text", "accuracy"), model=model,
    )  # fmt: skip


def exact_metrics(labels: NDArray[Any], predicted: NDArray[Any], num_classes: int) -> tuple[float, float]:
    """Accuracy, and macro-F1 over the classes that occur or are predicted."""
    hits = np.bincount(labels[labels == predicted], minlength=num_classes)
    sizes = np.bincount(labels, minlength=num_classes) + np.bincount(predicted, minlength=num_classes)
    some = sizes > 0
    return float((labels == predicted).mean()), float((2 * hits[some] / sizes[some]).mean())


# In this order, as far as a task has them.
OUTCOMES = ("label", "target", "prediction", "probability", "error", "wrong")


def examples(folder: RunFolder) -> list[dict[str, Any]]:
    """The rows of examples.json as tables: title, note, columns and rows."""
    found = []
    for name, rows in read_examples(folder.examples).items():
        files = sorted({row["file"] for row in rows})
        place = f"Lines of {', '.join(files)}." if len(files) == 1 else "Lines follow the file name."
        note, tinted_rows = f"{place} Rows with the same text and label are listed once, with their number.", 0
        outcomes = [key for key in OUTCOMES if rows and key in rows[0]]
        columns = [("text", "long"), *((key, kind_of_cell(rows[0][key])) for key in outcomes)]
        columns += [("tokens", "number"), ("line", "number")]
        cells = []
        for row in rows:
            line = f"{row['line']}" if len(files) == 1 else f"{row['file']}:{row['line']}"
            text = folded(row["text"], row["characters"], f"line {row['line']} of {row['file']}")
            if spans := row.get("spans"):
                text = tinted(row["text"], spans, change_classes(row.get("running", [])))
                tinted_rows += 1
            if row["rows"] > 1:
                text += f" ×{row['rows']}"
            outcome = [outcome_cell(row[key]) for key in outcomes]
            cells.append([text, *outcome, str(row["tokens"]), (isolated(line), row["line"])])
        if tinted_rows:
            note += " In the first of them, if short, the words are tinted that changed the probability of the prediction most: red raised it, blue lowered it."
        if rows:
            found.append({"title": name.capitalize(), "note": note, "columns": columns, "rows": cells})
    return found


def change_classes(running: Sequence[float]) -> list[str]:
    """The class of the style sheet of each token, by how far it changed the running probability; none where that is little beside the
    largest change."""
    if not running:
        return []
    classes = tint("", SIGNED, np.diff(running, prepend=np.nan)).classes
    return ["" if name in SMALL_CHANGES else name for name in classes]


def kind_of_cell(value: Any) -> str:
    return "text" if isinstance(value, str) else "number"


def outcome_cell(value: Any) -> Any:
    return (
        isolated(value or "none")
        if isinstance(value, str)
        else f"{value:,}"
        if isinstance(value, int)
        else numbers.metric(value)
    )


def parts(data: Data) -> dict[str, Any]:
    """The rows of each part, by class or label; of numbers their mean and so on."""
    counts, sizes = data.label_counts or {part: {} for part in data.split_sizes}, data.split_sizes
    columns = [("class" if data.classes else f"{data.unit}s", "text"), *((name, "number") for name in counts)]
    rows = [[isolated(name), *(f"{counts[part][name]:,}" for part in counts)] for name in data.classes]
    rows.append(["all", *(f"{sizes[part]:,}" for part in counts)])
    if data.numbers:
        facts = dict.fromkeys(name for found in data.numbers.values() for name in found)
        rows += [[name, *(numbers.metric(data.numbers.get(part, {}).get(name)) for part in counts)] for name in facts]
        columns[0] = ("rows, target", "text")
    return {"title": f"{data.unit.capitalize()}s of each part", "columns": columns, "rows": rows}


def rejects(data: Data) -> dict[str, Any]:
    listed = data.rejects[:MAX_REJECTS]
    rows = [[isolated(Path(row["file"]).name), str(row["line"]), isolated(row["reason"])] for row in listed]
    return {"count": data.rejected, "rows": rows}


def settings(config: dict[str, Any]) -> list[list[Any]]:
    """Keys and values as in a config: null, true, [1, 2]."""
    texts = {
        key: value
        if isinstance(value, str)
        else show(value)
        if isinstance(value, float)
        else json.dumps(value, ensure_ascii=False, default=str)
        for key, value in config.items()
    }
    return [[isolated(key), isolated(text)] for key, text in texts.items()]
