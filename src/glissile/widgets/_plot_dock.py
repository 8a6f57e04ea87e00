"""What the docks below the video share: they follow napari's slider and theme, and let go of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from glissile.widgets._frame_axis import frame_at, go_to_frame
from glissile.widgets._state import state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.components import ViewerModel

    from glissile.widgets._frame_plot import FramePlot

_REDRAW_EVERY_MS = 50

Connection = tuple[Any, "Callable[..., None]"]


class PlotDock(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """A dock with plots over the frames of the study.

    Sub-classes override `_redraw` and `_follow_slider`, and call `_listen` at the end of their making.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Its frame slider moves the cursors.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._state = state_of(napari_viewer)
        self._look: tuple[Any, ...] = ()
        self._connections: list[Connection] = []
        # Rows may come faster than the eye can follow.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REDRAW_EVERY_MS)
        self._timer.timeout.connect(self._redraw)

    def _listen(self, connections: Iterable[Connection]) -> None:
        """Connect `connections`, and what moves every dock, until the dock goes."""
        held = self._connections
        held += [
            *connections,
            (self._state.video_changed, self._follow_slider),
            (self._viewer.dims.events.point, self._follow_slider),
            (self._viewer.events.theme, self._redraw_soon),
        ]
        for signal, slot in held:
            signal.connect(slot)
        # A window that goes takes its docks with it, and closes none of them.
        self.destroyed.connect(lambda: _disconnect(held))

    def closeEvent(self, event: Any) -> None:  # noqa: N802
        """Let go of the viewer."""
        self._let_go()
        super().closeEvent(event)

    def changeEvent(self, event: Any) -> None:  # noqa: N802
        """Follow napari's style sheet; let go of the viewer when napari closes the dock."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._redraw_soon()
        elif event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._let_go()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Take over the style sheet, which reaches a widget when it is shown."""
        super().showEvent(event)
        self._redraw_soon()

    def _let_go(self) -> None:
        _disconnect(self._connections)
        self._timer.stop()

    def _redraw_soon(self) -> None:
        if self._connections and not self._timer.isActive():
            self._timer.start()

    def _redraw(self) -> None:
        raise NotImplementedError

    def _follow_slider(self) -> None:
        raise NotImplementedError

    def _dress(self, plots: Iterable[FramePlot], label: QLabel) -> None:
        """Give `plots` napari's colours and the font of `label`: its style sheet sets that of labels only."""
        theme = get_theme(self._viewer.theme)
        look = (theme.background.as_hex(), theme.text.as_hex(), label.font())
        if look != self._look:
            self._look = look
            for plot in plots:
                plot.set_look(*look)

    def _frame(self) -> int | None:
        """Tell which frame of the source the viewer shows."""
        dims = self._viewer.dims
        if dims.ndim < 3:
            return None
        index, video = frame_at(dims), self._state.shown
        if video is None:
            return index
        return int(video.frame_numbers[index]) if 0 <= index < len(video) else None

    def _go_to(self, frame: int) -> None:
        """Move the slider to a frame of the source, where the video that is shown has it."""
        dims = self._viewer.dims
        if dims.ndim < 3:
            return
        video = self._state.shown
        index = frame if video is None else video.index_of(frame)
        if index is not None:
            go_to_frame(dims, index)
        self._follow_slider()  # the cursor that was dragged stands on a frame


def flowing_label() -> QLabel:
    """Label of which a long text does not widen the window."""
    label = QLabel()
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def _disconnect(connections: list[Connection]) -> None:
    while connections:
        signal, slot = connections.pop()
        signal.disconnect(slot)
