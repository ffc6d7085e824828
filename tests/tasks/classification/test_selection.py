import numpy as np

from gatelab.tasks.classification.selection import selected_rows


def test_a_mistake_the_least_certain_row_and_right_ones_of_the_classes_not_yet_seen_are_chosen() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 0])
    probabilities = np.array([
        [0.90, 0.05, 0.05],  # right
        [0.10, 0.80, 0.10],  # wrong
        [0.05, 0.95, 0.00],  # right
        [0.01, 0.01, 0.98],  # wrong, and most confident
        [0.33, 0.33, 0.34],  # right, and least certain
        [0.10, 0.10, 0.80],  # right
        [0.96, 0.02, 0.02],  # right, but too long a text
    ])  # fmt: skip
    lengths = np.array([10, 10, 10, 10, 10, 10, 61])
    assert selected_rows(probabilities, labels, lengths, probabilities.argmax(1)) == [
        ("most confident error", 3), ("least certain", 4), ("most confident correct", 0), ("most confident correct", 2)
    ]  # fmt: skip


def test_a_run_without_mistakes_has_no_row_of_that_role() -> None:
    labels, lengths = np.array([0, 1, 0]), np.array([9, 9, 9])
    roles = [role for role, _ in selected_rows(np.eye(2)[labels] * 0.8 + 0.1, labels, lengths, predicted=labels)]
    assert roles == ["least certain", "most confident correct", "most confident correct"]


def test_where_all_texts_are_too_long_or_short_some_are_chosen_all_the_same() -> None:
    chosen = selected_rows(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1, 1]), np.array([200, 2]), np.array([0, 1]))
    assert [row for _, row in chosen] == [0, 1]
