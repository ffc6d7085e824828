"""gates.npz: what each unit of a trained model does over the validation texts, one array file a run. H hidden.

part, rows, tokens: of which part of the data, and how many; then by layer, direction and name, such as l0.forget_gate or l1_reverse.cell, an
array (4, H): the mean of the unit's values, their standard deviation, and the shares of them below LEFT and above RIGHT.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.files import replacing
from gatelab.runs.folder import RunFolder
from gatelab.runs.readings import DAMAGES, read_arrays

LEFT, RIGHT = 0.1, 0.9
MEAN, DEVIATION, LEFT_SHARE, RIGHT_SHARE = range(4)
ABOUT = ("part", "rows", "tokens")


def write_activity(folder: RunFolder, activity: dict[str, NDArray[Any]]) -> None:
    with replacing(folder.activity) as stream:
        np.savez_compressed(stream, **activity)  # type: ignore[arg-type]


def read_activity(folder: RunFolder) -> dict[str, NDArray[Any]]:
    """Empty without the file. Raises RunError for one that ``write_activity`` has not written."""
    try:
        arrays = read_arrays(folder.activity)
        for name, values in arrays.items():
            of_units = name not in ABOUT
            if values.ndim != 2 * of_units or (of_units and (len(values) != 4 or values.dtype.kind != "f")):
                raise ValueError(f"{name} has the shape {values.shape}")
        if arrays and not set(ABOUT) <= set(arrays):
            raise ValueError(f"it lacks one of {', '.join(ABOUT)}")
    except FileNotFoundError:
        return {}
    except DAMAGES as error:
        raise RunError(
            f"{folder.activity}: cannot be read ({error}). Remove it to have the page without it; gatelab gates RUN writes it again."
        ) from None
    return arrays
