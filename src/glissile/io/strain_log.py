"""Log of the test rig: strain and stress at each time."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glissile.errors import InputError

_DELIMITERS = ("\t", ";", ",")
# A frame at the very end of the log is within it, whatever its time was rounded to.
_ROUNDING_S = 1e-6
_COMMENTS = ("#", "%", "//")
_TIME_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
_STRAIN_UNITS = {"": 1.0, "-": 1.0, "1": 1.0, "mm/mm": 1.0, "m/m": 1.0, "%": 0.01}
_STRESS_UNITS = {"": 1.0, "mpa": 1.0, "n/mm2": 1.0, "n/mm²": 1.0, "gpa": 1e3, "kpa": 1e-3, "pa": 1e-6}
_UNIT = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]$|^(?P<bare>.*?)\s+(?P<percent>%)$")


@dataclass(frozen=True, eq=False)
class StrainLog:
    """Strain, and stress where it was logged, against time.

    Attributes
    ----------
    times_s : ndarray, shape (n,)
        Seconds on the clock of the log, increasing.
    strain : ndarray, shape (n,)
        Dimensionless.
    stress_mpa : ndarray, shape (n,), optional
        Megapascal.
    """

    times_s: NDArray[np.float64]
    strain: NDArray[np.float64]
    stress_mpa: NDArray[np.float64] | None = None

    def at(self, times_s: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Strain and stress at some times, linearly interpolated.

        Parameters
        ----------
        times_s : array, shape (t,)
            Seconds on the clock of the log.

        Returns
        -------
        strain : ndarray, shape (t,)
            NaN before the first and after the last time of the log.
        stress_mpa : ndarray, shape (t,), or None
            Likewise; None where no stress was logged.
        """
        times = np.asarray(times_s, dtype=np.float64)
        first, last = self.times_s[0], self.times_s[-1]
        beside = np.clip(times, first, last)
        times = np.where(np.abs(times - beside) < _ROUNDING_S, beside, times)
        strain = np.interp(times, self.times_s, self.strain, left=np.nan, right=np.nan)
        if self.stress_mpa is None:
            return strain, None
        return strain, np.interp(times, self.times_s, self.stress_mpa, left=np.nan, right=np.nan)


