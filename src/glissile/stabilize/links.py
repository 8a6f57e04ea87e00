"""How two blocks lie to each other, and all blocks together: a graph of links, solved robustly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
from numpy.typing import NDArray

from glissile.stabilize.small_frames import SmallFrames, taper
from glissile.stabilize.tiles import MEDIAN_SQUARED, Tiling, agreed, turn_and_growth

_ROUNDS = 4
_STEP_PX = 2.0
_ENOUGH_SMALL_PX = 0.005
_CAUCHY = 3.0
_EDGE_SHARE = 0.15
# Two blocks must share this much of the frame for a link.
_LEAST_OVERLAP = 0.12
_LEAST_EDGE_PX = 12
# Neighbouring frequencies of a tapered image are not independent.
_DEPENDENCE = 2.0
_FLOOR_PX = 0.01
# Tiles of the small images.
_TILE_PX = 8
_TILE_CAUCHY = 4.0
_TILE_ROUNDS = 3
# A standard error of an angle in radians or a growth above this tells nothing.
_NO_DISTORTION = 1.0
# A link that misses by this many standard errors has half its say (Cauchy weights, squared).
_LINK_CAUCHY = 4.0
_LINK_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Link:
    """Displacement between two blocks.

    Attributes
    ----------
    first, second : int
        The blocks.
    displacement_px : ndarray, shape (2,)
        (dy, dx) from the first to the second.
    sigma_px : float
        Standard error per axis.
    height : float
        Of the phase correlation on what they share, in its standard deviations.
    turn_and_growth : ndarray, shape (2,)
        Angle in radians, clockwise as the frame is shown, and relative growth.
    distortion_sigma : float
        Standard error of both.
    """

    first: int
    second: int
    displacement_px: NDArray[np.float64]
    sigma_px: float
    height: float
    turn_and_growth: NDArray[np.float64]
    distortion_sigma: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two blocks registered on what both show, before a second opinion.

    Attributes
    ----------
    first, second, displacement_px, sigma_px, height
        As of a `Link`.
    sums : ndarray, shape (5, tiles)
        What the tiles say of how far the blocks still lie apart, in small pixels: as for `agreed`.
    """

    first: int
    second: int
    displacement_px: NDArray[np.float64]
    sigma_px: float
    height: float
    sums: NDArray[np.float64]


def compared(
    numbers: tuple[int, int],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    guess_px: NDArray[np.float64],
    small: SmallFrames,
) -> Comparison | None:
    """Register two small images on the area that both show.

    Parameters
    ----------
    numbers : tuple of int
        Of the blocks.
    first, second : ndarray of float32, shape (y, x)
        Flat small images.
    guess_px : ndarray, shape (2,)
        (dy, dx) expected between them, pixels of the frame; it chooses the area.
    small : SmallFrames
        What they were made with.

    Returns
    -------
    Comparison, optional
        None where they share too little. The height of its phase correlation is 4 to 5 for unrelated images.
    """
    steps = np.rint(guess_px / small.factor).astype(int)
    (height, width), (dy, dx) = small.shape, steps
    one = first[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
    other = second[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)]
    if min(one.shape, default=0) < _LEAST_EDGE_PX or one.size < _LEAST_OVERLAP * height * width:
        return None
    here, there = small.spectra([one, other], _window(one.shape))
    powers = [float((np.square(s.real) + np.square(s.imag)).sum()) for s in (here, there)]
    if min(powers) <= 0:
        return None
    found, peak = small.likeliest(np.conj(here) * there)
    found, _ = _fitted(here, there, found, small, 1)
    # A window that stays where the specimen does not would hold it back by some per cent.
    (there,) = small.spectra([other], _window(one.shape, np.clip(found / small.factor, -4, 4)))
    found, covariance = _fitted(here, there, found, small, _ROUNDS)
    sigma = float(np.sqrt(np.trace(covariance) / 2))
    back = there * small.moved(found[None])[0]
    middle = 0.5 * small.factor * (here + back)
    # What moves down shows what was above: the derivative is the gradient with its sign turned.
    spectra = (back - here, -1j * small.f[0] * middle, -1j * small.f[1] * middle)
    apart, down, right = (_only(small.image(s), one.shape) for s in spectra)
    pairs = ((apart, down), (apart, right), (down, down), (down, right), (right, right))
    tiling = Tiling.of(small.shape, _TILE_PX)
    sums = np.stack([tiling.sums(*pair) for pair in pairs])
    return Comparison(*numbers, found + steps * small.factor, sigma, peak, sums)


