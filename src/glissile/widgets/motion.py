"""The dock with the motion of the specimen over the frames, and kymographs before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from glissile.stabilize.review import is_known
from glissile.widgets._kymograph_panel import KymographPanel
from glissile.widgets._motion_plot import DX_COLOR, DY_COLOR, MARKS, SIGMAS, MotionPlot, printed_mark
from glissile.widgets._plot_dock import PlotDock, flowing_label

if TYPE_CHECKING:
    from typing import Any

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from glissile.stabilize.motion import Motion

_EMPTY = "How the specimen moves appears here once the video is stabilized"
_KYMOGRAPH_HINT = "What stands still draws a level line. Drag the ends of the yellow line to look elsewhere."
_MARKS_TIP = "\n".join(f"{symbol} {flag}: {meaning}" for flag, (_, symbol, _, meaning) in MARKS.items())


class MotionDock(PlotDock):
    """Displacement with its uncertainty, flags as marks; kymographs of a line.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Passed by this name. Its frame slider moves the cursor; a click on a plot or a drag of the cursor
        moves the slider.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer)
        self.hint = QLabel(_EMPTY)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.against = QComboBox()
        self.against.addItems(["Frame", "Time"])
        self.against.setToolTip("What the motion is drawn against")
        self.against.activated.connect(self._redraw)
        self.readout = flowing_label()
        self.readout.setTextFormat(Qt.TextFormat.RichText)
        self.legend = flowing_label()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        for label in (self.readout, self.legend):
            label.setToolTip(_MARKS_TIP)
        self.plot = MotionPlot()
        self.plot.position_chosen.connect(self._go_near)
        self.kymograph = KymographPanel(napari_viewer, self._state)
        self.kymograph.position_chosen.connect(lambda frame: self._go_to(round(frame)))
        self.drift = _page_button("Drift", "How far the specimen is from where it was in the first frame")
        self.lines = _page_button("Kymograph", "Grey values along a line over time, before and after")
        self._arrange()
        self._listen(
            [
                (self._state.motion_changed, self._take_motion),
                (self._state.video_changed, self._redraw_soon),
            ]
        )
        self._take_motion()
        self._redraw()

    def _arrange(self) -> None:
        pages = QButtonGroup(self)
        pages.addButton(self.drift, 0)
        pages.addButton(self.lines, 1)
        self.drift.setChecked(True)
        pages.idToggled.connect(self._choose_page)
        self._views = QStackedWidget()
        self._views.addWidget(self.plot)
        self._views.addWidget(self.kymograph)
        bar = QHBoxLayout()
        bar.addWidget(self.drift)
        bar.addWidget(self.lines)
        bar.addSpacing(8)
        bar.addWidget(self.against)
        bar.addWidget(self.kymograph.note)
        bar.addWidget(self.legend, 1)
        shown = QWidget()
        layout = QVBoxLayout(shown)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(bar)
        layout.addWidget(self.readout)
        layout.addWidget(self._views, 1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.hint)
        self._pages.addWidget(shown)
        self.setMinimumSize(240, 140)

    def _let_go(self) -> None:
        super()._let_go()
        self.kymograph.close_line()

    def _choose_page(self, page: int, chosen: bool) -> None:
        if not chosen:
            return
        self._views.setCurrentIndex(page)
        self.against.setVisible(page == 0)
        if page == 1:
            self.kymograph.open()
        else:
            self.kymograph.close_line()
        self._follow_slider()

    def _take_motion(self) -> None:
        """Show the line of the kymograph anew where there is another motion, or none any more."""
        self.kymograph.close_line()
        self._redraw_soon()

    def _redraw(self) -> None:
        self._dress([self.plot, self.kymograph.before, self.kymograph.after], self.readout)
        motion, source = self._state.motion, self._state.source
        self._pages.setCurrentIndex(0 if motion is None else 1)
        timed = source is not None and source.timed
        self.against.model().item(1).setEnabled(timed)
        if not timed:
            self.against.setCurrentText("Frame")
        if motion is None:
            return
        title = "Time (s)" if self.against.currentText() == "Time" else "Frame"
        if title != self.plot.quantity:
            self.plot.set_quantity(title)
        self.plot.draw(self._x(motion), motion)
        if self.lines.isChecked():
            self.kymograph.open()
        self._follow_slider()

    def _x(self, motion: Motion) -> NDArray[np.float64]:
        """Where the frames of `motion` are on the x axis; shape (t,)."""
        source = self._state.source
        if self.against.currentText() == "Time" and source is not None:
            return np.interp(motion.frame_numbers, source.frame_numbers, source.times_s)
        return motion.frame_numbers.astype(np.float64)

    def _follow_slider(self) -> None:
        frame, motion = self._frame(), self._state.motion
        if motion is None:
            return
        index = None if frame is None else _index_of(motion, frame)
        self.plot.set_cursor(None if index is None else float(self._x(motion)[index]))
        self.kymograph.set_cursor(None if index is None else frame)
        nm = None if self._state.source is None else self._state.source.nm_per_pixel
        if self.lines.isChecked():
            self.readout.setText(_KYMOGRAPH_HINT)
            self.legend.setText("")
        else:
            self.legend.setText(legend_text(motion))
            self.readout.setText("" if index is None else told_motion(motion, index, nm))

    def _go_near(self, position: float) -> None:
        motion = self._state.motion
        if motion is not None:
            index = int(np.argmin(np.abs(self._x(motion) - position)))
            self._go_to(int(motion.frame_numbers[index]))


def told_motion(motion: Motion, index: int, nm_per_pixel: float | None) -> str:
    """Say in rich text where the specimen is in frame `index` along t of `motion`, and how well it is known.

    Parameters
    ----------
    motion : Motion
        Where the specimen went.
    index : int
        Index along t.
    nm_per_pixel : float, optional
        For saying it in nanometres, too.
    """
    parts = [f"frame {motion.frame_numbers[index]}"]
    shifts = motion.displacements_px[index].tolist()
    for name, color, shift in zip(("dy", "dx"), (DY_COLOR, DX_COLOR), shifts, strict=True):
        nm = "" if nm_per_pixel is None else f" ({shift * nm_per_pixel:.0f} nm)"
        parts.append(
            f'<span style="color:{color}">\u25a0</span>&nbsp;{name}&nbsp;<b>{shift:.2f}&nbsp;px</b>{nm}'
        )
    sigma = float(motion.sigma_px[index])
    if not is_known(motion)[index]:
        parts.append("place not known")
    elif np.isfinite(sigma):
        parts.append(f"\u00b1&nbsp;{SIGMAS * sigma:.2f}&nbsp;px&nbsp;({SIGMAS}\u03c3)")
    flag = motion.flags[index]
    if flag:
        parts.append(printed_mark(flag))
    return "&nbsp;&nbsp; ".join(parts)


def legend_text(motion: Motion) -> str:
    """Explain the band, and those marks that `motion` has, as rich text."""
    present = [printed_mark(flag) for flag in MARKS if flag in motion.flags]
    if np.isfinite(motion.sigma_px).any():
        present.insert(0, f"band \u00b1{SIGMAS}\u03c3")
    if not is_known(motion).all():
        present.append('<span style="color:#808080">\u2592</span>&nbsp;not known')
    return "&nbsp;&nbsp; ".join(present)


def _index_of(motion: Motion, frame: int) -> int | None:
    found: NDArray[Any] = np.flatnonzero(motion.frame_numbers == frame)
    return int(found[0]) if found.size else None


def _page_button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setCheckable(True)
    button.setToolTip(tooltip)
    return button
