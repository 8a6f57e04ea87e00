"""What the microscope does to the image: drift of the stage, light, noise, and the burnt-in clock."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glissile.synthetic.lines import Floats

# Spread of the light in the scintillator of a TEM camera, pixels: it blurs the noise as well.
SCINTILLATOR_PX = 0.9

_GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    ":": "00000 00100 00100 00000 00100 00100 00000",
    ".": "00000 00000 00000 00000 00000 00110 00110",
    "n": "00000 00000 10110 11001 10001 10001 10001",
    "m": "00000 00000 11010 10101 10101 10001 10001",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}
_SCALE_BARS_NM = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def drift_path(
    rng: np.random.Generator, frames: int, *, drift_px: float, jitter_px: float, jumps: int, jump_px: float
) -> Floats:
    """Draw the displacement of the specimen: a slow smooth drift, a jitter, and a few sudden jumps.

    Parameters
    ----------
    rng : Generator
        Where the path comes from.
    frames : int
        Number of frames.
    drift_px : float
        How far the slow drift gets, pixels.
    jitter_px : float
        Standard deviation of the jitter of each frame in y and x, pixels.
    jumps : int
        Number of jumps.
    jump_px : float
        Mean size of a jump, pixels.

    Returns
    -------
    ndarray, shape (frames, 2)
        (dy, dx) since frame 0, down and right positive, pixels.
    """
    time = np.arange(frames) / max(frames - 1, 1)
    heading = rng.uniform(0, 2 * np.pi)
    bend = rng.uniform(-1.2, 1.2) * time
    path = drift_px * time[:, None] * np.stack([np.sin(heading + bend), np.cos(heading + bend)], axis=1)
    path += 0.12 * drift_px * np.sin(2 * np.pi * (np.outer(time, (1.6, 2.1)) + rng.uniform(size=2)))
    path += jitter_px * rng.normal(size=(frames, 2))
    # The rig moves the specimen sporadically; back and forth, so that it stays in view.
    for number in range(jumps):
        at = int(frames * (number + rng.uniform(0.3, 0.8)) / jumps)
        angle = rng.uniform(0, 2 * np.pi)
        away = jump_px * rng.uniform(0.7, 1.3) * np.array([np.sin(angle), np.cos(angle)])
        path[at:] += away if number % 2 == 0 else -away
    since_start: Floats = path - path[0]
    return since_start


def illumination(shape: tuple[int, int], frame: int, frames: int, flicker: float) -> Floats:
    """Light on the detector: brighter in the middle of the beam, which wanders and fades slowly.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of a frame.
    frame, frames : int
        Frame number, and how many there are.
    flicker : float
        Relative change of the light over the video; 0 keeps it steady.

    Returns
    -------
    ndarray, shape (y, x)
        Relative intensity.
    """
    time = frame / max(frames - 1, 1)
    slow = 1 + flicker * (0.6 * np.sin(2 * np.pi * 0.8 * time) + 0.25 * np.sin(2 * np.pi * 2.9 * time))
    wander = flicker * np.sin(2 * np.pi * np.array([0.7, 0.45]) * time)
    y = np.linspace(-1, 1, shape[0])[:, None] - wander[0]
    x = np.linspace(-1, 1, shape[1])[None, :] - wander[1]
    beam: Floats = slow * (1 - 0.10 * (y**2 + x**2))
    return beam


def record(
    rng: np.random.Generator | None,
    intensity: Floats,
    *,
    electrons: float,
    readout: float,
    blur_px: float,
) -> Floats:
    """Take the image: blur of the optics, shot noise, spread in the scintillator, readout noise.

    Parameters
    ----------
    rng : Generator or None
        Where the noise comes from; None for no noise.
    intensity : ndarray, shape (y, x)
        Grey values as they should be.
    electrons : float
        Electrons per grey level: the more, the less noise.
    readout : float
        Standard deviation of the readout noise, grey levels.
    blur_px : float
        Standard deviation of the point spread of the optics, pixels.

    Returns
    -------
    ndarray, shape (y, x)
        Grey values, not rounded.
    """
    image: Floats = ndimage.gaussian_filter(intensity, blur_px)
    if rng is not None:
        # Normal instead of Poisson: the same for the hundreds of electrons here, and a last-bit difference
        # of the intensity between two machines changes no other pixel.
        image = image + rng.normal(size=image.shape) * np.sqrt(np.maximum(image, 0) / electrons)
    image = ndimage.gaussian_filter(image, SCINTILLATOR_PX)
    if rng is not None:
        image = image + readout * rng.normal(size=image.shape)
    return image


def text(words: str, *, scale: int = 2) -> NDArray[np.bool_]:
    """Pixels (y, x) of `words` in a 5 x 7 pixel font; digits, colon, point, n, m and blank."""
    columns: list[NDArray[np.bool_]] = []
    for letter in words:
        rows = [[bit == "1" for bit in row] for row in _GLYPHS[letter].split()]
        columns += [np.array(rows), np.zeros((7, 1), dtype=bool)]
    return np.kron(np.hstack(columns), np.ones((scale, scale), dtype=bool))


def burn_in(image: Floats, *, seconds: float, nm_per_pixel: float, strip_px: int) -> Floats:
    """Burn the clock (left) and the scale bar (right) into the bottom strip of a frame.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Grey values.
    seconds : float
        What the clock shows.
    nm_per_pixel : float
        Edge length of a pixel in nanometres.
    strip_px : int
        Height of the strip at the bottom; what is burnt in stays within it.

    Returns
    -------
    ndarray, shape (y, x)
        A copy.
    """
    height, width = image.shape
    ink = np.zeros(image.shape, dtype=bool)
    clock = text(f"{int(seconds // 60):02d}:{seconds % 60:05.2f}")
    top = height - strip_px + (strip_px - clock.shape[0]) // 2
    ink[top : top + clock.shape[0], 10 : 10 + clock.shape[1]] = clock
    fitting = [nm for nm in _SCALE_BARS_NM if nm / nm_per_pixel <= width / 4]
    bar_nm = fitting[-1] if fitting else _SCALE_BARS_NM[0]
    label = text(f"{bar_nm} nm")
    right = width - 10
    left = right - label.shape[1]
    ink[top : top + label.shape[0], left:right] = label
    bar = round(bar_nm / nm_per_pixel)
    middle = top + label.shape[0] // 2
    ink[middle - 2 : middle + 2, left - 8 - bar : left - 8] = True
    shadow = ndimage.binary_dilation(ink, iterations=1)
    burnt = image.copy()
    burnt[shadow] *= 0.25
    burnt[ink] = 238
    return burnt
