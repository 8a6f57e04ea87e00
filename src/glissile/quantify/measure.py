"""Masks to a table: one row per frame, with the area fraction and the pixels of each class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.atomic import replacing
from glissile.defects import DefectClass
from glissile.errors import InputError

FRAME = "frame"
TIME = "time_s"
STRAIN = "strain"
STRESS = "stress_MPa"
FIELD_OF_VIEW = "field_of_view_px"
FIELD_OF_VIEW_AREA = "field_of_view_um2"


class MeasureSettings(BaseModel):
    """What is written beside the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlay_video: bool = Field(
        True,
        title="Overlay video",
        description="Also write an MP4 of the frames with masks, scale bar and strain drawn on them",
    )
    overlay_frames_per_second: float = Field(
        20.0,
        gt=0,
        le=240,
        title="Overlay speed (frames/s)",
        description="Frames that the overlay video shows in one second",
    )


def fraction_column(defect: DefectClass) -> str:
    """Name of the column with the area fraction of a class, 0 to 1."""
    return f"{defect.key}_area_fraction"


def uncertainty_column(defect: DefectClass) -> str:
    """Name of the column with the standard uncertainty of the area fraction of a class."""
    return f"{defect.key}_area_fraction_uncertainty"


def pixels_column(defect: DefectClass) -> str:
    """Name of the column with the pixels of a class."""
    return f"{defect.key}_px"


def area_counts(mask: NDArray[np.integer[Any]], classes: Sequence[DefectClass]) -> dict[str, int]:
    """Count the pixels of the background and of each class.

    Parameters
    ----------
    mask : ndarray of int, shape (y, x)
        Class values, 0 is the background.
    classes : sequence of DefectClass
        The classes that may occur.

    Returns
    -------
    dict of str to int
        Pixels by class key, "background" first. They add up to the pixels of the mask.

    Raises
    ------
    InputError
        If a pixel has the value of no class.
    """
    values, pixels = np.unique(mask, return_counts=True)
    found = {int(v): int(n) for v, n in zip(values, pixels, strict=True)}
    counts = {"background": found.pop(0, 0)} | {c.key: found.pop(c.value, 0) for c in classes}
    if found:
        raise InputError(
            f"the mask has {sum(found.values())} px of value {min(found)}, which is no class; "
            f"add a class of that value or repaint them"
        )
    return counts


def measure_frame(
    mask: NDArray[np.integer[Any]],
    classes: Sequence[DefectClass],
    *,
    frame: int,
    time_s: float,
    strain: float | None = None,
    stress: float | None = None,
    nm_per_pixel: float | None = None,
    valid: tuple[slice, slice] = (slice(None), slice(None)),
    uncertainty_px: Mapping[int, float] | None = None,
) -> dict[str, float]:
    """Measure one mask.

    Parameters
    ----------
    mask : ndarray of int, shape (y, x)
        Class values, 0 is the background.
    classes : sequence of DefectClass
        The classes to measure.
    frame : int
        Number of the frame in the source video.
    time_s : float
        Its time in seconds.
    strain : float, optional
        Its strain, as a fraction and not in percent; NaN in the table where unknown.
    stress : float, optional
        Its stress in MPa; without it the row has no stress column.
    nm_per_pixel : float, optional
        Edge length of a pixel in nanometres; with it the row has the area of the field of view in square
        micrometres.
    valid : tuple of slice
        Rows and columns of the field of view in the mask, which everything refers to; what lies outside is
        not looked at. Default: all.
    uncertainty_px : mapping of int to float, optional
        Standard uncertainty of the area by class value, in pixels; the row has a column for each class of
        which it is known.

    Returns
    -------
    dict of str to float
        One row of the table, its keys in the order of the columns. Fractions of no pixels are NaN.

    Raises
    ------
    InputError
        As `area_counts`, naming the frame.
    """
    try:
        counts = area_counts(mask[valid], classes)
    except InputError as error:
        raise InputError(f"frame {frame}: {error}") from error
    field_of_view = sum(counts.values())
    row: dict[str, float] = {FRAME: int(frame), TIME: float(time_s)}
    row[STRAIN] = float("nan") if strain is None else float(strain)
    if stress is not None:
        row[STRESS] = float(stress)
    for c in classes:
        row[fraction_column(c)] = counts[c.key] / field_of_view if field_of_view else float("nan")
    for c in classes:
        row[pixels_column(c)] = counts[c.key]
    row[FIELD_OF_VIEW] = field_of_view
    if nm_per_pixel is not None:
        row[FIELD_OF_VIEW_AREA] = field_of_view * (nm_per_pixel / 1000) ** 2
    # Last, as not every frame has them: columns keep their order.
    for c in classes:
        if uncertainty_px and c.value in uncertainty_px and field_of_view:
            row[uncertainty_column(c)] = uncertainty_px[c.value] / field_of_view
    return row


def peak(table: pd.DataFrame, defect: DefectClass) -> "pd.Series[float] | None":
    """Find the frame on which a class covers most.

    Parameters
    ----------
    table : DataFrame
        Rows of `measure_frame`.
    defect : DefectClass
        The class.

    Returns
    -------
    Series, optional
        Its row, the first of equal ones; None where the class is measured on no frame.
    """
    column = fraction_column(defect)
    if column not in table or not table[column].notna().any():
        return None
    return table.iloc[int(np.nanargmax(table[column].to_numpy()))]


def strain_at(times_s: ArrayLike, initial_strain: float, strain_rate_per_s: float) -> NDArray[np.float64]:
    """Strain of a test at constant strain rate.

    Parameters
    ----------
    times_s : array of float
        Times in seconds since the strain was `initial_strain`.
    initial_strain : float
        As a fraction.
    strain_rate_per_s : float
        In 1/s.

    Returns
    -------
    ndarray of float
        Strain as a fraction, of the shape of `times_s`.

    Notes
    -----
    Tanaka et al., Scientific Reports (2025), Table 1 gives both constants for their three specimens.
    """
    return np.asarray(initial_strain + np.asarray(times_s, dtype=np.float64) * strain_rate_per_s)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write `table` to `path` as CSV, atomically; numbers come back exactly as they were."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of measurements.

    Parameters
    ----------
    path : Path
        CSV with one row per frame, as `write_table` writes it.

    Returns
    -------
    DataFrame
        Columns as in `measure_frame`, in the order of the file.

    Raises
    ------
    InputError
        If the file is absent, is no such table or holds something that is not a number.
    """
    try:
        table = pd.read_csv(path, encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such table; measure the masks first") from None
    except (OSError, UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: cannot be read as a CSV table ({reason}); measure again") from None
    missing = [name for name in (FRAME, TIME, STRAIN, FIELD_OF_VIEW) if name not in table.columns]
    if missing:
        raise InputError(
            f"{path}: the column {missing[0]!r} is missing, so this is no such table; measure again"
        )
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]) and len(table):
            raise InputError(f"{path}: the column {name!r} holds something other than numbers; measure again")
    return table
