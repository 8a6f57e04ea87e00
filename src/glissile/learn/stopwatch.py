"""What a training has taken so far, what its parts take, and how many steps fit into its time."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from glissile.learn.schedule import Plan, steps_within

# Fewer steps leave a network that knows nothing, however little time was given.
LEAST_STEPS = 8
# Share of a quicker measurement in a pace; a slower one is believed at once, or the time would be overrun.
_NEW_SHARE = 0.3
# Steps of the present part that tell how fast it goes now.
_RECENT_STEPS = 8
_SHORTEST_S = 1e-4


class Stopwatch:
    """The time of a training, and the paces that it was seen to have.

    Steps are timed in parts, from one stop of the plan to the next, because a graphics card says only at the
    end of a part that it is done. A look is what follows: the hold-out and the checkpoint.

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
        self._began = self._part_began = self._part_ended = clock()
        self._recent: deque[float] = deque(maxlen=_RECENT_STEPS + 1)
        self._step_s = self._first_step_s = self._look_s = self._first_look_s = self._end_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far."""
        return self.earlier_s + self._clock() - self._began

    def expect(self, *, step_s: float, look_s: float, end_s: float) -> None:
        """Take over first paces: of a step, of a look, and of what follows the last look."""
        self._step_s = self._first_step_s = max(step_s, _SHORTEST_S)
        self._look_s = self._first_look_s = look_s
        self._end_s = end_s

    def begin_part(self) -> None:
        """Take notice that steps begin."""
        self._part_began = self._clock()
        self._recent.append(self._part_began)

    def end_step(self) -> None:
        """Take notice that a step was taken, though a graphics card may still be at it."""
        self._recent.append(self._clock())

    def end_part(self, steps: int) -> None:
        """Take notice that so many steps are done since `begin_part`."""
        self._recent.clear()
        self._part_ended = self._clock()
        self._step_s = _blended(self._step_s, (self._part_ended - self._part_began) / steps)

    def end_look(self) -> None:
        """Take notice that the look which followed upon `end_part` is over."""
        self._look_s = _blended(self._look_s, self._clock() - self._part_ended)

    def needed_s(self, steps: int, plan: Plan) -> float:
        """Seconds that so many more steps of `plan` take, with their looks."""
        return steps * (self._step_s + self._look_s * plan.stops_per_step)

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
            Not shorter than `step` and `LEAST_STEPS`; `plan` itself where there is no limit.
        """
        if not self.limited:
            return plan
        step_s = self._step_s
        if len(self._recent) > 1:
            step_s = max(step_s, (self._recent[-1] - self._recent[0]) / (len(self._recent) - 1))
        strain = step_s / self._first_step_s  # what slows the steps slows the rest as much
        look_s, end_s = max(self._look_s, self._first_look_s * strain), self._end_s * strain
        # A look after a part that is not whole comes on top of those that `steps_within` counts.
        left = self._limit_s - self.elapsed_s - look_s - end_s
        fitting = steps_within(left, step_s=step_s, look_s=look_s, plan=plan)
        return replace(plan, steps=max(LEAST_STEPS, step + fitting))


def _blended(known: float, seen: float) -> float:
    return max(seen, (1 - _NEW_SHARE) * known + _NEW_SHARE * seen) if known else seen
