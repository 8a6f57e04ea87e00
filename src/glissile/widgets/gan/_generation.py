"""One thread that makes images for a dock: the newest request of each kind wins, the window never waits."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from glissile.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glissile.gan.sampler import Sampler

T = TypeVar("T")
# Kinds of requests, what is waited for first; others come after.
_FIRST = ("picture", "walk", "exact")
# The same problem is told again when it comes after so long without it.
_TELL_AGAIN_S = 5.0

_log = logging.getLogger(__name__)


class Request(NamedTuple):
    """What was asked for, with which generator, and who is told in the GUI thread."""

    sampler: Sampler
    job: Callable[[Sampler], Any]
    on_done: Callable[[Any], object]
    on_failed: Callable[[], object]


class Generation(QObject):  # type: ignore[misc]  # qtpy brings no types
    """A thread that works on requests; to be used in the GUI thread, where the results arrive.

    Requests should be short, one image each: what comes later waits for what is being made.

    Parameters
    ----------
    parent : QObject, optional
        Ends with it.
    """

    out_of_memory = Signal(object)  # the Sampler whose device has too little
    made = Signal()  # something was made and handed over
    _arrived = Signal(object, object, object)  # request, result, exception

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: dict[str, Request] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._problems: dict[str, float] = {}  # when each came last
        self._sampler: Sampler | None = None
        self._arrived.connect(self._deliver)
        self._thread = threading.Thread(target=self._run, name="glissile images", daemon=True)
        self._thread.start()
        self._at_end = self.destroyed.connect(_closing(self._changed, self._wanted, self))

    def use(self, sampler: Sampler | None) -> None:
        """Make images with another generator; what was asked of the one before is forgotten."""
        with self._changed:
            self._sampler = sampler
            self._wanted.clear()
        self._problems.clear()

    def request(
        self,
        kind: str,
        job: Callable[[Sampler], T],
        on_done: Callable[[T], object],
        on_failed: Callable[[], object] = lambda: None,
    ) -> None:
        """Ask for something; a request of the same kind that was not begun is forgotten.

        Parameters
        ----------
        kind : str
            "picture", "walk" and "exact" come first.
        job : callable
            Is called in the thread.
        on_done : callable
            Is called in the GUI thread with what `job` returned, in the order of the requests; not where
            another generator is used by then.
        on_failed : callable, optional
            Is called in its place where the job failed, after the user was told why; whoever works through
            many goes on with the next one. Not where the memory was too little: another device, or the user,
            has to change first.
        """
        with self._changed:
            if self._sampler is None or self._closed:
                return
            self._wanted.pop(kind, None)
            self._wanted[kind] = Request(self._sampler, job, on_done, on_failed)
            self._changed.notify()

    def forget(self, kind: str) -> None:
        """Take back a request of a kind, where it was not begun."""
        with self._changed:
            self._wanted.pop(kind, None)

    @property
    def closed(self) -> bool:
        """Whether it makes no images any more."""
        return self._closed

    def close(self) -> None:
        """End the thread, after the image that is being made, for which this does not wait."""
        with self._changed:
            self._closed = True
            self._sampler = None
            self._wanted.clear()
            self._changed.notify()
        # No thread keeps what that would call any more: Python may clear it before Qt calls it.
        with suppress(TypeError, RuntimeError):
            self.destroyed.disconnect(self._at_end)

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (request := self._next()) is not None:
            self._work(request)
            del request  # with it goes the generator, once another is used

    def _work(self, request: Request) -> None:
        result, problem = None, None
        try:
            result = request.job(request.sampler)
        except Exception as raised:  # told in the GUI thread
            problem = raised
        with suppress(RuntimeError):  # the dock went meanwhile
            self._arrived.emit(request, result, problem)

    def _next(self) -> Request | None:
        with self._changed:
            while not self._wanted and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            kind = next((kind for kind in _FIRST if kind in self._wanted), next(iter(self._wanted)))
            return self._wanted.pop(kind)

    def _deliver(self, request: Request, result: Any, problem: Exception | None) -> None:
        if self._closed or request.sampler is not self._sampler:
            return
        if problem is None:
            request.on_done(result)
            self.made.emit()
        elif _is_out_of_memory(problem):
            self.out_of_memory.emit(request.sampler)
        else:
            self._tell(problem)
            request.on_failed()

    def _tell(self, problem: Exception) -> None:
        known = isinstance(problem, InputError)
        text = str(problem) if known else f"An image could not be made: {problem}. See the log for details."
        if not known:
            _log.error("an image could not be made", exc_info=problem)
        now = time.monotonic()
        before, self._problems[text] = self._problems.get(text), now
        if before is None or now - before > _TELL_AGAIN_S:  # once, though a slider asks again and again
            show_error(text)


def _closing(
    changed: threading.Condition, wanted: dict[str, Request], owner: Generation
) -> Callable[[], None]:
    """Give what ends the thread when Qt destroys its owner without closing it."""
    state = owner.__dict__

    def close() -> None:
        with changed:
            state["_closed"] = True
            wanted.clear()
            changed.notify()

    return close


def _is_out_of_memory(problem: Exception) -> bool:
    from glissile.device import out_of_memory

    return out_of_memory(problem)
