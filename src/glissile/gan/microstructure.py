"""Numbers of a two-phase micrograph: how much of the phase, how large, how far apart, along which direction.

The bright phase is what is brighter than a threshold, once the image is smoothed a little, so that noise
makes no boundaries. Lines and directions are those of the pixels: along x, along y and the two diagonals
between.

**Borders.** Mean intercepts are ratios of what a test line finds: the share of it that lies in the phase,
over the boundaries that it crosses. An intercept that the border cuts has one boundary and counts as half,
one that spans the whole image has none, so nothing is left out and nothing counted as shorter than it is
(Underwood 1970; ASTM E112 counts the ends of a test line in the same way). Pairs of pixels for the
correlation lie both in the image; nothing is taken to continue beyond it.

References
----------
.. [1] E. E. Underwood, Quantitative Stereology, Addison-Wesley (1970), chapters 2 to 4.
.. [2] ASTM E112, Standard Test Methods for Determining Average Grain Size.
.. [3] S. Torquato, Random Heterogeneous Materials, Springer (2002), chapter 2.
.. [4] J. Bigun and G. H. Granlund, Proc. 1st Int. Conf. on Computer Vision (1987) 433: the structure tensor.
.. [5] D. Legland, K. Kieu and M.-F. Devaux, Image Analysis and Stereology 26 (2007) 83: Crofton's formula on
   pixels.
.. [6] N. Otsu, IEEE Trans. Systems, Man and Cybernetics 9 (1979) 62: the threshold.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from skimage.filters import threshold_otsu

from glissile.errors import InputError
from glissile.gan.measures import MEASURES, pixel_size
from glissile.io.grey import grey_of_colour

SMOOTHING_PX = 1.0
_LEAST_PX = 8
_GREY_LEVELS = 256
# Rows and columns at the border where the smoothing sees mirrored pixels.
_MARGIN_PX = 3


@dataclass(frozen=True)
class Microstructure:
    """Numbers of one micrograph; None where one has no meaning in it, as a size where there is no island.

    Attributes
    ----------
    phase_fraction : float
        Of the bright phase, 0 to 1.
    island_size, free_path : float or None
        Mean linear intercepts of the bright phase and of the matrix, in units of length.
    correlation_length : float or None
        Where the autocovariance has fallen to 1/e, in units of length; None where it does not within half
        of the image.
    boundary_density : float
        Length of boundary per area, in inverse units of length.
    anisotropy : float
        Coherence of the structure tensor, 0 to 1.
    angle_deg : float or None
        Direction of the elongation from the x axis, clockwise on the screen, 0 to 180 degrees.
    nm_per_pixel : float or None
        Lengths are in pixels where it is None, in micrometres from 10 nm on, else in nanometres.
    """

    phase_fraction: float
    island_size: float | None
    free_path: float | None
    correlation_length: float | None
    boundary_density: float
    anisotropy: float
    angle_deg: float | None
    nm_per_pixel: float | None = None

    @property
    def along_x(self) -> float:
        """Elongation along x, or along y where it is negative; -1 to 1."""
        return self.anisotropy * float(np.cos(2 * np.deg2rad(self.angle_deg or 0)))

    @property
    def along_diagonal(self) -> float:
        """Elongation along the diagonal that falls to the right, or the other where negative; -1 to 1."""
        return self.anisotropy * float(np.sin(2 * np.deg2rad(self.angle_deg or 0)))

    def values(self) -> dict[str, float]:
        """Numbers by the name of their `Measure`, in the order of `MEASURES`, without those that are None."""
        found = {measure.name: getattr(self, measure.name) for measure in MEASURES}
        return {name: float(value) for name, value in found.items() if value is not None}


def measure(
    image: NDArray[Any],
    *,
    threshold: float,
    nm_per_pixel: float | None = None,
    smoothing_px: float = SMOOTHING_PX,
) -> Microstructure:
    """Measure a micrograph of two phases.

    Parameters
    ----------
    image : ndarray, shape (y, x) or (y, x, 3)
        Grey values or colours.
    threshold : float
        Pixels above it are of the bright phase, after the smoothing; one for all images that are to be
        compared, see `threshold_of`.
    nm_per_pixel : float, optional
        Edge length of a pixel.
    smoothing_px : float
        Standard deviation of the smoothing against noise; 0 for none.

    Returns
    -------
    Microstructure

    Raises
    ------
    InputError
        If the image is none of one size, or smaller than 8 pixels.
    """
    smooth = _smoothed(image, smoothing_px)
    phase = smooth > threshold
    pixel = pixel_size(nm_per_pixel)
    fraction = float(phase.mean())
    along_x, along_y, *diagonals = _crossings_per_pixel(phase)
    crossings = (along_x + along_y) / 2
    correlation = _correlation_px(phase)
    coherence, angle = _orientation(smooth)
    return Microstructure(
        phase_fraction=fraction,
        island_size=2 * fraction / crossings * pixel if crossings else None,
        free_path=2 * (1 - fraction) / crossings * pixel if crossings else None,
        correlation_length=None if correlation is None else correlation * pixel,
        boundary_density=float(np.pi / 2 * np.mean([along_x, along_y, *diagonals])) / pixel,
        anisotropy=coherence,
        angle_deg=angle,
        nm_per_pixel=nm_per_pixel,
    )


def threshold_of(images: Iterable[NDArray[np.uint8]], *, smoothing_px: float = SMOOTHING_PX) -> float:
    """Find the grey value that parts the two phases best over all images together, after Otsu (1979).

    Parameters
    ----------
    images : iterable of ndarray of uint8, shape (y, x) or (y, x, 3)
        Micrographs that are to be compared.
    smoothing_px : float
        As of `measure`.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If there is no image, or all pixels have one grey value.
    """
    levels = np.arange(_GREY_LEVELS)
    counts = np.zeros(_GREY_LEVELS, np.int64)
    for image in images:
        found = np.rint(_smoothed(image, smoothing_px)).astype(np.intp)
        counts += np.bincount(found.ravel(), minlength=_GREY_LEVELS)
    if np.count_nonzero(counts) < 2:
        raise InputError("The images have one grey value only, which parts no phases; choose others")
    dark = levels <= threshold_otsu(hist=(counts, levels))
    # Where no pixel lies between the phases, all values there are as good; the best lies midway in any case.
    means = [np.average(levels[side], weights=counts[side]) for side in (dark, ~dark)]
    return float(np.mean(means))


def _smoothed(image: NDArray[Any], smoothing_px: float) -> NDArray[np.float32]:
    grey = grey_of_colour(image) if image.ndim == 3 and image.shape[-1] in (3, 4) else image
    if grey.ndim != 2 or min(grey.shape) < _LEAST_PX:
        raise InputError(
            f"An image of shape {image.shape} cannot be measured; give one of at least {_LEAST_PX} x "
            f"{_LEAST_PX} px"
        )
    values: NDArray[np.float32] = grey.astype(np.float32)
    return ndimage.gaussian_filter(values, smoothing_px) if smoothing_px else values


def _crossings_per_pixel(phase: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Boundaries crossed per pixel of test lines along x, along y, and along the two diagonals."""
    pairs = (
        (phase[:, 1:], phase[:, :-1], 1.0),
        (phase[1:], phase[:-1], 1.0),
        (phase[1:, 1:], phase[:-1, :-1], np.sqrt(2)),
        (phase[1:, :-1], phase[:-1, 1:], np.sqrt(2)),
    )
    x, y, falling, rising = (
        float(np.count_nonzero(one != other) / (one.size * length)) for one, other, length in pairs
    )
    return x, y, falling, rising


