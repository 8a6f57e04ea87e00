"""How fast a network learns over the course of its training, and for how long."""

from dataclasses import dataclass
from math import cos, inf, pi

WARM_UP = 0.15


def one_cycle(progress: float) -> float:
    """Learning rate, as a share of the largest, at `progress` (0 to 1) of the training.

    A linear warm-up over the first 15 %, then half a cosine down to nothing (Smith and Topin, 2018).
    """
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    return 0.5 * (1 + cos(pi * min((progress - WARM_UP) / (1 - WARM_UP), 1)))


@dataclass
class Plateau:
    """Share of the first learning rate that is left: a tenth after losses that do not fall.

    As ReduceLROnPlateau of torch with factor 0.1 and patience 2: the third validation in a row that is not
    better than the best by a ten-thousandth takes the rate down.

    Attributes
    ----------
    share : float
        Present learning rate as a share of the first.
    best : float
        Smallest loss so far.
    waited : int
        Validations since then, or since the rate fell.
    """

    share: float = 1.0
    best: float = inf
    waited: int = 0

    def see(self, loss: float) -> None:
        """Take notice of a validation loss."""
        if loss < self.best * (1 - 1e-4):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > 2:
            self.share, self.waited = self.share * 0.1, 0


@dataclass(frozen=True)
class Plan:
    """Length of a training.

    Attributes
    ----------
    steps : int
        In all.
    steps_per_epoch : int
        The last epoch may have fewer.
    validations_per_epoch : int
        Equal parts, as far as possible, into which an epoch is divided.
    """

    steps: int
    steps_per_epoch: int
    validations_per_epoch: int

    def stops(self) -> list[int]:
        """Step counts after which the hold-out is looked at; ends with `steps`."""
        marks = {
            epoch * self.steps_per_epoch + mark for epoch in range(self.epochs) for mark in self._marks()
        }
        return sorted({min(mark, self.steps) for mark in marks})

    def stop_after(self, step: int) -> int:
        """Give the first stop beyond `step`, as if the training were longer."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return epoch * self.steps_per_epoch + next(mark for mark in self._marks() if mark > place)

    def _marks(self) -> list[int]:
        """List the stops within one epoch."""
        parts = min(self.validations_per_epoch, self.steps_per_epoch)
        return [-(-part * self.steps_per_epoch // parts) for part in range(1, parts + 1)]

    @property
    def stops_per_step(self) -> float:
        """Stops over steps, of whole epochs."""
        return min(self.validations_per_epoch, self.steps_per_epoch) / self.steps_per_epoch

    def epoch_of(self, step: int) -> int:
        """Epoch, counted from 1, that ends with or contains the step before `step`."""
        return max(1, -(-step // self.steps_per_epoch))

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return -(-self.steps // self.steps_per_epoch)


def steps_within(seconds: float, *, step_s: float, look_s: float, plan: Plan) -> int:
    """Training steps that fit into a time, with a look at the hold-out at every stop.

    Parameters
    ----------
    seconds : float
        Time that is left.
    step_s, look_s : float
        Time of a training step, and of a look at the hold-out with the writing of a checkpoint.
    plan : Plan
        Its division into epochs holds, its length does not.

    Returns
    -------
    int
    """
    return max(0, int(seconds / (step_s + look_s * plan.stops_per_step)))
