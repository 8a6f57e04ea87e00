"""The one long work that a dock runs at a time."""

from collections.abc import Callable
from typing import TypeVar

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Signal

from glissile.progress import Step, Steps
from glissile.widgets._state import ViewerState
from glissile.widgets._worker import Work, start

T = TypeVar("T")


class Runner(QObject):  # type: ignore[misc]  # qtpy brings no types
    """Starts long works, one at a time, and tells how they go.

    Parameters
    ----------
    state : ViewerState
        Its `running` is kept up to date.
    parent : QObject
        Ends with it.
    """

    begun = Signal()
    stepped = Signal(str, object)  # stage, Step
    failed = Signal(str)  # stage; the user was told why
    paused_changed = Signal(bool)
    ended = Signal(str, bool)  # stage, whether it came to its end

    def __init__(self, state: ViewerState, parent: QObject) -> None:
        super().__init__(parent)
        self._state = state
        self._work: Work | None = None

    def run(
        self,
        stage: str,
        steps: Steps[T] | Callable[[], Steps[T]],
        *,
        description: str,
        on_done: Callable[[T], object],
        on_step: Callable[[Step], object] = lambda step: None,
    ) -> None:
        """Run a long work of `stage`.

        Parameters
        ----------
        stage : str
            Section that shows its progress, or "opening" or "reading", which the header shows.
        steps : Steps or callable
            The work.
        description : str
            For napari's activity dock.
        on_done : callable
            Gets the result.
        on_step : callable
            Gets each step.
        """
        if self._state.running is not None:
            show_info(f"Please wait, or cancel what is running ({self._state.running})")
            return

        def ended(finished: bool = False) -> None:
            self._work = None
            self._state.running = None
            self.ended.emit(stage, finished)

        def done(result: T) -> None:
            ended(finished=True)
            on_done(result)

        def failed(message: str) -> None:
            self.failed.emit(stage)
            ended()

        def stepped(step: Step) -> None:
            on_step(step)
            self.stepped.emit(stage, step)

        self._state.running = stage
        self._work = start(
            steps,
            description=description,
            on_step=stepped,
            on_done=done,
            on_error=failed,
            on_stop=ended,
            owner=self,
        )
        self.begun.emit()

    def cancel(self) -> None:
        """Ask the running work to end; what it has done is kept."""
        if self._work is not None:
            self._work.cancel()

    def set_paused(self, paused: bool) -> None:
        """Let the running work rest between two steps, or go on."""
        if self._work is None or self._work.paused is paused:
            return
        if paused:
            self._work.pause()
        else:
            self._work.go_on()
        self.paused_changed.emit(paused)

    def send(self, value: object) -> None:
        """Send `value` to the running work."""
        if self._work is not None:
            self._work.send(value)

    def close(self, then: Callable[[], object]) -> None:
        """Cancel what runs and call `then` when it has ended, which may be after this runner is gone.

        Until then the docks of the viewer see it running: it may still write.
        """
        work, state = self._work, self._state

        def ended() -> None:
            state.running = None
            then()

        if work is None:  # what the state calls running, if anything, is the work of another runner
            then()
        else:
            work.when_ended(ended)
            work.cancel()
