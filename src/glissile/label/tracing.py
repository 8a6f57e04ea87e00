"""A few clicks along a defect -> the line of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, map_coordinates
from skimage.graph import MCP_Geometric

from glissile.contrast import stretched

# Lines of defects are drawn 3 to 4 px wide.
PEN_PX = 3
# How far the line may leave the curve through the clicks, and how far it looks to both sides, in pixels.
_ASIDE_PX = 6
_PROFILE_PX = 7
# Grey values are smoothed along the curve, as far as a line hardly bends.
_ALONG_PX = 4.0
_NOISE_PX = 0.7
# Differences of grey value below this, of 0 to 255, are noise.
_LEAST_CONTRAST = 1.0
# Cost of a step along the curve: the larger it is, the straighter the line. Beside it stand the difference of
# two profiles, of 0 to 4, and the distance from the curve, of 0 to 1 where the line may leave it no farther.
_STEP_COST = 2.0
_FORWARD = ((1, -1), (1, 0), (1, 1))
_SMOOTH_PX = 1.5
# A pen is put down so often along a line.
_SAMPLING_PX = 0.25
# Points of a curve for each pixel between two clicks, from which places a pixel apart are taken.
_FINE = 4
# Clicks closer than this are one.
_LEAST_STEP_PX = 1.0


class PenSettings(BaseModel):
    """How wide lines are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths_px: dict[str, Annotated[int, Field(ge=1, le=99)]] = Field(
        {}, title="Pens (px)", description="Width of the line of a class, by its value in masks"
    )

    def width_px(self, value: int) -> int:
        """Width of the line of the class with that value in masks, in pixels."""
        return self.widths_px.get(str(value), PEN_PX)

    def with_width(self, value: int, width_px: int) -> Self:
        """Give the class with that value another width."""
        return self.model_copy(update={"widths_px": {**self.widths_px, str(value): width_px}})


@dataclass(frozen=True)
class Clicks:
    """What was clicked on, in order.

    Attributes
    ----------
    points : tuple of (float, float)
        (y, x) in pixels.
    straight : tuple of bool
        Whether the line to each point from the one before is straight; the first tells nothing.
    """

    points: tuple[tuple[float, float], ...] = ()
    straight: tuple[bool, ...] = ()

    def with_point(self, y: float, x: float, *, straight: bool = False) -> Self:
        """Add a point; one on the spot of the last changes nothing."""
        if self.points and np.hypot(y - self.points[-1][0], x - self.points[-1][1]) < _LEAST_STEP_PX:
            return self
        return replace(self, points=(*self.points, (y, x)), straight=(*self.straight, straight))

    def without_last(self) -> Self:
        """Take the last point back."""
        return replace(self, points=self.points[:-1], straight=self.straight[:-1])


class Traced:
    """A frame on which lines are traced; what it needs of the frame is computed once.

    Parameters
    ----------
    frame : ndarray of any number type, shape (y, x)
        Grey values.
    """

    def __init__(self, frame: NDArray[np.generic]) -> None:
        self._grey = cv2.GaussianBlur(stretched(frame), (0, 0), _NOISE_PX)

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) of the frame, in pixels."""
        y, x = self._grey.shape
        return y, x

    def line(self, clicks: Clicks) -> NDArray[np.float64]:
        """Follow a defect through the points that were clicked on.

        Between two points the line lies where the grey values across it look most as they do at both points,
        be they of a dark line, a bright one or the edge of a band, and not far from the smooth curve through
        all points. It is found as the path of least cost in the strip along that curve.

        Parameters
        ----------
        clicks : Clicks
            At least one point.

        Returns
        -------
        ndarray of float, shape (n, 2)
            (y, x) in pixels, about one pixel apart, from the first point to the last, within the frame.
        """
        farthest = np.array(self.shape) - 1
        within = Clicks()
        for point, straight in zip(clicks.points, clicks.straight, strict=True):
            y, x = np.clip(point, 0, farthest)
            within = within.with_point(float(y), float(x), straight=straight)
        points = np.asarray(within.points, dtype=np.float64)
        pieces = [points[:1]]
        for first, last in _runs(within.straight):
            run = points[first : last + 1]
            pieces.append((_between(run) if within.straight[last] else self._followed(run))[1:])
        return np.clip(np.concatenate(pieces), 0, farthest)

    def _followed(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        curve, places = _curve(points)
        across = _normals(curve)
        profiles = self._profiles(curve, across)
        aside = np.zeros(len(curve))
        for begin, end in pairwise(places):
            aside[begin : end + 1] = _path_px(profiles[begin : end + 1])
        smooth = gaussian_filter1d(aside, _SMOOTH_PX, mode="nearest")
        # The ends stay where they were clicked.
        taper = np.minimum(1, np.minimum(np.arange(len(curve)), np.arange(len(curve))[::-1]) / _ASIDE_PX)
        return np.asarray(curve + (smooth * taper)[:, None] * across)

    def _profiles(self, curve: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normalised grey values (n, places aside, profile) across each point of a curve, and beside it."""
        reach = _ASIDE_PX + _PROFILE_PX
        steps = np.arange(-reach, reach + 1)
        places = curve[:, None] + steps[None, :, None] * across[:, None]
        strip = map_coordinates(self._grey, (places[..., 0], places[..., 1]), order=1, mode="nearest")
        strip = gaussian_filter1d(strip, _ALONG_PX, axis=0, mode="nearest")
        profiles = np.lib.stride_tricks.sliding_window_view(strip, 2 * _PROFILE_PX + 1, axis=1)
        profiles = profiles - profiles.mean(axis=-1, keepdims=True)
        spread = np.sqrt((profiles**2).mean(axis=-1, keepdims=True))
        return np.asarray(profiles / (spread + _LEAST_CONTRAST), dtype=np.float64)


