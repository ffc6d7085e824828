"""gatelab compare: arms held against a reference, metric by metric, with what one must know to read the numbers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gatelab.reports.arms import Arm, Arms, Seed, group_arms, metrics_of
from gatelab.reports.load import Run
from gatelab.reports.settings import show
from gatelab.reports.statistics import Sample, describe, holm, sign_flip_test
from gatelab.runs.folder import RunError
from gatelab.suggest import suggest_key

METRICS = ("accuracy", "macro_f1")
BASELINES = {"linear": "linear baseline", "majority": "majority class"}
LOWER_IS_BETTER = ("error", "loss")


class Reference(NamedTuple):
    """What the others are held against: an arm, or of each arm the baseline beside it."""

    arm: Arm | None
    baseline: str | None
    name: str

    def values(self, metric: str, arm: Arm) -> dict[Seed, float]:
        return arm.values(metric, self.baseline) if self.arm is None else self.arm.values(metric)


@dataclass(frozen=True)
class Row:
    """One arm, or one baseline, in one metric. difference: over the seeds shared with the reference, this minus that."""

    cells: tuple[str, ...]
    name: str
    kind: str  # arm or baseline
    statuses: Counter[str] | None  # of the arm's runs
    values: Sample
    difference: Sample | None = None
    p: float | None = None
    p_holm: float | None = None
    is_reference: bool = False
    is_best: bool = False


@dataclass(frozen=True)
class Comparison:
    arms: Arms
    reference: Reference | None
    tables: dict[
        str, list[Row]
    ]  # by metric: the reference, the other arms, the best of the first metric first; baselines


def compare(
    runs: Sequence[Run],
    by: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
) -> Comparison:
    """Arms of the runs, grouped by the given config keys and groups or by all that differ.

    The reference is the first arm of the sweep that has a finished run, unless one is named.
    Raises RunError for a key, metric or reference that the runs do not have.
    """
    arms = group_arms(runs, by)
    chosen = choose_metrics(arms.arms, metrics)
    against = choose_reference(arms, reference)
    ordered = order_arms(arms.arms, against, chosen[0])
    return Comparison(arms, against, {metric: metric_rows(metric, ordered, against) for metric in chosen})


def choose_metrics(arms: Sequence[Arm], wanted: Sequence[str] | None) -> list[str]:
    """Those wanted, several in one text split at commas; accuracy and macro_f1 where none is."""
    known = list(dict.fromkeys(name for arm in arms for run in arm.finished for name in metrics_of(run)))
    if not wanted:
        return [name for name in METRICS if name in known] or known[:2] or list(METRICS)
    names = [name for word in wanted for name in ([word] if word in known else map(str.strip, word.split(",")))]
    for name in names:
        if known and name not in known:
            listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
            raise RunError(f"--metric {name}: no finished run has it.{suggest_key(name, known)} There are: {listed}.")
    return list(dict.fromkeys(names))


def choose_reference(arms: Arms, text: str | None) -> Reference | None:
    candidates = [arm for arm in arms.arms if arm.finished]
    if text is None:
        return Reference(candidates[0], None, candidates[0].name) if candidates else None
    baselines = {name for arm in candidates for run in arm.finished for name in run.record.get("baselines") or {}}
    for name in baselines:
        if text in (name, BASELINES.get(name)):
            return Reference(None, name, f"the {BASELINES.get(name, name)} beside it")
    found = [arm for arm in arms.arms if arm.name == text] or [
        arm for arm in arms.arms if all(has_term(arm, term, arms.titles) for term in text.split(","))
    ]
    if len(found) != 1:
        names = "; ".join([*(arm.name for arm in arms.arms), *sorted(baselines)])
        raise RunError(
            f"--reference {text}: {'several arms match' if found else 'no arm matches'}. There are: {names}."
        )
    return Reference(found[0], None, found[0].name)


def has_term(arm: Arm, term: str, titles: Sequence[str]) -> bool:
    """Whether a term such as lstm, encoder=lstm or encoder.hidden_size=64 says something true of the arm."""
    key, _, value = term.strip().partition("=")
    if any(term.strip() in (cell, *cell.split()) for cell in arm.cells):
        return True
    if any(title == key and value in (cell, *cell.split()) for title, cell in zip(titles, arm.cells, strict=True)):
        return True
    return all(key in run.settings and show(run.settings[key]) == value for run in arm.runs)


def order_arms(arms: Iterable[Arm], reference: Reference | None, metric: str) -> list[Arm]:
    """The reference, then by mean, the best first, then those without a value."""
    sign = 1 if is_lower_better(metric) else -1

    def place(arm: Arm) -> tuple[bool, bool, float]:
        mean = describe_mean(arm.values(metric))
        return reference is None or arm is not reference.arm, mean is None, sign * (mean or 0.0)

    return sorted(arms, key=place)


def describe_mean(values: dict[Seed, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None


def is_lower_better(metric: str) -> bool:
    return metric.endswith(LOWER_IS_BETTER)


def metric_rows(metric: str, arms: Sequence[Arm], reference: Reference | None) -> list[Row]:
    rows = [arm_row(metric, arm, reference) for arm in arms]
    tested = [index for index, row in enumerate(rows) if row.p is not None]
    for index, corrected in zip(tested, holm([rows[index].p or 0.0 for index in tested]), strict=True):
        rows[index] = replace(rows[index], p_holm=corrected)
    rows += baseline_rows(metric, arms, reference)
    means = [row.values.mean for row in rows if row.values.mean is not None]
    if len(set(means)) > 1:
        best = min(means) if is_lower_better(metric) else max(means)
        rows = [replace(row, is_best=row.values.mean == best) for row in rows]
    return rows


def arm_row(metric: str, arm: Arm, reference: Reference | None) -> Row:
    values = arm.values(metric)
    row = Row(arm.cells, arm.name, "arm", arm.statuses, describe(list(values.values())))
    if reference is None or arm is reference.arm:
        return replace(row, is_reference=reference is not None)
    differences = paired(values, reference.values(metric, arm))
    return replace(row, difference=describe(differences), p=sign_flip_test(differences))


def paired(values: dict[Seed, float], reference: dict[Seed, float]) -> list[float]:
    return [values[seed] - reference[seed] for seed in values if seed in reference]


def baseline_rows(metric: str, arms: Sequence[Arm], reference: Reference | None) -> list[Row]:
    """A row a baseline, or several where not all arms stand beside the same one. Held against the reference, untested."""
    names = [name for name in BASELINES if any(arm.values(metric, name) for arm in arms)]
    rows = []
    for name in names:
        groups = same_baseline(name, arms)
        for group in groups:
            values = {seed: value for arm in group for seed, value in arm.values(metric, name).items()}
            cells = baseline_cells(BASELINES[name], group, len(groups) == 1)
            row = Row(
                cells, " ".join(cell for cell in cells if cell), "baseline", None, describe(list(values.values()))
            )
            if reference is not None and reference.baseline == name:
                row = replace(row, is_reference=True)
            elif reference is not None and reference.arm in group:
                row = replace(row, difference=describe(paired(values, reference.values(metric, group[0]))))
            rows.append(row)
    return rows


def same_baseline(name: str, arms: Sequence[Arm]) -> list[list[Arm]]:
    """Arms together whose runs say the same of the baseline, seed by seed."""
    groups: list[tuple[list[Arm], dict[Seed, str]]] = []
    for arm in arms:
        record = arm.baseline_record(name)
        for group, known in groups:
            shared = record.keys() & known.keys()
            if shared and all(record[seed] == known[seed] for seed in shared):
                group.append(arm)
                known.update(record)
                break
        else:
            if record:
                groups.append(([arm], record))
    return [group for group, _ in groups]


def baseline_cells(title: str, arms: Sequence[Arm], is_only_one: bool) -> tuple[str, ...]:
    """The title in the first column in which its arms differ, what they share in the others."""
    if is_only_one:
        return title, *[""] * (len(arms[0].cells) - 1)
    cells = [texts[0] if len(set(texts)) == 1 else "" for texts in zip(*(arm.cells for arm in arms), strict=True)]
    if "" in cells:
        cells[cells.index("")] = title
    else:
        cells[0] = f"{cells[0]}, {title}"
    return tuple(cells)
