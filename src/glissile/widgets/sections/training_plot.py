"""Curves of a training while it runs: losses, and the score of each class."""

from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from qtpy.QtWidgets import QVBoxLayout, QWidget

from glissile.defects import DefectClass
from glissile.widgets._frame_plot import keep_menu

_HEIGHT_PX = 120
_LEAST_EPOCHS = 5  # on the axis, so that its numbers are whole
_LOSS_COLOR = "#999999"
_VALIDATION_COLOR = "#d55e00"
_SCORE = "tolerant_f_"


class TrainingPlot(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Two small plots against the epoch: losses above, F-scores within 2 px below."""

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.losses = _plot("loss", legend=(-4, 4))
        self.scores = _plot("F within 2 px", legend=(-4, -4))
        self.scores.setYRange(0, 1)
        self.scores.setLabel("bottom", "epoch")
        layout.addWidget(self.losses)
        layout.addWidget(self.scores)
        self._points: dict[str, tuple[list[float], list[float]]] = {}
        self.curves: dict[str, pg.PlotDataItem] = {}

    def begin(self, classes: Sequence[DefectClass]) -> None:
        """Start with empty curves for `classes`."""
        for plot in (self.losses, self.scores):
            plot.clear()
        self._points.clear()
        self.curves = {
            "loss": _curve(self.losses, "training", _LOSS_COLOR),
            "validation_loss": _curve(self.losses, "held out", _VALIDATION_COLOR),
            **{f"{_SCORE}{c.key}": _curve(self.scores, c.name, c.color) for c in classes},
        }

    def add(self, metrics: Mapping[str, float], done: float) -> None:
        """Add the numbers of one step, at `epoch` of `metrics`; others than the shown ones are left out.

        `done` is the share of the training, 0 to 1. The axis reaches to its end: curves begin away from the
        legend, and come below it when they have risen.
        """
        if done > 0 and "epoch" in metrics:
            last = max(_LEAST_EPOCHS, round(metrics["epoch"] / done))
            for plot in (self.losses, self.scores):
                plot.setXRange(0, last, padding=0.02)
        for name, curve in self.curves.items():
            if name in metrics:
                epochs, values = self._points.setdefault(name, ([], []))
                epochs.append(metrics["epoch"])
                values.append(metrics[name])
                # A single point has no line to be seen by.
                curve.setData(epochs, values, symbol="o" if len(epochs) == 1 else None)

    def set_colors(self, background: str, text: str) -> None:
        """Follow napari's theme."""
        for plot in (self.losses, self.scores):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(text)
                axis.setTextPen(text)
            plot.getPlotItem().legend.setLabelTextColor(text)


def _curve(plot: pg.PlotWidget, name: str, color: str) -> pg.PlotDataItem:
    return plot.plot(name=name, pen=pg.mkPen(color, width=2), symbolBrush=color, symbolPen=None, symbolSize=6)


def _plot(title: str, *, legend: tuple[int, int]) -> pg.PlotWidget:
    plot = pg.PlotWidget(enableMenu=False)
    keep_menu(plot)
    plot.setFixedHeight(_HEIGHT_PX)
    plot.setLabel("left", title)
    plot.getAxis("left").setWidth(48)
    for side in ("left", "bottom"):
        plot.getAxis(side).setStyle(maxTickLevel=0)
    plot.getPlotItem().layout.setContentsMargins(0, 6, 6, 4)  # else the topmost number and the title are cut
    plot.addLegend(offset=legend, labelTextSize="8pt", colCount=1, brush=(127, 127, 127, 40))
    plot.setMouseEnabled(x=False, y=False)
    plot.setXRange(0, _LEAST_EPOCHS)
    plot.hideButtons()
    return plot