def linked(comparisons: Sequence[Comparison], small: SmallFrames) -> list[Link]:
    """Ask tile by tile how far compared blocks lie apart: a second opinion.

    What waves say as a whole and what most tiles say differs where the specimen deforms or its contrast
    changes. On real frames the waves are the better judge; how far the tiles differ from them tells how sure
    that is.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Made with `small`.
    small : SmallFrames
        The small images.

    Returns
    -------
    list of Link
        One each.
    """
    if not comparisons:
        return []
    sums = np.stack([c.sums for c in comparisons])
    told = agreed(sums, _TILE_CAUCHY, _TILE_ROUNDS)
    # The smallest images have one tile.
    scatter = np.where(np.isfinite(told.sigma), told.sigma, 0)
    doubt = np.sqrt(np.square(told.displacements).mean(axis=1) + np.square(scatter)) * small.factor
    centres = Tiling.of(small.shape, _TILE_PX).centres
    distortions, sigmas = turn_and_growth(sums, told.weights, centres)
    return [
        Link(
            c.first,
            c.second,
            c.displacement_px,
            float(np.hypot(c.sigma_px, doubt[k])),
            c.height,
            distortions[k],
            float(sigmas[k]),
        )
        for k, c in enumerate(comparisons)
    ]


def _only(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`image` with zeros beyond its first `shape` rows and columns; taken over and changed."""
    image[shape[0] :] = 0
    image[:, shape[1] :] = 0
    return image


def _window(
    shape: tuple[int, ...], moved: Sequence[float] | NDArray[np.float64] = (0.0, 0.0)
) -> NDArray[np.float32]:
    down, right = (taper(n, _EDGE_SHARE, float(m)) for n, m in zip(shape, moved, strict=True))
    return np.asarray(down[:, None] * right)


def _fitted(
    here: NDArray[np.complex64],
    there: NDArray[np.complex64],
    found: NDArray[np.float64],
    small: SmallFrames,
    rounds: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Displacement (2,) between two spectra, starting from `found`, and its covariance (2, 2)."""
    powers = [float((np.square(s.real) + np.square(s.imag)).sum()) for s in (here, there)]
    there = there * np.float32(np.sqrt(powers[0] / powers[1]))
    f = small.f
    for _ in range(rounds):
        back = there * small.moved(found[None])[0]
        apart = back - here
        left = np.square(apart.real) + np.square(apart.imag)
        usual = small.ring_means(left)
        usual += 1e-3 * usual.mean() + 1e-12
        weight = 1 / (usual * (1 + left / (_CAUCHY * usual)))
        middle = 0.5 * (here + back)
        twist = f * ((here.real * back.imag - here.imag * back.real) * weight)
        matrix = (f * ((np.square(middle.real) + np.square(middle.imag)) * weight)) @ f.T
        inverse = np.linalg.inv(matrix + 1e-9 * np.trace(matrix) * np.eye(2))
        step = np.clip(-inverse @ twist.sum(axis=1), -_STEP_PX, _STEP_PX)
        found = found + step
        if np.abs(step).max() < _ENOUGH_SMALL_PX * small.factor:
            break
    return found, _DEPENDENCE * inverse @ (twist @ twist.T) @ inverse


@dataclass(frozen=True, eq=False)
class Placement:
    """Where all blocks lie.

    Attributes
    ----------
    positions_px : ndarray, shape (n, 2)
        (dy, dx) of each block since the first block of its view.
    sigma_px : ndarray, shape (n,)
        Standard error per axis towards the middle of its view.
    views : ndarray of int, shape (n,)
        Blocks that links connect, directly or by way of others, share a number; 0 for that of block 0.
    distortion : ndarray, shape (n, 2)
        Angle in radians and relative growth since the first block of the view, as of a `Link`.
    distortion_sigma : ndarray, shape (n,)
        Standard error of both.
    """

    positions_px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]
    views: NDArray[np.int64]
    distortion: NDArray[np.float64]
    distortion_sigma: NDArray[np.float64]


