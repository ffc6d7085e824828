"""Notes below a comparison: how its numbers are computed, and cautions in reading them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from gatelab.reports.analysis.arms import Arm, noun_of
from gatelab.reports.analysis.claims import can_be_solved, outcomes_of
from gatelab.reports.analysis.comparison import Comparison
from gatelab.reports.analysis.settings import column_cells, comparable, differing_keys
from gatelab.reports.analysis.statistics import BCA_FROM, INTERVAL_FROM, Sample, pairs_needed, smallest_p
from gatelab.runs.load import REPLICATE_KEYS, Run
from gatelab.runs.record import Git
from gatelab.screen import counted

MAX_FAILURES = 12
MAX_NAMES = 6
# Data settings that do not change the test rows.
NOT_THE_ROWS = (
    "data.tokenizer.",
    "data.max_length",
    "data.batch_size",
    "data.eval_batch_size",
    "data.sampling",
    *REPLICATE_KEYS,
)


def method_notes(comparison: Comparison) -> list[str]:
    """How the columns are computed."""
    notes = [*mean_note(comparison), *interval_note(comparison), *difference_notes(comparison)]
    return [*notes, *solved_note(comparison.arms.arms)]


def caution_notes(comparison: Comparison) -> list[str]:
    """What differs beyond the columns, and what is missing."""
    arms = comparison.arms
    runs = [run for arm in arms.arms for run in arm.runs]
    notes = pooled_notes(comparison)
    if comparison.num_data > 1:
        notes.append(f"The runs use {comparison.num_data} data sets; each is ranked and compared by itself.")
    notes += fold_notes(arms.arms)
    for reference in comparison.reference.arms if comparison.reference is not None else ():
        notes += pair_notes(arms.arms, reference, list(comparison.tables))
    notes += broken_notes(arms.arms)
    notes += lack_notes(arms.arms)
    notes += missing_notes(arms.arms, list(comparison.tables))
    notes += code_notes([run for run in runs if run.status == "finished"])
    if arms.num_repeated:
        notes.append(f"{counted(arms.num_repeated, 'run')} stored under several names: counted once each.")
    for run in arms.without_config:
        notes.append(f"{run.folder.path} has no config.yaml: it is {run.status or 'unknown'} and in no arm.")
    return notes


def failure_notes(comparison: Comparison) -> list[str]:
    """For each unfinished run its status, arm, seed or fold, first line of the error, and folder."""
    lines = []
    for arm in comparison.arms.arms:
        for run in arm.unfinished:
            error = run.record.first_error_line
            error = error if len(error) <= 160 else error[:159] + "…"
            about = f"{arm.name}, {run.replicate_text}" + (f": {error}" if error else "")
            lines.append(f"{run.status or 'unknown'}  {about}  ({run.folder.path})")
    more = len(lines) - MAX_FAILURES
    return lines if more <= 0 else [*lines[:MAX_FAILURES], f"and {more} more, which gatelab runs lists"]


def mean_note(comparison: Comparison) -> list[str]:
    finished = [run for arm in comparison.arms.arms for run in arm.finished]
    if not finished:
        return ["No run is finished, so there is nothing to compare yet."]
    splits = {comparable(run.settings.get("data.split.seed")) for run in finished}
    share = "one split for all of them" if len(splits) == 1 else f"over {len(splits)} splits"
    if len(splits) > 1 and all(run.settings.get("data.split.seed") == run.settings.get("seed") for run in finished):
        share = "the split changes with the seed"
    validation = [metric for metric in comparison.tables if metric.startswith("validation/")]
    where = "validation rows" if len(validation) == len(comparison.tables) else "test rows"
    if validation and where == "test rows":
        where += f" ({', '.join(validation)}: validation rows)"
    if comparison.noun == "fold":
        share = "of one split" if len(splits) == 1 else f"of {len(splits)} splits"
        if any(len(arm.finished) > len({*map(arm.replicate_of, arm.finished)}) for arm in comparison.arms.arms):
            share += ", first the mean over the seeds trained on each"
    epoch = "at the best validation epoch"
    if all("validation" in run.record.lacks for run in finished):
        epoch = "with the weights of the last step"
    return [f"Mean ± standard deviation over {comparison.noun}s ({share}), on the {where}, {epoch}."]


def interval_note(comparison: Comparison) -> list[str]:
    samples = [sample for rows in comparison.tables.values() for row in rows for sample in (row.values, row.difference) if sample]  # fmt: skip
    return [
        *fold_interval_note(samples),
        *seed_interval_note({sample.num for sample in samples if sample.overlap is None}),
    ]


def fold_interval_note(samples: Sequence[Sample]) -> list[str]:
    overlaps = sorted({sample.overlap for sample in samples if sample.overlap is not None and sample.num > 1})
    if not overlaps:
        return []
    listed = " to ".join(dict.fromkeys(f"{overlap:.3f}" for overlap in (overlaps[0], overlaps[-1])))
    return [
        "95 % interval over folds: corrected resampled t (Nadeau & Bengio 2003). The variance of the J folds is taken times "
        f"1/J + n_test/n_train, here n_test/n_train = {listed}, since the folds share training rows."
    ]


def seed_interval_note(counts: set[int]) -> list[str]:
    counts.discard(0)
    if not counts:
        return []
    note = "95 % interval: bootstrap over seeds"
    if max(counts) < INTERVAL_FROM:
        return [f"{note}; {INTERVAL_FROM} seeds are the minimum."]
    if min(counts) < BCA_FROM:
        few = f", percentile below {BCA_FROM} seeds" if max(counts) >= BCA_FROM else " (percentile)"
        note += f"{few}; too narrow for so few seeds (with 5, about one in seven misses the mean)"
    if min(counts) < INTERVAL_FROM:
        note += f"; none below {INTERVAL_FROM} seeds"
    return [note + "."]


def solved_note(arms: Sequence[Arm]) -> list[str]:
    """Of tasks that say when they are solved, by how many runs of each arm they were."""
    if not can_be_solved(run for arm in arms for run in arm.runs):
        return []
    outcomes = {arm.name: outcomes_of(arm) for arm in arms}
    counts = [f"{name} {sum(found)} of {len(found)}" for name, found in outcomes.items() if found]
    return [
        f"Solved: {'; '.join(counts)}. A mean over runs that solve the task and runs that do not describes none of them."
    ] * bool(counts)


def difference_notes(comparison: Comparison) -> list[str]:
    reference = comparison.reference
    rows = [row for rows in comparison.tables.values() for row in rows if row.difference and row.kind == "arm"]
    if reference is None or not rows:
        return []
    num_tests = max(sum(row.p is not None for row in rows) for rows in comparison.tables.values())
    note = f"Difference: mean over shared {comparison.noun}s, minus {reference.name}."
    if any(row.is_identical for row in rows):
        note += " Identical: the same class predicted for every test row."
    if num_tests == 0:
        return [f"{note} A test needs 2 shared {comparison.noun}s."]
    corrected = f", Holm-corrected for {num_tests} arms" if num_tests > 1 else ""
    tested = [row.difference for row in rows if row.difference and row.p is not None]
    tests = ["two-sided sign-flip permutation test"] if any(sample.overlap is None for sample in tested) else []
    if len(tests) < len({sample.overlap is None for sample in tested}):
        tests.append("two-sided t test over folds, corrected as the interval")
    note += f" p: {'; '.join(tests)}{corrected}."
    counts = sorted({sample.num for sample in tested if sample.overlap is None}, reverse=True)
    if not counts:
        return [note]
    least = "; ".join(
        f"{counted(count, f'shared {comparison.noun}')} cannot give p below {smallest_p(count):.3g}"
        + (f" ({min(1.0, num_tests * smallest_p(count)):.3g} corrected)" if num_tests > 1 else "")
        for count in counts
    )
    needed = pairs_needed(num_tests)
    enough = f"; p < 0.05 needs {needed}" if min(counts) < needed else ""
    return [note, f"{least}{enough}."]


def fold_notes(arms: Sequence[Arm]) -> list[str]:
    """The arms of which folds are missing, so that not every row is tested."""
    notes = []
    for arm in arms:
        if arm.overlap is None:
            continue
        splits = {arm.replicate_of(run)[:-1]: run.settings["data.split.folds"] for run in arm.finished}
        num_folds, found = sum(splits.values()), len({arm.replicate_of(run) for run in arm.finished})
        if found < num_folds:
            notes.append(f"{arm.name}: {found} of {counted(num_folds, 'fold')}; the rows of the others are not tested.")
    return notes


def pooled_notes(comparison: Comparison) -> list[str]:
    """A line for each column that differs between runs without defining arms."""
    arms = comparison.arms.arms
    runs, noun = [run for arm in arms for run in arm.runs], comparison.noun
    notes = []
    for column in comparison.arms.pooled:
        cells = dict(zip(map(id, runs), column_cells(runs, column), strict=True))
        names_by_text: dict[str, list[str]] = {}
        for arm in arms:
            counts = Counter(cells[id(run)] or "null" for run in arm.runs)
            text = ", ".join(
                f"{cell} ({counted(count, 'run')})" if len(counts) > 1 else cell for cell, count in counts.items()
            )
            names_by_text.setdefault(text, []).append(arm.name)
        title = column.group or column.keys[0]
        listed = "; ".join(f"{text} in {some(names, len(arms))}" for text, names in names_by_text.items())
        if len(names_by_text) == 1:
            notes.append(f"Pooled in every arm: {title} = {next(iter(names_by_text))}; a {noun} counts with its mean.")
        elif any(text.endswith(("run)", "runs)")) for text in names_by_text):
            notes.append(f"Pooled, not alike: {title} = {listed}; a {noun} counts with its mean.")
        else:
            notes.append(f"The arms differ in {title} too: {listed}.")
    return notes


def some(names: Sequence[str], num_all: int) -> str:
    """The names in one text, only the first of many."""
    if len(names) == num_all > 1:
        return "all of them"
    return ", ".join(names) if len(names) <= MAX_NAMES else f"{', '.join(names[:4])} and {len(names) - 4} more arms"


def pair_notes(arms: Sequence[Arm], reference: Arm, metrics: Sequence[str]) -> list[str]:
    """On the reference's data: arms with fewer pairs than replicates, and arms with other test rows."""
    arms = [arm for arm in arms if arm.content == reference.content]
    others = [arm for arm in arms if arm.cells != reference.cells]
    known = reference.values(metrics[0]).keys()
    names_by_count: dict[int, list[str]] = {}
    for arm in others:
        found = arm.values(metrics[0]).keys()
        if found and known and found != known:
            names_by_count.setdefault(len(found & known), []).append(arm.name)
    listed = "; ".join(f"{count} in {some(names, len(others))}" for count, names in names_by_count.items())
    noun = noun_of(arms)
    notes = [f"{noun.capitalize()}s shared with {reference.name}: {listed}."] if listed else []
    keys = [
        key
        for key in differing_keys([run for arm in arms for run in arm.runs])
        if (key.startswith("data.") and not key.startswith(NOT_THE_ROWS)) or key == "trainer.limit_test_batches"
    ]
    tested = values_of(reference.runs, keys)
    elsewhere = [arm.name for arm in others if values_of(arm.runs, keys) != tested]
    if elsewhere:
        notes.append(
            f"Tested on other rows than {reference.name}, since {', '.join(keys)} differs: {some(elsewhere, len(others))}. "
            f"Their pairs share only the {noun}."
        )
    return notes


