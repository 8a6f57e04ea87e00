"""The drawing of the curves: one curve per class, stress on a second axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from glissile.widgets._frame_plot import FramePlot, faded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QFont

    from glissile.defects import DefectClass

_FEW_POINTS = 150  # so many are drawn as points too
_LINE_WIDTH = 2
_GRID_OPACITY = 0.15
_BAND_OPACITY = 0.25


class CurvePlot(FramePlot):
    """Area fractions in percent over one quantity, stress on the right."""

    TITLES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "left": ("Area fraction (%)", "Area (%)", "%"),
        "right": ("Stress (MPa)", "MPa"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._curves: dict[str, pg.PlotDataItem] = {}
        self._bands: dict[str, tuple[pg.PlotDataItem, pg.PlotDataItem, pg.FillBetweenItem]] = {}
        main = self.getPlotItem()
        main.showGrid(x=True, y=True, alpha=_GRID_OPACITY)
        main.getViewBox().setLimits(yMin=-10, yMax=110, minYRange=0.02)
        main.getViewBox().setDefaultPadding(0.03)
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
        self._stress = pg.PlotDataItem(connect="finite", antialias=True)
        self._stress.hide()
        self._stress_box.addItem(self._stress)

    def set_classes(self, classes: Sequence[DefectClass]) -> None:
        """Start anew with a curve for each of `classes`, in its colour."""
        for item in (*self._curves.values(), *(item for band in self._bands.values() for item in band)):
            self.removeItem(item)
        self._curves, self._bands = {}, {}
        for defect in classes:
            low, high = (pg.PlotDataItem(pen=pg.mkPen(None), connect="finite") for _ in range(2))
            band = pg.FillBetweenItem(low, high, brush=faded(QColor(defect.color), _BAND_OPACITY))
            band.setZValue(-1)
            for item in (low, high, band):
                self.addItem(item)
            self._bands[defect.key] = low, high, band
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

    def draw(
        self,
        x: NDArray[np.float64],
        percent: Mapping[str, NDArray[np.float64]],
        uncertainty: Mapping[str, NDArray[np.float64]],
        stress: NDArray[np.float64] | None,
    ) -> None:
        """Draw the curves.

        Parameters
        ----------
        x : ndarray, shape (n,)
            Values of the x axis; points where it is NaN are left out.
        percent : mapping of str to ndarray, shape (n,)
            Area fraction in percent by class key; NaN breaks the curve.
        uncertainty : mapping of str to ndarray, shape (n,)
            Half the width of the band around each curve, in percent; no band where it is NaN.
        stress : ndarray, shape (n,), optional
            In MPa. Without it there is no axis on the right.
        """
        known = np.isfinite(x)
        self._zero.setData(x[known][:1], np.zeros(known[known].size)[:1])
        symbol = "o" if np.count_nonzero(known) <= _FEW_POINTS else None
        for key, curve in self._curves.items():
            curve.setData(*_drawable(x[known], percent[key][known]), symbol=symbol)
            low, high, band = self._bands[key]
            middle, half = percent[key][known], uncertainty[key][known]
            # A band of nothing would lie at zero, and both axes reach there.
            band.setVisible(bool(np.isfinite(middle + half).any()))
            low.setData(*_drawable(x[known], np.maximum(middle - half, 0)))
            high.setData(*_drawable(x[known], middle + half))
        self.getPlotItem().showAxis("right", stress is not None)
        self._stress.setVisible(stress is not None)
        if stress is not None:
            self._stress.setData(*_drawable(x[known], stress[known]))

    def set_look(self, background: str, text: str, font: QFont) -> None:
        """Take over the colours of napari's theme, "#rrggbb", and a font."""
        super().set_look(background, text, font)
        self._stress.setPen(pg.mkPen(faded(self._text, 0.6), width=1.5, style=Qt.PenStyle.DashLine))

    def _title_axes(self) -> None:
        super()._title_axes()
        # A title makes its axis visible.
        self.getPlotItem().showAxis("right", bool(self._stress.isVisible()))

    def _fit_stress_box(self) -> None:
        box = self.getPlotItem().getViewBox()
        self._stress_box.setGeometry(box.sceneBoundingRect())
        self._stress_box.linkedViewChanged(box, self._stress_box.XAxis)


def _drawable(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take out everything where y has no number: pyqtgraph would find no range."""
    return (x, y) if np.isfinite(y).any() else (x[:0], y[:0])
