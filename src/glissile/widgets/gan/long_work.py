"""A long work of the generator dock: its progress, and a button that cancels it."""

from __future__ import annotations

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
        """
        if self._work is not None:
            return

        def ended(*_: Any) -> None:
            self._work = None
            self.hide()
            self.running_changed.emit()

        def done(result: T) -> None:
            ended()
            on_done(result)

        self.progress.setRange(0, 1)
        self.progress.reset()
        self.message.setText(description)
        self._work = start(
            steps,
            description=description,
            on_step=self._show,
            on_done=done,
            on_error=ended,
            on_stop=ended,
            owner=self,
        )
        self.cancel.setEnabled(True)
        self.show()
        self.running_changed.emit()

    def stop(self) -> None:
        """Ask the work to end."""
        if self._work is not None:
            self.cancel.setEnabled(False)
            self._work.cancel()

    def _show(self, step: Step) -> None:
        self.progress.setRange(0, max(step.total, 1))
        self.progress.setValue(step.index)
        self.message.setText(step.message)
