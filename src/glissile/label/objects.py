"""Single objects of a mask, chosen by a click: a line, or what lies between two of them."""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.graph import MCP_Geometric
from skimage.morphology import skeletonize

# So far from an object a click still means it.
_REACH_PX = 4
# Seen from the click, the second edge of a wide defect lies beyond this cosine from the first.
_OPPOSITE = -0.5


def changed(mask: NDArray[np.uint8], y: float, x: float, value: int) -> NDArray[np.uint8] | None:
    """Give the object at a place another class, or erase it.

    Parameters
    ----------
    mask : ndarray of uint8, shape (y, x)
        Class values.
    y, x : float
        The place, in pixels.
    value : int
        Of the class; 0 erases.

    Returns
    -------
    ndarray of uint8, shape (y, x), or None
        The mask, in which the connected piece of one class that is nearest has changed; None where there is
        none within 4 px.
    """
    pixels = np.argwhere(mask)
    if not len(pixels):
        return None
    distances = np.hypot(*(pixels - (y, x)).T)
    nearest = int(distances.argmin())
    if distances[nearest] > _REACH_PX:
        return None
    row, column = pixels[nearest]
    _, pieces = cv2.connectedComponents((mask == mask[row, column]).astype(np.uint8), connectivity=8)
    result = mask.copy()
    result[pieces == pieces[row, column]] = value
    return result


def filled_between(mask: NDArray[np.uint8], y: float, x: float, value: int) -> NDArray[np.uint8] | None:
    """Fill a wide defect of which the two edges are drawn.

    Where a line runs all around the place, its inside is filled. Else the area between the two lines of the
    class on both sides of the place is, from end to end. Pixels of other classes stay.

    Parameters
    ----------
    mask : ndarray of uint8, shape (y, x)
        Class values.
    y, x : float
        A place between the edges, in pixels.
    value : int
        Class of the edges and of what is filled.

    Returns
    -------
    ndarray of uint8, shape (y, x), or None
        None where there are not two edges.
    """
    row, column = round(y), round(x)
    if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]) or mask[row, column] == value:
        return None
    edges = mask == value
    inside = _enclosed(edges, row, column)
    if inside is None:
        count, pieces = cv2.connectedComponents(edges.astype(np.uint8), connectivity=8)
        pair = _edges_around(pieces, count, y, x)
        if pair is None:
            return None
        one, other = (_course(pieces == piece) for piece in pair)
        inside = _between(one, other, mask.shape)
    result = mask.copy()
    result[inside & (mask == 0)] = value
    return result


def _enclosed(edges: NDArray[np.bool_], row: int, column: int) -> NDArray[np.bool_] | None:
    """Give the area around a pixel that edges enclose; None where it reaches the rim of the frame."""
    _, areas = cv2.connectedComponents((~edges).astype(np.uint8), connectivity=4)
    area = areas == areas[row, column]
    open_ = area[0].any() or area[-1].any() or area[:, 0].any() or area[:, -1].any()
    return None if open_ else area


def _edges_around(pieces: NDArray[np.int32], count: int, y: float, x: float) -> tuple[int, int] | None:
    """Find the piece nearest to a place, and the nearest one on the other side of it."""
    towards = {}
    for piece in range(1, count):
        offsets = np.argwhere(pieces == piece) - (y, x)
        towards[piece] = offsets[np.hypot(*offsets.T).argmin()]
    by_distance = sorted(towards, key=lambda piece: float(np.hypot(*towards[piece])))
    if not by_distance:
        return None
    first = by_distance[0]
    for other in by_distance[1:]:
        one, two = towards[first], towards[other]
        if one @ two < _OPPOSITE * np.hypot(*one) * np.hypot(*two):
            return first, other
    return None


def _course(piece: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Pixels (n, 2) along the longest way through the skeleton of a piece, as (y, x)."""
    skeleton = skeletonize(piece)
    start = tuple(np.argwhere(skeleton)[0])
    for _ in range(2):
        ways = MCP_Geometric(np.where(skeleton, 1.0, np.inf))
        lengths, _ = ways.find_costs([start])
        end = np.unravel_index(np.where(np.isfinite(lengths), lengths, -1).argmax(), lengths.shape)
        course, start = ways.traceback(end), tuple(end)
    return np.asarray(course)


def _between(one: NDArray[np.int_], other: NDArray[np.int_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Give the area between two courses, their ends joined without crossing."""
    straight = np.hypot(*(one[-1] - other[0])) + np.hypot(*(one[0] - other[-1]))
    crossed = np.hypot(*(one[-1] - other[-1])) + np.hypot(*(one[0] - other[0]))
    outline = np.concatenate([one, other if straight <= crossed else other[::-1]])
    area = np.zeros(shape, np.uint8)
    cv2.fillPoly(area, [np.ascontiguousarray(outline[:, ::-1], dtype=np.int32)], (1,))
    return area.astype(bool)
