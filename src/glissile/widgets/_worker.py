"""Long work in the background of napari: progress, cancelling, errors; child processes for what may crash."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from napari.qt.threading import GeneratorWorkerSignals, WorkerBase, create_worker
from napari.utils import progress
from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import QObject, QTimer

from glissile.errors import InputError
from glissile.widgets._child_process import REQUESTS, ChildError, Requests, drive, in_child_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from glissile.progress import Step, Steps

T = TypeVar("T")

__all__ = ["Work", "WorkError", "in_child_process", "start"]

_log = logging.getLogger(__name__)

# Steps on their way to the window. A work that is quicker than the window waits, else the window would lag
# further and further behind and the previews fill the memory.
_STEPS_UNDERWAY = 4
_PROGRESS_EVERY_MS = 100

# Keeps works alive while they run.
_works: set[Work] = set()


class WorkError(Exception):
    """A long work failed for a reason that is not in its input; the message is one sentence."""


def start(
    steps: Steps[T] | Callable[[], Steps[T]],
    *,
    description: str,
    on_step: Callable[[Step], object] | None = None,
    on_done: Callable[[T], object] | None = None,
    on_error: Callable[[str], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    owner: QObject | None = None,
) -> Work:
    """Run a long work in a thread of napari, its progress in napari's activity dock.

    To be called in the GUI thread, where all callbacks arrive; exactly one of `on_done`, `on_error` and
    `on_stop` comes last. Closing the viewer or quitting napari cancels the work.

    Parameters
    ----------
    steps : Steps or callable
        The work, or a function that makes it, which is called in the thread.
    description : str
        What is being done, for the activity dock, and for messages: "Training".
    on_step : callable, optional
        Called with every step until the work is cancelled.
    on_done : callable, optional
        Called with the result.
    on_error : callable, optional
        Called with one sentence. The user sees it too, as a notification, and the log has the traceback.
    on_stop : callable, optional
        Called without arguments when a cancelled work has ended.
    owner : QObject, optional
        The dock. When it is destroyed the work is cancelled, and no callback is called any more.

    Returns
    -------
    Work
    """
    return Work(steps, description, (on_step, on_done, on_error, on_stop), owner)


class Work(QObject):  # type: ignore[misc]  # qtpy brings no types
    """A long work that was started.

    Attributes
    ----------
    description : str
        What is being done.
    """

    def __init__(
        self,
        steps: Steps[Any] | Callable[[], Steps[Any]],
        description: str,
        callbacks: tuple[Callable[..., object] | None, ...],
        owner: QObject | None,
    ) -> None:
        super().__init__()
        self.description = description
        self._on_step, self._on_done, self._on_error, self._on_stop = callbacks
        self._afterwards: list[Callable[[], object]] = []
        self._progress: progress | None = None
        self._latest: Step | None = None
        self._paused_at: float | None = None
        self._worker: _Worker = create_worker(
            _Task(steps, description), _worker_class=_Worker, _ignore_errors=True
        )
        self._worker.yielded.connect(self._step)
        self._worker.warned.connect(self._warn)
        self._worker.finished.connect(self._finish)
        if owner is not None:
            owner.destroyed.connect(self._abandon)
        _works.add(self)
        # napari processes events whenever a progress bar changes. In a timer that does no harm; here, or in
        # the midst of a step, the next callback would come before this one has returned.
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._show_progress)
        self._timer.start(_PROGRESS_EVERY_MS)
        self._worker.start()

    @property
    def running(self) -> bool:
        """Whether the last callback is still to come."""
        return self in _works

    def cancel(self) -> None:
        """Ask the work to end between two steps; does not wait for it."""
        self._worker.quit()

    @property
    def paused(self) -> bool:
        """Whether the work does nothing between two steps."""
        return self._worker.requests.paused

    def pause(self) -> None:
        """Let the work rest from its next step on, until it shall go on or is cancelled."""
        if not self.paused:
            self._paused_at = time.time()
        self._worker.requests.paused = True

    def go_on(self) -> None:
        """End a pause."""
        self._worker.requests.paused = False
        if self._paused_at is None:
            return
        rested_s, self._paused_at = time.time() - self._paused_at, None
        if self._progress is not None:
            # Else the pause would count as work, and the time that is left would seem much longer.
            self._progress.start_t += rested_s
            self._progress.last_print_t += rested_s

    def when_ended(self, callback: Callable[[], object]) -> None:
        """Call `callback` once nothing of the work runs any more, even where its owner is gone by then."""
        self._afterwards.append(callback)

    def send(self, value: object) -> None:
        """Send `value` to the step generator, at its next step."""
        self._worker.requests.values.put(value)

    def _show_progress(self) -> None:
        if self._progress is None:
            bar = progress(total=0, desc=self.description)
            if not self.running:  # it ended while napari processed events
                bar.close()
                return
            self._progress = bar
        if (step := self._latest) is None:
            return
        self._latest = None
        self._progress.set_description(step.message)
        if self._progress.total != step.total:
            self._progress.total = step.total
        self._progress.update(step.index - self._progress.n)

    def _step(self, step: Step) -> None:
        self._worker.step_arrived()
        if self._worker.requests.close.is_set():
            return
        self._latest = step
        if self._on_step is not None:
            self._on_step(step)

    def _warn(self, warning: tuple[Any, ...]) -> None:
        if issubclass(warning[1], UserWarning):
            notification_manager.receive_warning(*warning)
        else:
            _log.debug("%s: %s", self.description, warning[0])

    def _abandon(self) -> None:
        self._on_step = self._on_done = self._on_error = self._on_stop = None
        self.cancel()

    def _finish(self) -> None:
        _works.discard(self)
        self._timer.stop()
        if self._progress is not None:
            self._progress.close()
        for callback in self._afterwards:
            callback()
        outcome = self._worker.take_outcome()
        if isinstance(outcome, _Result):
            if self._on_done is not None:
                self._on_done(outcome.value)
        elif not isinstance(outcome, GeneratorExit):
            self._fail(outcome)
        elif self._on_stop is not None:
            self._on_stop()

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, InputError):
            message = str(error)
            _log.info("%s: %s", self.description, message, exc_info=error)
            show_error(message)
        else:
            reason = str(error) if isinstance(error, ChildError) else f"{type(error).__name__}: {error}"
            message = f"{self.description} failed: {reason}"
            _log.error(message, exc_info=error)
            failure = WorkError(message)
            failure.__cause__ = error
            notification_manager.receive_error(WorkError, failure, error.__traceback__)
        if self._on_error is not None:
            self._on_error(message)


class _Task:
    """What a worker shall do; as text, what napari's question before closing says about it."""

    def __init__(self, steps: Steps[Any] | Callable[[], Steps[Any]], description: str) -> None:
        self._steps = steps
        self._description = description

    def __str__(self) -> str:
        return self._description

    def begin(self) -> Steps[Any]:
        return self._steps() if callable(self._steps) else self._steps


