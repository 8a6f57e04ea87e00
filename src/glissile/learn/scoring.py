"""Scores frame by frame, pooled and against copying; what they say of a network, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from math import nan
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glissile.atomic import replacing
from glissile.defects import DefectClass, class_values
from glissile.learn.agreement import ClassScore, Tally

SCORES_FILE = "scores.csv"
FOLDS_FILE = "cross_validation.csv"


class FrameScore(NamedTuple):
    """Agreement on one frame: its number or name, counts, and Dice overlap by class, background first.

    The overlap is NaN where the class is neither predicted nor true.
    """

    frame: int | str
    tally: Tally
    dice: tuple[float, ...]


class FrameScores:
    """Agreement of predicted masks with labelled ones, kept frame by frame.

    Parameters
    ----------
    classes : sequence of DefectClass
        Classes to score.
    tolerance_px : float
        Of the tolerant scores, in pixels, as for `Tally`.

    Attributes
    ----------
    frames : list of FrameScore
        In the order in which they were added.
    """

    def __init__(self, classes: Sequence[DefectClass], tolerance_px: float = 2) -> None:
        self._classes = tuple(classes)
        self._tolerance_px = tolerance_px
        self.frames: list[FrameScore] = []

    def add(self, frame: int | str, predicted: NDArray[np.integer], truth: NDArray[np.integer]) -> None:
        """Score one frame.

        Parameters
        ----------
        frame : int or str
            Its number or name.
        predicted, truth : ndarray of int, shape (y, x)
            Masks of class values.

        Raises
        ------
        InputError
            If the sizes differ.
        """
        tally = Tally(self._classes, self._tolerance_px)
        tally.add(predicted, truth)
        dice = tuple(_dice(predicted == value, truth == value) for value in class_values(self._classes))
        self.frames.append(FrameScore(frame, tally, dice))

    def extend(self, other: "FrameScores") -> None:
        """Take over the frames of `other`, which has the same classes and the same tolerance."""
        self.frames += other.frames

    def pooled(self) -> dict[str, ClassScore]:
        """Scores by class key, over the pixels of all frames so far."""
        pooled = Tally(self._classes, self._tolerance_px)
        for frame in self.frames:
            pooled.add_counts(frame.tally)
        return pooled.scores()

    def mean_dice(self) -> float:
        """Mean of the Dice overlap over classes with background, then over frames: the score of the paper.

        A class that is on none of the frames, neither predicted nor true, is left out. On a single frame
        without it, it counts 1, as there. As the background is easily met and is one of the classes, this
        is far above the F of any line.

        Returns
        -------
        float
            0 to 1; NaN before the first frame.

        Notes
        -----
        Tanaka et al., Scientific Reports (2025), report an F-score of more than 0.7 on validation frames
        without a formula; the code published with it, https://github.com/mmc-research-group/tanaka_ml_defect_COMMAT,
        `evaluate_3class.py`, computes this.
        """
        if not self.frames:
            return nan
        dice = np.array([frame.dice for frame in self.frames])
        there = ~np.isnan(dice).all(axis=0)
        return float(np.nan_to_num(dice[:, there], nan=1.0).mean())

    def table(self) -> pd.DataFrame:
        """One row per frame and class.

        Returns
        -------
        DataFrame
            Columns `frame`, `class`, `tolerance_px` of the tolerant scores, and all of `ClassScore`: ratios,
            areas in pixels (`predicted_px`, `truth_px`) and lengths in pixels (`predicted_length_px`,
            `truth_length_px`). Empty cells where there is nothing to score.
        """
        rows = [
            {"frame": frame.frame, "class": key, "tolerance_px": self._tolerance_px, **asdict(score)}
            for frame in self.frames
            for key, score in frame.tally.scores().items()
        ]
        names = ["frame", "class", "tolerance_px", *(f.name for f in fields(ClassScore))]
        return pd.DataFrame(rows, columns=names)


def _dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    pixels = np.count_nonzero(predicted) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(predicted & truth) / pixels if pixels else nan


def beside_copy(network: FrameScores, copied: FrameScores) -> pd.DataFrame:
    """Put the scores of a network and of copying, on the same frames, into one table.

    Returns
    -------
    DataFrame
        One row per frame and class: the columns of `FrameScores.table`, then those of copying the nearest
        label, called `copy_precision` and so on, without the columns that would be the same.
    """
    own, other = network.table(), copied.table()
    same = ["frame", "class", "tolerance_px", "truth_px", "truth_length_px"]
    return own.join(other.drop(columns=same).add_prefix("copy_"))


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write a table of scores as CSV, atomically; numbers come back exactly as they were."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


class Spread(NamedTuple):
    """Mean and standard deviation (of the sample) of a score over trainings; NaN where there is none."""

    mean: float
    deviation: float


def spread(scores: Sequence[Mapping[str, ClassScore]]) -> dict[str, dict[str, Spread]]:
    """Mean and standard deviation over several trainings.

    Parameters
    ----------
    scores : sequence of mapping of str to ClassScore
        By class key, of each training.

    Returns
    -------
    dict of str to dict of str to Spread
        By class key and name of the measure. Trainings whose score is NaN are left out; of fewer than two
        there is no deviation.
    """
    names = [f.name for f in fields(ClassScore)]
    return {
        key: {name: spread_of([getattr(s[key], name) for s in scores]) for name in names} for key in scores[0]
    }


def spread_of(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of the sample; values that are NaN are left out."""
    known = [v for v in values if v == v]
    return Spread(
        mean=float(np.mean(known)) if known else nan,
        deviation=float(np.std(known, ddof=1)) if len(known) > 1 else nan,
    )


def note_of(held_out: str, frame_numbers: Sequence[int]) -> str:
    """Say what scores on held-out frames are scores of.

    Parameters
    ----------
    held_out : str
        "between" or "beyond", as `glissile.learn.recipes.Recipe.held_out`.
    frame_numbers : sequence of int
        Of the frames held out; not empty.

    Returns
    -------
    str
        Two sentences for a person.
    """
    n = len(frame_numbers)
    frames = f"{n} frame{'s' if n > 1 else ''}"
    if held_out == "beyond":
        told = (
            f"Scores beyond the labels: on {frames} from number {min(frame_numbers)} on, after all that were "
            "learned from, as where the specimen goes on changing."
        )
    else:
        told = (
            f"Scores between the labels: on {frames} held out from among those learned from, as where the "
            "video is labelled before and after."
        )
    return f"{told} The best epoch was chosen on the same frames, which flatters them a little."
