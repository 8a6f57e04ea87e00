"""How well predicted masks agree with labelled ones."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isqrt, nan

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.learn.length import line_length_px


@dataclass(frozen=True)
class ClassScore:
    """Agreement of one class, pooled over the pixels of all frames.

    Where a class occurs neither in the prediction nor in the truth there is nothing to score and every ratio
    is NaN, not 1. Where it occurs in one of the two only, F is 0 and the ratio that would divide by zero is
    NaN.

    Attributes
    ----------
    precision, recall, f : float
        Share of the predicted pixels that are true, of the true pixels that are predicted, and their
        harmonic mean, which is the Dice overlap.
    tolerant_precision, tolerant_recall, tolerant_f : float
        The same where a pixel counts that lies within the tolerance of one of the other mask.
    area_error, length_error : float
        (predicted - true) / true area, and the same of the lengths. The length is NaN where it was not
        measured.
    predicted_px, truth_px : int
        Areas in pixels.
    predicted_length_px, truth_length_px : float
        Lengths in pixels, as of `glissile.learn.length.line_length_px`.
    """

    precision: float
    recall: float
    f: float
    tolerant_precision: float
    tolerant_recall: float
    tolerant_f: float
    area_error: float
    length_error: float
    predicted_px: int
    truth_px: int
    predicted_length_px: float
    truth_length_px: float

    def as_numbers(self) -> dict[str, float | None]:
        """By name, with None for NaN, as a model card or a JSON file holds them."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


class Tally:
    """Counts of agreement that grow frame by frame.

    Parameters
    ----------
    classes : sequence of DefectClass
        Classes to score.
    tolerance_px : float
        Distance between pixel centres up to which a pixel counts as met, in pixels.
    lengths : bool
        Whether to measure lengths, too, which takes longer than all the rest.

    Attributes
    ----------
    counts : ndarray of int, shape (classes, 5)
        Pixels predicted, true, both, predicted near true, true near predicted.
    lengths_px : ndarray of float, shape (classes, 2)
        Lengths predicted and true, in pixels; NaN where they are not measured.
    """

    def __init__(
        self, classes: Sequence[DefectClass], tolerance_px: float = 2, *, lengths: bool = True
    ) -> None:
        if not 0 <= tolerance_px <= 64:
            raise InputError(f"A tolerance of {tolerance_px} px is not possible; choose one from 0 to 64 px")
        self._classes = tuple(classes)
        self._tolerance_px = tolerance_px
        self._lengths = lengths
        self.counts = np.zeros((len(self._classes), 5), dtype=np.int64)
        self.lengths_px = np.full((len(self._classes), 2), 0.0 if lengths else nan)

    def add(self, predicted: NDArray[np.integer], truth: NDArray[np.integer]) -> None:
        """Count one frame.

        Parameters
        ----------
        predicted, truth : ndarray of int, shape (y, x)
            Masks of class values.

        Raises
        ------
        InputError
            If the sizes differ.
        """
        if predicted.shape != truth.shape or truth.ndim != 2:
            raise InputError(
                f"A predicted mask of size {predicted.shape} cannot be compared with a true one of size "
                f"{truth.shape}; score masks of the same frames"
            )
        for row, defect in enumerate(self._classes):
            p, t = predicted == defect.value, truth == defect.value
            near_t, near_p = grown(t, self._tolerance_px), grown(p, self._tolerance_px)
            self.counts[row] += [np.count_nonzero(m) for m in (p, t, p & t, p & near_t, t & near_p)]
            if self._lengths:
                self.lengths_px[row] += line_length_px(p), line_length_px(t)

    def add_counts(self, other: "Tally") -> None:
        """Take over what `other` counted, of the same classes and with the same tolerance."""
        self.counts += other.counts
        self.lengths_px += other.lengths_px

    def scores(self) -> dict[str, ClassScore]:
        """Scores by class key, over all frames so far."""
        return {
            defect.key: _score(*counts, *lengths_px)
            for defect, counts, lengths_px in zip(
                self._classes, self.counts.tolist(), self.lengths_px.tolist(), strict=True
            )
        }


def grown(mask: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    """Pixels (y, x) whose distance to a pixel of `mask` (y, x) is at most `radius_px`."""
    reach = int(radius_px)
    if not reach or not mask.any():
        return mask.copy()
    # A disk is a stack of horizontal bars; a bar's union is a difference of running sums.
    y, x = mask.shape
    padded = np.pad(mask, ((0, 0), (reach + 1, reach)))
    sums = np.cumsum(padded, axis=1, dtype=np.int32)
    result = np.zeros_like(mask)
    for dy in range(-min(reach, y - 1), min(reach, y - 1) + 1):
        half = isqrt(int(radius_px**2 - dy**2))
        bar = sums[:, reach + 1 + half : reach + 1 + half + x] > sums[:, reach - half : reach - half + x]
        to, of = slice(max(dy, 0), y + min(dy, 0)), slice(max(-dy, 0), y + min(-dy, 0))
        result[to] |= bar[of]
    return result


def _score(
    predicted: int,
    truth: int,
    both: int,
    near_truth: int,
    near_predicted: int,
    predicted_length_px: float,
    truth_length_px: float,
) -> ClassScore:
    precision, recall = _ratio(both, predicted), _ratio(both, truth)
    tolerant_precision, tolerant_recall = _ratio(near_truth, predicted), _ratio(near_predicted, truth)
    return ClassScore(
        precision=precision,
        recall=recall,
        f=_ratio(2 * both, predicted + truth),
        tolerant_precision=tolerant_precision,
        tolerant_recall=tolerant_recall,
        tolerant_f=_harmonic_mean(tolerant_precision, tolerant_recall, predicted + truth),
        area_error=_ratio(predicted - truth, truth),
        length_error=_ratio(predicted_length_px - truth_length_px, truth_length_px),
        predicted_px=predicted,
        truth_px=truth,
        predicted_length_px=predicted_length_px,
        truth_length_px=truth_length_px,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


def _harmonic_mean(precision: float, recall: float, pixels: int) -> float:
    if not pixels:
        return nan
    if precision != precision or recall != recall or precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)
