"""The table as a figure: area of each class in the field of view against strain, time or frame.

In the manner of Fig. 6 of Tanaka et al., Scientific Reports (2025): percent of the field of view against
strain, with the strain normalised by the initial strain along the upper edge.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glissile.atomic import replacing
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.quantify.measure import FRAME, STRAIN, STRESS, fraction_column, uncertainty_column

Abscissa = Literal["strain", "time_s", "frame"]

_LABELS: dict[Abscissa, str] = {"strain": "Strain", "time_s": "Time (s)", "frame": "Frame"}

# One column of a journal page, and the smallest type that most journals accept at that width.
_WIDTH_MM = 85
_HEIGHT_MM = 70
_FONT_PT = 8
MM_PER_INCH = 25.4
_PNG_DPI = 300

_STRESS_COLOR = "#555555"
# Colours alone are lost in a grey print: each class has a marker too, at about a dozen of its points.
MARKERS = "os^Dv<>P"
_POINTS_MARKED = 12
_BAND_OPACITY = 0.25

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": _FONT_PT,
    "pdf.fonttype": 42,  # TrueType: text stays text in a drawing program
    "svg.fonttype": "none",
    "svg.hashsalt": "glissile",  # the same figure is the same file
}
_UNDATED: dict[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


@contextmanager
def own_style() -> Iterator[None]:
    """Matplotlib's defaults and our sizes, whatever style the user has set."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def draw_area_fractions(
    table: pd.DataFrame,
    classes: Sequence[DefectClass],
    *,
    against: Abscissa = "strain",
    initial_strain: float | None = None,
) -> Figure:
    """Draw the area of each class in percent of the field of view.

    Parameters
    ----------
    table : DataFrame
        One row per frame, as from `measure_frame`.
    classes : sequence of DefectClass
        Lines to draw, in their colours.
    against : {"strain", "time_s", "frame"}
        Column along the lower edge.
    initial_strain : float, optional
        What the strain along the upper edge is divided by. Default: the strain of the first row.

    Returns
    -------
    Figure
        85 mm wide, no text smaller than 8 pt; with a band of one standard uncertainty around the curves and
        the stress on a second axis where the table has them.

    Raises
    ------
    InputError
        If the table is empty, lacks a column, or has no value of `against`.
    """
    shown = _plottable(table, classes, against)
    size = (_WIDTH_MM / MM_PER_INCH, _HEIGHT_MM / MM_PER_INCH)
    with own_style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        x = shown[against].to_numpy(dtype=np.float64)
        peak = _draw_classes(axes, shown, x, classes)
        lines = list(axes.get_lines())
        axes.set_xlabel(_LABELS[against])
        axes.set_ylabel("Area fraction (%)")
        axes.margins(x=0.02)
        # The legend has a band above the curves to itself: it never hides a point, wherever they run.
        columns = 1 if max(len(c.name) for c in classes) > 18 else 2
        has_stress = STRESS in shown and bool(shown[STRESS].notna().any())
        rows = math.ceil((len(lines) + has_stress) / columns)
        axes.set_ylim(0, peak * (1.06 + 0.13 * rows))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        axes.ticklabel_format(axis="x", useOffset=False)
        if has_stress:
            lines += _draw_stress(axes, x, shown[STRESS].to_numpy(dtype=np.float64), rows)
        if against == STRAIN:
            _draw_normalised_strain(axes, _initial(table) if initial_strain is None else initial_strain)
        axes.legend(
            handles=lines,
            ncols=columns,
            loc="upper left",
            frameon=False,
            handlelength=1.6,
            columnspacing=1.2,
            borderaxespad=0.3,
        )
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Save `figure`, atomically; the same figure gives the same file, byte for byte.

    Parameters
    ----------
    figure : Figure
        From `draw_area_fractions`.
    path : Path
        File to write, as PNG (300 dpi), SVG or PDF by its suffix.

    Raises
    ------
    InputError
        If the suffix is another one.
    """
    suffix = path.suffix.lower()
    if suffix not in _UNDATED:
        raise InputError(
            f"{path}: figures are written as png, svg or pdf; choose a file name that ends in one of them"
        )
    with replacing(path) as temporary, own_style():
        figure.savefig(temporary, format=suffix[1:], dpi=_PNG_DPI, metadata=_UNDATED[suffix])


def _plottable(table: pd.DataFrame, classes: Sequence[DefectClass], against: Abscissa) -> pd.DataFrame:
    needed = [against, *(fraction_column(c) for c in classes)]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(f"the table of measurements has no column {missing[0]!r}; measure the masks again")
    if not classes or table.empty:
        raise InputError(
            "the table of measurements is empty, there is nothing to draw; measure some masks first"
        )
    shown = table[table[against].notna()].sort_values(FRAME)
    if shown.empty:
        raise InputError(
            f"the table of measurements has no value of {against!r}; give the experiment a calibration "
            f"or draw against another column"
        )
    return shown


def _draw_classes(axes: Axes, table: pd.DataFrame, x: Any, classes: Sequence[DefectClass]) -> float:
    """Draw one line per class; return the largest percentage drawn, for the limits of the axis."""
    every = max(1, len(x) // _POINTS_MARKED)
    peak = 0.0
    for index, c in enumerate(classes):
        percent = 100 * table[fraction_column(c)].to_numpy(dtype=np.float64)
        axes.plot(
            x,
            percent,
            color=c.color,
            linewidth=1.1,
            marker=MARKERS[index % len(MARKERS)],
            markersize=3.5,
            clip_on=False,  # a marker at 0 % is whole
            # Staggered, so that the markers of two lines that run together do not cover each other.
            markevery=(index * every // len(classes), every),
            label=c.name[:1].upper() + c.name[1:],
        )
        peak = max(peak, float(np.nanmax(percent, initial=0.0)))
        if uncertainty_column(c) in table:
            spread = 100 * table[uncertainty_column(c)].to_numpy(dtype=np.float64)
            low, high = np.maximum(percent - spread, 0), percent + spread
            axes.fill_between(x, low, high, color=c.color, alpha=_BAND_OPACITY, linewidth=0)
            peak = max(peak, float(np.nanmax(high, initial=0.0)))
    return peak or 1.0


def _draw_stress(axes: Axes, x: Any, stress: Any, legend_rows: int) -> Any:
    right = axes.twinx()
    lines = right.plot(x, stress, color=_STRESS_COLOR, linewidth=0.9, linestyle=(0, (4, 2)), label="Stress")
    right.set_ylabel("Stress (MPa)")
    low, high = float(np.nanmin(stress)), float(np.nanmax(stress))
    bottom = min(0.0, low)
    span = (high - bottom) or 1.0
    right.set_ylim(bottom, bottom + span * (1.06 + 0.13 * legend_rows))
    right.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    return lines


def _initial(table: pd.DataFrame) -> float:
    return float(table[table[STRAIN].notna()].sort_values(FRAME)[STRAIN].iloc[0])


def _draw_normalised_strain(axes: Axes, initial: float) -> None:
    if not math.isfinite(initial) or initial == 0:
        return

    def normalised(strain: Any) -> Any:
        return strain / initial

    def absolute(ratio: Any) -> Any:
        return ratio * initial

    upper = axes.secondary_xaxis("top", functions=(normalised, absolute))
    upper.set_xlabel("Strain / initial strain")
    upper.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
