import random
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatelab.data.split import (
    _NOT_WORD,
    _RETWEET,
    _URL,
    Indices,
    assign,
    count_duplicates,
    distinct_rows,
    first_equal,
    group_key,
    label_majority,
    leakage,
    split_rows,
)
from gatelab.errors import DataError

WORDS = ["red", "green", "blue", "calm", "loud", "sweet", "sour", "near", "far", "old", "new", "big", "small"]


class Split(NamedTuple):
    train: Indices
    validation: Indices
    test: Indices
    leakage: dict[str, Any]
    duplicates: dict[str, int]


def cut(texts: list[str], labels: list[int], **options: Any) -> Split:
    keys = [group_key(text) for text in texts]
    exact, normalised = first_equal(texts), first_equal(keys)
    train, validation, test = split_rows(normalised, keys, labels, **options)
    leak = leakage(exact, normalised, train, test)
    return Split(train, validation, test, leak, count_duplicates(exact, normalised))


def make_texts(num_rows: int, seed: int = 0) -> tuple[list[str], list[int]]:
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=4)) for _ in range(num_rows)]
    texts += [
        f"RT @someone: {text.upper()}!!! https://t.co/{index}" for index, text in enumerate(texts[: num_rows // 3])
    ]
    return texts, [draw.randrange(2) for _ in texts]


def test_no_test_text_stands_in_the_training_set_of_a_group_split() -> None:
    texts, labels = make_texts(900)
    split = cut(texts, labels, validation=0.1, test=0.2, by="group", seed=1)
    parts = [{group_key(texts[row]) for row in rows} for rows in (split.train, split.validation, split.test)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert split.leakage["exact"] == split.leakage["normalised"] == 0


def test_a_random_split_counts_what_it_leaks() -> None:
    texts, labels = make_texts(900)
    split = cut(texts, labels, validation=0.1, test=0.2, by="random", seed=1)
    train = [texts[row] for row in split.train]
    assert split.leakage["exact"] == sum(texts[row] in train for row in split.test) > 0
    keys = {group_key(text) for text in train}
    assert split.leakage["normalised"] == sum(group_key(texts[row]) in keys for row in split.test)
    assert split.leakage["normalised"] > split.leakage["exact"]


def test_every_row_is_in_one_part_and_the_shares_are_kept_for_each_class() -> None:
    texts, labels = make_texts(3000)
    for by in ("group", "random"):
        split = cut(texts, labels, validation=0.1, test=0.2, by=by, seed=5)
        rows = np.concatenate([split.train, split.validation, split.test])
        assert sorted(rows.tolist()) == list(range(len(texts)))
        for label in (0, 1):
            total = labels.count(label)
            assert abs(sum(labels[row] == label for row in split.test) / total - 0.2) < 0.03
            assert abs(sum(labels[row] == label for row in split.validation) / total - 0.1) < 0.03


def test_the_same_seed_gives_the_same_split_on_every_platform() -> None:
    keys = [f"text {number}" for number in range(12)]
    parts = assign(np.arange(12), keys, [0, 1] * 6, validation=0.2, test=0.3, seed=141)
    assert parts.tolist() == assign(np.arange(12), keys, [0, 1] * 6, validation=0.2, test=0.3, seed=141).tolist()
    assert parts.tolist() != assign(np.arange(12), keys, [0, 1] * 6, validation=0.2, test=0.3, seed=142).tolist()


def test_the_order_of_the_rows_does_not_move_a_text_to_another_part() -> None:
    texts, labels = make_texts(300)
    split = cut(texts, labels, validation=0.1, test=0.2, by="group", seed=3)
    order = list(range(len(texts)))
    random.Random(9).shuffle(order)
    moved = cut([texts[i] for i in order], [labels[i] for i in order], validation=0.1, test=0.2, by="group", seed=3)
    assert {group_key(texts[row]) for row in split.test} == {group_key(texts[order[row]]) for row in moved.test}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RT @a_b: Great debate!", "great debate"),
        ("See https://t.co/xyz now", "see NOW ..."),
        ("Straße", "STRASSE"),
        ("ｆｕｌｌ", "full"),
    ],
)
def test_texts_that_differ_in_case_links_retweet_marks_and_punctuation_are_one_group(one: str, other: str) -> None:
    assert group_key(one) == group_key(other)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("aBz9 _-'@:./#\t\nrtRThttps://www."), max_size=60))
def test_the_fast_way_for_ascii_gives_the_key_of_the_patterns(text: str) -> None:
    lowered = text.casefold()
    bare = _NOT_WORD.sub(" ", _URL.sub(" ", _RETWEET.sub("", lowered))).strip()
    assert group_key(text) == (bare or lowered.strip())


def test_texts_of_which_nothing_is_left_are_not_thrown_together() -> None:
    assert len({group_key(text) for text in ("😀", "😡", "https://a.b", "https://c.d", "!!", "??")}) == 6


def test_a_class_with_fewer_rows_than_parts_is_refused_with_what_to_do() -> None:
    texts = [f"text {number}" for number in range(50)]
    with pytest.raises(DataError, match=r"class number 2 has only 2 rows.*data\.labels="):
        cut(texts, [0] * 48 + [1] * 2, validation=0.1, test=0.2, by="group", seed=1)


