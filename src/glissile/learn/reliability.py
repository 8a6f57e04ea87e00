"""How far probabilities can be taken at their word: what was predicted against what is labelled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.errors import InputError

RELIABILITY_FILE = "reliability.csv"
_BINS = 10
_NUMBERS = ("temperature", "low", "high", "pixels", "mean_probability", "labelled_fraction")
_COLUMNS = ("class", *_NUMBERS)


def reliability(
    shares: NDArray[np.floating],
    truths: NDArray[np.integer],
    classes: Sequence[DefectClass],
    temperature: float,
) -> pd.DataFrame:
    """Compare probabilities with labels, in ten bins of probability.

    Parameters
    ----------
    shares : ndarray of float, shape (classes + 1, n)
        Probabilities at some pixels, background first.
    truths : ndarray of int, shape (n,)
        Index of the true class of each.
    classes : sequence of DefectClass
        Without background.
    temperature : float
        That `shares` were computed with; a column of the table.

    Returns
    -------
    DataFrame
        One row per class and bin that holds pixels: `class`, `temperature`, `low` and `high` ends of the
        bin, `pixels` in it, their `mean_probability` and the `labelled_fraction` of them that is labelled
        with the class.
    """
    rows = []
    for k, defect in enumerate(classes, start=1):
        bins = np.minimum((shares[k] * _BINS).astype(np.int64), _BINS - 1)
        pixels = np.bincount(bins, minlength=_BINS)
        predicted = np.bincount(bins, weights=shares[k], minlength=_BINS)
        labelled = np.bincount(bins, weights=truths == k, minlength=_BINS)
        rows += [
            (defect.key, temperature, b / _BINS, (b + 1) / _BINS, int(n), predicted[b] / n, labelled[b] / n)
            for b, n in enumerate(pixels)
            if n
        ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def calibration_errors(table: pd.DataFrame) -> dict[str, dict[float, float]]:
    """Find the expected calibration error of each class: how far labels are from probabilities.

    Parameters
    ----------
    table : DataFrame
        As `reliability` gives it, of one or more temperatures.

    Returns
    -------
    dict of str to dict of float to float
        By class key and temperature, 0 to 1. Most pixels are plain background and met by any network, so
        that small numbers are no merit; compare them with one another.

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3, for the probability of one
    class.
    """
    found: dict[str, dict[float, float]] = {}
    for _, rows in table.groupby(["class", "temperature"], sort=False):
        key, temperature = rows["class"].iloc[0], rows["temperature"].iloc[0]
        gaps = (rows["mean_probability"] - rows["labelled_fraction"]).abs()
        error = float((gaps * rows["pixels"]).sum() / rows["pixels"].sum())
        found.setdefault(str(key), {})[float(temperature)] = error
    return found


def read_reliability(folder: Path) -> pd.DataFrame | None:
    """Read the table that a training wrote beside its model; None where there is none.

    Raises
    ------
    InputError
        If it is no such table.
    """
    path = folder / RELIABILITY_FILE
    try:
        table = pd.read_csv(path, encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError):
        table = pd.DataFrame()
    sound = set(_COLUMNS) <= set(table.columns)
    if not sound or not all(pd.api.types.is_numeric_dtype(table[name]) for name in _NUMBERS):
        raise InputError(f"{path}: is no table of reliability; delete it, or copy the model again")
    return table
