"""Sliders of directions and of the microstructure, in a real napari with generators of random weights."""

import json

import numpy as np
import pytest
from generators import WaitingSampler, random_sampler
from qtpy.QtWidgets import QVBoxLayout, QWidget

from glissile.errors import InputError
from glissile.gan.directions import style_directions
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.sliders import Slider, Sliders, load_sliders, save_sliders, sliders_path
from glissile.io.generator_card import GeneratorShape
from glissile.widgets.gan import microstructure_sliders
from glissile.widgets.gan._resolve_sliders import (
    SliderFacts,
    layer_groups,
    range_text,
    resolve_sliders,
    slider_refused,
    trust_text,
    trust_tooltip,
    value_text,
)
from glissile.widgets.gan._resolve_walk import NO_NETWORK, NO_PICTURE
from glissile.widgets.gan.microstructure_sliders import EDIT
from glissile.widgets.gan.picture import Picture
from glissile.widgets.gan.sliders import SlidersSection
from glissile.widgets.gan.state import GeneratorState

W_DIM = 16
SHA = "1" * 64


def slider(name, axis, r2, low, high, unit=0.1):
    """A measure that changes by `unit` per step of w along one axis, of which w has the variance 4."""
    gradient = np.zeros(W_DIM)
    gradient[axis] = unit
    return Slider(
        name=name,
        r2=r2,
        error=unit / 10,
        low=low,
        high=high,
        mean=(low + high) / 2,
        gradient=tuple(gradient),
        along=tuple(4 * gradient),
    )


FITTED = Sliders(
    weights_sha256=SHA,
    samples=100,
    measured=98,
    seed=0,
    threshold=128,
    nm_per_pixel=20,
    w_mean=(0.0,) * W_DIM,
    sliders=(
        slider("phase_fraction", 0, 0.9, 0.2, 0.6),
        slider("island_size", 1, 0.5, 1.0, 5.0, unit=1),
        slider("anisotropy", 2, 0.1, 0.0, 0.3),
    ),
)


class Docked:
    """The section in a dock of the viewer, with the picture."""

    def __init__(self, viewer):
        self.state = GeneratorState()
        self.section = SlidersSection(self.state)
        widget = QWidget()
        QVBoxLayout(widget).addWidget(self.section)
        self.picture = Picture(self.state, viewer, widget)
        self.section.set_open(True)
        viewer.window.add_dock_widget(widget, name="Sliders", area="right")

    @property
    def measures(self):
        return self.section.microstructure

    def row(self, name):
        return self.measures._sliders[name]

    def predicted(self):
        return {name: float(value) for name, value in FITTED.predict(self.wanted()).items()}

    def wanted(self):
        """The w of the picture with its edits."""
        return self.state.picture_ws()(self.state.sampler)


@pytest.fixture
def docked(viewer):
    docked = Docked(viewer)
    yield docked
    docked.state.close(wait_s=20)


@pytest.fixture
def sampler():
    return random_sampler(32, weights_sha256=SHA)


@pytest.fixture
def opened(docked, sampler, qtbot):
    """A generator that is measured, and a picture of it."""
    docked.state.use(sampler)
    docked.measures._take(FITTED)
    docked.state.show(Point(seed=3))
    qtbot.waitUntil(lambda: docked.measures._base is not None, timeout=10_000)
    return docked


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(microstructure_sliders, "SAMPLES", 60)


# the microstructure


def test_a_slider_moves_the_prediction_to_its_value(opened):
    opened.row("phase_fraction").slider.setValue(0.55)
    assert opened.predicted()["phase_fraction"] == pytest.approx(0.55, abs=1e-3)
    assert opened.row("phase_fraction").number.text() == "0.550"
    assert opened.row("phase_fraction").box.isChecked()
    assert not opened.row("island_size").box.isChecked()


def test_several_values_are_set_together_and_freed(opened):
    before = opened.predicted()["phase_fraction"]
    opened.row("phase_fraction").slider.setValue(0.55)
    opened.row("island_size").slider.setValue(2.0)
    found = opened.predicted()
    assert found["phase_fraction"] == pytest.approx(0.55, abs=5e-3)
    assert found["island_size"] == pytest.approx(2.0, abs=0.05)
    opened.row("phase_fraction").box.click()
    found = opened.predicted()
    assert found["phase_fraction"] == pytest.approx(before, abs=1e-3)
    assert found["island_size"] == pytest.approx(2.0, abs=0.05)


