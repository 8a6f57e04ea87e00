"""Video and motion -> the video of one area of the specimen that all frames show."""

from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.stabilize.motion import Motion
from glissile.video import Video

# Less than this in height or width is no field of view.
_LEAST_PX = 16
# Samples on either side that a value between two pixels is made of; docs/decisions/ has the comparison.
_REACH = 3


@dataclass(frozen=True)
class Rectangle:
    """A part of a frame, in whole pixels.

    Attributes
    ----------
    top, left : int
        First row and column.
    height, width : int
        Rows and columns.
    """

    top: int
    left: int
    height: int
    width: int


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
    since_first = motion.displacements_px - motion.displacements_px[0]
    starts, sizes = [], []
    for axis, name in ((0, "height"), (1, "width")):
        along, length = since_first[:, axis], shape[axis]
        start = int(np.ceil((-along).max()))
        size = int(np.floor(length - 1 - along.max())) + 1 - start
        if size < min(_LEAST_PX, length):
            low, high = sorted(motion.frame_numbers[[along.argmin(), along.argmax()]].tolist())
            raise InputError(
                f"Frames {low} and {high} lie {np.ptp(along):.0f} px apart, so that of {length} px {name} "
                f"only {max(0, size)} px are seen in all frames; trim the range of frames so that one of the "
                "two is left out, or correct their motion"
            )
        starts.append(start)
        sizes.append(size)
    return Rectangle(starts[0], starts[1], sizes[0], sizes[1])


def share_kept(kept: tuple[int, int, int], of: tuple[int, int, int]) -> float:
    """Share of the area of a frame that is left, 0 to 1.

    Parameters
    ----------
    kept, of : tuple of int
        (t, y, x) of the video of one fixed area, and of what it was cut from.
    """
    return kept[1] * kept[2] / (of[1] * of[2])


def fix_field_of_view(video: Video, motion: Motion) -> Video:
    """Show the same area of the specimen in all frames.

    Frames are resampled lazily, each on its own, by Lagrange interpolation over 6 x 6 pixels; a shift by
    whole pixels copies values. The first frame is only cropped. Integers are rounded and stay within the
    range of their frame; in floating-point frames NaN spreads by up to 3 px where a shift is not whole.

    Parameters
    ----------
    video : Video
        The frames.
    motion : Motion
        Estimated on this video, or on more frames of the same source.

    Returns
    -------
    Video
        Of the same dtype, smaller. Its pixel (i, j) of frame k samples the source at
        ``origins_px[k] + (i, j)``.

    Raises
    ------
    InputError
        If `motion` lacks a frame of `video`, or no area of 16 x 16 px is common to all frames.
    """
    own = _restricted(motion, video)
    area = common_area(own, video.shape[1:])
    starts = own.displacements_px - own.displacements_px[0] + (area.top, area.left)
    size = (area.height, area.width)
    one_per_chunk = video.frames.rechunk((1, -1, -1))
    frames = da.map_blocks(
        _cut_block,
        one_per_chunk,
        starts=starts,
        size=size,
        dtype=video.frames.dtype,
        chunks=(one_per_chunk.chunks[0], (size[0],), (size[1],)),
        meta=np.empty((0, 0, 0), video.frames.dtype),
    )
    return replace(
        video,
        frames=frames,
        origins_px=video.origins_px + starts,
        provenance=(
            *video.provenance,
            *motion.provenance,
            f"cropped to the {size[0]} x {size[1]} px that all frames show",
        ),
    )


def _restricted(motion: Motion, video: Video) -> Motion:
    """`motion` of the frames of `video` alone."""
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
    )


def _cut_block(
    block: NDArray[Any],
    *,
    starts: NDArray[np.float64],
    size: tuple[int, int],
    block_info: dict[int, dict[str, Any]],
) -> NDArray[Any]:
    """`cut` of a block of one frame, (1, y, x)."""
    index = block_info[0]["chunk-location"][0]
    return cut(block[0], starts[index], size)[None]


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
