"""From a video to the motion of its specimen: the settings and the estimate."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.progress import Step, Steps
from glissile.stabilize.motion import Flag, Motion
from glissile.stabilize.regions import Regions
from glissile.video import Video

if TYPE_CHECKING:
    from glissile.stabilize.refinement import Refined
    from glissile.stabilize.survey import Anchor, Survey

_JUMP_PX = 5.0
# Left and right halves of real frames, measured apart, differ by this much more than their tiles scatter.
_SIGMA_FACTOR = 3.0
_SIGMA_FLOOR_PX = 0.01
_DOUBTFUL_PX = 0.5
# Where less than this share of the frame agrees, the rest is an overlay or a bend contour.
_LEAST_AGREEING = 0.3


class StabilizeSettings(BaseModel):
    """How the motion of the specimen is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["glissile", "tanaka2025", "none"] = Field(
        "glissile",
        title="Method",
        description="glissile: the whole frame, sub-pixel, with its standard error; tanaka2025: one corner, "
        "whole pixels, as in Tanaka et al. 2025; none: the specimen is taken to stand still",
    )
    find_overlay: bool = Field(
        True,
        title="Leave out clock and scale bar",
        description="Find what is drawn over the frames, and leave it out",
    )


def estimate_motion(
    video: Video, settings: StabilizeSettings, regions: Regions | None = None
) -> Steps[Motion]:
    """Find the motion of the specimen.

    The method `glissile` reads the video twice (three times with an anchor), in order; up to 192 frames and
    the sums of three times 96 frames are in memory at a time, and about 0.6 kB for every frame of the video.

    Parameters
    ----------
    video : Video
        Frames of any dtype.
    settings : StabilizeSettings
        Method and its parameters.
    regions : Regions, optional
        What to leave out or to hold on to, on the pixels of `video`; the methods `tanaka2025` and `none` take
        no notice of it.

    Yields
    ------
    Step
        One per frame read, with the frame's index along t.

    Returns
    -------
    Motion
        Its first displacement is (0, 0).
    """
    provenance = (f"motion estimated by {settings.method} from {video.name}",)
    if settings.method == "none":
        yield Step(len(video), len(video), "Taking the specimen to stand still")
        return Motion.still(video.frame_numbers, provenance)
    if settings.method == "tanaka2025":
        return (yield from _single_corner(video, provenance))
    found = yield from whole_frames(_Read(video), settings, regions)
    return replace(found, frame_numbers=video.frame_numbers, provenance=provenance)


class Frames(Protocol):
    """Frames that are read one by one: an array (t, y, x), or a video."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(t, y, x)."""

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Grey values (y, x) of frame `index`."""


@dataclass(frozen=True, eq=False)
class _Read:
    """The frames of a video, each read when it is asked for."""

    video: Video

    @property
    def shape(self) -> tuple[int, ...]:
        return self.video.shape

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.video.frame(index)


def _counted(count: int, message: str, number: int, of: int) -> Generator[Step, None, None]:
    """Count the frames of a video that is gone through, after `number` times, of `of` times in all."""
    for index in range(count):
        text = f"{message}, frame {index + 1} of {count}"
        yield Step(number * count + index + 1, of * count, text, frame=index)


def _single_corner(video: Video, provenance: tuple[str, ...]) -> Steps[Motion]:
    # Loaded here, as all that needs OpenCV.
    from glissile.stabilize.single_corner import CornerTracker

    tracker = CornerTracker()
    for step in _counted(len(video), "Following one corner", 0, 1):
        assert step.frame is not None
        tracker.add(video.frame(step.frame))
        yield step
    shifts, flags = tracker.shifts_px, tuple(tracker.flags)
    return Motion(shifts, np.full(len(video), np.nan), flags, video.frame_numbers, provenance)


def whole_frames(
    frames: Frames, settings: StabilizeSettings, regions: Regions | None = None
) -> Steps[Motion]:
    """Find the motion of the specimen by the method `glissile`; as `estimate_motion`, on any frames.

    Parameters
    ----------
    frames : array, shape (t, y, x), or what is indexed like one
        Grey values; asked for one by one and in order, once per pass.
    settings : StabilizeSettings
        Its method is taken as given.
    regions : Regions, optional
        What to leave out or to hold on to.

    Yields
    ------
    Step
        One per frame read.

    Returns
    -------
    Motion
        Of frames numbered from 0.
    """
    from glissile.stabilize.refinement import Refiner
    from glissile.stabilize.survey import Anchor

    count, height, width = frames.shape
    shape = (height, width)
    regions = Regions(np.zeros(shape, np.uint8)) if regions is None else regions
    marked = regions.anchor
    passes = 2 if marked is None else 3
    survey = yield from _surveyed(frames, settings, regions, None, passes)
    anchor = None
    if marked is not None:
        guide = _filled(survey.positions_px)
        anchor = Anchor(marked, guide - guide[regions.anchor_index])
        survey = yield from _surveyed(frames, settings, regions, anchor, passes)
        anchor = Anchor(
            marked, _filled(survey.positions_px) - _filled(survey.positions_px)[regions.anchor_index]
        )
    refiner = Refiner(shape, survey, regions.ignored(survey.overlay), anchor)
    for step in _counted(count, "Refining motion", passes - 1, passes):
        assert step.frame is not None
        refiner.add(step.frame, frames[step.frame])
        yield step
    refined = refiner.refined()
    return _motion(shape, survey, refined)


def _surveyed(
    frames: Frames, settings: StabilizeSettings, regions: Regions, anchor: "Anchor | None", passes: int
) -> Steps["Survey"]:
    from glissile.stabilize.refinement import LEAST_FRAMES
    from glissile.stabilize.survey import BLOCK_FRAMES, Surveyor

    count, height, width = frames.shape
    surveyor = Surveyor(
        (height, width), regions, find_overlay=settings.find_overlay, anchor=anchor, fine=count < LEAST_FRAMES
    )
    held = []
    message = "Estimating motion" if anchor is None else "Following the anchor"
    for step in _counted(count, message, 0 if anchor is None else 1, passes):
        assert step.frame is not None
        held.append(frames[step.frame])
        if len(held) == BLOCK_FRAMES or step.frame == count - 1:
            surveyor.add(held)
            held = []
        yield step
    return surveyor.survey()


def _filled(positions_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions (t, 2), with straight lines across those that are NaN; zero where all are."""
    frames = np.arange(len(positions_px))
    known = np.flatnonzero(np.isfinite(positions_px[:, 0]))
    if not len(known):
        return np.zeros_like(positions_px)
    return np.stack([np.interp(frames, known, positions_px[known, axis]) for axis in (0, 1)], axis=1)