def test_a_value_that_is_set_stays_while_a_direction_moves_the_picture(opened, qtbot):
    opened.row("phase_fraction").slider.setValue(0.55)
    directions = opened.section.directions
    qtbot.waitUntil(lambda: directions.sliders[0].slider.isEnabled(), timeout=10_000)
    directions.sliders[0].slider.setValue(2.0)
    assert opened.predicted()["phase_fraction"] == pytest.approx(0.55, abs=5e-3)


def test_another_sample_frees_the_values(opened, qtbot):
    opened.row("phase_fraction").slider.setValue(0.55)
    opened.state.show(Point(seed=8))
    assert opened.measures.targets == {}
    assert not opened.row("phase_fraction").box.isChecked()
    (ws,) = ws_of(opened.state.sampler, [Point(seed=8)])
    expected = float(FITTED.predict(ws)["island_size"])
    qtbot.waitUntil(lambda: opened.row("island_size").number.text() == value_text(expected, "µm"))


def test_reset_takes_everything_off(opened, qtbot, sampler):
    section = opened.section
    assert section.reset.toolTip() == "The picture is as it was sampled"
    opened.row("phase_fraction").slider.setValue(0.55)
    qtbot.waitUntil(lambda: section.directions.sliders[1].slider.isEnabled(), timeout=10_000)
    section.directions.sliders[1].slider.setValue(-1.5)
    section.reset.click()
    assert opened.state.edits == {}
    assert section.directions.sliders[1].slider.value() == 0
    assert opened.measures.targets == {}
    assert np.array_equal(opened.wanted(), ws_of(sampler, [Point(seed=3)])[0])


def contrast(slider):
    """Grey levels between the slider and what is behind it."""
    image = slider.grab().toImage()
    places = [(x, y) for x in range(image.width()) for y in range(image.height())]
    behind = image.pixelColor(0, 0).lightness()
    return max(abs(image.pixelColor(*place).lightness() - behind) for place in places)


def test_a_measure_that_w_does_not_tell_cannot_be_set_and_does_not_look_so(opened, qtbot):
    row, other = opened.row("anisotropy"), opened.row("phase_fraction")
    assert not any(part.isEnabled() for part in (row.slider, row.box))
    assert row.number.isEnabled()  # it is measured all the same
    for part in (row, row.slider, row.box, row.number):
        assert "10% of its variance" in part.toolTip()
    assert "no use" in row.note.text()
    qtbot.waitUntil(lambda: row.number.text() != "–", timeout=10_000)
    pixels = as_pixels(opened.state.sampler.images(opened.wanted()[None]))[0]
    assert row.number.text() == value_text(FITTED.measured_in(pixels).anisotropy, "")
    assert row.slider.value() == pytest.approx(min(FITTED.measured_in(pixels).anisotropy, 0.3))
    # napari's own sheet paints both alike.
    assert contrast(row.slider) < 0.7 * contrast(other.slider)


def test_values_that_cannot_be_set_together_are_told(opened):
    double = FITTED.model_copy(
        update={"sliders": (FITTED.sliders[0], slider("free_path", 0, 0.9, 1.0, 5.0, unit=1))}
    )
    opened.measures._take(double)
    opened.row("phase_fraction").slider.setValue(0.55)
    before = opened.state.edits[EDIT]
    opened.row("free_path").slider.setValue(4.0)
    assert "cannot be set apart" in opened.measures.problem.text()
    assert np.array_equal(opened.state.edits[EDIT], before)
    assert not opened.row("free_path").box.isChecked()


