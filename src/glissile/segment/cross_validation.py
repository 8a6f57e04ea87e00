"""Networks trained without some of the labelled frames, and scored on these."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from glissile.errors import InputError
from glissile.learn.labelled import Part, copied_nearest
from glissile.learn.scoring import FrameScores, Spread, beside_copy, spread, spread_of
from glissile.learn.train import TrainingJob, train
from glissile.progress import Steps
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Scores of the frames of all folds, each by a network that has not seen it.

    Attributes
    ----------
    network, copied : FrameScores
        Over all folds, of the networks and of copying the nearest label that is not in the fold.
    by_fold : tuple of FrameScores
        Of the network of each fold.
    table : DataFrame
        One row per frame and class, see `glissile.learn.scoring.beside_copy`; the first column is `fold`,
        counted from 1.
    """

    network: FrameScores
    copied: FrameScores
    by_fold: tuple[FrameScores, ...]
    table: pd.DataFrame

    def spread(self) -> dict[str, dict[str, Spread]]:
        """Mean and standard deviation over folds, by class key and measure."""
        return spread([scores.pooled() for scores in self.by_fold])

    def mean_dice_spread(self) -> Spread:
        """Mean and standard deviation over folds of `FrameScores.mean_dice`."""
        return spread_of([scores.mean_dice() for scores in self.by_fold])


def without(job: TrainingJob, held_out: Sequence[int], folder: Path) -> TrainingJob:
    """Leave frames out of a training, also of the choice of its best epoch: the last network is kept.

    The schedule "plateau", which looks at held-out frames, then stays at its first learning rate.

    Parameters
    ----------
    job : TrainingJob
        Whose frames are split; its own hold-out is not looked at.
    held_out : sequence of int
        Indices along n of the frames to leave out.
    folder : Path
        Where the model goes.

    Returns
    -------
    TrainingJob
    """
    kept = _others(job, held_out)
    return replace(
        job,
        frames=job.frames[kept],
        masks=job.masks[kept],
        frame_numbers=tuple(job.frame_numbers[i] for i in kept),
        folder=folder,
        validation=(),
        valid=None if job.valid is None else tuple(job.valid[i] for i in kept),
        preview=None,
        resume=False,
        # It may have learned from the frames that are held out.
        start=None,
    )


def scored(predictor: Predictor, job: TrainingJob, held_out: Sequence[int]) -> FrameScores:
    """Score a network on some frames of a job.

    Parameters
    ----------
    predictor : Predictor
        The network.
    job : TrainingJob
        Whose frames these are.
    held_out : sequence of int
        Indices along n.

    Returns
    -------
    FrameScores
    """
    found = FrameScores(job.classes)
    for i in held_out:
        valid = _valid(job)[i]
        (mask,) = predictor.masks_of([predictor.prepared(job.frames[i][valid], valid)])
        found.add(job.frame_numbers[i], mask, job.masks[i][valid])
    return found


def copied(job: TrainingJob, held_out: Sequence[int]) -> FrameScores:
    """Score copying the nearest label that is not held out, as `glissile.learn.labelled.copied_nearest`."""
    return copied_nearest(
        list(job.masks),
        job.frame_numbers,
        _valid(job),
        job.classes,
        training=_others(job, held_out),
        held_out=held_out,
    )


def cross_validated(job: TrainingJob, folds: Sequence[Sequence[int]]) -> Steps[CrossValidation]:
    """Train one network for each fold, on all other frames, and score it on the fold.

    Nothing is kept of these networks. Each takes the epochs or the minutes of the recipe, and is trained
    as `without` says, so that nothing looked at the frames that it is scored on.

    Parameters
    ----------
    job : TrainingJob
        Frames, masks and settings; its own hold-out and folder do not matter.
    folds : sequence of sequence of int
        Indices along n of the frames of each fold, as `glissile.label.split.folds` chooses them.

    Yields
    ------
    Step
        As of `glissile.learn.train.train`, one training after the other.

    Returns
    -------
    CrossValidation

    Raises
    ------
    InputError
        As `train`, or if a frame is in two folds.
    """
    listed = [i for fold in folds for i in fold]
    if len(set(listed)) < len(listed) or not all(folds) or len(folds) < 2:
        raise InputError("Each frame belongs to one of at least two folds; correct the list of folds")
    by_fold, tables = [], []
    network, copies = FrameScores(job.classes), FrameScores(job.classes)
    for n, fold in enumerate(folds):
        with TemporaryDirectory() as folder:
            yield from _told(without(job, fold, Path(folder)), n, len(folds))
            predictor = Predictor(Path(folder), SegmentSettings(device=job.recipe.device))
            own = scored(predictor, job, fold)
        by_copy = copied(job, fold)
        by_fold.append(own)
        network.extend(own)
        copies.extend(by_copy)
        table = beside_copy(own, by_copy)
        table.insert(0, "fold", n + 1)
        tables.append(table)
    return CrossValidation(network, copies, tuple(by_fold), pd.concat(tables, ignore_index=True))


def _told(job: TrainingJob, n: int, count: int) -> Steps[None]:
    """Train, and tell each step as one of training `n` of `count`, counted from 0."""
    with closing(train(job)) as steps:
        for step in steps:
            yield replace(
                step,
                index=n * step.total + step.index,
                total=count * step.total,
                message=f"Fold {n + 1} of {count}: {step.message}",
            )


def _others(job: TrainingJob, held_out: Sequence[int]) -> list[int]:
    """List the indices of the frames that are not held out."""
    return [i for i in range(len(job.frames)) if i not in set(held_out)]


def _valid(job: TrainingJob) -> Sequence[Part]:
    y, x = job.frames.shape[1:]
    return job.valid or [(slice(0, y), slice(0, x))] * len(job.frames)