def _runs(straight: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last point of each straight line, and of each curve through as many points as there are."""
    runs: list[tuple[int, int]] = []
    for last in range(1, len(straight)):
        if not straight[last] and runs and not straight[runs[-1][1]]:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((last - 1, last))
    return runs


def _between(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Straight line between two points, in steps of at most a pixel."""
    steps = max(1, int(np.ceil(np.hypot(*(ends[1] - ends[0])))))
    return np.asarray(np.linspace(ends[0], ends[1], steps + 1))


def _curve(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[int]]:
    """Smooth curve through points, about a pixel from one to the next, and where on it the points are."""
    # Centripetal, so that it hardly overshoots where clicks are near one another here and far apart there.
    at = np.concatenate([[0], np.cumsum(np.sqrt(np.hypot(*np.diff(points, axis=0).T)))])
    spline = CubicSpline(at, points)
    pieces, places = [points[:1]], [0]
    for begin, end in pairwise(at):
        fine = spline(np.linspace(begin, end, _FINE * int(np.ceil((end - begin) ** 2)) + 1))
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(fine, axis=0).T))])
        even = np.linspace(0, along[-1], max(1, int(np.ceil(along[-1]))) + 1)[1:]
        pieces.append(np.stack([np.interp(even, along, axis) for axis in fine.T], axis=1))
        places.append(places[-1] + len(even))
    return np.concatenate(pieces), places


def _normals(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions (n, 2) of length 1 across a curve."""
    along = np.gradient(gaussian_filter1d(curve, 2, axis=0, mode="nearest"), axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def _path_px(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far aside of the curve a line between two clicks lies at each step, given the profiles there."""
    middle, last = _ASIDE_PX, len(profiles) - 1
    share = np.linspace(0, 1, last + 1)[:, None]
    begin, end = (((profiles - profiles[i, middle]) ** 2).mean(axis=-1) for i in (0, last))
    aside = np.arange(-_ASIDE_PX, _ASIDE_PX + 1) / _ASIDE_PX
    cost = _STEP_COST + (1 - share) * begin + share * end + aside**2
    graph = MCP_Geometric(cost, offsets=_FORWARD)
    graph.find_costs([(0, middle)], [(last, middle)])
    return np.array([place - middle for _, place in graph.traceback((last, middle))], dtype=np.float64)


def drawn(line: NDArray[np.float64], width_px: float, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw a line with a round pen.

    Parameters
    ----------
    line : ndarray of float, shape (n, 2)
        (y, x) in pixels; points follow one another at a distance of a pixel or so.
    width_px : float
        Diameter of the pen. A line of 1 px or less is one pixel wide.
    shape : tuple of int
        (y, x) of the mask.

    Returns
    -------
    ndarray of bool, shape (y, x)
    """
    radius = width_px / 2
    steps = np.arange(0, max(len(line) - 1, 0) + _SAMPLING_PX / 2, _SAMPLING_PX)
    samples = np.stack([np.interp(steps, np.arange(len(line)), axis) for axis in line.T], axis=1)
    nearest = np.round(samples).astype(int)
    reach = np.arange(-int(radius) - 1, int(radius) + 2)
    pixels = nearest[:, None] + np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    covered = np.hypot(*np.moveaxis(pixels - samples[:, None], -1, 0)) < radius
    covered |= (pixels == nearest[:, None]).all(axis=-1)
    pixels = pixels[covered & (pixels >= 0).all(axis=-1) & (pixels < shape).all(axis=-1)]
    mask = np.zeros(shape, bool)
    mask[tuple(pixels.T)] = True
    return mask
