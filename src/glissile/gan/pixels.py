"""From the numbers of a generator to grey values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_pixels(images: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Grey or colour values of images, as StyleGAN2 and its scores round them.

    Parameters
    ----------
    images : ndarray of float, shape (n, channels, y, x)
        About -1 (black) to 1 (white); 1 or 3 channels.

    Returns
    -------
    ndarray of uint8, shape (n, y, x) or (n, y, x, 3)
    """
    scaled = images.astype(np.float32, copy=True)
    scaled *= np.float32(127.5)
    scaled += np.float32(128)
    pixels = np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)
    return pixels[:, 0] if pixels.shape[1] == 1 else np.moveaxis(pixels, 1, -1)
