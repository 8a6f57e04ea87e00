"""The latent space of a generator: vectors of seeds, and ways between vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError

LARGEST_SEED = 2**32 - 1
_MOST_SEEDS = 1_000_000
_PARALLEL = 1e-12  # sine of an angle that double precision cannot tell from 0 or 180 degrees

Array = NDArray[np.float32]
Real = NDArray[np.floating[Any]]


def latents(seeds: Sequence[int], z_dim: int) -> Array:
    """Draw the latent vectors of seeds, the same as every program for StyleGAN2 draws.

    Parameters
    ----------
    seeds : sequence of int
        0 to 2^32 - 1.
    z_dim : int
        Length of a vector.

    Returns
    -------
    ndarray of float32, shape (n, z_dim)

    Raises
    ------
    InputError
        If a seed is out of range.
    """
    found = np.empty((len(seeds), z_dim), np.float32)
    for row, seed in zip(found, seeds, strict=True):
        if not 0 <= seed <= LARGEST_SEED:
            raise InputError(f"Seed {seed} is out of range; choose one from 0 to {LARGEST_SEED}")
        row[:] = np.random.RandomState(seed).randn(1, z_dim)[0]
    return found


def seeds_of(text: str) -> tuple[int, ...]:
    """Read a list of seeds, such as "0,1,5-9".

    Parameters
    ----------
    text : str
        Numbers and ranges of numbers, both ends included, with commas between.

    Returns
    -------
    tuple of int
        In the order of the text; a seed that is named twice is there twice.

    Raises
    ------
    InputError
        If that is no such list, or a seed is out of range.
    """
    return _numbers(text, "seeds", LARGEST_SEED)


def layers_of(text: str, num_ws: int) -> tuple[int, ...]:
    """Read a list of layers, such as "0-3,8".

    Parameters
    ----------
    text : str
        Numbers and ranges of numbers, both ends included, with commas between.
    num_ws : int
        Number of layers.

    Returns
    -------
    tuple of int
        Each once, ascending.

    Raises
    ------
    InputError
        If that is no such list, or there is no such layer.
    """
    return tuple(sorted(set(_numbers(text, "layers", num_ws - 1))))


def truncated(ws: Real, w_mean: Real, psi: float, cutoff: int | None = None) -> Array:
    """Draw vectors w towards their mean: more typical images, less variety.

    Parameters
    ----------
    ws : ndarray of float, shape (..., num_ws, w_dim)
        One w for each layer.
    w_mean : ndarray of float, shape (w_dim,)
        Mean of w.
    psi : float
        1 leaves w as it is, 0 gives the mean.
    cutoff : int, optional
        Layers from here on stay as they are.

    Returns
    -------
    ndarray of float32, shape (..., num_ws, w_dim)
    """
    found = ws.astype(np.float32)
    if psi != 1:
        centre = w_mean.astype(np.float64)
        found[..., :cutoff, :] = centre + psi * (ws[..., :cutoff, :] - centre)
    return found


def mixed(ws_a: Real, ws_b: Real, layers: Sequence[int]) -> Array:
    """Mix the styles of two images.

    Parameters
    ----------
    ws_a, ws_b : ndarray of float, shape (..., num_ws, w_dim)
        One w for each layer.
    layers : sequence of int
        Those taken from `ws_b`: the first rule coarse structure, the last fine texture and grey levels.

    Returns
    -------
    ndarray of float32, shape (..., num_ws, w_dim)
    """
    found = np.array(np.broadcast_to(ws_a, np.broadcast_shapes(ws_a.shape, ws_b.shape)), np.float32)
    found[..., list(layers), :] = ws_b[..., list(layers), :]
    return found


def slerp(a: Real, b: Real, t: float) -> Real:
    """Go from one vector to another at constant angular speed (Shoemake 1985).

    Parameters
    ----------
    a, b : ndarray of float, shape (..., n)
        Vectors along the last axis; each goes its own way.
    t : float
        0 gives `a`, 1 gives `b`, both bit by bit.

    Returns
    -------
    ndarray of float, shape (..., n)
        On the shorter great circle through the directions of `a` and `b`, of a length between theirs.
        Opposite vectors are joined by a great circle that is always the same; a vector of zeros is left on
        a straight line.
    """
    dtype = np.result_type(a, b, np.float32)
    if t in (0, 1):
        return np.array(b if t else a, dtype)
    start, start_length = _unit(a)
    end, end_length = _unit(b)
    angle, across = _turn(start, end)
    length = start_length + t * (end_length - start_length)
    turned = length * (np.cos(t * angle) * start + np.sin(t * angle) * across)
    straight = a + t * (b.astype(np.float64) - a)
    # In one dimension there is no way round.
    blocked = (angle > 1) & ~across.any(axis=-1, keepdims=True)
    round_way = (start_length > 0) & (end_length > 0) & ~blocked
    return np.where(round_way, turned, straight).astype(dtype)


def slerp_about(centre: Real, a: Real, b: Real, t: float) -> Real:
    """Go from one vector to another at constant angular speed, as seen from a third.

    Parameters
    ----------
    centre : ndarray of float, shape (n,)
        The mean of w, for vectors w.
    a, b : ndarray of float, shape (..., n)
        Vectors along the last axis; each goes its own way.
    t : float
        0 gives `a`, 1 gives `b`, both bit by bit.

    Returns
    -------
    ndarray of float, shape (..., n)
    """
    dtype = np.result_type(a, b, np.float32)
    if t in (0, 1):
        return np.array(b if t else a, dtype)
    middle = centre.astype(np.float64)
    return (middle + slerp(a - middle, b - middle, t)).astype(dtype)


def tangent(a: Real, b: Real) -> NDArray[np.float64]:
    """Tell the direction from one point of the unit sphere to another, as long as the way is.

    Parameters
    ----------
    a, b : ndarray of float, shape (..., n)
        Vectors along the last axis, whose lengths do not matter.

    Returns
    -------
    ndarray of float, shape (..., n)
        Normal to `a`; its length is the angle between the two, 0 to pi.
    """
    angle, across = _turn(_unit(a)[0], _unit(b)[0])
    return angle * across


def along(a: Real, way: Real) -> NDArray[np.float64]:
    """Go from a point of the unit sphere along a great circle: what `tangent` takes apart.

    Parameters
    ----------
    a : ndarray of float, shape (..., n)
        Vectors along the last axis, whose lengths do not matter.
    way : ndarray of float, shape (..., n)
        Normal to `a`; its length is the angle to go.

    Returns
    -------
    ndarray of float, shape (..., n)
        Unit vectors.
    """
    direction, angle = _unit(way)
    found: NDArray[np.float64] = np.cos(angle) * _unit(a)[0] + np.sin(angle) * direction
    return found


def _numbers(text: str, what: str, largest: int) -> tuple[int, ...]:
    """Read "0,1,5-9"."""
    found: list[int] = []
    for part in text.split(","):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(end.isascii() and end.isdigit() and len(end) <= 20 for end in ends):
            raise InputError(f"{text[:40]!r} is no list of {what}; write it as 0,1,5-9")
        first, last = int(ends[0]), int(ends[-1])
        if last > largest or first > largest:
            raise InputError(f"There are no {what} {part.strip()[:40]}; they go from 0 to {largest}")
        if last < first:
            raise InputError(f"{part.strip()[:40]} is no range of {what}; write the smaller number first")
        if len(found) + last - first >= _MOST_SEEDS:
            raise InputError(f"{text[:40]!r} names more than {_MOST_SEEDS:,} {what}; choose fewer")
        found.extend(range(first, last + 1))
    return tuple(found)


def _unit(vectors: Real) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split into directions (..., n), zero where there is none, and lengths (..., 1)."""
    exact = np.asarray(vectors, np.float64)
    # Squares of what is very small or large would leave the range of numbers.
    size = np.abs(exact).max(axis=-1, keepdims=True)
    scaled = exact / np.where(size > 0, size, 1)
    norm = np.sqrt((scaled**2).sum(axis=-1, keepdims=True))
    return scaled / np.where(norm > 0, norm, 1), norm * size


def _turn(u: NDArray[np.float64], v: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tell the angle (..., 1) between unit vectors, and the unit vector (..., n) across `u` towards `v`."""
    cosine = (u * v).sum(axis=-1, keepdims=True)
    across, sine = _unit(v - cosine * u)
    angle = np.arctan2(sine, cosine)
    opposite = (sine < _PARALLEL) & (cosine < 0)
    if opposite.any():
        # Any great circle joins opposite points: take the one by the axis that is farthest from both.
        axis = np.zeros_like(u)
        np.put_along_axis(axis, np.abs(u).argmin(axis=-1, keepdims=True), 1, axis=-1)
        helper, length = _unit(axis - (axis * u).sum(axis=-1, keepdims=True) * u)
        across = np.where(opposite, np.where(length > _PARALLEL, helper, 0), across)
    return angle, across
