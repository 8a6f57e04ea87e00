"""The tool that is drawn with on the Labels layer in place of napari's own."""

from collections.abc import Callable
from typing import Any

from napari.layers import Labels

from glissile.widgets._labels_tool import LabelsTool
from glissile.widgets._layer_list import remove
from glissile.widgets._mode import Mode


class ToolInHand:
    """One tool at most, until another way of looking at the video or one of napari's tools is taken.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the Labels layer is.
    mode : Mode
        A tool is one way of looking at the video.

    Attributes
    ----------
    tool : LabelsTool, optional
        The one of now.
    """

    def __init__(self, viewer: Any, mode: Mode) -> None:
        self._viewer = viewer
        self._mode = mode
        self._labels: Labels | None = None
        self.tool: LabelsTool | None = None

    def take(self, labels: Labels, make: Callable[[Labels], LabelsTool]) -> LabelsTool:
        """Draw on `labels`, which are shown, with the tool that `make` makes for them."""
        self._mode.enter(self._end)
        self._labels = labels
        tool = self.tool = make(labels)
        if tool.layer is not None:
            self._viewer.add_layer(tool.layer)
            self._viewer.layers.selection = {labels}
        labels.events.mode.connect(self._on_mode)
        self._viewer.layers.events.removed.connect(self._on_removed)
        # A click tells a place of a frame only where the frame is what is seen.
        for event in (self._viewer.dims.events.ndisplay, self._viewer.dims.events.order):
            event.connect(self.drop)
        return tool

    def drop(self, event: Any = None) -> None:
        """Take the tool away; what was not finished is not drawn."""
        if self.tool is not None:
            self._mode.leave()

    def forget(self) -> None:
        """Let go of the tool where the layers went with their window."""
        self.tool = self._labels = None

    def _on_mode(self, event: Any) -> None:
        """Drop the tool where one of napari's is taken."""
        if self._labels is not None and self._labels.mode != "pan_zoom":
            self.drop()

    def _on_removed(self, event: Any) -> None:
        """Drop the tool where a layer that it needs is closed."""
        if self.tool is not None and event.value in (self._labels, self.tool.layer):
            self.drop()

    def _end(self) -> None:
        tool, self.tool = self.tool, None
        if tool is None or self._labels is None:
            return
        self._labels.events.mode.disconnect(self._on_mode)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for event in (self._viewer.dims.events.ndisplay, self._viewer.dims.events.order):
            event.disconnect(self.drop)
        tool.end()
        remove(self._viewer, tool.layer)
