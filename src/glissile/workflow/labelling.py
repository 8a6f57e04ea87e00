"""Labels that were drawn elsewhere, taken over into an experiment; and where labels are missing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.annotations import frame_number, read_mask_folder
from glissile.label import annotations, coverage
from glissile.workflow.stabilization import working_video
from glissile.workflow.videos import trimmed_video

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Of a frame: what rounding may add to the place of a label.
_ON_A_FRAME = 1e-6
_ROUNDED = 0.5


@dataclass(frozen=True)
class ImportedLabels:
    """What became of a folder of label images.

    Attributes
    ----------
    frames : tuple of int
        Source frame numbers that are labelled now.
    nearest : int
        How many of them lay between two frames and went to the nearer one.
    farther : tuple of str
        Stems that were left out because another label lies nearer to the same frame.
    outside : tuple of str
        Stems whose frame number the source does not have, or, where the image is as small as the working
        video, the working video.
    kept : int
        Frames whose existing label was kept.
    left_out : int
        How many of `frames` the working video leaves out.
    doubt : str
        Why the labels are probably numbered otherwise than was told; empty where nothing speaks for it.
    """

    frames: tuple[int, ...]
    nearest: int
    farther: tuple[str, ...]
    outside: tuple[str, ...]
    kept: int
    left_out: int = 0
    doubt: str = ""


def import_labels(
    experiment: Experiment, folder: Path, *, first: float = 0, step: float = 1
) -> ImportedLabels:
    """Take over label images, named by frame number; frames that are labelled already keep their labels.

    Parameters
    ----------
    experiment : Experiment
        The study.
    folder : Path
        Index images, or one sub-folder of images per class.
    first, step : float
        Frame k of the video is number `first + step * k` in the file names; of two labels nearest to the
        same frame the nearer one is taken.

    Returns
    -------
    ImportedLabels

    Raises
    ------
    InputError
        If `first` or `step` is not finite, `step` is not above 0, or an image cannot be read, has no number
        in its name or does not fit the video.
    """
    if not (math.isfinite(first) and math.isfinite(step) and step > 0):
        raise InputError(
            f"{folder}: label numbers that begin at {first:g} and grow by {step:g} per frame tell no frame; "
            "give a growth above 0"
        )
    video = working_video(experiment)
    frames = experiment.document.source.frames
    nearest: dict[int, tuple[float, str, NDArray[np.uint8]]] = {}
    farther, outside = [], []
    found = read_mask_folder(folder, experiment.document.classes)
    for stem, mask in found.items():
        position = (frame_number(stem) - first) / step
        number = math.floor(position + 0.5)
        distance = abs(position - number)
        if not 0 <= number < frames:
            outside.append(stem)
        elif number not in nearest:
            nearest[number] = (distance, stem, mask)
        elif distance < nearest[number][0]:
            farther.append(nearest[number][1])
            nearest[number] = (distance, stem, mask)
        else:
            farther.append(stem)
    store = experiment.labels()
    present = set(store.frames)
    masks = {number: mask for number, (_, _, mask) in sorted(nearest.items())}
    taken = annotations.import_masks(store, video, masks)
    left = set(masks).difference(taken)
    outside += [nearest[number][1] for number in sorted(left - present)]
    between = sum(nearest[number][0] > _ON_A_FRAME for number in taken)
    return ImportedLabels(
        taken,
        between,
        tuple(farther),
        tuple(outside),
        len(left & present),
        left_out=sum(video.index_of(number) is None for number in taken),
        doubt=_doubt([frame_number(stem) for stem in found], first, step),
    )


def _doubt(numbers: Sequence[int], first: float, step: float) -> str:
    """Say what speaks against frame k being number `first + step * k`; empty for nothing."""
    before = sum(number < first for number in numbers)
    # A number that was rounded to a whole one is still of its frame.
    off = [abs(number - first - step * round((number - first) / step)) for number in numbers]
    between = sum(distance > _ROUNDED + _ON_A_FRAME for distance in off)
    if not before and 2 * between <= len(numbers):
        return ""
    found = {"before the first frame": before, "between two frames": between}
    told = (f"{where}: {n} of {len(numbers)}" for where, n in found.items() if n)
    return f"labels numbered {', '.join(told)}"


def has_labels(experiment: Experiment) -> bool:
    """Whether a frame of the trimmed video is labelled, so that a network can be trained.

    Raises
    ------
    InputError
        If the video was moved or cannot be read, or the labels are of another video.
    """
    store = experiment.labels_or_none()
    return store is not None and bool(annotations.labelled_indices(store, trimmed_video(experiment)))


def where_to_label(experiment: Experiment) -> str:
    """Say in one sentence which frames of the working video lie far from labels; empty for none."""
    video = working_video(experiment)
    store = experiment.labels_or_none()
    labelled = annotations.labelled_indices(store, video) if store is not None else ()
    numbers = video.frame_numbers.tolist()
    return coverage.where_to_label([numbers[i] for i in labelled], numbers)
