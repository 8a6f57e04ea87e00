"""Where a label and a trained network disagree: lines that were perhaps missed, or drawn by mistake."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.defects import DefectClass
from glissile.learn.agreement import grown
from glissile.learn.length import line_length_px

Kind = Literal["unlabelled", "unseen", "other class"]
S = TypeVar("S", bound=np.generic)
# Of an object, as much must lie along another class for it to count as a confusion of the two.
_MOSTLY = 0.5
# So many times the tolerance around an object of another class, what is found there is the same object.
_BESIDE = 3


class SuspectSettings(BaseModel):
    """What counts as a disagreement of label and network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance_px: int = Field(
        2,
        ge=0,
        le=20,
        title="Tolerance (px)",
        description="Label and network may lie so far apart and agree all the same",
    )
    least_length_px: float = Field(
        10, ge=0, le=10_000, title="Shortest (px)", description="Shorter disagreements are not listed"
    )


@dataclass(frozen=True)
class Suspect:
    """An object on which a label and the network disagree.

    Attributes
    ----------
    index : int
        Frame, along t of the working video.
    frame_number : int
        Its number in the source.
    learned : bool
        Whether the network has learned from this frame; such a label it may have come to believe.
    kind : str
        "unlabelled": found by the network, not labelled; "unseen": labelled, not found; "other class":
        labelled as one class, found as another.
    value : int
        Class that is labelled, or of an unlabelled object the one that was found.
    other : int, optional
        Class that was found instead; None but for "other class".
    centre : tuple of int
        (y, x) of the pixel of the object that is nearest to its middle, in pixels of the working video.
    box : tuple of int
        Top, left, bottom, right (both exclusive), in pixels of the working video.
    length_px : float
        Of its centre line.
    area_px : int
        Its pixels.
    doubt : float
        Mean probability against the label, 0 to 1.
    label : int
        Fingerprint of the label in the box.
    """

    index: int
    frame_number: int
    learned: bool
    kind: Kind
    value: int
    other: int | None
    centre: tuple[int, int]
    box: tuple[int, int, int, int]
    length_px: float
    area_px: int
    doubt: float
    label: int

    @property
    def weight(self) -> float:
        """How much it matters, in pixels: its length as far as the network is sure of it."""
        return self.length_px * self.doubt

    def told(self, names: Mapping[int, str]) -> str:
        """Say what is doubtful: "dislocation not labelled"; `names` are those of the classes, by value."""
        name, other = (names.get(v, f"class {v}") for v in (self.value, self.other or self.value))
        return {
            "unlabelled": f"{name} not labelled",
            "unseen": f"{name} not found",
            "other class": f"{name} found as {other}",
        }[self.kind]


class _Object(NamedTuple):
    """Pixels of an object, and where in the frame they lie."""

    pixels: NDArray[np.bool_]  # (y, x) of the box
    box: tuple[int, int, int, int]

    def of(self, image: NDArray[S]) -> NDArray[S]:
        """Values of `image` (y, x) at the pixels."""
        return image[self.place][self.pixels]

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        top, left, bottom, right = self.box
        return slice(top, bottom), slice(left, right)


