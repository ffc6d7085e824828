"""Split rows into train, validation and test so that no test text is in the training set.

Rows with equal texts, up to case, URLs, a leading "RT @name:" and punctuation, form a group, which is assigned to one part by a
hash of (seed, group): the same seed gives the same split on every platform, whatever the order of the rows.
"""

import hashlib
import heapq
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator
from typing_extensions import NotRequired, TypedDict

from gatelab.data.columns import quoted
from gatelab.data.labels import MAX_SHOWN
from gatelab.data.progress_bar import tracked
from gatelab.data.texts import in_order
from gatelab.errors import DataError
from gatelab.screen import counted

Indices = NDArray[np.int64]
PARTS = ("train", "validation", "test")
SPELLINGS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("validation", "validate", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}

MAX_LISTED = 5  # classes in an error

_RETWEET = re.compile(r"^\s*rt\s+@\w+:?\s*")
_URL = re.compile(r"(?:https?://|www\.)\S+")
_NOT_WORD = re.compile(r"[\W_]+")
_ASCII_WORD = bytes(code if chr(code).isalnum() else ord(" ") for code in range(128)) + bytes(128)


class SplitSettings(TypedDict):
    """The keys of data.split; those of folds and column are missing in the configs of older runs."""

    by: Literal["group", "random"]
    validation: Annotated[float, Ge(0), Lt(1)]
    test: Annotated[float, Ge(0), Lt(1)]
    seed: int
    folds: NotRequired[Annotated[int, Ge(2), Le(1_000_000)] | None]
    fold: NotRequired[Annotated[int, Ge(0)] | None]
    column: NotRequired[str | None]


def leave_rows_to_train_on(split: SplitSettings) -> SplitSettings:
    folds, fold = split.get("folds"), split.get("fold")
    if folds is None and fold is not None:
        raise ValueError(f"fold={fold} needs folds, such as data.split.folds=10")
    if folds is None and split["validation"] + split["test"] >= 1:
        raise ValueError(f"validation={split['validation']} and test={split['test']} leave no rows to train on")
    if folds is None:
        return split
    if split.get("column") is not None:
        raise ValueError(
            f"folds={folds} and column={split['column']} exclude each other: the column names the test rows"
        )
    if fold is None:
        raise ValueError(
            f"folds={folds} needs the fold to test on: fold=0, or all of them with -m 'data.split.fold=range(0,{folds})'"
        )
    if fold >= folds:
        raise ValueError(f"fold={fold} is none of the {folds} folds, which count from 0 to {folds - 1}")
    return split


CheckedSplit = Annotated[SplitSettings, AfterValidator(leave_rows_to_train_on)]


def split_rows(
    normalised: Indices,
    keys: Sequence[str],
    labels: ArrayLike,
    *,
    validation: float,
    test: float,
    by: str = "group",
    seed: int,
    folds: int | None = None,
    fold: int | None = None,
    classes: Sequence[str] | None = None,
) -> list[Indices]:
    """Ascending rows of train, validation and test, stratified by label, ``by`` "group" (leak-free) or "random" (by row, to
    reproduce published numbers).

    keys are the group keys, normalised (N,) is ``first_equal`` of them, by indices into keys; validation and test are fractions
    of all rows. With folds the test part is that fold, one of as many disjoint parts of about equal size, and validation a
    fraction of the others. classes are the names of the labels, for errors. Raises DataError for a class with too few rows for all parts.
    """
    names: Iterable[str]
    if by == "group":
        first, groups = distinct_rows(normalised)
        names = tracked("splitting", in_order(keys, first), len(first))
        del first  # 8 bytes a row that are not needed once the names are read
    else:
        groups = np.arange(len(normalised), dtype=np.int32)
        names = tracked("splitting", map(str, range(len(normalised))), len(normalised))
    parts = assign(groups, names, labels, validation, test, seed, folds, fold or 0, classes)
    return [np.flatnonzero(parts == part) for part in range(3)]


def parts_by_name(names: NDArray[np.str_], where: str) -> NDArray[np.int8]:
    """The part of each row, an index into PARTS, from what a file calls it (N,). Raises DataError, which begins with where, for
    names that are no part, and without a row to train on."""
    distinct, numbers, counts = np.unique(names, return_inverse=True, return_counts=True)
    parts = [SPELLINGS.get(name.lower()) for name in distinct.tolist()]
    found = ", ".join(
        f"{name or 'nothing'} ({counted(count, 'row')})"
        for name, count in zip(distinct.tolist(), counts.tolist(), strict=True)
    )
    if None in parts:
        known = ", ".join(SPELLINGS)
        raise DataError(
            f"{where} says {found}. The parts are called {known}, in any case: rename or remove the others."
        )
    if "train" not in parts:
        raise DataError(f"{where} says {found}, and so names no row to train on.")
    return np.array([PARTS.index(part) for part in parts if part], dtype=np.int8)[numbers]


