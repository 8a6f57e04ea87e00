"""Motion -> what of the specimen is shown: a value to look at before it is applied."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError
from glissile.stabilize.motion import Motion
from glissile.stabilize.runs import fewest_runs, hull, intersection, most_shown

Kind = Literal["common", "union", "range", "segments"]

# Of the area of a frame: what a field of view that all frames share should keep.
ENOUGH = 0.6
# Less than this in height or width is no field of view.
_LEAST_PX = 16
# A canvas of more areas of a frame is made by a displacement that is wrong, and may not fit into memory.
_LARGEST_CANVAS = 4
# Displacements beyond this leave any frame; whole numbers up to here are exact.
_FAR_PX = 1e9


class FieldOfViewSettings(BaseModel):
    """What of the specimen is shown once its motion is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["automatic", "common", "union", "range", "segments"] = Field(
        "automatic",
        title="Field of view",
        description="common: the area that all frames show; union: a canvas that holds every frame, of "
        "which a frame is measured where it has data; range: the run of frames with the largest common area "
        "times duration; segments: runs of frames, each with its common area, on one canvas; automatic: "
        "common where it keeps 60 % of the frame, else union; segments after a cut to another view",
    )


@dataclass(frozen=True)
class Rectangle:
    """A part of a frame, or of the plane around it, in whole pixels.

    Attributes
    ----------
    top, left : int
        First row and column; negative above and left of the frame.
    height, width : int
        Rows and columns.
    """

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """What of the specimen is shown: chosen, not yet applied.

    Attributes
    ----------
    kind : str
        "common", "union", "range" or "segments".
    rectangle : Rectangle
        What is shown, in pixels of the first frame of the motion.
    segments : tuple of range
        Runs of the frames that are kept, as indices along t, one after the other. Of one segment all frames
        show the same area, except for "union".
    starts_px : ndarray of float, shape (n, 2)
        (y, x) of the first pixel of `rectangle` in each kept frame: there it is to be drawn over this frame.
    valid_px : ndarray of int, shape (n, 4)
        Top, left, bottom and right (both exclusive), in pixels of `rectangle`, of what each kept frame has
        data for and is measured in.
    frame_numbers : ndarray of int, shape (n,)
        Number in the source of each kept frame.
    of_shape : tuple of int
        (t, y, x) of the video that it was chosen for.
    provenance : tuple of str
        How the motion was found.
    remark : str
        Why it is not the kind that was asked for, a sentence; empty where it is.
    """

    kind: Kind
    rectangle: Rectangle
    segments: tuple[range, ...]
    starts_px: NDArray[np.float64]
    valid_px: NDArray[np.int64]
    frame_numbers: NDArray[np.int64]
    of_shape: tuple[int, int, int]
    provenance: tuple[str, ...] = ()
    remark: str = ""

    @property
    def frames(self) -> range:
        """Indices along t of the frames that are kept."""
        return range(self.segments[0].start, self.segments[-1].stop)

    @property
    def valid_areas_px(self) -> NDArray[np.int64]:
        """Pixels that are valid in each kept frame, shape (n,)."""
        top, left, bottom, right = self.valid_px.T
        return np.asarray((bottom - top) * (right - left))

    @property
    def share_kept(self) -> float:
        """Share of the area of a frame that is measured, 0 to 1, in that kept frame where it is least."""
        _, y, x = self.of_shape
        return float(self.valid_areas_px.min() / (y * x))

    @property
    def share_of_frames(self) -> float:
        """Share of the frames that are kept, above 0 to 1."""
        return len(self.frames) / self.of_shape[0]

    @property
    def sentence(self) -> str:
        """What is shown, for a person: "All frames show the same 84 % of the frame, 330 x 337 px"."""
        return f"{self._shown}. {self.remark}" if self.remark else self._shown

    @property
    def _shown(self) -> str:
        total, y, x = self.of_shape
        size = f"{self.rectangle.width} x {self.rectangle.height} px"
        shares = self.valid_areas_px / (y * x)
        if self.kind == "union":
            covered = _percent(self.valid_areas_px / (self.rectangle.height * self.rectangle.width))
            return f"A canvas of {size} holds all frames; a frame covers {covered} of it"
        if len(self.segments) > 1:
            begins = [int(self.frame_numbers[s.start - self.frames.start]) for s in self.segments[1:]]
            named = f"{'frame' if len(begins) == 1 else 'frames'} {', '.join(map(str, begins[:5]))}"
            more = "" if len(begins) <= 5 else f" and {len(begins) - 5} more"
            return (
                f"{len(self.segments)} segments, cut before {named}{more}, on one canvas of {size}; the "
                f"frames of a segment show the same {_percent(shares)} of the frame"
            )
        same = f"show the same {_percent(shares)} of the frame, {size}"
        if len(self.frames) == total:
            return f"All frames {same}"
        first, last = self.frame_numbers[[0, -1]].tolist()
        return f"Frames {first} to {last}, {len(self.frames)} of {total}, {same}; the others are left out"