@dataclass(frozen=True)
class _Table:
    """Cells of a log as text."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]  # number of the line, from 1, and its cells
    decimal_comma: bool


def read_strain_log(
    path: Path, *, time_column: str, strain_column: str, stress_column: str | None = None
) -> StrainLog:
    """Read a table of times, strains and stresses.

    The file is UTF-8, UTF-16 with a byte order mark, or Windows-1252; its columns are separated by tabs,
    semicolons or commas. Lines that start with #, % or // are comments; the header is the first line,
    comment or not, that has the names of all chosen columns; a line of units in brackets below it is joined
    to it. Numbers may have a decimal comma: where a comma in one is not followed by a point, nor, in a file
    separated by commas, by three digits.

    Columns are found by name, with or without the unit that follows in brackets, in any case. A strain in
    "%" is divided by 100; one without a unit is taken as it is. A stress without a unit is in MPa, a time
    without a unit in seconds.

    Rows with an empty cell in one of the columns are left out. Rows of equal time are averaged. A log that
    runs backwards as a whole is turned round; one whose time goes back somewhere is refused, as its clock
    was restarted.

    Parameters
    ----------
    path : Path
        The log.
    time_column, strain_column : str
        Names of columns.
    stress_column : str, optional
        Name of a column.

    Returns
    -------
    StrainLog

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing, a unit is unknown, or a cell is not a number.
    """
    wanted = [(time_column, _TIME_UNITS), (strain_column, _STRAIN_UNITS)]
    if stress_column is not None:
        wanted.append((stress_column, _STRESS_UNITS))
    table = _read_table(path, [name for name, _ in wanted])
    columns = [_column(table, name) for name, _ in wanted]
    factors = np.array(
        [_factor(table, column, units) for column, (_, units) in zip(columns, wanted, strict=True)]
    )
    values, lines = [], []
    for number, cells in table.rows:
        chosen = [cells[c] if c < len(cells) else "" for c in columns]
        if all(chosen):
            values.append([_number(table, number, cell) for cell in chosen])
            lines.append(number)
    if not values:
        raise InputError(f"{path}: has no row with a value in each of the chosen columns")
    found = np.array(values) * factors
    times, columns_of_values = _in_order(path, found[:, 0], found[:, 1:], lines)
    return StrainLog(
        times, columns_of_values[:, 0], columns_of_values[:, 1] if stress_column is not None else None
    )


def _read_table(path: Path, names: Sequence[str]) -> _Table:
    lines = _read_text(path).splitlines()
    data = [n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(_COMMENTS)]
    if not data:
        raise InputError(f"{path}: is empty")
    delimiter = next((d for d in _DELIMITERS if 2 * sum(d in lines[n] for n in data) >= len(data)), None)
    if delimiter is None:
        raise InputError(f"{path}: is not a table with columns separated by commas, semicolons or tabs")
    rows = [_cells(line, delimiter) for line in lines]
    # Some programs write the names of the columns as a comment, so comments are searched for them, too.
    widest = max(data, key=lambda n: sum(map(bool, rows[n])))
    at = next((n for n, row in enumerate(rows) if all(_matching(row, name) for name in names)), widest)
    header, below = rows[at], [n for n in data if n > at]
    if below and all(re.fullmatch(r"[\[(].*[\])]|", cell) for cell in rows[below[0]]):
        units = rows[below.pop(0)]
        header = tuple(f"{name} {unit}".strip() for name, unit in zip_longest(header, units, fillvalue=""))
    numbers = [cell for n in below for cell in rows[n] if re.fullmatch(r"[-+\d.,eE]*\d[-+\d.,eE]*", cell)]
    ends = [cell.rpartition(",")[2] for cell in numbers if "," in cell]
    comma = any("." not in end and (delimiter != "," or len(end) != 3) for end in ends)
    return _Table(path, header, tuple((n + 1, rows[n]) for n in below), comma)


def _cells(line: str, delimiter: str) -> tuple[str, ...]:
    if line.lstrip().startswith(_COMMENTS):
        line = line.lstrip(" \t" + "".join(_COMMENTS))
    try:
        rows = csv.reader([line], delimiter=delimiter, skipinitialspace=True)
        return tuple(cell.strip() for row in rows for cell in row)
    except csv.Error:  # a cell of more than 100 kB: no line of a log
        return ()


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the strain log cannot be read ({error.strerror})") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _parse(cell: str, decimal_comma: bool) -> float | None:
    try:
        return float(cell.replace(".", "").replace(",", ".") if decimal_comma else cell.replace(",", ""))
    except ValueError:
        return None


def _number(table: _Table, line: int, cell: str) -> float:
    value = _parse(cell, table.decimal_comma)
    if value is None or not np.isfinite(value):
        raise InputError(f'{table.path}, line {line}: "{cell}" is not a number')
    return value


def _name_and_unit(title: str) -> tuple[str, str]:
    found = _UNIT.match(title)
    if found is None:
        return title.casefold(), ""
    name = found["name"] if found["name"] is not None else found["bare"]
    return name.strip().casefold(), (found["unit"] or found["percent"] or "").strip().casefold()


def _matching(header: Sequence[str], name: str) -> list[int]:
    wanted = name.strip().casefold()
    whole = [i for i, title in enumerate(header) if title.casefold() == wanted]
    return whole or [i for i, title in enumerate(header) if _name_and_unit(title)[0] == wanted]


def _column(table: _Table, name: str) -> int:
    found = _matching(table.header, name)
    if len(found) != 1:
        how = "no column" if not found else "more than one column"
        titles = ", ".join(f'"{title}"' for title in table.header if title)
        raise InputError(f'{table.path}: has {how} "{name}"; its columns are {titles}')
    return found[0]


def _factor(table: _Table, column: int, units: dict[str, float]) -> float:
    unit = _name_and_unit(table.header[column])[1]
    if unit not in units:
        known = ", ".join(u for u in units if u)
        raise InputError(
            f'{table.path}: the unit of the column "{table.header[column]}" is not known here; '
            f"it may be {known}"
        )
    return units[unit]


def _in_order(
    path: Path, times: NDArray[np.float64], values: NDArray[np.float64], lines: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    steps = np.diff(times)
    if steps.size and (steps <= 0).all() and (steps < 0).any():
        times, values = times[::-1], values[::-1]
    elif (steps < 0).any():
        line = lines[int(np.flatnonzero(steps < 0)[0]) + 1]
        raise InputError(f"{path}, line {line}: time goes back here; keep one run of the clock in the file")
    unique, owner, count = np.unique(times, return_inverse=True, return_counts=True)
    means = np.zeros((len(unique), values.shape[1]))
    np.add.at(means, owner, values)
    return unique, means / count[:, None]