def _motion(shape: tuple[int, int], survey: "Survey", refined: "Refined") -> Motion:
    """Put the views behind each other, fill what was not measured, and flag what needs a look."""
    count = len(survey.views)
    numbers = np.arange(count)
    unknown = 0.5 * min(shape)
    measured = np.flatnonzero(survey.views >= 0)
    if not len(measured):
        none_measured: list[Flag] = ["few features"] * count
        still = np.zeros((count, 2))
        return Motion(still, np.full(count, unknown), tuple(none_measured), numbers)
    position, cuts = _joined(refined.positions_px, survey.views, measured)
    view = survey.views[measured]
    main = np.bincount(view).argmax()
    told = np.sqrt(
        _SIGMA_FLOOR_PX**2
        + np.square(_SIGMA_FACTOR * np.nan_to_num(refined.sigma_px[measured]))
        + np.square(survey.sigma_px[measured])
    )
    sigma = np.full(count, np.nan)
    # How the views lie to each other nobody knows.
    sigma[measured] = np.where(view == main, np.minimum(told, unknown), unknown)
    lost = np.isnan(sigma)
    filled = _filled(position)
    sigma = np.where(lost, _sigma_between(position, sigma, measured, unknown), sigma)
    step = np.zeros(count)
    step[measured[1:]] = np.linalg.norm(np.diff(position[measured], axis=0), axis=1)
    flags: list[Flag] = []
    for k in range(count):
        if lost[k]:
            flags.append("interpolated")
        elif k in cuts or step[k] > _JUMP_PX:
            flags.append("jump")
        elif sigma[k] > _DOUBTFUL_PX and survey.views[k] == main:
            flags.append("few features")
        elif refined.agreeing[k] < _LEAST_AGREEING:
            flags.append("overlay")
        else:
            flags.append("")
    # A frame that was not measured belongs to the view before it, the first ones to the view behind them.
    nearest = np.maximum(np.searchsorted(measured, numbers, side="right") - 1, 0)
    return Motion(
        filled - filled[0],
        sigma,
        tuple(flags),
        numbers,
        overlay=survey.overlay,
        distortion=survey.distortion,
        views=view[nearest],
    )


def _joined(
    positions_px: NDArray[np.float64], views: NDArray[np.int64], measured: NDArray[np.int64]
) -> tuple[NDArray[np.float64], set[int]]:
    """Positions of which each view begins where the one before it ended, and where views begin."""
    position = positions_px.copy()
    cuts: set[int] = set()
    placed = {int(views[measured[0]])}
    for before, after in pairwise(measured.tolist()):
        view = int(views[after])
        if view != views[before]:
            cuts.add(after)
        if view not in placed:
            # Where the specimen went in between, nothing tells: it is taken to have stayed.
            members = views == view
            position[members] += position[before] - position[after]
            placed.add(view)
    return position, cuts


def _sigma_between(
    position: NDArray[np.float64],
    sigma: NDArray[np.float64],
    measured: NDArray[np.int64],
    unknown: float,
) -> NDArray[np.float64]:
    """Tell standard errors (t,) of frames between measured ones: the specimen may be anywhere near."""
    frames = np.arange(len(sigma))
    after = measured[np.minimum(np.searchsorted(measured, frames), len(measured) - 1)]
    before = measured[np.maximum(np.searchsorted(measured, frames, side="right") - 1, 0)]
    gap = np.linalg.norm(position[after] - position[before], axis=1)
    doubt = np.maximum(sigma[after], sigma[before])
    # Beyond the last known position the specimen may drift away and never come back.
    away = np.where(
        after == before,
        np.abs(frames - after),
        np.sqrt(np.maximum(np.minimum(after - frames, frames - before), 0)),
    )
    return np.asarray(np.minimum(np.hypot(doubt, 1.0 + 0.5 * gap + 0.5 * away), unknown))
