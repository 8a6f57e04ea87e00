"""The frames of a short block, registered all together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glissile.stabilize.small_frames import SmallFrames

_ROUNDS = 5
_STEP_PX = 1.5
_ENOUGH_PX = 0.02
# A wave whose residual is this many times the usual one has half its say (Cauchy weights).
_CAUCHY = 6.0
# Neighbouring frequencies of a tapered frame are not independent.
_DEPENDENCE = 2.0


@dataclass(frozen=True, eq=False)
class Aligned:
    """A block of frames that lie on each other.

    Attributes
    ----------
    positions_px : ndarray, shape (t, 2)
        (dy, dx) of the specimen in each frame, since the first of them.
    mean : ndarray of complex64, shape (n,)
        Mean spectrum of the frames, moved to the first.
    sigma_px : ndarray, shape (t,)
        Standard error of `positions_px` per axis, from how the frequencies scatter; 0 for a single frame.
    """

    positions_px: NDArray[np.float64]
    mean: NDArray[np.complex64]
    sigma_px: NDArray[np.float64]


def aligned(spectra: NDArray[np.complex64], positions_px: NDArray[np.float64], small: SmallFrames) -> Aligned:
    """Register frames with the mean of all others, jointly.

    Gauss-Newton on the phase slopes of all frames against the mean spectrum of the others. A frequency has
    the more say the less of its power is left over when the frames lie on each other: waves that do not move
    with the specimen, as the fringes of a bend contour, average out of the mean and stand in what is left
    over, and so lose their say.

    Parameters
    ----------
    spectra : ndarray of complex64, shape (t, n)
        Of the frames, at the frequencies of `small`.
    positions_px : ndarray, shape (t, 2)
        (dy, dx) to start from, good to some pixels.
    small : SmallFrames
        What the spectra were made with.

    Returns
    -------
    Aligned
    """
    positions = positions_px.astype(np.float64)
    moved = spectra * small.moved(positions)
    count = len(spectra)
    f = small.f
    sigma = np.zeros(count)
    squares = np.stack([f[0] * f[0], f[0] * f[1], f[1] * f[1]])
    for _ in range(_ROUNDS if count > 1 else 0):
        total = moved.sum(axis=0)
        left = moved - total / count
        power = (np.square(left.real) + np.square(left.imag)).sum(axis=0) / (count - 1)
        if count < 4:
            power = small.ring_means(power)
        power += 0.05 * power.mean() + 1e-12
        others = (total - moved) / (count - 1)
        apart = moved - others
        weight = 1 / (power * (1 + (np.square(apart.real) + np.square(apart.imag)) / (_CAUCHY * power)))
        twist = (others.real * moved.imag - others.imag * moved.real) * weight
        strength = (np.square(others.real) + np.square(others.imag)) * weight
        matrix = strength @ squares.T
        step = _solved(matrix, -(twist @ f.T))
        # All frames move at once, each towards the mean of the others: a full step would overshoot.
        step = np.clip(step * (count - 1) / count, -_STEP_PX, _STEP_PX)
        positions += step
        moved *= small.moved(step)
        if np.abs(step).max() < _ENOUGH_PX:
            break
    if count > 1:
        sigma = _scatter(matrix, np.square(twist) @ squares.T)
    mean: NDArray[np.complex64] = moved.mean(axis=0) * small.moved(-positions[:1])[0]
    return Aligned(positions - positions[0], mean, sigma)


def _scatter(matrix: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tell standard errors (t,) per axis, by the sandwich of `matrix` and sums of squares, (t, 3) each."""
    columns = [_solved(matrix, squares[:, [a, a + 1]]) for a in (0, 1)]
    # Rows of the inverse times the squares; once more the inverse, and its diagonal.
    down = _solved(matrix, np.stack([columns[0][:, 0], columns[1][:, 0]], axis=1))[:, 0]
    right = _solved(matrix, np.stack([columns[0][:, 1], columns[1][:, 1]], axis=1))[:, 1]
    return np.asarray(np.sqrt(_DEPENDENCE * np.maximum(down + right, 0) / 2))


def _solved(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve symmetric 2 x 2 systems; `matrix` (t, 3) as (yy, yx, xx), `right` (t, 2)."""
    yy, yx, xx = (matrix + np.array([1e-9, 0, 1e-9]) * (matrix[:, :1] + matrix[:, 2:] + 1e-30)).T
    determinant = np.maximum(yy * xx - yx * yx, 1e-12 * (yy + xx) ** 2 + 1e-30)
    y, x = right.T
    return np.stack([(xx * y - yx * x) / determinant, (yy * x - yx * y) / determinant], axis=1)