def values_of(runs: Iterable[Run], keys: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(comparable(run.settings.get(key)) for key in keys) for run in runs}


def broken_notes(arms: Sequence[Arm]) -> list[str]:
    """A line for each arm with models that look broken, with the symptoms of the first."""
    notes = []
    for arm in arms:
        found = [(run, clauses) for run in arm.finished if (clauses := run.record.symptoms)]
        if found:
            run, clauses = found[0]
            counts = f"{len(found)} of {counted(len(arm.finished), 'finished run')}"
            notes.append(f"{arm.name}: {counts} look broken, such as {run.replicate_text}: {'; '.join(clauses)}.")
    return notes


def lack_notes(arms: Sequence[Arm]) -> list[str]:
    """The arms with finished runs that had no validation or no test."""
    says = {
        "validation": "no epoch was validated, so that the last weights are the model",
        "test": "nothing was tested",
    }
    notes = []
    for part, clause in says.items():
        counts = {arm.name: sum(part in run.record.lacks for run in arm.finished) for arm in arms}
        names = [f"{name} ({counted(count, 'run')})" for name, count in counts.items() if count]
        notes += [f"In {some(names, len(arms))} {clause}."] if names else []
    return notes


def missing_notes(arms: Sequence[Arm], metrics: Sequence[str]) -> list[str]:
    notes = []
    for metric in metrics:
        for arm in arms:
            missing = len({arm.replicate_of(run) for run in arm.finished}) - len(arm.values(metric))
            if missing:
                notes.append(f"{arm.name}: no {metric} in {counted(missing, 'finished run')}.")
    return notes


def code_notes(runs: Sequence[Run]) -> list[str]:
    """Whether the finished runs were made by different versions of gatelab or torch."""
    counts = Counter(code_of(run) for run in runs)
    if len(counts) < 2:
        return []
    listed = "; ".join(f"{code} ({counted(count, 'run')})" for code, count in counts.items())
    return [f"Not all runs were made by the same code: {listed}."]


def code_of(run: Run) -> str:
    """The hash of the package where recorded, since work trees can differ at one commit; else the commit."""
    code, git, versions = run.record.code, run.record.git or Git(), run.record.versions
    commit = (git.commit or "unknown")[:9] + (" with changes" if git.dirty else "")
    package = f"code {code['gatelab'][:9]}" if code.get("gatelab") else f"commit {commit}"
    return f"{package}, torch {versions.get('torch', 'unknown')}"
