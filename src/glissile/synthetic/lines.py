"""Lines and bands drawn from their distance, so that they can lie anywhere between two pixels."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Near:
    """Pixels near a line, as seen from the line.

    Attributes
    ----------
    window : tuple of slice
        Rows and columns of the image that the arrays below cover.
    distance : ndarray, shape (y, x)
        Pixels from the line; positive on its left when walking along it with y down.
    along : ndarray, shape (y, x)
        Pixels from the start of the line to the nearest point on it.
    """

    window: tuple[slice, slice]
    distance: Floats
    along: Floats


def near(points: Floats, corner: tuple[float, float], shape: tuple[int, int], reach: float) -> Near | None:
    """Look at the pixels within `reach` of a polyline.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        (y, x) of the corners of the polyline in specimen coordinates, pixels.
    corner : tuple of float
        (y, x) in specimen coordinates of the image's pixel (0, 0).
    shape : tuple of int
        (y, x) of the image.
    reach : float
        Pixels beyond the line that are wanted.

    Returns
    -------
    Near or None
        None where the line lies outside the image.
    """
    line = points - np.asarray(corner)
    low = np.maximum(np.floor(line.min(axis=0) - reach).astype(int), 0)
    high = np.minimum(np.ceil(line.max(axis=0) + reach).astype(int) + 1, shape)
    if np.any(low >= high):
        return None
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    y, x = np.meshgrid(
        np.arange(low[0], high[0], dtype=float), np.arange(low[1], high[1], dtype=float), indexing="ij"
    )
    best = np.full(y.shape, np.inf)
    distance = np.full(y.shape, np.inf)
    along = np.zeros(y.shape)
    start = 0.0
    for (y0, x0), (y1, x1) in pairwise(line):
        ty, tx = y1 - y0, x1 - x0
        length = float(np.hypot(ty, tx))
        if length == 0:
            continue
        ty, tx = ty / length, tx / length
        forward = np.clip((y - y0) * ty + (x - x0) * tx, 0, length)
        dy, dx = y - y0 - forward * ty, x - x0 - forward * tx
        square = dy * dy + dx * dx
        nearer = square < best
        best[nearer] = square[nearer]
        side = np.where(dx * ty - dy * tx < 0, -1.0, 1.0)
        distance[nearer] = (side * np.sqrt(square))[nearer]
        along[nearer] = start + forward[nearer]
        start += length
    return Near(window, distance, along)


def line_profile(distance: Floats, width: float) -> Floats:
    """Two-beam image of a dislocation across its line: a dark core with a weak bright flank on one side.

    Parameters
    ----------
    distance : ndarray
        Signed distance from the line, pixels.
    width : float
        Standard deviation of the dark core, pixels.

    Returns
    -------
    ndarray
        1 in the core, about -0.2 on the bright flank, 0 far away.
    """
    core: Floats = np.exp(-0.5 * (distance / width) ** 2)
    flank = np.exp(-0.5 * ((distance - 2.9 * width) / (1.1 * width)) ** 2)
    return core - 0.22 * flank


def arc_length(points: Floats) -> Floats:
    """Pixels from the start of a polyline (n, 2) to each of its points."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def step(distance: Floats, softness: float = 0.6) -> Floats:
    """Smooth step from 0 (negative distance) to 1 (positive distance), `softness` pixels wide."""
    rise: Floats = 1 / (1 + np.exp(-np.clip(distance / softness, -40, 40)))
    return rise


def smooth_walk(rng: np.random.Generator, length: float, spacing: float = 12.0) -> tuple[Floats, Floats]:
    """Draw a smooth random function of a length: knots and values, for `np.interp`.

    Parameters
    ----------
    rng : Generator
        Where the values come from.
    length : float
        Pixels that are covered.
    spacing : float
        Pixels between two knots.

    Returns
    -------
    tuple of ndarray
        Knots in pixels, and values of unit standard deviation, both of shape (n,).
    """
    count = max(int(length / spacing) + 2, 3)
    return spacing * np.arange(count, dtype=np.float64), rng.normal(size=count)
