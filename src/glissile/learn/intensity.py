"""Grey values of any camera -> the range that a network sees."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.flat_field import evened
from glissile.io.checkpoint import Normalisation

# A hot pixel or a burnt-in clock must not outweigh the specimen.
FURTHEST = 1.0


def normalised(frame: NDArray[Any], normalisation: Normalisation) -> NDArray[np.float32]:
    """Bring the grey values of a frame to the range of the network.

    Parameters
    ----------
    frame : ndarray of any number type, shape (y, x)
        Grey values. Values that are not finite are taken as the lowest.
    normalisation : Normalisation
        What becomes the unit range.

    Returns
    -------
    ndarray of float32, shape (y, x)
        "percentiles": the two percentiles at -0.5 and 0.5, cut one range beyond; zero for a constant frame.
        "flattened": the same, of the frame divided by its own illumination. "full range": 0 to 1.
    """
    if normalisation.kind == "flattened":
        frame = evened(frame.astype(np.float32))
    grey: NDArray[np.float64] = frame.astype(np.float64)
    if frame.dtype.kind == "f":
        finite = np.isfinite(grey)
        if not finite.all():
            grey[~finite] = grey[finite].min() if finite.any() else 0
    if normalisation.kind == "full range":
        low, high = _full_range(frame.dtype, grey)
        return np.asarray((grey - low) / (high - low) if high > low else 0 * grey, dtype=np.float32)
    low, high = (float(v) for v in np.percentile(grey, [normalisation.low, normalisation.high]))
    if not high > low:
        # Nothing or a few bright pixels on black: the extremes are all there is to go by.
        low, high = float(grey.min()), float(grey.max())
    if not high > low:
        return np.zeros(grey.shape, dtype=np.float32)
    scaled = (grey - low) / (high - low) - 0.5
    return np.clip(scaled, -0.5 - FURTHEST, 0.5 + FURTHEST).astype(np.float32)


def _full_range(dtype: np.dtype[Any], grey: NDArray[np.float64]) -> tuple[float, float]:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return float(limits.min), float(limits.max)
    if dtype.kind == "b":
        return 0.0, 1.0
    return float(grey.min()), float(grey.max())
