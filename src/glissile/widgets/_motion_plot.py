"""The drawing of a motion: dy and dx with the band of three standard errors, and the flags as marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyqtgraph as pg
from qtpy.QtGui import QColor, QPainterPath
from qtpy.QtWidgets import QGraphicsPathItem

from glissile.stabilize.review import is_known
from glissile.widgets._frame_plot import FramePlot, faded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from glissile.stabilize.motion import Motion

# Okabe and Ito (2008): told apart by all eyes, and read on napari's dark and light themes; others than those
# of the two usual classes of defects.
DY_COLOR, DX_COLOR = "#009e73", "#cc79a7"
# How each flag is marked: symbol of pyqtgraph, the same in print, colour, what it means.
MARKS: Mapping[str, tuple[str, str, str, str]] = {
    "jump": ("t1", "\u25b2", "#d55e00", "large step, or no relation to the frame before"),
    "few features": ("s", "\u25a0", "#0072b2", "measured on little"),
    "overlay": ("d", "\u25c6", "#999999", "much of the frame does not move along"),
    "interpolated": ("o", "\u25cf", "#f0e442", "not measured, interpolated"),
    "corrected": ("star", "\u2605", "#56b4e9", "set by hand"),
}
SIGMAS = 3
_BAND_OPACITY = 0.3
_UNKNOWN_OPACITY = 0.15
_LEAST_RANGE_PX = 1.0


class MotionPlot(FramePlot):
    """Displacement of the specimen in pixels, over frames or time."""

    TITLES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "left": ("Displacement (px)", "Shift (px)", "px"),
    }

    def __init__(self) -> None:
        super().__init__()
        main = self.getPlotItem()
        main.showGrid(x=True, y=True, alpha=0.15)
        main.getViewBox().setLimits(minYRange=_LEAST_RANGE_PX)
        self._unknown: list[pg.LinearRegionItem] = []
        self._bands = [self._band(color) for color in (DY_COLOR, DX_COLOR)]
        self.curves = {name: self._curve(color) for name, color in (("dy", DY_COLOR), ("dx", DX_COLOR))}
        # Nothing that is seen: it keeps the band in view, but no further than the motion itself goes.
        self._bounds = pg.PlotDataItem(pen=None)
        self.addItem(self._bounds)
        self.marks = {flag: self._scatter(*mark[::2]) for flag, mark in MARKS.items()}

    def _band(self, color: str) -> QGraphicsPathItem:
        band = QGraphicsPathItem()
        band.setBrush(pg.mkBrush(faded(QColor(color), _BAND_OPACITY)))
        band.setPen(pg.mkPen(None))
        self.addItem(band, ignoreBounds=True)
        return band

    def _curve(self, color: str) -> pg.PlotDataItem:
        curve = pg.PlotDataItem(pen=pg.mkPen(color, width=2), antialias=True)
        curve.setClipToView(True)
        curve.setDownsampling(auto=True, method="peak")
        self.addItem(curve)
        return curve

    def _scatter(self, symbol: str, color: str) -> pg.ScatterPlotItem:
        marks = pg.ScatterPlotItem(symbol=symbol, size=10, brush=color, pen=pg.mkPen("black", width=0.5))
        self.addItem(marks, ignoreBounds=True)
        return marks

    def draw(self, x: NDArray[np.float64], motion: Motion) -> None:
        """Draw `motion`; `x`, shape (t,), says where each of its frames is on the x axis."""
        shifts, known = motion.displacements_px, is_known(motion)
        reach = np.where(known, SIGMAS * motion.sigma_px, np.nan)
        for axis, (band, curve) in enumerate(zip(self._bands, self.curves.values(), strict=True)):
            curve.setData(x, shifts[:, axis])
            band.setPath(_band_path(x, shifts[:, axis], reach))
        span = max(float(np.ptp(shifts)), _LEAST_RANGE_PX)
        beyond = np.minimum(np.nan_to_num(reach), span)
        ends = np.concatenate([shifts.min(axis=1) - beyond, shifts.max(axis=1) + beyond])
        self._bounds.setData(np.concatenate([x, x]), ends)
        flags = np.array(motion.flags)
        for flag, marks in self.marks.items():
            here = flags == flag
            marks.setData(np.repeat(x[here], 2), shifts[here].ravel())
        self._shade(x, ~known)

    def _shade(self, x: NDArray[np.float64], unknown: NDArray[np.bool_]) -> None:
        """Mark where the place of the specimen is not known."""
        for region in self._unknown:
            self.removeItem(region)
        self._unknown = []
        for first, last in _runs(unknown):
            grey = pg.mkBrush(faded(QColor("#808080"), _UNKNOWN_OPACITY))
            region = pg.LinearRegionItem((x[first], x[last]), movable=False, brush=grey, pen=pg.mkPen(None))
            self.addItem(region, ignoreBounds=True)
            self._unknown.append(region)


def printed_mark(flag: str) -> str:
    """Write a flag with its mark, as rich text."""
    _, symbol, color, _ = MARKS[flag]
    return f'<span style="color:{color}">{symbol}</span>&nbsp;{flag}'


def _runs(of: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each run of true values in `of`, shape (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], of, [False]]).astype(np.int8)))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]


def _band_path(x: NDArray[np.float64], y: NDArray[np.float64], reach: NDArray[np.float64]) -> QPainterPath:
    """Outline of y - reach to y + reach, all of shape (n,), wherever `reach` is a number."""
    path = QPainterPath()
    for first, last in _runs(np.isfinite(reach)):
        part = slice(first, last + 1)
        there, here = x[part], x[part][::-1]
        low, high = (y - reach)[part], (y + reach)[part][::-1]
        path.addPath(pg.arrayToQPath(np.concatenate([there, here]), np.concatenate([low, high])))
    return path
