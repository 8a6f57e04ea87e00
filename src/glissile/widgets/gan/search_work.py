"""A search in the background that keeps what it has found when it is cancelled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal

from glissile.widgets.gan._resolve_micrographs import searching_text
from glissile.widgets.gan.long_work import LongWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from glissile.gan.projection import Projection
    from glissile.progress import Step, Steps
    from glissile.widgets.gan._resolve_micrographs import Quality


class SearchWork(LongWork):
    """Runs one search at a time, tells how long it takes, and shows where it is.

    Attributes
    ----------
    pace_s : float, optional
        Seconds that a unit of work took in the last search, see `Quality.work`.
    stopped : bool
        Whether it was cancelled.
    """

    previewed = Signal(object)  # ndarray of uint8, the best picture so far

    def __init__(self) -> None:
        super().__init__()
        self.pace_s: float | None = None
        self.stopped = False
        self._quality: Quality | None = None
        self._first: tuple[float, float] | None = None  # time and work at the first step

    def search(
        self,
        steps: Callable[[], Steps[Projection]],
        quality: Quality,
        on_done: Callable[[Projection], object],
    ) -> None:
        """Run a search.

        Parameters
        ----------
        steps : callable
            Makes the search.
        quality : Quality
            Of it.
        on_done : callable
            Gets what was found, also where it was cancelled.
        """
        self._quality, self._first, self.stopped = quality, None, False
        self.run(steps, description="Searching for the micrograph", on_done=on_done, left_at_once=True)
        self.progress.setRange(0, 0)  # busy, as long as it is not known how far it is
        self.message.setText("Looking at what the generator makes")

    def stop(self) -> None:
        """End the search at its next step, with the best so far."""
        if self._work is None:
            return
        from glissile.gan.projection import Stop

        self.stopped = True
        self.cancel.setEnabled(False)
        self.message.setText("Stopping: the best so far is kept")
        self._work.send(Stop())

    def abandon(self) -> None:
        """End the search without a result."""
        super().stop()

    def _show(self, step: Step) -> None:
        super()._show(step)
        quality = self._quality
        if quality is not None and step.total:
            now, done = time.perf_counter(), quality.work(step.index, step.total)
            if self._first is None:
                self._first = now, done
            began, before = self._first
            if done > before:
                self.pace_s = (now - began) / (done - before)
            if self.stopped:
                return
            left = None if self.pace_s is None else self.pace_s * (quality.whole_work - done)
            self.message.setText(searching_text(step.message, step.metrics, left))
        if step.preview is not None:
            self.previewed.emit(step.preview)
