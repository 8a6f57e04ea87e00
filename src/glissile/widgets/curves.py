"""The dock with area fraction against strain, time or frame, tied to the frame slider."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from glissile.defects import DEFAULT_CLASSES
from glissile.quantify.measure import FRAME, STRAIN, STRESS, TIME, fraction_column, uncertainty_column
from glissile.widgets._curve_plot import CurvePlot
from glissile.widgets._plot_dock import PlotDock, flowing_label
from glissile.widgets._series import Series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from glissile.defects import DefectClass

_EMPTY = "Curves appear while frames are segmented"
_STRAIN_UNKNOWN = "Strain is unknown: enter the strain rate or a strain log in the calibration"
# What the area fractions can be drawn against: column and axis title.
_QUANTITIES = {"Strain": (STRAIN, "Strain"), "Time": (TIME, "Time (s)"), "Frame": (FRAME, "Frame")}


class CurvesDock(PlotDock):
    """Area fraction of each class, growing while frames are segmented.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Passed by this name. Its frame slider moves the cursor; a click on the curves or a drag of the cursor
        moves the slider.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self._classes: tuple[DefectClass, ...] = ()
        self._series = Series(())
        self._wanted = "Strain"

        self.against = QComboBox()
        self.against.addItems(list(_QUANTITIES))
        self.against.setToolTip("What the area fractions are drawn against")
        self.against.activated.connect(self._choose)
        self.readout = flowing_label()
        self.readout.setTextFormat(Qt.TextFormat.RichText)
        self.note = QLabel("strain unknown")
        self.note.setToolTip(_STRAIN_UNKNOWN)
        self.hint = QLabel(_EMPTY)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.plot = CurvePlot()
        self.plot.position_chosen.connect(self._go_near)

        bar = QHBoxLayout()
        bar.addWidget(QLabel("Against"))
        bar.addWidget(self.against)
        bar.addWidget(self.note)
        bar.addSpacing(12)
        bar.addWidget(self.readout, 1)
        shown = QWidget()
        layout = QVBoxLayout(shown)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(bar)
        layout.addWidget(self.plot, 1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.hint)
        self._pages.addWidget(shown)
        self.setMinimumSize(240, 140)

        self._listen(
            [
                (self._state.row_added, self._add),
                (self._state.table_changed, self._take_table),
                (self._state.experiment_changed, self._take_table),
            ]
        )
        self._take_table()
        self._redraw()

    # data

    def _take_table(self) -> None:
        experiment = self._state.experiment
        classes = DEFAULT_CLASSES if experiment is None else experiment.document.classes
        if classes != self._classes:
            self._classes = tuple(classes)
            self.plot.set_classes(self._classes)
        columns = (name(c) for name in (fraction_column, uncertainty_column) for c in self._classes)
        self._series = Series((STRAIN, TIME, STRESS, *columns))
        for row in self._state.table.to_dict("records"):
            self._add({str(name): value for name, value in row.items()})
        self._redraw_soon()

    def _add(self, row: Mapping[str, Any]) -> None:
        self._series.put(int(row[FRAME]), row)
        self._redraw_soon()

    # drawing

    @property
    def _quantity(self) -> str:
        """What the curves are drawn against: what the user wants, where that is known."""
        return "Time" if self._wanted == "Strain" and not self._series.knows(STRAIN) else self._wanted

    def _choose(self) -> None:
        self._wanted = self.against.currentText()
        self._redraw()

    def _x(self) -> NDArray[np.float64]:
        """Values of the x axis by frame, ascending; shape (n,)."""
        column, _ = _QUANTITIES[self._quantity]
        return self._series.frames.astype(np.float64) if column == FRAME else self._series.column(column)

    def _redraw(self) -> None:
        self._dress([self.plot], self.readout)
        self._pages.setCurrentIndex(1 if len(self._series) else 0)
        strain_known = self._series.knows(STRAIN)
        self.note.setVisible(not strain_known)
        item = self.against.model().item(0)
        item.setEnabled(strain_known)
        item.setToolTip("" if strain_known else _STRAIN_UNKNOWN)
        self.against.setCurrentText(self._quantity)
        title = _QUANTITIES[self._quantity][1]
        if title != self.plot.quantity:
            self.plot.set_quantity(title)
        self.plot.draw(
            self._x(),
            {c.key: 100 * self._series.column(fraction_column(c)) for c in self._classes},
            {c.key: 100 * self._series.column(uncertainty_column(c)) for c in self._classes},
            self._series.column(STRESS) if self._series.knows(STRESS) else None,
        )
        self._follow_slider()

    # cursor and slider

    def _follow_slider(self) -> None:
        frame = self._frame()
        self.plot.set_cursor(None if frame is None else self._position(frame))
        self.readout.setText(self._legend(frame))

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Frames, ascending, and where they are on the x axis; both of shape (n,)."""
        frames, x = self._series.frames, self._x()
        if self._state.video is not None and self._quantity != "Strain":  # also what is not measured yet
            frames = self._state.video.frame_numbers
            x = self._state.video.times_s if self._quantity == "Time" else frames.astype(np.float64)
        known = np.isfinite(x)
        return frames[known], x[known]

    def _position(self, frame: int) -> float | None:
        """Where a frame is on the x axis; between measured frames, where it should be."""
        frames, x = self._places()
        if not frames.size or not frames[0] <= frame <= frames[-1]:
            return None
        return float(np.interp(frame, frames, x))

    def _go_near(self, position: float) -> None:
        """Move the slider to the frame that is nearest to a position on the x axis."""
        frames, x = self._places()
        if frames.size:
            self._go_to(int(frames[np.argmin(np.abs(x - position))]))

    def _legend(self, frame: int | None) -> str:
        """Classes in their colours and what is known of the frame that is shown, as rich text."""
        row = (None if frame is None else self._series.at(frame)) or {}
        parts = [] if frame is None else [f"frame {frame}"]
        for column, form in ((TIME, "{:.2f} s"), (STRAIN, "strain {:.4f}")):
            if np.isfinite(number := row.get(column, np.nan)):
                parts.append(form.format(number))
        if parts and not row:
            parts.append("not measured")
        legend = []
        for defect in self._classes:
            fraction = row.get(fraction_column(defect), np.nan)
            value = f" <b>{100 * fraction:.2f} %</b>" if np.isfinite(fraction) else ""
            uncertainty = row.get(uncertainty_column(defect), np.nan)
            if value and np.isfinite(uncertainty):
                value = f" <b>({100 * fraction:.2f} \u00b1 {100 * uncertainty:.2f}) %</b>"
            legend.append(
                f'<span style="color:{defect.color}">\u25a0</span>&nbsp;{escape(defect.name)}{value}'
            )
        if self._series.knows(STRESS):
            number = row.get(STRESS, np.nan)
            value = f" <b>{number:.0f} MPa</b>" if np.isfinite(number) else ""
            legend.append(f"\u254c stress{value}")
        return "&nbsp;&nbsp; ".join([*legend, " \u00b7 ".join(parts)])