def _percent(shares: NDArray[np.float64]) -> str:
    low, high = f"{100 * shares.min():.0f}", f"{100 * shares.max():.0f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


def field_of_view(
    motion: Motion, shape: tuple[int, int], settings: FieldOfViewSettings | None = None
) -> FieldOfView:
    """Choose what of the specimen is shown.

    Parameters
    ----------
    motion : Motion
        Where the specimen went, of the very frames that are to be shown.
    shape : tuple of int
        (y, x) of the frames.
    settings : FieldOfViewSettings, optional
        Kind of the field of view. Default: automatic, which is segments where nobody knows how some frames
        lie to those before, else common where that keeps at least 60 % of the area of the frame, else union;
        where their canvas is refused, range.

    Returns
    -------
    FieldOfView

    Raises
    ------
    InputError
        Unless it is automatic or "range": if less than 16 px in height or width are common to all frames, or
        the canvas is larger than four frames.
    """
    kind = "automatic" if settings is None else settings.kind
    if kind != "automatic":
        return _MAKERS[kind](motion, shape)
    wanted: tuple[Kind, ...] = ("segments",) if _unrelated(motion).any() else ("common", "union")
    for found in fields_of_view(motion, shape, wanted).values():
        if isinstance(found, FieldOfView) and (found.kind != "common" or found.share_kept >= ENOUGH):
            return found
    return _range(motion, shape)


def fields_of_view(
    motion: Motion, shape: tuple[int, int], kinds: tuple[Kind, ...] = get_args(Kind)
) -> Mapping[Kind, FieldOfView | str]:
    """Compare kinds of the field of view.

    Parameters
    ----------
    motion, shape
        As of `field_of_view`.
    kinds : tuple of str
        Those to compare.

    Returns
    -------
    mapping of str to FieldOfView or str
        By kind; where it is not possible, the sentence that says why.
    """
    found: dict[Kind, FieldOfView | str] = {}
    for kind in kinds:
        try:
            found[kind] = _MAKERS[kind](motion, shape)
        except InputError as error:
            found[kind] = str(error)
    return found


def common_area(motion: Motion, shape: tuple[int, int]) -> Rectangle:
    """Find the largest area of the specimen that lies inside the frame all the time.

    Parameters
    ----------
    motion : Motion
        Where the specimen went.
    shape : tuple of int
        (y, x) of the frames.

    Returns
    -------
    Rectangle
        In pixels of the first frame. Moved by any displacement of `motion` it still lies in the frame.

    Raises
    ------
    InputError
        If it would be less than 16 px high or wide (or smaller than the frame, where that is smaller).
    """
    box = intersection(_boxes(motion, shape))
    for axis, name in ((0, "height"), (1, "width")):
        size, length = int(box[2 + axis] - box[axis]), shape[axis]
        if size < min(_LEAST_PX, length):
            low, high, apart = _farthest(motion, axis)
            raise InputError(
                f"Frames {low} and {high} lie {apart:.0f} px apart, so that of {length} px {name} "
                f"only {max(0, size)} px are seen in all frames; trim the range of frames so that one of the "
                "two is left out, correct their motion, or choose another kind of field of view"
            )
    return _rectangle(box)


