"""What came out of a sweep, in one sentence and a few more."""

from collections import Counter
from collections.abc import Sequence

from gatelab.reports import numbers
from gatelab.reports.answer import Answer, compare
from gatelab.reports.arms import Arm, Arms
from gatelab.reports.compare import BASELINES, Comparison, Row, describe_mean, is_lower_better, paired
from gatelab.reports.formats import TITLES
from gatelab.reports.notes import caution_notes
from gatelab.reports.statistics import Sample, describe, smallest_p

LEVEL = 0.05
SHORT_NAME = 24  # characters
MANY_ARMS = 5  # from here the best of them owes a part of its number to having been chosen


def answer_sweep(comparison: Comparison) -> Answer:
    """Of the first metric: the best arm, how far it is from the reference and from the linear baseline, and what tells."""
    metric = next(iter(comparison.tables))
    rows = [row for row in comparison.tables[metric] if row.kind == "arm" and row.values.mean is not None]
    cautions = [*unfinished(comparison.arms), *caution_notes(comparison)]
    if not rows:
        return Answer("No run is finished yet", "There is nothing to compare.", cautions)
    best = best_row(rows, metric)
    arm = arm_of(comparison, best)
    colon = ":" if "=" in best.name else ""
    sentence = f"{best.name}{colon} {numbers.metric(best.values.mean)} {title_of(metric)}{over_seeds(best)}"
    if (linear := linear_difference(arm, metric)) is not None and linear.mean is not None:
        sentence += f", {compare(linear.mean)} the linear baseline"
    sentence += beside_the_others(best, rows, metric)
    sentence += told_apart(best, rows, metric)
    details = ["In brackets its 95 % interval." if best.values.interval else ""]
    details.append(difference_of(best, rows, comparison, metric))
    if linear is not None and linear.mean is not None:
        bounds = f", 95 % interval {numbers.interval(linear.interval)}" if linear.interval else ""
        details.append(f"Difference to the linear baseline beside it: {numbers.signed(linear.mean)}{bounds}.")
    details.append(validation_says(comparison, best, metric))
    return Answer(sentence, " ".join(filter(None, details)), cautions)


def title_of(metric: str) -> str:
    """macro-F1 for macro_f1, and so on; others as they are called in run.json."""
    return TITLES.get(metric, metric.replace("validation/", "validation "))


def best_row(rows: Sequence[Row], metric: str) -> Row:
    """The first of the best means; the reference stands first."""
    return (min if is_lower_better(metric) else max)(rows, key=lambda row: row.values.mean or 0.0)


def arm_of(comparison: Comparison, row: Row) -> Arm:
    return next(arm for arm in comparison.arms.arms if arm.cells == row.cells)


def over_seeds(row: Row) -> str:
    if row.values.num < 2:
        return ""
    return f" over {row.values.num} seeds" + (
        f" ({numbers.interval(row.values.interval)})" if row.values.interval else ""
    )


def rival(best: Row, rows: Sequence[Row], metric: str) -> Row | None:
    """What the best is held against: the reference, or where that is the best itself the best of the others."""
    others = [row for row in rows if row is not best]
    if not others:
        return None
    return next((row for row in others if row.is_reference), best_row(others, metric))


def beside_the_others(best: Row, rows: Sequence[Row], metric: str) -> str:
    other = rival(best, rows, metric)
    difference = mean_difference(best, other)
    if other is None or difference is None:
        return ""
    return f", {compare(difference)} {called(other)}"


def called(row: Row) -> str:
    """A short name, since the sentence has it twice."""
    return row.name if len(row.name) <= SHORT_NAME else "the reference" if row.is_reference else "the next best"


def mean_difference(best: Row, other: Row | None) -> float | None:
    """Over the seeds that both have, where they share some, else of the means."""
    if other is None or best.values.mean is None or other.values.mean is None:
        return None
    if other.is_reference and best.difference is not None and best.difference.mean is not None:
        return best.difference.mean
    if best.is_reference and other.difference is not None and other.difference.mean is not None:
        return -other.difference.mean
    return best.values.mean - other.values.mean


