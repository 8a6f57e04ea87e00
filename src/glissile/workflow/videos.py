"""An experiment and its video as recorded, and the part of it that is studied."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from pydantic import BaseModel

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.experiment import Calibration, Experiment, Source
from glissile.io.video_files import read_video
from glissile.learn.recipes import Recipe
from glissile.quantify.measure import MeasureSettings
from glissile.quantify.timeline import check_strain_log
from glissile.segment.settings import SegmentSettings
from glissile.stabilize.camera_motion import StabilizeSettings
from glissile.stabilize.field_of_view import FieldOfViewSettings
from glissile.video import Trim, Video

# Which settings each stage keeps in experiment.toml.
SETTINGS: Mapping[str, type[BaseModel]] = {
    "trim": Trim,
    "stabilize": StabilizeSettings,
    "field_of_view": FieldOfViewSettings,
    "train": Recipe,
    "segment": SegmentSettings,
    "measure": MeasureSettings,
}


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


def trimmed_video(experiment: Experiment) -> Video:
    """Open the part of the video that is studied.

    Raises
    ------
    InputError
        If the source was moved, or the trim does not fit it.
    """
    return source_video(experiment).trimmed(experiment.settings("trim", Trim))
