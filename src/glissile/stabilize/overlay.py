"""Which parts of the frame belong to the detector and not to the specimen: clock, scale bar. Needs OpenCV."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glissile.stabilize.grey_levels import finite

# A pixel is quiet where it changes from one frame to the next by less than this share of the usual change ...
_QUIET_SHARE = 0.15
# ... between at least this share of all pairs of frames.
_OFTEN = 0.7
_LEAST_PAIRS = 6
# The usual change is that of every so many-th pixel along y and x.
_SAMPLED = 6
# Quiet pixels come in strokes of at least this many pixels, and in texts and bars of at least that many.
_LEAST_STROKE_PX, _LEAST_PART_PX = 6, 60
# What they enclose belongs to them if it is smaller than this.
_LEAST_HOLE_PX = 400
# Strokes and changing digits closer than this belong together.
_GAP_PX = 9
_RIM_PX = 7
# What is drawn differs within itself, or from what is around it, by this share of the range of grey values.
_LEAST_CONTRAST = 0.5
# If more of the frame is quiet than this, it is the specimen that does not change.
_MOST = 0.4


class QuietPixels:
    """Finds what is drawn over the frames: it lacks the noise that everything the detector sees has.

    Needs no motion, so a clock is found also while the specimen stands still. What is black or white all the
    time, such as a hole in the foil, is quiet, too, and tells as little about motion.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._quiet: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._pairs = 0
        self._latest: NDArray[np.float32] = np.zeros(shape, np.float32)

    def add(self, frames: Sequence[NDArray[Any]]) -> None:
        """Look at consecutive frames, each of shape (y, x)."""
        if len(frames) < 2:
            return
        changes = [_change(a, b) for a, b in pairwise(frames)]
        # A frame stored twice tells nothing.
        changes = [change for change in changes if change[::_SAMPLED, ::_SAMPLED].any()]
        if not changes:
            return
        sample = np.stack([change[::_SAMPLED, ::_SAMPLED] for change in changes])
        known = sample if sample.dtype.kind == "u" else sample[np.isfinite(sample)]
        if not known.size:
            return
        usual = float(np.median(known)) or float(known.mean())
        self._latest = finite(frames[-1])
        for change in changes:
            least = change.dtype.type(_QUIET_SHARE * usual)
            cv2.accumulate((change <= least).view(np.uint8), self._quiet)
        self._pairs += len(changes)

    def mask(self) -> NDArray[np.bool_] | None:
        """Tell what is drawn over the frames, with a rim, as a mask (y, x); None where nothing is."""
        if self._pairs < _LEAST_PAIRS:
            return None
        quiet = (self._quiet >= _OFTEN * self._pairs).astype(np.uint8)
        if not quiet.any():
            return None
        strokes = _large_parts(quiet, _LEAST_STROKE_PX)
        if not strokes.any():
            return None
        # The rim of the frame continues outwards: closing from there would eat into what lies at the edge.
        padded = cv2.copyMakeBorder(strokes, _GAP_PX, _GAP_PX, _GAP_PX, _GAP_PX, cv2.BORDER_REPLICATE)
        closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((_GAP_PX, _GAP_PX), np.uint8))
        parts = _large_parts(np.ascontiguousarray(closed[_GAP_PX:-_GAP_PX, _GAP_PX:-_GAP_PX]), _LEAST_PART_PX)
        if not parts.any():
            return None
        rimmed = self._drawn(cv2.dilate(parts, np.ones((_RIM_PX, _RIM_PX), np.uint8)))
        if not rimmed.any():
            return None
        # The digit of a clock that changes with every frame lies among those that do not.
        mask: NDArray[np.bool_] = _large_parts(1 - rimmed, _LEAST_HOLE_PX) == 0
        return mask if 0 < mask.mean() <= _MOST else None

    def _drawn(self, parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Keep those of the connected `parts` that stand out, as what is drawn to be read does.

        What compression has smoothed away, in dark places above all, is quiet, too.
        """
        smooth = cv2.blur(self._latest, (3, 3))
        low, high = np.percentile(smooth[::2, ::2], [1, 99])
        count, labels = cv2.connectedComponents(parts)
        inside = labels > 0
        values, whose, numbers = smooth[inside], labels[inside], np.arange(1, count)
        spread = ndimage.maximum(values, whose, numbers) - ndimage.minimum(values, whose, numbers)
        stands_out = np.zeros(count, bool)
        stands_out[1:] = spread >= _LEAST_CONTRAST * (high - low)
        return np.asarray(stands_out[labels], np.uint8)


def _change(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
    """Absolute difference of two frames (y, x) of one dtype; not a number where either is not."""
    if before.dtype in (np.uint8, np.uint16):
        change: NDArray[Any] = cv2.absdiff(before, after)
        return change
    with np.errstate(invalid="ignore"):
        return np.abs(after.astype(np.float64) - before.astype(np.float64))


def _large_parts(image: NDArray[np.uint8], least_px: int) -> NDArray[np.uint8]:
    """Keep the connected parts of `image` that have at least `least_px` pixels."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(image)
    large = statistics[:, cv2.CC_STAT_AREA] >= least_px
    large[0] = False
    return np.asarray(large[labels], np.uint8)
