"""The parts of a page that hold an experiment's claims against its runs; the same values make its result file."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatelab.config.experiment import Experiment
from gatelab.config.identity import OUTSIDE, key_in
from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.analysis.claims import SEEN, Judged, can_be_solved, headline, median_seen, outcomes_of
from gatelab.reports.analysis.intervals import proportion_interval
from gatelab.reports.analysis.settings import comparable, show
from gatelab.reports.analysis.statement import Statement
from gatelab.reports.analysis.statistics import describe
from gatelab.reports.pages.facts import Facts
from gatelab.reports.pages.run_answer import Answer
from gatelab.runs.load import REPLICATE_KEYS, Run
from gatelab.runs.metrics import title_of
from gatelab.screen import counted

Table = dict[str, Any]  # columns: (title, kind); rows: cells as text
GROUPS = ("data", "encoder", "model", "optimizer", "callbacks", "trainer")


def answer_experiment(stated: Statement, judged: Sequence[Judged], answer: Answer, with_solved: bool) -> Answer:
    """What became of the claims, and then the answer of a sweep, but for a mean over runs that solve their task or do not; without claims
    the answer alone."""
    cautions = [*stated.cautions, *answer.cautions]
    if stated.is_quick:
        cautions.insert(
            0, "Quick runs (+quick=true): they show that the experiment works, and their numbers answer nothing."
        )
    if not stated.experiment.has_criteria:
        return replace(answer, cautions=cautions)
    claim = f"Claimed: {stated.experiment.claim} " if stated.experiment.claim else ""
    quick = "Quick runs: " if stated.is_quick else ""
    return Answer(quick + headline(judged), claim if with_solved else f"{claim}{answer.sentence}.", cautions)


def experiment_sections(
    stated: Statement, judged: Sequence[Judged], runs: Sequence[Run], arms: Sequence[Arm]
) -> dict[str, Any]:
    """Those of the claims are empty where there are none."""
    has_claims = bool(judged)
    return {
        "claims": claims_table(judged) if has_claims else None,
        "deviations": deviations_table(stated.experiment) if stated.experiment.deviations else None,
        "setting": setting_facts(runs) if has_claims else [],
        "solved": solved_table(arms),
        "cost": run_cost(runs) if has_claims else [],
    }


def claims_table(judged: Sequence[Judged]) -> Table:
    columns = [("verdict", "text"), ("claim", "long"), ("found", "long"), ("source", "text")]
    rows = [[one.verdict or "no criterion", one.claim, one.found, one.source] for one in judged]
    return {"columns": columns, "rows": rows}


def deviations_table(experiment: Experiment) -> Table:
    columns = [("paper", "long"), ("here", "long"), ("why", "long")]
    return {"columns": columns, "rows": [[one.paper, one.ours, one.why] for one in experiment.deviations]}


def solved_table(arms: Sequence[Arm]) -> Table | None:
    """Of tasks that say when they are solved: the arms, in how many runs and how soon. A run that failed has not solved it."""
    if not can_be_solved([run for arm in arms for run in arm.runs]):
        return None
    columns = [
        ("arm", "text"),
        ("solved", "number"),
        ("95 % interval", "number"),
        (f"median of {title_of(SEEN)}", "number"),
    ]
    rows = []
    for arm in arms:
        if outcomes := outcomes_of(arm):
            low, high = proportion_interval(sum(outcomes), len(outcomes))
            median = median_seen(arm)
            seen = "not reached" if median is None else numbers.count(median)
            rows.append([arm.name, f"{sum(outcomes)} of {len(outcomes)}", f"{low:.0%} to {high:.0%}", seen])
    return {"columns": columns, "rows": rows} if rows else None


def seeds_table(arms: Sequence[Arm], metric: str, with_mean: bool) -> Table:
    """Every run of each arm in the metric, by seed or fold; with_mean: beside them the mean, deviation and interval."""
    columns = [("arm", "text"), ("seed: " + title_of(metric), "text")]
    columns += [("mean ± standard deviation", "number"), ("95 % interval", "number")] if with_mean else []
    rows = []
    for arm in arms:
        cells = [
            arm.name,
            ", ".join(f"{run.replicate_text.removeprefix('seed ')}: {value_text(run, metric)}" for run in arm.runs),
        ]
        if with_mean:
            sample = describe(list(arm.values(metric).values()), arm.overlap)
            spread = "" if sample.std is None else f" ± {numbers.metric(sample.std)}"
            cells += [numbers.metric(sample.mean) + spread, numbers.interval(sample.interval)]
        rows.append(cells)
    return {"columns": columns, "rows": rows}


def value_text(run: Run, metric: str) -> str:
    if run.status != "finished":
        return run.status
    value = run.record.numbers().get(metric, math.nan)
    return f"{value:g}" if value == round(value, 4) else numbers.metric(value)


def setting_facts(runs: Sequence[Run]) -> Facts:
    """What all runs have in common: the choices, and what was changed from them; and what the sweep varies."""
    known = [run for run in runs if run.settings]
    choices = {
        group: found.pop()
        for group in GROUPS
        if len(found := {run.record.choices.get(group, "") for run in known}) == 1
    }
    facts = [("choices", " ".join(f"{group}={choice}" for group, choice in choices.items() if choice))]
    changed: Mapping[str, Any] = (known[0].record.changed or {}) if known else {}
    same = [
        f"{key}={show(value)}"
        for key, value in changed.items()
        if key not in REPLICATE_KEYS
        and not key_in(key, OUTSIDE)
        and all(comparable(run.settings.get(key)) == comparable(value) for run in known)
    ]
    facts.append(("changed from them", " ".join(same)))
    seeds = sorted({run.seed for run in (each.record for each in known) if run.seed is not None})
    facts.append(("seeds", ", ".join(map(str, seeds))))
    files = dict.fromkeys(
        Path(file).name for run in known for file in (run.record.data.files if run.record.data else [])
    )
    facts.append(("data", ", ".join(list(files)[:6])))
    return [(name, text) for name, text in facts if text]


def run_cost(runs: Sequence[Run]) -> Facts:
    """Processor and wall time of all runs, failed ones too, and the machines and code that they had."""
    processor = sum(run.record.resources.cpu_seconds or 0 for run in runs)
    wall = sum(run.record.seconds or 0 for run in runs)
    facts = [
        ("runs", counts_text(runs)),
        ("processor time", numbers.duration(processor)),
        ("time, run after run", numbers.duration(wall)),
    ]
    machines: dict[str, None] = {}
    for run in runs:
        if hardware := run.record.hardware:
            counts = [
                counted(count, noun)
                for count, noun in ((hardware.cores, "core"), (hardware.threads, "thread"))
                if count
            ]
            machines[", ".join([hardware.processor, *counts, *hardware.gpus])] = None
    facts.append(("machine", "; ".join(machines)))
    commits = dict.fromkeys(
        f"{run.record.git.commit[:9]}{' with changes that were not committed' * run.record.git.dirty}"
        for run in runs
        if run.record.git
    )
    facts.append(("code", ", ".join(commits)))
    return [(name, text) for name, text in facts if text]


def counts_text(runs: Sequence[Run]) -> str:
    """58 finished, 1 failed of 60 jobs"""
    counts = Counter(run.status or "unknown" for run in runs)
    jobs = max((run.record.jobs or 0 for run in runs), default=0)
    listed = [
        f"{counts[status]:,} {status}" for status in sorted(counts, key=lambda status: (status != "finished", status))
    ]
    return ", ".join(listed) + (f" of {jobs:,} jobs" if len(runs) < jobs else "")
