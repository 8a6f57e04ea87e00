import pytest

from glissile.defects import DEFAULT_CLASSES
from glissile.widgets.sections.training_plot import TrainingPlot


def test_the_axis_reaches_to_the_end_of_the_training(qtbot):
    shown = TrainingPlot()
    qtbot.addWidget(shown)
    shown.begin(DEFAULT_CLASSES)
    shown.add({"epoch": 4, "loss": 1.0}, 0.1)
    for plot in (shown.losses, shown.scores):
        low, high = plot.viewRange()[0]
        assert low <= 0
        assert high == pytest.approx(40, abs=2)
    shown.add({"epoch": 30, "loss": 0.5}, 0.5)  # it has become quicker
    assert shown.losses.viewRange()[0][1] == pytest.approx(60, abs=3)
    shown.add({}, 0.6)  # says nothing of the training, such as a preview
    assert shown.losses.viewRange()[0][1] == pytest.approx(60, abs=3)
