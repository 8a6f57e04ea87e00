"""A lock that is given to whoever waited longest."""

import threading
from collections import deque
from types import TracebackType


class Turns:
    """A lock that is given in the order of asking.

    An ordinary lock goes mostly to the thread that has just let go of it: a long work that takes it for each
    of its images would keep it from one that waits for a single image.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    def __enter__(self) -> None:
        """Wait for one's turn."""
        mine = object()
        with self._changed:
            self._queue.append(mine)
            try:
                self._changed.wait_for(lambda: self._queue[0] is mine)
            except BaseException:  # interrupted: nobody would end this turn
                self._queue.remove(mine)
                self._changed.notify_all()
                raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End one's turn."""
        with self._changed:
            self._queue.popleft()
            self._changed.notify_all()
