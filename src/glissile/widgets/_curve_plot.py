"""The drawing of the curves: axes, one curve per class, stress on a second axis, a vertical cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QFontMetricsF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QFont

    from glissile.defects import DefectClass

_FEW_POINTS = 150  # so many are drawn as points too
_LINE_WIDTH = 2
_GRID_OPACITY = 0.15
# Titles of the upright axes, the first that fits is shown, and what Qt leaves free before and after text.
_TITLES = {"left": ("Area fraction (%)", "Area (%)", "%"), "right": ("Stress (MPa)", "MPa")}
_TITLE_MARGINS_PX = 8


class CurvePlot(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph brings no types
    """Area fractions in percent over one quantity, stress on the right.

    The wheel zooms and a drag moves the view; the small "A" in the corner shows everything again.
    """

    # A position on the x axis that was clicked, or to which the cursor was dragged.
    position_chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self._curves: dict[str, Any] = {}
        self._quantity = ""
        self._text, self._font = QColor("black"), self.font()
        main = self.getPlotItem()
        keep_menu(self)
        main.showGrid(x=True, y=True, alpha=_GRID_OPACITY)
        main.layout.setContentsMargins(6, 6, 10, 4)
        main.getViewBox().setLimits(yMin=-10, yMax=110, minYRange=0.02)
        main.getViewBox().setDefaultPadding(0.03)
        for side in ("left", "bottom", "right"):
            main.getAxis(side).enableAutoSIPrefix(False)
            main.getAxis(side).setStyle(maxTickLevel=0)
        main.getAxis("right").setGrid(False)

        # Fractions are compared from zero up: a point that is not seen keeps it in view.
        self._zero = pg.PlotDataItem(pen=pg.mkPen(QColor(0, 0, 0, 0)))
        self.addItem(self._zero)

        # A second y axis is a second view box behind the first, on the same x axis.
        self._stress_box = pg.ViewBox(enableMenu=False, defaultPadding=0.03)
        self._stress_box.setEnabled(False)  # else it would take clicks from the curves
        self._stress_box.setZValue(-1)
        main.scene().addItem(self._stress_box)
        main.getAxis("right").linkToView(self._stress_box)
        self._stress_box.setXLink(main)
        main.getViewBox().sigResized.connect(self._fit_stress_box)
        main.getViewBox().sigResized.connect(self._title_axes)
        self._stress = pg.PlotDataItem(connect="finite", antialias=True)
        self._stress.hide()
        self._stress_box.addItem(self._stress)

        self._cursor = pg.InfiniteLine(angle=90, movable=True)
        self._cursor.setZValue(10)
        self._cursor.hide()
        self._cursor.sigDragged.connect(lambda line: self.position_chosen.emit(float(line.value())))
        self.addItem(self._cursor, ignoreBounds=True)
        self.scene().sigMouseClicked.connect(self._clicked)

    def set_classes(self, classes: Sequence[DefectClass]) -> None:
        """Start anew with a curve for each of `classes`, in its colour."""
        for curve in self._curves.values():
            self.removeItem(curve)
        self._curves = {}
        for defect in classes:
            curve = pg.PlotDataItem(
                pen=pg.mkPen(defect.color, width=_LINE_WIDTH),
                symbolBrush=defect.color,
                symbolPen=None,
                symbolSize=5,
                connect="finite",
                antialias=True,
            )
            curve.setClipToView(True)
            curve.setDownsampling(auto=True, method="peak")
            self.addItem(curve)
            self._curves[defect.key] = curve

    @property
    def quantity(self) -> str:
        """Title of the x axis."""
        return self._quantity

    def set_quantity(self, title: str) -> None:
        """Name what the x axis is, and show all of it."""
        self._quantity = title
        self._title_axes()
        self.getPlotItem().getViewBox().enableAutoRange()

    def draw(
        self,
        x: NDArray[np.float64],
        percent: Mapping[str, NDArray[np.float64]],
        stress: NDArray[np.float64] | None,
    ) -> None:
        """Draw the curves.

        Parameters
        ----------
        x : ndarray, shape (n,)
            Values of the x axis; points where it is NaN are left out.
        percent : mapping of str to ndarray, shape (n,)
            Area fraction in percent by class key; NaN breaks the curve.
        stress : ndarray, shape (n,), optional
            In MPa. Without it there is no axis on the right.
        """
        known = np.isfinite(x)
        self._zero.setData(x[known][:1], np.zeros(known[known].size)[:1])
        symbol = "o" if np.count_nonzero(known) <= _FEW_POINTS else None
        for key, curve in self._curves.items():
            curve.setData(*_drawable(x[known], percent[key][known]), symbol=symbol)
        self.getPlotItem().showAxis("right", stress is not None)
        self._stress.setVisible(stress is not None)
        if stress is not None:
            self._stress.setData(*_drawable(x[known], stress[known]))

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
            axis.setPen(pg.mkPen(_faded(self._text, 0.5)))
            axis.setTextPen(self._text)
            axis.setTickFont(font)
        self._stress.setPen(pg.mkPen(_faded(self._text, 0.6), width=1.5, style=Qt.PenStyle.DashLine))
        self._cursor.setPen(pg.mkPen(_faded(self._text, 0.85), width=1.5))
        self._cursor.setHoverPen(pg.mkPen(self._text, width=3))
        self._title_axes()

    def _title_axes(self) -> None:
        css = {"color": self._text.name(), "font-size": f"{self._font.pointSizeF():.1f}pt"}
        width = QFontMetricsF(self._font).horizontalAdvance
        room = self.getPlotItem().getViewBox().height() - _TITLE_MARGINS_PX
        titles = {
            side: next((title for title in known if width(title) <= room), known[-1])
            for side, known in _TITLES.items()
        }
        for side, title in {**titles, "bottom": self._quantity}.items():
            self.getPlotItem().getAxis(side).setLabel(title, **css)
        # A title makes its axis visible.
        self.getPlotItem().showAxis("right", bool(self._stress.isVisible()))

    def _fit_stress_box(self) -> None:
        box = self.getPlotItem().getViewBox()
        self._stress_box.setGeometry(box.sceneBoundingRect())
        self._stress_box.linkedViewChanged(box, self._stress_box.XAxis)

    def _clicked(self, event: Any) -> None:
        box = self.getPlotItem().getViewBox()
        if event.button() == Qt.MouseButton.LeftButton and box.sceneBoundingRect().contains(event.scenePos()):
            self.position_chosen.emit(float(box.mapSceneToView(event.scenePos()).x()))


def keep_menu(plot: pg.PlotWidget) -> None:
    """Let the menu that pyqtgraph makes for `plot`, unseen, end with it."""
    menu = plot.getPlotItem().ctrlMenu
    menu.setParent(plot, menu.windowFlags())  # as any other widget it would lie open on the plot


def _drawable(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take out everything where y has no number: pyqtgraph would find no range."""
    return (x, y) if np.isfinite(y).any() else (x[:0], y[:0])


def _faded(color: QColor, opacity: float) -> QColor:
    faded = QColor(color)
    faded.setAlphaF(opacity)
    return faded
