"""Grey values of any camera -> the range that a network sees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.flat_field import evened
from glissile.io.model_card import Normalisation

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
    if frame.dtype.kind == "u" and frame.dtype.itemsize <= 2:
        # As below, once for each grey value instead of once for each pixel.
        counts = np.bincount(frame.ravel(), minlength=np.iinfo(frame.dtype).max + 1)
        levels = np.arange(len(counts), dtype=np.float64)
        return np.asarray(_scaled(levels, counts, frame.dtype, normalisation)[frame])
    grey: NDArray[np.float64] = frame.astype(np.float64)
    if frame.dtype.kind == "f":
        finite = np.isfinite(grey)
        if not finite.all():
            grey[~finite] = grey[finite].min() if finite.any() else 0
    return _scaled(grey, None, frame.dtype, normalisation)


def _scaled(
    grey: NDArray[np.float64],
    counts: NDArray[np.int64] | None,
    dtype: np.dtype[Any],
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """Scale grey values that come from `dtype` and occur as often as `counts` says; None: once each."""
    present = grey if counts is None else grey[counts > 0]
    if normalisation.kind == "full range":
        low, high = _full_range(dtype, present)
        return np.asarray((grey - low) / (high - low) if high > low else 0 * grey, dtype=np.float32)
    shares = [normalisation.low, normalisation.high]
    low, high = np.percentile(grey, shares) if counts is None else _percentiles(grey, counts, shares)
    if not high > low:
        # Nothing or a few bright pixels on black: the extremes are all there is to go by.
        low, high = present.min(), present.max()
    if not high > low:
        return np.zeros(grey.shape, dtype=np.float32)
    scaled = np.clip((grey - low) / (high - low) - 0.5, -0.5 - FURTHEST, 0.5 + FURTHEST)
    return np.asarray(scaled, dtype=np.float32)


def _percentiles(
    levels: NDArray[np.float64], counts: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.float64]:
    """Percentiles, between neighbours linear, of ascending `levels` that occur as often as `counts` says."""
    ranks = np.cumsum(counts)
    place = np.asarray(shares) / 100 * (ranks[-1] - 1)
    below = np.floor(place)
    lower, upper = (levels[np.searchsorted(ranks, rank, side="right")] for rank in (below, np.ceil(place)))
    return np.asarray(lower + (upper - lower) * (place - below))


def _full_range(dtype: np.dtype[Any], grey: NDArray[np.float64]) -> tuple[float, float]:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return float(limits.min), float(limits.max)
    if dtype.kind == "b":
        return 0.0, 1.0
    return float(grey.min()), float(grey.max())