def first_equal(values: Sequence[str], hashes: ArrayLike | None = None) -> Indices:
    """The first row with the same value, for each row: found by 8-byte hashes, and where these are equal the values are
    compared."""
    hashes = np.fromiter(map(hash, values), dtype=np.int64, count=len(values)) if hashes is None else np.asarray(hashes)
    order = np.argsort(hashes, kind="stable")  # the rows of one hash side by side, ascending
    result = np.arange(len(order))
    sorted_hashes = hashes[order]
    result[1:][sorted_hashes[1:] == sorted_hashes[:-1]] = 0
    del sorted_hashes
    np.maximum.accumulate(result, out=result)  # where the rows of its hash begin
    result[order] = order[result]
    collided: dict[str, int] = {}
    for row in np.flatnonzero(result != np.arange(len(result))).tolist():
        if values[row] != values[result[row]]:
            result[row] = collided.setdefault(values[row], row)
    return result


def distinct_rows(rows: Indices) -> tuple[Indices, NDArray[np.int32]]:
    """``np.unique(rows, return_inverse=True)`` without sorting."""
    is_there = np.zeros(rows.max(initial=-1) + 1, dtype=bool)
    is_there[rows] = True
    numbers = np.cumsum(is_there, dtype=np.int32)
    numbers -= 1
    return np.flatnonzero(is_there), numbers[rows]


def group_key(text: str) -> str:
    """The key of equal texts: the words in lower case, without URLs or a leading retweet mark; the text itself if none is left."""
    plain = text.isascii()  # most texts are, and a table of bytes is several times faster than the patterns
    lowered = text.lower() if plain else unicodedata.normalize("NFKC", text).casefold()
    bare = _RETWEET.sub("", lowered) if lowered.lstrip().startswith("rt") else lowered
    if "://" in bare or "www." in bare:
        bare = _URL.sub(" ", bare)
    words = bare.encode("ascii").translate(_ASCII_WORD).decode("ascii").split() if plain else ()
    bare = " ".join(words) if plain else _NOT_WORD.sub(" ", bare).strip()
    return bare or lowered.strip()


def assign(
    groups: NDArray[np.integer],
    names: Iterable[str],
    labels: ArrayLike,
    validation: float,
    test: float,
    seed: int,
    folds: int | None = None,
    fold: int = 0,
    classes: Sequence[str] | None = None,
) -> NDArray[np.int8]:
    """The part of each row: 0 train, 1 validation, 2 test. groups (N,) numbers the groups, names are theirs in that order."""
    sizes = np.bincount(groups).astype(np.int32)
    label_array = np.asarray(labels)
    num_classes = int(label_array.max()) + 1
    strata, _ = label_majority(groups, label_array)
    salt = str(seed).encode()
    order_of = np.fromiter(
        (int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=salt).digest(), "big") >> 1
         for name in names),
        dtype=np.int64,
        count=len(sizes),
    )  # fmt: skip
    group_parts = np.zeros(len(sizes), dtype=np.int8)
    group_folds, fold_sizes = np.zeros(len(sizes), dtype=np.int32), np.zeros(folds or 0, dtype=np.int64)
    for stratum in range(num_classes):
        members = np.flatnonzero(strata == stratum)
        members = members[np.argsort(order_of[members], kind="stable")]
        if folds is None:
            group_parts[members] = cut(sizes[members], validation, test)
            continue
        group_folds[members] = dealt = deal(sizes[members], fold_sizes)
        # Validation begins in the next fold, so that each fold has another one.
        members = members[np.argsort((dealt - fold) % folds, kind="stable")]
        tested = group_folds[members] == fold
        group_parts[members[tested]] = 2
        group_parts[members[~tested]] = cut(sizes[members[~tested]], validation, 0)
    parts = group_parts[groups]
    asked = {0, *[1] * (validation > 0), *[2] * (folds is not None or test > 0)}
    lacking = []
    for label in range(num_classes):
        rows = label_array == label
        lacks_fold = folds is not None and len(np.unique(group_folds[groups[rows]])) < folds
        if lacks_fold or not asked <= set(np.unique(parts[rows]).tolist()):
            lacking.append(label)
    if lacking:
        where = f"{len(asked)} parts with fractions validation={validation}, test={test}"
        if folds is not None:
            where = f"{folds} folds" + (f" with validation={validation}" if validation else "")
        rows_of = {label: groups[label_array == label] for label in lacking}
        needed = folds or len(asked - {1})
        raise too_few(rows_of, classes or range(1, num_classes + 1), where, needed if validation else None, folds)
    return parts


