"""What the network of an experiment learns from."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.label import annotations
from glissile.learn.labelled import Part, data_hash
from glissile.workflow.stabilization import working_video


@dataclass(frozen=True, eq=False)
class LabelledFrames:
    """The labelled frames of the working video.

    Attributes
    ----------
    frames : ndarray, shape (n, y, x)
        Grey values.
    masks : ndarray of uint8, shape (n, y, x)
        Class values.
    frame_numbers : tuple of int, length n
        Number of each in the source.
    classes : tuple of DefectClass
        What the masks hold, without background.
    valid : tuple of tuple of slice, length n, optional
        Rows and columns of each frame that were recorded. None: all.
    """

    frames: NDArray[Any]
    masks: NDArray[np.uint8]
    frame_numbers: tuple[int, ...]
    classes: tuple[DefectClass, ...]
    valid: tuple[Part, ...] | None

    def data_hash(self, held_out: Collection[int]) -> str:
        """Give the hash of a training that holds out the frames of these numbers, as its card has it."""
        validation = [i for i, number in enumerate(self.frame_numbers) if number in held_out]
        return data_hash(self.frames, self.masks, self.frame_numbers, self.classes, validation, self.valid)


def labelled_frames(experiment: Experiment) -> LabelledFrames:
    """Read the labelled frames of the working video of an experiment.

    Raises
    ------
    InputError
        If no frame is labelled.
    """
    video = working_video(experiment)
    store = experiment.labels_or_none()
    labelled = annotations.labelled_indices(store, video) if store is not None else ()
    if store is None or not labelled:
        raise InputError(
            f"{experiment.folder.name}: no frame is labelled yet; paint or import a few labels first"
        )
    return LabelledFrames(
        frames=np.stack([video.frame(i) for i in labelled]),
        masks=np.stack([annotations.read_label(store, video, i) for i in labelled]),
        frame_numbers=tuple(int(video.frame_numbers[i]) for i in labelled),
        classes=experiment.document.classes,
        valid=None if video.valid_px is None else tuple(video.valid_part(i) for i in labelled),
    )
