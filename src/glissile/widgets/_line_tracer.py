"""Lines traced on the Labels layer: click along a defect, and the line snaps to it."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from napari.utils.notifications import show_error
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.label.tracing import Clicks, Traced, drawn
from glissile.video import Video
from glissile.widgets._labels_tool import LabelsTool
from glissile.widgets._layers import tracing_layer

_ERASER = "white"  # which the background, being transparent, is not


class LineTracer(LabelsTool):
    """Lines along defects, from a few clicks on each.

    Clicks on a frame are kept while others are looked at; the first click on another frame begins anew.

    Parameters
    ----------
    labels : napari.layers.Labels
        Masks (t, y, x), in the viewer; it is drawn on with the class that it has selected.
    video : Video
        Its working video.
    pen_px : callable
        Gives the width of the line of a class, in pixels, by its value.
    index : callable
        Gives the index along t of the frame that is looked at.

    Attributes
    ----------
    layer : napari.layers.Shapes
        Shows the line that would be drawn.
    """

    def __init__(
        self, labels: Labels, video: Video, pen_px: Callable[[int], float], index: Callable[[], int | None]
    ) -> None:
        super().__init__(labels, {"Backspace": self.take_back, "Escape": self.clear, "Enter": self.finish})
        self._pen_px = pen_px
        self._index = index
        self._clicks = Clicks()
        self._clicked_on: int | None = None  # index along t
        self._pointer: tuple[float, float, bool] | None = None
        self._traced = lru_cache(maxsize=2)(lambda index: Traced(video.frame(index)))
        self._lines = self.layer = Shapes(**tracing_layer(video))
        labels.mouse_move_callbacks.append(self._on_move)
        labels.mouse_double_click_callbacks.append(self._on_double_click)
        labels.events.selected_label.connect(self.show)

    def end(self) -> None:
        """Let go of the Labels layer; what was not finished is not drawn."""
        labels = self._labels
        labels.mouse_move_callbacks.remove(self._on_move)
        labels.mouse_double_click_callbacks.remove(self._on_double_click)
        labels.events.selected_label.disconnect(self.show)
        super().end()

    def click(self, index: int, y: float, x: float, *, straight: bool = False) -> None:
        """Go on with the line to a point (y, x), in pixels, of frame `index`."""
        if index != self._clicked_on:
            self._clicks, self._clicked_on = Clicks(), index
        self._clicks = self._clicks.with_point(y, x, straight=straight)
        self._pointer = None
        self.show()

    def point(self, y: float, x: float, *, straight: bool = False) -> None:
        """Show the line as it would be with a click at (y, x)."""
        self._pointer = (y, x, straight)
        self.show()

    def take_back(self) -> None:
        """Take the last point back."""
        self._clicks, self._pointer = self._clicks.without_last(), None
        self.show()

    def clear(self) -> None:
        """Take all points back."""
        self._clicks, self._pointer = Clicks(), None
        self.show()

    def finish(self) -> None:
        """Draw the line with the pen of its class; it can be undone as one stroke."""
        labels, index, line = self._labels, self._clicked_on, self._line(pointed=False)
        value = int(labels.selected_label)
        self.clear()
        if line is None or not labels.editable:
            return
        painted = labels.data[index]
        free = painted == 0 if labels.preserve_labels and value else painted != value
        where = np.nonzero(drawn(line, self._pen_px(value), painted.shape) & free)
        if where[0].size:
            labels.data_setitem((np.full_like(where[0], index), *where), value)

    def show(self, event: Any = None) -> None:
        """Show the line of the frame that is looked at, as far as it is clicked."""
        value = int(self._labels.selected_label)
        self._lines.current_edge_color = np.asarray(self._labels.colormap.map(value)) if value else _ERASER
        line = self._line()
        if line is not None and len(line) == 1:
            line = np.add(line, [[-0.5, 0], [0.5, 0]])
        self._lines.data = [] if line is None else [(line, "path")]

    def _line(self, *, pointed: bool = True) -> NDArray[np.float64] | None:
        """Give the line of the frame that is looked at, also to where the pointer is."""
        index, clicks = self._clicked_on, self._clicks
        if index is None or index != self._index() or not clicks.points:
            return None
        if pointed and self._pointer is not None:
            y, x, straight = self._pointer
            clicks = clicks.with_point(y, x, straight=straight)
        try:
            return self._traced(index).line(clicks)
        except InputError as error:  # the video was moved, or its disk is gone
            self._clicks = Clicks()
            show_error(str(error))
            return None

    def _on_move(self, labels: Any, event: Any) -> None:
        index, y, x = self.place(event)
        if index == self._clicked_on and self._clicks.points:
            self.point(y, x, straight="Shift" in event.modifiers)

    def _on_double_click(self, labels: Any, event: Any) -> None:
        self.finish()
