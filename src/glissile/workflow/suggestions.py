"""Frames that are worth labelling next; the last ones, and those never to suggest, are in the experiment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.experiment.area_uncertainty import read_area_uncertainty
from glissile.label import annotations
from glissile.label.suggestion import Appearance, Suggestion, appearance, suggestions
from glissile.progress import Step, Steps
from glissile.video import Video
from glissile.workflow.segmentation import segmentation_of, segmented_frames
from glissile.workflow.stabilization import working_video


class KeptSuggestion(BaseModel):
    """A frame that was suggested."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame: int = Field(ge=0, title="Frame", description="Its number in the source")
    reason: str = Field(title="Reason", description="Why it was suggested")
    resembles: int | None = Field(
        None, ge=0, title="Resembles", description="Number of the labelled frame that looked most alike"
    )
    likeness: float | None = Field(
        None, ge=-1, le=1, title="Likeness", description="Correlation of the details of the two"
    )


class KeptSuggestions(BaseModel):
    """The frames that were suggested last, and those never to suggest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: tuple[KeptSuggestion, ...] = Field(
        (), title="Suggestions", description="Frames worth labelling, the most useful first"
    )
    left_out: tuple[int, ...] = Field(
        (), title="Left out", description="Numbers in the source of frames never to suggest"
    )


_SUGGESTED = "suggested"


@dataclass(frozen=True, eq=False)
class FrameLooks:
    """What suggestions are made from, and stays as labels come.

    Attributes
    ----------
    appearance : Appearance
        Of the frames of the working video.
    uncertainty : ndarray of float, shape (t,)
        Share of the field of view of each frame by which the areas that are measured on it are uncertain;
        NaN where that is not known.
    """

    appearance: Appearance
    uncertainty: NDArray[np.float64]


def frame_looks(experiment: Experiment, before: FrameLooks | None = None) -> Steps[FrameLooks]:
    """Look at every frame of the working video once.

    Parameters
    ----------
    experiment : Experiment
        The study.
    before : FrameLooks, optional
        Of the same working video: then only the uncertainties are read again, which takes less time.

    Yields
    ------
    Step
        One per frame that is looked at, then one per frame whose uncertainty is read.

    Returns
    -------
    FrameLooks
        With the uncertainties that were kept when the video was segmented; nothing is predicted.

    Raises
    ------
    InputError
        If the video was moved or cannot be read.
    """
    video = working_video(experiment)
    looks = (yield from appearance(video)) if before is None else before.appearance
    uncertainty = yield from _uncertainty(experiment, video)
    return FrameLooks(looks, uncertainty)


def suggest_from(experiment: Experiment, looks: FrameLooks, *, count: int = 8) -> tuple[Suggestion, ...]:
    """Suggest frames as `suggest` does, at once: after a label has come, `looks` are still those of before.

    Raises
    ------
    InputError
        If the video was moved or cannot be read, or has other frames than those looked at, or the labels are
        of another video.
    """
    video = working_video(experiment)
    if not np.array_equal(video.frame_numbers, looks.appearance.frame_numbers):
        raise InputError(
            f"{experiment.folder.name}: the video has other frames now than those that were looked at; look "
            "at them again"
        )
    kept_before = experiment.settings(_SUGGESTED, KeptSuggestions)
    found = suggestions(
        looks.appearance,
        _labelled(experiment, video),
        count=count,
        uncertainty=looks.uncertainty,
        allowed=~np.isin(video.frame_numbers, kept_before.left_out),
    )
    if not experiment.read_only:
        kept = tuple(
            KeptSuggestion(frame=s.frame_number, reason=s.reason, resembles=s.resembles, likeness=s.likeness)
            for s in found
        )
        experiment.save_settings(_SUGGESTED, kept_before.model_copy(update={"frames": kept}))
    return found


def suggest(experiment: Experiment, *, count: int = 8) -> Steps[tuple[Suggestion, ...]]:
    """Suggest the frames of the working video that are worth labelling next, and keep the suggestions.

    Parameters
    ----------
    experiment : Experiment
        The study; where it is only read, nothing is kept.
    count : int
        How many frames to suggest at most.

    Yields
    ------
    Step
        One per frame of the video.

    Returns
    -------
    tuple of Suggestion
        As of `glissile.label.suggestion.suggestions`.

    Raises
    ------
    InputError
        If the video was moved or cannot be read, or the labels are of another video.
    """
    looks = yield from frame_looks(experiment)
    return suggest_from(experiment, looks, count=count)


def suggested(experiment: Experiment, video: Video) -> tuple[Suggestion, ...]:
    """Give those of the kept suggestions that are not labelled or left out.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its working video, whose frames alone are given.

    Raises
    ------
    InputError
        If they were edited to something impossible, or the labels are of another video.
    """
    kept = experiment.settings(_SUGGESTED, KeptSuggestions)
    labelled = set(_labelled(experiment, video))
    at = [(video.index_of(s.frame), s) for s in kept.frames if s.frame not in kept.left_out]
    return tuple(
        Suggestion(index, s.frame, s.reason, s.resembles, s.likeness)
        for index, s in at
        if index is not None and index not in labelled
    )


def leave_out_of_suggestions(experiment: Experiment, frame_number: int) -> None:
    """Never suggest a frame, by its number in the source.

    Raises
    ------
    InputError
        If the experiment is read-only.
    """
    kept = experiment.settings(_SUGGESTED, KeptSuggestions)
    left_out = tuple(sorted({*kept.left_out, frame_number}))
    experiment.save_settings(_SUGGESTED, kept.model_copy(update={"left_out": left_out}))


def left_out_of_suggestions(experiment: Experiment, video: Video) -> tuple[int, ...]:
    """List the indices along t of the frames of `video` that are never suggested.

    Raises
    ------
    InputError
        If they were edited to something impossible.
    """
    left_out = experiment.settings(_SUGGESTED, KeptSuggestions).left_out
    return tuple(int(i) for i in np.flatnonzero(np.isin(video.frame_numbers, left_out)))


def _labelled(experiment: Experiment, video: Video) -> tuple[int, ...]:
    store = experiment.labels_or_none()
    return () if store is None else annotations.labelled_indices(store, video)


def _uncertainty(experiment: Experiment, video: Video) -> Steps[NDArray[np.float64]]:
    """Read how uncertain the areas of each frame are, shape (t,), relative to its field of view."""
    found = np.full(len(video), np.nan)
    store = segmentation_of(experiment, video)
    if store is None:
        return found
    done = segmented_frames(experiment, video)
    for n, index in enumerate(done, start=1):
        number = int(video.frame_numbers[index])
        known = read_area_uncertainty(store, number, store.read(number))
        field_px = np.count_nonzero(video.valid_mask(index))
        if known and field_px:
            found[index] = sum(known.values()) / field_px
        yield Step(n, len(done), f"Reading uncertainties, frame {n} of {len(done)}")
    return found
