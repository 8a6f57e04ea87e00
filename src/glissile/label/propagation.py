"""Labels of one frame -> a proposal for another, moved with the defects."""

import cv2
import numpy as np
from numpy.typing import NDArray

from glissile.contrast import stretched

# Light that changes over distances of this Gaussian sigma, in pixels, is no motion.
_SLOW_PX = 12.0
_LEAST_CONTRAST = 2.0
_GREY, _GREYS_PER_DEVIATION = 128, 40
# Hands place lines to a pixel or two: what moved less is left where it was drawn.
_LEAST_MOVED_PX = 1.5


def carried(
    before: NDArray[np.generic], after: NDArray[np.generic], mask: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Move the labels of one frame to where the defects are in another.

    Each connected piece of a class moves with the dense optical flow (Kroeger et al., 2016) between the two
    frames, or stays where it is if that moves it by less than labels jitter. What is new in the other frame
    is not found.

    Parameters
    ----------
    before, after : ndarray of any number type, shape (y, x)
        Grey values of the labelled frame and of the other one, of one field of view.
    mask : ndarray of uint8, shape (y, x)
        Class values of the labelled frame.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        Class values; where pieces of two classes meet, the smaller one, as in masks of one image per class.
    """
    first, second = _evened(before), _evened(after)
    there, back = _flow(first, second), _flow(second, first)
    y, x = np.indices(mask.shape, dtype=np.float32)
    across, down = x + back[..., 0], y + back[..., 1]
    result = np.zeros_like(mask)
    for value in np.unique(mask[mask > 0])[::-1]:
        count, pieces = cv2.connectedComponents((mask == value).astype(np.uint8), connectivity=8)
        moved = cv2.remap(pieces.astype(np.float32), across, down, cv2.INTER_NEAREST)
        for piece in range(1, count):
            old, new = pieces == piece, moved == piece
            far = np.median(np.hypot(*there[old].T)) >= _LEAST_MOVED_PX
            result[new if far and new.any() else old] = value
    return result


def _evened(frame: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey values in units of the contrast around them, so that lines look alike in bright and dark parts."""
    grey = stretched(frame)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), _SLOW_PX)
    contrast = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), _SLOW_PX)) + _LEAST_CONTRAST
    levels = np.clip(_GREY + _GREYS_PER_DEVIATION * detail / contrast, 0, 255)
    return np.asarray(levels, dtype=np.uint8)


def _flow(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where each pixel of `one` lies in `other`, as (y, x, 2) along x and y in pixels."""
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    method.setFinestScale(0)
    return np.asarray(method.calc(one, other, None), dtype=np.float32)
