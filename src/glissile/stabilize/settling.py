"""How far templates lie off, as they are made of frames where the first pass put them. Needs OpenCV."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

# What the frames of a group have in common may be off by this much more than the first pass tells.
_DOUBT_FACTOR, _DOUBT_PX = 15.0, 0.05
_LEAST_NOISE_PX = 1e-3
# Of what a frame tells on its own displacement: so that there is something to divide by.
_LEAST_TOLD = 1e-6


@dataclass(frozen=True, eq=False)
class Shares:
    """What some frames were compared with.

    Attributes
    ----------
    frames : ndarray of int, shape (n,)
        The frames.
    groups : ndarray of int, shape (m,)
        Numbers of the groups of frames in their template.
    of_groups : ndarray of float32, shape (n, 2, m, 2)
        By how much (dy, dx) of a frame is told to be larger if (dy, dx) of a group was taken too large by 1:
        its share in what the template shows where the frame lies.
    """

    frames: NDArray[np.int64]
    groups: NDArray[np.int64]
    of_groups: NDArray[np.float32]


def overlap_shares(
    places: NDArray[np.int64],
    others: NDArray[np.int64],
    shape: tuple[int, int],
    information: NDArray[np.float32],
    counts: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Tell how much of what a template shows under a frame each of the frames in it has given.

    What is ignored of the frames counts as seen.

    Parameters
    ----------
    places : ndarray of int, shape (n, 2)
        (y, x) on the template of the first pixels of frames.
    others : ndarray of int, shape (m, 2)
        The same of all frames in it.
    shape : tuple of int
        (y, x) of the frames.
    information : ndarray of float32, shape (3, y, x)
        On the displacement in each pixel of the template: yy, yx, xx.
    counts : ndarray of float32, shape (y, x)
        Frames in each.

    Returns
    -------
    ndarray, shape (n, 2, m, 2)
        As of `Shares`, of single frames. The sum over m is the unit matrix, or 0 where nothing is told.
    """
    # Frames at one place are many.
    places, back = np.unique(places, axis=0, return_inverse=True)
    others, back_of_others, many = np.unique(others, axis=0, return_inverse=True, return_counts=True)
    first = np.maximum(places[:, None], others[None])
    last = np.maximum(np.minimum(places[:, None], others[None]) + shape, first)
    # Where two do not overlap, nothing is read, wherever that is.
    limit = np.array(counts.shape)
    (top, left), (bottom, right) = (np.minimum(a, limit).transpose(2, 0, 1) for a in (first, last))
    shared = []
    for plane in information:
        sums = cv2.integral(plane / np.maximum(counts, 1), sdepth=cv2.CV_64F)
        shared.append(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])
    yy, yx, xx = shared
    matrices = np.stack([yy, yx, yx, xx], axis=-1).reshape(*yy.shape, 2, 2)
    total = np.einsum("nmab,m->nab", matrices, many)
    total += _LEAST_TOLD * np.trace(total, axis1=1, axis2=2)[:, None, None] * np.eye(2) + 1e-30 * np.eye(2)
    shares: NDArray[np.float64] = np.einsum("nab,nmbc->namc", np.linalg.inv(total), matrices)
    # NumPy 2.0.0 gives the ways back as columns.
    return shares[back.ravel()][:, :, back_of_others.ravel()]


def template_errors(
    told: NDArray[np.float64],
    noise: NDArray[np.float64],
    doubt: NDArray[np.float64],
    groups: NDArray[np.int64],
    rows: Sequence[Shares],
) -> NDArray[np.float64]:
    """Find how far the templates lie off under each frame.

    A template lies off by the mean error e of its frames, so that frame k is told to be off by
    d_k = e_k - sum_g s_kg e_g, where s are the shares of groups of frames in the template. The errors of the
    groups follow from their mean d by least squares; that they are not much larger than the standard errors
    of the first pass is known, too, and keeps long videos from drifting.

    Parameters
    ----------
    told : ndarray, shape (t, 2)
        d, pixels: the first pass less the second.
    noise : ndarray, shape (t,)
        Standard error of the second pass.
    doubt : ndarray, shape (t,)
        Standard error of the first.
    groups : ndarray of int, shape (t,)
        Group of each frame; -1 for none.
    rows : sequence of Shares
        What the frames were compared with; frames that were not are in none.

    Returns
    -------
    ndarray, shape (t, 2)
        To be taken off what the second pass found; 0 for frames in none of `rows`.
    """
    errors = np.zeros_like(told)
    count = int(groups.max(initial=-1)) + 1
    if not count or not rows:
        return errors
    compared = np.concatenate([row.frames for row in rows])
    share = scipy.sparse.vstack([_spread(row, count) for row in rows], format="csr")
    members, means = _means(groups[compared], count)
    usual = means @ np.maximum(noise[compared], _LEAST_NOISE_PX)
    weight = np.sqrt(members) / np.maximum(usual, _LEAST_NOISE_PX)
    known = np.flatnonzero(groups >= 0)
    doubts = _means(groups[known], count)[1] @ doubt[known]
    # Both axes of a group, one behind the other.
    both = scipy.sparse.kron(means, scipy.sparse.eye(2), format="csr")
    weighted = scipy.sparse.diags(np.repeat(weight, 2))
    matrix = weighted @ (scipy.sparse.diags(np.repeat((members > 0) * 1.0, 2)) - both @ share)
    prior = scipy.sparse.diags(np.repeat(1 / np.square(_DOUBT_FACTOR * doubts + _DOUBT_PX), 2))
    normal = scipy.sparse.linalg.splu((matrix.T @ matrix + prior).tocsc())
    found = normal.solve(matrix.T @ (weighted @ (both @ told[compared].ravel())))
    errors[compared] = (share @ found).reshape(-1, 2)
    return errors


def _means(groups: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], scipy.sparse.csr_matrix]:
    """Members of each group, and the matrix (groups, frames) that takes means over them."""
    members = np.bincount(groups, minlength=count)
    frames = np.arange(len(groups))
    return members, scipy.sparse.csr_matrix(
        (1 / members[groups], (groups, frames)), shape=(count, len(groups))
    )


def _spread(row: Shares, count: int) -> scipy.sparse.csr_matrix:
    """Shares of one template as rows of a matrix over both axes of all groups."""
    n, _, m, _ = row.of_groups.shape
    columns = np.tile((2 * row.groups[:, None] + (0, 1)).ravel(), 2 * n)
    begins = 2 * m * np.arange(2 * n + 1)
    return scipy.sparse.csr_matrix((row.of_groups.ravel(), columns, begins), shape=(2 * n, 2 * count))
