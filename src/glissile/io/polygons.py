"""Masks <-> polygons that give back the same pixels.

Points are (x, y) in the way of COCO and Labelme: pixel (0, 0) covers the square from (0, 0) to (1, 1). The
polygons of a mask follow the edges of its pixels, so their corners are whole numbers, their area is the
number of pixels, and whoever fills them by pixel centres gets the mask back. Outlines through pixel centres,
as OpenCV's `findContours` gives them, would lose a pixel of the width of a line where they are filled so.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError

Points = NDArray[np.float64]

# Rows that the edges filled at a time may cross, so that memory stays small whatever a file holds.
_CROSSINGS_AT_ONCE = 1 << 20
_TINY = 1e-12
_BAND_ROWS = 64
_FARTHEST_PX = 1e6


def outlines(mask: NDArray[np.bool_]) -> Iterator[list[Points]]:
    """Outline the objects of a mask, pixels that touch by edge or corner being one object.

    Parameters
    ----------
    mask : ndarray of bool, shape (y, x)
        Objects of any form.

    Yields
    ------
    list of ndarray, each of shape (n, 2)
        Polygons (x, y) of one object, without holes and without a pixel in common: one that has holes is cut
        along rows, since neither COCO nor Labelme has a word for a hole.
    """
    from scipy import ndimage

    labelled, _ = ndimage.label(mask, np.ones((3, 3)))
    for number, (rows, columns) in enumerate(ndimage.find_objects(labelled), start=1):
        part = labelled[rows, columns] == number
        yield [ring + np.array([columns.start, rows.start]) for ring in _without_holes(part)]


def _without_holes(mask: NDArray[np.bool_]) -> Iterator[Points]:
    rings = _rings(mask)
    holes = sorted((ring for ring in rings if signed_area(ring) < 0), key=lambda ring: ring[:, 1].mean())
    if not holes:
        yield from rings
        return
    # The middle one, so that the cuts nest no deeper than they must.
    row = int(holes[len(holes) // 2][:, 1].mean())
    yield from _without_holes(mask[:row])
    for ring in _without_holes(mask[row:]):
        yield ring + np.array([0, row])


def _rings(mask: NDArray[np.bool_]) -> list[Points]:
    """Trace the edges of pixels (x, y) between mask and background; the area of holes is negative."""
    from skimage.measure import find_contours

    rings = []
    for contour in find_contours(np.pad(mask, 1).astype(np.float64), 0.5):
        # Each point is the middle of an edge between two pixels; neighbours in the list share a corner.
        here, there = contour[:-1], contour[1:]
        halfway = (here + there) / 2
        corners = np.where(here % 1 != 0, here, np.where(there % 1 != 0, there, halfway))
        # Of the padded image, whose pixel (1, 1) is pixel (0, 0).
        corners = corners - 0.5
        before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
        bends = ((corners - before) != (after - corners)).any(axis=1)
        rings.append(corners[bends][:, ::-1])
    return rings


def signed_area(ring: Points) -> float:
    """Area of a polygon (n, 2), negative where it runs the other way round."""
    x, y = ring.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def checked_points(points: Points, path: Path) -> Points:
    """Give points (n, 2) of a file back.

    Raises
    ------
    InputError
        If there are none, or one lies absurdly far away.
    """
    if not len(points) or not (np.abs(points) < _FARTHEST_PX).all():
        raise InputError(f"{path}: has an outline without points or far outside any image; export it again")
    return points


def through_centres(rings: Iterable[Points]) -> bool:
    """Whether the corners of the polygons of an object are meant as centres of pixels.

    So it is where all are whole numbers and some edge is oblique, as scripts with `findContours` of OpenCV
    give them. Outlines along the edges of pixels have no oblique edge, and polygons drawn by hand no whole
    numbers.
    """
    oblique = False
    for ring in rings:
        if (ring != np.rint(ring)).any():
            return False
        oblique = oblique or bool((np.roll(ring, -1, axis=0) != ring).all(axis=1).any())
    return oblique


def fill(mask: NDArray[np.bool_], rings: Sequence[Points], *, centres: bool = False) -> None:
    """Add the polygons of one object to a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (y, x)
        What reaches beyond it is cut off. Only the rows and columns of the object are touched.
    rings : sequence of ndarray, each of shape (n, 2)
        Closed polygons (x, y) of finite numbers. One that lies wholly within those larger than it is a hole.
    centres : bool
        The corners are centres of pixels, and these pixels belong to the object. Else a pixel is filled
        where its centre lies inside.
    """
    fill_ring = _fill_to_centres if centres else _fill_inside
    whole = _part(np.concatenate(rings), mask.shape)
    size = tuple(max(side.stop - side.start, 0) for side in whole)
    drawn = np.zeros(size, bool)
    origin = np.array([whole[1].start, whole[0].start])
    for ring in sorted(rings, key=lambda ring: -abs(signed_area(ring))):
        part, inside, edge = fill_ring(ring - origin, size)
        within, covered = drawn[part], inside | edge
        if covered.any() and within[covered].all():
            within &= ~inside
        else:
            within |= covered
    mask[whole] |= drawn


Part = tuple[slice, slice]
Filled = tuple[Part, NDArray[np.bool_], NDArray[np.bool_]]


def _part(ring: Points, shape: tuple[int, int]) -> Part:
    """Rows and columns of the mask that a polygon and its edge may touch."""
    low = np.floor(ring.min(axis=0)).clip(0, shape[::-1]).astype(int)
    high = (np.ceil(ring.max(axis=0)) + 1).clip(0, shape[::-1]).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _fill_inside(ring: Points, shape: tuple[int, int]) -> Filled:
    """Pixels whose centres lie inside, by the even-odd rule, and no edge."""
    part = _part(ring, shape)
    top, left = part[0].start, part[1].start
    rows, columns = (max(side.stop - side.start, 0) for side in part)
    # Each edge that a row of centres crosses toggles what lies to the right of the crossing.
    toggled = np.zeros((rows, columns + 1), np.uint8)
    begin = ring - (left + 0.5, top + 0.5)
    end = np.roll(begin, -1, axis=0)
    upper, lower = (np.where(begin[:, 1:] <= end[:, 1:], *pair) for pair in ((begin, end), (end, begin)))
    first = np.ceil(upper[:, 1]).clip(0, rows).astype(np.int64)
    count = np.ceil(lower[:, 1]).clip(0, rows).astype(np.int64) - first
    for some in _in_portions(count):
        edge = np.repeat(some, count[some])
        row = (
            np.arange(len(edge)) - np.repeat(np.cumsum(count[some]) - count[some], count[some]) + first[edge]
        )
        (x0, y0), (x1, y1) = upper[edge].T, lower[edge].T
        column = np.ceil(x0 + (row - y0) * (x1 - x0) / (y1 - y0)).clip(0, columns).astype(np.int64)
        np.add.at(toggled, (row, column), 1)  # modulo 256 keeps what counts, odd or even
    inside = np.cumsum(toggled[:, :-1], axis=1, dtype=np.uint8) % 2 == 1
    return part, inside, np.zeros_like(inside)


def _in_portions(count: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Split indices so that the counts of each portion are few, or it is a single one."""
    crossed = np.flatnonzero(count)
    portion = (np.cumsum(count[crossed]) - 1) // _CROSSINGS_AT_ONCE
    for number in np.unique(portion):
        yield crossed[portion == number]


