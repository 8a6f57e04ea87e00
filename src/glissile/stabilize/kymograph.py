"""Grey values along a line over time: what stands still draws a straight line."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.progress import Step, Steps
from glissile.video import Trim, Video

Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Kymographs:
    """The same line before and after the motion was removed.

    Attributes
    ----------
    before, after : ndarray of float, shape (t, length)
        Grey values along the line, a sample per pixel: where the detector is, and where the specimen is.
        NaN where a frame shows nothing of the specimen.
    frame_numbers : ndarray of int, shape (t,)
        Number of each row's frame in the source.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    frame_numbers: NDArray[np.int64]


def kymograph(video: Video, start: Point, stop: Point, width_px: int = 1) -> Steps[NDArray[np.float64]]:
    """Follow the grey values along a line over time.

    Frames are read once, one by one.

    Parameters
    ----------
    video : Video
        The frames.
    start, stop : tuple of float
        Ends of the line, (y, x) in pixels of `video`.
    width_px : int
        So many parallel lines, a pixel apart, are averaged.

    Yields
    ------
    Step
        One per frame, with the frame's index along t.

    Returns
    -------
    ndarray, shape (t, length)
        Interpolated linearly, about a pixel apart; beyond the edge of the frame its value is continued. NaN
        where the frame is not valid.

    Raises
    ------
    InputError
        If the line is shorter than a pixel.
    """
    places = _places(start, stop, width_px)
    rows = np.empty((len(video), places.shape[-1]))
    for index in range(len(video)):
        rows[index] = _profile(video.frame(index), places)
        if video.valid_px is not None:
            rows[index, ~_valid(places, video.valid_px[index])] = np.nan
        yield Step(index + 1, len(video), _message(index, len(video)), frame=index)
    return rows


def kymographs(before: Video, after: Video, start: Point, stop: Point, width_px: int) -> Steps[Kymographs]:
    """Compare a line before and after the motion was removed.

    Parameters
    ----------
    before : Video
        The trimmed video: the line stays where it is on the detector in the first frame.
    after : Video
        The same frames, or a run of them, stabilized.
    start, stop : tuple of float
        Ends of the line, (y, x) in pixels of the source in its first frame.
    width_px : int
        So many parallel lines, a pixel apart, are averaged.

    Yields
    ------
    Step
        One per frame of either video.

    Returns
    -------
    Kymographs

    Raises
    ------
    InputError
        If the line is shorter than a pixel.
    """
    first_index = before.index_of(int(after.frame_numbers[0])) or 0
    before = before.trimmed(Trim(first=first_index, last=first_index + len(after) - 1))
    on_detector = kymograph(before, *_within(before, start, stop), width_px)
    on_specimen = kymograph(after, *_within(after, start, stop), width_px)
    total = len(before) + len(after)
    first = yield from _counted(on_detector, 0, total)
    second = yield from _counted(on_specimen, len(before), total)
    return Kymographs(first, second, after.frame_numbers)


def _counted(steps: Steps[NDArray[np.float64]], done: int, total: int) -> Steps[NDArray[np.float64]]:
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            return np.asarray(finished.value)
        yield Step(done + step.index, total, step.message, frame=step.frame)


def middle_line(video: Video) -> tuple[Point, Point]:
    """Lay a horizontal line through the middle of `video`.

    Returns
    -------
    tuple of two points
        Its ends, (y, x) in pixels of the source in the first frame.
    """
    _, height, width = video.shape
    top, left = video.origins_px[0].tolist()
    middle = top + (height - 1) / 2
    return (middle, left), (middle, left + width - 1)


def _within(video: Video, start: Point, stop: Point) -> tuple[Point, Point]:
    """`start` and `stop` in the source as pixels of `video`, both in the first frame."""
    top, left = video.origins_px[0].tolist()
    return (start[0] - top, start[1] - left), (stop[0] - top, stop[1] - left)


def _message(index: int, total: int) -> str:
    return f"Reading the kymograph, frame {index + 1} of {total}"


def _places(start: Point, stop: Point, width_px: int) -> NDArray[np.float64]:
    """Where samples are taken: (2, width, length), (y, x) in pixels."""
    low, high = np.array(start, np.float64), np.array(stop, np.float64)
    length = float(np.hypot(*(high - low)))
    if not length >= 1:
        raise InputError("The kymograph line is shorter than a pixel; draw a longer one")
    along = np.linspace(0, 1, round(length) + 1)
    across = np.array([low[1] - high[1], high[0] - low[0]]) / length
    beside = np.arange(width_px) - (width_px - 1) / 2
    line = low[:, None] + (high - low)[:, None] * along
    return np.asarray(line[:, None, :] + across[:, None, None] * beside[:, None])


def _valid(places: NDArray[np.float64], part: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which samples (length,) lie in a valid part (top, left, bottom, right) over the whole width."""
    low, high = part[:2, None, None], part[2:, None, None] - 1
    return np.asarray(((places >= low) & (places <= high)).all(axis=(0, 1)))


def _profile(frame: NDArray[np.generic], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the width of the values of `frame` (y, x) at `places`."""
    from scipy.ndimage import map_coordinates

    # Only what the line needs is turned into floating-point numbers.
    low = np.floor(places.min(axis=(1, 2))).astype(int)
    high = np.ceil(places.max(axis=(1, 2))).astype(int) + 1
    low, high = (
        np.clip(edge, least, np.array(frame.shape) - 1 + least) for edge, least in ((low, 0), (high, 1))
    )
    part = frame[low[0] : high[0], low[1] : high[1]].astype(np.float64)
    values = map_coordinates(part, places - low[:, None, None], order=1, mode="nearest")
    return np.asarray(values.mean(axis=0), np.float64)
