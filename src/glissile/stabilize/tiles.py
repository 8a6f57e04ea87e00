"""What many tiles say, some of them wrong -> the displacement most agree on, and how sure. Needs OpenCV."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# Median of a squared deviation in two dimensions, in variances.
MEDIAN_SQUARED = 1.386
_LEAST_TILES = 1.5
# Above this the tiles do not tell rotation, magnification and displacement apart.
_WORST_CONDITION = 1e8


@dataclass(frozen=True)
class Tiling:
    """Tiles side by side over a frame, from its first pixel on.

    Attributes
    ----------
    edges : tuple of int
        (y, x) of a tile, pixels.
    counts : tuple of int
        Tiles along y and x. What is left over at the end of the frame, less than a tile, is in none.
    """

    edges: tuple[int, int]
    counts: tuple[int, int]

    @classmethod
    def of(cls, shape: tuple[int, int], about_px: int) -> "Tiling":
        """Lay tiles of about this edge length over frames of `shape`, (y, x); little is left over."""
        near = range(2 * about_px // 3, 4 * about_px // 3 + 1)
        edges = [min(min(near, key=lambda edge: (n % edge, abs(edge - about_px))), n) for n in shape]
        return cls((edges[0], edges[1]), (shape[0] // edges[0], shape[1] // edges[1]))

    @property
    def centres(self) -> NDArray[np.float64]:
        """(y, x) of the middles of the tiles, shape (tiles, 2)."""
        centres: NDArray[np.float64] = (np.argwhere(np.ones(self.counts, bool)) + 0.5) * np.array(self.edges)
        return centres

    def sums(self, image: NDArray[np.float32], times: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum the product of two images of the frame's shape over the tiles; shape (tiles,)."""
        (down, right), (rows, columns) = self.edges, self.counts
        inside = slice(down * rows), slice(right * columns)
        product = cv2.multiply(image[inside], times[inside])
        # Not by products of matrices, which would wake as many threads as there are cores for each of them.
        means = cv2.resize(product, (columns, rows), interpolation=cv2.INTER_AREA)
        sums: NDArray[np.float64] = means.ravel() * np.float64(down * right)
        return sums

    def everywhere(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum `plane`, shape (y, x), over a tile that begins at any of its pixels; shape (y, x).

        `at` takes from it what the tiles of a frame hold.
        """
        down, right = self.edges
        sums: NDArray[np.float32] = cv2.boxFilter(
            plane, -1, (right, down), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT
        )
        return sums

    def at(self, sums: NDArray[np.float32], place: tuple[int, int]) -> NDArray[np.float32]:
        """Tell the sums over the tiles of a frame that lies on planes.

        Parameters
        ----------
        sums : ndarray of float32, shape (..., y, x)
            Of the planes, from `everywhere`.
        place : tuple of int
            (y, x) of its first pixel there.

        Returns
        -------
        ndarray of float32, shape (..., tiles)
        """
        rows, columns = (
            slice(first, first + edge * count, edge)
            for first, edge, count in zip(place, self.edges, self.counts, strict=True)
        )
        return sums[..., rows, columns].reshape(*sums.shape[:-2], -1)


@dataclass(frozen=True, eq=False)
class Agreement:
    """What most tiles of each of t frames agree on.

    Attributes
    ----------
    displacements : ndarray, shape (t, 2)
        (dy, dx).
    sigma : ndarray, shape (t,)
        Standard error per axis: the sandwich of the scatter of the tiles. Infinite where one tile or none
        tells, which scatter around nothing.
    agreeing : ndarray, shape (t,)
        Share of the information in tiles that have more than half their say.
    weights : ndarray, shape (t, tiles)
        Say of each tile, 0 to 1.
    """

    displacements: NDArray[np.float64]
    sigma: NDArray[np.float64]
    agreeing: NDArray[np.float64]
    weights: NDArray[np.float64]


def agreed(sums: NDArray[np.float64], cauchy: float, rounds: int) -> Agreement:
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
    Agreement
    """
    down, right, yy, yx, xx = sums.transpose(1, 0, 2)
    trace = yy + xx
    telling = trace > 0.02 * trace.mean(axis=1, keepdims=True)
    determinant = yy * xx - yx * yx
    telling &= determinant > 1e-6 * trace * trace
    determinant = np.where(telling, determinant, 1.0)
    weight = telling.astype(np.float64)
    for _ in range(rounds):
        total = np.einsum("kt,kat->ka", weight, sums)
        found = np.linalg.solve(_matrices(total), total[:, :2, None])[:, :, 0]
        y, x = found[:, :1], found[:, 1:]
        off_down, off_right = down - yy * y - yx * x, right - yx * y - xx * x
        squared = (xx * off_down**2 - 2 * yx * off_down * off_right + yy * off_right**2) / determinant
        usual = np.maximum(_medians(squared, telling) / MEDIAN_SQUARED, 1e-6)
        weight = np.where(telling, 1 / (1 + np.maximum(squared, 0) / (cauchy * usual)), 0)
    bread = np.linalg.inv(_matrices(np.einsum("kt,kat->ka", np.square(weight), sums)))
    off = np.stack([weight * off_down, weight * off_right], axis=1)
    covariance = bread @ (off @ off.transpose(0, 2, 1)) @ bread
    sigma = np.sqrt(np.trace(covariance, axis1=1, axis2=2) / 2)
    # So many tiles have a say; their scatter around what they say themselves is too small.
    say = weight * trace
    tiles = np.square(say.sum(axis=1)) / np.maximum(np.square(say).sum(axis=1), 1e-30)
    sigma = np.where(tiles > _LEAST_TILES, sigma * np.sqrt(tiles / np.maximum(tiles - 1, 1e-3)), np.inf)
    agreeing = (trace * (weight > 0.5)).sum(axis=1) / np.maximum((trace * telling).sum(axis=1), 1e-30)
    return Agreement(found, sigma, agreeing, weight)


def _matrices(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Information (t, 2, 2) of `sums` (t, 5), as of `agreed`; never singular."""
    return np.asarray(sums[:, [2, 3, 3, 4]].reshape(-1, 2, 2) + 1e-12 * np.eye(2))


def _medians(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Medians (t, 1) of those `values`, (t, tiles), that are `counted`; 0 where none is."""
    ascending = np.sort(np.where(counted, values, np.inf), axis=1)
    middle = np.maximum(counted.sum(axis=1, keepdims=True) - 1, 0) // 2
    found = np.take_along_axis(ascending, middle, axis=1)
    return np.where(np.isfinite(found), found, 0.0)


def turn_and_growth(
    sums: NDArray[np.float64], weights: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a rotation and a magnification to what the tiles of frames say.

    Parameters
    ----------
    sums : ndarray, shape (t, 5, tiles)
        As for `agreed`.
    weights : ndarray, shape (t, tiles)
        Say of each tile.
    places : ndarray, shape (tiles, 2)
        (y, x) of the middle of each tile.

    Returns
    -------
    turn_and_growth : ndarray, shape (t, 2)
        Angle in radians, clockwise as the frame is shown, and relative growth.
    sigma : ndarray, shape (t,)
        Standard error of both, from the scatter of the tiles; infinite where they tell nothing.
    """
    down, right, yy, yx, xx = sums.transpose(1, 0, 2)
    middle = (weights @ places) / (weights.sum(axis=1, keepdims=True) + 1e-12)
    y, x = (places - middle[:, None]).transpose(2, 0, 1)
    one, none = np.ones_like(y), np.zeros_like(y)
    # Displacements (dy, dx) of a tile: (1, 0), (0, 1), turned (x, -y), grown (y, x); (4, 2, t, tiles).
    shapes = np.array([[one, none], [none, one], [x, -y], [y, x]])
    pulled = np.stack([shapes[:, 0] * yy + shapes[:, 1] * yx, shapes[:, 0] * yx + shapes[:, 1] * xx], axis=1)
    matrix = np.einsum("ibkt,jbkt,kt->kij", pulled, shapes, weights, optimize=True)
    # Scaled, so that pixels and radians are of one size.
    scale = np.sqrt(np.maximum(np.einsum("kii->ki", matrix), 1e-30))
    scales = scale[:, :, None] * scale[:, None, :]
    matrix = matrix / scales
    useless = np.linalg.cond(matrix) > _WORST_CONDITION
    matrix[useless] = np.eye(4)
    inverse = np.linalg.inv(matrix)
    vector = np.einsum("iakt,akt,kt->ki", shapes, np.stack([down, right]), weights, optimize=True) / scale
    found = np.einsum("kij,kj->ki", inverse, vector) / scale
    off = np.stack([down, right]) - np.einsum("ibkt,ki->bkt", pulled, found, optimize=True)
    pull = np.einsum("iakt,akt,kt->kit", shapes, off, weights, optimize=True) / scale[:, :, None]
    covariance = (
        inverse @ (pull @ pull.transpose(0, 2, 1)) @ inverse / (scale[:, :, None] * scale[:, None, :])
    )
    sigma = np.sqrt((covariance[:, 2, 2] + covariance[:, 3, 3]) / 2)
    return np.where(useless[:, None], 0.0, found[:, 2:]), np.where(useless, np.inf, sigma)
