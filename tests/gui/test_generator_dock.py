"""The dock with a generator: opening networks, their card, and letting go of them; in a real napari."""

import gc
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from generators import provenance_in, random_sampler
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QPushButton

from glissile.errors import InputError
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.randomised import random_generator
from glissile.gan.records import read_provenance
from glissile.gan.sampler import Sampler
from glissile.io.generator_card import GeneratorCard, GeneratorShape, Origin, TrainingData, widths_of
from glissile.io.generator_file import read_generator_card, write_generator
from glissile.widgets.gan import microstructure_sliders
from glissile.widgets.gan._recent import recent_networks, remember_network
from glissile.widgets.gan._resolve import NetworkFacts, card_rows, recent_titles, resolve_network
from glissile.widgets.gan._resolve_export import Format, What
from glissile.widgets.gan._resolve_sliders import value_text
from glissile.widgets.generator import GeneratorDock

NAME = "Microstructure generator"
FOREIGN = Path(__file__).parents[3] / "shared" / "gan" / "fixtures" / "tiny_layout_nosource_p4.pkl"


def shape(resolution=32, **changes):
    fields = {
        "resolution": resolution,
        "channels": 1,
        "widths": widths_of(resolution, 256),
        "z_dim": 16,
        "w_dim": 16,
        "mapping_layers": 2,
        "mapping_width": 16,
    }
    return GeneratorShape(**fields | changes)


def written(path, seed=0, **card):
    generator, plain = random_generator(shape(), seed)
    write_generator(path, generator.state_dict(), plain.model_copy(update=card))
    return path


@pytest.fixture
def network(tmp_path):
    return written(
        tmp_path / "steel.safetensors",
        name="Dual-phase <steel>",
        trained=True,
        kimg=5000.0,
        fid=12.3,
        licence="CC BY 4.0",
        training_data=TrainingData(description="SEM micrographs", images=3000),
    )


def docked(viewer):
    dock = GeneratorDock(viewer)
    viewer.window.add_dock_widget(dock, name=NAME, area="right")
    return dock


@pytest.fixture
def dock(viewer):
    dock = docked(viewer)
    yield dock
    dock.state.close(wait_s=10)


def idle(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.network.work.running, timeout=60_000)


def open_network(dock, path, qtbot):
    dock.network.open_network(path)
    idle(dock, qtbot)


def told(section):
    """Text of the card, without the places where lines may break."""
    return section.card.text().replace("\u200b", "")


def seen(widget):
    """Whether it would be shown, were the window."""
    return not widget.isHidden()


def no_thread(state):
    return not state._generation._thread.is_alive()


# ---------------------------------------------------------------------------------------------------------
# opening


def test_without_a_network_it_says_how_to_get_one(dock):
    section = dock.network
    assert seen(section.hint)
    assert not any(seen(widget) for widget in (section.name, section.card, section.alarm, section.save))
    assert section.open.isEnabled()
    assert section.sample.isEnabled()
    assert not section.recent.isEnabled()
    assert section.recent.toolTip() == "No network was opened before"


def test_opening_shows_the_card_and_then_the_speed(dock, network, qtbot):
    open_network(dock, network, qtbot)
    section, state = dock.network, dock.state
    assert (state.path, state.card.name) == (network, "Dual-phase <steel>")
    assert section.name.text() == "Dual-phase <steel>"
    text = told(section)
    for part in (
        "32 x 32 px, grey",
        "5000 thousand images",
        "12.3",
        "SEM micrographs, 3000 images",
        "CC BY 4.0",
        state.sampler.device,
        "glissile (safetensors)",
        "no real specimen",
    ):
        assert part in text, part
    assert not seen(section.alarm)
    assert not seen(section.save)
    assert not seen(section.hint)
    assert state.point == state.seeded(0)
    qtbot.waitUntil(lambda: "s per image" in section.card.text(), timeout=30_000)


