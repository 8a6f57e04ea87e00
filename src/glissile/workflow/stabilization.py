"""Motion of the specimen in an experiment, and the working video that is made with it."""

from dataclasses import replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.experiment.source import fingerprint
from glissile.progress import Step, Steps
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
from glissile.stabilize.correction import Corrections, correction_of, counted_anew, with_corrections
from glissile.stabilize.field_of_view import FieldOfView, FieldOfViewSettings, fields_of_view
from glissile.stabilize.field_of_view import field_of_view as chosen_field_of_view
from glissile.stabilize.motion import Motion
from glissile.stabilize.resample import fix_field_of_view, restricted
from glissile.video import Trim, Video
from glissile.workflow.regions import keep_found_overlay, regions_digest, regions_within
from glissile.workflow.videos import source_video, trimmed_video


class MotionOrigin(BaseModel):
    """What the motion in `motion.csv` was found with and in; kept beside the settings of the stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: StabilizeSettings | None = Field(
        None, title="Settings", description="Settings it was found with; empty where nobody knows"
    )
    source_sampled_sha256: str = Field(
        "", title="Source", description="Sampled SHA-256 of the source video it was found in"
    )
    regions_sha256: str = Field(
        "", title="Regions", description="SHA-256 of the regions that were drawn; empty for none"
    )


class MotionRemarks(BaseModel):
    """What was found beside the motion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    distortion: str = Field(
        "", title="Distortion", description="How far the specimen turns and the magnification changes"
    )


_MOTION_ORIGIN = "stabilized"
_MOTION_REMARKS = "motion_remarks"
_CORRECTIONS = "corrections"


def motion(experiment: Experiment, video: Video) -> Motion | None:
    """Motion to be removed from `video`.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its trimmed video.

    Returns
    -------
    Motion, optional
        The estimate in `motion.csv` with what was corrected by hand. None where the video was not stabilized,
        or only over other frames than those of `video`, or where the method "none" was chosen after another
        one.
    """
    estimate = _estimate(experiment, video)
    if estimate is None:
        return None
    return restricted(with_corrections(estimate, corrections(experiment).frames)[0], video)


def _estimate(experiment: Experiment, video: Video) -> Motion | None:
    """`motion` as it was estimated."""
    if not experiment.motion_path.exists():
        return None
    chosen = experiment.settings("stabilize", StabilizeSettings)
    if chosen.method == "none" and _motion_origin(experiment).settings != chosen:
        return None
    known = Motion.read(experiment.motion_path)
    return known if np.isin(video.frame_numbers, known.frame_numbers).all() else None


def corrections(experiment: Experiment) -> Corrections:
    """Give what was corrected by hand; it is kept apart from the estimate and applied to any new one."""
    return experiment.settings(_CORRECTIONS, Corrections)


def corrections_left_out(experiment: Experiment, video: Video) -> tuple[int, ...]:
    """List the corrected frames of which the motion of `video`, if there is one, cannot take account."""
    estimate = _estimate(experiment, video)
    return () if estimate is None else with_corrections(estimate, corrections(experiment).frames)[1]


def correct(
    experiment: Experiment, video: Video, frame_number: int, displacement_px: tuple[float, float] | None
) -> None:
    """Set by hand where the specimen is in one frame, or take that back.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its trimmed video.
    frame_number : int
        Number of the frame in the source.
    displacement_px : tuple of float, optional
        (dy, dx) since the first frame of the motion, in pixels; None gives the frame back to the estimate.

    Raises
    ------
    InputError
        If the video is not stabilized, the frame is its first one, or the specimen would lie so far away that
        no canvas holds all frames any more; then nothing changes.
    """
    estimate = _estimate(experiment, video)
    if estimate is None or frame_number not in estimate.frame_numbers[1:]:
        raise InputError(
            f"{video.name}: frame {frame_number} cannot be corrected; only frames after the first of a video "
            "that is stabilized can"
        )
    kept = corrections(experiment).without(frame_number)
    if displacement_px is not None:
        index = int(np.searchsorted(estimate.frame_numbers, frame_number))
        kept = kept.with_(correction_of(estimate, index, displacement_px))
        if _canvas(estimate, corrections(experiment), video) is None:
            refused = _canvas(estimate, kept, video)
            if refused is not None:
                raise InputError(refused)
    experiment.save_settings(_CORRECTIONS, kept)


def _canvas(estimate: Motion, by_hand: Corrections, video: Video) -> str | None:
    """Why no canvas holds all frames of `video`; None where one does."""
    motion = restricted(with_corrections(estimate, by_hand.frames)[0], video)
    found = fields_of_view(motion, video.shape[1:], ("union",))["union"]
    return found if isinstance(found, str) else None


