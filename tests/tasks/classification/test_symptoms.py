import math

import pytest

from gatelab.tasks.classification.symptoms import record_symptoms, symptoms


@pytest.mark.parametrize(
    ("metrics", "predicted", "clauses"),
    [
        ({"validation/loss": 0.9, "train/loss": 0.1}, [5, 3], []),
        ({"validation/loss": 5 * math.log(2)}, [5, 3], []),
        ({"validation/loss": 1.5e30}, [5, 3], ["validation loss 1.5e+30 is far above ln 2 = 0.69, that of a guess"]),
        ({"auroc": math.nan, "train/loss": math.inf}, [5, 3], ["auroc is nan", "train loss is inf"]),
        ({}, [0, 8, 0], ["only one class is predicted"]),
        ({}, [8], []),
    ],
)
def test_what_says_that_a_model_is_broken(
    metrics: dict[str, float], predicted: list[float], clauses: list[str]
) -> None:
    assert symptoms(metrics, predicted) == clauses


def test_a_record_tells_them_by_its_columns_of_predictions_and_one_without_tells_none() -> None:
    metrics = {"confusion_matrix": [[3, 0], [5, 0]], "macro_f1": 0.27}
    assert record_symptoms(metrics, {"loss": 9.0, "epoch": 1}) == [
        "validation loss 9.0000 is far above ln 2 = 0.69, that of a guess",
        "only one class is predicted",
    ]
    assert record_symptoms({"macro_f1": 0.27}, {"loss": 9.0}) == []
