"""Many displacements, some of them wrong -> the one most agree on, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Corners this close to each other agree.
_AGREEMENT_PX = 1.0
# Corners further off than this have no say.
_FAR_PX = 3.0
_ROUNDS = 12
# Scale of the Cauchy weights: as tight as the spread of the corners allows, because what deforms or bends
# moves a little differently and would pull a wider mean.
_SCALE_PX = (0.1, 0.3)
_SCALE_PER_SPREAD = 2.0
_TILE_PX = 32


@dataclass(frozen=True, eq=False)
class Consensus:
    """What most corners agree on.

    Attributes
    ----------
    shift : ndarray, shape (2,)
        (dy, dx) in pixels.
    sigma_px : float
        Standard error of `shift` per axis, pixels.
    agreeing : int
        Corners within 1 px of `shift`.
    tiles : int
        Tiles of 32 px of the frame in which these lie.
    """

    shift: NDArray[np.float64]
    sigma_px: float
    agreeing: int
    tiles: int


def consensus(start: NDArray[np.float32], moved: NDArray[np.float32]) -> Consensus | None:
    """Find the translation that most corners agree on.

    Starts from the corner with the most others within 1 px, then iteratively reweighted means with Cauchy
    weights. The standard error comes from the sums of weighted residuals in tiles of 32 px, because the
    errors of neighbouring corners are alike (same noise, same deformation).

    Parameters
    ----------
    start : ndarray, shape (n, 2)
        Where the corners lie, (y, x) pixels.
    moved : ndarray, shape (n, 2)
        How far each moved, (dy, dx) pixels.

    Returns
    -------
    Consensus or None
        None for fewer than three corners.
    """
    if len(moved) < 3:
        return None
    displacements = moved.astype(np.float64)
    down, right = displacements.T
    apart = np.square(down[:, None] - down) + np.square(right[:, None] - right)
    near = apart < _AGREEMENT_PX**2
    shift = displacements[near[np.argmax(near.sum(axis=1))]].mean(axis=0)
    weights = np.ones(len(moved))
    for _ in range(_ROUNDS):
        squared = np.square(displacements - shift).sum(axis=1)
        close = squared < _FAR_PX**2
        # The median of a Rayleigh-distributed length is 1.18 times the deviation per axis.
        spread = float(np.sqrt(np.median(squared[close]))) / 1.18
        scale = np.clip(_SCALE_PER_SPREAD * spread, *_SCALE_PX)
        weights = 1 / (1 + squared / scale**2)
        weights[~close] = 0
        step = weights @ displacements / weights.sum() - shift
        shift += step
        if np.abs(step).max() < 1e-4:
            break
    residuals = displacements - shift
    squared = np.square(residuals).sum(axis=1)
    agreeing = squared < _AGREEMENT_PX**2
    tiles = (start // _TILE_PX).astype(np.int64) @ np.array([100_000, 1])
    _, tile = np.unique(tiles, return_inverse=True)
    sums = np.stack([np.bincount(tile, weights * residuals[:, axis]) for axis in (0, 1)])
    # Sandwich estimate of an M-estimator: the derivative of the Cauchy influence, averaged over both axes, is
    # the squared weight. The second is the lesser where neighbours err alike, but not zero for one tile.
    scatter = max(np.square(sums).sum(), np.square(weights) @ squared) / 2
    sigma = float(np.sqrt(scatter) / np.square(weights).sum())
    return Consensus(shift, sigma, int(agreeing.sum()), len(np.unique(tile[agreeing])))
