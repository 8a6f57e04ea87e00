"""What many tiles say, some of them wrong -> the displacement that most agree on, and how sure that is."""

import numpy as np
from numpy.typing import NDArray

# Median of a squared deviation in two dimensions, in variances.
MEDIAN_SQUARED = 1.386
_LEAST_TILES = 1.5


def membership(length: int, edge: int) -> NDArray[np.float32]:
    """Which pixels of an axis belong to which tile.

    Parameters
    ----------
    length : int
        Pixels along the axis.
    edge : int
        Pixels per tile.

    Returns
    -------
    ndarray of float32, shape (ceil(length / edge), length)
        1 where the pixel lies in the tile: a product with it sums over tiles.
    """
    return np.equal.outer(np.arange(-(-length // edge)), np.arange(length) // edge).astype(np.float32)


def robust(
    sums: NDArray[np.float64],
    cauchy: float,
    rounds: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Find the displacements that most tiles agree on.

    Parameters
    ----------
    sums : ndarray, shape (t, 5, tiles)
        Sums down and right, and the information yy, yx and xx.
    cauchy : float
        A tile that misses by so many standard errors, squared, has half its say.
    rounds : int
        How often the weights are renewed.

    Returns
    -------
    displacements : ndarray, shape (t, 2)
    sigma : ndarray, shape (t,)
        Standard error per axis: the sandwich of the scatter of the tiles. Infinite where one tile or none
        tells, which scatter around nothing.
    agreeing : ndarray, shape (t,)
        Share of the information in tiles that have more than half their say.
    """
    down, right, yy, yx, xx = sums.transpose(1, 0, 2)
    trace = yy + xx
    telling = trace > 0.02 * trace.mean(axis=1, keepdims=True)
    determinant = yy * xx - yx * yx
    telling &= determinant > 1e-6 * trace * trace
    determinant = np.where(telling, determinant, 1.0)
    weight = telling.astype(np.float64)
    for _ in range(rounds):
        matrix = np.stack([(weight * a).sum(axis=1) for a in (yy, yx, yx, xx)], axis=1).reshape(-1, 2, 2)
        matrix += 1e-12 * np.eye(2)
        vector = np.stack([(weight * a).sum(axis=1) for a in (down, right)], axis=1)
        found = np.linalg.solve(matrix, vector[:, :, None])[:, :, 0]
        y, x = found[:, :1], found[:, 1:]
        off_down, off_right = down - yy * y - yx * x, right - yx * y - xx * x
        squared = (xx * off_down**2 - 2 * yx * off_down * off_right + yy * off_right**2) / determinant
        squared = np.where(telling | ~telling.any(axis=1, keepdims=True), squared, np.nan)
        usual = np.maximum(np.nanmedian(squared, axis=1, keepdims=True) / MEDIAN_SQUARED, 1e-6)
        weight = np.where(telling, 1 / (1 + np.maximum(squared, 0) / (cauchy * usual)), 0)
    bread = np.linalg.inv(
        np.stack([(weight**2 * a).sum(axis=1) for a in (yy, yx, yx, xx)], axis=1).reshape(-1, 2, 2)
        + 1e-12 * np.eye(2)
    )
    off = np.stack([weight * off_down, weight * off_right], axis=1)
    covariance = bread @ (off @ off.transpose(0, 2, 1)) @ bread
    sigma = np.sqrt(np.trace(covariance, axis1=1, axis2=2) / 2)
    # So many tiles have a say; their scatter around what they say themselves is too small.
    say = weight * trace
    tiles = np.square(say.sum(axis=1)) / np.maximum(np.square(say).sum(axis=1), 1e-30)
    sigma = np.where(tiles > _LEAST_TILES, sigma * np.sqrt(tiles / np.maximum(tiles - 1, 1e-3)), np.inf)
    agreeing = (trace * (weight > 0.5)).sum(axis=1) / np.maximum((trace * telling).sum(axis=1), 1e-30)
    return found, sigma, agreeing