def test_a_network_with_classes_in_colour(dock, viewer, tmp_path, qtbot):
    path = tmp_path / ("network-snapshot_" + 40 * "x" + ".safetensors")
    generator, plain = random_generator(shape(channels=3, c_dim=2, embedding=16), 0)
    named = plain.model_copy(update={"name": path.stem, "class_names": ("ferrite", "martensite")})
    write_generator(path, generator.state_dict(), named)
    open_network(dock, path, qtbot)
    for part in ("32 x 32 px, RGB", "2 (0 ferrite, 1 martensite)"):
        assert part in told(dock.network), part
    assert dock.network.name.text().replace("\u200b", "") == path.stem
    assert max(len(part) for part in dock.network.name.text().split("\u200b")) <= 15
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=30_000)
    assert viewer.layers[0].rgb
    assert dock.state.point.label == 0
    assert dock.samples.is_open()


def test_the_sample_says_that_its_weights_are_random(dock, qtbot):
    dock.network.sample.click()
    idle(dock, qtbot)
    section, state = dock.network, dock.state
    assert state.path is None
    assert (state.card.shape.resolution, state.card.trained) == (256, False)
    assert len(state.card.weights_sha256) == 64
    assert seen(section.alarm)
    assert section.alarm.text() == "The weights are random: the images show no microstructure."
    assert not seen(section.save)
    assert recent_networks() == ()


def test_a_bad_file_is_one_sentence_and_the_old_network_stays(dock, network, tmp_path, said, qtbot):
    open_network(dock, network, qtbot)
    sampler = dock.state.sampler
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"no generator at all")
    open_network(dock, bad, qtbot)
    assert said == [f"{bad}: is no file of a generator; choose a .safetensors, .pkl or .pt file of one"]
    assert dock.state.sampler is sampler
    assert dock.network.name.text() == "Dual-phase <steel>"
    assert recent_networks() == (network,)
    assert dock.network.open.isEnabled()


def test_what_no_picture_can_show_is_not_opened(dock, tmp_path, said, qtbot):
    given = random_sampler(32, channels=2)
    path = tmp_path / "two.safetensors"
    write_generator(path, given._generator.state_dict(), given.card)
    dock.network.open_network(path)
    qtbot.waitUntil(lambda: bool(said), timeout=30_000)
    assert "only grey and RGB" in said[0]
    assert dock.state.sampler is None


def test_another_network_begins_with_its_own_noise(dock, network, qtbot):
    open_network(dock, network, qtbot)
    dock.state.set_noise("random", 77)
    dock.state.use(random_sampler(32))
    assert (dock.state.look.noise, dock.state.look.noise_seed) == ("const", 0)


def test_while_one_is_opened_no_other_is(dock, network, qtbot):
    section = dock.network
    section.open_network(network)
    assert seen(section.work)
    assert not any(button.isEnabled() for button in (section.open, section.recent, section.sample))
    assert section.open.toolTip() == "Please wait, or cancel what is running"
    section.open_network(None)
    idle(dock, qtbot)
    assert dock.state.path == network
    assert section.open.isEnabled()
    assert not seen(section.work)


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_cancelled_opening_is_left_at_once(dock, network, tmp_path, said, qtbot, monkeypatch, ends_well):
    open_network(dock, network, qtbot)
    section, sampler, read = dock.network, dock.state.sampler, Sampler.open
    reading, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slowly(path, *, device):
        reading.set()
        go_on.wait(20)
        try:
            if not ends_well:
                raise InputError("is damaged")
            return read(path, device=device)
        finally:
            ended.set()

    monkeypatch.setattr(Sampler, "open", slowly)
    section.open_network(written(tmp_path / "other.safetensors", seed=1))
    qtbot.waitUntil(reading.is_set, timeout=10_000)
    section.work.cancel.click()
    assert not section.work.running  # though the file is being read
    assert not seen(section.work)
    assert section.open.isEnabled()
    monkeypatch.setattr(Sampler, "open", read)
    third = written(tmp_path / "third.safetensors", seed=2, name="third")
    open_network(dock, third, qtbot)
    assert section.name.text() == "third"
    go_on.set()
    qtbot.waitUntil(ended.is_set, timeout=10_000)
    qtbot.wait(300)
    assert dock.state.path == third
    assert dock.state.sampler is not sampler
    assert recent_networks() == (third, network)
    assert said == []


