"""Kymographs before and after stabilization, of a line that is drawn in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from glissile.contrast import contrast_limits
from glissile.stabilize.kymograph import Kymographs, kymographs, middle_line
from glissile.widgets._kymograph_plot import KymographPlot
from glissile.widgets._layers import placement
from glissile.widgets._worker import start

if TYPE_CHECKING:
    from pathlib import Path

    from glissile.progress import Step
    from glissile.stabilize.kymograph import Point
    from glissile.video import Video
    from glissile.widgets._state import ViewerState
    from glissile.widgets._worker import Work

LINE_NAME = "Kymograph line"
# Noise is averaged over so many pixels across the line.
_WIDTH_PX = 5
_COLOR = "#f0e442"
# After the last drag; a video is read then.
_WAIT_MS = 300
_LINES_PER_EDGE = 150  # of a frame, so that the line is seen on large frames, too


class KymographPanel(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Two kymographs side by side; the line is a layer that is there as long as they are looked at.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the line is drawn.
    state : ViewerState
        Whose videos are read.
    """

    position_chosen = Signal(float)  # a frame that was clicked, or between two
    read = Signal()  # the kymographs of the line are shown

    def __init__(self, viewer: Any, state: ViewerState) -> None:
        super().__init__()
        self._viewer, self._state = viewer, state
        self._line: tuple[Point, Point] | None = None
        self._folder: Path | None = None  # of the experiment that the line was drawn in
        self._layer: Shapes | None = None
        self._active: Any = None
        self._work: Work | None = None
        self.before = KymographPlot("before: the line stays on the detector")
        self.after = KymographPlot("after: the line stays on the specimen")
        self.before.getPlotItem().setXLink(self.after.getPlotItem())
        self.before.getPlotItem().setYLink(self.after.getPlotItem())
        self.note = QLabel()
        plots = QHBoxLayout()
        for plot in (self.before, self.after):
            plot.position_chosen.connect(self.position_chosen)
            plots.addWidget(plot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(plots, 1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self._read)

    def set_cursor(self, frame: int | None) -> None:
        """Put the cursors at a frame; None hides them."""
        for plot in (self.before, self.after):
            plot.set_cursor(frame)

    def open(self) -> None:
        """Show the line in the viewer, and its kymographs."""
        video, source = self._state.video, self._state.source
        if video is None or source is None or self._layer is not None:
            return
        experiment = self._state.experiment
        folder = None if experiment is None else experiment.folder
        if self._line is None or folder != self._folder or not _meets(self._line, video):
            self._line = middle_line(video)
        self._folder = folder
        active = self._viewer.layers.selection.active
        self._active = getattr(active, "__wrapped__", active)  # plugins get proxies, and napari none back
        place = placement(source)
        self._layer = Shapes(
            [np.array(self._line)],
            shape_type="line",
            name=LINE_NAME,
            edge_color=_COLOR,
            edge_width=max(1.0, min(source.shape[1:]) / _LINES_PER_EDGE),
            metadata={"glissile": {"role": "kymograph line"}},
            **{key: value[1:] for key, value in place.items()},
        )
        self._viewer.add_layer(self._layer)
        self._layer.mode = "direct"
        self._layer.selected_data = {0}  # else its ends cannot be taken hold of at once
        self._layer.events.data.connect(self._on_drawn)
        self._timer.start()

    def close_line(self) -> None:
        """Take the line out of the viewer, and stop reading."""
        self._timer.stop()
        self._stop()
        layer, self._layer = self._layer, None
        if layer is None:
            return
        layer.events.data.disconnect(self._on_drawn)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._active is not None and self._active in self._viewer.layers:
            self._viewer.layers.selection = {self._active}
        self._active = None

    def _on_drawn(self, event: Any) -> None:
        # Once napari has done with it; of several lines the latest counts.
        QTimer.singleShot(0, self._take_drawn)

    def _take_drawn(self) -> None:
        if self._layer is None or not len(self._layer.data):
            return
        ends = np.asarray(self._layer.data[-1])[[0, -1], -2:].tolist()
        line = (ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])
        if line != self._line:
            self._line = line
            self._timer.start()

    def _read(self) -> None:
        self._stop()
        before, after, line = self._state.trimmed, self._state.video, self._line
        if before is None or after is None or line is None:
            return
        self._work = start(
            lambda: kymographs(before, after, *line, _WIDTH_PX),
            description="Reading the kymograph",
            on_step=self._show_step,
            on_done=self._show,
            on_error=self.note.setText,
            owner=self,
        )

    def _stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self.note.setText("")

    def _show_step(self, step: Step) -> None:
        self.note.setText(f"{100 * step.index // step.total} %")

    def _show(self, found: Kymographs) -> None:
        self.note.setText("")
        limits = contrast_limits([found.before, found.after])
        first, last = found.frame_numbers[[0, -1]].tolist()
        self.before.draw(found.before, (first, last), limits)
        self.after.draw(found.after, (first, last), limits)
        self.read.emit()


def _meets(line: tuple[Point, Point], video: Video) -> bool:
    """Whether the middle of `line` lies in the first frame of `video`."""
    middle = np.mean(line, axis=0) - video.origins_px[0]
    return bool(((middle >= 0) & (middle <= np.array(video.shape[1:]) - 1)).all())
