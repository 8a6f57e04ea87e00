"""Uneven illumination taken out of one frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# The illumination varies over parts of the frame as large as this.
_SIGMA_OF_EDGE = 1 / 8
# It is that smooth that a copy with so many pixels along the shorter edge holds it.
_SMALL_EDGE_PX = 64
# Darker than this share of the mean is the outside of the beam, which is not to be lit up.
_LEAST = 0.1


def evened(frame: NDArray[Any], mean: float | None = None) -> NDArray[Any]:
    """Divide a frame by its own illumination, so that it is evenly bright.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey values that are proportional to the intensity; one without light is given back as it is.
    mean : float, optional
        Mean grey value that it gets. Default: the one it has.

    Returns
    -------
    ndarray, shape (y, x)
        Of the dtype of `frame`; integers are rounded and kept within its range, NaN stays NaN.
    """
    import cv2

    values = frame.astype(np.float32)
    lit = np.isfinite(values)
    level = float(values[lit].mean(dtype=np.float64)) if lit.any() else 0.0
    if not level > 0:
        return frame
    height, width = frame.shape
    shrink = max(1.0, min(height, width) / _SMALL_EDGE_PX)
    small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    weights = cv2.resize(lit.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(np.where(lit, values, 0), small, interpolation=cv2.INTER_AREA)
    light = _smooth(sums.astype(np.float64), weights.astype(np.float64), _SIGMA_OF_EDGE * min(sums.shape))
    light = cv2.resize(np.maximum(light, _LEAST * level), (width, height), interpolation=cv2.INTER_LINEAR)
    flat = values * ((level if mean is None else mean) / light)
    if np.issubdtype(frame.dtype, np.integer):
        limits = np.iinfo(frame.dtype)
        flat = np.clip(np.rint(flat), limits.min, limits.max)
    return np.asarray(flat.astype(frame.dtype))


def _smooth(sums: NDArray[np.float64], weights: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Height, at each pixel, of the plane that fits its surroundings.

    Parameters
    ----------
    sums, weights : ndarray, shape (y, x)
        Values times their weights, and the weights: 0 where there is no value.
    sigma : float
        Of the Gaussian that says what the surroundings are, in pixels.
    """
    from scipy.ndimage import gaussian_filter

    def around(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(image, sigma, mode="constant", truncate=4.0))

    y, x = (np.arange(n, dtype=np.float64) for n in sums.shape)
    y, x = y[:, None] * np.ones_like(sums), x * np.ones_like(sums)
    # Moments about each pixel, in units of sigma, from moments about the corner.
    w, wy, wx = around(weights), around(weights * y), around(weights * x)
    wyy, wxx, wyx = around(weights * y * y), around(weights * x * x), around(weights * y * x)
    v, vy, vx = around(sums), around(sums * y), around(sums * x)
    my, mx = (wy - y * w) / sigma, (wx - x * w) / sigma
    myy = (wyy - 2 * y * wy + y * y * w) / sigma**2
    mxx = (wxx - 2 * x * wx + x * x * w) / sigma**2
    myx = (wyx - y * wx - x * wy + y * x * w) / sigma**2
    normal = np.stack([w, my, mx, my, myy, myx, mx, myx, mxx], axis=-1).reshape(*w.shape, 3, 3)
    # Where hardly anything lies around, the plane is taken to be level.
    normal = normal + 1e-3 * np.diag([1e-6, 1.0, 1.0])
    right = np.stack([v, (vy - y * v) / sigma, (vx - x * v) / sigma], axis=-1)
    plane = np.linalg.solve(normal, right[..., None])[..., 0, 0]
    # Beside the edge of the beam no plane fits, and one would lead below zero.
    mean = v / np.maximum(w, 1e-9)
    return np.asarray(np.clip(plane, 0.5 * mean, 2 * mean))
