"""How fast a network learns over the course of its training, and for how long."""

from dataclasses import dataclass
from math import cos, inf, isfinite, pi

from glissile.learn.recipes import Recipe

WARM_UP = 0.15
_MOST_UNDONE_IN_A_ROW = 5
_MOST_RETURNS = 2


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


@dataclass
class Divergence:
    """Steps that had to be undone, and how often the training went back because of them.

    One batch without a finite loss is left out and does no harm. Several in a row tell of weights from which
    nothing is learned any more: then the best ones so far are learned on from, at a tenth of the rate.

    Attributes
    ----------
    undone : int
        Steps in all.
    in_a_row : int
        Since the last that was not undone, or since the training went back.
    returns : int
        How often it went back.
    """

    undone: int = 0
    in_a_row: int = 0
    returns: int = 0

    def see(self, loss: float) -> bool:
        """Take notice of the loss of a step; tell whether to go back."""
        if isfinite(loss):
            self.in_a_row = 0
            return False
        self.undone += 1
        self.in_a_row += 1
        return self.in_a_row >= _MOST_UNDONE_IN_A_ROW

    def go_back(self) -> bool:
        """Count that the training goes back; tell whether it still may."""
        self.in_a_row = 0
        self.returns += 1
        return self.returns <= _MOST_RETURNS

    @property
    def rate_share(self) -> float:
        """Of the learning rates of the recipe, from now on."""
        return float(10.0**-self.returns)

    def remark(self) -> str:
        """Say what a person should know of it; empty as long as nothing happened."""
        text = ""
        if self.undone:
            text = f"; {self.undone} step{'s' if self.undone > 1 else ''} without a finite loss left out"
        if self.returns:
            text += f"; went back to the best network with 1/{10**self.returns} of the learning rate"
        return text


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

    @classmethod
    def wanted(cls, recipe: Recipe, frames: int, batch_size: int) -> "Plan":
        """All epochs of `recipe`, on so many frames to learn from."""
        steps = -(-frames * recipe.passes_per_epoch // batch_size)
        per_epoch = min(max(steps, recipe.least_epoch_steps), recipe.most_epoch_steps)
        return cls(per_epoch * recipe.epochs, per_epoch, recipe.validations_per_epoch)

    def stop_after(self, step: int) -> int:
        """Give the first step beyond `step` after which the hold-out is looked at, were there no end."""
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
