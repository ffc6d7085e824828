"""Split rows into train, validation and test so that no test text is in the training set.

Rows with equal texts, up to case, URLs, a leading "RT @name:" and punctuation, form a group, which is assigned to one part by a
hash of (seed, group): the same seed gives the same split on every platform, whatever the order of the rows.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator
from typing_extensions import TypedDict

from gatelab.errors import DataError
from gatelab.screen import counted

Indices = NDArray[np.int64]

_RETWEET = re.compile(r"^\s*rt\s+@\w+:?\s*")
_URL = re.compile(r"(?:https?://|www\.)\S+")
_NOT_WORD = re.compile(r"[\W_]+")
_ASCII_NOT_WORD = {code: " " for code in range(128) if not chr(code).isalnum()}


class SplitSettings(TypedDict):
    """The keys of data.split: the arguments of ``split_rows``."""

    by: Literal["group", "random"]
    validation: Annotated[float, Gt(0), Lt(1)]
    test: Annotated[float, Gt(0), Lt(1)]
    seed: int


def leave_rows_to_train_on(split: SplitSettings) -> SplitSettings:
    if split["validation"] + split["test"] >= 1:
        raise ValueError(f"validation={split['validation']} and test={split['test']} leave no rows to train on")
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
) -> list[Indices]:
    """Ascending rows of train, validation and test, stratified by label, ``by`` "group" (leak-free) or "random" (by row, to
    reproduce published numbers).

    keys (N,) are the group keys, normalised (N,) is ``first_equal`` of them; validation and test are fractions of all rows.
    Raises DataError for a class with too few rows for all parts.
    """
    names: Iterable[str]
    if by == "group":
        first, groups = np.unique(normalised, return_inverse=True)
        names = (keys[row] for row in first)
    else:
        groups = np.arange(len(normalised))
        names = map(str, groups.tolist())
    parts = assign(groups, names, labels, validation, test, seed)
    return [np.flatnonzero(parts == part) for part in range(3)]


def first_equal(values: Sequence[str], hashes: ArrayLike | None = None) -> Indices:
    """The first row with the same value, for each row: found by 8-byte hashes, and where these are equal the values are
    compared."""
    hashes = np.fromiter(map(hash, values), dtype=np.int64, count=len(values)) if hashes is None else np.asarray(hashes)
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    result = first[inverse].astype(np.int64)
    collided: dict[str, int] = {}
    for row in np.flatnonzero(result != np.arange(len(result))).tolist():
        if values[row] != values[result[row]]:
            result[row] = collided.setdefault(values[row], row)
    return result


def group_key(text: str) -> str:
    """The key of equal texts: the words in lower case, without URLs or a leading retweet mark; the text itself if none is left."""
    plain = text.isascii()  # most texts are, and a table is several times faster than the patterns
    lowered = text.lower() if plain else unicodedata.normalize("NFKC", text).casefold()
    bare = _RETWEET.sub("", lowered)
    if "://" in bare or "www." in bare:
        bare = _URL.sub(" ", bare)
    bare = " ".join(bare.translate(_ASCII_NOT_WORD).split()) if plain else _NOT_WORD.sub(" ", bare).strip()
    return bare or lowered.strip()


def assign(
    groups: NDArray[np.integer], names: Iterable[str], labels: ArrayLike, validation: float, test: float, seed: int
) -> NDArray[np.int8]:
    """The part of each row: 0 train, 1 validation, 2 test. groups (N,) numbers the groups, names are theirs in that order."""
    sizes = np.bincount(groups)
    label_array = np.asarray(labels, dtype=np.int64)
    num_classes = int(label_array.max()) + 1
    votes = np.bincount(groups * num_classes + label_array, minlength=len(sizes) * num_classes)
    strata = votes.reshape(-1, num_classes).argmax(
        axis=1
    )  # a group with several labels belongs to the most frequent one
    salt = str(seed).encode()
    order_of = np.fromiter(
        (int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=salt).digest(), "big") >> 1
         for name in names),
        dtype=np.int64,
        count=len(sizes),
    )  # fmt: skip
    group_parts = np.zeros(len(sizes), dtype=np.int8)
    for stratum in range(num_classes):
        members = np.flatnonzero(strata == stratum)
        members = members[np.argsort(order_of[members], kind="stable")]
        group_parts[members] = cut(sizes[members], validation, test)
    parts = group_parts[groups]
    wanted = [0] + [1] * (validation > 0) + [2] * (test > 0)
    for label in range(num_classes):
        rows = label_array == label
        if not set(wanted) <= set(np.unique(parts[rows]).tolist()):
            raise DataError(
                f"class number {label + 1} has only {counted(int(rows.sum()), 'row')} ({len(np.unique(groups[rows]))} different), "
                f"too few for {len(wanted)} parts with fractions validation={validation}, test={test}. Drop the class with "
                "data.labels=, add rows, or set data.split.validation=0."
            )
    return parts


def cut(sizes: NDArray[np.int64], validation: float, test: float) -> NDArray[np.int8]:
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


def conflicts(values: Sequence[int], labels: Sequence[int]) -> dict[int, Counter[int]]:
    """The texts with several labels, by their first row, with the count of each; values (N,) as ``first_equal`` gives them."""
    seen: dict[int, Counter[int]] = {}
    for value, label in zip(values, labels, strict=True):
        seen.setdefault(value, Counter())[label] += 1
    return {value: counts for value, counts in seen.items() if len(counts) > 1}
