"""From a micrograph to what a generator could have made of it: size, channels and grey values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.contrast import contrast_limits
from glissile.errors import InputError
from glissile.gan.crop import cut_square
from glissile.io.generator_card import GeneratorShape
from glissile.io.grey import grey_of_colour

_LEAST_PX = 4


def as_target(image: NDArray[Any], shape: GeneratorShape) -> NDArray[np.float32]:
    """Bring an image to the size, channels and range of a generator.

    The largest square around its centre is taken and brought to the resolution of the generator, by averaging
    over the area of each new pixel, or linearly where the image is smaller. uint8 keeps its grey values, 0 to
    255 as -1 to 1; of other types, the 0.1 and 99.9 percentiles of the square become -1 and 1 and what lies
    beyond them is cut off. A grey image has three equal channels for a generator of colour images, and of a
    colour image the luma is taken for a generator of grey ones.

    Parameters
    ----------
    image : ndarray, shape (y, x), (y, x, 3) or (y, x, 4)
        Grey, RGB or RGBA, of which alpha is dropped; of any integer or floating-point type.
    shape : GeneratorShape
        Of the generator, with 1 or 3 channels.

    Returns
    -------
    ndarray of float32, shape (channels, resolution, resolution)

    Raises
    ------
    InputError
        If it is no such image, smaller than 4 px or not finite, or the generator has other channels.
    """
    import cv2

    if shape.channels not in (1, 3):
        raise InputError(
            f"The generator makes images of {shape.channels} channels; images are compared with grey and RGB "
            "ones only"
        )
    square = cut_square(_checked(image)).astype(np.float32)
    if not np.isfinite(square).all():
        raise InputError("The image has values that are not finite; choose another one or fill them")
    low, high = (0.0, 255.0) if image.dtype == np.uint8 else contrast_limits([square])
    colours = 1 if square.ndim == 2 else 3
    if colours > shape.channels:
        square = grey_of_colour(square)
    size = (shape.resolution, shape.resolution)
    kind = cv2.INTER_AREA if len(square) >= shape.resolution else cv2.INTER_LINEAR
    scaled = cv2.resize(square, size, interpolation=kind).astype(np.float64)
    scaled = np.clip((scaled - low) / (high - low), 0, 1) * 2 - 1
    channels = scaled[None] if scaled.ndim == 2 else np.moveaxis(scaled, -1, 0)
    return np.repeat(channels, shape.channels // len(channels), axis=0).astype(np.float32)


def _checked(image: NDArray[Any]) -> NDArray[Any]:
    """Give the image without alpha."""
    if image.dtype.kind not in "iuf" or not (
        image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))
    ):
        raise InputError(
            f"An array of shape {image.shape} and type {image.dtype} is no image; give a grey or RGB one"
        )
    if min(image.shape[:2]) < _LEAST_PX:
        raise InputError(
            f"The image has {image.shape[0]} x {image.shape[1]} px; give one of {_LEAST_PX} px or more"
        )
    return image[..., :3] if image.ndim == 3 else image
