"""Small and quick pictures of points, to choose by and to look at while something moves."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glissile.gan.pixels import as_pixels
from glissile.io.generator_card import GeneratorShape

if TYPE_CHECKING:
    from glissile.gan.look import Look
    from glissile.gan.sampler import Sampler

Pixels = NDArray[np.uint8]


def preview_sizes(shape: GeneratorShape, largest: int = 64, smallest: int = 32) -> tuple[int, ...]:
    """Tell which previews of a generator are quicker than its images.

    Parameters
    ----------
    shape : GeneratorShape
        Of the generator.
    largest, smallest : int
        Pixels along a side; what is smaller shows nothing.

    Returns
    -------
    tuple of int
        Pixels along a side, the largest first; () where its images are small, or its architecture paints with
        the last block only.
    """
    if shape.architecture != "skip":
        return ()
    return tuple(px for px in reversed(shape.resolutions[:-1]) if smallest <= px <= largest)


def quick_pixels(sampler: "Sampler", ws: NDArray[np.floating[Any]], look: "Look", size: int) -> Pixels:
    """Preview an image.

    Parameters
    ----------
    sampler : Sampler
        The generator.
    ws : ndarray of float, shape (num_ws, w_dim)
        One w for each layer.
    look : Look
        Its noise.
    size : int
        Pixels along a side, one of `preview_sizes`.

    Returns
    -------
    ndarray of uint8, shape (y, x) or (y, x, 3)
    """
    preview = sampler.preview(ws, resolution=size, noise=look.noise, noise_seed=look.noise_seed)
    pixels: Pixels = as_pixels(preview[None])[0]
    return pixels


def exact_pixels(sampler: "Sampler", ws: NDArray[np.floating[Any]], look: "Look") -> Pixels:
    """Make an image, as `glissile.gan.maker.rebuilt` makes it again.

    Parameters
    ----------
    sampler : Sampler
        The generator.
    ws : ndarray of float, shape (num_ws, w_dim)
        One w for each layer.
    look : Look
        Its noise and precision.

    Returns
    -------
    ndarray of uint8, shape (y, x) or (y, x, 3)
    """
    images = sampler.images(ws[None], noise=look.noise, noise_seed=look.noise_seed, precision=look.precision)
    pixels: Pixels = as_pixels(images)[0]
    return pixels


def reduced(pixels: Pixels, size: int) -> Pixels:
    """Make an image smaller, by means over squares.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (y, x) or (y, x, 3)
        Square.
    size : int
        Pixels along a side, at most; a power of two, as the image has.

    Returns
    -------
    ndarray of uint8, shape (size, size) or (size, size, 3)
        The image itself where it is no larger.
    """
    side = len(pixels)
    if side <= size:
        return pixels
    step = side // size
    squares = pixels.reshape(size, step, size, step, *pixels.shape[2:])
    small: Pixels = squares.mean(axis=(1, 3), dtype=np.float32).round().astype(np.uint8)
    return small


def enlarged(pixels: Pixels, size: int) -> Pixels:
    """Make an image larger, by squares of equal pixels.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (y, x) or (y, x, 3)
        Square.
    size : int
        Pixels along a side, a multiple of those of the image.

    Returns
    -------
    ndarray of uint8, shape (size, size) or (size, size, 3)
    """
    step = size // len(pixels)
    return pixels.repeat(step, axis=0).repeat(step, axis=1)
