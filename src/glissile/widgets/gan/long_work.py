"""A long work of the generator dock: its progress, and a button that cancels it."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from glissile.widgets._worker import Work, start
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from glissile.progress import Step, Steps

T = TypeVar("T")


class LongWork(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Runs one work at a time; seen only while it runs."""

    running_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._work: Work | None = None
        self._left: threading.Event | None = None  # of a work that can be left at once
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(8)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self.stop)
        self.message = words("")
        row = QHBoxLayout()
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.message)
        self.hide()

    @property
    def running(self) -> bool:
        """Whether a work runs."""
        return self._work is not None

    def run(
        self,
        steps: Steps[T] | Callable[[], Steps[T]],
        *,
        description: str,
        on_done: Callable[[T], object],
        left_at_once: bool = False,
    ) -> None:
        """Run a work, where none runs; the user is told why it fails.

        Parameters
        ----------
        steps : Steps or callable
            The work.
        description : str
            For napari's activity dock: "Exporting".
        on_done : callable
            Gets the result.
        left_at_once : bool
            Whether `stop` lets go of it at once, for works that stop late and change nothing: such a work
            goes on unseen, and what comes out of it, or why it fails, is told to nobody.
        """
        if self._work is not None:
            return
        left = self._left = threading.Event() if left_at_once else None

        def ended(*_: Any) -> None:
            if left is None or not left.is_set():
                self._end()

        def done(result: T) -> None:
            if left is None or not left.is_set():
                self._end()
                on_done(result)

        def show(step: Step) -> None:
            if left is None or not left.is_set():
                self._show(step)

        whole: Steps[Any] | Callable[[], Steps[Any]] = steps
        if left is not None:
            whole = partial(_unless_left, steps, left)
        self.progress.setRange(0, 1)
        self.progress.reset()
        self.message.setText(description)
        self._work = start(
            whole,
            description=description,
            on_step=show,
            on_done=done,
            on_error=ended,
            on_stop=ended,
            owner=self,
        )
        self.cancel.setEnabled(True)
        self.show()
        self.running_changed.emit()

    def stop(self) -> None:
        """Ask the work to end; see `run`."""
        if self._work is None:
            return
        self._work.cancel()
        if self._left is None:
            self.cancel.setEnabled(False)
        else:
            self._left.set()
            self._end()

    def _end(self) -> None:
        self._work = self._left = None
        self.hide()
        self.running_changed.emit()

    def _show(self, step: Step) -> None:
        self.progress.setRange(0, max(step.total, 1))
        self.progress.setValue(step.index)
        self.message.setText(step.message)


def _unless_left(steps: Steps[T] | Callable[[], Steps[T]], left: threading.Event) -> Steps[T | None]:
    """Do the work; a failure after it was left is nobody's."""
    try:
        return (yield from steps() if callable(steps) else steps)
    except Exception:
        if left.is_set():
            return None
        raise