def _fill_to_centres(ring: Points, shape: tuple[int, int]) -> Filled:
    """Pixels inside the line through the centres of pixels, and those on it."""
    import cv2

    part = _part(ring, shape)
    size = tuple(max(side.stop - side.start, 0) for side in part)
    inside, edge = (np.zeros(size, np.uint8) for _ in range(2))
    points = [(ring - (part[1].start, part[0].start)).astype(np.int32)]
    if all(size):
        cv2.fillPoly(inside, points, 1)
        cv2.polylines(edge, points, isClosed=True, color=1)
    on_edge = edge > 0
    return part, (inside > 0) & ~on_edge, on_edge


def stroke(mask: NDArray[np.bool_], line: Points, width_px: float) -> None:
    """Add a line, drawn with a round pen, to a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (y, x)
        What reaches beyond it is cut off. Set are pixels whose centre lies under the pen.
    line : ndarray, shape (n, 2)
        Points (x, y) of finite numbers, joined by straight pieces.
    width_px : float
        Diameter of the pen, in pixels.
    """
    radius = width_px / 2
    for start, stop in zip(line, line[1:] if len(line) > 1 else line, strict=False):
        rows, _ = _part(_around(start, stop, radius), mask.shape)
        # By bands, so that little more than the pixels under the pen is looked at, however long the line.
        for top in range(rows.start, rows.stop, _BAND_ROWS):
            bottom = min(top + _BAND_ROWS, rows.stop)
            ends = _between_rows(start, stop, top - radius, bottom + radius)
            _, columns = _part(_around(*ends, radius), mask.shape)
            band = mask[top:bottom, columns]
            band |= _near(start, stop, radius, np.arange(top, bottom), np.arange(columns.start, columns.stop))


def _around(start: Points, stop: Points, radius: float) -> Points:
    return np.stack([np.minimum(start, stop) - radius, np.maximum(start, stop) + radius])


def _between_rows(start: Points, stop: Points, low: float, high: float) -> tuple[Points, Points]:
    """Cut a straight line at two heights; a level one stays whole."""
    rise = stop[1] - start[1]
    if abs(rise) < _TINY:
        return start, stop
    one, two = (((height - start[1]) / rise).clip(0, 1) for height in (low, high))
    return start + one * (stop - start), start + two * (stop - start)


def _near(
    start: Points, stop: Points, radius: float, rows: NDArray[np.int_], columns: NDArray[np.int_]
) -> NDArray[np.bool_]:
    """Pixels (y, x) whose centre is less than `radius` away from a straight line."""
    along = stop - start
    x, y = columns[None, :] + 0.5 - start[0], rows[:, None] + 0.5 - start[1]
    share = ((x * along[0] + y * along[1]) / max(float(along @ along), _TINY)).clip(0, 1)
    return np.asarray(np.hypot(x - share * along[0], y - share * along[1]) < radius)
