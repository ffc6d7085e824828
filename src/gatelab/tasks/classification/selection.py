"""Which test rows a page shows the gates of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.tasks.sequence.chosen_rows import Chosen, Selection


def selected_rows(
    probabilities: NDArray[Any], labels: NDArray[Any], lengths: NDArray[Any], predicted: NDArray[Any]
) -> Chosen:
    """The most confident error, the least certain row, and the most confident correct rows of the largest classes, one each,
    those first that neither of the two is of. probabilities (N, K), labels, lengths and predicted classes (N,)."""
    confidence, right = np.take_along_axis(probabilities, predicted[:, None], 1)[:, 0], predicted == labels
    selection = Selection(lengths)
    selection.choose("most confident error", ~right, -confidence)
    selection.choose("least certain", selection.free, confidence)
    shown = {labels[row] for _, row in selection.chosen}
    sizes = np.bincount(labels, minlength=probabilities.shape[1])
    for label in sorted(range(len(sizes)), key=lambda label: (label in shown, -sizes[label])):
        selection.choose("most confident correct", right & (labels == label), -confidence)
    return selection.chosen
