"""Trainings that wait for their turn; kept in the experiment, so that none is lost when the program ends."""

from pydantic import BaseModel, ConfigDict, Field

from glissile.experiment import Experiment
from glissile.learn.recipes import Recipe


class WaitingTrainings(BaseModel):
    """Settings of the trainings that wait, in their order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipes: tuple[Recipe, ...] = Field(
        (), title="Waiting", description="Settings of the trainings that wait, the next one first"
    )


_WAITING = "waiting"


def waiting_trainings(experiment: Experiment) -> tuple[Recipe, ...]:
    """Give the settings of the trainings that wait, the next one first.

    Raises
    ------
    InputError
        If they were edited to something impossible.
    """
    return experiment.settings(_WAITING, WaitingTrainings).recipes


def queue_training(experiment: Experiment, recipe: Recipe) -> None:
    """Let a training wait for its turn; it will learn from the labels as they are when it comes.

    Raises
    ------
    InputError
        If the experiment is read-only.
    """
    recipes = (*waiting_trainings(experiment), recipe)
    experiment.save_settings(_WAITING, WaitingTrainings(recipes=recipes))


def unqueue_training(experiment: Experiment, index: int) -> None:
    """Let the training at `index` of those that wait, counted from 0, wait no longer.

    Raises
    ------
    InputError
        If the experiment is read-only.
    """
    recipes = waiting_trainings(experiment)
    left = recipes[:index] + recipes[index + 1 :]
    experiment.save_settings(_WAITING, WaitingTrainings(recipes=left))
