"""Long works for child processes; at the top level of a module, where a child can import them."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from glissile.errors import InputError
from glissile.progress import Step


def count(total, pause_s=0.0):
    """Count to `total`; return the sum of what was sent."""
    received = 0
    for index in range(1, total + 1):
        time.sleep(pause_s)
        value = yield Step(index, total, f"number {index}", metrics={"number": index})
        received += value or 0
    return received


def until_told(pause_s):
    """Count until something is sent; return how far."""
    index = 0
    while True:
        index += 1
        time.sleep(pause_s)
        if (yield Step(index, index, f"number {index}")) is not None:
            return index


def draw(shape):
    """One preview of `shape`."""
    yield Step(1, 1, "drawing", preview=np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), frame=7)


def imported():
    """Names of all modules that the process has imported."""
    yield Step(1, 1, "looking")
    return sorted(sys.modules)


def process_id():
    """Id of the process that works."""
    yield Step(1, 1, "looking")
    return os.getpid()


def speak():
    """Print on every way out of the process, and read from the way in."""
    yield Step(1, 3, "before")
    print("to stdout")
    print("to stderr µ", file=sys.stderr)
    os.write(1, b"to descriptor 1\n")
    yield Step(2, 3, "after")
    return sys.stdin.read()


def raise_input_error():
    """Fail for a reason the user can do something about."""
    yield Step(1, 2, "fine")
    raise InputError("video.mkv: has no frames; choose another")


class StrangeError(Exception):
    """An exception that no pickle brings back."""

    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def raise_strange_error():
    """Fail with an exception the parent does not know."""
    yield Step(1, 2, "fine")
    raise StrangeError("this", "that")


def raise_runtime_error():
    """Fail as PyTorch does."""
    yield Step(1, 2, "fine")
    raise RuntimeError("CUDA out of memory")


def die(how):
    """Die as the out-of-memory killer or a bug in a library makes a process die."""
    yield Step(1, 2, "fine")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crashed":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "left":
        print("last words", file=sys.stderr)
        os._exit(3)


def leave_trace(folder, total, pause_s):
    """Write the process id, then count; write how the generator was closed."""
    folder = Path(folder)
    (folder / "pid").write_text(str(os.getpid()))
    try:
        for index in range(1, total + 1):
            yield Step(index, total, f"number {index}")
            time.sleep(pause_s)
    except GeneratorExit:
        (folder / "closed").write_text("GeneratorExit")
        raise


def stubborn(folder):
    """One step that takes for ever and ignores polite signals."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (Path(folder) / "pid").write_text(str(os.getpid()))
    yield Step(1, 2, "before")
    while True:
        time.sleep(0.1)
