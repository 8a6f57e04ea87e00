"""Two sets of labels of one video, compared: how well two annotators agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import Experiment, MaskStore
from glissile.label import annotations
from glissile.learn.agreement import ClassScore, Tally, grown
from glissile.progress import Step, Steps
from glissile.table_text import written
from glissile.video import Video
from glissile.workflow.label_sources import find_labels
from glissile.workflow.stabilization import working_video

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE_PX = 2.0
# Values of the mask of differences.
WITHIN_TOLERANCE, ONLY_FIRST, ONLY_SECOND, OTHER_CLASS = 1, 2, 3, 4
ALL_FRAMES = "all"
# What is shown of a class: the measure, its title, and how a number is written.
_SHOWN = (
    ("kappa", "kappa", ".3f"),
    ("f", "F", ".3f"),
    ("tolerant_f", "F ({tolerance_px:g} px)", ".3f"),
    ("length_difference", "length", "+.1%"),
)


@dataclass(frozen=True)
class ClassAgreement:
    """How two annotators agree about one class.

    Attributes
    ----------
    kappa : float
        Cohen's, of the pixels; NaN where neither has the class.
    score : ClassScore
        The other measures, of the second annotator ("predicted") against the first ("truth"). F and the
        tolerant F are the same the other way round; the length and area errors are differences, second less
        first, in parts of the first.
    """

    kappa: float
    score: ClassScore

    @property
    def measures(self) -> dict[str, float]:
        """Measures by their name in tables."""
        return {
            "kappa": self.kappa,
            "f": self.score.f,
            "tolerant_f": self.score.tolerant_f,
            "length_difference": self.score.length_error,
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two sets of labels over the frames that both have.

    Attributes
    ----------
    classes : tuple of DefectClass
        Class table.
    by_frame : mapping of int to mapping of str to ClassAgreement
        By source frame number and class key.
    pooled : mapping of str to ClassAgreement
        Over the pixels of all frames, by class key.
    disagreement : mapping of int to float
        Of each frame, by `disagreement_of`.
    only_first, only_second : tuple of int
        Frames of the working video that only one of the two labelled.
    tolerance_px : float
        Of the tolerant measures and of the differences.
    other_video : str
        That the labels of the second are of another video; empty where nothing tells so.
    """

    classes: tuple[DefectClass, ...]
    by_frame: Mapping[int, Mapping[str, ClassAgreement]]
    pooled: Mapping[str, ClassAgreement]
    disagreement: Mapping[int, float]
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]
    tolerance_px: float
    other_video: str
    _pairs: "_Pairs"

    @property
    def frames_by_disagreement(self) -> tuple[int, ...]:
        """Source frame numbers, those with the largest disagreement first."""
        return tuple(sorted(self.disagreement, key=lambda frame: (-self.disagreement[frame], frame)))

    def titles(self) -> tuple[str, ...]:
        """Titles of the measures that are shown of a class."""
        return tuple(title.format(tolerance_px=self.tolerance_px) for _, title, _ in _SHOWN)

    def cells(self, key: str) -> tuple[str, ...]:
        """Pooled measures of a class as they are shown below these titles."""
        measures = self.pooled[key].measures
        return tuple(written(measures[name], form) for name, _, form in _SHOWN)

    def difference(self, frame: int) -> NDArray[np.uint8]:
        """Where the two differ in a frame, read again from both.

        Parameters
        ----------
        frame : int
            Source frame number, one of `by_frame`.

        Returns
        -------
        ndarray of uint8, shape (y, x)
            On the pixels of the working video, values of `differences`.
        """
        first, second, part = self._pairs.read(frame)
        result = np.zeros(self._pairs.video.shape[1:], np.uint8)
        result[part] = differences(first, second, self.classes, self.tolerance_px)
        return result

    def table(self) -> "pd.DataFrame":
        """Give all numbers: one row per class pooled, `frame` being "all", then one per frame and class."""
        import pandas as pd

        rows = [_row(ALL_FRAMES, key, found, nan) for key, found in self.pooled.items()]
        for frame, by_class in self.by_frame.items():
            rows += [_row(frame, key, found, self.disagreement[frame]) for key, found in by_class.items()]
        return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The labels of both annotators, frame by frame."""

    store: MaskStore
    masks: Mapping[int, NDArray[np.uint8]]
    video: Video
    path: Path

    def read(self, frame: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[slice, slice]]:
        """Masks of the valid part of a frame, and which part of the working video that is."""
        index = self.video.index_of(frame)
        assert index is not None
        part = self.video.valid_part(index)
        first = annotations.read_label(self.store, self.video, index)
        second = self.masks[frame]
        if second.shape == self.store.shape[1:]:
            second = annotations.cut(second, self.video, index)
        elif second.shape != self.video.shape[1:]:
            shapes = (second.shape, self.store.shape[1:], self.video.shape[1:])
            theirs, source, working = (" x ".join(map(str, shape)) for shape in shapes)
            raise InputError(
                f"{self.path}: the mask of frame {frame} is {theirs} px, but the source is {source} px and "
                f"the working video {working} px; compare labels of one video"
            )
        return first[part], second[part], part


def compare_labels(
    experiment: Experiment,
    other: Path,
    *,
    first: float = 0,
    step: float = 1,
    tolerance_px: float = TOLERANCE_PX,
) -> Steps[Comparison]:
    """Compare the labels of an experiment with another set, over what the working video shows.

    Parameters
    ----------
    experiment : Experiment
        The study of the first annotator.
    other : Path
        Labels of the second: another experiment on the same video, or a file or folder in one of the formats
        of `glissile.io.label_formats`.
    first, step : float
        How these labels are numbered, as for `import_labels`.
    tolerance_px : float
        Distance up to which a pixel counts as met.

    Yields
    ------
    Step
        One per frame.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If no frame is labelled in both, or labels cannot be read or do not fit the video.
    """
    video = working_video(experiment)
    store = experiment.labels_or_none()
    if store is None:
        raise InputError(f"{experiment.folder.name}: no frame is labelled yet; paint or import a few labels")
    classes = experiment.document.classes
    found = find_labels(experiment, video, other, first=first, step=step)
    shown = set(video.frame_numbers.tolist())
    ours, theirs = shown.intersection(store.frames), shown.intersection(found.masks)
    both = sorted(ours & theirs)
    if not both:
        raise InputError(
            f"{other}: no frame of the working video is labelled in both; check how the labels are numbered"
        )
    pairs = _Pairs(store, found.masks, video, other)
    total, pixels = Tally(classes, tolerance_px), 0
    by_frame, disagreement = {}, {}
    for done, frame in enumerate(both, start=1):
        a, b, _ = pairs.read(frame)
        tally = Tally(classes, tolerance_px)
        tally.add(b, a)
        total.add_counts(tally)
        pixels += a.size
        by_frame[frame] = _agreements(tally, a.size)
        disagreement[frame] = disagreement_of(tally)
        yield Step(done, len(both), f"Comparing labels, frame {done} of {len(both)}")
    return Comparison(
        classes,
        by_frame,
        _agreements(total, pixels),
        disagreement,
        tuple(sorted(ours - theirs)),
        tuple(sorted(theirs - ours)),
        tolerance_px,
        found.other_video,
        pairs,
    )


def cohens_kappa(first: int, second: int, both: int, pixels: int) -> float:
    """Agreement of two annotators about one class, beyond what chance would give.

    Parameters
    ----------
    first, second, both : int
        Pixels that the first, the second and both of them gave to the class.
    pixels : int
        All pixels.

    Returns
    -------
    float
        1 for full agreement, 0 for that of chance, below 0 for less; NaN where chance alone gives full
        agreement, as neither, or both everywhere, found the class.

    Notes
    -----
    kappa = (p_o - p_e) / (1 - p_e), with the observed share of agreement p_o and that expected of two
    annotators who give as many pixels to the class by chance, p_e: J. Cohen, Educational and Psychological
    Measurement 20 (1960) 37, eq. 1.
    """
    if not pixels:
        return nan
    observed = (pixels - first - second + 2 * both) / pixels
    expected = (first * second + (pixels - first) * (pixels - second)) / pixels**2
    return nan if expected == 1 else (observed - expected) / (1 - expected)


def disagreement_of(tally: Tally) -> float:
    """Share of the pixels painted by either that lie beyond the tolerance of those of the other.

    Parameters
    ----------
    tally : Tally
        Counts of one frame.

    Returns
    -------
    float
        0 to 1, over all classes; 0 where nothing was painted.
    """
    predicted, truth, _, near_truth, near_predicted = tally.counts.sum(axis=0).tolist()
    painted = predicted + truth
    return 1 - (near_truth + near_predicted) / painted if painted else 0.0


def differences(
    first: NDArray[np.uint8], second: NDArray[np.uint8], classes: Sequence[DefectClass], tolerance_px: float
) -> NDArray[np.uint8]:
    """Mark where two masks differ.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (y, x)
        Class values.
    classes : sequence of DefectClass
        Class table.
    tolerance_px : float
        In pixels.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        `WITHIN_TOLERANCE` where they differ but the other has the same class near; else `ONLY_FIRST`,
        `ONLY_SECOND`, or `OTHER_CLASS` where both have a class; 0 where they agree.
    """
    beyond = np.zeros(first.shape, bool)
    for defect in classes:
        a, b = first == defect.value, second == defect.value
        beyond |= (a & ~grown(b, tolerance_px)) | (b & ~grown(a, tolerance_px))
    kinds = np.where(second == 0, ONLY_FIRST, np.where(first == 0, ONLY_SECOND, OTHER_CLASS))
    return np.where(first == second, 0, np.where(beyond, kinds, WITHIN_TOLERANCE)).astype(np.uint8)


def _agreements(tally: Tally, pixels: int) -> dict[str, ClassAgreement]:
    scores = tally.scores()
    return {
        key: ClassAgreement(cohens_kappa(truth, predicted, both, pixels), scores[key])
        for key, (predicted, truth, both, *_) in zip(scores, tally.counts.tolist(), strict=True)
    }


def _row(frame: int | str, key: str, found: ClassAgreement, disagreement: float) -> dict[str, object]:
    score = found.score
    return {
        "frame": frame,
        "class": key,
        **found.measures,
        "first_px": score.truth_px,
        "second_px": score.predicted_px,
        "first_length_px": score.truth_length_px,
        "second_length_px": score.predicted_length_px,
        "disagreement": disagreement,
    }
