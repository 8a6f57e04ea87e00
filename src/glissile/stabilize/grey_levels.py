"""Frames as numbers to compute with: finite, float32, and freed of what the lamp does. Needs OpenCV."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# The illumination is looked at on a thumbnail of this many pixels along each edge.
_THUMBNAIL_PX = 16
# A frame whose darkest parts are below this share of its mean is no image of transmitted light.
_DARKEST = 0.02


def finite(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Grey values as float32.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey values of any real dtype. What is not finite becomes the mean of the rest; values whose square
        would overflow are scaled down.

    Returns
    -------
    ndarray of float32, shape (y, x)
    """
    if frame.dtype.kind in "bu" and frame.dtype.itemsize <= 2:
        return frame.astype(np.float32)
    values = frame.astype(np.float64)
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(frame.shape, np.float32)
    largest = float(np.abs(values[known]).max())
    if largest > 1e6:
        values = values * (1e6 / largest)
    if not known.all():
        values = np.where(known, values, values[known].mean())
    return values.astype(np.float32)


class Illumination:
    """How bright the lamp shows a frame: a plane in the logarithm of the grey values.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._size = (min(_THUMBNAIL_PX, shape[1]), min(_THUMBNAIL_PX, shape[0]))
        self._y, self._x = (_centres(n).astype(np.float32) for n in shape)
        down, right = np.meshgrid(_centres(self._size[1]), _centres(self._size[0]), indexing="ij")
        self._design: NDArray[np.float64] = np.stack(
            [np.ones(down.size), down.ravel(), right.ravel()], axis=1
        )
        self._solve: NDArray[np.float64] | None = None
        self._used: NDArray[np.bool_] = np.ones(down.size, bool)

    def leave_out(self, ignored: NDArray[np.bool_] | None) -> None:
        """Look only at what does not lie under `ignored`, shape (y, x)."""
        self._solve = None
        self._used[:] = True
        if ignored is not None:
            small = cv2.resize(ignored.astype(np.float32), self._size, interpolation=cv2.INTER_AREA)
            used = (small < 0.1).ravel()
            if used.sum() >= 12:
                self._used = used

    def of(self, image: NDArray[np.float32]) -> NDArray[np.float64]:
        """Measure the plane of one image.

        Parameters
        ----------
        image : ndarray of float32, shape (y, x)
            A frame, or the same frame made small.

        Returns
        -------
        ndarray, shape (3,)
            Logarithm of the brightness in the middle, and how it changes over the height and the width; zero
            for what is no image of transmitted light.
        """
        small = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA).ravel()[self._used]
        if small.min() <= max(0, _DARKEST * small.mean()):
            return np.zeros(3)
        if self._solve is None:
            self._solve = np.asarray(np.linalg.pinv(self._design[self._used]), np.float64)
        plane: NDArray[np.float64] = self._solve @ np.log(small).astype(np.float64)
        return plane

    def evened(
        self, frame: NDArray[np.float32], plane: NDArray[np.float64], level: float
    ) -> NDArray[np.float32]:
        """Divide a frame by its illumination.

        Parameters
        ----------
        frame : ndarray of float32, shape (y, x)
            The frame; taken over and changed.
        plane : ndarray, shape (3,)
            Its illumination, as `of` tells it.
        level : float
            Logarithm of the brightness that the result has in the middle.
        """
        if plane.any():
            frame *= np.exp(level - plane[0] - plane[1] * self._y, dtype=np.float32)[:, None]
            frame *= np.exp(-plane[2] * self._x, dtype=np.float32)
        return frame


def _centres(count: int) -> NDArray[np.float64]:
    """Where the middles of `count` pixels lie along an edge that goes from -0.5 to 0.5."""
    return (np.arange(count) + 0.5) / count - 0.5