def placed(count: int, links: Sequence[Link]) -> Placement:
    """Find the positions of `count` blocks that most links agree on.

    Weighted least squares, the weights lowered where a link misses (Cauchy), so that a few wrong links among
    many right ones have no say.
    """
    position, sigma = np.zeros((count, 2)), np.zeros(count)
    distortion, distortion_sigma = np.zeros((count, 2)), np.full(count, np.inf)
    ends = np.array([(link.first, link.second) for link in links], np.int64).reshape(-1, 2)
    graph = scipy.sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, found = scipy.sparse.csgraph.connected_components(graph, directed=False)
    _, order = np.unique(found, return_index=True)
    views = np.argsort(np.argsort(order))[found]
    for view in range(views.max() + 1):
        members = np.flatnonzero(views == view)
        own = [link for link in links if views[link.first] == view]
        if own:
            ends = np.searchsorted(members, [(link.first, link.second) for link in own])
            displacements = np.array([link.displacement_px for link in own])
            variance = np.square([link.sigma_px for link in own]) + _FLOOR_PX**2
            position[members], sigma[members] = _solved(ends, displacements, variance)
            distortions = np.array([link.turn_and_growth for link in own])
            variance = np.square([min(link.distortion_sigma, _NO_DISTORTION) for link in own]) + 1e-12
            distortion[members], distortion_sigma[members] = _solved(ends, distortions, variance)
    return Placement(position, sigma, views, distortion, distortion_sigma)


def _solved(
    ends: NDArray[np.int64], measured: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Solve a connected graph for the values of its nodes.

    Parameters
    ----------
    ends : ndarray of int, shape (m, 2)
        Nodes that each link goes from and to.
    measured : ndarray, shape (m, 2)
        What the second has more than the first.
    variance : ndarray, shape (m,)
        Of `measured`, per column.

    Returns
    -------
    values : ndarray, shape (n, 2)
        More than node 0 has.
    sigma : ndarray, shape (n,)
        Standard error of the best link of each node, larger where links miss.
    """
    links, nodes = len(ends), int(ends.max()) + 1
    rows = np.repeat(np.arange(links), 2)
    design = scipy.sparse.csr_matrix(
        (np.tile([-1.0, 1.0], links), (rows, ends.ravel())), shape=(links, nodes)
    )[:, 1:]
    weight = 1 / variance
    position = np.zeros((nodes, 2))
    for _ in range(_LINK_ROUNDS):
        weighted = design.T @ scipy.sparse.diags(weight)
        normal = scipy.sparse.linalg.splu((weighted @ design).tocsc())
        before = position.copy()
        position[1:] = normal.solve(weighted @ measured)
        missed = np.square(measured - design @ position[1:]).sum(axis=1)
        weight = 1 / (variance * (1 + missed / (_LINK_CAUCHY * variance)))
        if np.abs(position - before).max() < 1e-3 * np.sqrt(variance.min()):
            break
    # What the links say of each other also tells how good they are: the usual miss counts where it is larger.
    free = 1 - (nodes - 1) / links
    usual = float(np.median(missed / variance)) / (MEDIAN_SQUARED * free) if free > 0 else 0.0
    scale = max(1.0, float(np.sqrt(usual)))
    nearest = np.full(nodes, np.inf)
    for column in (0, 1):
        np.minimum.at(nearest, ends[:, column], np.sqrt(variance + missed / _LINK_CAUCHY / scale**2))
    return position, scale * nearest