class _Result:
    """What a work has returned."""

    def __init__(self, value: object) -> None:
        self.value = value


class _Worker(WorkerBase):  # type: ignore[misc]  # nor does superqt
    """Drives a step generator in a thread.

    superqt's own generator worker would not do: after a RuntimeError in the generator (of which PyTorch's
    "out of memory" is one) it emits neither `errored` nor `finished`, and on `quit` it neither closes the
    generator nor interrupts a step that waits for a child process.
    """

    def __init__(self, task: _Task) -> None:
        super().__init__(SignalsClass=GeneratorWorkerSignals)
        self.requests = Requests()
        self._begin = task.begin
        self._outcome: _Result | BaseException | None = None
        self._room = threading.Semaphore(_STEPS_UNDERWAY)

    def quit(self) -> None:
        """Ask the work to end; napari calls this too, when a viewer closes and when it quits."""
        super().quit()
        self.requests.close.set()

    def step_arrived(self) -> None:
        """Let the work emit one more step."""
        self._room.release()

    def take_outcome(self) -> _Result | BaseException:
        """Hand out how the work has ended, and forget it."""
        outcome, self._outcome = self._outcome, None
        return outcome if outcome is not None else GeneratorExit()

    def work(self) -> None:
        """Do the work; superqt calls this in the thread."""
        token = REQUESTS.set(self.requests)
        try:
            self._outcome = _Result(drive(self._begin(), self.requests, self._emit))
        except GeneratorExit as stopped:
            self._outcome = stopped
            self.aborted.emit()
        except BaseException as error:
            self._outcome = error
            raise WorkError(str(error)) from error
        finally:
            REQUESTS.reset(token)

    def _emit(self, step: Step) -> None:
        while not self.requests.close.is_set():
            if self._room.acquire(timeout=0.05):
                self.yielded.emit(step)
                return