def _correlation_px(phase: NDArray[np.bool_]) -> float | None:
    """Distance in pixels at which the autocovariance has fallen to 1/e; None where it has not."""
    fraction = phase.mean()
    variance = fraction * (1 - fraction)
    if variance == 0:
        return None
    rings = _rings(phase.shape)
    spectrum = fft.rfft2(phase - np.float32(fraction), rings.padded)
    products = fft.irfft2(spectrum.real**2 + spectrum.imag**2, rings.padded)
    reach = len(rings.radius) - 1
    wanted = np.concatenate([products[: reach + 1, : reach + 1], products[-reach:, : reach + 1]])
    sums = np.bincount(rings.ring.ravel(), wanted.ravel(), minlength=reach + 2)[: reach + 1]
    covariance = sums / rings.pairs / variance
    fallen = np.flatnonzero(covariance <= np.exp(-1))
    if not fallen.size:
        return None
    after = int(fallen[0])
    drop = covariance[after - 1] - covariance[after]
    part = (covariance[after - 1] - np.exp(-1)) / drop
    return float(rings.radius[after - 1] + part * (rings.radius[after] - rings.radius[after - 1]))


@dataclass(frozen=True, eq=False)
class _Rings:
    """Lags of an image, by their length.

    Attributes
    ----------
    padded : tuple of int
        (y, x) of the Fourier transforms, so large that no pair reaches around the border.
    ring : ndarray of int, shape (2 reach + 1, reach + 1)
        Number of the ring of each lag: dy from 0 to reach and from -reach to -1, dx from 0 to reach.
    pairs : ndarray, shape (reach + 1,)
        Pairs of pixels in each ring.
    radius : ndarray, shape (reach + 1,)
        Mean length of their lags, pixels.
    """

    padded: tuple[int, int]
    ring: NDArray[np.intp]
    pairs: NDArray[np.float64]
    radius: NDArray[np.float64]


@lru_cache(maxsize=4)
def _rings(shape: tuple[int, int]) -> _Rings:
    reach = min(shape) // 2
    dy = np.concatenate([np.arange(reach + 1), np.arange(-reach, 0)])[:, None]
    dx = np.arange(reach + 1)[None]
    length = np.hypot(dy, dx)
    ring = np.minimum(np.rint(length).astype(np.intp), reach + 1)
    ring[reach + 1 :, 0] = reach + 1  # the same pairs as those of dy > 0
    count = (shape[0] - np.abs(dy)) * (shape[1] - dx).astype(np.float64)
    pairs, lengths = (
        np.bincount(ring.ravel(), of.ravel())[: reach + 1].astype(np.float64)
        for of in (count, count * length)
    )
    padded = fft.next_fast_len(shape[0] + reach, real=True), fft.next_fast_len(shape[1] + reach, real=True)
    return _Rings(padded, ring, pairs, lengths / pairs)


def _orientation(smooth: NDArray[np.float32]) -> tuple[float, float | None]:
    """Coherence of the structure tensor of the whole image, and the angle along which it varies least."""
    inner = smooth[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
    gx = (inner[1:-1, 2:] - inner[1:-1, :-2]).ravel()
    gy = (inner[2:, 1:-1] - inner[:-2, 1:-1]).ravel()
    xx, yy, xy = float(gx @ gx), float(gy @ gy), float(gx @ gy)
    if xx + yy == 0:
        return 0.0, None
    coherence = min(float(np.hypot(xx - yy, 2 * xy)) / (xx + yy), 1.0)
    # Half the angle of the strongest gradient, turned by a right angle.
    angle = float(np.rad2deg(np.arctan2(2 * xy, xx - yy)) / 2 + 90) % 180
    return coherence, angle
