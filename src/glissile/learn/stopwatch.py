"""What a training has taken so far, what its parts take, and how many steps fit into its time."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median_low

from glissile.learn.schedule import Plan, steps_within

# Fewer steps leave a network that knows nothing, however little time was given.
LEAST_STEPS = 8
# Steps and looks that tell how fast it goes now.
_RECENT_STEPS, _RECENT_LOOKS = 9, 5
# Fewer tell nothing of those to come.
_TELLING_STEPS = 3
_SHORTEST_S = 1e-4


class Stopwatch:
    """The time of a training, and the paces that it was seen to have.

    A pace is a median, so that a single step or look that hangs changes nothing but the time that is left. A
    look is what follows upon some steps: the hold-out and the checkpoint. Looks, and what follows the last of
    them, are kept in steps instead of seconds: what slows the steps slows the rest as much. Time in which
    the training rests does not count.

    Parameters
    ----------
    minutes : float, optional
        Wall time for the whole training, from now to its written model; None for as long as it takes.
    clock : callable
        Seconds that only ever grow.

    Attributes
    ----------
    earlier_s : float
        Seconds that the training took before it was resumed.
    limited : bool
        Whether there is a time to keep to.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.earlier_s = 0.0
        self.limited = minutes is not None
        self._limit_s = 60 * (minutes or 0.0)
        self._clock = clock
        self._began = clock()
        self._rested_s = 0.0
        self._lap_began = self._now_s()
        self._steps_s: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._looks: deque[float] = deque(maxlen=_RECENT_LOOKS)
        self._supposed_look = 0.0
        self._end = 0.0

    def _now_s(self) -> float:
        return self._clock() - self._began - self._rested_s

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far."""
        return self.earlier_s + self._now_s()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Stand still, while whoever asks for the next step has not yet done so."""
        began = self._clock()
        try:
            yield
        finally:
            self._rested_s += self._clock() - began

    def suppose(self, *, look: float, end: float) -> None:
        """Say what a look, and what follows the last one, should take, in steps; until it is known."""
        self._supposed_look, self._end = look, end

    def expect(self, *, step_s: float, look_s: float, end_s: float) -> None:
        """Take over first paces: of a step, of a look, and of what follows the last look."""
        self._steps_s.append(max(step_s, _SHORTEST_S))
        self._looks.append(look_s / self._steps_s[0])
        self._end = end_s / self._steps_s[0]

    def begin_part(self) -> None:
        """Take notice that steps begin."""
        self._lap_began = self._now_s()

    def end_step(self) -> None:
        """Take notice that a step was taken."""
        self._steps_s.append(max(self._lap_s(), _SHORTEST_S))

    def end_look(self) -> None:
        """Take notice that the look which followed upon a step is over."""
        if not self._steps_s:  # it was cut short, and is all that was done since
            return
        self._looks.append(self._lap_s() / median_low(self._steps_s))
        if self._supposed_look:  # what follows the last look consists of the same
            self._end *= self._looks[-1] / self._supposed_look
            self._supposed_look = self._looks[-1]

    def _lap_s(self) -> float:
        began, self._lap_began = self._lap_began, self._now_s()
        return self._lap_began - began

    def left_s(self, plan: Plan, step: int, looked_at: int) -> float | None:
        """Seconds to the end of `plan`, with the looks and what follows the last of them.

        Parameters
        ----------
        plan : Plan
            Length of the training.
        step, looked_at : int
            Steps done, and steps done when the hold-out was last looked at.

        Returns
        -------
        float, optional
            None where too few steps were seen to tell: the first are slow.
        """
        if len(self._steps_s) < _TELLING_STEPS and not self._looks:
            return None
        look = median_low(self._looks) if self._looks else self._supposed_look
        looks = (plan.steps - looked_at) * plan.stops_per_step * look
        return (plan.steps - step + looks + self._end) * median_low(self._steps_s)

    def fitted(self, plan: Plan, step: int) -> Plan:
        """Give `plan` the length that fits into the time, as things go now; `expect` must have been called.

        Parameters
        ----------
        plan : Plan
            Its division into epochs stays.
        step : int
            Steps done in all.

        Returns
        -------
        Plan
            Not shorter than `step` and `LEAST_STEPS`, and longer than `step` where only the first paces are
            known; `plan` itself where there is no limit.
        """
        if not self.limited:
            return plan
        step_s, look = median_low(self._steps_s), median_low(self._looks)
        # A look after a part that is not whole comes on top of those that `steps_within` counts.
        left = self._limit_s - self.elapsed_s - (look + self._end) * step_s
        fitting = steps_within(left, step_s=step_s, look_s=look * step_s, plan=plan)
        least = 1 if len(self._steps_s) == 1 else 0
        return replace(plan, steps=max(LEAST_STEPS, step + max(least, fitting)))
