"""What of a micrograph a generator is compared with, as pixels and in words; no Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glissile.errors import InputError
from glissile.gan.crop import cut_square
from glissile.gan.pixels import as_pixels
from glissile.widgets.gan._resolve_micrographs import crop_text, same_scale_px

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glissile.io.generator_card import GeneratorCard


@dataclass(frozen=True, eq=False)
class Cut:
    """A micrograph, and what of it is used.

    Attributes
    ----------
    data : array, shape (y, x) or (y, x, c)
        The micrograph.
    bar_px : int
        Rows of the data bar at its bottom.
    same_scale : bool
        As much as an image of the generator shows, rather than the largest square.
    nm_per_pixel : float, optional
        Of the micrograph.
    """

    data: Any
    bar_px: int
    same_scale: bool
    nm_per_pixel: float | None

    def square(self, card: GeneratorCard) -> NDArray[Any]:
        """Cut the square out, (side, side) or (side, side, c); raises InputError where there is none."""
        side = None
        if self.same_scale:
            side = same_scale_px(card.shape.resolution, self.nm_per_pixel, card.nm_per_pixel)
        return cut_square(self.data, bar_px=self.bar_px, side_px=side)


@dataclass(frozen=True, eq=False)
class Crop:
    """What of a micrograph is used.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (y, x) or (y, x, 3), optional
        As the generator could have made it; None where there is a problem.
    text : str
        What was done to it.
    problem : str
        Why it cannot be used; empty where it can.
    """

    pixels: NDArray[np.uint8] | None
    text: str
    problem: str


def crop_of(cut: Cut, card: GeneratorCard) -> Crop:
    """Bring a micrograph to what a generator could have made of it, or say why that cannot be."""
    from glissile.gan.target import as_target

    try:
        square = cut.square(card)
        target = as_target(square, card.shape)
    except InputError as error:
        return Crop(None, "", str(error))
    text = crop_text(
        cut.data.shape,
        len(square),
        card.shape.resolution,
        bar_px=cut.bar_px,
        colours=(1 if square.ndim == 2 else 3, card.shape.channels),
        nm_per_pixel=(cut.nm_per_pixel, card.nm_per_pixel),
    )
    return Crop(as_pixels(target[None])[0], text, "")
