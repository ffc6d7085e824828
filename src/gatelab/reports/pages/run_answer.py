"""The result of a run: a headline, and a table with the baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatelab.reports import numbers
from gatelab.reports.analysis.curves import Learning
from gatelab.reports.analysis.intervals import Interval
from gatelab.reports.shown import shorten, visible
from gatelab.runs.metrics import SELECTED, best_of, title_of
from gatelab.runs.record import Data, RunRecord, baseline_title, headline_of, scores_of
from gatelab.screen import counted

FEW_ROWS = 30  # of a class, below which its metrics are unreliable
MAX_CLASSES = 12  # listed in the table; all are in the table by class


@dataclass(frozen=True)
class Cell:
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Answer:
    """sentence and detail: the headline; cautions: what to know before relying on it."""

    sentence: str
    detail: str = ""
    cautions: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[Cell]]] = field(default_factory=list)


def answer_finished(
    record: RunRecord, model: str, num_rows: int | None, intervals: Mapping[str, Mapping[str, Interval]]
) -> Answer:
    """The answer of a run tested on num_rows rows, or what else its data is counted in. intervals: by source and metric, as far as they exist."""
    metrics, baselines, unit = scores_of(record), record.ordered_baselines(), (record.data or Data()).unit
    headline = headline_of(metrics)
    key = next((key for key in (record.monitor, SELECTED, *headline) if key in headline), None)
    if key is None:
        return Answer(f"{shorten(model, 24)} is finished", "Its test has no metrics.")
    sentence = f"{shorten(model, 24)} {numbers.metric(metrics[key])} {title_of(key)}"
    sentence += "" if num_rows is None else f" on {counted(num_rows, f'test {unit}')}"
    rival = next((name for name in baselines if baselines[name].get(key) is not None), None)
    detail = "No baseline was fitted (baseline=none), so there is nothing to compare it with."
    if record.evaluates:
        detail = f"The model of run {record.evaluates} on another file. There is no baseline: it would need the training rows."
    if rival is not None:
        difference, against = metrics[key] - baselines[rival][key], f"model - {rival}"
        bounds = intervals.get(against, {}).get(key)
        sentence += f", {compare(difference, f'the {baseline_title(rival)}', is_clear(bounds))}"
        detail = explain_difference(key, baseline_title(rival), difference, bounds)
    columns = [model, *map(baseline_title, baselines)]
    if rival is not None:
        columns.insert(2, f"{model} − {rival}")
    measured = [(title_of(key), key, lambda scores, key=key: scores.get(key)) for key in headline]
    if len(metrics.per_class) <= MAX_CLASSES:
        for name, values in metrics.per_class.items():
            title = f"F1 {shorten(name)} ({counted(values.get('support', 0), 'row')})"
            measured.append((title, f"f1 {name}", lambda scores, name=name: scores.f1_of(name)))
    rows = []
    for title, key, value in measured:
        cells = [
            Cell(numbers.metric(value(scores)), numbers.interval(intervals.get(source, {}).get(key)))
            for source, scores in {"model": metrics, **baselines}.items()
        ]
        own = value(metrics)
        if rival is not None and own is not None and (other := value(baselines[rival])) is not None:
            interval = numbers.interval(intervals.get(against, {}).get(key))
            cells.insert(2, Cell(numbers.signed(own - other), interval))
        elif rival is not None:
            cells.insert(2, Cell(""))
        rows.append((title, cells))
    return Answer(sentence, detail, [], columns, rows)


def compare(difference: float, other: str, clear: bool) -> str:
    """0.0186 below gru · level with gru · not clearly different from gru: no claim beyond the interval."""
    if f"{abs(difference):.4f}" == "0.0000":
        return f"level with {other}"
    if not clear:
        return f"not clearly different from {other}"
    return f"{abs(difference):.4f} {'above' if difference > 0 else 'below'} {other}"


def is_clear(bounds: Interval | None) -> bool:
    """Whether the interval of a difference excludes 0, or there is none."""
    return bounds is None or not bounds[0] <= 0 <= bounds[1]


def explain_difference(key: str, other: str, difference: float, bounds: Interval | None) -> str:
    if bounds is None:
        return ""
    verdict = "does not contain 0"
    if not is_clear(bounds):
        verdict = "contains 0: the test set is too small to separate them"
    return (
        f"Difference in {title_of(key)} to the {other}: {numbers.signed(difference)}, 95 % interval {numbers.interval(bounds)} "
        f"over the test rows, which {verdict}."
    )


def answer_untested(record: RunRecord, model: str) -> Answer:
    """The answer of a finished run that had no test."""
    epochs = "" if record.epochs is None else f" for {counted(record.epochs, 'epoch')}"
    detail = "No row was tested, so there are no test metrics and no baselines."
    if (best := record.best_validation.get(record.monitor)) is not None:
        detail = f"Best {title_of(f'validation/{record.monitor}')}: {numbers.metric(best)}. {detail}"
    return Answer(f"{shorten(model, 24)} is trained{epochs}, without a test", detail, weights_cautions(record))


def weights_cautions(record: RunRecord) -> list[str]:
    if "validation" not in record.lacks:
        return []
    return ["No epoch was validated: the model has the weights of the last step, and nothing stopped it early."]


def answer_unfinished(record: RunRecord, model: str, status: str, learning: Learning) -> Answer:
    """The answer of a run without a test: running, or ended before it."""
    monitor = f"validation/{record.monitor}"
    curves = learning.curves.get(monitor)
    done = f"after {counted(len(curves[0]), 'epoch')}" if curves else "before its first validation"
    detail = "There are no test metrics."
    if curves:
        best = numbers.metric(best_of(monitor, [*map(float, curves[1])]))
        detail = f"Best {title_of(monitor)} so far: {best}, at epoch {learning.best:g}. {detail}"
    if status == "running":
        return Answer(f"{model} is running, {done}", detail)
    if status == "failed":
        return Answer(f"{model} failed {done}", f"{detail} error.log holds the traceback.", [visible(record.error)])
    return Answer(f"{model} was {status} {done}", f"{detail} The same command resumes where it stopped.")


def cautions(record: RunRecord, config: Mapping[str, Any], num_rows: int, learning: Learning) -> list[str]:
    """What to know before relying on the numbers of a finished run."""
    data = record.data or Data()
    found = [f"The model looks broken: {'; '.join(record.symptoms)}."] if record.symptoms else []
    found += weights_cautions(record)
    found += [f"It was resumed under other conditions than before: {change}." for change in record.changed_conditions]
    leak = data.leakage
    if leak and leak["normalised"]:
        found.append(
            f"{leak['normalised']:,} of the {leak['test_rows']:,} test texts ({numbers.percentage(leak['normalised_share'])}) stand "
            f"in the training set up to case, URLs and punctuation, {leak['exact']:,} of them word for word."
        )
    if num_rows < data.split_sizes.get("test", 0):
        baselines = {sum(map(sum, scores.confusion_matrix)) for scores in record.baselines.values()}
        beside = "; the baselines on the same rows" if baselines <= {num_rows, 0} else "; the baselines on all of them"
        found.append(
            f"Only {num_rows:,} of {counted(data.split_sizes['test'], f'test {data.unit}')} were tested (trainer.limit_test_batches)"
            f"{beside if baselines else ''}."
        )
    small = [name for name, values in scores_of(record).per_class.items() if values.get("support", 0) < FEW_ROWS]
    if small:
        names = ", ".join(shorten(name) for name in small[:5]) + (" and others" if len(small) > 5 else "")
        found.append(f"Fewer than {FEW_ROWS} test rows of {names}: its metrics are unreliable.")
    if learning.best is not None and learning.best == config.get("trainer.max_epochs") and learning.best > 1:
        found.append("The last epoch was the best in validation: a larger trainer.max_epochs may do better.")
    return found