def test_the_picture_is_measured_as_it_is_now(opened, qtbot, sampler):
    opened.row("phase_fraction").slider.setValue(0.58)

    def expected():
        pixels = as_pixels(sampler.images(opened.wanted()[None]))[0]
        return value_text(FITTED.measured_in(pixels).phase_fraction, "")

    text = f"measured {expected()} · R² 0.90, reliable"
    qtbot.waitUntil(lambda: opened.row("phase_fraction").note.text() == text, timeout=10_000)
    opened.state.show(Point(seed=11))
    opened.row("phase_fraction").slider.setValue(0.3)  # before it is known where the picture is
    qtbot.waitUntil(lambda: EDIT in opened.state.edits, timeout=10_000)
    assert opened.predicted()["phase_fraction"] == pytest.approx(0.3, abs=1e-3)
    text = f"measured {expected()} · R² 0.90, reliable"
    qtbot.waitUntil(lambda: opened.row("phase_fraction").note.text() == text, timeout=10_000)


def test_measures_of_an_older_picture_are_not_shown(opened, qtbot):
    qtbot.waitUntil(lambda: "measured" in opened.row("island_size").note.text(), timeout=10_000)
    measures = opened.measures
    old = opened.state.ws.copy()
    before = opened.row("island_size").note.text()
    measures._take_measured(FITTED, old, FITTED.measured_in(np.zeros((32, 32), np.uint8)))
    assert opened.row("island_size").note.text() == before


def test_moving_sliders_never_computes_in_the_gui_thread(docked, sampler, qtbot):
    waiting = WaitingSampler(sampler)
    docked.state.use(waiting)
    docked.measures._take(FITTED)
    docked.state.show(Point(seed=3))
    waiting.go_on()
    qtbot.waitUntil(lambda: docked.measures._base is not None, timeout=10_000)
    directions = docked.section.directions
    qtbot.waitUntil(lambda: directions.sliders[0].slider.isEnabled(), timeout=10_000)
    waiting.hold()
    for value in np.linspace(0.2, 0.6, 20):
        docked.row("phase_fraction").slider.setValue(value)
        directions.sliders[0].slider.setValue(10 * value)
    assert not any(in_gui for _, in_gui in waiting.calls)
    waiting.go_on()
    # What is shown in the end is the newest.
    qtbot.waitUntil(
        lambda: docked.state.ws is not None and np.array_equal(docked.state.ws, docked.wanted()),
        timeout=10_000,
    )


# measuring a generator


def test_a_generator_is_measured_and_its_sliders_are_kept(docked, sampler, few, qtbot, tmp_path):
    path = tmp_path / "steel.safetensors"
    docked.state.use(sampler, path)
    assert docked.measures.text.text().startswith("Not measured yet")
    docked.measures.fit.click()
    assert docked.measures.work.running
    assert docked.measures.fit.isHidden()
    qtbot.waitUntil(lambda: docked.measures.fitted is not None, timeout=60_000)
    fitted = docked.measures.fitted
    assert load_sliders(sliders_path(path), sampler.card) == fitted
    assert fitted.samples == 60
    docked.state.use(random_sampler(32, seed=2))
    assert docked.measures.fitted is None
    docked.state.use(sampler, path)
    qtbot.waitUntil(lambda: docked.measures.fitted == fitted, timeout=10_000)


def test_measuring_can_be_cancelled(docked, sampler, qtbot, tmp_path):
    docked.state.use(sampler, tmp_path / "steel.safetensors")
    docked.measures.fit.click()
    qtbot.waitUntil(lambda: docked.measures.work.progress.value() > 0, timeout=10_000)
    docked.measures.work.cancel.click()
    qtbot.waitUntil(lambda: not docked.measures.work.running, timeout=10_000)
    assert docked.measures.fitted is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["something else", "of another generator"])
def test_a_foreign_file_stays_beside_the_network(docked, sampler, few, qtbot, tmp_path, said, kind):
    path = tmp_path / "steel.safetensors"
    docked.state.use(sampler, path)
    place = sliders_path(path)
    if kind == "something else":
        place.write_text(json.dumps({"mine": 1}))
    else:
        save_sliders(place, FITTED.model_copy(update={"weights_sha256": "2" * 64}))
    before = place.read_bytes()
    docked.measures.fit.click()
    qtbot.waitUntil(lambda: docked.measures.fitted is not None, timeout=60_000)
    qtbot.waitUntil(lambda: any("The sliders are not kept" in message for message in said))
    assert place.read_bytes() == before


