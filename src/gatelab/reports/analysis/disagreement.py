"""Where arms disagree: test rows that most seeds of one arm get right and most seeds of another wrong.

A row is a line of a file with this content, so arms meet only where they tested the same rows. A arms, U rows.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.reports.analysis.arms import Arm
from gatelab.runs.load import Run, files_of

MOST_ARMS = 20
MOST_ROWS = 100
MOST_BYTES = 64_000_000  # of examples.json files, read for the texts of the rows
LINE_BITS = 40  # of a row's key; above them stands the number of its file


@dataclass(frozen=True)
class Verdict:
    """What the seeds of an arm say of a row: how many tested it, how many were right, and their most frequent prediction."""

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


@dataclass(frozen=True)
class Tested:
    """The test rows of one run: keys (N,), and the numbers of label and prediction in the names of all runs."""

    keys: NDArray[Any]
    labels: NDArray[Any]
    predictions: NDArray[Any]


class Names:
    """Numbers for names, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}

    def number(self, name: Any) -> int:
        return self.numbers.setdefault(name, len(self.numbers))

    def __getitem__(self, number: int) -> Any:
        return list(self.numbers)[number]


class Files(Names):
    """Numbers for the files of runs: by their place in the data, since a file may have been renamed between two runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, list[str]] = {}

    def of(self, run: Run) -> dict[str, tuple[str, str]]:
        """By the name that the run gives a file: the content of its data, and the file's name in the first run on it."""
        names = file_names(run)
        first = self.first.setdefault(run.content, names)
        return {name: (run.content, known) for name, known in zip(names, first, strict=False)}


def file_names(run: Run) -> list[str]:
    return [Path(file).name for file in files_of(run)]


def disagreement(arms: Sequence[Arm]) -> Disagreement | None:
    """Of the first 20 arms that have predictions; None where there are not two, or none of their rows is the same.

    Raises RunError for predictions.csv that cannot be read.
    """
    files, classes = Files(), Names()
    with_rows = [arm for arm in arms if any(map(has_rows, arm.finished))][:MOST_ARMS]
    if len(with_rows) < 2:
        return None
    tested = [[read_tested(run, files, classes) for run in arm.finished if has_rows(run)] for arm in with_rows]
    keys, places = np.unique(np.concatenate([run.keys for runs in tested for run in runs]), return_inverse=True)
    counts, rights = np.zeros((2, len(tested), len(keys)), dtype=np.int32)
    at = 0
    for number, runs in enumerate(tested):
        for run in runs:
            place = places[at : at + len(run.keys)]
            at += len(run.keys)
            counts[number] += np.bincount(place, minlength=len(keys)).astype(np.int32)
            rights[number] += np.bincount(place[run.labels == run.predictions], minlength=len(keys)).astype(np.int32)
    is_right, is_wrong, was_tested = 2 * rights > counts, 2 * rights < counts, counts > 0  # (A, U)
    shared, won = pairs(was_tested, was_tested), pairs(is_right, is_wrong)
    if shared.sum() == np.trace(shared):
        return None
    disputed = np.flatnonzero(is_right.any(0) & is_wrong.any(0))
    texts = find_texts(with_rows, {int(keys[row]) for row in disputed}, files)
    chosen = most_disputed(
        disputed, counts, rights, np.array([int(keys[row]) in texts for row in disputed], dtype=bool)
    )
    rows = describe_rows(keys[chosen], tested, texts, files, classes)
    return Disagreement(tuple(with_rows), shared, won, len(disputed), tuple(rows))


def has_rows(run: Run) -> bool:
    """Whether its test rows are known, by a line and the name of its file, which must be the name of one file alone."""
    names = file_names(run)
    return len(set(names)) == len(names) and run.folder.predictions.exists()


