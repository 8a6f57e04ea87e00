"""The part of a micrograph that a generator is compared with: a square of what was imaged."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError


def cut_square(image: NDArray[Any], *, bar_px: int = 0, side_px: int | None = None) -> NDArray[Any]:
    """Cut a square out of the middle of a micrograph, free of the data bar.

    Parameters
    ----------
    image : ndarray, shape (y, x) or (y, x, c)
        The micrograph; may be lazy, of which the square alone is read.
    bar_px : int
        Rows of the data bar at its bottom.
    side_px : int, optional
        Side of the square; None for the largest.

    Returns
    -------
    ndarray, shape (side, side) or (side, side, c)

    Raises
    ------
    InputError
        If the micrograph is no 2D image or smaller than the square.
    """
    if len(image.shape) not in (2, 3):
        raise InputError(f"An array of shape {image.shape} is no micrograph; choose a 2D image")
    height, width = image.shape[0] - bar_px, image.shape[1]
    if height < 1:
        raise InputError(
            f"The micrograph has {image.shape[0]} rows, and the data bar is said to have {bar_px}; lower it"
        )
    largest = min(height, width)
    side = side_px or largest
    if side > largest:
        raise InputError(
            f"The micrograph has {width} x {height} px above the data bar, and {side} x {side} are needed; "
            "take the largest square, or a larger micrograph"
        )
    top, left = (height - side) // 2, (width - side) // 2
    return np.asarray(image[top : top + side, left : left + side])
