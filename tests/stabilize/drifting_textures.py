"""Textures that move as told, drawn without the code under test, and the motion that was told."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from glissile.stabilize.motion import Motion

MARGIN_PX = 32


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


def clean(
    path: NDArray[np.float64], window: tuple[int, int] = (128, 160), *, seed: int = 0
) -> NDArray[np.float64]:
    """Frames (t, y, x) of a texture that is displaced by `path` (t, 2), without noise."""
    image = texture((window[0] + 2 * MARGIN_PX, window[1] + 2 * MARGIN_PX), seed)
    inside = (slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    return np.stack([moved(image, (dy, dx))[inside] for dy, dx in path])


def recorded(
    frames: NDArray[np.float64],
    *,
    noise: float = 3.0,
    seed: int = 0,
    dtype: type[np.generic] = np.uint8,
) -> NDArray[np.generic]:
    """`frames` as a detector sees them: with fresh noise, and rounded where `dtype` is whole."""
    rng = np.random.default_rng(seed + 1)
    stack = np.stack([frame + rng.normal(0, noise, frame.shape) for frame in frames])
    if np.issubdtype(dtype, np.integer):
        stack = stack.clip(0, 255).round()
    return stack.astype(dtype)


def drifting(
    path: NDArray[np.float64],
    window: tuple[int, int] = (128, 160),
    *,
    noise: float = 3.0,
    seed: int = 0,
    dtype: type[np.generic] = np.uint8,
) -> NDArray[np.generic]:
    """Frames (t, y, x) of a texture that is displaced by `path` (t, 2), with fresh noise."""
    return recorded(clean(path, window, seed=seed), noise=noise, seed=seed, dtype=dtype)


def swept(
    frames: NDArray[np.float64], path: NDArray[np.float64], wavelength_px: float = 13.0
) -> NDArray[np.float64]:
    """`frames` under a bend contour: a dark band with fringes, two thirds of the frame wide, that crosses the
    specimen, which lies at `path` (t, 2), once from left to right."""
    width = frames.shape[2]
    y, x = np.mgrid[: frames.shape[1], :width]
    swept = []
    for k, (frame, (dy, dx)) in enumerate(zip(frames, path, strict=True)):
        centre = width * (1.6 * k / (len(frames) - 1) - 0.3)
        across = 0.34 * (y - dy) + 0.94 * (x - dx) - centre
        depth = np.exp(-((across / (width / 3)) ** 4))
        swept.append(frame * (1 - 0.5 * depth) + 22 * depth * np.cos(2 * np.pi * across / wavelength_px))
    return np.stack(swept)


def lit(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """`frames` under a lamp that flickers by a third from frame to frame and is tilted to and fro."""
    flicker = 1 + 0.33 * np.cos(2.4 * np.arange(len(frames)))
    tilts = np.sin(np.linspace(0, 6, len(frames)))
    y, x = (np.linspace(-0.5, 0.5, n) for n in frames.shape[1:])
    planes = [g * (1 + 0.5 * t * y[:, None] - 0.4 * t * x) for g, t in zip(flicker, tilts, strict=True)]
    return frames * planes


def burnt_in(frames: NDArray[np.generic], *, dead_pixels: bool = True) -> NDArray[np.generic]:
    """`frames` with a scale bar, a clock whose seconds count up with every frame, and dead pixels."""
    frames = frames.copy()
    height, width = frames.shape[1:]
    for k, frame in enumerate(frames):
        cv2.rectangle(frame, (8, height - 14), (8 + width // 4, height - 9), 255, -1)
        cv2.putText(frame, "500 nm", (8, height - 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 2)
        cv2.rectangle(frame, (width - 90, 0), (width, 18), 0, -1)
        cv2.putText(frame, f"12:30:{k % 60:02d}", (width - 84, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
        if dead_pixels:
            frame[::9, ::13] = 0
    return frames


def burnt(shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where `burnt_in` draws in any of the frames (t, y, x), dead pixels aside; (y, x)."""
    drawn = np.zeros(shape, bool)
    for value in (50, 200):
        drawn |= burnt_in(np.full(shape, value, np.uint8), dead_pixels=False) != value
    return drawn.any(axis=0)


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
