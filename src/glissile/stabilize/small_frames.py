"""Frames made small and flat, and their spectra: what the first pass compares. Needs OpenCV."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from glissile.stabilize.grey_levels import finite

# Structure of these sizes is compared: slower waves are bend contours and light, faster ones noise.
_LOWEST, _HIGHEST = 0.012, 0.125  # cycles per pixel of the frame
_TAPER_SHARE = 0.1
# Boxes over which the background is taken off and the contrast evened, in pixels of the small frame.
_BACKGROUND_PX, _CONTRAST_PX = 15, 31
# Local contrast below this share of the frame's mean contrast is not stretched further.
_CONTRAST_FLOOR = 0.3
_TWO_PI = 2 * np.pi


def taper(length: int, share: float, moved: float = 0.0) -> NDArray[np.float32]:
    """Window that falls to zero over the outer `share` on both sides, as sine squared.

    Parameters
    ----------
    length : int
        Samples.
    share : float
        Of the length, on either side.
    moved : float
        By which the window lies further along.

    Returns
    -------
    ndarray of float32, shape (length,)
    """
    edge = max(2, round(length * share))
    place = np.arange(length) - moved + 0.5
    distance = np.clip(np.minimum(place, length - place), 0, edge)
    window: NDArray[np.float64] = np.sin(0.5 * np.pi * distance / edge) ** 2
    return window.astype(np.float32)


class SmallFrames:
    """Makes frames of one size small, and transforms them.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    fine : bool
        To leave them as large as they are.

    Attributes
    ----------
    factor : int
        Pixels of the frame per pixel of the small frame: 1, 2 or 4.
    shape : tuple of int
        (y, x) of the small frames.
    f : ndarray of float32, shape (2, n)
        (fy, fx) of the frequencies of a spectrum, in radians per pixel of the frame. Half the plane, as the
        frames are real.
    """

    def __init__(self, shape: tuple[int, int], *, fine: bool = False) -> None:
        shortest = min(shape)
        self.factor = 1 if fine else 4 if shortest >= 200 else 2 if shortest >= 96 else 1
        self.shape: tuple[int, int] = (-(-shape[0] // self.factor), -(-shape[1] // self.factor))
        self._size = tuple(scipy.fft.next_fast_len(n, real=True) for n in self.shape)
        self._taper = taper(self.shape[0], _TAPER_SHARE)[:, None] * taper(self.shape[1], _TAPER_SHARE)
        fy = scipy.fft.fftfreq(self._size[0])[:, None] / self.factor
        fx = scipy.fft.rfftfreq(self._size[1])[None] / self.factor
        length = np.hypot(fy, fx)
        lowest = max(_LOWEST, 1.5 / max(shape))
        highest = 2 * _HIGHEST if self.factor == 1 else _HIGHEST
        chosen = (length >= lowest) & (length <= highest) & ~((fx == 0) & (fy < 0))
        self._chosen = np.flatnonzero(chosen)
        # Of waves straight down both halves of the plane are in the list of the transform back.
        straight = np.broadcast_to(fx == 0, chosen.shape).ravel()[self._chosen]
        self._both: NDArray[np.float32] = np.where(straight, 2, 1).astype(np.float32)
        both = np.broadcast_arrays(fy, fx)
        self.f: NDArray[np.float32] = _TWO_PI * np.stack([a.ravel()[self._chosen] for a in both]).astype(
            np.float32
        )
        ring = np.hypot(*self.f)
        self._ring = np.minimum((ring / ring.max(initial=1e-9) * 16).astype(np.int64), 15)
        self._per_ring = np.maximum(np.bincount(self._ring, minlength=16), 1)
        self._seen: NDArray[np.float32] | None = None
        self._soft: NDArray[np.float32] | None = None

    def leave_out(self, ignored: NDArray[np.bool_] | None) -> None:
        """Show nothing from now on of what lies under `ignored`, shape (y, x) of the frames."""
        if ignored is None or not ignored.any():
            self._seen = self._soft = None
            return
        seen = (self.halved(ignored.astype(np.float32)) < 0.02).astype(np.float32)
        self._seen = seen
        self._soft = np.clip(2 * cv2.blur(seen, (5, 5)) - 1, 0, 1) * seen

    def halved(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """`image`, shape (y, x) of the frames, at the size of the small frames."""
        factor = self.factor
        while factor > 1:
            image = cv2.pyrDown(image)
            factor //= 2
        return image

    def softened(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return `mask`, (y, x) of the frames, at the size of small frames with a soft edge, 0 to 1."""
        soft: NDArray[np.float32] = cv2.GaussianBlur(self.halved(mask.astype(np.float32)), (0, 0), 2.0)
        return soft

    def shifted(
        self, image: NDArray[np.float32], displacement_px: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Move a small image by (dy, dx) pixels of the frame; zero where nothing is known."""
        dy, dx = displacement_px / self.factor
        matrix = np.array([[1, 0, dx], [0, 1, dy]])
        moved: NDArray[np.float32] = cv2.warpAffine(image, matrix, self.shape[::-1], flags=cv2.INTER_LINEAR)
        return moved

    def flat(self, small: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fine structure of a small frame at equal local contrast; zero where there is none.

        Parameters
        ----------
        small : ndarray of float32, shape (y, x)
            As `halved` gives it.

        Returns
        -------
        ndarray of float32, shape (y, x)
        """
        box = (_BACKGROUND_PX, _BACKGROUND_PX)
        if self._seen is None or self._soft is None:
            fine = small - cv2.blur(small, box)
        else:
            share = np.maximum(cv2.blur(self._seen, box), 0.02)
            fine = (small - cv2.blur(small * self._seen, box) / share) * self._soft
        contrast = cv2.blur(fine * fine, (_CONTRAST_PX, _CONTRAST_PX))
        np.sqrt(np.maximum(contrast, 0, out=contrast), out=contrast)
        floor = _CONTRAST_FLOOR * cv2.mean(contrast)[0]
        # A frame without structure has rounding errors of its own.
        if floor <= 1e-6 * float(np.abs(small).max()):
            return np.zeros_like(small)
        flat: NDArray[np.float32] = fine / np.maximum(contrast, floor, out=contrast)
        return flat

    def small(self, frame: NDArray[Any]) -> NDArray[np.float32]:
        """Make a frame (y, x) of any dtype small."""
        return self.halved(finite(frame))

    def spectra(
        self, images: Sequence[NDArray[np.float32]], window: NDArray[np.float32] | None = None
    ) -> NDArray[np.complex64]:
        """Spectra of small images.

        Parameters
        ----------
        images : sequence of ndarray of float32, each of shape (y, x) or smaller
            Flat small frames, or parts of them.
        window : ndarray of float32, shape of the images, optional
            Multiplies them; the taper of a whole small frame if absent.

        Returns
        -------
        ndarray of complex64, shape (images, n)
            At the frequencies `f`.
        """
        window = self._taper if window is None else window
        padded = np.zeros((len(images), *self._size), np.float32)
        height, width = window.shape
        for k, image in enumerate(images):
            np.multiply(image, window, out=padded[k, :height, :width])
        whole = scipy.fft.rfft2(padded, axes=(1, 2)).reshape(len(images), -1)
        chosen: NDArray[np.complex64] = whole[:, self._chosen]
        return chosen

    def image(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Small image (y, x), tapered, of a spectrum of shape (n,)."""
        return self._inverse(spectrum)[: self.shape[0], : self.shape[1]]

    def _inverse(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        whole = np.zeros(self._size[0] * (self._size[1] // 2 + 1), np.complex64)
        whole[self._chosen] = spectrum * self._both
        image: NDArray[np.float32] = scipy.fft.irfft2(whole.reshape(self._size[0], -1), self._size)
        return image

    def moved(self, displacements_px: NDArray[np.float64]) -> NDArray[np.complex64]:
        """Factors that move a spectrum back by displacements (k, 2), pixels of the frame; shape (k, n)."""
        angle = displacements_px.astype(np.float32) @ self.f
        factors = np.empty(angle.shape, np.complex64)
        np.cos(angle, out=factors.real)
        np.sin(angle, out=factors.imag)
        return factors

    def ring_means(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """`power`, shape (n,), averaged over rings of like frequency; shape (n,)."""
        means = (np.bincount(self._ring, power, minlength=16) / self._per_ring).astype(np.float32)
        spread: NDArray[np.float32] = means[self._ring]
        return spread

    def likeliest(self, cross: NDArray[np.complex64]) -> tuple[NDArray[np.float64], float]:
        """Displacement under which two spectra are most alike, by phase correlation.

        Parameters
        ----------
        cross : ndarray of complex64, shape (n,)
            Conjugate of the one spectrum times the other.

        Returns
        -------
        displacement : ndarray, shape (2,)
            (dy, dx) in pixels of the frame, at most half a frame; good to a fraction of a small pixel.
        height : float
            Of the correlation there, in its standard deviations: 4 to 5 for unrelated frames.
        """
        size = np.abs(cross)
        mean = float(size.mean())
        if mean <= 0:
            return np.zeros(2), 0.0
        surface = self._inverse(cross * (1 / (size + 1e-3 * mean)))
        row, column = (int(n) for n in np.unravel_index(np.argmax(surface), surface.shape))
        found = np.array([_vertex(surface[:, column], row), _vertex(surface[row], column)])
        # Its mean is zero, as there is no zero frequency.
        deviation = np.sqrt(np.vdot(surface, surface) / surface.size)
        return found * self.factor, float(surface[row, column] / (deviation + 1e-12))

    @property
    def period_px(self) -> NDArray[np.float64]:
        """(y, x) in pixels of the frame after which displacements look the same to `likeliest`."""
        return np.array(self._size, np.float64) * self.factor


def _vertex(line: NDArray[np.float32], top: int) -> float:
    """Position of the maximum of a circular line near its highest sample, as the vertex of a parabola."""
    size = len(line)
    before, at, after = (float(line[(top + k) % size]) for k in (-1, 0, 1))
    curvature = before - 2 * at + after
    position = top + (0.5 * (before - after) / curvature if curvature < 0 else 0.0)
    return position - size if position > size / 2 else position
