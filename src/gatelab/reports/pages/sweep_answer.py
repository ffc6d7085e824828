"""The result of a sweep: a headline and details."""

from collections import Counter
from collections.abc import Sequence

from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm, Arms
from gatelab.reports.analysis.comparison import BASELINES, Comparison, Row, mean_of, paired
from gatelab.reports.analysis.notes import caution_notes
from gatelab.reports.analysis.statistics import Sample, describe, paired_test, smallest_p
from gatelab.reports.pages.run_answer import Answer, compare, is_clear
from gatelab.reports.shown import shorten
from gatelab.runs.metrics import is_lower_better, title_of
from gatelab.screen import counted

LEVEL = 0.05
SHORT_NAME, MAX_NAME_LENGTH = 20, 28  # characters: the headline fits two lines
MANY_ARMS = 5  # from which choosing the best biases its value noticeably


def answer_sweep(comparison: Comparison) -> Answer:
    """In the first metric the best arm, and its difference to the reference and the linear baseline where that is
    clear. With several data sets, only the first."""
    metric = next(iter(comparison.tables))
    rows = [row for row in comparison.tables[metric] if row.kind == "arm" and row.values.mean is not None]
    rows = [row for row in rows if row.content == rows[0].content]
    cautions = [*unfinished(comparison.arms), *caution_notes(comparison)]
    if not rows:
        return Answer("No run is finished yet", "There is nothing to compare.", cautions)
    best = best_row(rows, metric)
    arm = arm_of(comparison, best)
    colon = ":" if "=" in best.name else ""
    sentence = f"{shorten(best.name, MAX_NAME_LENGTH)}{colon} {numbers.metric(best.values.mean)} {title_of(metric)}"
    sentence += f" over {best.values.num} {arm.noun}s" if best.values.num > 1 else ""
    linear = paired(arm.values(metric), arm.values(metric, "linear"))
    beside = describe(linear, arm.overlap)
    if linear:
        sentence += f", {verdict(beside, paired_test(linear, arm.overlap), 1, 'the linear baseline')}"
    sentence += beside_the_others(comparison, best, rows, metric)
    details = [f"{best.name}: 95 % interval {numbers.interval(best.values.interval)}." if best.values.interval else ""]
    details.append(difference_of(best, rows, comparison, metric))
    if linear:
        bounds = f", 95 % interval {numbers.interval(beside.interval)}" if beside.interval else ""
        details.append(f"Difference to its linear baseline: {numbers.signed(beside.mean or 0.0)}{bounds}.")
    details.append(validation_says(comparison, best, metric))
    return Answer(sentence, " ".join(filter(None, details)), cautions)


def best_row(rows: Sequence[Row], metric: str) -> Row:
    """The first row with the best mean; the reference comes first."""
    return (min if is_lower_better(metric) else max)(rows, key=lambda row: row.values.mean or 0.0)


def arm_of(comparison: Comparison, row: Row) -> Arm:
    return next(arm for arm in comparison.arms.arms if arm.cells == row.cells)


def rival(best: Row, rows: Sequence[Row], metric: str) -> Row | None:
    """What the best is compared with: the reference, or the second best if the reference is the best."""
    others = [row for row in rows if row is not best]
    if not others:
        return None
    return next((row for row in others if row.is_reference), best_row(others, metric))


def beside_the_others(comparison: Comparison, best: Row, rows: Sequence[Row], metric: str) -> str:
    other = rival(best, rows, metric)
    if other is None:
        return ""
    arms = [arm_of(comparison, row) for row in (best, other)]
    differences, overlap = paired(*(arm.values(metric) for arm in arms)), arms[0].overlap
    name = other.name if len(other.name) <= SHORT_NAME else "the reference" if other.is_reference else "the next best"
    if not differences:
        return f", {compare((best.values.mean or 0.0) - (other.values.mean or 0.0), name, True)} (no shared {comparison.noun}s)"
    row = best if other.is_reference else other if best.is_reference else None  # the one that was tested
    if row is None:
        return f", {verdict(describe(differences, overlap), paired_test(differences, overlap), 1, name)}"
    if row.is_identical:
        return f", identical in every prediction to {name}"
    num_tests = sum(each.p is not None for each in comparison.tables[metric])
    return f", {verdict(describe(differences, overlap), row.p_holm, num_tests, name)}"


