"""The classes of an experiment."""

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.label import annotations


def frames_with(experiment: Experiment, value: int) -> tuple[int, ...]:
    """List the labelled frames on which a class is painted, by their numbers in the source.

    Parameters
    ----------
    experiment : Experiment
        The study.
    value : int
        Of the class in masks.

    Raises
    ------
    InputError
        If a label cannot be read, or the labels are of another video.
    """
    store = experiment.labels_or_none()
    return () if store is None else annotations.frames_with(store, value)


def remove_class(experiment: Experiment, value: int) -> None:
    """Remove a class, and erase it wherever it is painted or proposed; the labels are backed up before.

    Frames on which nothing else is painted are not labelled any more.

    Parameters
    ----------
    experiment : Experiment
        The study.
    value : int
        Of the class in masks.

    Raises
    ------
    InputError
        If there is no such class or no other, a label cannot be read, or the study is read-only.
    OSError
        If the backup cannot be written; then nothing changes.
    """
    kept = tuple(c for c in experiment.document.classes if c.value != value)
    if len(kept) == len(experiment.document.classes) or not kept:
        raise InputError(
            f"{experiment.folder.name}: there is no class {value} that could be removed beside others"
        )
    experiment.back_up_labels()
    for store in (experiment.labels_or_none(), experiment.proposals_or_none()):
        if store is not None:
            annotations.erase_class(store, value)
    experiment.update(classes=kept)
