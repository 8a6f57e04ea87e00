"""Video and field of view -> the video in which the specimen stands still: resampling."""

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.stabilize.field_of_view import FieldOfView
from glissile.stabilize.motion import Motion
from glissile.video import Video

# What no frame was recorded for. It is only looked at: measuring, learning and predicting leave it out.
FILL = 0
# Samples on either side that a value between two pixels is made of; docs/decisions/ has the comparison.
_REACH = 3


def restricted(motion: Motion, video: Video) -> Motion:
    """Take the motion of the frames of `video` alone.

    Parameters
    ----------
    motion : Motion
        Estimated on `video`, or on more frames of the same source.
    video : Video
        The frames.

    Returns
    -------
    Motion

    Raises
    ------
    InputError
        If `motion` lacks a frame of `video`.
    """
    missing = np.setdiff1d(video.frame_numbers, motion.frame_numbers)
    if len(missing):
        raise InputError(
            f"{video.name}: the motion of frame {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            + " is not known; run Stabilize again on this range of frames"
        )
    kept = np.searchsorted(motion.frame_numbers, video.frame_numbers)
    return Motion(
        motion.displacements_px[kept],
        motion.sigma_px[kept],
        tuple(motion.flags[k] for k in kept),
        video.frame_numbers,
        motion.provenance,
        views=motion.views[kept],
    )


def fix_field_of_view(video: Video, chosen: FieldOfView) -> Video:
    """Show the chosen field of view in all of its frames.

    Frames are resampled lazily, each on its own, by Lagrange interpolation over 6 x 6 pixels; a shift by
    whole pixels copies values. The first frame of `video` is only cropped. Integers are rounded and stay
    within the range of their frame; in floating-point frames NaN spreads by up to 3 px where a shift is not
    whole. Where a frame is not valid it is 0.

    Parameters
    ----------
    video : Video
        The frames, all of them valid everywhere.
    chosen : FieldOfView
        As `glissile.stabilize.field_of_view.field_of_view` finds it for the motion of `video`.

    Returns
    -------
    Video
        Of the same dtype, with the frames that were chosen. Its pixel (i, j) of frame k samples the source at
        ``origins_px[k] + (i, j)``, where it is valid.

    Raises
    ------
    ValueError
        If `chosen` is of another video, or `video` is not valid everywhere.
    """
    if chosen.of_shape != video.shape or video.valid_px is not None:
        raise ValueError(f"a field of view of {chosen.of_shape} does not go with a video of {video.shape}")
    kept = slice(chosen.frames.start, chosen.frames.stop)
    size = (chosen.rectangle.height, chosen.rectangle.width)
    one_per_chunk = video.frames[kept].rechunk((1, -1, -1))
    frames = da.map_blocks(
        _render_block,
        one_per_chunk,
        starts=chosen.starts_px,
        valid=chosen.valid_px,
        size=size,
        dtype=video.frames.dtype,
        chunks=(one_per_chunk.chunks[0], (size[0],), (size[1],)),
        meta=np.empty((0, 0, 0), video.frames.dtype),
    )
    everywhere = bool((chosen.valid_px == (0, 0, *size)).all())
    return replace(
        video,
        frames=frames,
        times_s=video.times_s[kept],
        frame_numbers=video.frame_numbers[kept],
        origins_px=video.origins_px[kept] + chosen.starts_px,
        valid_px=None if everywhere else chosen.valid_px,
        provenance=(*video.provenance, *chosen.provenance, f"field of view: {chosen.sentence}"),
    )


def _render_block(
    block: NDArray[Any],
    *,
    starts: NDArray[np.float64],
    valid: NDArray[np.int64],
    size: tuple[int, int],
    block_info: dict[int, dict[str, Any]],
) -> NDArray[Any]:
    """One frame (1, y, x) on the canvas of `size`."""
    index = block_info[0]["chunk-location"][0]
    top, left, bottom, right = valid[index].tolist()
    canvas = np.full((1, *size), FILL, block.dtype)
    part = cut(block[0], starts[index] + (top, left), (bottom - top, right - left))
    canvas[0, top:bottom, left:right] = part
    return canvas


def cut(frame: NDArray[Any], start: NDArray[np.float64], size: tuple[int, int]) -> NDArray[Any]:
    """Sample a frame on a grid of whole-pixel spacing that starts anywhere.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey values of any real dtype.
    start : ndarray, shape (2,)
        (y, x) of the first sample in pixels of `frame`; beyond an edge its value is continued.
    size : tuple of int
        (y, x) of the result.

    Returns
    -------
    ndarray, shape `size`
        Of the dtype of `frame`.
    """
    if not np.any(start % 1):
        return _along(_along(frame, start[0], size[0], 0), start[1], size[1], 1)
    precision = np.float64 if frame.dtype.itemsize > 2 and frame.dtype != np.float32 else np.float32
    values = _along(frame.astype(precision), start[0], size[0], 0)
    values = _along(values, start[1], size[1], 1)
    if np.issubdtype(frame.dtype, np.integer):
        # The kernel overshoots at sharp edges; a value the frame does not hold could also wrap around.
        values = np.clip(np.rint(values), frame.min(), frame.max())
    return values.astype(frame.dtype)


def _along(image: NDArray[Any], start: float, size: int, axis: int) -> NDArray[Any]:
    """Resample `image` along one axis; a copy of whole pixels where `start` is whole."""
    first = int(np.floor(start))
    last_index = image.shape[axis] - 1
    if start == first:
        return image.take(np.clip(np.arange(first, first + size), 0, last_index), axis)
    taps = np.arange(1 - _REACH, 1 + _REACH)
    # Lagrange's polynomials: exact for any polynomial of degree 5, so nothing smooth is displaced.
    weights = np.array([np.prod([(start - first - u) / (t - u) for u in taps if u != t]) for t in taps])
    wanted = np.arange(first + taps[0], first + size + taps[-1])
    support = np.moveaxis(image.take(np.clip(wanted, 0, last_index), axis), axis, 0)
    result = np.zeros((size, *support.shape[1:]), image.dtype)
    for offset, weight in enumerate(weights.astype(image.dtype)):
        result += weight * support[offset : offset + size]
    return np.moveaxis(result, 0, axis)
