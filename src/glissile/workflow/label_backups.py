"""Earlier labels of an experiment: what they would bring back, and bringing them back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import Backup, Experiment
from glissile.experiment.backups import checksums, listed, read_backup, restoring
from glissile.workflow.proposals import drop_settled_proposals


@dataclass(frozen=True)
class BackupDifference:
    """What restoring a backup would do to the labels as they are now; numbers of frames in the source.

    Attributes
    ----------
    lost : tuple of int
        Labelled now, and not in the backup.
    gained : tuple of int
        Labelled in the backup, and not now.
    changed : tuple of int
        Labelled in both, but otherwise.
    """

    lost: tuple[int, ...]
    gained: tuple[int, ...]
    changed: tuple[int, ...]


@dataclass(frozen=True)
class RestoredLabels:
    """What became of restoring labels.

    Attributes
    ----------
    frames : tuple of int
        Numbers in the source of the frames that are labelled now.
    before : Backup, optional
        The labels as they were before; None where the latest backup holds them, or there were none.
    classes : tuple of DefectClass
        Classes that came back, since they are painted.
    """

    frames: tuple[int, ...]
    before: Backup | None
    classes: tuple[DefectClass, ...]


def label_backups(experiment: Experiment) -> tuple[Backup, ...]:
    """List the backups of the labels, the latest first, those that cannot be used among them."""
    return listed(experiment.backups_folder)


def label_backup(experiment: Experiment, name: str) -> Backup:
    """Give the backup called `name`, with or without ".zip".

    Raises
    ------
    InputError
        If there is none of that name.
    """
    found = {backup.name: backup for backup in label_backups(experiment)}
    wanted = Path(name).name.removesuffix(".zip")
    if wanted not in found:
        raise InputError(
            f'{experiment.folder.name}: there is no backup "{name}"; glissile labels backups lists those '
            "that there are"
        )
    return found[wanted]


def backup_difference(experiment: Experiment, backup: Backup) -> BackupDifference:
    """Compare a backup with the labels as they are now."""
    store = experiment.labels_or_none()
    now = {} if store is None else checksums(store.path)
    then = backup.checksums
    return BackupDifference(
        lost=tuple(sorted(set(now) - set(then))),
        gained=tuple(sorted(set(then) - set(now))),
        changed=tuple(frame for frame in sorted(set(now) & set(then)) if now[frame] != then[frame]),
    )


def restore_labels(experiment: Experiment, backup: Backup) -> RestoredLabels:
    """Put the labels of a backup in place of those of now, which are backed up before.

    Classes that are painted in them and were removed since come back; proposals for frames that are labelled
    then are gone.

    Parameters
    ----------
    experiment : Experiment
        Open for writing; nobody may paint meanwhile.
    backup : Backup
        One of `label_backups`.

    Returns
    -------
    RestoredLabels

    Raises
    ------
    InputError
        If the experiment is read-only, the backup is damaged or of another video, or what is there now
        cannot be backed up or replaced; then all stays as it is.
    """
    experiment.require_writable()
    backup = read_backup(backup.path)
    if backup.problem:
        raise InputError(backup.problem)
    known = experiment.document.classes
    try:
        with restoring(backup.path, experiment.labels_path, experiment.document.source.shape) as store:
            painted = {int(v) for frame in store.frames for v in np.unique(store.read(frame))}
            before = experiment.back_up_labels()
    except OSError as error:
        raise InputError(
            f"{experiment.folder.name}: the labels could not be restored and stay as they are "
            f"({error.strerror or error})"
        ) from error
    values, keys = {c.value for c in known}, {c.key for c in known}
    lacking = [c for c in backup.classes if c.value in painted - values]
    renamed = (c.model_copy(update={"name": f"{c.name} {c.value}"}) if c.key in keys else c for c in lacking)
    back = tuple(renamed)
    if back:
        experiment.update(classes=(*known, *back))
    drop_settled_proposals(experiment)
    return RestoredLabels(backup.frames, before, back)
