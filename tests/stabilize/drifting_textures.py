"""Textures that move as told, drawn without the code under test, and the motion that was told."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glissile.stabilize.motion import Motion


def texture(shape: tuple[int, int], seed: int = 0, cutoff: float = 0.16) -> NDArray[np.float64]:
    """Periodic random texture of mean 120 and deviation 30 with no structure finer than 1 / `cutoff` px."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.fft2(rng.normal(size=shape))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    spectrum[(frequency > cutoff) | (frequency < 0.02)] = 0
    image = np.fft.ifft2(spectrum).real
    return 120 + 30 * image / image.std()


def moved(image: NDArray[np.float64], shift: tuple[float, float]) -> NDArray[np.float64]:
    """`image` displaced by (dy, dx) px, periodically and exactly (Fourier shift)."""
    phase = np.fft.fftfreq(image.shape[0])[:, None] * shift[0] + np.fft.fftfreq(image.shape[1]) * shift[1]
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * phase)).real


def drifting(
    path: NDArray[np.float64],
    window: tuple[int, int] = (128, 160),
    *,
    noise: float = 3.0,
    seed: int = 0,
    dtype: type[np.generic] = np.uint8,
) -> NDArray[np.generic]:
    """Frames (t, y, x) of a texture that is displaced by `path` (t, 2), with fresh noise."""
    rng = np.random.default_rng(seed + 1)
    image = texture((window[0] + 64, window[1] + 64), seed)
    frames = [moved(image, (dy, dx))[32:-32, 32:-32] + rng.normal(0, noise, window) for dy, dx in path]
    stack = np.stack(frames)
    if np.issubdtype(dtype, np.integer):
        stack = stack.clip(0, 255).round()
    return stack.astype(dtype)


def wandering(n: int, seed: int = 0, speed: float = 0.4) -> NDArray[np.float64]:
    """A path (n, 2) that starts at (0, 0), drifts and jitters by parts of a pixel."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(speed / 2, speed, (n, 2)), axis=0) + rng.normal(0, 0.2, (n, 2))
    return path - path[0]


def motion_of(path: ArrayLike, first: int = 0) -> Motion:
    """Motion along `path` (t, 2) of the frames from number `first` on."""
    path = np.asarray(path, float)
    n = len(path)
    return Motion(path, np.full(n, 0.01), ("",) * n, np.arange(first, first + n), ("by hand",))
