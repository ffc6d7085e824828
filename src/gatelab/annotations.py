"""What a constructor's annotations say to the config: the range of a number, and which arguments are no keys."""

import math
from typing import Annotated, Any, NamedTuple, TypeVar

from annotated_types import Ge, Gt, Le, Lt

T = TypeVar("T")

Count = Annotated[int, Ge(1), Lt(2**31)]  # as many as an index of int32 counts
Seed = Annotated[int, Ge(-(2**63)), Lt(2**63)]  # what numpy's Philox takes
Layers = Annotated[int, Ge(1), Le(1000)]
Positive = Annotated[float, Gt(0), Lt(math.inf)]
Finite = Annotated[float, Gt(-math.inf), Lt(math.inf)]
NotNegative = Annotated[float, Ge(0), Lt(math.inf)]
Fraction = Annotated[float, Ge(0), Lt(1)]
Probability = Annotated[float, Gt(0), Lt(1)]
Dropout = Fraction  # the probability that a value is dropped

PASSED = "passed by gatelab"
Passed = Annotated[T, PASSED]  # Passed[int]: an int that the task passes, so no key of the config


class ArgumentsOf(NamedTuple):
    """``**more: Annotated[Any, ArgumentsOf(Base)]``: the further arguments are those of Base, to which they go; of several, each."""

    target: Any
    without: tuple[str, ...] = ()
