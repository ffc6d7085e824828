"""A map of units as a small PNG inside a page: a pixel for each unit and token."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gatelab.reports.charts.colours import NUM_COLOURS, fractions, palette

NOTHING = NUM_COLOURS  # the transparent colour, of what is not a number


def data_uri(values: NDArray[np.floating], colours: tuple[str, ...], low: float, high: float) -> str:
    """values (T, U): a column for each token, the first unit on top."""
    shares = fractions(values.T, low, high)
    pixels = np.where(np.isfinite(shares), np.nan_to_num(shares) * (NUM_COLOURS - 1) + 0.5, NOTHING).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.putpalette(palette(colours).tobytes() + bytes(3))
    content = io.BytesIO()
    image.save(content, "PNG", transparency=NOTHING, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