def is_stabilized(experiment: Experiment, video: Video) -> bool:
    """Whether `video` needs no motion, or its motion was found with the settings and source of now.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its trimmed video.

    Raises
    ------
    InputError
        If the source was moved or cannot be read.
    """
    chosen = experiment.settings("stabilize", StabilizeSettings)
    if chosen.method == "none":
        return True
    return motion(experiment, video) is not None and _motion_origin(experiment) == _origin(experiment, chosen)


def distortion(experiment: Experiment) -> str:
    """Tell how far the specimen turns and the magnification changes; empty where that is not known."""
    return experiment.settings(_MOTION_REMARKS, MotionRemarks).distortion


def _motion_origin(experiment: Experiment) -> MotionOrigin:
    return experiment.settings(_MOTION_ORIGIN, MotionOrigin)


def _origin(experiment: Experiment, settings: StabilizeSettings) -> MotionOrigin:
    _, digest = fingerprint(experiment.source_path())
    return MotionOrigin(
        settings=settings, source_sampled_sha256=digest, regions_sha256=regions_digest(experiment)
    )


def working_video(experiment: Experiment) -> Video:
    """Open the video that is labelled and measured: trimmed and, once stabilized, of the field of view.

    Raises
    ------
    InputError
        If the source was moved, or the trim or motion does not fit it.
    """
    return fixed(experiment, source_video(experiment))


def fixed(experiment: Experiment, source: Video) -> Video:
    """Trim and stabilize an already opened `source` as `experiment` has it."""
    video = source.trimmed(experiment.settings("trim", Trim))
    chosen = field_of_view(experiment, video)
    return video if chosen is None else fix_field_of_view(video, chosen)


def field_of_view(
    experiment: Experiment, video: Video, settings: FieldOfViewSettings | None = None
) -> FieldOfView | None:
    """Choose what of `video` is shown; quick, as no frame is read.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its trimmed video.
    settings : FieldOfViewSettings, optional
        To look at them before they are kept. Default: those that the experiment keeps; where they are not
        possible with this motion, automatic ones, with a remark.

    Returns
    -------
    FieldOfView, optional
        None where there is no motion to be removed.

    Raises
    ------
    InputError
        If `settings` are not possible with this motion.
    """
    known = motion(experiment, video)
    if known is None:
        return None
    if settings is not None:
        return chosen_field_of_view(known, video.shape[1:], settings)
    kept = experiment.settings("field_of_view", FieldOfViewSettings)
    try:
        return chosen_field_of_view(known, video.shape[1:], kept)
    except InputError as problem:
        # Nobody should be shut out of an experiment by its field of view.
        remark = f"The field of view {kept.kind} is not possible: {problem}"
        return replace(chosen_field_of_view(known, video.shape[1:]), remark=remark)


def stabilize(experiment: Experiment) -> Steps[Motion]:
    """Estimate the motion of the specimen and keep it in `motion.csv`.

    What was corrected by hand stays, and is applied to the new estimate, too.

    Yields
    ------
    Step
        One per frame, then one that says what the field of view became.

    Returns
    -------
    Motion
        As it was estimated.

    Raises
    ------
    InputError
        If the source was moved, or the regions that were drawn are of no use.
    """
    experiment.require_writable()
    settings = experiment.settings("stabilize", StabilizeSettings)
    origin = _origin(experiment, settings)
    trimmed = trimmed_video(experiment)
    by_hand = corrections(experiment)
    found = yield from estimate_motion(trimmed, settings, regions_within(experiment, trimmed))
    if by_hand.frames and experiment.motion_path.exists():
        before = with_corrections(Motion.read(experiment.motion_path), by_hand.frames)[0]
        by_hand = counted_anew(by_hand, before, int(found.frame_numbers[0]))
    if by_hand.frames:
        experiment.save_settings(_CORRECTIONS, by_hand)
    found.write(experiment.motion_path)
    keep_found_overlay(experiment, trimmed, found.overlay)
    experiment.save_settings("stabilize", settings)
    experiment.save_settings(_MOTION_ORIGIN, origin)
    told = "" if found.distortion is None else found.distortion.sentence
    experiment.save_settings(_MOTION_REMARKS, MotionRemarks(distortion=told))
    shown = field_of_view(experiment, trimmed)
    yield Step(len(trimmed), len(trimmed), "" if shown is None else shown.sentence)
    return found
