"""All frames of a walk at once, for napari, which asks for them in the thread of its window."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication, QMainWindow, QProgressDialog, QWidget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glissile.gan.walk_frames import WalkFrames

    Pixels = NDArray[np.uint8]

# That the window may stand still.
_STILL_S = 1.0
_POLL_MS = 50


def made_whole(frames: WalkFrames, name: str) -> Pixels:
    """Make all frames of a walk; the window lives on where that takes long, and the user may cancel it.

    Parameters
    ----------
    frames : WalkFrames
        The walk.
    name : str
        Of its layer.

    Returns
    -------
    ndarray of uint8, shape (t, y, x) or (t, y, x, 3)

    Raises
    ------
    RuntimeError
        If the user cancels. It is no InputError: napari takes a ValueError for a sign that it has no writer.
    """
    making = _Making(frames)
    if making.wait(_STILL_S):
        return making.result()
    dialog = QProgressDialog(
        f"{name}: making {len(frames)} frames. Export, in the dock Microstructure generator, also marks them "
        "as synthetic.",
        "Cancel",
        0,
        len(frames),
        _window(),
    )
    dialog.setWindowTitle(name)
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    loop, poll = QEventLoop(), QTimer()
    poll.setInterval(_POLL_MS)

    def show() -> None:
        dialog.setValue(min(making.done, len(frames) - 1))
        if dialog.wasCanceled() or making.wait(0):
            loop.quit()

    poll.timeout.connect(show)
    poll.start()
    dialog.show()
    loop.exec()
    poll.stop()
    cancelled = dialog.wasCanceled() and not making.wait(0)
    dialog.close()
    dialog.deleteLater()
    QApplication.sendPostedEvents(dialog, QEvent.Type.DeferredDelete)
    if cancelled:
        making.cancel()
        raise RuntimeError(
            f"{name}: making its frames was cancelled, so what napari was about to write is not whole; "
            "export the walk in the dock Microstructure generator"
        )
    return making.result()


def _window() -> QWidget | None:
    """Give the window that the dialog is of, by which it gets its looks."""
    windows = (one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow))
    return QApplication.activeWindow() or next((one for one in windows if one.isVisible()), None)


class _Making:
    """A thread that makes all frames."""

    def __init__(self, frames: WalkFrames) -> None:
        self.done = 0
        self._frames = frames
        self._found = np.empty(frames.shape, np.uint8)
        self._problem: Exception | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, name="glissile whole walk", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for index in range(len(self._frames)):
                if self._cancelled:
                    return
                self._found[index] = self._frames.frame(index)
                self.done = index + 1
        except Exception as raised:  # raised where it is waited for
            self._problem = raised

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """End after the frame that is being made."""
        self._cancelled = True

    def result(self) -> Pixels:
        """Give the frames, or raise what went wrong."""
        if self._problem is not None:
            raise self._problem
        return self._found
