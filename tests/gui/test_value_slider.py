"""The slider of a number, linear or by its logarithm."""

import pytest

from glissile.widgets.gan.value_slider import ValueSlider


@pytest.mark.parametrize(("logarithmic", "middle"), [(False, 50.5), (True, 10.0)])
def test_the_middle_of_the_slider(qtbot, logarithmic, middle):
    slider = ValueSlider("island size", 1.0, 100.0, logarithmic=logarithmic)
    qtbot.addWidget(slider)
    moved = []
    slider.moved.connect(moved.append)
    slider.slider.setValue((slider.slider.minimum() + slider.slider.maximum()) / 2)
    assert moved == [pytest.approx(middle)]
    slider.show_value(middle, "")
    assert slider.slider.value() == pytest.approx((slider.slider.minimum() + slider.slider.maximum()) / 2)
    assert len(moved) == 1


def test_what_lies_beyond_the_range_is_shown_at_its_end(qtbot):
    slider = ValueSlider("island size", 1.0, 100.0, logarithmic=True)
    qtbot.addWidget(slider)
    slider.show_value(0.0, "")
    assert slider.slider.value() == slider.slider.minimum()
    slider.show_value(1e9, "")
    assert slider.slider.value() == slider.slider.maximum()
