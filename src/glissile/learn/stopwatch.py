"""What a training has taken so far, what its parts take, and how many steps fit into its time."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from statistics import median_low

from glissile.learn.schedule import Plan, steps_within

# Fewer steps leave a network that knows nothing, however little time was given.
LEAST_STEPS = 8
# Steps and looks that tell how fast it goes now.
_RECENT_STEPS, _RECENT_LOOKS = 9, 5
_SHORTEST_S = 1e-4


class Stopwatch:
    """The time of a training, and the paces that it was seen to have.

    A pace is a median, so that a single step or look that hangs changes nothing but the time that is left. A
    look is what follows upon some steps: the hold-out and the checkpoint. Looks, and what follows the last of
    them, are kept in steps instead of seconds: what slows the steps slows the rest as much.

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
        self._began = self._lap_began = clock()
        self._steps_s: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._looks: deque[float] = deque(maxlen=_RECENT_LOOKS)
        self._end = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far."""
        return self.earlier_s + self._clock() - self._began

    def expect(self, *, step_s: float, look_s: float, end_s: float) -> None:
        """Take over first paces: of a step, of a look, and of what follows the last look."""
        self._steps_s.append(max(step_s, _SHORTEST_S))
        self._looks.append(look_s / self._steps_s[0])
        self._end = end_s / self._steps_s[0]

    def begin_part(self) -> None:
        """Take notice that steps begin."""
        self._lap_began = self._clock()

    def end_step(self) -> None:
        """Take notice that a step was taken."""
        self._steps_s.append(max(self._lap_s(), _SHORTEST_S))

    def end_look(self) -> None:
        """Take notice that the look which followed upon a step is over."""
        self._looks.append(self._lap_s() / median_low(self._steps_s))

    def _lap_s(self) -> float:
        began, self._lap_began = self._lap_began, self._clock()
        return self._lap_began - began

    def needed_s(self, steps: int, plan: Plan) -> float:
        """Seconds that so many more steps of `plan` take, with their looks."""
        return steps * median_low(self._steps_s) * (1 + median_low(self._looks) * plan.stops_per_step)

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
