"""Labels on their way into a file or out of one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.errors import InputError

K = TypeVar("K", str, int)
Mask = NDArray[np.uint8]
# From the value of a class to the width in pixels of lines that a file gives no width of.
Pens = Callable[[int], float]
# What files of ours list their labelled frames under. In a file without it, a frame on which nothing is drawn
# counts as not labelled.
LABELLED = "labelled_frames"

# Larger than any detector; a file that claims more only wants memory.
_MOST_PX = 1 << 28

Size = tuple[int, int]


@dataclass(frozen=True)
class Wanted:
    """What labels are read for.

    Attributes
    ----------
    classes : tuple of DefectClass
        Class table.
    pens : callable
        How wide lines are.
    sizes : frozenset of tuple of int
        Sizes (y, x) that masks may have; empty where any will do.
    """

    classes: tuple[DefectClass, ...]
    pens: Pens
    sizes: frozenset[Size] = frozenset()

    def size(self, height: Any, width: Any, path: Path) -> Size:
        """Size (y, x) of a mask that a file describes.

        Raises
        ------
        InputError
            As `checked_size`, or if masks have other sizes.
        """
        size = checked_size(height, width, path)
        if self.sizes and size not in self.sizes:
            fitting = " or ".join(f"{y} x {x}" for y, x in sorted(self.sizes, reverse=True))
            raise InputError(
                f"{path}: has a mask of {height} x {width} px (height x width), but those of this video have "
                f"{fitting} px; choose labels of this video"
            )
        return size


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Labels of some frames of a video, as they are written.

    Attributes
    ----------
    name : str
        What files are called after.
    shape : tuple of int
        (t, y, x) of the video.
    classes : tuple of DefectClass
        What the mask values mean.
    masks : mapping of int to ndarray of uint8, shape (y, x)
        By frame number, each read when it is asked for; other frames are not labelled.
    nm_per_pixel, seconds_per_frame : float, optional
        Scale of the video.
    images : tuple of str
        File name of each frame, where the video is a folder of images; else empty.
    """

    name: str
    shape: tuple[int, int, int]
    classes: tuple[DefectClass, ...]
    masks: Mapping[int, Mask]
    nm_per_pixel: float | None = None
    seconds_per_frame: float | None = None
    images: tuple[str, ...] = ()

    def image(self, frame: int) -> str:
        """File name of the image of a frame, as the source calls it: else "twip_0050.png"."""
        return self.images[frame] if self.images else f"{self.stem(frame)}.png"

    def stem(self, frame: int) -> str:
        """File stem of a frame: "twip_0050"."""
        return f"{self.name}_{frame_digits(frame, self.shape[0])}"


def frame_digits(frame: int, frames: int) -> str:
    """Write the number of one of so many frames, with zeros in front: "0050"."""
    return f"{frame:0{max(4, len(str(frames - 1)))}d}"


class ReadWhenAsked(Mapping[K, Mask]):
    """Masks (y, x) by name or frame number, each read when it is asked for; only the last one is kept.

    Parameters
    ----------
    readers : mapping to callable
        What reads each mask; the order is kept.
    """

    def __init__(self, readers: Mapping[K, Callable[[], Mask]]) -> None:
        self._readers: dict[K, Callable[[], Mask]] = dict(readers)
        self._last: tuple[K, Mask] | None = None

    def __getitem__(self, key: K) -> Mask:
        last = self._last
        if last is None or last[0] != key:
            self._last = last = (key, self._readers[key]())
        return last[1]

    def __iter__(self) -> Iterator[K]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


def checked_size(height: Any, width: Any, path: Path) -> Size:
    """Size (y, x) of an image that a file describes.

    Raises
    ------
    InputError
        If it is none, or larger than images are.
    """
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (height, width))
    if not whole or not (height > 0 and width > 0 and height * width <= _MOST_PX):
        raise InputError(f"{path}: no image has {height!r:.20} x {width!r:.20} px; export it again")
    return height, width


def composed(
    drawn: Mapping[int, NDArray[np.bool_]], classes: Sequence[DefectClass], shape: tuple[int, int]
) -> Mask:
    """Lay masks of single classes over one another; where two cover a pixel, the first of `classes` wins.

    Parameters
    ----------
    drawn : mapping of int to ndarray of bool, shape (y, x)
        By class value.
    classes : sequence of DefectClass
        Class table.
    shape : tuple of int
        (y, x).

    Returns
    -------
    ndarray of uint8, shape (y, x)
    """
    mask = np.zeros(shape, np.uint8)
    for value in reversed([c.value for c in classes if c.value in drawn]):
        mask[drawn[value]] = value
    return mask
