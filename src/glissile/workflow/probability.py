"""Probabilities of single frames of an experiment, as they are asked for."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.experiment import Experiment
from glissile.progress import Step, Steps
from glissile.segment.settings import SegmentSettings
from glissile.workflow.models import model_folder
from glissile.workflow.stabilization import working_video

# Without anything to do, the network is not kept in memory for longer.
_IDLE_S = 20.0
_LISTEN_EVERY_S = 0.1


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes
    ----------
    index : int
        Frame, along t of the working video.
    value : int, optional
        Value of the class whose probability is wanted; None for the entropy.
    """

    index: int
    value: int | None


def probabilities_asked_for(folder: Path, first: Asked) -> Steps[None]:
    """Predict frame after frame as asked; only reads, so that a child process can do it.

    Ends when nothing was asked for 20 s.

    Parameters
    ----------
    folder : Path
        Experiment folder, which may be open elsewhere.
    first : Asked
        What is wanted first. More is understood when it is sent, one `Asked` at a step.

    Yields
    ------
    Step
        For each `Asked`, `preview` is an image (y, x) of float32, 0 to 1, NaN outside the valid part, and
        `frame` its index along t. Between, steps without preview, to listen.

    Raises
    ------
    InputError
        If there is no trained model, or memory does not suffice.
    """
    from glissile.segment.uncertainty import Ensemble

    with Experiment.open(folder, read_only=True) as experiment:
        video = working_video(experiment)
        settings = experiment.settings("segment", SegmentSettings)
        ensemble = Ensemble.load((model_folder(experiment),), settings)
        asked: Asked | None = first
        since = time.monotonic()
        while time.monotonic() - since < _IDLE_S:
            if asked is None:
                time.sleep(_LISTEN_EVERY_S)
                asked = yield Step(1, 1, "Waiting for another frame")
                continue
            image = _image(ensemble.probabilities(video, asked.index), ensemble.values, asked.value)
            asked = yield Step(1, 1, "Predicted", preview=image, frame=asked.index)
            since = time.monotonic()


def _image(shares: NDArray[np.float32], values: NDArray[np.uint8], value: int | None) -> NDArray[np.float32]:
    from glissile.learn.probability import entropy

    return entropy(shares) if value is None else shares[values.tolist().index(value)]
