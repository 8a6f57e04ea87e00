"""Training the networks of an experiment."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glissile import atomic
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.checkpoint import has_model
from glissile.label.split import split
from glissile.label.split_again import split_again
from glissile.learn.identity import CHECKPOINT_FILE, identity, trained_identity
from glissile.learn.recipes import Recipe
from glissile.progress import Steps
from glissile.workflow.labelled_frames import LabelledFrames, labelled_frames
from glissile.workflow.models import (
    TrainedModel,
    choose_model,
    cut_short,
    free_name,
    model_named,
    trained_models,
    used_model,
)
from glissile.workflow.stabilization import working_video

if TYPE_CHECKING:
    from glissile.io.model_card import ModelCard
    from glissile.learn.train import TrainingJob


@dataclass(frozen=True, eq=False)
class _Task:
    """A training as it would run on the labels of now.

    Attributes
    ----------
    start : TrainedModel, optional
        Where it begins; None for random weights.
    held_out : tuple of int
        Indices of the labelled frames that are held out.
    identity : dict
        What it is told apart by.
    """

    start: TrainedModel | None
    held_out: tuple[int, ...]
    identity: dict[str, Any]


def _task(labelled: LabelledFrames, recipe: Recipe, start: TrainedModel | None) -> _Task:
    numbers = labelled.frame_numbers
    if start is None:
        chosen = split(numbers, labelled.masks, every=recipe.holdout_every, held_out=recipe.held_out)
    else:
        chosen = split_again(
            numbers,
            labelled.masks,
            learned=start.card.learned,
            held_out=start.card.frames.validation,
            every=recipe.holdout_every,
        )
    known = labelled.data_hash([numbers[i] for i in chosen.validation])
    began = "" if start is None else start.card.weights_sha256
    return _Task(start, chosen.validation, identity(known, recipe, began))


def training_job(
    experiment: Experiment,
    *,
    preview_index: int | None = None,
    resume: bool = False,
    start: str | None = None,
) -> "TrainingJob":
    """Gather what training needs, as one value that can travel to another process.

    A new training has a folder of its own, so that no model is lost. Only that of the same training, where it
    was cut short, is used again; a checkpoint that lies beside an earlier model is moved away from it.

    Parameters
    ----------
    experiment : Experiment
        The study.
    preview_index : int, optional
        Index along t of the working video whose prediction is shown after each epoch.
    resume : bool
        Go on with the training that was cut short on the same labels with the same settings; without `start`,
        wherever that one began.
    start : str, optional
        Name of the model that the training begins from. What was held out from that one stays held out.

    Returns
    -------
    TrainingJob

    Raises
    ------
    InputError
        If no frame of the working video is labelled, or there is no such model.
    """
    from glissile.learn.train import Preview, TrainingJob

    video = working_video(experiment)
    labelled = labelled_frames(experiment)
    recipe = experiment.settings("train", Recipe)
    begun = None if start is None else model_named(experiment, start)
    task = _task(labelled, recipe, begun)
    folder = None
    if resume:
        found = _resumable(experiment, labelled, recipe, begun)
        if found is not None:
            folder, task = _alone(experiment, found[0], recipe), found[1]
        elif left := cut_short(experiment):
            folder = left[0][0]  # which says what has changed since
    else:
        same = (f for f, known in cut_short(experiment) if known == task.identity and not has_model(f))
        folder = next(same, None)
    if folder is None:
        folder = experiment.models_folder / free_name(experiment, recipe.name)
    return TrainingJob(
        frames=labelled.frames,
        masks=labelled.masks,
        frame_numbers=labelled.frame_numbers,
        classes=labelled.classes,
        recipe=recipe,
        folder=folder,
        validation=task.held_out,
        valid=labelled.valid,
        preview=None
        if preview_index is None
        else Preview(video.frame(preview_index), preview_index, video.valid_part(preview_index)),
        resume=resume,
        start=None if task.start is None else task.start.folder,
    )


def _resumable(
    experiment: Experiment, labelled: LabelledFrames, recipe: Recipe, begun: TrainedModel | None
) -> tuple[Path, _Task] | None:
    """Find the training that was cut short and fits labels, recipe and, where one is given, the beginning."""
    models = {model.card.weights_sha256: model for model in trained_models(experiment)}
    for folder, known in cut_short(experiment):
        began = known.get("start", "")
        if began and began not in models:
            continue
        if begun is not None and began != begun.card.weights_sha256:
            continue
        task = _task(labelled, recipe, models.get(began))
        if task.identity == known:
            return folder, task
    return None


def _alone(experiment: Experiment, folder: Path, recipe: Recipe) -> Path:
    """Move a checkpoint away from an earlier model, which its training would replace; give its folder."""
    if not has_model(folder):
        return folder
    own = experiment.models_folder / free_name(experiment, recipe.name)
    own.mkdir(exist_ok=True)
    atomic.replace(folder / CHECKPOINT_FILE, own / CHECKPOINT_FILE)
    return own


def train(experiment: Experiment, *, resume: bool = False, start: str | None = None) -> Steps["ModelCard"]:
    """Train the chosen recipe on the labelled frames, in this process, and use the model from then on.

    Parameters
    ----------
    experiment : Experiment
        The study, open for writing.
    resume, start
        As of `training_job`.

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
        As `training_job`, or if the experiment is read-only.
    """
    from glissile.learn.train import train as train_model

    experiment.require_writable()
    job = training_job(experiment, resume=resume, start=start)
    experiment.save_settings("train", job.recipe)
    card = yield from train_model(job)
    choose_model(experiment, job.folder.name)
    return card


def prepare_retraining(experiment: Experiment) -> str:
    """Make the settings of the model in use those of the next training, which is to begin from it.

    Returns
    -------
    str
        Name of that model, for `train` or `training_job`.

    Raises
    ------
    InputError
        If there is no model, it is damaged, or the experiment is read-only.
    """
    model = used_model(experiment)
    if model is None:
        raise InputError(f"{experiment.folder.name}: there is no trained model yet; train one first")
    choose_model(experiment, model.name)
    return model.name


def fitting_model(experiment: Experiment) -> str | None:
    """Name of a model of the chosen recipe, as it is set now, that was trained on the labels as they are now.

    Returns
    -------
    str, optional
        The model in use where it fits, else the one that was trained last of those that do.

    Raises
    ------
    InputError
        If no frame is labelled.
    """
    labelled = labelled_frames(experiment)
    recipe = experiment.settings("train", Recipe)
    fitting = [model for model in trained_models(experiment) if _fits(model, labelled, recipe)]
    used = used_model(experiment)
    if used is not None and used in fitting:
        return used.name
    return fitting[-1].name if fitting else None


def _fits(model: TrainedModel, labelled: LabelledFrames, recipe: Recipe) -> bool:
    parent = model.card.parent
    known = labelled.data_hash(model.card.frames.validation)
    wanted = identity(known, recipe, "" if parent is None else parent.weights_sha256)
    return trained_identity(model.card) == wanted


def is_trained(experiment: Experiment) -> bool:
    """Whether the chosen recipe was trained, as it is set now, on the labels as they are now.

    Raises
    ------
    InputError
        If no frame is labelled.
    """
    return fitting_model(experiment) is not None


def resumable(experiment: Experiment, *, start: str | None = None) -> bool:
    """Whether a training as it would start now was cut short before.

    Parameters
    ----------
    experiment : Experiment
        The study.
    start : str, optional
        Name of the model that it began from. None: wherever it began.

    Raises
    ------
    InputError
        If no frame is labelled, or there is no such model.
    """
    begun = None if start is None else model_named(experiment, start)
    recipe = experiment.settings("train", Recipe)
    return _resumable(experiment, labelled_frames(experiment), recipe, begun) is not None
