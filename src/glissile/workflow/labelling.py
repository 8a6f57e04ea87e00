"""Labels taken over from elsewhere or handed on, and where labels are missing."""

import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.label_formats import format_for, format_named, refuse_target, write_labels
from glissile.io.label_set import LabelSet, ReadWhenAsked
from glissile.io.outputs import refuse_same
from glissile.label import annotations, coverage
from glissile.naming import EXPERIMENT_SUFFIX, image_files, possible_name
from glissile.progress import Step, Steps, finish
from glissile.workflow.label_sources import find_labels
from glissile.workflow.proposals import drop_settled_proposals
from glissile.workflow.stabilization import working_video
from glissile.workflow.videos import trimmed_video


@dataclass(frozen=True)
class ImportedLabels:
    """What became of labels from elsewhere.

    Attributes
    ----------
    frames : tuple of int
        Source frame numbers that are labelled now.
    nearest : int
        How many of them lay between two frames and went to the nearer one.
    farther : tuple of str
        Names that were left out because another label lies nearer to the same frame.
    outside : tuple of str
        Names whose frame number the source does not have, or, where the mask is as small as the working
        video, the working video.
    kept : int
        Frames whose existing label was kept.
    left_out : int
        How many of `frames` the working video leaves out.
    doubt : str
        Why the labels are probably numbered otherwise than was told; empty where nothing speaks for it.
    proposals : int
        How many of `frames` had a proposal, which is gone.
    other_video : str
        That the labels are of another video; empty where nothing tells so.
    """

    frames: tuple[int, ...]
    nearest: int
    farther: tuple[str, ...]
    outside: tuple[str, ...]
    kept: int
    left_out: int = 0
    doubt: str = ""
    proposals: int = 0
    other_video: str = ""


@dataclass(frozen=True)
class ExportedLabels:
    """What was written of the labels of an experiment.

    Attributes
    ----------
    target : Path
        File or folder.
    format : str
        Title of the format.
    frames : tuple of int
        Source frame numbers.
    """

    target: Path
    format: str
    frames: tuple[int, ...]


def import_labels(
    experiment: Experiment, labels: Path, *, first: float = 0, step: float = 1
) -> ImportedLabels:
    """Take over labels at once; arguments, result and errors as of `import_in_steps`."""
    return finish(import_in_steps(experiment, labels, first=first, step=step))


def import_in_steps(
    experiment: Experiment, labels: Path, *, first: float = 0, step: float = 1
) -> Steps[ImportedLabels]:
    """Take over labels by their frame numbers; frames that are labelled already keep their labels.

    Parameters
    ----------
    experiment : Experiment
        The study.
    labels : Path
        A file or folder in one of the formats of `glissile.io.label_formats`, or another experiment.
    first, step : float
        Frame k of the video is number `first + step * k` there; of two labels nearest to the same frame the
        nearer one is taken.

    Yields
    ------
    Step
        One per label that is read. All are written after the last one, so that a work which is left off has
        written nothing.

    Returns
    -------
    ImportedLabels

    Raises
    ------
    InputError
        If `first` or `step` is not finite or absurd, `step` is not above 0, or labels cannot be read, have no
        number, or one that others have, or do not fit the video.
    """
    video = working_video(experiment)
    found = find_labels(experiment, video, labels, first=first, step=step)
    store = experiment.labels()
    present = set(store.frames)
    new = [frame for frame in found.masks if frame not in present]
    read = {}
    for done, frame in enumerate(new, start=1):
        mask = found.masks[frame]
        read[frame] = partial(_unpacked, zlib.compress(mask.tobytes(), level=1), mask.shape)
        yield Step(done, len(new), f"Reading labels, {done} of {len(new)}")
    taken = annotations.import_masks(store, video, ReadWhenAsked(read))
    left = set(found.masks).difference(taken)
    return ImportedLabels(
        taken,
        len(found.between.intersection(taken)),
        found.farther,
        (*found.outside, *(found.names[number] for number in sorted(left - present))),
        len(left & present),
        left_out=sum(video.index_of(number) is None for number in taken),
        doubt=found.doubt,
        proposals=drop_settled_proposals(experiment),
        other_video=found.other_video,
    )


def _unpacked(packed: bytes, shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)


def export_labels(experiment: Experiment, target: Path, name: str | None = None) -> Steps[ExportedLabels]:
    """Write all labels of an experiment, on the pixels and with the frame numbers of the source.

    Parameters
    ----------
    experiment : Experiment
        The study.
    target : Path
        File or folder.
    name : str, optional
        Of the format; if absent, the suffix of `target` tells.

    Yields
    ------
    Step
        One per frame.

    Returns
    -------
    ExportedLabels

    Raises
    ------
    InputError
        If no frame is labelled, a label cannot be read, or `target` is in use or of another format.
    """
    kind = format_for(target) if name is None else format_named(name)
    store = experiment.labels_or_none()
    if store is None or not store.frames:
        raise InputError(f"{experiment.folder.name}: no frame is labelled yet; paint or import a few labels")
    refuse_target(target, kind)
    source = _source(experiment)
    if source is not None:
        refuse_same(target, source)
    calibration = experiment.document.calibration
    labels = LabelSet(
        name=possible_name(experiment.folder.name.removesuffix(EXPERIMENT_SUFFIX)),
        shape=store.shape,
        classes=experiment.document.classes,
        masks=ReadWhenAsked({frame: partial(store.read, frame) for frame in store.frames}),
        nm_per_pixel=calibration.nm_per_pixel,
        seconds_per_frame=calibration.seconds_per_frame,
        images=_images(source, store.shape[0]),
    )
    yield from write_labels(target, labels, kind)
    return ExportedLabels(target, kind.title, tuple(labels.masks))


def _source(experiment: Experiment) -> Path | None:
    try:
        return experiment.source_path()
    except InputError:  # it is missing, and so in no danger
        return None


def _images(source: Path | None, frames: int) -> tuple[str, ...]:
    """File names of the frames of a source that is a folder; empty for another, or a changed one."""
    names = [path.name for path in image_files(source)] if source is not None and source.is_dir() else []
    return tuple(names) if len(names) == frames else ()


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
