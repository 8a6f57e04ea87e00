"""Training and segmenting in child processes, as step generators without Qt."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from glissile import workflow
from glissile.experiment import Experiment
from glissile.progress import Steps
from glissile.video import Video


def trained(folder: Path, preview_index: int, resume: bool | None, start: str | None) -> Steps[str]:
    """Train the chosen recipe of the experiment in `folder`; runs in a child process.

    Nothing but plain values is sent to it, so that the program that sends them need not load torch.

    Parameters
    ----------
    folder : Path
        Experiment folder, which may be open elsewhere.
    preview_index : int
        Index along t of the working video whose prediction is shown after each epoch.
    resume : bool, optional
        Go on from the last checkpoint; None: where there is one that fits.
    start : str, optional
        Name of the model to begin from.

    Yields
    ------
    Step
        As `glissile.learn.train.train`. "stop" sent in return finishes now with the best weights; an int is
        the index along t to predict from then on.

    Returns
    -------
    str
        Name of the model.

    Raises
    ------
    InputError
        As `workflow.training_job` and `glissile.learn.train.train`.
    """
    from glissile.learn.train import Preview, Stop, train

    with Experiment.open(folder, read_only=True) as experiment:
        video = workflow.working_video(experiment)
        if resume is None:
            resume = workflow.resumable(experiment)
        job = workflow.training_job(experiment, preview_index=preview_index, resume=resume, start=start)
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
        except StopIteration:
            return job.folder.name
        finally:
            steps.close()


def used_once_trained(
    experiment: Experiment, training: Steps[str]
) -> Steps[tuple[workflow.ComparedModel, ...]]:
    """Use the model that comes out of a training.

    Parameters
    ----------
    experiment : Experiment
        The study, open for writing.
    training : Steps
        As `trained` yields them; returns the name of the model.

    Yields
    ------
    Step
        Those of `training`.

    Returns
    -------
    tuple of ComparedModel
        All models of the study, compared.
    """
    name = yield from training
    workflow.choose_model(experiment, name)
    return workflow.compared_models(experiment)


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
                known = {int(value): uncertainty for value, uncertainty in step.metrics.items()}
                row = workflow.measured_row(classes, video, along, step.frame, mask, known)
                step = replace(step, metrics=row)
            yield step
    except StopIteration as finished:
        return int(finished.value)
    finally:
        steps.close()
