"""Labelled frames -> a trained network on disk, epoch by epoch."""

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.io.checkpoint import ModelCard
from glissile.learn.labelled import Part
from glissile.learn.recipes import Recipe
from glissile.learn.training import Training
from glissile.progress import Step, Steps


@dataclass(frozen=True)
class Stop:
    """Sent to a training: finish now and keep the best weights so far."""


@dataclass(frozen=True, eq=False)
class Preview:
    """What a training shows: the prediction of this frame. Sent to it, this one from now on.

    Attributes
    ----------
    frame : ndarray, shape (y, x)
        Grey values.
    frame_number : int, optional
        Index along t, passed on in the steps.
    valid : tuple of slice
        Rows and columns of the frame that were recorded; only they are predicted.
    """

    frame: NDArray[Any]
    frame_number: int | None = None
    valid: Part = (slice(None), slice(None))


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What a training needs, as plain values that can travel to another process.

    Attributes
    ----------
    frames : ndarray of any number type, shape (n, y, x)
        Grey values of the labelled frames.
    masks : ndarray of uint8, shape (n, y, x)
        Class values.
    frame_numbers : sequence of int, length n
        Number of each frame in the source.
    classes : tuple of DefectClass
        Without background.
    recipe : Recipe
        How to train.
    folder : Path
        Where the model goes.
    validation : tuple of int
        Indices along n of the frames that are held out, as `glissile.label.split.split` chooses them;
        empty to train on all and score on none.
    valid : tuple of tuple of slice, length n, optional
        Rows and columns of each frame that were recorded; nothing else is learned from or scored. None: all.
    preview : Preview, optional
        A frame whose predicted mask is shown as the training goes on.
    resume : bool
        Go on from the checkpoint in `folder`.
    start : Path, optional
        Folder of a model whose weights the training begins from, for a quarter of the epochs or minutes of
        the recipe and at a third of its learning rate. None: random weights.
    """

    frames: NDArray[Any]
    masks: NDArray[np.uint8]
    frame_numbers: tuple[int, ...]
    classes: tuple[DefectClass, ...]
    recipe: Recipe
    folder: Path
    validation: tuple[int, ...]
    valid: tuple[Part, ...] | None = None
    preview: Preview | None = None
    resume: bool = False
    start: Path | None = None


def train(job: TrainingJob) -> Steps[ModelCard]:
    """Train a network and write it to `job.folder`.

    Closing the generator leaves a checkpoint from which a job with `resume` goes on exactly as if it had
    never stopped (where minutes are given: for the minutes that are left); so does killing the process, from
    the last full epoch. The model of an earlier training in the folder stays until this one has ended.

    Parameters
    ----------
    job : TrainingJob
        Frames, masks and settings.

    Yields
    ------
    Step
        After every look at the hold-out, which is once an epoch (four times for "tanaka2025"). The message
        names the device. Metrics: `epoch`, `loss`, `seconds_left`; with a hold-out `validation_loss`, and for
        each class key `f_KEY` and `tolerant_f_KEY`. `preview` is the predicted mask (y, x) of the preview
        frame, and `frame` its index. Understands `Stop` and `Preview` sent to it.

    Returns
    -------
    ModelCard
        Of the best network: that with the highest mean of F and tolerant F on the hold-out, or the last
        where nothing is held out.

    Raises
    ------
    InputError
        If the labels cannot be learned from, memory does not suffice for one frame, there is nothing that
        fits to resume, or the model to begin from is missing or has another network.
    """
    training = Training(
        job.frames,
        job.masks,
        job.frame_numbers,
        job.classes,
        job.recipe,
        job.folder,
        job.validation,
        job.valid,
        job.start,
    )
    if job.resume:
        training.resume()
    else:
        training.begin()
    shown = job.preview
    while training.step < training.plan.steps:
        metrics = training.learn()
        stops = training.plan.stops()
        step = Step(
            index=bisect_left(stops, training.step) + 1,
            total=len(stops),
            message=training.message(),
            metrics=metrics,
            preview=None if shown is None else training.predicted(shown.frame, shown.valid),
            frame=None if shown is None else shown.frame_number,
        )
        try:
            order = yield step
        except GeneratorExit:
            training.save()
            raise
        if isinstance(order, Stop):
            break
        if isinstance(order, Preview):
            shown = order
    return training.end()