def label_majority(
    groups: NDArray[np.integer], labels: NDArray[np.integer]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The most frequent label of each group, of several the smallest, and how many of its rows have it."""
    num_groups = int(groups.max()) + 1
    majority, most = np.zeros(num_groups, dtype=np.int32), np.zeros(num_groups, dtype=np.int32)
    for label in range(int(labels.max()) + 1):  # a matrix of all votes would be the largest array of all
        votes = np.bincount(groups[labels == label], minlength=num_groups)
        majority[votes > most] = label
        np.maximum(most, votes, out=most)
    return majority, most


def deal(sizes: NDArray[np.integer], fold_sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each group of one class, in their hashed order: the one with the fewest rows of the class so far, of several
    the one with the fewest rows at all. fold_sizes, the rows of each fold, is brought up to date."""
    heap = [(0, place, fold) for place, fold in enumerate(np.argsort(fold_sizes, kind="stable").tolist())]
    dealt = np.empty(len(sizes), dtype=np.int64)
    for number, size in enumerate(sizes.tolist()):
        rows, place, fold = heap[0]
        heapq.heapreplace(heap, (rows + size, place, fold))
        dealt[number] = fold
    fold_sizes += np.bincount(dealt, sizes, minlength=len(fold_sizes)).astype(np.int64)
    return dealt


def too_few(
    groups: Mapping[int, NDArray[np.integer]], classes: Sequence[Any], where: str, needed: int | None, folds: int | None
) -> DataError:
    """The error of classes that some part has no row of. groups: those of the rows of each; needed: how many a class needs
    without validation, None where there is none anyway."""
    named = [f"'{name}'" if isinstance(name, str) else f"number {name}" for name in classes]
    different = {label: len(np.unique(rows)) for label, rows in groups.items()}
    listed = [
        f"class {named[label]} has only {counted(len(rows), 'row')} ({different[label]} different)"
        for label, rows in list(groups.items())[:MAX_LISTED]
    ]
    more = f", {len(groups) - MAX_LISTED} more classes" if len(groups) > MAX_LISTED else ""
    others = [quoted(str(name)) for label, name in enumerate(classes) if label not in groups]
    keys = f"'data.labels=[{','.join(others)}]'" if 1 < len(others) <= MAX_SHOWN else "data.labels="
    ways = [f"Drop {'the class' if len(groups) == 1 else 'them'} with {keys}", "add rows"]
    if folds is not None:
        ways.append("lower data.split.folds")
    if needed is not None and min(different.values()) >= needed:
        ways.append("set data.split.validation=0, which trains without validation")
    return DataError(
        f"{', '.join(listed)}{more}, too few for {where}. {', '.join(ways[:-1])}{',' * (len(ways) > 2)} or {ways[-1]}."
    )


def cut(sizes: NDArray[np.integer], validation: float, test: float) -> NDArray[np.int8]:
    """Parts for groups in their hashed order: the first fill test, the next validation, the rest is train.

    Each requested part gets at least one group if there are enough.
    """
    middle = (np.cumsum(sizes) - sizes / 2) / max(1, sizes.sum())
    parts = np.where(middle < test, 2, np.where(middle < test + validation, 1, 0)).astype(np.int8)
    wanted = [part for part, fraction in ((2, test), (1, validation)) if fraction > 0]
    if len(sizes) > len(wanted):
        for position, part in enumerate(wanted):
            if part not in parts:
                parts[position] = part
        if 0 not in parts:
            parts[-1] = 0
    return parts


def leakage(exact: Indices, normalised: Indices, train: Indices, test: Indices) -> dict[str, Any]:
    """How many test texts are in the training set, word for word (exact) and by group key (normalised): both (N,) as
    ``first_equal`` gives them."""
    result: dict[str, Any] = {"test_rows": len(test)}
    for name, first in (("exact", exact), ("normalised", normalised)):
        count = int(np.isin(first[test], first[train]).sum())
        result |= {name: count, f"{name}_share": count / max(1, len(test))}
    return result


def count_duplicates(exact: Indices, normalised: Indices) -> dict[str, int]:
    """How many rows repeat an earlier text, word for word (exact) and by group key (normalised)."""
    return {
        name: int((first != np.arange(len(first))).sum())
        for name, first in (("exact", exact), ("normalised", normalised))
    }
