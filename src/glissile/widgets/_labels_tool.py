"""Ways of drawing on the Labels layer that napari has not: what they share, and clicks on objects."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

# A press and release of the mouse that are farther apart, in pixels of the screen, move the view.
_STILL_PX = 4


class LabelsTool(QObject):  # type: ignore[misc]  # qtpy brings no types
    """A way of drawing on the Labels layer, until `end`.

    Sub-classes override `click`.

    Parameters
    ----------
    labels : napari.layers.Labels
        Masks (t, y, x), in the viewer.
    keys : mapping of str to callable
        What keys do while the layer is selected.

    Attributes
    ----------
    layer : napari.layers.Layer, optional
        What the tool shows; to be put into the viewer.
    """

    ended = Signal()

    def __init__(self, labels: Labels, keys: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self._labels = labels
        self._keys = keys
        self.layer: Layer | None = None
        labels.mode = "pan_zoom"
        labels.mouse_drag_callbacks.append(self._on_press)
        for key, call in keys.items():
            labels.bind_key(key, lambda layer, call=call: call(), overwrite=True)

    def end(self) -> None:
        """Let go of the Labels layer; what was not finished is not drawn."""
        self._labels.mouse_drag_callbacks.remove(self._on_press)
        for key in self._keys:
            self._labels.bind_key(key, None)
        self.ended.emit()

    def click(self, index: int, y: float, x: float, *, straight: bool = False) -> None:
        """Draw at a point (y, x), in pixels, of frame `index`; `straight` where Shift is held."""
        raise NotImplementedError

    def show(self) -> None:
        """Show what belongs to the frame that is looked at."""

    def place(self, event: Any) -> tuple[int, float, float]:
        """Index along t, and (y, x) in pixels, of a position in napari's world."""
        t, y, x = (float(v) for v in self._labels.world_to_data(event.position)[-3:])
        return round(t), y, x

    def _on_press(self, labels: Any, event: Any) -> Iterator[None]:
        """Take a press and release on the spot as a click; napari goes on with this at every move."""
        if event.button not in (None, 1):
            return
        begun, straight = np.array(event.pos), "Shift" in event.modifiers
        place = self.place(event)
        yield
        farthest = 0.0
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.hypot(*(np.array(event.pos) - begun))))
            yield
        if farthest < _STILL_PX:
            self.click(*place, straight=straight)


class ObjectPicker(LabelsTool):
    """Clicks on objects of the Labels layer; Escape goes back to the brush.

    Parameters
    ----------
    labels : napari.layers.Labels
        Masks (t, y, x), in the viewer.
    picked : callable
        Gets index along t, y and x, in pixels, of each click.
    """

    def __init__(self, labels: Labels, picked: Callable[[int, float, float], object]) -> None:
        super().__init__(labels, {"Escape": lambda: setattr(labels, "mode", "paint")})
        self._picked = picked

    def click(self, index: int, y: float, x: float, *, straight: bool = False) -> None:
        """Hand on a click."""
        if self._labels.editable:
            self._picked(index, y, x)


class ObjectBringer(ObjectPicker):
    """Clicks on objects of another frame, which it shows.

    Parameters
    ----------
    labels : napari.layers.Labels
        Masks (t, y, x), in the viewer.
    picked : callable
        Gets index along t, y and x, in pixels, of each click.
    layer : napari.layers.Labels
        For the mask (y, x) of the other frame.
    other : callable
        Gives that mask for the frame that is looked at.
    """

    def __init__(
        self,
        labels: Labels,
        picked: Callable[[int, float, float], object],
        layer: Labels,
        other: Callable[[], NDArray[np.uint8]],
    ) -> None:
        super().__init__(labels, picked)
        self._shown = self.layer = layer
        self._other = other
        self.show()

    def show(self) -> None:
        """Show the mask of the other frame."""
        self._shown.data = self._other()