def test_recent_networks_are_in_the_menu_the_last_one_first(dock, network, tmp_path, qtbot):
    (tmp_path / "a").mkdir()
    other = written(tmp_path / "a" / "steel.safetensors", seed=1, name="other")
    open_network(dock, network, qtbot)
    open_network(dock, other, qtbot)
    section = dock.network
    assert section.recent.isEnabled()
    section._menu.aboutToShow.emit()
    titles = [action.text() for action in section._menu.actions()]
    assert titles == [f"steel.safetensors  ({folder})" for folder in (other.parent, network.parent)]
    section._menu.actions()[1].trigger()
    idle(dock, qtbot)
    assert dock.state.path == network
    assert recent_networks() == (network, other)


def test_a_dropped_file_is_opened_by_its_name(dock, network, tmp_path, qtbot):
    def dragged(*paths):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        return data

    args = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    (at,) = (QPointF(5, 5),)
    for data, taken in ((dragged(tmp_path / "v.mp4"), False), (dragged(tmp_path / "v.mp4", network), True)):
        entering = QDragEnterEvent(at.toPoint(), args[0], data, *args[1:])
        entering.ignore()
        dock.dragEnterEvent(entering)
        assert entering.isAccepted() is taken
    dock.dropEvent(QDropEvent(at, args[0], data, *args[1:]))
    idle(dock, qtbot)
    assert dock.state.path == network


@pytest.mark.skipif(not FOREIGN.exists(), reason=f"{FOREIGN.name} is not here")
def test_a_file_of_another_program_can_be_saved_as_ours(dock, tmp_path, said, qtbot, monkeypatch):
    open_network(dock, FOREIGN, qtbot)
    section, state = dock.network, dock.state
    assert state.card.origin.file == FOREIGN.name
    assert seen(section.save)
    assert FOREIGN.name in told(section)
    output = tmp_path / "mine.safetensors"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(output), ""))
    (output.with_suffix(".json")).write_text("{}")
    section.save.click()
    idle(dock, qtbot)
    assert said == [f"{output.with_suffix('.json')}: is there already; choose another name"]
    assert not output.exists()
    output.with_suffix(".json").unlink()
    section.save.click()
    idle(dock, qtbot)
    assert read_generator_card(output) == state.card
    assert said[1:] == ["The network is saved as mine.safetensors"]
    assert recent_networks()[0] == output
    open_network(dock, output, qtbot)
    assert dock.state.card.weights_sha256 == read_generator_card(FOREIGN).weights_sha256


# ---------------------------------------------------------------------------------------------------------
# the device


def test_another_device_keeps_what_is_looked_at(dock, network, qtbot):
    open_network(dock, network, qtbot)
    state, section = dock.state, dock.network
    state.show(state.seeded(5))
    sampler, point = state.sampler, state.point
    section.device.setCurrentText("cpu")
    section.device.activated.emit(section.device.currentIndex())
    idle(dock, qtbot)
    assert state.sampler is not sampler
    assert state.point is point


def test_a_device_that_does_not_work_is_said_and_not_kept(dock, network, said, qtbot, monkeypatch):
    monkeypatch.setattr("glissile.device._works", lambda name: name == "cpu")
    open_network(dock, network, qtbot)
    sampler, section = dock.state.sampler, dock.network
    section.device.setCurrentText("cuda")
    section.device.activated.emit(section.device.currentIndex())
    idle(dock, qtbot)
    assert len(said) == 1
    assert said[0].startswith("The device 'cuda' does not work here")
    assert section.device.currentText() == "auto"
    assert dock.state.sampler is sampler


def test_too_little_memory_falls_back_to_the_cpu(dock, network, said, qtbot, monkeypatch):
    open_network(dock, network, qtbot)
    state = dock.state
    state.show(state.seeded(5))
    sampler, point, made = state.sampler, state.point, []
    monkeypatch.setattr(Sampler, "on_cpu", property(lambda self: self is not sampler))

    def job(used):
        if used is sampler:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return used.images(ws_of(used, [point]))

    state.look_changed.connect(lambda: state.generate("picture", job, made.append))
    state.generate("picture", job, made.append)
    qtbot.waitUntil(lambda: bool(made), timeout=30_000)
    assert said == [f"{sampler.device} has too little memory for this network: images are made on the CPU"]
    assert state.sampler is not sampler
    assert state.point is point
    assert dock.network.device.currentText() == "cpu"
    monkeypatch.setattr(Sampler, "on_cpu", property(lambda self: True))
    state.out_of_memory.emit(state.sampler)
    assert said[1:] == ["There is too little memory for an image of this network; close other programs"]


