"""Napari's own play button, pressed for the user."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QThread
from qtpy.QtWidgets import QMainWindow, QWidget

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

_SLIDERS = "QtDims"  # napari's widget with the sliders below the picture
_POLL_S = 0.001


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
        self._limited: int | None = None  # axis that was played in part

    @property
    def playing(self) -> bool:
        """Whether a slider moves by itself."""
        sliders = self._sliders()
        return sliders is not None and _is_moved(sliders)

    def play(self, axis: int, frames_per_second: float, steps: tuple[int, int] | None = None) -> None:
        """Let the slider of an axis move, or set how and where it does.

        Parameters
        ----------
        axis : int
            Of the viewer; it has a slider.
        frames_per_second : float
            How fast it moves.
        steps : tuple of int, optional
            First and last step of the slider between which it moves; all of them if absent.
        """
        sliders = self._sliders()
        if sliders is None:
            return
        begins = not _is_moved(sliders)
        if begins:
            sliders.stop()  # after this, `is_playing` turns true only once the thread is under way
        self._limited = None if steps is None else axis
        sliders.play(axis, fps=frames_per_second, frame_range=steps)
        # Napari waits for ever where its thread is stopped that is not under way yet.
        while begins and _is_moved(sliders) and not sliders.is_playing:
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Let the sliders stand."""
        sliders = self._sliders()
        if sliders is not None:
            sliders.stop()
        self.stopped()

    def stopped(self) -> None:
        """Let the whole slider be played again, by napari's button, where nothing is played any more."""
        sliders, axis = self._sliders(), self._limited
        if sliders is None or axis is None or _is_moved(sliders):
            return
        self._limited = None
        if axis < len(sliders.slider_widgets):
            sliders.slider_widgets[axis].frame_range = None

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


def _is_moved(sliders: Any) -> bool:
    """Whether the thread runs that moves a slider."""
    thread = sliders.findChild(QThread)
    return thread is not None and bool(thread.isRunning())
