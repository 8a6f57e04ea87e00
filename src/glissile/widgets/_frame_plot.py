"""What the plots beside the video share: axes in napari's look, and a vertical cursor at the frame shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QFontMetricsF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QFont

# What Qt leaves free before and after the title of an upright axis.
_TITLE_MARGINS_PX = 8


class FramePlot(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph brings no types
    """Axes over the frames of a video, with a cursor that can be dragged.

    The wheel zooms and a drag moves the view; the small "A" in the corner shows everything again.
    """

    # A position on the x axis that was clicked, or to which the cursor was dragged.
    position_chosen = Signal(float)

    # Titles of the upright axes; of several the first that fits is shown.
    TITLES: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self._quantity = ""
        self._text, self._font = QColor("black"), self.font()
        main = self.getPlotItem()
        keep_menu(self)
        main.layout.setContentsMargins(6, 6, 10, 4)
        for side in ("left", "bottom", "right"):
            main.getAxis(side).enableAutoSIPrefix(False)
            main.getAxis(side).setStyle(maxTickLevel=0)
        main.getViewBox().sigResized.connect(self._title_axes)
        self._cursor = pg.InfiniteLine(angle=90, movable=True)
        self._cursor.setZValue(10)
        self._cursor.hide()
        self._cursor.sigDragged.connect(lambda line: self.position_chosen.emit(float(line.value())))
        self.addItem(self._cursor, ignoreBounds=True)
        self.scene().sigMouseClicked.connect(self._clicked)

    @property
    def quantity(self) -> str:
        """Title of the x axis."""
        return self._quantity

    def set_quantity(self, title: str) -> None:
        """Name what the x axis is, and show all of it."""
        self._quantity = title
        self._title_axes()
        self.getPlotItem().getViewBox().enableAutoRange()

    def set_cursor(self, x: float | None) -> None:
        """Put the cursor at `x`; None hides it."""
        self._cursor.setVisible(x is not None)
        if x is not None:
            self._cursor.setValue(x)

    def set_look(self, background: str, text: str, font: QFont) -> None:
        """Take over the colours of napari's theme, "#rrggbb", and a font."""
        self._text, self._font = QColor(text), font
        self.setBackground(background)
        for side in ("left", "bottom", "right"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(pg.mkPen(faded(self._text, 0.5)))
            axis.setTextPen(self._text)
            axis.setTickFont(font)
        self._cursor.setPen(pg.mkPen(faded(self._text, 0.85), width=1.5))
        self._cursor.setHoverPen(pg.mkPen(self._text, width=3))
        self._title_axes()

    def _title_axes(self) -> None:
        css = {"color": self._text.name(), "font-size": f"{self._font.pointSizeF():.1f}pt"}
        width = QFontMetricsF(self._font).horizontalAdvance
        room = self.getPlotItem().getViewBox().height() - _TITLE_MARGINS_PX
        titles = {
            side: next((title for title in known if width(title) <= room), known[-1])
            for side, known in self.TITLES.items()
        }
        for side, title in {**titles, "bottom": self._quantity}.items():
            axis = self.getPlotItem().getAxis(side)
            axis.setLabel(title, **css)
            axis.resizeEvent()  # pyqtgraph centres a title when the axis is resized, not when it is written

    def _clicked(self, event: Any) -> None:
        box = self.getPlotItem().getViewBox()
        if event.button() == Qt.MouseButton.LeftButton and box.sceneBoundingRect().contains(event.scenePos()):
            self.position_chosen.emit(float(box.mapSceneToView(event.scenePos()).x()))


def keep_menu(plot: pg.PlotWidget) -> None:
    """Let the menu that pyqtgraph makes for `plot`, unseen, end with it."""
    menu = plot.getPlotItem().ctrlMenu
    menu.setParent(plot, menu.windowFlags())  # as any other widget it would lie open on the plot


def faded(color: QColor, opacity: float) -> QColor:
    """`color` with an opacity of 0 to 1."""
    fainter = QColor(color)
    fainter.setAlphaF(opacity)
    return fainter
