"""Training and segmenting in child processes, as step generators without Qt."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from glissile import workflow
from glissile.experiment import Experiment
from glissile.io.checkpoint import ModelCard
from glissile.progress import Steps
from glissile.video import Video


def trained(folder: Path, preview_index: int, resume: bool) -> Steps[ModelCard]:
    """Train the chosen recipe of the experiment in `folder`; runs in a child process.

    Nothing but plain values is sent to it, so that the program that sends them need not load torch.

    Parameters
    ----------
    folder : Path
        Experiment folder, which may be open elsewhere.
    preview_index : int
        Index along t of the working video whose prediction is shown after each epoch.
    resume : bool
        Go on from the last checkpoint.

    Yields
    ------
    Step
        As `glissile.learn.train.train`. "stop" sent in return finishes now with the best weights; an int is
        the index along t to predict from then on.

    Returns
    -------
    ModelCard

    Raises
    ------
    InputError
        If too few frames are labelled.
    """
    from glissile.learn.train import Preview, Stop, train

    with Experiment.open(folder, read_only=True) as experiment:
        video = workflow.working_video(experiment)
        job = workflow.training_job(experiment, preview_index=preview_index, resume=resume)
        steps = train(job)
        try:
            step = next(steps)
            while True:
                wish = yield step
                if wish == "stop":
                    step = steps.send(Stop())
                elif isinstance(wish, int):
                    step = steps.send(Preview(video.frame(wish), wish, video.valid_part(wish)))
                else:
                    step = next(steps)
        except StopIteration as finished:
            card: ModelCard = finished.value
            return card
        finally:
            steps.close()


def measured_while_stored(experiment: Experiment, video: Video, masks: Steps[None]) -> Steps[int]:
    """Keep masks as they come, and measure each.

    Parameters
    ----------
    experiment : Experiment
        The study, open for writing.
    video : Video
        Its working video.
    masks : Steps
        As `workflow.predicted` yields them.

    Yields
    ------
    Step
        Those of `masks` with the measured row as `metrics`.

    Returns
    -------
    int
        Number of frames segmented.
    """
    along = workflow.strain_of(experiment, video)
    classes = experiment.document.classes
    steps = workflow.store(experiment, masks)
    try:
        while True:
            step = next(steps)
            if step.preview is not None and step.frame is not None:
                mask = step.preview.astype(np.uint8)
                row = workflow.measured_row(classes, video, along, step.frame, mask)
                step = replace(step, metrics=row)
            yield step
    except StopIteration as finished:
        return int(finished.value)
    finally:
        steps.close()
