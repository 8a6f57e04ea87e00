"""Two frames -> where the corners of the one went in the other. OpenCV lives here; import this lazily."""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

# Band of structure sizes that is tracked. Wider lets bend contours in, narrower lets noise in: measured on
# the published 8.4 um and 2 um videos.
_SMOOTH_PX = 1.2
_BACKGROUND_PX = 15
_CONTRAST_PX = 31
# Local contrast below this share of the frame's median contrast is not stretched further.
_CONTRAST_FLOOR = 0.3
# Grey levels of the normalised image per unit of local RMS; 8 bit because OpenCV's Lucas-Kanade wants it.
_LEVELS_PER_RMS = 36.0
_GREY = 128

_CORNER_QUALITY = 0.02
_CORNER_BLOCK_PX = 7
_LEAST_CORNER_DISTANCE_PX = 4.0
_LK_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)

_PEAKS = 3
# Noise behind the Gaussian is alike over this area.
_PIXELS_ALIKE = 4 * np.pi * _SMOOTH_PX**2


def normalised(frame: NDArray[Any]) -> NDArray[np.uint8]:
    """Fine structure of a frame at equal local contrast, so that dim parts count as much as bright ones.

    Gaussian 1.2 px, minus a 15 px box mean, divided by the RMS in a 31 px box.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey values of any dtype; what is not finite is taken as the frame's mean.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        128 where there is no structure; 36 levels per local RMS. A constant frame is 128 everywhere.
    """
    image = frame.astype(np.float32)
    if np.issubdtype(frame.dtype, np.floating):
        image = _filled(image)
    image -= image.mean(dtype=np.float64)
    fine = cv2.GaussianBlur(image, (0, 0), _SMOOTH_PX)
    fine -= cv2.blur(fine, (_BACKGROUND_PX, _BACKGROUND_PX))
    power = cv2.blur(fine * fine, (_CONTRAST_PX, _CONTRAST_PX))
    contrast = np.sqrt(np.maximum(power, 0, out=power), out=power)
    floor = _CONTRAST_FLOOR * float(np.median(contrast))
    if floor == 0:
        floor = _CONTRAST_FLOOR * float(contrast.mean())
    if floor == 0:
        return np.full(frame.shape, _GREY, np.uint8)
    fine /= np.maximum(contrast, floor, out=contrast)
    # Rounds and saturates.
    levels = cv2.addWeighted(fine, _LEVELS_PER_RMS, fine, 0, _GREY, dtype=cv2.CV_8U)
    return cast("NDArray[np.uint8]", levels)


def _filled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """`image` with its finite mean in place of NaN and infinities, scaled so that squares stay finite."""
    finite = np.isfinite(image)
    if not finite.any():
        return np.zeros_like(image)
    largest = float(np.abs(image[finite]).max())
    scaled = image / np.float32(largest) if largest > 0 else image
    if finite.all():
        return scaled
    return np.where(finite, scaled, scaled[finite].mean(dtype=np.float64)).astype(np.float32)


