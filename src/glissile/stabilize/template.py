"""What the specimen looks like on average, and the kernels that tell how far a frame is displaced from it.

The displacement of a frame is estimated by a matched filter: the residual against the template, multiplied
by the template's gradient and summed. It is as good as the Cramér-Rao bound allows where the gradient is
known and the noise is white; here the gradient is that of a mean of many frames, freed of its own noise
(Wiener), and the noise is made white (divided by its power at each frequency, by its variance at each place).

Needs OpenCV.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

Phase = tuple[Literal[0, 1], Literal[0, 1]]  # halves of a pixel along y and x

_PAD_PX = 16
_BACKGROUND_PX = 21
# The transfer function of frames that lie half a pixel aside is not inverted below this.
_LEAST_TRANSFER = 0.2
# To tell it, frames are counted by where they lie, in bins of this many per pixel.
_BINS_PER_PX = 16
# Frequencies of which less than this share of the template's power is signal are left alone.
_LEAST_SIGNAL = 0.05
# What fewer frames show lies off as these happen to; where their number changes the mean has a step, which
# looks like structure, the more the less noise there is. So much around such places has no say.
_FEWEST, _FEWEST_SHARE = 16, 0.5
_STEP_PX = 5
# Waves have ever less of a say between these, in cycles per pixel along y and along x: towards half a cycle a
# frame that lies between whole pixels shows no pure shift, as detectors, compression and interpolation alias.
_FADES, _GONE = 0.25, 0.35
# Slow waves, in cycles per pixel, are light.
_SLOWEST = 0.008
# The gradient is a secant over this way to both sides, the middle of what frames lie off a half pixel.
_SECANT_PX = 0.17
_NOISE_BOX_PX = 9
_LEAST_VARIANCE_SHARE = 0.25
_TWO_PI = 2 * np.pi


@dataclass(frozen=True, eq=False)
class Kernels:
    """For frames at one half-pixel phase.

    Attributes
    ----------
    expected : ndarray of float32, shape (y, x)
        What a frame at this phase shows.
    down, right : ndarray of float32, shape (y, x)
        Multiply the residual; their sums are the displacement times `Template.information`.
    """

    expected: NDArray[np.float32]
    down: NDArray[np.float32]
    right: NDArray[np.float32]


class Template:
    """Mean of frames on the pixels of the specimen.

    The frames come in two groups of like size; what the groups differ by tells the noise of the mean.

    Parameters
    ----------
    sums : ndarray of float32, shape (2, y, x)
        Sum of the frames of each group, each moved by whole pixels.
    counts : ndarray of float32, shape (2, y, x)
        Frames in each sum.
    asides : ndarray, shape (n, 2)
        (dy, dx) by which each frame lies aside of the whole pixels, pixels.

    Attributes
    ----------
    counts : ndarray of float32, shape (y, x)
        Frames of both groups.
    known : ndarray of float32, shape (y, x)
        1 where frames of both groups are, 0 elsewhere.
    """

    def __init__(
        self, sums: NDArray[np.float32], counts: NDArray[np.float32], asides: NDArray[np.float64]
    ) -> None:
        self._shape = (sums.shape[1], sums.shape[2])
        self._size = tuple(scipy.fft.next_fast_len(n + 2 * _PAD_PX, real=True) for n in self._shape)
        self._fy = scipy.fft.fftfreq(self._size[0]).astype(np.float32)[:, None]
        self._fx = scipy.fft.rfftfreq(self._size[1]).astype(np.float32)[None]
        # Sums over all frequencies, of which half are listed, as sums over pixels.
        self._twice = np.full(self._size[1] // 2 + 1, 2.0 / (self._size[0] * self._size[1]), np.float32)
        self._twice[0] /= 2
        if self._size[1] % 2 == 0:
            self._twice[-1] /= 2
        self.counts = counts.sum(axis=0)
        means = sums / np.maximum(counts, 1)
        self.known: NDArray[np.float32] = np.asarray((counts > 0).all(axis=0), np.float32)
        self._steady = self.known * _steady(counts)
        self._say: NDArray[np.float32] = self._steady
        # Share of one more frame in the mean, by the group it is in.
        self._own_share = np.asarray(0.5 / np.maximum(counts, 1) * self.known, np.float32)
        mean = np.asarray(0.5 * (means[0] + means[1]) * self.known, np.float32)
        self._background = np.asarray(_smoothed(mean) / np.maximum(_smoothed(self.known), 1e-3), np.float32)
        self._structure = (mean - self._background) * self.known
        self._difference = 0.5 * (means[0] - means[1]) * self.known
        self._inverse_counts = 0.25 * (1 / np.maximum(counts, 1)).sum(axis=0)
        transfer = self._transfer(asides)
        size = np.abs(transfer)
        self._deblur = np.conj(transfer) * (1 / np.maximum(size * size, _LEAST_TRANSFER**2))
        self._spectrum = scipy.fft.rfft2(self._padded(self._structure)) * self._deblur

    def _transfer(self, asides: NDArray[np.float64]) -> NDArray[np.complex64]:
        """How the mean of frames that lie aside shows each frequency."""
        bins = np.rint(asides * _BINS_PER_PX).astype(int)
        lowest = bins.min(axis=0)
        share = np.zeros(np.ptp(bins, axis=0) + 1, np.float32)
        np.add.at(share, tuple((bins - lowest).T), np.float32(1 / len(bins)))
        # Where the mean lies is told exactly.
        first = lowest / _BINS_PER_PX + (asides - bins / _BINS_PER_PX).mean(axis=0)
        y, x = (first[a] + np.arange(share.shape[a]) / _BINS_PER_PX for a in (0, 1))
        down = np.exp(np.complex64(-1j * _TWO_PI) * (self._fy * y.astype(np.float32)))
        right = np.exp(np.complex64(-1j * _TWO_PI) * (x.astype(np.float32)[:, None] * self._fx))
        transfer: NDArray[np.complex64] = (down @ share) @ right
        return transfer

    def _padded(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """`image` continued beyond its edges, where it fades."""
        edges = (
            _PAD_PX,
            self._size[0] - self._shape[0] - _PAD_PX,
            _PAD_PX,
            self._size[1] - self._shape[1] - _PAD_PX,
        )
        padded = cv2.copyMakeBorder(image, *edges, cv2.BORDER_REFLECT)
        for axis in (0, 1):
            rise = np.sin(0.5 * np.pi * (np.arange(_PAD_PX) + 0.5) / _PAD_PX).astype(np.float32) ** 2
            fade = np.zeros(self._size[axis], np.float32)
            stop = _PAD_PX + self._shape[axis]
            fade[:_PAD_PX], fade[_PAD_PX:stop], fade[stop : stop + _PAD_PX] = rise, 1, rise[::-1]
            padded *= fade[:, None] if axis == 0 else fade
        return np.asarray(padded, np.float32)

    def _image(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        whole: NDArray[np.float32] = scipy.fft.irfft2(spectrum, self._size)
        inside = whole[_PAD_PX : _PAD_PX + self._shape[0], _PAD_PX : _PAD_PX + self._shape[1]]
        return np.ascontiguousarray(inside, np.float32)

    def _shift(self, phase: Phase) -> NDArray[np.complex64]:
        """Factors that move a spectrum by half pixels down and right."""
        return self._moved(0.5 * phase[0], 0.5 * phase[1])

    def _moved(self, down_px: float, right_px: float) -> NDArray[np.complex64]:
        """Factors that move a spectrum down and right."""
        down, right = self._factors(down_px, right_px)
        moved: NDArray[np.complex64] = down * right
        return moved

    def _factors(self, *moved_px: float) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Of those, what depends on the row and what depends on the column."""
        down_px, right_px = moved_px
        down: NDArray[np.complex64] = np.exp(np.complex64(-1j * _TWO_PI * down_px) * self._fy)
        right: NDArray[np.complex64] = np.exp(np.complex64(-1j * _TWO_PI * right_px) * self._fx)
        return down, right

    def expected(self, phase: Phase) -> NDArray[np.float32]:
        """Draw what a frame shows whose specimen lies `phase` half pixels down and right; (y, x)."""
        if phase == (0, 0):
            return np.asarray(self._image(self._spectrum) + self._background)
        background = self._background
        for axis in np.flatnonzero(phase):
            background = np.asarray(0.5 * (background + np.roll(background, 1, axis)), np.float32)
        return np.asarray(self._image(self._spectrum * self._shift(phase)) + background)

    def hold(self, held: NDArray[np.float32] | None) -> None:
        """Give only the places a say where `held`, shape (y, x), is 1."""
        self._say = self._steady if held is None else self._steady * held

    def whiten(
        self, residuals: NDArray[np.float32], seen: NDArray[np.float32], place: tuple[int, int]
    ) -> None:
        """Learn the noise, and with it the weights of frequencies and places.

        Parameters
        ----------
        residuals : ndarray of float32, shape (n, y, x)
            Frames less what is expected of them.
        seen : ndarray of float32, shape (y, x)
            1 where the frames show specimen, 0 elsewhere.
        place : tuple of int
            (y, x) of their first pixel on the template.
        """
        height, width = seen.shape
        box = (_NOISE_BOX_PX, _NOISE_BOX_PX)
        variance = np.square(residuals).mean(axis=0)
        local = cv2.blur(variance, box) / np.maximum(cv2.blur(seen, box), 0.05)
        usual = float(np.median(local[seen > 0])) if seen.any() else 1.0
        local = np.maximum(local, _LEAST_VARIANCE_SHARE * usual + 1e-12)
        top, left = place
        around = (
            top,
            self._shape[0] - height - top,
            left,
            self._shape[1] - width - left,
        )
        self._precision = 1 / cv2.copyMakeBorder(local, *around, cv2.BORDER_REPLICATE)
        self._noise_power = self._power_of(residuals / np.sqrt(local), seen)
        self._signal = self._signal_share(usual)
        weight = 1 / np.maximum(self._noise_power, 1e-3 * self._noise_power.mean())
        self._weight = np.where(np.hypot(self._fy, self._fx) < _SLOWEST, 0, weight).astype(np.float32)
        self._down = (1j * np.sin(_TWO_PI * _SECANT_PX * self._fy) / _SECANT_PX).astype(np.complex64)
        self._right = (1j * np.sin(_TWO_PI * _SECANT_PX * self._fx) / _SECANT_PX).astype(np.complex64)
        response = self._weight * self._noise_power * self._signal * self._deblur
        # A product with a gradient, which is imaginary.
        self._own = [response * (g.imag * self._twice) for g in (self._down, self._right)]

    def _power_of(self, residuals: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Power of white residuals at every frequency, about 1; shape of the spectra."""
        height, width = seen.shape
        edge = [
            np.minimum(1, (np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / 8) for n in (height, width)
        ]
        window = np.outer(*edge).astype(np.float32) * seen
        padded = np.zeros((len(residuals), *self._size), np.float32)
        padded[:, :height, :width] = residuals * window
        found = scipy.fft.rfft2(padded, axes=(1, 2))
        power = (np.square(found.real) + np.square(found.imag)).mean(axis=0) / np.square(window).sum()
        return _blurred(power, 5)

    def _signal_share(self, variance: float) -> NDArray[np.float32]:
        """Share of signal in the power of the template at every frequency (Wiener), 0 to 1."""
        contrast = float(self._structure[self.known > 0].var()) if self.known.any() else 0.0
        # Where few frames were seen the mean is mostly noise, and would stand for the whole.
        trusted = self.known / (1 + self._inverse_counts * variance / max(contrast, 1e-12) * 4)
        self._trusted = trusted.astype(np.float32)
        self._spectrum = scipy.fft.rfft2(self._padded(self._structure * self._trusted)) * self._deblur
        self._noise = scipy.fft.rfft2(self._padded(self._difference * self._trusted)) * self._deblur
        whole = _blurred(np.square(np.abs(self._spectrum)), 5)
        noise = _blurred(np.square(np.abs(self._noise)), 9)
        share = np.clip(1 - noise / np.maximum(whole, 1e-30), 0, 1)
        share *= (share > _LEAST_SIGNAL) * (_fading(self._fy) * _fading(self._fx))
        return np.asarray(share, np.float32)

    def kernels(self, phase: Phase, expected: NDArray[np.float32]) -> Kernels:
        """Kernels for frames at `phase`; `whiten` comes first."""
        spectrum = self._spectrum * (self._signal * self._weight) * self._shift(phase)
        scale = self._precision * self._say
        # What moves down shows what was above: the derivative is the gradient with its sign turned.
        return Kernels(
            expected,
            -self._image(spectrum * self._down) * scale,
            -self._image(spectrum * self._right) * scale,
        )

    def information(self) -> NDArray[np.float32]:
        """Information per pixel on the displacement, less what only noise of the template pretends.

        Returns
        -------
        ndarray of float32, shape (3, y, x)
            yy, yx and xx; sums over pixels are the matrix of the normal equations.
        """
        scale = self._precision * self._say
        total = np.zeros((3, *self._shape), np.float32)
        for spectrum, sign in ((self._spectrum, 1), (self._noise, -1)):
            filtered = spectrum * (self._signal * self._weight)
            bare = np.where(self._signal > 0, spectrum, 0)
            ky, kx = (self._image(filtered * g) * scale for g in (self._down, self._right))
            gy, gx = (self._image(bare * g) for g in (self._down, self._right))
            total += sign * np.stack([ky * gy, 0.5 * (ky * gx + kx * gy), kx * gx])
        total /= np.maximum(self._trusted, 0.05)
        return total

    def own_noise(self, aside: tuple[float, float]) -> NDArray[np.float64]:
        """Tell what the noise of a frame, being in the template, adds to its sums, per unit of its share.

        Parameters
        ----------
        aside : tuple of float
            (y, x) in pixels by which the template was moved relative to the frame's whole-pixel place in it.

        Returns
        -------
        ndarray, shape (2,)
            Down and right.
        """
        down, right = self._factors(*aside)
        return np.array([float((down[:, 0] @ own @ right[0]).imag) for own in self._own])

    def own_share(self, group: int) -> NDArray[np.float32]:
        """Share of one frame of a group in the template, weighted as the kernels are; (y, x)."""
        share: NDArray[np.float32] = self._own_share[group] * self._trusted * self._say
        return share


def _steady(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where enough frames tell what the specimen looks like, and all around: 1 there, 0 elsewhere."""
    total = counts.sum(axis=0)
    few = np.asarray(total < min(_FEWEST, _FEWEST_SHARE * float(total.max())), np.uint8)
    near = np.ones((_STEP_PX, _STEP_PX), np.uint8)
    beyond = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 1}
    return np.asarray(1 - cv2.dilate(few, near, **beyond), np.float32)


def _fading(frequency: NDArray[np.float32]) -> NDArray[np.float32]:
    """Say of waves, 0 to 1, by how fast they are along one axis, in cycles per pixel."""
    return np.clip((_GONE - np.abs(frequency)) / (_GONE - _FADES), 0, 1)


def _smoothed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    box = (_BACKGROUND_PX, _BACKGROUND_PX)
    smoothed: NDArray[np.float32] = cv2.blur(cv2.blur(image, box), box)
    return smoothed


def _blurred(power: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Mean of `power` over squares of neighbouring frequencies, which wrap around."""
    rim = size // 2
    wrapped = cv2.copyMakeBorder(power.astype(np.float32), rim, rim, rim, rim, cv2.BORDER_WRAP)
    blurred: NDArray[np.float32] = cv2.blur(wrapped, (size, size))[rim:-rim, rim:-rim]
    return blurred
