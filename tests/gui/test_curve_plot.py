"""The titles of the axes fit, however low the plot is."""

import numpy as np
import pytest

from glissile.widgets._curve_plot import CurvePlot


@pytest.mark.parametrize("points", [9, 14])
def test_titles_are_not_cut_off(qtbot, points):
    plot = CurvePlot()
    qtbot.addWidget(plot)
    plot.set_quantity("Strain")
    plot.draw(np.arange(3.0), {}, {}, np.arange(3.0))
    font = plot.font()
    font.setPointSize(points)
    plot.set_look("#000000", "#ffffff", font)
    plot.show()
    shown = set()
    for height in range(400, 100, -20):
        plot.resize(600, height)
        qtbot.wait(1)
        box = plot.getPlotItem().getViewBox()
        for side in ("left", "right"):
            axis = plot.getPlotItem().getAxis(side)
            assert axis.isVisible()
            assert axis.label.boundingRect().width() <= box.height() + 2
            shown.add(axis.labelText)
    assert {"Area fraction (%)", "Area (%)", "Stress (MPa)"} <= shown
