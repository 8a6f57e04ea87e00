"""Strain and stress at the time of each frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.experiment import Calibration, StrainLogSettings
from glissile.io.strain_log import StrainLog, read_strain_log
from glissile.quantify.measure import strain_at
from glissile.video import Video


@dataclass(frozen=True, eq=False)
class Timeline:
    """Strain and stress at each frame of a video.

    Attributes
    ----------
    times_s : ndarray, shape (t,)
        Seconds after the first frame of the source.
    strain : ndarray, shape (t,)
        As a fraction; NaN where unknown.
    stress_mpa : ndarray, shape (t,), optional
        None where no stress was recorded.
    """

    times_s: NDArray[np.float64]
    strain: NDArray[np.float64]
    stress_mpa: NDArray[np.float64] | None = None

    def strain_at(self, index: int) -> float | None:
        """Strain at frame `index`; None where it is unknown."""
        strain = float(self.strain[index])
        return None if np.isnan(strain) else strain

    def stress_at(self, index: int) -> float | None:
        """Stress in MPa at frame `index`; None where none was recorded."""
        return None if self.stress_mpa is None else float(self.stress_mpa[index])


def timeline(calibration: Calibration, times_s: NDArray[np.float64], *, folder: Path) -> Timeline:
    """Strain and stress of a test at some times.

    Parameters
    ----------
    calibration : Calibration
        A strain log, or a constant strain rate; the log is taken where both are given.
    times_s : ndarray, shape (t,)
        Seconds after the first frame of the source.
    folder : Path
        What a relative path of the strain log starts from.

    Returns
    -------
    Timeline
        Its strain NaN where neither is known or the log does not reach.

    Raises
    ------
    InputError
        If the strain log cannot be read.
    """
    log = calibration.strain_log
    if log is not None:
        return Timeline(times_s, *_read(log, folder).at(times_s + log.time_offset_s))
    if calibration.initial_strain is None or calibration.strain_rate_per_s is None:
        return Timeline(times_s, np.full(len(times_s), np.nan))
    return Timeline(times_s, strain_at(times_s, calibration.initial_strain, calibration.strain_rate_per_s))


def check_strain_log(calibration: Calibration, video: Video, *, folder: Path) -> None:
    """Refuse a strain log that tells the strain of no frame; nothing happens where there is no log.

    Parameters
    ----------
    calibration : Calibration
        What is about to be used.
    video : Video
        The frames that will be measured; where their times are not known, only the log itself is checked.
    folder : Path
        What a relative path of the strain log starts from.

    Raises
    ------
    InputError
        If the log cannot be read, lacks a column, or ends before the first frame or begins after the last.
    """
    known = video.times_s if video.timed else np.empty(0)
    check_strain_log_at(calibration, known, video.name, folder=folder)


def check_strain_log_at(
    calibration: Calibration, times_s: NDArray[np.float64], name: str, *, folder: Path
) -> None:
    """Refuse a strain log that tells the strain at none of some times, see `check_strain_log`.

    Parameters
    ----------
    calibration : Calibration
        What is about to be used.
    times_s : ndarray, shape (t,)
        Seconds after the first frame of the source, growing; where there are none, only the log itself is
        checked.
    name : str
        Whose frames they are.
    folder : Path
        What a relative path of the strain log starts from.

    Raises
    ------
    InputError
        As `check_strain_log`.
    """
    settings = calibration.strain_log
    if settings is None:
        return
    log = _read(settings, folder)
    times = times_s + settings.time_offset_s
    if len(times) and np.isnan(log.at(times)[0]).all():
        raise InputError(
            f"{settings.path}: the log runs from {log.times_s[0]:g} s to {log.times_s[-1]:g} s, but the "
            f"frames of {name} lie at {times[0]:g} s to {times[-1]:g} s of its clock; correct the time "
            "offset, which is the time in the log at frame 0"
        )


def _read(settings: StrainLogSettings, folder: Path) -> StrainLog:
    # Resolved, because the folder may not be made yet, and the system finds no "folder/../log.csv" then.
    return read_strain_log(
        (folder / settings.path).resolve(),  # an absolute path stays as it is
        time_column=settings.time_column,
        strain_column=settings.strain_column,
        stress_column=settings.stress_column,
    )
