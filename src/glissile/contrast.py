"""Which grey values of a video are shown as black and as white."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.video import Video

_PERCENTILES = (0.1, 99.9)
_FRAMES = 12


def video_contrast(video: Video, *, frames: int = _FRAMES) -> tuple[float, float]:
    """Contrast limits, the same for a whole video so that it does not flicker.

    Parameters
    ----------
    video : Video
        What will be shown.
    frames : int
        So many of its frames, evenly spread, are read, each where it is valid.

    Returns
    -------
    tuple of float
        As `contrast_limits`.
    """
    indices = np.unique(np.linspace(0, len(video) - 1, frames).round().astype(int))
    return contrast_limits(video.frame(int(i))[video.valid_part(int(i))] for i in indices)


def contrast_limits(frames: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """Grey values to show as black and white.

    Parameters
    ----------
    frames : iterable of ndarray, each of shape (y, x)
        Grey values of any type.

    Returns
    -------
    tuple of float
        The 0.1 and 99.9 percentiles of the finite values, the second raised by 1 where they are equal;
        0 and 1 where there is none.
    """
    values = np.concatenate([frame.ravel() for frame in frames])
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, _PERCENTILES))
    return (low, high) if high > low else (low, max(low + 1, float(np.nextafter(low, np.inf))))


def stretched(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Bring the grey values of a frame to one range, whatever their type.

    Parameters
    ----------
    frame : ndarray of any number type, shape (y, x)
        Grey values.

    Returns
    -------
    ndarray of float32, shape (y, x)
        The `contrast_limits` at 0 and 255, values beyond them not cut off; 0 where there is no finite number.
    """
    low, high = contrast_limits([frame])
    grey = frame.astype(np.float32)
    return np.where(np.isfinite(grey), (grey - np.float32(low)) * np.float32(255 / (high - low)), 0)
