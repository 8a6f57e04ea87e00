"""Labelled frames -> a trained network on disk, epoch by epoch."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.io.model_card import ModelCard
from glissile.learn.labelled import Part
from glissile.learn.recipes import Recipe
from glissile.learn.training import Training
from glissile.progress import Step, Steps, Ticks

T = TypeVar("T")

# How often a training can be heard of within an epoch, and a curve gets a point there.
_TELL_EVERY_S = 0.5
_POINT_EVERY_S = 5.0


@dataclass(frozen=True)
class Stop:
    """Sent to a training: learn no more, look at the hold-out, and keep the best weights so far."""


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
    the last full epoch, or from at most some minutes before. The model of an earlier training in the folder
    stays until this one has ended. Time between two steps, in which nothing is asked of the generator, does
    not count as training.

    Parameters
    ----------
    job : TrainingJob
        Frames, masks and settings.

    Yields
    ------
    Step
        Counts training steps; the message names the device. After every look at the hold-out, which is once
        an epoch (four times for "tanaka2025"), it has the metrics `epoch`, `loss` and, if that can be told,
        `seconds_left`; with a hold-out `validation_loss`, and for each class key `f_KEY` and
        `tolerant_f_KEY`; `preview` is the predicted mask (y, x) of the preview frame, and `frame` its index.
        In between there is a step every
        half second, or after every training step where these take longer: without metrics, or in long epochs
        with `epoch` (1.25 after the first quarter of the second) and `loss`; without preview, unless another
        frame was asked for. Understands `Stop` and `Preview` sent to it.

    Returns
    -------
    ModelCard
        Of the best network: that with the highest mean of F and tolerant F on the hold-out, or the last
        where nothing is held out.

    Raises
    ------
    InputError
        If the labels cannot be learned from, memory does not suffice for the smallest step, the loss does not
        become finite again, there is nothing that fits to resume, or the model to begin from is missing or
        has another network.
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
    talk = _Conversation(training, job.preview)
    try:
        yield from talk.during(training.resume() if job.resume else training.begin())
        while not training.done:
            metrics = yield from talk.during(training.learn())
            yield from talk.say(metrics, with_preview=True)
        return (yield from talk.during(training.end()))
    except GeneratorExit:
        training.save()
        raise
    finally:
        training.close()


class _Conversation:
    """What a training says of itself, and what is said to it.

    Parameters
    ----------
    training : Training
        Who.
    shown : Preview, optional
        What it shows of its predictions.
    """

    def __init__(self, training: Training, shown: Preview | None) -> None:
        self._training = training
        self._shown = shown
        self._preview_wanted = False
        self._said_at = self._point_at = time.monotonic()

    def during(self, ticks: Ticks[T]) -> Steps[T]:
        """Do a part of the work, and say now and then where it stands."""
        try:
            while True:
                try:
                    next(ticks)
                except StopIteration as over:
                    result: T = over.value
                    return result
                now = time.monotonic()
                if self._preview_wanted or now - self._said_at >= _TELL_EVERY_S:
                    point = now - self._point_at >= _POINT_EVERY_S and self._training.learning
                    metrics = self._training.running() if point else {}
                    yield from self.say(metrics, with_preview=self._preview_wanted)
        finally:
            ticks.close()

    def say(self, metrics: dict[str, float], *, with_preview: bool) -> Steps[None]:
        """Yield one step, and do what is sent in return."""
        shown = self._shown if with_preview else None
        self._preview_wanted = False
        step = Step(
            index=self._training.step,
            total=self._training.plan.steps,
            message=self._training.message(),
            metrics=metrics,
            preview=None if shown is None else self._training.predicted(shown.frame, shown.valid),
            frame=None if shown is None else shown.frame_number,
        )
        with self._training.at_rest():
            order = yield step
        self._said_at = time.monotonic()
        if metrics:
            self._point_at = self._said_at
        if isinstance(order, Stop):
            self._training.stop()
        elif isinstance(order, Preview):
            self._shown, self._preview_wanted = order, True
