"""The network of an experiment."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.checkpoint import has_model, read_card
from glissile.label import annotations
from glissile.label.split import split
from glissile.learn.identity import identity, interrupted, trained_identity
from glissile.learn.labelled import data_hash
from glissile.learn.recipes import Recipe
from glissile.progress import Steps
from glissile.workflow.stabilization import working_video

if TYPE_CHECKING:
    from glissile.io.checkpoint import ModelCard
    from glissile.learn.train import TrainingJob


def training_job(
    experiment: Experiment, *, preview_index: int | None = None, resume: bool = False
) -> "TrainingJob":
    """Gather what training needs, as one value that can travel to another process.

    Parameters
    ----------
    experiment : Experiment
        The study.
    preview_index : int, optional
        Index along t of the working video whose prediction is shown after each epoch.
    resume : bool
        Go on from the last checkpoint.

    Returns
    -------
    TrainingJob

    Raises
    ------
    InputError
        If no frame of the working video is labelled.
    """
    from glissile.learn.train import Preview, TrainingJob

    video = working_video(experiment)
    store = experiment.labels_or_none()
    labelled = annotations.labelled_indices(store, video) if store is not None else ()
    if store is None or not labelled:
        raise InputError(
            f"{experiment.folder.name}: no frame is labelled yet; paint or import a few labels first"
        )
    recipe = experiment.settings("train", Recipe)
    masks = np.stack([annotations.read_label(store, video, i) for i in labelled])
    frame_numbers = tuple(int(video.frame_numbers[i]) for i in labelled)
    return TrainingJob(
        frames=np.stack([video.frame(i) for i in labelled]),
        masks=masks,
        frame_numbers=frame_numbers,
        classes=experiment.document.classes,
        recipe=recipe,
        folder=model_folder(experiment),
        validation=split(
            frame_numbers, masks, every=recipe.holdout_every, held_out=recipe.held_out
        ).validation,
        valid=None if video.valid_px is None else tuple(video.valid_part(i) for i in labelled),
        preview=None
        if preview_index is None
        else Preview(video.frame(preview_index), preview_index, video.valid_part(preview_index)),
        resume=resume,
    )


def model_folder(experiment: Experiment) -> Path:
    """Where the model of the chosen recipe lies."""
    return experiment.models_folder / experiment.settings("train", Recipe).name


def train(experiment: Experiment, *, resume: bool = False) -> Steps["ModelCard"]:
    """Train the chosen recipe on the labelled frames, in this process.

    Yields
    ------
    Step
        See `glissile.learn.train.train`.

    Returns
    -------
    ModelCard
        Scores and provenance of the trained model.

    Raises
    ------
    InputError
        If no frame is labelled.
    """
    from glissile.learn.train import train as train_model

    job = training_job(experiment, resume=resume)
    experiment.save_settings("train", job.recipe)
    return (yield from train_model(job))


def model_card(experiment: Experiment) -> "ModelCard | None":
    """Card of the network of the chosen recipe; None before it is trained."""
    folder = model_folder(experiment)
    return read_card(folder) if has_model(folder) else None


def is_trained(experiment: Experiment) -> bool:
    """Whether the chosen recipe was trained, as it is set now, on the labels as they are now.

    Raises
    ------
    InputError
        If no frame is labelled.
    """
    card = model_card(experiment)
    return card is not None and trained_identity(card) == _identity(experiment)


def resumable(experiment: Experiment) -> bool:
    """Whether a training as it would start now was cut short before.

    Raises
    ------
    InputError
        If no frame is labelled.
    """
    found = interrupted(model_folder(experiment))
    return found is not None and found == _identity(experiment)


def _identity(experiment: Experiment) -> dict[str, Any]:
    job = training_job(experiment)
    known = data_hash(job.frames, job.masks, job.frame_numbers, job.classes, job.validation, job.valid)
    return identity(known, job.recipe)
