"""The classes of an experiment."""

from contextlib import ExitStack
from dataclasses import dataclass

from glissile import atomic
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.label import annotations


@dataclass(frozen=True)
class Painted:
    """Where a class is painted, by the numbers of the frames in the source.

    Attributes
    ----------
    labelled, proposed : tuple of int
        Frames that are labelled, and proposals for others.
    """

    labelled: tuple[int, ...]
    proposed: tuple[int, ...]


def painted_with(experiment: Experiment, value: int) -> Painted:
    """Find where a class is painted.

    Parameters
    ----------
    experiment : Experiment
        The study.
    value : int
        Of the class in masks.

    Raises
    ------
    InputError
        If a mask cannot be read, or the labels are of another video.
    """
    stores = (experiment.labels_or_none(), experiment.proposals_or_none())
    return Painted(*(() if store is None else annotations.frames_with(store, value) for store in stores))


def remove_class(experiment: Experiment, value: int) -> None:
    """Remove a class, and erase it wherever it is painted or proposed; the labels are backed up before.

    Frames on which nothing else is painted are not labelled any more.

    Parameters
    ----------
    experiment : Experiment
        The study; nobody may paint meanwhile.
    value : int
        Of the class in masks.

    Raises
    ------
    InputError
        If there is no such class or no other, a mask cannot be read, or something cannot be written; then
        nothing changes.
    """
    name = experiment.folder.name
    kept = tuple(c for c in experiment.document.classes if c.value != value)
    if len(kept) == len(experiment.document.classes) or not kept:
        raise InputError(f"{name}: there is no class {value} that could be removed beside others")
    experiment.require_writable()
    try:
        experiment.back_up_labels()
        with ExitStack() as replaced:
            for store in (experiment.labels_or_none(), experiment.proposals_or_none()):
                if store is not None:
                    folder = replaced.enter_context(atomic.replacing_folder(store.path))
                    annotations.copy_without(store, value, folder)
    except OSError as error:
        raise InputError(
            f"{name}: the class could not be removed, and all stays as it is ({error.strerror or error})"
        ) from error
    experiment.update(classes=kept)
