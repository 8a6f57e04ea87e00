"""Pixels of images as pictures for Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon, QImage, QPixmap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def pixmap_of(pixels: NDArray[np.uint8], size: int) -> QPixmap:
    """Make a picture for Qt.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (y, x) or (y, x, 3)
        Grey or RGB.
    size : int
        Height and width of the picture, of which images that are not square take a part.
    """
    height, width = pixels.shape[:2]
    grey = pixels.ndim == 2
    kind = QImage.Format.Format_Grayscale8 if grey else QImage.Format.Format_RGB888
    data = pixels.tobytes()  # has to live as long as the QImage, which copies nothing
    image = QImage(data, width, height, width * (1 if grey else 3), kind)
    return QPixmap.fromImage(image).scaled(
        size, size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


def icon_of(pixmap: QPixmap) -> QIcon:
    """Make an icon that looks the same where it is selected or disabled."""
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected, QIcon.Mode.Disabled):
        icon.addPixmap(pixmap, mode)
    return icon


def no_picture(size: int) -> QPixmap:
    """Give what stands for a picture that is not made yet."""
    picture = QPixmap(size, size)
    picture.fill(Qt.GlobalColor.gray)
    return picture
