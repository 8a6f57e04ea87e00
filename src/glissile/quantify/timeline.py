"""Strain and stress at the time of each frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.experiment import Calibration
from glissile.io.strain_log import read_strain_log
from glissile.quantify.measure import strain_at


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
        table = read_strain_log(
            folder / log.path,  # an absolute path stays as it is
            time_column=log.time_column,
            strain_column=log.strain_column,
            stress_column=log.stress_column,
        )
        return Timeline(times_s, *table.at(times_s + log.time_offset_s))
    if calibration.initial_strain is None or calibration.strain_rate_per_s is None:
        return Timeline(times_s, np.full(len(times_s), np.nan))
    return Timeline(times_s, strain_at(times_s, calibration.initial_strain, calibration.strain_rate_per_s))
