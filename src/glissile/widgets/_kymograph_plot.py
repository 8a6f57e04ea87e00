"""The drawing of a kymograph: frames to the right, the line from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyqtgraph as pg
from qtpy.QtCore import QRectF

from glissile.widgets._frame_plot import FramePlot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class KymographPlot(FramePlot):
    """Grey values along a line over the frames: what stands still is a horizontal line.

    Parameters
    ----------
    caption : str
        Written into the corner.
    """

    TITLES: ClassVar[Mapping[str, tuple[str, ...]]] = {"left": ("Along the line (px)", "Line (px)", "px")}

    def __init__(self, caption: str) -> None:
        super().__init__()
        main = self.getPlotItem()
        box = main.getViewBox()
        box.invertY(True)
        box.setDefaultPadding(0)
        self._image = pg.ImageItem(axisOrder="row-major")
        self.addItem(self._image)
        # To be read on grey values of any kind.
        written = pg.LabelItem(
            f'<span style="background-color: rgba(0, 0, 0, 190); color: white;">&nbsp;{caption}&nbsp;</span>'
        )
        written.setParentItem(box)
        written.anchor(itemPos=(0, 0), parentPos=(0, 0), offset=(6, 2))
        self.set_quantity("Frame")

    def draw(self, rows: NDArray[Any], frames: tuple[int, int], limits: tuple[float, float]) -> None:
        """Draw a kymograph.

        Parameters
        ----------
        rows : ndarray, shape (t, length)
            Grey values along the line.
        frames : tuple of int
            Number of the first and of the last frame.
        limits : tuple of float
            Grey values shown black and white.
        """
        first, last = frames
        self._image.setImage(rows.T, levels=limits)
        self._image.setRect(QRectF(first - 0.5, -0.5, last - first + 1, rows.shape[1]))
        self.getPlotItem().getViewBox().enableAutoRange()