def told_apart(best: Row, rows: Sequence[Row], metric: str) -> str:
    other = rival(best, rows, metric)
    if other is None:
        return ""
    p = best.p_holm if other.is_reference else other.p_holm if best.is_reference else None
    if p is None:
        return "; one seed tells nothing apart" if best.values.num == 1 else ""
    tested = [row for row in rows if row.p is not None]
    pairs = (best if other.is_reference else other).difference
    if p >= LEVEL and pairs is not None and smallest_p(pairs.num) * len(tested) >= LEVEL:
        return f"; {pairs.num} shared seeds are too few to tell the two apart"
    return f"; the test {'tells' if p < LEVEL else 'does not tell'} the two apart"


def difference_of(best: Row, rows: Sequence[Row], comparison: Comparison, metric: str) -> str:
    """The difference to the reference as in the table, or of the next best to the best where that is the reference."""
    other = rival(best, rows, metric)
    if other is None or comparison.reference is None:
        return ""
    row, against = (best, other) if other.is_reference else (other, best)
    if row.difference is None or not row.difference.mean or not against.is_reference:
        return ""
    seeds = numbers.counted(row.difference.num, "shared seed")
    bounds = f", 95 % interval {numbers.interval(row.difference.interval)}" if row.difference.interval else ""
    num_tests = sum(each.p is not None for each in comparison.tables[metric])
    corrected = f" (Holm-corrected for {num_tests} arms)" if num_tests > 1 else ""
    p = "" if row.p_holm is None else f", p = {numbers.metric(row.p_holm)}{corrected}"
    return f"{row.name} minus {against.name} over {seeds}: {numbers.signed(row.difference.mean)}{bounds}{p}."


def linear_difference(arm: Arm, metric: str) -> Sample | None:
    """The arm minus the linear baseline beside it, over its seeds; None where there is no baseline."""
    differences = paired(arm.values(metric), arm.values(metric, "linear"))
    return describe(differences) if differences else None


def validation_says(comparison: Comparison, best: Row, metric: str) -> str:
    """Which arm one would have chosen without looking at the test; of a validation metric, what the test says of its best."""
    if metric.startswith("validation/"):
        test = metric.removeprefix("validation/")
        row = next((row for row in comparison.tables.get(test, ()) if row.cells == best.cells), None)
        if row is None or row.values.mean is None:
            return ""
        return f"On the test rows its {title_of(test)} is {numbers.metric(row.values.mean)}."
    validation = f"validation/{metric}"
    means = [
        (sum(values.values()) / len(values), arm) for arm in comparison.arms.arms if (values := arm.values(validation))
    ]
    if len(means) < 3:
        return ""
    _, chosen = (min if is_lower_better(metric) else max)(means, key=lambda pair: pair[0])
    if chosen.cells == best.cells:
        return f"It is the best of the {len(means)} arms in validation too."
    row = next(row for row in comparison.tables[metric] if row.cells == chosen.cells)
    flatters = f"The best of {len(means)} arms is chosen by the test itself, which flatters it. "
    return (
        f"{flatters if len(means) >= MANY_ARMS else ''}By validation {title_of(metric)} one would have taken {chosen.name}: "
        f"{numbers.metric(row.values.mean)} on the test rows."
    )


def unfinished(arms: Arms) -> list[str]:
    """How many runs are not finished, and how they ended. That a search prunes trials is no fault of theirs."""
    runs = [*(run for arm in arms.arms for run in arm.runs), *arms.without_config]
    counts = Counter(run.status or "unknown" for run in runs if run.status not in ("finished", "pruned"))
    if not counts:
        return []
    told = ", ".join(f"{num} {status}" for status, num in counts.most_common())
    return [f"{sum(counts.values())} of {len(runs)} runs are not finished: {told}. They are in no mean."]


def baseline_means(arm: Arm, metric: str) -> dict[str, float]:
    """The mean of each baseline beside the arm, by its name in run.json."""
    found = {name: describe_mean(arm.values(metric, name)) for name in BASELINES}
    return {name: mean for name, mean in found.items() if mean is not None}