def test_what_was_measured_is_kept_on_another_device(docked, sampler, few, qtbot, tmp_path):
    docked.state.use(sampler, tmp_path / "steel.safetensors")
    docked.measures.fit.click()
    docked.state.replace_sampler(random_sampler(32, weights_sha256=SHA))
    qtbot.waitUntil(lambda: docked.measures.fitted is not None, timeout=60_000)


# what waits for the generator goes on


def test_another_device_finds_what_the_one_before_was_asked_for(docked, sampler, qtbot, tmp_path):
    path = tmp_path / "steel.safetensors"
    save_sliders(sliders_path(path), FITTED)
    waiting = WaitingSampler(sampler)
    docked.state.use(waiting)
    docked.state.show(Point(seed=9))
    qtbot.waitUntil(lambda: bool(waiting.calls), timeout=10_000)  # and all else waits
    docked.state.use(sampler, path)
    docked.state.show(Point(seed=3))
    assert docked.measures.fitted is None
    directions = docked.section.directions
    assert directions.sliders[0].slider.toolTip().startswith("The directions are being found")
    docked.state.replace_sampler(type(sampler)(sampler.generator, sampler.card, device="cpu"))
    waiting.go_on()
    qtbot.waitUntil(lambda: docked.measures.fitted == FITTED, timeout=10_000)
    qtbot.waitUntil(lambda: directions.sliders[0].slider.isEnabled(), timeout=10_000)
    docked.row("phase_fraction").slider.setValue(0.55)
    qtbot.waitUntil(lambda: EDIT in docked.state.edits, timeout=10_000)
    qtbot.waitUntil(lambda: "measured" in docked.row("phase_fraction").note.text(), timeout=10_000)


def test_directions_that_cannot_be_found_are_told_and_tried_again(docked, sampler, qtbot, said, monkeypatch):
    def fails(*_, **__):
        raise InputError("no directions here")

    monkeypatch.setattr("glissile.gan.directions.style_directions", fails)
    docked.state.use(sampler)
    docked.state.show(Point(seed=3))
    directions = docked.section.directions
    qtbot.waitUntil(lambda: said == ["no directions here"], timeout=10_000)
    assert directions.sliders[0].slider.toolTip().startswith("The directions could not be found")
    monkeypatch.undo()
    directions.layers.activated.emit(0)
    qtbot.waitUntil(lambda: directions.sliders[0].slider.isEnabled(), timeout=10_000)


# directions


def test_a_direction_moves_its_layers(opened, qtbot, sampler):
    directions = opened.section.directions
    qtbot.waitUntil(lambda: directions.sliders[2].slider.isEnabled(), timeout=10_000)
    directions.sliders[2].slider.setValue(1.5)
    expected = style_directions(sampler, count=8)[2].delta(sampler.shape.num_ws, 1.5)
    (delta,) = opened.state.edits.values()
    assert np.array_equal(delta, expected)
    assert directions.sliders[2].number.text() == "+1.50"


def test_moves_of_several_layers_add_up(opened, qtbot, sampler):
    directions = opened.section.directions
    qtbot.waitUntil(lambda: directions.sliders[0].slider.isEnabled(), timeout=10_000)
    directions.sliders[0].slider.setValue(1.0)
    row = directions.layers.findText("coarse")
    directions.layers.setCurrentIndex(row)
    directions.layers.activated.emit(row)
    qtbot.waitUntil(lambda: directions.sliders[0].slider.isEnabled(), timeout=10_000)
    assert directions.sliders[0].slider.value() == 0
    directions.sliders[0].slider.setValue(-2.0)
    coarse = layer_groups(sampler.shape)["coarse"]
    moved = style_directions(sampler, layers=coarse, count=8)[0].apply(
        style_directions(sampler, count=8)[0].apply(ws_of(sampler, [Point(seed=3)])[0], 1.0), -2.0
    )
    assert np.allclose(opened.wanted(), moved, atol=1e-6)
    directions.layers.setCurrentIndex(0)
    directions.layers.activated.emit(0)
    assert directions.sliders[0].slider.value() == 1


