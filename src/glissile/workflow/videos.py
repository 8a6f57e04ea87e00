"""An experiment and its videos: as recorded, and as they are studied."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.experiment import Calibration, Experiment, Source
from glissile.experiment.source import fingerprint
from glissile.io.video_files import read_video
from glissile.learn.recipes import Recipe
from glissile.progress import Step, Steps
from glissile.quantify.measure import MeasureSettings
from glissile.quantify.timeline import check_strain_log
from glissile.segment.settings import SegmentSettings
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
from glissile.stabilize.field_of_view import FieldOfView, FieldOfViewSettings
from glissile.stabilize.field_of_view import field_of_view as chosen_field_of_view
from glissile.stabilize.motion import Motion
from glissile.stabilize.resample import fix_field_of_view, restricted
from glissile.video import Trim, Video
from glissile.workflow.regions import keep_found_overlay, regions_digest, regions_within

# Which settings each stage keeps in experiment.toml.
SETTINGS: Mapping[str, type[BaseModel]] = {
    "trim": Trim,
    "stabilize": StabilizeSettings,
    "field_of_view": FieldOfViewSettings,
    "train": Recipe,
    "segment": SegmentSettings,
    "measure": MeasureSettings,
}


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


def create(
    video_path: Path,
    folder: Path,
    *,
    calibration: Calibration | None = None,
    classes: Sequence[DefectClass] = DEFAULT_CLASSES,
    settings: Mapping[str, BaseModel] | None = None,
) -> Experiment:
    """Start the study of one video.

    Parameters
    ----------
    video_path : Path
        Video file or folder of frames.
    folder : Path
        Experiment folder to make; `.glissile` is appended where it is missing.
    calibration : Calibration, optional
        Scale, time base and strain.
    classes : sequence of DefectClass
        What will be labelled.
    settings : mapping of str to BaseModel, optional
        Settings by stage, as `SETTINGS` names them; the others keep their defaults.

    Returns
    -------
    Experiment
        Open, and locked for this process.

    Raises
    ------
    InputError
        If the video cannot be read, the crop lies outside it, the strain log cannot be read or tells the
        strain of no frame, or the folder exists already.
    """
    video = read_video(video_path)
    given = settings or {}
    kept = video.trimmed(cast("Trim", given.get("trim", Trim())))
    if calibration is not None:
        check_strain_log(calibration, calibrated(kept, calibration), folder=folder.absolute())
    t, y, x = video.shape
    source = Source.of(video_path, frames=t, height=y, width=x)
    experiment = Experiment.create(folder, source=source, calibration=calibration, classes=classes)
    for stage, chosen in given.items():
        experiment.save_settings(stage, chosen)
    return experiment


def source_video(experiment: Experiment) -> Video:
    """Read the video of `experiment` with its calibration, untrimmed.

    Raises
    ------
    InputError
        If the video was moved or cannot be read.
    """
    return calibrated(read_video(experiment.source_path()), experiment.document.calibration)


def calibrated(video: Video, calibration: Calibration) -> Video:
    """Give `video` the time base and scale of `calibration`, where it has them; its own stay else."""
    if calibration.seconds_per_frame is not None:
        times = np.asarray(video.frame_numbers * calibration.seconds_per_frame, dtype=np.float64)
        video = replace(video, times_s=times, timed=True)
    if calibration.nm_per_pixel is not None:
        video = replace(video, nm_per_pixel=calibration.nm_per_pixel)
    return video


def check_calibration(experiment: Experiment, calibration: Calibration | None = None) -> None:
    """Refuse a calibration whose strain log would only be found useless when the frames are measured.

    Parameters
    ----------
    experiment : Experiment
        The experiment; its trimmed video tells the times for which the log is needed.
    calibration : Calibration, optional
        What is about to take the place of the present one. Default: the present one.

    Raises
    ------
    InputError
        If the strain log cannot be read, lacks a column or tells the strain of no frame; or, where there is a
        log, if the video was moved or cannot be read.
    """
    checked = experiment.document.calibration if calibration is None else calibration
    if checked.strain_log is None:
        return
    video = read_video(experiment.source_path()).trimmed(experiment.settings("trim", Trim))
    check_strain_log(checked, calibrated(video, checked), folder=experiment.folder)


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
        None where the video was not stabilized, or only over other frames than those of `video`, or where
        the method "none" was chosen after another one.
    """
    if not experiment.motion_path.exists():
        return None
    chosen = experiment.settings("stabilize", StabilizeSettings)
    if chosen.method == "none" and _motion_origin(experiment).settings != chosen:
        return None
    known = Motion.read(experiment.motion_path)
    return known if np.isin(video.frame_numbers, known.frame_numbers).all() else None


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


def trimmed_video(experiment: Experiment) -> Video:
    """Open the part of the video that is studied.

    Raises
    ------
    InputError
        If the source was moved, or the trim does not fit it.
    """
    return source_video(experiment).trimmed(experiment.settings("trim", Trim))


def working_video(experiment: Experiment) -> Video:
    """Open the video that is labelled and measured: trimmed and, once stabilized, of the field of view.

    Raises
    ------
    InputError
        If the source was moved, the trim or motion does not fit it, or the field of view is not possible.
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
        To look at them before they are kept. Default: those that the experiment keeps.

    Returns
    -------
    FieldOfView, optional
        None where there is no motion to be removed.

    Raises
    ------
    InputError
        If it is not possible with this motion.
    """
    known = motion(experiment, video)
    if known is None:
        return None
    kept = settings or experiment.settings("field_of_view", FieldOfViewSettings)
    return chosen_field_of_view(restricted(known, video), video.shape[1:], kept)


def stabilize(experiment: Experiment) -> Steps[Motion]:
    """Estimate the motion of the specimen and keep it in `motion.csv`.

    Yields
    ------
    Step
        One per frame, then one that says what the field of view became.

    Returns
    -------
    Motion

    Raises
    ------
    InputError
        If the source was moved, or the field of view that was chosen is not possible; then the motion is
        not kept.
    """
    settings = experiment.settings("stabilize", StabilizeSettings)
    origin = _origin(experiment, settings)
    trimmed = trimmed_video(experiment)
    found = yield from estimate_motion(trimmed, settings, regions_within(experiment, trimmed))
    shown = chosen_field_of_view(
        found, trimmed.shape[1:], experiment.settings("field_of_view", FieldOfViewSettings)
    )
    found.write(experiment.motion_path)
    keep_found_overlay(experiment, trimmed, found.overlay)
    experiment.save_settings("stabilize", settings)
    experiment.save_settings(_MOTION_ORIGIN, origin)
    told = "" if found.distortion is None else found.distortion.sentence
    experiment.save_settings(_MOTION_REMARKS, MotionRemarks(distortion=told))
    yield Step(len(trimmed), len(trimmed), shown.sentence)
    return found
