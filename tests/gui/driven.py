"""Child processes driven in a thread, as the docks drive them, and waiting for them."""

import threading
import time
from contextlib import contextmanager

import psutil

from glissile.widgets._child_process import REQUESTS, Requests, drive, in_child_process


@contextmanager
def driven(function, *args):
    """Drive a child in a thread, as the docks do; what asks of it, its steps, and how it ended."""
    requests, steps, outcome = Requests(), [], []

    def work():
        token = REQUESTS.set(requests)
        try:
            outcome.append(drive(in_child_process(function, *args), requests, steps.append))
        except BaseException as error:
            outcome.append(error)
        finally:
            REQUESTS.reset(token)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield requests, steps, outcome
    finally:
        requests.close.set()
        thread.join()


def until(condition, within_s=30):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def at_rest(steps, quiet_s=0.5):
    """Wait until no more steps come; give the number of the last."""
    seen = -1
    while len(steps) != seen:
        seen = len(steps)
        time.sleep(quiet_s)
    return steps[-1].index


def child_at_work():
    """The one child of the tests; the screen that they have is a process, too."""
    (process,) = (one for one in psutil.Process().children() if one.name() != "Xvfb")
    return process
