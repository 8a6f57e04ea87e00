"""Uneven illumination and changing gain taken out of a video, for the eye; nothing is written."""

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from glissile.flat_field import evened
from glissile.video import Video

_MEAN_OF_FRAMES = 12


def mean_grey(video: Video) -> float:
    """Mean grey value of a dozen frames that are spread over `video`; 0 where there is no number."""
    indices = np.unique(np.linspace(0, len(video) - 1, _MEAN_OF_FRAMES).round().astype(int))
    sums, count = 0.0, 0
    for index in indices:
        values = video.frame(int(index))
        finite = values[np.isfinite(values)]
        sums, count = sums + float(finite.sum(dtype=np.float64)), count + finite.size
    return sums / count if count else 0.0


def flattened(video: Video, mean: float | None = None) -> Video:
    """Divide every frame by its own illumination, so that it is evenly bright and no frame brighter.

    The illumination is a plane that is fitted around every point with Gaussian weights, their sigma an eighth
    of the frame's shorter edge; unlike a Gaussian blur it is right up to the edges. What is about as large as
    that, such as a bend contour, fades: look at it, but measure nothing on it.

    Parameters
    ----------
    video : Video
        Grey values that are proportional to the intensity.
    mean : float, optional
        Mean grey value that all frames get. Default: that of the video, for which some frames are read now.

    Returns
    -------
    Video
        Lazy, of the same dtype; integers are rounded and kept within its range, NaN stays NaN.
    """
    wanted = mean_grey(video) if mean is None else mean
    one_per_chunk = video.frames.rechunk((1, -1, -1))
    frames = da.map_blocks(
        _flat_block,
        one_per_chunk,
        mean=wanted,
        dtype=video.frames.dtype,
        meta=np.empty((0, 0, 0), video.frames.dtype),
    )
    note = f"illumination flattened to a mean grey value of {wanted:.4g}"
    return replace(video, frames=frames, provenance=(*video.provenance, note))


def _flat_block(block: NDArray[Any], *, mean: float) -> NDArray[Any]:
    return evened(block[0], mean)[None]
