"""Single objects of a mask, chosen by a click: a line, or what lies between two of them."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree
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
    piece = _piece(mask, y, x)
    if piece is None:
        return None
    result = mask.copy()
    result[piece] = value
    return result


def brought(
    mask: NDArray[np.uint8], other: NDArray[np.uint8], y: float, x: float
) -> NDArray[np.uint8] | None:
    """Bring an object of another frame to the same place of this one.

    Parameters
    ----------
    mask, other : ndarray of uint8, shape (y, x)
        Class values of this frame and of the other one.
    y, x : float
        Place of the object in the other frame, in pixels.

    Returns
    -------
    ndarray of uint8, shape (y, x), or None
        `mask` with the connected piece of one class of `other` that is nearest, where nothing was painted;
        None where there is none within 4 px.
    """
    piece = _piece(other, y, x)
    if piece is None:
        return None
    return np.where(piece & (mask == 0), other, mask).astype(np.uint8)


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
        pair = _edges_around(edges, y, x)
        if pair is None:
            return None
        one, other = (_course(pixels) for pixels in pair)
        inside = _between(one, other, mask.shape)
    result = mask.copy()
    result[inside & (mask == 0)] = value
    return result


def _piece(mask: NDArray[np.uint8], y: float, x: float) -> NDArray[np.bool_] | None:
    """Find the connected piece of one class that is nearest to a place; None where none is near."""
    top, left = (max(0, math.ceil(at - _REACH_PX)) for at in (y, x))
    bottom, right = (max(0, math.floor(at + _REACH_PX) + 1) for at in (y, x))
    pixels = np.argwhere(mask[top:bottom, left:right]) + np.array([top, left])
    if not len(pixels):
        return None
    distances = np.hypot(*(pixels - (y, x)).T)
    nearest = int(distances.argmin())
    if distances[nearest] > _REACH_PX:
        return None
    row, column = pixels[nearest]
    _, pieces = cv2.connectedComponents((mask == mask[row, column]).astype(np.uint8), connectivity=8)
    return np.asarray(pieces == pieces[row, column])


def _enclosed(edges: NDArray[np.bool_], row: int, column: int) -> NDArray[np.bool_] | None:
    """Give the area around a pixel that edges enclose; None where it reaches the rim of the frame."""
    _, areas = cv2.connectedComponents((~edges).astype(np.uint8), connectivity=4)
    area = areas == areas[row, column]
    open_ = area[0].any() or area[-1].any() or area[:, 0].any() or area[:, -1].any()
    return None if open_ else area


def _edges_around(
    edges: NDArray[np.bool_], y: float, x: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Find the piece nearest to a place, and the nearest one on the other side of it, as pixels (n, 2)."""
    count, pieces = cv2.connectedComponents(edges.astype(np.uint8), connectivity=8)
    pixels = np.argwhere(edges)
    piece_of = pieces[tuple(pixels.T)]
    offsets = pixels - (y, x)
    distances = np.hypot(*offsets.T)
    least = np.full(count, np.inf)
    np.minimum.at(least, piece_of, distances)
    at_least = np.flatnonzero(distances == least[piece_of])
    found, first_of = np.unique(piece_of[at_least], return_index=True)
    towards = dict(zip(found.tolist(), offsets[at_least[first_of]], strict=True))
    by_distance = sorted(towards, key=lambda piece: float(least[piece]))
    if not by_distance:
        return None
    first = by_distance[0]
    for other in by_distance[1:]:
        one, two = towards[first], towards[other]
        if one @ two < _OPPOSITE * least[first] * least[other]:
            return pixels[piece_of == first], pixels[piece_of == other]
    return None


def _course(pixels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pixels (n, 2) along the longest way through the skeleton of a piece (n, 2), as (y, x)."""
    corner = pixels.min(axis=0) - 1  # with a rim, that the skeleton does not depend on what is cut off
    piece = np.zeros(pixels.max(axis=0) - corner + 2, bool)
    piece[tuple((pixels - corner).T)] = True
    nodes = np.argwhere(skeletonize(piece))
    near = KDTree(nodes).query_pairs(1.5, output_type="ndarray")
    steps = np.hypot(*(nodes[near[:, 0]] - nodes[near[:, 1]]).T)
    graph = csr_array((steps, near.T), shape=(len(nodes), len(nodes)))
    end = 0
    for _ in range(2):
        start = end
        lengths, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
        end = int(np.where(np.isfinite(lengths), lengths, -1).argmax())
    course = [end]
    while course[-1] != start:
        course.append(int(before[course[-1]]))
    return np.asarray(nodes[course] + corner)


def _between(one: NDArray[np.intp], other: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Give the area between two courses, their ends joined without crossing."""
    straight = np.hypot(*(one[-1] - other[0])) + np.hypot(*(one[0] - other[-1]))
    crossed = np.hypot(*(one[-1] - other[-1])) + np.hypot(*(one[0] - other[0]))
    outline = np.concatenate([one, other if straight <= crossed else other[::-1]])
    area = np.zeros(shape, np.uint8)
    cv2.fillPoly(area, [np.ascontiguousarray(outline[:, ::-1], dtype=np.int32)], (1,))
    return area.astype(bool)
