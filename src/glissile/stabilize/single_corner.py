"""The stabilization of Tanaka et al. 2025, for reproduction. Imports OpenCV; import this lazily."""

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from glissile.stabilize.motion import Flag

_LK_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)


class CornerTracker:
    """Takes the frames of a video one by one and follows the strongest corner of the first.

    Lucas-Kanade from each frame to the next; the shift is cut to whole pixels. Errors add up along the
    video and are not told.

    Attributes
    ----------
    flags : list of str
        Per frame, "few features" where there was no corner or it was lost.
    """

    def __init__(self) -> None:
        self._range: tuple[float, float] | None = None
        self._before: NDArray[np.uint8] | None = None
        self._start: NDArray[np.float32] | None = None
        self._corner: NDArray[np.float32] | None = None
        self._shifts: list[NDArray[np.float64]] = []
        self.flags: list[Flag] = []

    def add(self, frame: NDArray[Any]) -> None:
        """Take the next frame, (y, x)."""
        image = self._grey(frame)
        if self._corner is None or self._before is None:
            found = cv2.goodFeaturesToTrack(
                image, maxCorners=10, qualityLevel=0.3, minDistance=7, blockSize=7
            )
            if found is not None:
                self._start = self._corner = found[:1]
            tracked = found is not None
        else:
            there, found, _ = cv2.calcOpticalFlowPyrLK(
                self._before, image, self._corner, None, winSize=(20, 20), maxLevel=2, criteria=_LK_STOP
            )
            tracked = there is not None and bool(found[0, 0]) and bool(np.isfinite(there).all())
            if tracked:
                self._corner = there
        self._before = image
        if self._corner is None or self._start is None:
            self._shifts.append(np.zeros(2))
        else:
            self._shifts.append(np.trunc((self._corner - self._start).ravel()[::-1].astype(np.float64)))
        self.flags.append("" if tracked else "few features")

    @property
    def shifts_px(self) -> NDArray[np.float64]:
        """(dy, dx) of the corner since the first frame, pixels; shape (t, 2)."""
        shifts = np.array(self._shifts)
        return np.asarray(shifts - shifts[0] + 0.0)

    def _grey(self, frame: NDArray[Any]) -> NDArray[np.uint8]:
        """8-bit grey values; other dtypes are scaled by the range of the first frame that has one."""
        if frame.dtype == np.uint8:
            return frame
        values = np.nan_to_num(frame.astype(np.float64), posinf=0, neginf=0)
        if self._range is None:
            low, high = float(values.min()), float(values.max())
            if low == high:
                return np.zeros(frame.shape, np.uint8)
            self._range = low, high
        low, high = self._range
        return np.asarray(np.clip((values - low) / (high - low) * 255, 0, 255).round().astype(np.uint8))
