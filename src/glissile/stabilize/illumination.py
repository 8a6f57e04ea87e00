"""Uneven illumination and changing gain taken out of a video, for the eye; nothing is written."""

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from glissile.video import Video

# The illumination varies over parts of the frame as large as this.
_SIGMA_OF_EDGE = 1 / 8
# It is that smooth that a copy with so many pixels along the shorter edge holds it.
_SMALL_EDGE_PX = 64
# Darker than this share of the mean is the outside of the beam, which is not to be lit up.
_LEAST = 0.1
_MEAN_OF_FRAMES = 12


def mean_grey(video: Video) -> float:
    """Mean grey value of a dozen frames that are spread over `video`; 0 where there is no number."""
    indices = np.unique(np.linspace(0, len(video) - 1, _MEAN_OF_FRAMES).round().astype(int))
    sums, count = 0.0, 0
    for index in indices:
        values = video.frame(int(index))
        finite = values[np.isfinite(values)]
        sums, count = sums + float(finite.sum(dtype=np.float64)), count + finite.size
    return sums / count if count else 0.0


def flattened(video: Video, mean: float | None = None) -> Video:
    """Divide every frame by its own illumination, so that it is evenly bright and no frame brighter.

    The illumination is a plane that is fitted around every point with Gaussian weights, their sigma an eighth
    of the frame's shorter edge; unlike a Gaussian blur it is right up to the edges. What is about as large as
    that, such as a bend contour, fades: look at it, but measure nothing on it.

    Parameters
    ----------
    video : Video
        Grey values that are proportional to the intensity.
    mean : float, optional
        Mean grey value that all frames get. Default: that of the video, for which some frames are read now.

    Returns
    -------
    Video
        Lazy, of the same dtype; integers are rounded and kept within its range, NaN stays NaN.
    """
    wanted = mean_grey(video) if mean is None else mean
    one_per_chunk = video.frames.rechunk((1, -1, -1))
    frames = da.map_blocks(
        _flat_block,
        one_per_chunk,
        mean=wanted,
        dtype=video.frames.dtype,
        meta=np.empty((0, 0, 0), video.frames.dtype),
    )
    note = f"illumination flattened to a mean grey value of {wanted:.4g}"
    return replace(video, frames=frames, provenance=(*video.provenance, note))


def _flat_block(block: NDArray[Any], *, mean: float) -> NDArray[Any]:
    return _flat(block[0], mean)[None]


def _flat(frame: NDArray[Any], mean: float) -> NDArray[Any]:
    """Flatten one frame (y, x); one without light stays as it is."""
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
    flat = values * (mean / light)
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
