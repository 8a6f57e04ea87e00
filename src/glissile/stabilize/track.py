"""What a tracker hands over when it has seen all frames."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glissile.stabilize.motion import Flag


@dataclass(frozen=True, eq=False)
class Track:
    """Where the specimen went.

    Attributes
    ----------
    displacements_px : ndarray, shape (t, 2)
        (dy, dx) since the first frame.
    sigma_px : ndarray, shape (t,)
        Standard error per axis; NaN where the method tells none.
    flags : tuple of str
        One per frame.
    """

    displacements_px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]
    flags: tuple[Flag, ...]


class Tracker(Protocol):
    """Takes the frames of a video one by one."""

    def add(self, frame: NDArray[Any]) -> None:
        """Take the next frame, (y, x)."""

    def track(self) -> Track:
        """Tell the motion over all frames taken so far."""
