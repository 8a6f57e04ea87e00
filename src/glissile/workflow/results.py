"""Table, figures and overlay video of an experiment."""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.contrast import video_contrast
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.experiment.area_uncertainty import read_area_uncertainty
from glissile.progress import Step, Steps
from glissile.quantify.measure import MeasureSettings, measure_frame, write_table
from glissile.quantify.timeline import Timeline, check_strain_log, timeline
from glissile.video import Video
from glissile.workflow.segmentation import of_classes, segmented_frames
from glissile.workflow.stabilization import corrections, working_video
from glissile.workflow.videos import SETTINGS


class ResultsOrigin(BaseModel):
    """What the results were measured from; kept beside the settings of the stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(
        "",
        title="Origin",
        description="SHA-256 of all that table, figures and overlay video depend on",
    )


_RESULTS_ORIGIN = "measured"
_OVERLAY_SUFFIX = ".mp4"
# The stages whose settings the results depend on beside the masks.
_SETTINGS_USED = ("trim", "stabilize", "field_of_view", "measure")


def strain_of(experiment: Experiment, video: Video) -> Timeline:
    """Strain, and stress where it was logged, at the frames of `video`.

    Returns
    -------
    Timeline
        Its strain NaN where the times of the frames are not known, as a second per frame would be made up,
        and where the strain log cannot be read: frames are segmented and looked at without it. `measure`,
        which writes down what it finds, refuses such a log.
    """
    with contextlib.suppress(InputError):
        if video.timed:
            return timeline(experiment.document.calibration, video.times_s, folder=experiment.folder)
    return Timeline(video.times_s, np.full(len(video), np.nan))


def measured_row(
    classes: Sequence[DefectClass],
    video: Video,
    along: Timeline,
    index: int,
    mask: NDArray[np.uint8],
    uncertainty_px: Mapping[int, float],
) -> dict[str, float]:
    """One row of the table: the mask (y, x) of frame `index` of `video`, measured.

    What the network takes for a class that was removed is background. `uncertainty_px` is as of
    `glissile.quantify.measure.measure_frame`.
    """
    return measure_frame(
        of_classes(mask, classes),
        classes,
        frame=int(video.frame_numbers[index]),
        time_s=float(along.times_s[index]),
        strain=along.strain_at(index),
        stress=along.stress_at(index),
        nm_per_pixel=video.nm_per_pixel,
        valid=video.valid_part(index),
        uncertainty_px=uncertainty_px,
    )


def measured(experiment: Experiment, video: Video) -> Steps[pd.DataFrame]:
    """Measure the segmented frames of `video`; writes nothing.

    Yields
    ------
    Step
        One per frame, its row as `metrics`, its mask (y, x) as `preview` and its index along t as `frame`.

    Returns
    -------
    DataFrame
        One row per segmented frame, in order; columns as `glissile.quantify.measure` documents them.
    """
    along = strain_of(experiment, video)
    classes = experiment.document.classes  # as they are now: they may be renamed meanwhile
    done = segmented_frames(experiment, video)
    kept = experiment.segmentation_or_none()
    rows = []
    for n, index in enumerate(done, start=1):
        assert kept is not None
        number = int(video.frame_numbers[index])
        mask = kept.read(number)
        uncertainty_px = read_area_uncertainty(kept, number, mask)
        row = measured_row(classes, video, along, index, mask, uncertainty_px)
        rows.append(row)
        yield Step(n, len(done), f"Measuring, frame {n} of {len(done)}", row, mask, index)
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class Results:
    """What `measure` wrote.

    Attributes
    ----------
    table : DataFrame
        One row per segmented frame.
    files : tuple of Path
        The table first, then the figures and the overlay video.
    """

    table: pd.DataFrame
    files: tuple[Path, ...]


def measure(experiment: Experiment) -> Steps[Results]:
    """Measure all segmented frames; write the table, the figures and the overlay video.

    Yields
    ------
    Step
        One per frame measured, see `measured`, then one per frame of the overlay video.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        If no frame is segmented, or the strain log cannot be read or tells the strain of no frame.
    """
    from glissile.quantify.against_strain import Abscissa, draw_area_fractions, save_figure

    video = working_video(experiment)
    if not segmented_frames(experiment, video):
        raise InputError(f"{experiment.folder.name}: no frame is segmented yet; segment the video first")
    check_strain_log(experiment.document.calibration, video, folder=experiment.folder)
    settings = experiment.settings("measure", MeasureSettings)
    origin = _origin(experiment)
    files = _files(experiment, settings)
    classes = experiment.document.classes
    table = yield from measured(experiment, video)
    # Until all is written, what lies there is of no one origin.
    experiment.save_settings(_RESULTS_ORIGIN, ResultsOrigin())
    write_table(experiment.measurements_path, table)
    against: Abscissa = "strain" if table["strain"].notna().any() else "time_s"
    figure = draw_area_fractions(
        table,
        classes,
        against=against,
        initial_strain=experiment.document.calibration.initial_strain,
    )
    for path in files[1:]:
        if path.suffix == _OVERLAY_SUFFIX:
            yield from _overlay_video(experiment, video, classes, path, settings.overlay_frames_per_second)
        else:
            save_figure(figure, path)
    experiment.save_settings("measure", settings)
    experiment.save_settings(_RESULTS_ORIGIN, origin)
    return Results(table, files)


def measurements_current(experiment: Experiment) -> bool:
    """Whether the results are there and were measured from what the experiment holds now.

    Quick enough to ask after every change: no frame and no mask is read.

    Parameters
    ----------
    experiment : Experiment
        The experiment; compared are the masks' network, place and frames, the motion, the calibration with
        the content of its strain log, the classes and the settings that matter.

    Raises
    ------
    InputError
        If a setting is invalid or the segmentation is damaged.
    """
    files = _files(experiment, experiment.settings("measure", MeasureSettings))
    kept = experiment.settings(_RESULTS_ORIGIN, ResultsOrigin)
    return all(path.exists() for path in files) and kept == _origin(experiment)


def _files(experiment: Experiment, settings: MeasureSettings) -> tuple[Path, ...]:
    """List what `measure` writes: the table first, then pictures."""
    names = [f"area_fraction{suffix}" for suffix in (".png", ".svg", ".pdf")]
    if settings.overlay_video:
        names.append(f"overlay{_OVERLAY_SUFFIX}")
    return (experiment.measurements_path, *(experiment.folder / name for name in names))


def _origin(experiment: Experiment) -> ResultsOrigin:
    document, store = experiment.document, experiment.segmentation_or_none()
    log = document.calibration.strain_log
    known: dict[str, object] = {
        "calibration": document.calibration.model_dump(mode="json"),
        "strain_log": None if log is None else _sha256(experiment.folder / log.path),
        "classes": [c.model_dump(mode="json") for c in document.classes],
        "settings": [
            experiment.settings(stage, SETTINGS[stage]).model_dump(mode="json") for stage in _SETTINGS_USED
        ],
        "motion": _sha256(experiment.motion_path),
        "segmentation": None if store is None else (store.shape, dict(store.attributes), store.frames),
    }
    if by_hand := corrections(experiment).frames:
        known["corrections"] = [c.model_dump(mode="json") for c in by_hand]
    return ResultsOrigin(sha256=hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest())


def _sha256(path: Path) -> str | None:
    """SHA-256 of a small file; None where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _overlay_video(
    experiment: Experiment,
    video: Video,
    classes: Sequence[DefectClass],
    path: Path,
    frames_per_second: float,
) -> Steps[None]:
    from glissile.io.video_writer import writing_video
    from glissile.quantify.overlay import frame_caption, overlay_frame

    kept = experiment.segmentation_or_none()
    assert kept is not None
    along = strain_of(experiment, video)
    contrast = video_contrast(video)
    done = segmented_frames(experiment, video)
    pictures = (
        overlay_frame(
            video.frame(index),
            of_classes(kept.read(int(video.frame_numbers[index])), classes),
            classes,
            nm_per_pixel=video.nm_per_pixel,
            caption=frame_caption(time_s=float(along.times_s[index]), strain=along.strain_at(index)),
            contrast=contrast,
        )
        for index in done
    )
    for n in writing_video(path, pictures, frames_per_second=frames_per_second):
        yield Step(n, len(done), f"Drawing the overlay video, frame {n} of {len(done)}")