def corners(
    image: NDArray[np.uint8], count: int, allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Shi-Tomasi corners, spread over the frame.

    Parameters
    ----------
    image : ndarray of uint8, shape (y, x)
        Normalised frame.
    count : int
        Corners wanted at most; their least distance follows from it and the size of the frame.
    allowed : ndarray of bool, shape (y, x), optional
        Where corners may lie.

    Returns
    -------
    ndarray of float32, shape (n, 2)
        (y, x) in pixels, the strongest first; empty where there is no structure.
    """
    height, width = image.shape
    distance = max(_LEAST_CORNER_DISTANCE_PX, 0.6 * np.sqrt(height * width / count))
    mask = np.full(image.shape, 255, np.uint8) if allowed is None else allowed.astype(np.uint8) * 255
    border = min(_CORNER_BLOCK_PX, min(image.shape) // 8)
    mask[:border] = mask[height - border :] = 0
    mask[:, :border] = mask[:, width - border :] = 0
    found = cv2.goodFeaturesToTrack(
        image, count, _CORNER_QUALITY, distance, mask=mask, blockSize=_CORNER_BLOCK_PX
    )
    if found is None:
        return np.empty((0, 2), np.float32)
    return np.ascontiguousarray(found.reshape(-1, 2)[:, ::-1], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Flow:
    """Corners that were found again, and where.

    Attributes
    ----------
    start : ndarray of float32, shape (n, 2)
        (y, x) in the first image.
    moved : ndarray of float32, shape (n, 2)
        (dy, dx) from the first to the second image, pixels.
    launched : int
        Corners that could have been found: those whose expected place lies inside the second image.
    offered : int
        All corners of the first image.
    """

    start: NDArray[np.float32]
    moved: NDArray[np.float32]
    launched: int
    offered: int


def follow(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    start: NDArray[np.float32],
    guess: NDArray[np.float64],
    *,
    window_px: int,
    levels: int,
    round_trip_px: float,
) -> Flow:
    """Track corners by pyramidal Lucas-Kanade, forth and back (Bouguet 2001; Kalal et al. 2010).

    Parameters
    ----------
    before, after : ndarray of uint8, shape (y, x)
        Normalised frames.
    start : ndarray of float32, shape (n, 2)
        Corners (y, x) of `before`.
    guess : ndarray, shape (2,)
        Displacement (dy, dx) to start from, pixels.
    window_px : int
        Edge length of the window around a corner.
    levels : int
        Pyramid levels above the full resolution.
    round_trip_px : float
        A corner counts as found when it returns to within this distance of its start.

    Returns
    -------
    Flow
    """
    landing = start + guess.astype(np.float32)
    margin = window_px // 4
    high = np.subtract(after.shape, 1 + margin)
    inside = ((landing >= margin) & (landing <= high)).all(axis=1)
    if not inside.any():
        nothing = np.empty((0, 2), np.float32)
        return Flow(nothing, nothing, 0, len(start))
    # OpenCV wants (n, 1, 2) as (x, y).
    here = start[inside, ::-1].copy().reshape(-1, 1, 2)
    there = landing[inside, ::-1].copy().reshape(-1, 1, 2)
    options: dict[str, Any] = {
        "winSize": (window_px, window_px),
        "maxLevel": levels,
        "criteria": _LK_STOP,
        "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
    }
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, here, there, **options)
    back = there - guess[::-1].astype(np.float32)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, back, **options)
    astray = np.linalg.norm((back - here)[:, 0], axis=1)
    good = (found[:, 0] > 0) & (found_back[:, 0] > 0) & (astray < round_trip_px)
    return Flow(here[good, 0, ::-1], (there - here)[good, 0, ::-1], int(inside.sum()), len(start))


def likeness(before: NDArray[np.uint8], after: NDArray[np.uint8], shift: NDArray[np.float64]) -> float:
    """Tell how far two frames are from being alike by chance.

    Parameters
    ----------
    before, after : ndarray of uint8, shape (y, x)
        Normalised frames.
    shift : ndarray, shape (2,)
        Displacement (dy, dx) of the specimen between them, taken to whole pixels.

    Returns
    -------
    float
        Their correlation where they overlap, in standard deviations of that of unrelated noise: mostly
        below 3 for noise, 25 to 110 for the noisiest to the cleanest real frames of 230 x 280 px and more.
    """
    dy, dx = np.rint(shift).astype(int)
    height, width = before.shape
    # Every second pixel: neighbours are alike anyway.
    one = before[max(0, -dy) : height - max(0, dy) : 2, max(0, -dx) : width - max(0, dx) : 2]
    other = after[max(0, dy) : height - max(0, -dy) : 2, max(0, dx) : width - max(0, -dx) : 2]
    if one.size == 0:
        return 0.0
    a, b = one.astype(np.float32) - _GREY, other.astype(np.float32) - _GREY
    power = float(np.vdot(a, a)) * float(np.vdot(b, b))
    independent = 4 * one.size / _PIXELS_ALIKE
    return float(np.vdot(a, b)) / np.sqrt(power) * np.sqrt(independent) if power > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Coarse:
    """A frame made small, for finding large jumps.

    Attributes
    ----------
    spectrum : ndarray of complex64, shape (y, x // 2 + 1)
        Half-whitened Fourier transform of the small, tapered frame.
    shape : tuple of int
        (y, x) of the small frame.
    factor : int
        Pixels of the frame per pixel of the small frame.
    """

    spectrum: NDArray[np.complex64]
    shape: tuple[int, int]
    factor: int

    @classmethod
    def of(cls, image: NDArray[np.uint8], blind: NDArray[np.bool_] | None = None) -> "Coarse":
        """Make `image` small; what lies under `blind`, shape (y, x), is left out."""
        grey = image.astype(np.float32) - _GREY
        if blind is not None:
            grey[blind] = 0
        shortest = min(image.shape)
        factor = 4 if shortest >= 256 else 2 if shortest >= 128 else 1
        height, width = image.shape[0] // factor, image.shape[1] // factor
        cut = np.ascontiguousarray(grey[: height * factor, : width * factor])
        small = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)
        small *= _taper(height)[:, None] * _taper(width)
        spectrum = np.fft.rfft2(small)
        magnitude = np.abs(spectrum)
        spectrum /= np.sqrt(magnitude + 1e-3 * (magnitude.mean() + 1e-12))
        return cls(spectrum.astype(np.complex64), (height, width), factor)


def _taper(length: int) -> NDArray[np.float32]:
    """Window that falls to zero over the outer eighth on both sides."""
    edge = max(1, length // 8)
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.sin(0.5 * np.pi * np.minimum(1, distance / edge)).astype(np.float32) ** 2


def likely_steps(before: Coarse, after: Coarse) -> list[NDArray[np.float64]]:
    """Displacements under which two frames look most alike, by phase correlation of the small frames.

    Parameters
    ----------
    before, after : Coarse
        Two frames of one size.

    Returns
    -------
    list of ndarray, shape (2,)
        (dy, dx) in pixels of the frame, good to about a pixel of the small frame; the likeliest first.
    """
    correlation = np.fft.irfft2(np.conj(before.spectrum) * after.spectrum, before.shape)
    correlation = cv2.GaussianBlur(correlation.astype(np.float32), (0, 0), 0.7)
    shape = np.array(before.shape)
    steps = []
    for _ in range(_PEAKS):
        peak = np.array(np.unravel_index(np.argmax(correlation), correlation.shape))
        steps.append((np.where(peak > shape // 2, peak - shape, peak) * before.factor).astype(np.float64))
        rows, columns = ((p + np.arange(-2, 3)) % size for p, size in zip(peak, shape, strict=True))
        correlation[np.ix_(rows, columns)] = -np.inf
    return steps
