"""Long work in a process of its own, its steps told through a pipe; knows no Qt.

The pipes are the standard streams of a fresh interpreter. `multiprocessing` is not used, because its "spawn"
imports the main module again: that may be a script which opens a viewer, and every child would open one more.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glissile.progress import Step, Steps

T = TypeVar("T")

# Seconds that a work has to end by itself after it was asked to; then its process is ended.
GRACE_S = 3.0
KILL_AFTER_S = 4.0
_POLL_S = 0.05
_REST_S = 0.1
_LAST_LINES = 40

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from glissile.widgets._child_process import serve; serve()"


class ChildError(Exception):
    """A child process failed or died; the message is one sentence."""


class Requests:
    """What other threads ask of the work that runs in this one, also in the middle of a step.

    Attributes
    ----------
    close : threading.Event
        Set when the work shall stop.
    paused : bool
        Whether the work shall do nothing between two steps, until it shall go on or close.
    values : queue.SimpleQueue
        Values for the step generator, oldest first.
    """

    def __init__(self) -> None:
        self.close = threading.Event()
        self.paused = False
        self.values: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._children = 0

    def rest(self) -> None:
        """Sleep as long as the work shall pause, but not where a child process does so instead."""
        while self.paused and not self._children and not self.close.wait(_REST_S):
            pass

    @contextmanager
    def passed_on(self) -> Iterator[None]:
        """Let a child process pause, and not this thread, through which it must hear of going on."""
        self._children += 1
        try:
            yield
        finally:
            self._children -= 1

    def next_value(self) -> Any:
        """Take the oldest value; None without any."""
        try:
            return self.values.get_nowait()
        except queue.Empty:
            return None


# Set by whoever drives a step generator in a thread and lets other threads speak to it.
REQUESTS: ContextVar[Requests | None] = ContextVar("REQUESTS", default=None)


@dataclass(frozen=True)
class _Pause:
    """Told to a child: pause, or go on."""

    paused: bool


def drive(steps: Steps[T], requests: Requests, on_step: Callable[[Step], None]) -> T:
    """Run a step generator to its end, or until it shall close; pause between two steps where asked to.

    Parameters
    ----------
    steps : Steps
        The work; closed in any case.
    requests : Requests
        Its values go into the generator, one at a step.
    on_step : callable
        Called with every step.

    Returns
    -------
    T
        What the generator returns.

    Raises
    ------
    GeneratorExit
        If the work was closed before its end.
    """
    value = None
    try:
        requests.rest()
        while not requests.close.is_set():
            try:
                step = steps.send(value)
            except StopIteration as done:
                return cast("T", done.value)
            on_step(step)
            requests.rest()
            value = requests.next_value()
    finally:
        steps.close()
    raise GeneratorExit


def in_child_process(function: Callable[..., Steps[T]], *args: Any) -> Steps[T]:
    """Run the long work `function(*args)` in a process of its own.

    The process starts with the first step and ends with the generator: when closed, the work gets
    GeneratorExit at its next step, and is terminated where that does not come within `GRACE_S`. It also ends
    when this process dies. What it prints goes to this process's stderr. Where `REQUESTS` is set, as it is
    for a work started by `widgets._worker.start`, values reach the child while it computes, closing does not
    wait for the step in progress, and it is the child that pauses.

    Parameters
    ----------
    function : callable
        At the top level of a module other than `__main__`, returning a step generator.
    *args
        Must be picklable.

    Yields
    ------
    Step
        The steps of `function(*args)`. A value sent in return is sent to that generator at one of its next
        steps.

    Returns
    -------
    T
        What `function(*args)` returns; must be picklable.

    Raises
    ------
    InputError
        Or any other exception of Python or of this package that `function` raised.
    ChildError
        If it raised something else, or if the process died.
    ValueError
        If no other process can import `function`.
    """
    if function.__module__ == "__main__":
        raise ValueError(f"{function.__qualname__} is defined in __main__, which no child process imports")
    requests = REQUESTS.get() or Requests()
    child = _Child(pickle.dumps((function, args)))
    try:
        with requests.passed_on():
            while True:
                kind, content = child.receive(requests)
                if kind == "done":
                    return cast("T", content)
                if kind == "error":
                    raise _raised_in_child(*content)
                value = yield content
                if value is not None:
                    child.send(value)
    finally:
        child.stop()


class _ChildTracebackError(Exception):
    """Where in the child an error came from: the cause of the one raised here, for the log."""

    def __str__(self) -> str:
        return f"in the background process\n{self.args[0]}"


def _raised_in_child(pickled: bytes | None, sentence: str, details: str) -> Exception:
    error: Exception = ChildError(sentence) if pickled is None else pickle.loads(pickled)
    error.__cause__ = _ChildTracebackError(details)
    return error


class _Child:
    """The process, as its parent sees it."""

    def __init__(self, job: bytes) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-X", "faulthandler", "-c", _BOOT, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            # On Windows: no console, and the processor first to the window (elsewhere `serve` sees to that).
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)
            | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
        )
        self._stdin, self._stdout, self._stderr = (
            cast("IO[bytes]", stream)
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        # Bounded, so that a quick child waits for a slow parent.
        self._messages: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=2)
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._paused = False
        self._reader = threading.Thread(target=self._read, name="glissile-child-steps", daemon=True)
        self._echo = threading.Thread(target=self._repeat_output, name="glissile-child-output", daemon=True)
        self._reader.start()
        self._echo.start()
        self.send(job)

    def receive(self, requests: Requests) -> tuple[str, Any]:
        """Wait for the next message, and pass on values and pauses meanwhile.

        Raises
        ------
        GeneratorExit
            When `requests` ask to close.
        ChildError
            When the process has died.
        """
        while not requests.close.is_set():
            while (value := requests.next_value()) is not None:
                self.send(value)
            # After the values: who goes on should have those that were sent meanwhile.
            if self._paused != requests.paused:
                self._paused = not self._paused
                self.send(_Pause(self._paused))
            with suppress(queue.Empty):
                kind, content = self._messages.get(timeout=_POLL_S)
                if kind == "end":
                    raise self._death()
                return kind, content
        raise GeneratorExit

    def send(self, value: object) -> None:
        """Send `value` to the child."""
        message = pickle.dumps(value)
        with suppress(OSError):  # of a dead child `receive` tells
            self._stdin.write(message)
            self._stdin.flush()

    def stop(self) -> None:
        """End the process: by asking, which closing its stdin does, then by force."""
        with suppress(OSError):
            self._stdin.close()
        asked = time.monotonic()
        while self._process.poll() is None or self._reader.is_alive():
            waited = time.monotonic() - asked
            if waited > KILL_AFTER_S:
                self._process.kill()
            elif waited > GRACE_S:
                self._process.terminate()
            with suppress(queue.Empty):  # a child that waits for room in the pipe could not end
                self._messages.get(timeout=_POLL_S)
        self._echo.join(timeout=1)
        self._stdout.close()
        self._stderr.close()

    def _read(self) -> None:
        try:
            for message in _messages_of(self._stdout):
                self._messages.put(message)
        except Exception as error:  # a result of a class that cannot be imported here
            self._messages.put(("error", _described(error)))
        else:
            self._messages.put(("end", None))

    def _repeat_output(self) -> None:
        for line in self._stderr:
            text = line.decode("utf-8", errors="replace").rstrip()
            self._last_lines.append(text)
            if sys.stderr is not None:  # as in a Windows program without a console
                print(text, file=sys.stderr, flush=True)

    def _death(self) -> ChildError:
        code = self._process.wait()
        self._echo.join(timeout=1)
        error = ChildError(f"the background process {_cause_of_death(code, self._last_lines)}")
        error.__cause__ = _ChildTracebackError("\n".join(self._last_lines))
        return error


def _messages_of(stream: IO[bytes]) -> Iterator[Any]:
    """Yield the pickled messages of `stream` until it ends, possibly within one."""
    while True:
        try:
            message = pickle.load(stream)
        except (EOFError, OSError, pickle.UnpicklingError):
            return
        yield message


def _cause_of_death(code: int, last_lines: deque[str]) -> str:
    """Say why a process with exit status `code` is dead: the second half of a sentence."""
    if code >= 0:
        last_line = f": {last_lines[-1]}" if last_lines else ""
        return f"ended unexpectedly with exit code {code}{last_line}"
    name = str(code)
    with suppress(ValueError):  # a signal of this system that Python does not know
        name = signal.Signals(-code).name
    if name == "SIGKILL":
        return "was killed; most likely the memory ran out, so close other programs or work in smaller pieces"
    return f"crashed with {name}; what it printed last is in the log"


def serve() -> None:
    """Do the one work that comes in through stdin; this is what the child runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the parent to act on
    if hasattr(os, "nice"):
        os.nice(5)
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What the work itself reads and prints must not come between the messages.
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    requests = Requests()
    messages = _messages_of(incoming)
    job = next(messages)

    def listen() -> None:
        for value in messages:
            if isinstance(value, _Pause):
                requests.paused = value.paused
            else:
                requests.values.put(value)
        requests.close.set()

    def tell(kind: str, content: object) -> None:
        message = pickle.dumps((kind, content))
        try:
            outgoing.write(message)
            outgoing.flush()
        except OSError:  # the parent is gone
            requests.close.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    threading.Thread(target=_leave_in_time, args=(requests.close,), daemon=True).start()
    _work(job, requests, tell)
    listener.join()


def _leave_in_time(close: threading.Event) -> None:
    """Wait until the work shall close or the parent has died; then end the process if the work does not."""
    parent = os.getppid()
    while not close.wait(timeout=0.5):
        if os.getppid() != parent:  # while another process holds the pipe open
            close.set()
    time.sleep(GRACE_S)
    os._exit(1)


def _work(job: bytes, requests: Requests, tell: Callable[[str, object], None]) -> None:
    try:
        function, args = pickle.loads(job)
        tell("done", drive(function(*args), requests, lambda step: tell("step", step)))
    except GeneratorExit:
        pass
    except BaseException as error:
        tell("error", _described(error))


def _described(error: BaseException) -> tuple[bytes | None, str, str]:
    """Arguments of `_raised_in_child`; the exception itself only where the parent surely knows its class."""
    pickled = None
    if isinstance(error, Exception) and type(error).__module__.partition(".")[0] in ("builtins", "glissile"):
        with suppress(Exception):
            pickled = pickle.dumps(error)
            pickle.loads(pickled)
    details = "".join(traceback.format_exception(error))
    return pickled, f"{type(error).__name__}: {error}", details