@pytest.mark.parametrize("same", [False, True])
def test_no_way_out_is_named_that_would_be_refused_too(same: bool) -> None:
    texts = [f"text {number}" for number in range(48)] + ["odd", "ODD" if same else "other"]
    settings: dict[str, Any] = {"labels": [0] * 48 + [1] * 2, "test": 0.2, "by": "group", "seed": 1}
    with pytest.raises(DataError) as caught:
        cut(texts, validation=0.1, **settings)
    assert ("data.split.validation=0" in str(caught.value)) != same
    if same:
        with pytest.raises(DataError, match="has only 2 rows"):
            cut(texts, validation=0, **settings)


def test_a_class_with_as_many_rows_as_parts_has_one_in_each() -> None:
    texts = [f"text {number}" for number in range(53)]
    split = cut(texts, [0] * 50 + [1] * 3, validation=0.1, test=0.2, by="group", seed=1)
    for rows in (split.train, split.validation, split.test):
        assert sum(row >= 50 for row in rows) == 1


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=40, max_size=60),  # enough for every part
    folds=st.integers(2, 4),
    by=st.sampled_from(["group", "random"]),
    seed=st.integers(0, 9),
    order=st.randoms(use_true_random=False),
)
def test_every_row_is_tested_in_one_fold_and_groups_and_shares_stay_whole(
    sizes: list[int], folds: int, by: str, seed: int, order: random.Random
) -> None:
    texts = [f"text {group} {'!' * copy}" for group, size in enumerate(sizes) for copy in range(size)]
    order.shuffle(texts)
    labels = [int(text.split()[1]) % 2 for text in texts]
    splits = [
        cut(texts, labels, validation=0.2, test=0.7, by=by, seed=seed, folds=folds, fold=fold) for fold in range(folds)
    ]
    assert sorted(row for split in splits for row in split.test.tolist()) == list(range(len(texts)))
    for split in splits:
        assert sorted(np.concatenate(split[:3]).tolist()) == list(range(len(texts)))
        keys = [{group_key(texts[row]) for row in rows} for rows in split[:3]]
        assert by == "random" or not (keys[0] & keys[1] or keys[0] & keys[2] or keys[1] & keys[2])
        for label in (0, 1):
            largest = max(sizes) if by == "group" else 1
            tested = sum(labels[row] == label for row in split.test)
            assert abs(tested - labels.count(label) / folds) <= largest
            kept = labels.count(label) - tested
            assert abs(sum(labels[row] == label for row in split.validation) - 0.2 * kept) <= largest


def test_each_fold_has_another_validation_part() -> None:
    texts = [f"text {number}" for number in range(100)]
    labels = [number % 2 for number in range(100)]
    parts = [
        cut(texts, labels, validation=0.1, test=0.2, by="group", seed=1, folds=10, fold=fold) for fold in range(10)
    ]
    rows = [row for split in parts for row in split.validation.tolist()]
    assert len(rows) == len(set(rows)) == 80


@pytest.mark.parametrize("fold", range(5))
def test_a_class_with_fewer_rows_than_folds_is_refused_in_every_fold_with_what_to_do(fold: int) -> None:
    texts = [f"text {number}" for number in range(50)]
    with pytest.raises(DataError, match=r"class number 2 has only 4 rows.*5 folds.*lower data\.split\.folds"):
        cut(texts, [0] * 46 + [1] * 4, validation=0, test=0.2, by="group", seed=1, folds=5, fold=fold)


def test_the_way_out_of_too_few_rows_that_the_message_names_is_one() -> None:
    texts, labels = [f"text {number}" for number in range(50)], [0] * 48 + [1] * 2
    with pytest.raises(DataError, match=r"set data\.split\.validation=0"):
        cut(texts, labels, validation=0.1, test=0.2, by="group", seed=1)
    assert len(cut(texts, labels, validation=0, test=0.2, by="group", seed=1).validation) == 0


def test_duplicates_are_the_rows_that_repeat_an_earlier_text() -> None:
    texts = ["a film", "A film!", "a film", "RT @you: a film http://x.y", "a book", "🎬", "🎬"]
    found = cut(texts * 3, [0, 1, 0, 1, 0, 1, 0] * 3, validation=0.2, test=0.2, by="random", seed=1).duplicates
    assert found == {"exact": 21 - 5, "normalised": 21 - 3}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_equal_texts_are_found_also_where_hashes_collide(texts: list[str]) -> None:
    expected = [texts.index(text) for text in texts]
    assert first_equal(texts).tolist() == expected
    assert first_equal(texts, [0] * len(texts)).tolist() == expected, "every hash collides"
    assert first_equal(texts, [ord(text) // 2 for text in texts]).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=40))
def test_the_majority_of_a_group_is_its_most_frequent_label_and_of_several_the_smallest(pairs: list[Any]) -> None:
    first, groups = distinct_rows(np.array([row for row, _ in pairs]))
    assert first.tolist() == sorted({row for row, _ in pairs})
    assert first[groups].tolist() == [row for row, _ in pairs]
    majority, most = label_majority(groups, np.array([label for _, label in pairs]))
    for row, label, count in zip(first.tolist(), majority.tolist(), most.tolist(), strict=True):
        votes = Counter(voted for other, voted in pairs if other == row)
        assert (label, count) == min(votes.items(), key=lambda vote: (-vote[1], vote[0]))