def test_the_moved_picture_becomes_a_key_frame(opened, qtbot):
    opened.row("phase_fraction").slider.setValue(0.55)
    qtbot.waitUntil(
        lambda: opened.state.ws is not None and np.array_equal(opened.state.ws, opened.wanted()),
        timeout=10_000,
    )
    opened.section.key.click()
    (key,) = opened.state.keys
    assert key.title == "seed 3, edited"
    assert np.array_equal(ws_of(opened.state.sampler, [key])[0], opened.wanted())


# what is said and allowed


def test_layers_are_parted_by_their_pixels():
    def groups(resolution):
        widths = (8,) * (resolution.bit_length() - 2)
        shape = GeneratorShape(
            resolution=resolution,
            channels=1,
            widths=widths,
            z_dim=4,
            w_dim=4,
            mapping_layers=1,
            mapping_width=4,
        )
        return layer_groups(shape)

    assert groups(256) == {
        "all": tuple(range(14)),
        "coarse": (0, 1, 2),
        "middle": (3, 4, 5, 6),
        "fine": tuple(range(7, 14)),
    }
    assert groups(32) == {"all": tuple(range(8)), "coarse": (0, 1, 2), "middle": (3, 4, 5, 6, 7)}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.5, "", "0.500"),
        (12.345, "px", "12.3 px"),
        (123.4, "nm", "123 nm"),
        (8123.4, "nm", "8123 nm"),
        (-0.01234, "1/µm", "-0.0123 1/µm"),
        (0.0, "", "0.00"),
        (None, "px", "–"),
    ],
)
def test_values_have_three_digits_and_a_unit(value, unit, text):
    assert value_text(value, unit) == text


@pytest.mark.parametrize(
    ("facts", "control", "reason"),
    [
        ({}, "fit", NO_NETWORK),
        ({}, "move", NO_NETWORK),
        ({"network": True}, "fit", ""),
        ({"network": True, "running": True}, "fit", "being measured"),
        ({"network": True}, "move", NO_PICTURE),
        ({"network": True, "picture": True}, "move", ""),
        ({"network": True, "picture": True}, "key", ""),
        ({"network": True, "picture": True}, "reset", "as it was sampled"),
        ({"network": True, "picture": True, "edited": True}, "reset", ""),
    ],
)
def test_what_can_be_done_and_why_not(facts, control, reason):
    found = getattr(resolve_sliders(SliderFacts(**facts)), control)
    assert reason in found
    assert bool(reason) == bool(found)


def test_what_r2_means_is_said():
    reliable, rough, useless = FITTED.sliders
    assert trust_text(rough) == "R² 0.50, rough"
    assert range_text(rough) == ("1.0", "5.0")
    assert "1.00 µm to 5.00 µm" in trust_tooltip(rough, "µm")
    assert slider_refused(reliable, "") == ""
    assert slider_refused(reliable, NO_PICTURE) == NO_PICTURE
    assert "too little" in slider_refused(useless, "")
    text = resolve_sliders(SliderFacts(network=True, fitted=FITTED, effort_sd=4.5)).text
    assert text == (
        "2 of 3 measures can be set; the others are only measured. This was learned from 98 images of this "
        "generator. The picture is moved by 4.5 standard deviations, so far that images may get strange."
    )


def test_measuring_is_told_plainly():
    def text(**facts):
        return resolve_sliders(SliderFacts(network=True, **facts)).text

    assert text().startswith("Not measured yet. 2000 images are made and measured once")
    for running in (text(running=True), text(running=True, fitted=FITTED)):
        assert "you can go on meanwhile" in running
    none = FITTED.model_copy(update={"sliders": FITTED.sliders[2:]})
    assert text(fitted=none).startswith("None of the 1 measures can be set")
    every = FITTED.model_copy(update={"sliders": FITTED.sliders[:2]})
    learned = "All 2 measures can be set. This was learned from 98 images of this generator"
    assert text(fitted=every) == f"{learned}."
    without = every.model_copy(update={"noise": "none"})
    assert text(fitted=without) == f"{learned} without noise."
