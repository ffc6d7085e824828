"""gatelab compare: arms and a reference on the same data, metric by metric."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from gatelab.errors import RunError, UnknownName
from gatelab.reports.analysis.arms import Arm, Arms, Replicate, group_arms, noun_of
from gatelab.reports.analysis.settings import show, split_words
from gatelab.reports.analysis.statistics import Sample, describe, holm, paired_test
from gatelab.runs.load import Run
from gatelab.runs.metrics import best_of, key_of, order_of, shared_monitor
from gatelab.runs.predictions import read_outcomes
from gatelab.runs.record import BLIND, baseline_title

METRICS = ("accuracy", "sequences_right")
BASELINES = {name: baseline_title(name) for name in ("linear", "nbsvm", "naive_bayes", *BLIND)}


class Reference(NamedTuple):
    """What the arms are compared with: an arm on each data set, or the baseline of each arm."""

    arms: tuple[Arm, ...]
    baseline: str | None
    name: str

    def of(self, arm: Arm) -> Arm | None:
        """The reference on the same data; None where there is none."""
        return next((reference for reference in self.arms if reference.content == arm.content), None)

    def values(self, metric: str, arm: Arm) -> dict[Replicate, float]:
        if self.baseline is not None:
            return arm.values(metric, self.baseline)
        reference = self.of(arm)
        return {} if reference is None else reference.values(metric)


@dataclass(frozen=True)
class Row:
    """One arm or baseline in one metric. difference: this minus the reference over shared replicates; is_identical: both predict
    the same class for every test row of these; is_best: on its data."""

    cells: tuple[str, ...]
    name: str
    kind: str  # arm or baseline
    statuses: Counter[str] | None  # of the arm's runs
    values: Sample
    content: str = ""  # of the data
    difference: Sample | None = None
    p: float | None = None
    p_holm: float | None = None
    is_reference: bool = False
    is_best: bool = False
    is_identical: bool = False


@dataclass(frozen=True)
class Comparison:
    arms: Arms
    reference: Reference | None
    # By metric, and within it by data set: the reference, the other arms from best to worst in the first metric, baselines.
    tables: dict[str, list[Row]]

    @property
    def noun(self) -> str:
        """What the replicates of the arms are: seed or fold."""
        return noun_of(self.arms.arms)

    @property
    def num_data(self) -> int:
        return len({arm.content for arm in self.arms.arms})


def compare(
    runs: Sequence[Run],
    by: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
) -> Comparison:
    """Group the runs by the given config keys and groups, or by all that differ, and compare the arms.

    The default reference is the first arm of the sweep that has a finished run. Raises UnknownName for an unknown key, metric or
    reference.
    """
    arms = group_arms(runs, by)
    chosen = choose_metrics(arms.arms, metrics)
    against = choose_reference(arms, reference)
    ordered = order_arms(arms.arms, against, chosen[0])
    return Comparison(arms, against, {metric: metric_rows(metric, ordered, against) for metric in chosen})


def choose_metrics(arms: Sequence[Arm], wanted: Sequence[str] | None) -> list[str]:
    """The wanted metrics, split by ``split_words``; by default accuracy, or sequences right, and the selection metric, in validation where there is
    no test."""
    known = list(dict.fromkeys(name for arm in arms for run in arm.finished for name in run.record.numbers()))
    named = split_words(wanted or (), known)
    if not named:
        leading = [*METRICS, shared_monitor(run.record.monitor for arm in arms for run in arm.finished)]
        in_validation = [f"validation/{name}" for name in leading]
        return (
            [name for name in leading if name in known]
            or [name for name in in_validation if name in known]
            or known[:2]
            or leading
        )
    names = [name if name in known else key_of(name) for name in named]
    for name in names:
        if known and name not in known:
            listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
            raise UnknownName("metric", name, "no finished run has it", known, f" There are: {listed}.")
    return names


def choose_reference(arms: Arms, text: str | None) -> Reference | None:
    """The reference that text names, else the first arm with a finished run on each data set."""
    candidates = [arm for arm in arms.arms if arm.finished]
    if text is None:
        return arm_reference(list({arm.content: arm for arm in reversed(candidates)}.values())[::-1])
    baselines = {name for arm in candidates for run in arm.finished for name in run.record.baselines}
    for name in baselines:
        if text in (name, BASELINES.get(name)):
            return Reference((), name, f"the {BASELINES.get(name, name)} of each arm")
    found = [arm for arm in arms.arms if arm.name == text] or [
        arm for arm in arms.arms if all(has_term(arm, term, arms.titles) for term in text.split(","))
    ]
    if not found or len({arm.content for arm in found}) < len(found):
        known = [*(arm.name for arm in arms.arms), *sorted(baselines)]
        reason = "several arms match" if found else "no arm matches"
        raise UnknownName("reference", text, reason, [] if found else known, f" There are: {'; '.join(known)}.")
    return arm_reference(found)


def arm_reference(arms: Sequence[Arm]) -> Reference | None:
    if not arms:
        return None
    return Reference(tuple(arms), None, arms[0].name if len(arms) == 1 else "the reference on the same data")


def has_term(arm: Arm, term: str, titles: Sequence[str]) -> bool:
    """Whether the arm matches a term such as lstm, encoder=lstm or encoder.hidden_size=64."""
    key, _, value = term.strip().partition("=")
    if any(term.strip() in (cell, *cell.split()) for cell in arm.cells):
        return True
    if any(title == key and value in (cell, *cell.split()) for title, cell in zip(titles, arm.cells, strict=True)):
        return True
    return all(key in run.settings and show(run.settings[key]) == value for run in arm.runs)


def order_arms(arms: Iterable[Arm], reference: Reference | None, metric: str) -> list[Arm]:
    """By data set: the reference, then from best to worst mean, then arms without a value."""
    arms = list(arms)
    references = () if reference is None else reference.arms
    contents = list(dict.fromkeys(arm.content for arm in (*references, *arms)))

    def place(arm: Arm) -> tuple[int, bool, float]:
        mean = mean_of(arm.values(metric))
        return contents.index(arm.content), arm not in references, order_of(metric, mean)

    return sorted(arms, key=place)


def mean_of(values: dict[Replicate, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None


def metric_rows(metric: str, arms: Sequence[Arm], reference: Reference | None) -> list[Row]:
    rows = [arm_row(metric, arm, reference) for arm in arms]
    tested = [index for index, row in enumerate(rows) if row.p is not None]
    for index, corrected in zip(tested, holm([rows[index].p or 0.0 for index in tested]), strict=True):
        rows[index] = replace(rows[index], p_holm=corrected)
    rows += baseline_rows(metric, arms, reference)
    found = []
    for content in dict.fromkeys(row.content for row in rows):
        here = [row for row in rows if row.content == content]
        means = [row.values.mean for row in here if row.values.mean is not None]
        best = None if len(set(means)) < 2 else best_of(metric, means)
        found += [replace(row, is_best=best is not None and row.values.mean == best) for row in here]
    return found


def arm_row(metric: str, arm: Arm, reference: Reference | None) -> Row:
    values = arm.values(metric)
    sample = describe(list(values.values()), arm.overlap)
    row = Row(arm.cells, arm.name, "arm", arm.statuses, sample, arm.content)
    other = None if reference is None else reference.of(arm)
    if reference is None or arm is other:
        return replace(row, is_reference=reference is not None)
    if other is None and reference.baseline is None:
        return row
    differences = paired(values, reference.values(metric, arm))
    is_identical = other is not None and bool(differences) and not any(differences) and predict_the_same(arm, other)
    difference, p = describe(differences, arm.overlap), paired_test(differences, arm.overlap)
    return replace(row, difference=difference, p=p, is_identical=is_identical)


def predict_the_same(first: Arm, second: Arm) -> bool:
    """Whether all runs of each shared replicate predict the same for every test row; False if a file cannot be read."""
    by_replicate: dict[Replicate, list[list[Run]]] = {}
    for number, arm in enumerate((first, second)):
        for run in arm.finished:
            by_replicate.setdefault(arm.replicate_of(run), [[], []])[number].append(run)
    shared = [runs for runs in by_replicate.values() if all(runs)]
    try:
        return all(len({predicted(run.folder.predictions) for side in runs for run in side}) == 1 for runs in shared)
    except (RunError, OSError):
        return False


def predicted(file: Path) -> tuple[Any, ...]:
    """The line of each test row and what is predicted for it."""
    lines, predictions = read_outcomes(file)
    return tuple(lines), tuple(predictions)


def paired(values: dict[Replicate, float], reference: dict[Replicate, float]) -> list[float]:
    return [values[one] - reference[one] for one in values if one in reference]


def baseline_rows(metric: str, arms: Sequence[Arm], reference: Reference | None) -> list[Row]:
    """A row for each baseline, or several where it differs between arms. Compared with the reference without a test."""
    names = [name for name in BASELINES if any(arm.values(metric, name) for arm in arms)]
    rows = []
    for name in names:
        groups = same_baseline(name, arms)
        for group in groups:
            values = {one: value for arm in group for one, value in arm.values(metric, name).items()}
            cells = baseline_cells(BASELINES[name], group, len(groups) == 1)
            title, overlap = " ".join(cell for cell in cells if cell), group[0].overlap
            sample = describe(list(values.values()), overlap)
            row = Row(cells, title, "baseline", None, sample, group[0].content)
            if reference is not None and reference.baseline == name:
                row = replace(row, is_reference=True)
            elif reference is not None and reference.of(group[0]) in group:
                row = replace(row, difference=describe(paired(values, reference.values(metric, group[0])), overlap))
            rows.append(row)
    return rows


def same_baseline(name: str, arms: Sequence[Arm]) -> list[list[Arm]]:
    """Groups of arms on the same data whose runs agree on the baseline, replicate by replicate."""
    groups: list[tuple[list[Arm], dict[Replicate, str]]] = []
    for arm in arms:
        record = arm.baseline_record(name)
        for group, known in groups:
            shared = record.keys() & known.keys()
            if shared and group[0].content == arm.content and all(record[one] == known[one] for one in shared):
                group.append(arm)
                known.update(record)
                break
        else:
            if record:
                groups.append(([arm], record))
    return [group for group, _ in groups]


def baseline_cells(title: str, arms: Sequence[Arm], is_only_one: bool) -> tuple[str, ...]:
    """The title in the first column in which the arms differ, and their common values in the others."""
    if is_only_one:
        return title, *[""] * (len(arms[0].cells) - 1)
    cells = [texts[0] if len(set(texts)) == 1 else "" for texts in zip(*(arm.cells for arm in arms), strict=True)]
    if "" in cells:
        cells[cells.index("")] = title
    else:
        cells[0] = f"{cells[0]}, {title}"
    return tuple(cells)
