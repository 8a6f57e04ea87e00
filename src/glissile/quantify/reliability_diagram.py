"""Reliability diagram: the share of pixels that are labelled with a class against its probability."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from glissile.defects import DefectClass
from glissile.quantify.against_strain import MARKERS, MM_PER_INCH, own_style

_WIDTH_MM, _HEIGHT_MM = 85, 75


def draw_reliability(table: pd.DataFrame, classes: Sequence[DefectClass]) -> Figure:
    """Draw a reliability diagram.

    Parameters
    ----------
    table : DataFrame
        As `glissile.learn.reliability.reliability` gives it, of one or two temperatures, that which is used
        last.
    classes : sequence of DefectClass
        Curves to draw, in their colours.

    Returns
    -------
    Figure
        85 mm wide: probabilities as they are used as full lines, those before the temperature dashed. On the
        diagonal they hold.

    Notes
    -----
    Niculescu-Mizil and Caruana, Predicting Good Probabilities with Supervised Learning, ICML 2005.
    """
    temperatures = list(dict.fromkeys(table["temperature"]))
    with own_style():
        figure = Figure(figsize=(_WIDTH_MM / MM_PER_INCH, _HEIGHT_MM / MM_PER_INCH), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
        for index, c in enumerate(classes):
            for temperature in temperatures:
                rows = table[(table["class"] == c.key) & (table["temperature"] == temperature)]
                used = temperature == temperatures[-1]
                axes.plot(
                    rows["mean_probability"],
                    rows["labelled_fraction"],
                    color=c.color,
                    linewidth=1.1 if used else 0.8,
                    linestyle="-" if used else (0, (4, 2)),
                    marker=MARKERS[index % len(MARKERS)] if used else None,
                    markersize=3.5,
                    clip_on=False,
                    label=c.name[:1].upper() + c.name[1:] if used else f"at temperature {temperature:.3g}",
                )
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Probability", ylabel="Labelled fraction of pixels")
        axes.legend(loc="upper left", frameon=False, handlelength=1.6, borderaxespad=0.3)
    return figure
