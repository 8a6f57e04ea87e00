"""Runs of frames that share enough: what each frame shows -> which frames go together.

A box is (top, left, bottom, right), the last two exclusive, in whole pixels of one plane.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray


def intersection(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Box (4,) that lies in all `boxes` (n, 4); where there is none, an edge lies beyond the opposite one."""
    return np.concatenate([boxes[:, :2].max(axis=0), boxes[:, 2:].min(axis=0)])


def hull(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Smallest box (4,) around all `boxes` (n, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def most_shown(boxes: NDArray[np.int64], unrelated: NDArray[np.bool_], *, least_px: tuple[int, int]) -> range:
    """Find the run of frames with the largest common area times number of frames.

    20 000 frames that wander by 40 px take a second.

    Parameters
    ----------
    boxes : ndarray of int, shape (t, 4)
        What each frame shows.
    unrelated : ndarray of bool, shape (t,)
        Frames that belong into no run with the one before.
    least_px : tuple of int
        Least height and width of the common area of more than one frame.

    Returns
    -------
    range
        Indices along t; of equally good runs, the one that ends first and of these the longest.
    """
    best, most = range(1), -1
    # For each area that runs ending here have in common, where the longest of them begins.
    begins, common = np.zeros(0, np.int64), np.zeros((0, 4), np.int64)
    for last, box in enumerate(boxes):
        if unrelated[last]:
            begins, common = begins[:0], common[:0]
        low, high = np.maximum(common[:, :2], box[:2]), np.minimum(common[:, 2:], box[2:])
        common = np.concatenate([np.concatenate([low, high], axis=1), box[None]])
        begins = np.append(begins, last)
        sizes = common[:, 2:] - common[:, :2]
        kept: NDArray[np.bool_] = np.asarray((sizes >= least_px).all(axis=1))
        kept[1:] &= (common[1:] != common[:-1]).any(axis=1)
        if not kept.any():
            kept[-1] = True  # a frame alone
        begins, common = begins[kept], common[kept]
        shown = _areas(sizes[kept].T) * (last + 1 - begins)
        k = int(shown.argmax())
        if shown[k] > most:
            best, most = range(int(begins[k]), last + 1), int(shown[k])
    return best


def fewest_runs(
    boxes: NDArray[np.int64], unrelated: NDArray[np.bool_], *, least_area_px: float
) -> tuple[range, ...]:
    """Cut all frames into the fewest runs of a common area of at least `least_area_px`.

    Of several ways with as few cuts, that is taken which shows most: the largest sum of common areas over all
    frames.

    Parameters
    ----------
    boxes, unrelated
        As of `most_shown`.
    least_area_px : float
        Least common area of more than one frame, in pixels.

    Returns
    -------
    tuple of range
        Indices along t, each once, in order.
    """
    n = len(boxes)
    whole = intersection(boxes)
    if not unrelated[1:].any() and _areas(whole[2:] - whole[:2]) >= least_area_px:
        return (range(n),)
    # Of the frames before k: the fewest runs, the most they show, and where the last of them begins.
    fewest, most, begin = np.zeros((3, n + 1), np.int64)
    for first, last, sizes in _common_sizes(boxes, unrelated, lambda sizes: _areas(sizes) >= least_area_px):
        before = slice(first, last + 1)
        shown = most[before] + _areas(sizes) * np.arange(last - first + 1, 0, -1)
        shown[fewest[before] > fewest[before].min()] = -1
        k = int(shown.argmax())
        fewest[last + 1], most[last + 1], begin[last + 1] = fewest[first + k] + 1, shown[k], first + k
    runs: list[range] = []
    end = n
    while end:
        runs.append(range(int(begin[end]), end))
        end = runs[-1].start
    return tuple(reversed(runs))


def _areas(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(sizes.clip(0).prod(axis=0))


def _common_sizes(
    boxes: NDArray[np.int64],
    unrelated: NDArray[np.bool_],
    large_enough: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """For each frame: the runs that end with it, as far back as the common area is large enough.

    Parameters
    ----------
    boxes : ndarray, shape (t, 4)
        What each frame shows.
    unrelated : ndarray of bool, shape (t,)
        Frames that belong into no run with the one before.
    large_enough : callable
        Takes heights and widths, shape (2, n), and tells which are enough. A single frame always is.

    Yields
    ------
    first, last : int
        First frame of the longest run, and last of all.
    sizes : ndarray of int, shape (2, last - first + 1)
        Height and width common to the frames from `first`, `first` + 1, ..., `last` on.
    """
    low, high = boxes[:, :2].T.copy(), boxes[:, 2:].T.copy()
    first = 0
    for last in range(len(boxes)):
        if unrelated[last]:
            first = last
        # In place: what begins at k is common to the frames k to `last`.
        np.maximum(low[:, first : last + 1], low[:, last : last + 1], out=low[:, first : last + 1])
        np.minimum(high[:, first : last + 1], high[:, last : last + 1], out=high[:, first : last + 1])
        sizes = high[:, first : last + 1] - low[:, first : last + 1]
        # A run that began earlier shows less, so what falls short now is never enough again.
        enough = large_enough(sizes)
        enough[-1] = True
        short = int(enough.argmax())
        first += short
        yield first, last, sizes[:, short:]