# ---------------------------------------------------------------------------------------------------------
# the end


def slow(sampler):
    time.sleep(0.5)
    return sampler.images(np.zeros((1, sampler.shape.num_ws, 16), np.float32))


def test_closing_the_dock_while_an_image_is_made_ends_all(viewer, network, qtbot):
    dock = docked(viewer)
    open_network(dock, network, qtbot)
    state, arrived = dock.state, []
    held = weakref.ref(state.sampler)
    begun = threading.Event()

    def job(sampler):
        begun.set()
        return slow(sampler)

    state.generate("picture", job, arrived.append)
    state.generate("walk", slow, arrived.append)
    assert begun.wait(10)
    viewer.window.remove_dock_widget(dock)
    assert state.closed
    qtbot.waitUntil(lambda: no_thread(state), timeout=10_000)
    qtbot.wait(50)
    assert not arrived
    del dock
    gc.collect()
    assert held() is None

    again = docked(viewer)
    assert again.state is not state
    open_network(again, network, qtbot)
    again.state.generate("picture", slow, arrived.append)
    qtbot.waitUntil(lambda: bool(arrived), timeout=30_000)
    again.state.close(wait_s=10)


def test_closing_the_dock_while_a_network_is_opened(dock, viewer, network, qtbot):
    state = dock.state
    dock.network.open_network(network)
    viewer.window.remove_dock_widget(dock)
    qtbot.wait(300)
    assert state.sampler is None
    assert no_thread(state)


def test_closing_napari_ends_the_thread(viewer, network, qtbot):
    dock = docked(viewer)
    open_network(dock, network, qtbot)
    state = dock.state
    state.generate("picture", slow, print)
    viewer.close()
    qtbot.waitUntil(lambda: no_thread(state), timeout=10_000)


def test_two_viewers_do_not_mix(make_napari_viewer_proxy, network, tmp_path, qtbot):
    docks = [docked(make_napari_viewer_proxy(strict_qt="raise")) for _ in range(2)]
    open_network(docks[0], network, qtbot)
    assert docks[1].state.sampler is None
    assert seen(docks[1].network.hint)
    open_network(docks[1], written(tmp_path / "b.safetensors", seed=1, name="b"), qtbot)
    assert [dock.network.name.text() for dock in docks] == ["Dual-phase <steel>", "b"]
    docks[0].state.close(wait_s=10)
    assert not docks[1].state.closed
    docks[1].state.close(wait_s=10)


def test_two_docks_of_one_viewer_are_two(viewer, network, tmp_path, qtbot):
    docks = [GeneratorDock(viewer), GeneratorDock(viewer)]
    for number, dock in enumerate(docks):
        viewer.window.add_dock_widget(dock, name=f"{NAME} {number}", area="right")
    open_network(docks[0], network, qtbot)
    assert docks[1].state.sampler is None
    other = written(tmp_path / "other.safetensors", seed=1, name="other")
    open_network(docks[1], other, qtbot)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    viewer.window.remove_dock_widget(docks[0])
    assert docks[0].state.closed
    left = docks[1].state
    assert not left.closed
    left.show(left.seeded(4))
    qtbot.waitUntil(lambda: provenance_in(viewer.layers[1]) is not None, timeout=30_000)
    qtbot.waitUntil(lambda: provenance_in(viewer.layers[1])["point"]["seed"] == 4, timeout=30_000)
    left.close(wait_s=10)


def test_the_card_tells_what_the_picture_is(dock, tmp_path, qtbot):
    path = tmp_path / "two.safetensors"
    generator, plain = random_generator(shape(c_dim=2, embedding=16), 0)
    named = plain.model_copy(update={"name": "two", "class_names": ("ferrite", "martensite")})
    write_generator(path, generator.state_dict(), named)
    open_network(dock, path, qtbot)
    qtbot.waitUntil(lambda: "seed 0, ψ 1.00, class 0 (ferrite)" in told(dock.network), timeout=10_000)
    dock.look.classes.setCurrentIndex(1)
    dock.look.classes.activated.emit(1)
    dock.look.psi_number.setValue(0.5)
    dock.state.set_edit("more", np.ones((dock.state.sampler.shape.num_ws, 16), np.float32))
    qtbot.waitUntil(
        lambda: "seed 0, ψ 0.50, class 1 (martensite), edited" in told(dock.network), timeout=10_000
    )


