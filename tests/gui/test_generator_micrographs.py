"""Micrographs in the generator dock, with generators of random weights, in a real napari."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from generators import WaitingSampler, random_sampler
from napari.layers import Image, Labels
from PIL import Image as Pillow
from qtpy.QtWidgets import QVBoxLayout, QWidget

from glissile.gan.features import texture_distance
from glissile.gan.nearest import Nearest
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.target import as_target
from glissile.synthetic.sem import SemSettings, micrograph
from glissile.widgets.gan import nearest_image
from glissile.widgets.gan._resolve_micrographs import (
    NO_MICROGRAPH,
    QUALITIES,
    MicrographFacts,
    Quality,
    crop_text,
    duration_text,
    found_text,
    nearest_text,
    quality_text,
    resolve_micrographs,
    same_scale_px,
)
from glissile.widgets.gan._resolve_walk import NO_NETWORK
from glissile.widgets.gan.beside import CROP_NAME
from glissile.widgets.gan.micrographs import MicrographsSection
from glissile.widgets.gan.picture import NAME, Picture
from glissile.widgets.gan.state import GeneratorState
from glissile.widgets.generator import GeneratorDock

SHA = "1" * 64
OTHER_SHA = "2" * 64


class Docked:
    """The section in a dock of the viewer, with the picture."""

    def __init__(self, viewer):
        self.viewer = viewer
        self.state = GeneratorState()
        self.section = MicrographsSection(viewer, self.state)
        widget = QWidget()
        QVBoxLayout(widget).addWidget(self.section)
        self.picture = Picture(self.state, viewer, widget)
        self.section.set_open(True)
        viewer.window.add_dock_widget(widget, name="Micrographs", area="right")

    @property
    def search(self):
        return self.section.search

    @property
    def nearest(self):
        return self.section.nearest

    def layer(self, name):
        return self.viewer.layers[name]


@pytest.fixture(autouse=True)
def _index_of_no_one(tmp_path, monkeypatch):
    """Keep what is known of training images in a folder of the test, not in that of the user."""
    monkeypatch.setattr(nearest_image, "index_cache", lambda folder: tmp_path / f"{folder.name}.safetensors")


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
    docked.state.use(sampler)
    docked.state.show(Point(seed=3))
    qtbot.waitUntil(lambda: docked.state.ws is not None, timeout=10_000)
    return docked


def steel(size=64, seed=0, **changes):
    return micrograph(SemSettings(height=size, width=size, island_px=8, **changes), seed).pixels


def image_of(sampler, seed):
    return as_pixels(sampler.images(ws_of(sampler, [Point(seed=seed)])))[0]


def cropped(docked, qtbot):
    qtbot.waitUntil(lambda: docked.search.crop is not None, timeout=10_000)
    return docked.search.crop


def draft(docked):
    docked.search.quality.setCurrentIndex(0)
    docked.search.search.click()
    assert docked.search.work.running


def best(docked, qtbot):
    """A search that is on its way, and would take long."""
    cropped(docked, qtbot)
    docked.search.quality.setCurrentIndex(len(QUALITIES) - 1)
    with qtbot.waitSignal(docked.search.work.previewed, timeout=60_000):
        docked.search.search.click()


# finding a micrograph


def test_an_image_of_the_generator_is_found_and_shown_beside_it(opened, viewer, sampler, qtbot):
    truth = image_of(sampler, 9)
    viewer.add_image(truth, name="SEM")
    cropped(opened, qtbot)
    previews = []
    opened.search.work.previewed.connect(previews.append)
    draft(opened)
    qtbot.waitUntil(lambda: not opened.search.work.running, timeout=120_000)
    found = opened.search.found
    assert opened.state.point == found
    assert found.w is not None
    assert "SEM" in found.title
    (ws,) = ws_of(sampler, [found])
    distance = texture_distance(torch.from_numpy(as_target(truth, sampler.shape)))
    made = torch.from_numpy(sampler.images(np.stack([ws, ws_of(sampler, [Point(seed=3)])[0]])))
    reached, before = distance(made).tolist()
    assert reached < before / 4
    assert f"{reached:.2f}" in opened.search.result.text()
    assert all(one.shape == (32, 32) for one in previews)
    shown = as_pixels(made.numpy())[0]
    qtbot.waitUntil(lambda: np.array_equal(opened.layer(NAME).data, shown), timeout=10_000)
    crop, picture = opened.layer(CROP_NAME), opened.layer(NAME)
    assert np.array_equal(crop.data, truth)
    assert crop.data.shape == picture.data.shape
    assert crop.extent.world[0, 1] > picture.extent.world[1, 1]
    assert crop.extent.world[:, 0].tolist() == picture.extent.world[:, 0].tolist()
    assert not opened.layer("SEM").visible
    assert not opened.search.key.isHidden()
    opened.state.show(Point(seed=4))
    opened.search.key.click()
    assert opened.state.keys == (found,)
    opened.search.show_found.click()
    assert opened.state.point == found


def test_a_search_that_is_cancelled_keeps_the_best_so_far(opened, viewer, qtbot):
    viewer.add_image(steel(), name="SEM")
    best(opened, qtbot)
    opened.search.work.cancel.click()
    qtbot.waitUntil(lambda: not opened.search.work.running, timeout=60_000)
    assert opened.search.found is not None
    assert opened.state.point == opened.search.found
    assert opened.search.result.text().startswith("SEM. Stopped early")


def test_a_search_takes_nothing_from_a_user_who_went_on(opened, viewer, qtbot):
    viewer.add_image(steel(), name="SEM")
    best(opened, qtbot)
    opened.state.show(Point(seed=5))
    opened.state.set_edit("brighter", np.ones((opened.state.sampler.shape.num_ws, 16), np.float32))
    opened.search.work.cancel.click()
    qtbot.waitUntil(lambda: not opened.search.work.running, timeout=60_000)
    assert opened.state.point == Point(seed=5)
    assert list(opened.state.edits) == ["brighter"]
    assert opened.layer("SEM").visible
    assert CROP_NAME not in [layer.name for layer in viewer.layers]
    opened.search.show_found.click()
    assert opened.state.point == opened.search.found
    assert CROP_NAME in [layer.name for layer in viewer.layers]
    assert not opened.layer("SEM").visible
    opened.state.use(random_sampler(32, seed=2, weights_sha256=OTHER_SHA))
    assert opened.layer("SEM").visible


def test_the_picture_comes_before_a_micrograph_that_lies_over_it(opened, viewer, qtbot):
    qtbot.waitUntil(lambda: NAME in [layer.name for layer in viewer.layers], timeout=10_000)
    viewer.add_image(steel(), name="SEM")
    viewer.add_labels(np.zeros((32, 32), np.uint8), name="marks")
    opened.state.show(Point(seed=6))
    assert [layer.name for layer in viewer.layers] == ["SEM", NAME, "marks"]


def test_nothing_is_read_of_a_micrograph_while_the_section_is_closed(docked, viewer, sampler):
    docked.section.set_open(False)
    asked = []
    docked.state.generate = lambda kind, *rest: asked.append(kind)
    docked.state.use(sampler)
    viewer.add_image(steel(), name="SEM")
    assert "crop" not in asked
    docked.section.set_open(True)
    assert "crop" in asked


def test_another_network_ends_the_search_without_a_result(opened, viewer, qtbot):
    viewer.add_image(steel(), name="SEM")
    best(opened, qtbot)
    opened.state.use(random_sampler(32, seed=2, weights_sha256=OTHER_SHA))
    assert not opened.search.work.running
    qtbot.wait(300)
    assert opened.search.found is None
    assert opened.state.point is None
    assert CROP_NAME not in opened.viewer.layers
    assert not opened.search.search.isHidden()


def test_the_crop_is_in_the_units_of_the_generator(docked, viewer, qtbot):
    docked.state.use(random_sampler(32, weights_sha256=SHA, nm_per_pixel=20))
    viewer.add_image(steel(), name="SEM", scale=(10, 10), units=("nm", "nm"))
    cropped(docked, qtbot)
    draft(docked)
    qtbot.waitUntil(lambda: docked.search.found is not None, timeout=120_000)
    layer = docked.layer(CROP_NAME)
    assert layer.scale.tolist() == [20, 20]
    assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]


def test_the_part_at_the_scale_of_the_generator(docked, viewer, qtbot):
    docked.state.use(random_sampler(32, nm_per_pixel=20))
    data = steel(100)
    viewer.add_image(data, name="SEM", scale=(10, 10), units=("nm", "nm"))
    assert "reduced" in cropped(docked, qtbot).text
    docked.search.part.setCurrentIndex(1)
    docked.search.part.activated.emit(1)
    docked.search.bar.setValue(10)
    crop = cropped(docked, qtbot)
    assert "64 × 64 px" in crop.text
    middle = data[13:77, 18:82]
    expected = as_pixels(as_target(middle, docked.state.sampler.shape)[None])[0]
    assert np.array_equal(crop.pixels, expected)


@pytest.mark.parametrize(
    ("data", "bar", "sentence"),
    [
        (np.full((40, 40), np.nan), 0, "not finite"),
        (np.zeros((3, 3), np.uint8), 0, "3 x 3 px"),
        (np.zeros((40, 40), np.uint8), 40, "data bar"),
        (np.zeros((40, 40), bool), 0, "is no image"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_sentence(opened, viewer, qtbot, data, bar, sentence):
    opened.search.bar.setValue(bar)
    viewer.add_layer(Image(data))
    crop = cropped(opened, qtbot)
    assert sentence in crop.problem
    assert opened.search.about.text() == crop.problem
    assert not opened.search.search.isEnabled()
    assert opened.search.search.toolTip() == crop.problem


def test_colours_become_those_of_the_generator(opened, viewer, qtbot):
    grey = steel(32)
    viewer.add_image(np.stack([grey] * 3, axis=-1), name="colour", rgb=True)
    crop = cropped(opened, qtbot)
    assert "turned to grey" in crop.text
    assert np.array_equal(crop.pixels, grey)
    opened.state.use(random_sampler(32, channels=3))
    viewer.layers.remove("colour")
    viewer.add_image(grey, name="grey")
    crop = cropped(opened, qtbot)
    assert np.array_equal(crop.pixels, np.stack([grey] * 3, axis=-1))


def test_single_images_that_are_real_can_be_chosen(opened, viewer):
    choice = opened.search.micrograph
    assert NAME in viewer.layers
    assert choice.layer is None
    assert opened.search.search.toolTip() == NO_MICROGRAPH
    viewer.add_image(np.zeros((5, 32, 32)), name="stack")
    viewer.add_layer(Labels(np.zeros((32, 32), int), name="labels"))
    assert choice.layer is None
    viewer.add_image(steel(), name="first")
    viewer.add_image(steel(seed=1), name="second")
    assert choice.layer.name == "first"  # what was chosen stays
    choice.choose(choice.itemData(0)())
    assert choice.layer.name == "second"
    viewer.layers["first"].name = "renamed"
    choice._fill()
    assert {choice.itemText(row) for row in range(choice.count())} == {"second", "renamed"}
    viewer.layers.remove("second")
    assert choice.layer.name == "renamed"
    viewer.layers.remove("renamed")
    assert choice.layer is None
    assert not opened.search.search.isEnabled()


def test_a_file_is_opened_as_a_layer_and_chosen(opened, viewer, qtbot, tmp_path, said):
    viewer.add_image(steel(seed=1), name="other")
    Pillow.fromarray(steel()).save(tmp_path / "SEM 7.png")
    opened.search.open_file(tmp_path / "SEM 7.png")
    qtbot.waitUntil(lambda: not opened.search.reading.running, timeout=10_000)
    assert opened.search.micrograph.layer.name == "SEM 7"
    assert np.array_equal(opened.search.micrograph.layer.data, steel())
    (tmp_path / "broken.png").write_bytes(b"no image")
    opened.search.open_file(tmp_path / "broken.png")
    qtbot.waitUntil(lambda: not opened.search.reading.running, timeout=10_000)
    assert any("broken.png" in message for message in said)
    assert opened.search.micrograph.layer.name == "SEM 7"


# the nearest training image


@pytest.fixture
def folder(tmp_path, sampler):
    """Twelve training images, and one that the generator has learned by heart."""
    folder = tmp_path / "steel"
    folder.mkdir()
    for seed in range(12):
        Pillow.fromarray(steel(32, seed)).save(folder / f"{seed}.png")
    Pillow.fromarray(image_of(sampler, 5)).save(folder / "learned.png")
    return folder


def read(docked, folder, qtbot):
    docked.nearest.read(folder)
    qtbot.waitUntil(lambda: docked.nearest.index is not None, timeout=30_000)


def test_the_nearest_training_image_follows_the_picture(opened, folder, qtbot):
    read(opened, folder, qtbot)
    nearest = opened.nearest
    qtbot.waitUntil(lambda: nearest.found is not None, timeout=10_000)
    opened.state.show(Point(seed=5))
    assert nearest.found is None
    qtbot.waitUntil(lambda: nearest.found is not None, timeout=10_000)
    assert nearest.found.path == folder / "learned.png"
    assert not nearest.pictures.isHidden()
    assert nearest.found.verdict == "copy"
    assert nearest.found.similarity > 0.99
    assert nearest.sentence.text() == nearest_text(nearest.found, nearest.index.close)
    opened.state.show(Point(seed=8))
    qtbot.waitUntil(lambda: nearest.found is not None, timeout=10_000)
    assert nearest.found.similarity < 0.99


def test_the_folder_is_remembered_for_the_generator(opened, folder, sampler, qtbot):
    read(opened, folder, qtbot)
    opened.state.use(random_sampler(32, seed=2, weights_sha256=OTHER_SHA))
    assert opened.nearest.folder is None
    assert opened.nearest.index is None
    opened.state.use(sampler)
    assert opened.nearest.folder == folder
    qtbot.waitUntil(lambda: opened.nearest.index is not None, timeout=10_000)
    assert len(opened.nearest.index) == 13


def test_a_folder_without_images_is_refused_in_one_sentence(opened, qtbot, tmp_path, said):
    (tmp_path / "empty").mkdir()
    opened.nearest.read(tmp_path / "empty")
    qtbot.waitUntil(lambda: not opened.nearest.work.running, timeout=10_000)
    assert any("holds no PNG, TIFF or JPEG image" in message for message in said)
    assert opened.nearest.index is None
    assert opened.nearest.choose.isEnabled()
    opened.state.use(opened.state.sampler)
    assert opened.nearest.folder is None  # it is not remembered


def test_reading_can_be_cancelled(opened, folder, qtbot):
    opened.nearest.read(folder)
    opened.nearest.work.cancel.click()
    qtbot.waitUntil(lambda: not opened.nearest.work.running, timeout=10_000)
    qtbot.wait(200)
    assert opened.nearest.index is None
    assert not opened.nearest.choose.isHidden()


def test_pictures_that_come_while_one_is_compared_are_left_out_but_the_newest(
    opened, folder, sampler, qtbot, monkeypatch
):
    read(opened, folder, qtbot)
    qtbot.waitUntil(lambda: opened.nearest.found is not None, timeout=10_000)
    compared, go = [], threading.Event()

    def slow(index, pixels):
        compared.append(pixels)
        assert threading.current_thread() is not threading.main_thread()
        go.wait(20)
        return Nearest(index.paths[0], 0.5, 0.5, "new")

    monkeypatch.setattr(nearest_image, "nearest", slow)
    opened.state.show(Point(seed=10))
    qtbot.waitUntil(lambda: len(compared) == 1, timeout=10_000)
    for seed in (11, 12, 13):
        opened.state.show(Point(seed=seed))
        qtbot.waitUntil(lambda: opened.nearest._soon.isActive(), timeout=10_000)
        qtbot.waitUntil(lambda: not opened.nearest._soon.isActive(), timeout=10_000)
        qtbot.wait(100)
    go.set()
    qtbot.waitUntil(lambda: opened.nearest.found is not None, timeout=10_000)
    assert len(compared) == 2
    assert np.array_equal(compared[1], image_of(sampler, 13))


# what is said and allowed


def test_what_was_compared_goes_with_the_dock(viewer, sampler, qtbot):
    dock = GeneratorDock(viewer)
    viewer.window.add_dock_widget(dock, name="Microstructure generator", area="right")
    dock.state.use(sampler)
    viewer.add_image(steel(), name="SEM")
    search = dock.micrographs.search
    search.quality.setCurrentIndex(0)
    search.start()
    qtbot.waitUntil(lambda: search.found is not None, timeout=120_000)
    assert CROP_NAME in viewer.layers
    viewer.window.remove_dock_widget(dock)
    assert CROP_NAME not in viewer.layers
    assert "SEM" in viewer.layers


def test_another_device_is_asked_again_for_the_part(docked, viewer, sampler, qtbot):
    waiting = WaitingSampler(sampler)
    docked.state.use(waiting)
    docked.state.generate("busy", lambda sampler: sampler.images(np.zeros((0, 8, 16))), lambda _: None)
    qtbot.waitUntil(lambda: len(waiting.calls) > 0)
    viewer.add_image(steel(32), name="SEM")
    assert docked.search.crop is None
    docked.state.replace_sampler(sampler)
    waiting.go_on()
    assert np.array_equal(cropped(docked, qtbot).pixels, steel(32))


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_while_it_searches_and_compares(viewer, sampler, folder, qtbot, monkeypatch, how):
    dock = GeneratorDock(viewer)
    viewer.window.add_dock_widget(dock, name="Microstructure generator", area="right")
    dock.state.use(sampler)
    dock.state.show(Point(seed=3))
    viewer.add_image(steel(), name="SEM")
    begun, go = threading.Event(), threading.Event()

    def slow(index, pixels):
        begun.set()
        go.wait(20)
        return Nearest(index.paths[0], 0.5, 0.5, "new")

    monkeypatch.setattr(nearest_image, "nearest", slow)
    dock.micrographs.set_open(True)
    dock.micrographs.nearest.read(folder)
    qtbot.waitUntil(begun.is_set, timeout=20_000)
    search = dock.micrographs.search
    search.quality.setCurrentIndex(len(QUALITIES) - 1)
    with qtbot.waitSignal(search.work.previewed, timeout=60_000):
        search.search.click()
    gone = []
    dock.destroyed.connect(lambda: gone.append(True))
    if how == "dock":
        viewer.window.remove_dock_widget(dock)
        dock.deleteLater()
        del dock, search
        qtbot.waitUntil(lambda: bool(gone), timeout=10_000)
        go.set()
        qtbot.wait(500)
        assert CROP_NAME not in viewer.layers
    else:
        threading.Timer(0.5, go.set).start()
        viewer.close()
        qtbot.wait(500)


@pytest.mark.parametrize(
    ("facts", "name", "reason"),
    [
        (MicrographFacts(), "search", NO_NETWORK),
        (MicrographFacts(), "folder", NO_NETWORK),
        (MicrographFacts(), "choose", ""),
        (MicrographFacts(network=True), "search", NO_MICROGRAPH),
        (MicrographFacts(network=True, micrograph=True, problem="too small"), "search", "too small"),
        (MicrographFacts(network=True, micrograph=True), "search", ""),
        (MicrographFacts(network=True, micrograph=True), "key", "Nothing was found yet"),
        (MicrographFacts(network=True, micrograph=True, found=True), "key", ""),
        (
            MicrographFacts(network=True, micrograph=True, searching=True),
            "choose",
            "It is being searched for",
        ),
        (MicrographFacts(network=True, reading=True), "folder", "The folder is being read"),
        (MicrographFacts(network=True), "folder", ""),
    ],
)
def test_what_can_be_done(facts, name, reason):
    assert getattr(resolve_micrographs(facts), name) == reason


def test_what_is_known_of_training_images():
    assert "Choose the folder" in resolve_micrographs(MicrographFacts(network=True)).training
    known = MicrographFacts(network=True, folder="steel", images=7, picture=True)
    assert resolve_micrographs(known).training == "7 training images, in “steel”"


def test_qualities_tell_their_images_and_time():
    quality = Quality("Good", samples=200, steps=200, starts=4)
    assert quality.images == 521
    assert quality_text(quality, None) == "Good: 521 images"
    assert quality.work(0, 207) == 0
    assert quality.work(7, 207) == 201
    assert quality.work(207, 207) == pytest.approx(quality.whole_work)
    works = [quality.work(step, 207) for step in range(208)]
    assert all(np.diff(works) > 0)
    assert quality_text(quality, 60 / quality.whole_work) == "Good: 521 images, about 1 min"


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (42, "40 s"), (170, "3 min"), (9000, "2.5 h")])
def test_times_are_told_roughly(seconds, text):
    assert duration_text(seconds) == text


def test_another_scale_is_told():
    plain = crop_text((960, 1280), 960, 512, bar_px=64, colours=(3, 1))
    assert plain == (
        "Used: the middle 960 × 960 px (of 1280 × 960 px, the lowest 64 rows data bar), reduced to "
        "512 × 512 px, its colours turned to grey."
    )
    assert "2.0 times smaller" in crop_text((960, 1280), 640, 512, nm_per_pixel=(16, 10))
    assert "2.0 times larger" in crop_text((960, 1280), 512, 512, nm_per_pixel=(10, 20))
    assert "Structures" not in crop_text((960, 1280), 512, 512, nm_per_pixel=(10, 10))
    assert same_scale_px(512, 10, 20) == 1024
    assert same_scale_px(512, None, 20) == 512


def test_distances_are_told_in_words():
    distances = {"distance": 0.1, "of_mean": 1.0, "of_best_sample": 0.9, "from_mean": 1.0}
    assert "nearly in every detail" in found_text(distances)
    assert "0.90" in found_text(distances)
    assert "strange" not in found_text(distances)
    far = {**distances, "distance": 0.9, "from_mean": 2.5}
    assert "No nearer than another micrograph" in found_text(far)
    assert "2.5 standard deviations" in found_text(far)
    early = found_text({"distance": 0.9, "from_mean": 0.0}, stopped=True)
    assert early.startswith("Stopped early")
    assert "mean image" not in early


@pytest.mark.parametrize(
    ("verdict", "meaning"), [("copy", "a copy"), ("close", "may be a copy"), ("new", "no copy")]
)
def test_what_the_nearest_image_means(verdict, meaning):
    text = nearest_text(Nearest(Path("steel/7.png"), 0.71, 0.5, verdict), 0.6)
    assert text.startswith("7.png")
    for number in ("0.71", "0.50", "0.60"):
        assert number in text
    assert meaning in text