def _boxes(motion: Motion, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Boxes (t, 4) that each frame has data for: pixels whose sample lies on the frame, not beside it."""
    since_first = _since_first(motion).clip(-_FAR_PX, _FAR_PX)
    first = np.ceil(-since_first)
    last = np.floor(np.array(shape) - 1 - since_first)
    return np.concatenate([first, last + 1], axis=1).astype(np.int64)


def _since_first(motion: Motion) -> NDArray[np.float64]:
    return np.asarray(motion.displacements_px - motion.displacements_px[0])


def _rectangle(box: NDArray[np.int64]) -> Rectangle:
    top, left, bottom, right = box.tolist()
    return Rectangle(top, left, bottom - top, right - left)


def _farthest(motion: Motion, axis: int) -> tuple[int, int, float]:
    """Numbers of the two frames that lie farthest apart along an axis, and how far in pixels."""
    along = _since_first(motion)[:, axis]
    low, high = sorted(motion.frame_numbers[[along.argmin(), along.argmax()]].tolist())
    return low, high, float(np.ptp(along))


def _common(motion: Motion, shape: tuple[int, int]) -> FieldOfView:
    area = common_area(motion, shape)
    box = (area.top, area.left, area.top + area.height, area.left + area.width)
    return _chosen("common", motion, shape, (range(len(motion)),), np.array([box]))


def _union(motion: Motion, shape: tuple[int, int]) -> FieldOfView:
    return _chosen("union", motion, shape, (range(len(motion)),), _boxes(motion, shape))


def _range(motion: Motion, shape: tuple[int, int]) -> FieldOfView:
    boxes = _boxes(motion, shape)
    least = (min(_LEAST_PX, shape[0]), min(_LEAST_PX, shape[1]))
    best = most_shown(boxes, _unrelated(motion), least_px=least)
    return _chosen("range", motion, shape, (best,), intersection(boxes[best.start : best.stop])[None])


def _segments(motion: Motion, shape: tuple[int, int]) -> FieldOfView:
    boxes = _boxes(motion, shape)
    segments = fewest_runs(boxes, _unrelated(motion), least_area_px=ENOUGH * shape[0] * shape[1])
    shared = [intersection(boxes[s.start : s.stop]) for s in segments]
    valid = np.repeat(shared, [len(s) for s in segments], axis=0)
    return _chosen("segments", motion, shape, segments, valid)


def _unrelated(motion: Motion) -> NDArray[np.bool_]:
    """Frames of which nobody knows how they lie to the one before."""
    return np.concatenate([[False], motion.views[1:] != motion.views[:-1]])


def _chosen(
    kind: Kind,
    motion: Motion,
    shape: tuple[int, int],
    segments: tuple[range, ...],
    valid: NDArray[np.int64],
) -> FieldOfView:
    """Field of view on the canvas that holds the boxes `valid`, one per kept frame or one for all."""
    rectangle = _rectangle(hull(valid))
    if rectangle.height * rectangle.width > _LARGEST_CANVAS * shape[0] * shape[1]:
        axis = int(rectangle.width / shape[1] > rectangle.height / shape[0])
        low, high, apart = _farthest(motion, axis)
        raise InputError(
            f"Frames {low} and {high} lie {apart:.0f} px apart, so that a canvas for both would have "
            f"{rectangle.width} x {rectangle.height} px, more than {_LARGEST_CANVAS} times the area of a "
            "frame; trim the range of frames so that one of the two is left out, correct their motion, or "
            "choose the kind range"
        )
    corner = np.array([rectangle.top, rectangle.left])
    kept = slice(segments[0].start, segments[-1].stop)
    starts = _since_first(motion)[kept] + corner
    return FieldOfView(
        kind=kind,
        rectangle=rectangle,
        segments=segments,
        starts_px=starts,
        valid_px=np.broadcast_to(valid - np.tile(corner, 2), (len(starts), 4)),
        frame_numbers=motion.frame_numbers[kept],
        of_shape=(len(motion), *shape),
        provenance=motion.provenance,
    )


_MAKERS: Mapping[Kind, Callable[[Motion, tuple[int, int]], FieldOfView]] = {
    "common": _common,
    "union": _union,
    "range": _range,
    "segments": _segments,
}
