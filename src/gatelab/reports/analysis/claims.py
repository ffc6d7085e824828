"""The claims of an experiment held against its arms: what is claimed, what was found, and the verdict, as sentences."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gatelab.config.experiment import Experiment, Ordering, Published, Solved, Where
from gatelab.reports import numbers
from gatelab.reports.analysis.almost_stochastic import MIN_SCORES
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.settings import comparable, short_key, show
from gatelab.reports.analysis.verdicts import (
    VERDICTS,
    Finding,
    PublishedNumber,
    Verdict,
    judge_almost_stochastic,
    judge_number,
    judge_ordering,
    judge_share,
)
from gatelab.runs.load import Run, files_of
from gatelab.runs.metrics import is_lower_better, title_of
from gatelab.runs.record import baseline_title
from gatelab.screen import counted

SEEN = "sequences_seen"  # recorded by the runs that solve their task, where a task can be solved


@dataclass(frozen=True)
class Judged:
    claim: str
    found: str
    verdict: Verdict | None  # None of a published number without a margin
    source: str


def judge_all(experiment: Experiment, arms: Sequence[Arm]) -> list[Judged]:
    judged = [judge_claim(claim, arms) for claim in experiment.claims]
    return judged + [
        judge_published(stated, arms)
        for stated in experiment.published
        if stated.where or stated.margin or stated.baseline
    ]


def judge_claim(claim: Solved | Ordering, arms: Sequence[Arm]) -> Judged:
    return judge_solved(claim, arms) if isinstance(claim, Solved) else judge_above(claim, arms)


def judge_solved(claim: Solved, arms: Sequence[Arm]) -> Judged:
    bound = f"at least {claim.at_least:.0%}" if claim.at_least is not None else f"at most {claim.at_most:.0%}"
    how = "solve it"
    if claim.metric is not None:
        sign = "≤" if is_lower_better(claim.metric) else "≥"
        how = f"have {title_of(claim.metric)} {sign} {claim.threshold:g}"
    sentence = f"{named(claim.where)}: {bound} of the runs {how}"
    arm, problem = one_arm(arms, claim.where)
    problem = problem or not_told(arm, claim.metric)
    if arm is None or problem:
        return Judged(sentence, problem, "cannot tell", claim.source)
    outcomes = outcomes_of(arm, claim.metric, claim.threshold)
    finding = judge_share(sum(outcomes), len(outcomes), claim.at_least, claim.at_most)
    return Judged(sentence, share_text(sum(outcomes), len(outcomes), finding), finding.verdict, claim.source)


def judge_above(claim: Ordering, arms: Sequence[Arm]) -> Judged:
    inside = f"{named(claim.where)}: " if claim.where else ""
    sentence = f"{inside}{named(claim.better)} better than {named(claim.worse)} in {title_of(claim.metric)}"
    found = [one_arm(arms, {**claim.where, **side}) for side in (claim.better, claim.worse)]
    problems = [problem for _, problem in found if problem]
    better, worse = ([] if arm is None else oriented(arm, claim.metric) for arm, _ in found)
    if problems or not better or not worse:
        return Judged(sentence, "; ".join(problems) or "no finished run has it", "cannot tell", claim.source)
    counts = f"{len(better)} and {counted(len(worse), 'run')}"
    if claim.test == "ranks":
        finding = judge_ordering(better, worse)
        p = "" if finding.p is None else f", p = {numbers.metric(finding.p)}"
        text = f"better with probability {finding.estimate:.2f}{p}; {counts}"
        return Judged(sentence, text, finding.verdict, claim.source)
    finding = judge_almost_stochastic(better, worse)
    text = f"the almost stochastic order needs {MIN_SCORES} finite values of each; {counts}"
    if finding.estimate is not None and finding.interval is not None:
        text = f"almost stochastic order: ε = {finding.estimate:.2f}, at most {finding.interval[1]:.2f} (better below 0.5); {counts}"
    return Judged(sentence, text, finding.verdict, claim.source)


def judge_published(stated: Published, arms: Sequence[Arm]) -> Judged:
    spread = "" if stated.std is None else f" ± {stated.std:g}"
    margin = "" if stated.margin is None else f", to within {stated.margin:g} ({stated.reason})"
    subject = f"{named(stated.where)}{f', {baseline_title(stated.baseline)}' if stated.baseline else ''}"
    sentence = f"{subject}: {title_of(stated.metric)} {stated.value:g}{spread}{margin}"
    source = ", ".join(filter(None, [stated.source, "" if stated.table is None else f"table {stated.table}"]))
    unjudged: Verdict | None = None if stated.margin is None else "cannot tell"
    arm, problem = one_arm(arms, stated.where)
    values = [] if arm is None else list(arm.values(stated.metric, stated.baseline).values())
    if arm is None or not values:
        return Judged(sentence, problem or f"no finished run has {title_of(stated.metric)}", unjudged, source)
    published = PublishedNumber(stated.value, stated.std, stated.num_seeds)
    finding = judge_number(values, published, stated.margin or math.inf, arm.overlap)
    deviation = f" ± {numbers.metric(statistics.stdev(values))}" if len(values) > 1 else ""
    text = f"{numbers.metric(statistics.fmean(values))}{deviation} over {counted(len(values), arm.noun)}"
    text += f"; difference {numbers.signed(finding.estimate or 0.0)}"
    text += f", 95 % interval {numbers.interval(finding.interval)}" if finding.interval else ""
    return Judged(sentence, text, None if stated.margin is None else finding.verdict, source)


def one_arm(arms: Sequence[Arm], where: Where) -> tuple[Arm | None, str]:
    """The arm whose runs all are so, or why there is none."""
    found = [arm for arm in arms if all(is_so(run, key, value) for run in arm.runs for key, value in where.items())]
    if len(found) == 1:
        return found[0], ""
    several = ", ".join(arm.name for arm in found[:4])
    return None, f"fits several arms: {several}" if found else f"no runs with {named(where)}"


def is_so(run: Run, key: str, value: Any) -> bool:
    """Whether a key of its config, or the choice of a group, has the value. A data path has it if it ends in it: files lie elsewhere
    on other machines."""
    if key == "data.path" and isinstance(value, str):
        return any(f"/{file}".endswith(f"/{value}") for file in (run.settings.get(key), *files_of(run)))
    if key in run.settings:
        return comparable(run.settings[key]) == comparable(value)
    return run.record.choices.get(key) == value


def named(where: Where) -> str:
    """length=200 encoder=lstm"""
    return " ".join(f"{short_key(key, list(where))}={show(value)}" for key, value in where.items()) or "all runs"


def not_told(arm: Arm | None, metric: str | None) -> str:
    """Why its runs do not tell whether they are so; empty where they do."""
    if arm is not None and metric is None and not can_be_solved(arm.runs):
        return "their task does not say when it is solved: give metric and threshold"
    if arm is not None and metric and arm.finished and not any(run.record.has(metric) for run in arm.finished):
        return f"no finished run has {title_of(metric)}"
    return ""


def outcomes_of(arm: Arm, metric: str | None = None, threshold: float | None = None) -> list[bool]:
    """Whether each run that has ended solves its task, or has a metric that is as good as the threshold; one that failed does not."""
    outcomes = []
    for run in arm.runs:
        value = measured(run, metric or SEEN)
        if run.status == "failed" or (run.status == "finished" and metric is None):
            outcomes.append(value is not None)
        elif metric is not None and threshold is not None and value is not None:
            outcomes.append(value <= threshold if is_lower_better(metric) else value >= threshold)
    return outcomes


def measured(run: Run, metric: str) -> float | None:
    """Of a finished run, the worst there is for a number that is not finite; None where its record has none."""
    if run.status != "finished" or not run.record.has(metric):
        return None
    return run.record.numbers().get(metric, math.inf if is_lower_better(metric) else -math.inf)


def share_text(num_solved: int, num: int, finding: Finding) -> str:
    if finding.interval is None:
        return "no run has ended"
    low, high = finding.interval
    return f"{num_solved} of {num}, 95 % interval {low:.0%} to {high:.0%}"


def oriented(arm: Arm, metric: str) -> list[float]:
    """The metric of each run that has ended, higher is better; the worst of all where it failed, or never solved what is counted."""
    sign, values = -1 if is_lower_better(metric) else 1, []
    for run in arm.runs:
        value = measured(run, metric)
        if value is not None:
            values.append(sign * value)
        elif run.status == "failed" or (run.status == "finished" and metric == SEEN):
            values.append(-math.inf)
    return values


def median_seen(arm: Arm) -> float | None:
    """The median of the training sequences until success over all runs that have ended; None where half of them have none."""
    seen = [-value for value in oriented(arm, SEEN)]
    median = statistics.median_high(seen) if seen else math.inf
    return None if math.isinf(median) else median


def can_be_solved(runs: Iterable[Run]) -> bool:
    """Whether their task says when it is solved: then results have two humps, and no mean describes them."""
    found = [run for run in runs if run.settings]
    return bool(found) and all("data.success" in run.settings for run in found)


def claimed_metrics(experiment: Experiment, runs: Iterable[Run]) -> list[str]:
    """The metrics of its criteria, in their order; that of runs that solve their task is whether their sequences are right."""
    stated: list[Solved | Ordering | Published] = [*experiment.claims, *experiment.published]
    found = dict.fromkeys(claim.metric or "sequences_right" for claim in stated)
    return [metric for metric in found if metric != SEEN or not can_be_solved(runs)]


def headline(judged: Sequence[Judged]) -> str:
    """3 of 4 claims reproduced, 1 undecided"""
    counts = Counter(one.verdict for one in judged if one.verdict)
    total = sum(counts.values())
    if counts["reproduced"] == total:
        return "The claim is reproduced" if total == 1 else f"All {total} claims are reproduced"
    parts = [f"{counts['reproduced']} of {counted(total, 'claim')} reproduced"]
    parts += [f"{counts[verdict]} {verdict}" for verdict in VERDICTS[1:3] if counts[verdict]]
    return ", ".join(parts + [f"{counts['cannot tell']} undecided"] * bool(counts["cannot tell"]))
