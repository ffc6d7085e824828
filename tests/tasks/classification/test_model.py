import pytest

from gatelab.errors import ConfigError
from gatelab.tasks.classification.model import weigh_classes


def test_balanced_weights_give_every_class_the_same_total() -> None:
    weights = weigh_classes("balanced", [30, 10])
    assert weights is not None
    assert weights == pytest.approx([2 / 3, 2.0])
    assert weights[0] * 30 == pytest.approx(weights[1] * 10)


def test_given_weights_are_one_a_class() -> None:
    assert weigh_classes(None, [1, 2]) is None
    assert weigh_classes([1, 2.5], [1, 2]) == [1.0, 2.5]
    with pytest.raises(ConfigError, match=r"model\.class_weights: has 3 weights for 2 classes"):
        weigh_classes([1, 2, 3], [1, 2])
