"""Two pictures side by side: in the dock, and in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from glissile.widgets._placement import scaled
from glissile.widgets.gan._thumbnails import no_picture, pixmap_of
from glissile.widgets.gan.micrograph_choice import CROP_ROLE

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from glissile.io.generator_card import GeneratorCard

    Pixels = NDArray[np.uint8]

CROP_NAME = "Micrograph (crop)"
PICTURE_PX = 160
# Between two pictures in the viewer, as a share of their width.
_GAP = 0.04


class PicturePair(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Two pictures with what they are.

    Parameters
    ----------
    left, right : str
        What they are.
    """

    def __init__(self, left: str, right: str) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.pictures = (QLabel(), QLabel())
        for column, (picture, title) in enumerate(zip(self.pictures, (left, right), strict=True)):
            picture.setAccessibleName(title)
            grid.addWidget(picture, 0, column, Qt.AlignmentFlag.AlignHCenter)
            grid.addWidget(QLabel(title), 1, column, Qt.AlignmentFlag.AlignHCenter)
        self.show_left(None)
        self.show_right(None)

    def show_left(self, pixels: Pixels | None) -> None:
        """Show a picture (y, x) or (y, x, 3) on the left, or that there is none."""
        self._show(0, pixels)

    def show_right(self, pixels: Pixels | None) -> None:
        """Show a picture (y, x) or (y, x, 3) on the right, or that there is none."""
        self._show(1, pixels)

    def _show(self, column: int, pixels: Pixels | None) -> None:
        picture = no_picture(PICTURE_PX) if pixels is None else pixmap_of(pixels, PICTURE_PX)
        self.pictures[column].setPixmap(picture)


def crop_layer(pixels: Pixels, card: GeneratorCard) -> Image:
    """Make the layer of the part of a micrograph that was used; it lies right of the picture.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (y, x) or (y, x, 3)
        Of the size of the generator.
    card : GeneratorCard
        Of the generator.
    """
    placed = scaled("yx", card.nm_per_pixel)
    rgb = pixels.ndim == 3
    shown: dict[str, Any] = {} if rgb else {"colormap": "gray", "contrast_limits": (0, 255)}
    return Image(
        pixels,
        name=CROP_NAME,
        rgb=rgb,
        metadata={"glissile": {"role": CROP_ROLE}},
        translate=(0, (1 + _GAP) * pixels.shape[1] * placed["scale"][1]),
        **placed,
        **shown,
    )


def look_at_pair(viewer: ViewerModel, crop: Image) -> None:
    """Move the camera to a crop and the picture left of it, whatever else lies there.

    Parameters
    ----------
    viewer : napari.Viewer
        Has the layers.
    crop : Image
        Of `crop_layer`, in the viewer.
    """
    if viewer.dims.ndisplay != 2:
        return
    viewer.reset_view()  # all layers fit then
    everything = np.ptp(viewer.layers.extent.world, axis=0)[-2:]
    first, last = crop.extent.world[:, -2:]
    first = first * (1, 0)  # where the picture begins
    camera = viewer.scene.camera
    camera.zoom *= float(np.min(everything / (last - first)))
    camera.center = (*camera.center[:-2], *np.mean((first, last), axis=0).tolist())
