"""Napari's own play button, pressed for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtWidgets import QMainWindow, QWidget

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

_SLIDERS = "QtDims"  # napari's widget with the sliders below the picture


class Player:
    """Lets napari's sliders move by themselves.

    Parameters
    ----------
    dock : QObject
        Lies in the window of the sliders; nothing plays where it lies in none.
    """

    def __init__(self, dock: QObject) -> None:
        self._dock = dock
        self._found: Any = None

    @property
    def playing(self) -> bool:
        """Whether a slider moves by itself."""
        sliders = self._sliders()
        return sliders is not None and bool(sliders.is_playing)

    def play(self, axis: int, frames_per_second: float) -> None:
        """Let the slider of an axis move, or set how fast it does."""
        sliders = self._sliders()
        if sliders is not None:
            sliders.play(axis, fps=frames_per_second)

    def stop(self) -> None:
        """Let the sliders stand."""
        sliders = self._sliders()
        if sliders is not None:
            sliders.stop()

    def _sliders(self) -> Any:
        """Find napari's sliders in the window around the dock; None outside of one."""
        if self._found is not None and isalive(self._found):
            return self._found
        above = self._dock.parent() if isalive(self._dock) else None
        while above is not None and not isinstance(above, QMainWindow):
            above = above.parent()
        inside = [] if above is None else above.findChildren(QWidget)
        self._found = next((one for one in inside if one.metaObject().className() == _SLIDERS), None)
        return self._found