def suspects(
    label: NDArray[np.integer],
    shares: NDArray[np.floating],
    classes: Sequence[DefectClass],
    *,
    index: int,
    frame_number: int,
    learned: bool,
    settings: SuspectSettings,
) -> tuple[Suspect, ...]:
    """Find where the label of a frame and the network disagree.

    Parameters
    ----------
    label : ndarray of int, shape (y, x)
        Class values. Values that are none of `classes` are passed over: the network does not know them.
    shares : ndarray of float, shape (classes + 1, y, x)
        Probability of each class, background first; NaN where the frame shows nothing.
    classes : sequence of DefectClass
        What the network finds, in the order of `shares`.
    index, frame_number : int
        Of the frame, as of `Suspect`.
    learned : bool
        Whether the network has learned from the frame.
    settings : SuspectSettings
        Tolerance and shortest length.

    Returns
    -------
    tuple of Suspect
        The worst first.
    """
    known = np.nan_to_num(shares)
    winners = known.argmax(axis=0)
    tolerance = settings.tolerance_px
    labelled = [label == defect.value for defect in classes]
    found = [winners == k for k in range(1, len(classes) + 1)]
    near_found = [grown(mask, tolerance) for mask in found]
    told = [np.zeros(label.shape, bool) for _ in classes]  # objects found as the class, labelled as another

    def suspect(
        kind: Kind, of: int, other: int | None, one: _Object, against: NDArray[np.floating]
    ) -> Suspect:
        return Suspect(
            index=index,
            frame_number=frame_number,
            learned=learned,
            kind=kind,
            value=classes[of].value,
            other=None if other is None else classes[other].value,
            centre=_centre(one),
            box=one.box,
            length_px=float(line_length_px(one.pixels)),
            area_px=int(np.count_nonzero(one.pixels)),
            doubt=float(one.of(against).mean()),
            label=fingerprint(label, one.box),
        )

    listed = []
    for k, drawn in enumerate(labelled):
        against = 1 - _largest_near(known[k + 1], tolerance)
        for one in _objects(drawn & ~near_found[k], tolerance):
            other = _mostly_along(one, near_found)
            listed.append(suspect("unseen" if other is None else "other class", k, other, one, against))
            if other is not None:
                told[other][one.place] |= one.pixels
    for k, seen in enumerate(found):
        known_already = grown(labelled[k], tolerance) | grown(told[k], _BESIDE * tolerance)
        missed = _objects(seen & ~known_already, tolerance)
        listed += [suspect("unlabelled", k, None, one, known[k + 1]) for one in missed]
    return ranked(s for s in listed if s.length_px >= settings.least_length_px)


def ranked(found: Iterable[Suspect]) -> tuple[Suspect, ...]:
    """Bring suspects, also of several frames, into their order, the worst first."""
    return tuple(sorted(found, key=lambda s: -s.weight))


def disagreement(found: Iterable[Suspect]) -> dict[int, float]:
    """Sum up the weight of the suspects of each frame, in pixels, by frame number; the worst frame first."""
    sums: dict[int, float] = {}
    for suspect in found:
        sums[suspect.frame_number] = sums.get(suspect.frame_number, 0.0) + suspect.weight
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def fingerprint(label: NDArray[np.integer], box: tuple[int, int, int, int]) -> int:
    """Tell labels (y, x) apart by what is drawn in a box: top, left, bottom, right (both exclusive)."""
    top, left, bottom, right = box
    part = np.ascontiguousarray(label[top:bottom, left:right], dtype=np.uint8)
    return zlib.crc32(part.tobytes(), zlib.crc32(repr(part.shape).encode()))


def overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Shared area of two boxes (top, left, bottom, right) over the area of both together, 0 to 1."""
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0, height) * max(0, width)
    total = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared
    return shared / total if total > 0 else 0.0


def _objects(mask: NDArray[np.bool_], gap_px: int) -> Iterator[_Object]:
    """Give the connected parts of a mask (y, x); parts hardly further apart than `gap_px` are one."""
    import cv2

    joined = grown(mask, gap_px / 2).astype(np.uint8)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    for n in range(1, count):
        left, top, width, height = stats[n, :4].tolist()
        part = slice(top, top + height), slice(left, left + width)
        pixels = mask[part] & (numbers[part] == n)
        y, x = np.nonzero(pixels.any(axis=1))[0], np.nonzero(pixels.any(axis=0))[0]
        tight = pixels[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        yield _Object(tight, (top + int(y[0]), left + int(x[0]), top + int(y[-1]) + 1, left + int(x[-1]) + 1))


def _largest_near(image: NDArray[np.floating], radius_px: int) -> NDArray[np.floating]:
    """Largest value of `image` (y, x) within `radius_px` of each pixel."""
    import cv2

    along = np.arange(-radius_px, radius_px + 1)
    disk = (along[:, None] ** 2 + along**2 <= radius_px**2).astype(np.uint8)
    return np.asarray(cv2.dilate(image.astype(np.float32), disk))


def _mostly_along(one: _Object, near: Sequence[NDArray[np.bool_]]) -> int | None:
    """Give the class that most of an object lies along, if any; `near` are masks (y, x), one per class."""
    share = [float(one.of(mask).mean()) for mask in near]
    most = int(np.argmax(share))
    return most if share[most] >= _MOSTLY else None


def _centre(one: _Object) -> tuple[int, int]:
    at = np.argwhere(one.pixels)
    y, x = at[np.argmin(((at - at.mean(axis=0)) ** 2).sum(axis=1))].tolist()
    return y + one.box[0], x + one.box[1]
