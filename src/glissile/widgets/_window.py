"""The window around a dock, and how it is kept from being painted half way."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.compat import isalive
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMainWindow


class WindowAround:
    """Napari's window around a dock, which need not be in one; held weakly, as it holds the dock."""

    def __init__(self, dock: QObject) -> None:
        above = dock.parent()
        while above is not None and not isinstance(above, QMainWindow):
            above = above.parent()
        self._window = None if above is None else weakref.ref(above)

    @property
    def gone(self) -> bool:
        """Whether it went, with all that it showed."""
        if self._window is None:
            return False
        window = self._window()
        return window is None or not isalive(window)

    @contextmanager
    def unpainted(self) -> Iterator[None]:
        """Let it be painted only afterwards: napari paints at once where its sliders go and come.

        Then some of the layers have not reached the graphics yet, which ended the process (napari 0.9.2 with
        the brush of a layer that was just removed).
        """
        window = None if self._window is None else self._window()
        if window is None:
            yield
            return
        window.setUpdatesEnabled(False)
        try:
            yield
        finally:
            window.setUpdatesEnabled(True)