def pairs(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """(A, A) from two (A, U): in how many rows the first holds of the one arm and the second of the other."""
    return np.rint(first.astype(np.float32) @ second.astype(np.float32).T).astype(int)


def read_tested(run: Run, files: Files, classes: Names) -> Tested:
    import pandas as pd

    try:
        with open(run.folder.predictions, "rb") as stream:
            stream.seek(-1, os.SEEK_END)
            if stream.read() != b"\n":
                raise ValueError("its last line is not whole")
        table = pd.read_csv(
            run.folder.predictions,
            usecols=["file", "line", "label", "prediction"],
            dtype={"file": "category", "line": "int64", "label": "category", "prediction": "category"},
            keep_default_na=False,
            na_filter=False,
        )
    except (ValueError, OSError) as error:  # pandas' own are ValueErrors
        problem = " ".join(str(error).split())
        raise RunError(
            f"{run.folder.predictions}: cannot be read as predictions ({problem}). force=true on the run's command "
            "writes it again."
        ) from None
    known = files.of(run)
    file_numbers = np.array(
        [files.number(known.get(name, (run.content, name))) for name in table["file"].cat.categories], dtype=np.int64
    )
    keys = (file_numbers[table["file"].cat.codes] << LINE_BITS) + table["line"].to_numpy()
    labels, predictions = (
        np.array([classes.number(name) for name in table[column].cat.categories])[table[column].cat.codes]
        for column in ("label", "prediction")
    )
    return Tested(keys, labels, predictions)


def most_disputed(
    disputed: NDArray[Any], counts: NDArray[Any], rights: NDArray[Any], has_text: NDArray[Any]
) -> NDArray[Any]:
    """The first 100 of the disputed rows (D,), indices into the U of counts and rights (A, U).

    First those whose text is known. Of these, those with most votes: the majority by which some arm is right plus that by
    which another is wrong; then those that split the arms most evenly.
    """
    counts, rights = counts[:, disputed], rights[:, disputed]
    majorities = 2 * rights - counts
    votes = majorities.max(0) - majorities.min(0)
    evenness = np.minimum((majorities > 0).sum(0), (majorities < 0).sum(0))
    return disputed[np.lexsort((-evenness, -votes, ~has_text))[:MOST_ROWS]]


def find_texts(arms: Sequence[Arm], wanted: set[int], files: Files) -> dict[int, tuple[str, int]]:
    """By key, the text (its beginning) and its length, as far as examples.json of the runs has it."""
    found: dict[int, tuple[str, int]] = {}
    size = 0
    for run in (run for arm in arms for run in arm.finished if run.folder.examples.exists()):
        size += run.folder.examples.stat().st_size
        if size > MOST_BYTES or len(found) == len(wanted):
            break
        known = files.of(run)
        try:
            listed = json.loads(run.folder.examples.read_text(encoding="utf-8"))
            for row in (row for rows in listed.values() for row in rows):
                key = (files.numbers.get(known.get(row["file"]), -1) << LINE_BITS) + row["line"]
                if key in wanted:
                    found[key] = row["text"], row["characters"]
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise RunError(
                f"{run.folder.examples}: cannot be read as examples ({type(error).__name__}: {error}). Remove it to have "
                "the page without it."
            ) from None
    return found


def describe_rows(
    keys: NDArray[Any],
    tested: Sequence[Sequence[Tested]],
    texts: dict[int, tuple[str, int]],
    files: Names,
    classes: Names,
) -> list[DisputedRow]:
    by_arm = [verdicts_of(keys, runs, classes) for runs in tested]
    labels: dict[int, int] = {}
    for run in (run for runs in tested for run in runs):
        inside = np.isin(run.keys, keys)
        labels |= dict(zip(run.keys[inside].tolist(), run.labels[inside].tolist(), strict=True))
    rows = []
    for number, key in enumerate(keys.tolist()):
        text, characters = texts.get(key, (None, 0))
        _, file = files[key >> LINE_BITS]
        line = key & ((1 << LINE_BITS) - 1)
        verdicts = tuple(verdicts[number] for verdicts in by_arm)
        rows.append(DisputedRow(file, line, classes[labels[key]], text, characters, verdicts))
    return rows


def verdicts_of(keys: NDArray[Any], runs: Sequence[Tested], classes: Names) -> list[Verdict | None]:
    said: dict[int, list[int]] = {key: [] for key in keys.tolist()}
    right = dict.fromkeys(said, 0)
    for run in runs:
        inside = np.flatnonzero(np.isin(run.keys, keys))
        for key, label, prediction in zip(
            run.keys[inside].tolist(), run.labels[inside].tolist(), run.predictions[inside].tolist(), strict=True
        ):
            said[key].append(prediction)
            right[key] += label == prediction
    return [
        Verdict(len(votes), right[key], classes[max(votes, key=votes.count)]) if votes else None
        for key, votes in said.items()
    ]