def test_measures_of_a_class_are_shown_and_exported(dock, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(microstructure_sliders, "SAMPLES", 60)
    given = random_sampler(32, c_dim=2, embedding=16, class_names=("ferrite", "martensite"))
    path = tmp_path / "two.safetensors"
    write_generator(path, given._generator.state_dict(), given.card)
    open_network(dock, path, qtbot)
    measures = dock.sliders.microstructure
    dock.sliders.set_open(True)
    measures.fit.click()
    qtbot.waitUntil(lambda: measures.fitted is not None, timeout=60_000)
    dock.look.classes.setCurrentIndex(1)
    dock.look.classes.activated.emit(1)
    dock.look.psi_number.setValue(0.6)
    point = Point(seed=0, psi=0.6, label=1)
    assert dock.state.point == point
    pixels = as_pixels(given.images(ws_of(given, [point])))[0]
    expected = measures.fitted.measured_in(pixels)
    fraction = measures._sliders["phase_fraction"]
    qtbot.waitUntil(
        lambda: value_text(expected.phase_fraction, "") in fraction.note.text() + fraction.number.text(),
        timeout=20_000,
    )
    dock.export.choose(What.picture, Format.png)
    dock.export.export_to(tmp_path / "one.png")
    qtbot.waitUntil(lambda: not dock.export.work.running, timeout=60_000)
    (found,) = read_provenance(tmp_path / "one.png")
    assert (found.point.label, found.point.psi) == (1, 0.6)
    assert found.measures["phase_fraction"] == pytest.approx(expected.phase_fraction)


def test_nothing_is_cut_off(dock, network, qtbot):
    open_network(dock, network, qtbot)
    qtbot.wait(50)
    assert dock.scroll.widget().width() <= dock.scroll.viewport().width()
    assert dock.scroll.minimumWidth() <= 420
    for button in dock.findChildren(QPushButton):
        if button.isVisibleTo(dock):
            assert button.width() >= button.minimumSizeHint().width(), button.text()


# ---------------------------------------------------------------------------------------------------------
# without a window


def card(**changes):
    return GeneratorCard(shape=shape(), **changes)


def test_only_what_another_program_wrote_can_be_saved():
    foreign = card(origin=Origin(file="a.pkl", format="StyleGAN2-ADA"))
    cases = [
        (NetworkFacts(), "Open a network first", False),
        (
            NetworkFacts(card=card(trained=False)),
            "Only a network that was read from a file can be saved",
            False,
        ),
        (NetworkFacts(card=card(), from_file=True), "It is of this format already", False),
        (NetworkFacts(card=foreign, from_file=True), "", True),
        (
            NetworkFacts(card=foreign, from_file=True, running=True),
            "Please wait, or cancel what is running",
            True,
        ),
    ]
    for facts, reason, offered in cases:
        controls = resolve_network(facts)
        assert (controls.save, controls.offers_save) == (reason, offered)


def test_what_is_not_known_of_a_network_is_not_said():
    rows = dict(card_rows(card(), from_file=True, device="CPU", seconds_per_image=0.0123))
    assert rows["speed"] == "12.3 ms per image"
    assert rows["trained"] == "not known"
    assert rows["licence"] == "not stated"
    assert not {"FID", "classes", "training data", "weights"} & set(rows)
    assert list(rows)[-1] == "notice"
    slow_one = card_rows(card(notice=""), from_file=True, device="CPU", seconds_per_image=2.04)
    assert slow_one[-2:] == (("device", "CPU"), ("speed", "2.0 s per image"))


def test_recent_networks_are_few_and_none_twice(tmp_path):
    for number in (*range(12), 11, 8):
        remember_network(tmp_path / f"{number}.pkl")
    assert [path.stem for path in recent_networks()] == ["8", "11", "10", "9", "7", "6", "5", "4"]
    assert recent_titles(recent_networks())[0] == "8.pkl"
