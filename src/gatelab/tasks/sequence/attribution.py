"""Integrated gradients: how far each token moved a model's decision. B batch, T time, E embedding.

Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks, equation 1, from embeddings of zeros to those of the text.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NUM_POINTS = (32, 128, 512)  # of Gauss-Legendre quadrature, more while the sum is not complete
TOLERANCE = 0.005  # of completeness: a part of the difference, or of 1 where that is smaller
MAX_STEPS = 8192  # tokens in one batch of points


def integrated_gradients(score: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The attribution of each token, (T,), and the scores (2,) of zeros and of the text. score maps (B, T, E) to (B,); x (T, E).

    Completeness, the axiom that the attributions add up to the difference of the scores, decides how finely is integrated.
    """
    with torch.no_grad():
        scores = score(torch.stack([torch.zeros_like(x), x]))
    difference = float(scores[1] - scores[0])
    for num_points in NUM_POINTS:
        attributions = (x * mean_gradient(score, x, num_points)).sum(-1)
        if abs(float(attributions.sum()) - difference) <= TOLERANCE * max(1.0, abs(difference)):
            break
    return attributions, scores


def mean_gradient(score: Callable[[Tensor], Tensor], x: Tensor, num_points: int) -> Tensor:
    """Of the score, (T, E), over the points of the straight way from zeros to x."""
    nodes, weights = (torch.as_tensor(part / 2, dtype=x.dtype, device=x.device) for part in quadrature(num_points))
    total = torch.zeros_like(x)
    # cuDNN takes no derivative of a recurrent layer in evaluation mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        for part in torch.arange(num_points).split(max(1, MAX_STEPS // len(x))):
            points = (nodes[part, None, None] * x).requires_grad_()  # (B, T, E)
            (gradient,) = torch.autograd.grad(score(points).sum(), points)
            total += (weights[part, None, None] * gradient).sum(0)
    return total


def quadrature(num_points: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Nodes and weights of the interval from 0 to 2."""
    nodes, weights = np.polynomial.legendre.leggauss(num_points)
    return nodes + 1, weights