def verdict(difference: Sample, p: float | None, num_tests: int, other: str) -> str:
    """The difference as a headline, claiming only what its interval and its test support."""
    too_few = p is None or (difference.overlap is None and smallest_p(difference.num) * num_tests >= LEVEL)
    clear = is_clear(difference.interval) and (too_few or p is None or p < LEVEL)
    claim = compare(difference.mean or 0.0, other, clear)
    if too_few and claim[0].isdigit():  # it claims a number
        noun = "seed" if difference.overlap is None else "fold"
        return f"{claim} ({f'one {noun}' if difference.num == 1 else f'too few {noun}s'})"
    return claim


def difference_of(best: Row, rows: Sequence[Row], comparison: Comparison, metric: str) -> str:
    """The difference to the reference as in the table, or of the second best if the reference is the best."""
    other = rival(best, rows, metric)
    if other is None or comparison.reference is None:
        return ""
    row, against = (best, other) if other.is_reference else (other, best)
    if row.difference is None or not row.difference.mean or not against.is_reference:
        return ""
    pairs = counted(row.difference.num, f"shared {comparison.noun}")
    bounds = f", 95 % interval {numbers.interval(row.difference.interval)}" if row.difference.interval else ""
    num_tests = sum(each.p is not None for each in comparison.tables[metric])
    corrected = f" (Holm-corrected for {num_tests} arms)" if num_tests > 1 else ""
    p = "" if row.p_holm is None else f", p = {numbers.metric(row.p_holm)}{corrected}"
    return f"{row.name} minus {against.name} over {pairs}: {numbers.signed(row.difference.mean)}{bounds}{p}."


def validation_says(comparison: Comparison, best: Row, metric: str) -> str:
    """The arm chosen by validation, or for a validation metric the test value of its best arm."""
    if metric.startswith("validation/"):
        test = metric.removeprefix("validation/")
        row = next((row for row in comparison.tables.get(test, ()) if row.cells == best.cells), None)
        if row is None or row.values.mean is None:
            return ""
        return f"On the test rows its {title_of(test)} is {numbers.metric(row.values.mean)}."
    validation = f"validation/{metric}"
    arms = [arm for arm in comparison.arms.arms if arm.content == best.content]
    means = [(sum(values.values()) / len(values), arm) for arm in arms if (values := arm.values(validation))]
    if len(means) < 3:
        return ""
    _, chosen = (min if is_lower_better(metric) else max)(means, key=lambda pair: pair[0])
    if chosen.cells == best.cells:
        return f"It is the best of the {len(means)} arms in validation too."
    row = next(row for row in comparison.tables[metric] if row.cells == chosen.cells)
    selected = f"The best of {len(means)} arms is chosen on the test set, which biases its value upwards. "
    return (
        f"{selected if len(means) >= MANY_ARMS else ''}By validation {title_of(metric)} one would have taken {chosen.name}: "
        f"{numbers.metric(row.values.mean)} on the test rows."
    )


def unfinished(arms: Arms) -> list[str]:
    """How many runs are not finished, by status; pruned trials do not count."""
    runs = [*(run for arm in arms.arms for run in arm.runs), *arms.without_config]
    counts = Counter(run.status or "unknown" for run in runs if run.status not in ("finished", "pruned"))
    if not counts:
        return []
    by_status = ", ".join(f"{num} {status}" for status, num in counts.most_common())
    return [f"{sum(counts.values())} of {counted(len(runs), 'run')} not finished: {by_status}. No mean includes them."]


def baseline_means(arm: Arm, metric: str) -> dict[str, float]:
    """The mean of each baseline of the arm, by its name in run.json."""
    found = {name: mean_of(arm.values(metric, name)) for name in BASELINES}
    return {name: mean for name, mean in found.items() if mean is not None}
