"""Where arms disagree: test rows that most seeds of one arm get right and most seeds of another wrong.

A row is a line of a file with this content, so arms share rows only on the same data. A arms, U rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.bounded import open_table
from gatelab.errors import RunError
from gatelab.reports.analysis.arms import Arm
from gatelab.runs.examples import read_examples
from gatelab.runs.load import Run, files_of
from gatelab.runs.predictions import kind_in, kind_of

MAX_ARMS = 20
MAX_ROWS = 100
MAX_BYTES = 64_000_000  # of examples.json files, read for the texts of the rows
LABELS = {"class": ("label", "prediction"), "labels": ("labels", "predictions")}  # columns by what was predicted
KEY = ["content", "file", "line"]
Key = tuple[Any, ...]  # of a row: the content of its data, its file as the first run on it names it, and its line


@dataclass(frozen=True)
class Verdict:
    """How many seeds of an arm tested a row, how many of them were right, and their most frequent prediction."""

    tested: int
    right: int
    prediction: str


@dataclass(frozen=True)
class DisputedRow:
    file: str
    line: int
    label: str
    text: str | None  # where some run kept it among its examples
    characters: int
    verdicts: tuple[Verdict | None, ...]  # one an arm, None where it did not test the row


@dataclass(frozen=True)
class Disagreement:
    """shared (A, A): rows that both tested; won (A, A): of these, rows that the first gets right and the second wrong."""

    arms: tuple[Arm, ...]
    shared: NDArray[Any]
    won: NDArray[Any]
    num_rows: int  # with an arm that is right and one that is wrong
    rows: tuple[DisputedRow, ...]  # the most disputed


def disagreement(arms: Sequence[Arm]) -> Disagreement | None:
    """Of the first 20 arms that have predictions; None where there are not two, or none of their rows is the same.
    Raises RunError for predictions.csv that cannot be read."""
    import pandas as pd

    compared = [arm for arm in arms if any(map(has_rows, arm.finished))][:MAX_ARMS]
    if len(compared) < 2:
        return None
    runs = [(number, run) for number, arm in enumerate(compared) for run in arm.finished if has_rows(run)]
    names = first_names([run for _, run in runs])
    table = pd.concat([read_tested(run, names[id(run)]).assign(arm=number) for number, run in runs], ignore_index=True)
    table["right"] = table["label"] == table["prediction"]
    table["row"] = table.groupby(KEY, sort=False).ngroup()  # 0, 1, … as they first appear
    counts, rights = np.zeros((2, len(compared), table["row"].max() + 1), dtype=int)
    np.add.at(counts, (table["arm"], table["row"]), 1)
    np.add.at(rights, (table["arm"], table["row"]), table["right"])
    is_right, is_wrong, was_tested = 2 * rights > counts, 2 * rights < counts, counts > 0  # (A, U)
    shared, won = pairs(was_tested, was_tested), pairs(is_right, is_wrong)
    if shared.sum() == np.trace(shared):
        return None
    disputed = np.flatnonzero(is_right.any(0) & is_wrong.any(0))
    first = table.drop_duplicates("row")[KEY].iloc[disputed]
    keys = dict(zip(disputed.tolist(), first.itertuples(index=False, name=None), strict=True))
    texts = find_texts([run for _, run in runs], set(keys.values()), names)
    has_text = np.array([key in texts for key in keys.values()], dtype=bool)
    chosen = disputed[most_disputed(counts[:, disputed], rights[:, disputed], has_text)].tolist()
    by_row = dict(iter(table[table["row"].isin(chosen)].groupby("row")))
    rows = [describe_row(keys[row], by_row[row], texts, len(compared)) for row in chosen]
    return Disagreement(tuple(compared), shared, won, len(disputed), tuple(rows))


def has_rows(run: Run) -> bool:
    """Whether its test rows are known, by a line and the name of its file, which no two of its files may share, and each is right or
    wrong, as numbers are not."""
    names, file = file_names(run), run.folder.predictions
    return len(set(names)) == len(names) and file.exists() and kind_of(file) in LABELS


def file_names(run: Run) -> list[str]:
    return [Path(file).name for file in files_of(run)]


def first_names(runs: Sequence[Run]) -> dict[int, dict[str, str]]:
    """By the id of a run, what the first run on the same data calls each of its files: one may have been renamed since."""
    first: dict[str, list[str]] = {}
    return {
        id(run): dict(zip(file_names(run), first.setdefault(run.content, file_names(run)), strict=False))
        for run in runs
    }


def pairs(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """(A, A) from two (A, U): in how many rows the first holds of the one arm and the second of the other."""
    return np.rint(first.astype(np.float32) @ second.astype(np.float32).T).astype(int)


def read_tested(run: Run, names: Mapping[str, str]) -> Any:
    """A data frame with content, file, line, label and prediction of each test row."""
    import pandas as pd

    try:
        with open_table(run.folder.predictions) as lines:
            label, prediction = LABELS[kind_in(lines)]
            columns: dict[Any, Any] = {"file": "str", "line": "int64", label: "str", prediction: "str"}
            table = pd.read_csv(lines, usecols=[*columns], dtype=columns, keep_default_na=False, na_filter=False)
    except (ValueError, OSError) as error:  # pandas' own are ValueErrors
        problem = " ".join(str(error).split())
        raise RunError(
            f"{run.folder.predictions}: cannot be read as predictions ({problem}). force=true on the run's command "
            "writes it again."
        ) from None
    table = table.rename(columns={label: "label", prediction: "prediction"})
    return table.assign(content=run.content, file=[names.get(name, name) for name in table["file"]])


def most_disputed(counts: NDArray[Any], rights: NDArray[Any], has_text: NDArray[Any]) -> NDArray[Any]:
    """The first 100 of the disputed rows (D,), indices into counts and rights (A, D).

    First those whose text is known. Of these, those with most votes: the majority by which some arm is right plus that by
    which another is wrong; then those that split the arms most evenly.
    """
    majorities = 2 * rights - counts
    votes = majorities.max(0) - majorities.min(0)
    evenness = np.minimum((majorities > 0).sum(0), (majorities < 0).sum(0))
    return np.lexsort((-evenness, -votes, ~has_text))[:MAX_ROWS]


def find_texts(
    runs: Sequence[Run], wanted: set[Key], names: Mapping[int, Mapping[str, str]]
) -> dict[Key, tuple[str, int]]:
    """The text (its beginning) of each wanted row and its length, as far as examples.json of the runs has it."""
    found: dict[Key, tuple[str, int]] = {}
    size = 0
    for run in (run for run in runs if run.folder.examples.exists()):
        size += run.folder.examples.stat().st_size
        if size > MAX_BYTES or len(found) == len(wanted):
            break
        for row in (row for rows in read_examples(run.folder.examples).values() for row in rows):
            key = run.content, names[id(run)].get(row["file"], row["file"]), row["line"]
            if key in wanted:
                found[key] = row["text"], row["characters"]
    return found


def describe_row(key: Key, tested: Any, texts: Mapping[Key, tuple[str, int]], num_arms: int) -> DisputedRow:
    """tested: what all runs say of the row, a data frame."""
    votes: list[list[tuple[str, bool]]] = [[] for _ in range(num_arms)]
    for arm, prediction, right in zip(tested["arm"], tested["prediction"], tested["right"], strict=True):
        votes[arm].append((prediction, right))
    verdicts = tuple(verdict_of(said) if said else None for said in votes)
    text, characters = texts.get(key, (None, 0))
    return DisputedRow(key[1], key[2], tested["label"].iloc[-1], text, characters, verdicts)


def verdict_of(votes: Sequence[tuple[str, bool]]) -> Verdict:
    ((prediction, _),) = Counter(prediction for prediction, _ in votes).most_common(1)
    return Verdict(len(votes), sum(right for _, right in votes), prediction)
