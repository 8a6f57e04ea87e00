"""At most one special way of looking at the video at a time: a crop drawn, frames compared, regions drawn."""

from collections.abc import Callable


class Mode:
    """What is to be done when the present way of looking at the video makes room for another one."""

    def __init__(self) -> None:
        self._leave: Callable[[], object] | None = None

    def enter(self, leave: Callable[[], object]) -> None:
        """Leave the mode of now for a new one.

        Parameters
        ----------
        leave : callable
            Takes the layers of the new mode out of the viewer, wherever it is left from; it may leave a mode
            that has ended by itself.
        """
        self.leave()
        self._leave = leave

    def leave(self) -> None:
        """Leave the mode of now, if there is one."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
