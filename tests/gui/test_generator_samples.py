"""Look, samples and picture of the generator dock, in a real napari with generators of random weights."""

import numpy as np
import pytest
from generators import WaitingSampler, provenance_in, random_sampler
from napari.layers import Image
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QPushButton,
    QStyle,
    QStyleOptionFrame,
    QVBoxLayout,
    QWidget,
)

from glissile.errors import InputError
from glissile.gan.maker import rebuilt
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.provenance import Provenance
from glissile.widgets.gan import samples as samples_module
from glissile.widgets.gan._pace import SMOOTH_S, Pace
from glissile.widgets.gan._pins import Pins
from glissile.widgets.gan._resolve_picture import picture_text
from glissile.widgets.gan._seed_pages import PER_PAGE, Consecutive, Drawn, pages_of
from glissile.widgets.gan.look import LookSection
from glissile.widgets.gan.picture import NAME, Picture
from glissile.widgets.gan.samples import SamplesSection
from glissile.widgets.gan.state import GeneratorState
from glissile.widgets.sections.section import style


class Docked:
    """The sections in a dock of the viewer."""

    def __init__(self, viewer, pins):
        self.viewer, self.state = viewer, GeneratorState()
        self.look, self.samples = LookSection(self.state), SamplesSection(self.state, pins)
        widget = QWidget()
        layout = QVBoxLayout(widget)
        for section in (self.look, self.samples):
            section.set_open(True)
            layout.addWidget(section)
        layout.addStretch(1)
        self.picture = Picture(self.state, viewer, widget)
        viewer.window.add_dock_widget(widget, name="Generator", area="right")

    @property
    def shown(self):
        """Pixels of the picture; None where there is none."""
        return None if self.picture.layer is None else np.asarray(self.picture.layer.data)

    @property
    def told(self):
        told = None if self.picture.layer is None else provenance_in(self.picture.layer)
        return None if told is None else Provenance.model_validate(told)


@pytest.fixture
def pins(tmp_path):
    return Pins(tmp_path / "settings" / "pins.json")


@pytest.fixture
def docked(viewer, pins, qtbot):
    docked = Docked(viewer, pins)
    yield docked
    docked.state.close()


@pytest.fixture
def sampler():
    return random_sampler(64)


@pytest.fixture
def opened(docked, sampler):
    docked.state.use(sampler)
    return docked


def pixels_of(sampler, point, **look):
    return as_pixels(sampler.images(ws_of(sampler, [point]), **look))[0]


def until_exact(docked, qtbot, point, noise="const"):
    """Wait for the picture of a point itself, after its previews."""

    def is_there():
        told = docked.told
        return told is not None and told.point == point and told.look.noise == noise

    qtbot.waitUntil(is_there, timeout=20_000)


def icon_pixels(grid, seed):
    item = grid.item(grid.seeds.index(seed))
    image = item.icon().pixmap(grid.iconSize()).toImage()
    image = image.convertToFormat(image.Format.Format_Grayscale8)
    return np.array(
        [[image.pixelColor(x, y).red() for x in range(image.width())] for y in range(image.height())]
    )


def until_filled(docked, qtbot):
    """Wait until the page has its thumbnails, made of the images."""
    section, state = docked.samples, docked.state

    def is_filled():
        look = state.look
        known = [section._thumbnails.get((state.seeded(seed), look)) for seed in section.grid.seeds]
        return known and all(one is not None and one.exact for one in known)

    qtbot.waitUntil(is_filled, timeout=30_000)
    qtbot.waitUntil(lambda: not section._rest.isActive())


def looks_like(grid, seed, pixels):
    """Whether a thumbnail shows these pixels, by their correlation with it."""
    shown = icon_pixels(grid, seed)
    step = len(pixels) / len(shown)
    rows = ((np.arange(len(shown)) + 0.5) * step).astype(int)
    return np.corrcoef(shown.ravel(), pixels[np.ix_(rows, rows)].ravel())[0, 1] > 0.9


def click(qtbot, grid, seed, *, double=False):
    place = grid.visualItemRect(grid.item(grid.seeds.index(seed))).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    if double:
        qtbot.mouseDClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=place)


# ---------------------------------------------------------------------------------------------------------
# samples


def test_without_a_generator_nothing_can_be_chosen(docked):
    assert docked.samples.grid.count() == 0
    assert not docked.samples.content.isEnabled()
    assert not docked.look.content.isEnabled()
    assert docked.shown is None


def test_the_page_fills_with_the_samples_of_its_seeds(opened, sampler, qtbot):
    grid = opened.samples.grid
    assert grid.seeds == tuple(range(PER_PAGE))
    until_filled(opened, qtbot)
    for seed in (0, 7, 15):
        assert looks_like(grid, seed, pixels_of(sampler, Point(seed=seed)))
        assert not looks_like(grid, seed, pixels_of(sampler, Point(seed=seed + 1)))


def test_a_click_shows_exactly_that_seed(opened, sampler, qtbot):
    click(qtbot, opened.samples.grid, 5)
    assert opened.state.point == Point(seed=5)
    until_exact(opened, qtbot, Point(seed=5))
    np.testing.assert_array_equal(opened.shown, pixels_of(sampler, Point(seed=5)))
    np.testing.assert_array_equal(opened.state.ws, ws_of(sampler, [Point(seed=5)])[0])
    assert opened.samples.grid.selected == 5


def test_arrow_keys_go_from_sample_to_sample(opened, qtbot):
    grid = opened.samples.grid
    click(qtbot, grid, 2)
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    assert opened.state.point.seed == 3


def test_pages_go_on_and_back(opened, qtbot):
    samples = opened.samples
    assert not samples.back.isEnabled()
    samples.forward.click()
    assert samples.grid.seeds == tuple(range(16, 32))
    assert samples.title.text() == "Seeds 16 to 31"
    until_filled(opened, qtbot)
    samples.back.click()
    assert samples.grid.seeds[0] == 0


def test_random_seeds_are_there_again_on_the_way_back(opened):
    samples = opened.samples
    samples.random.click()
    first = samples.grid.seeds
    assert len(set(first)) == PER_PAGE
    samples.forward.click()
    assert not set(samples.grid.seeds) & set(first)
    samples.back.click()
    assert samples.grid.seeds == first
    samples.random.click()
    assert samples.grid.seeds != first


def test_typed_seeds_are_shown(opened, said, qtbot):
    samples = opened.samples
    samples.go_to.setText("3,1,5-8")
    qtbot.keyClick(samples.go_to, Qt.Key.Key_Return)
    assert samples.grid.seeds == (3, 1, 5, 6, 7, 8)
    assert opened.state.point.seed == 3
    samples.go_to.setText("4294967290")
    qtbot.keyClick(samples.go_to, Qt.Key.Key_Return)
    assert samples.grid.seeds == tuple(range(4294967290, 2**32))
    assert not samples.forward.isEnabled()
    samples.go_to.setText("7-")
    qtbot.keyClick(samples.go_to, Qt.Key.Key_Return)
    assert said == ["'7-' is no list of seeds; write it as 0,1,5-9"]
    assert samples.grid.seeds[0] == 4294967290


@pytest.mark.parametrize("font", [1.0, 1.25])
def test_where_to_type_seeds_is_read_in_full(opened, qtbot, font):
    field = opened.samples.go_to
    appearance = get_settings().appearance
    before = appearance.font_size
    try:
        appearance.font_size = round(font * before)
        opened.samples.setStyleSheet(style(appearance.font_size))
        opened.samples.setFixedWidth(370)  # in a dock of 400
        qtbot.waitUntil(lambda: opened.samples.width() == 370)
        qtbot.wait(50)
        needed = field.fontMetrics().horizontalAdvance(field.placeholderText())
        option = QStyleOptionFrame()
        field.initStyleOption(option)
        room = field.style().subElementRect(QStyle.SubElement.SE_LineEditContents, option, field)
        assert needed + 4 <= room.width()
        for button in opened.samples.findChildren(QPushButton):
            assert button.width() >= button.minimumSizeHint().width(), button.text()
    finally:
        appearance.font_size = before


@pytest.mark.parametrize("problem", [InputError("this one cannot be made"), RuntimeError("nor this")])
def test_thumbnails_go_on_after_one_that_fails(docked, sampler, qtbot, said, monkeypatch, problem):
    bad = (2, 5)
    of = samples_module.ws_of

    def ws_that_fail(sampler, points):
        if points[0].seed in bad:
            raise problem
        return of(sampler, points)

    monkeypatch.setattr(samples_module, "ws_of", ws_that_fail)
    docked.state.use(sampler)
    section, state = docked.samples, docked.state

    def there():
        known = {seed: section._thumbnails.get((state.seeded(seed), state.look)) for seed in range(PER_PAGE)}
        return {seed for seed, one in known.items() if one is not None and one.exact}

    qtbot.waitUntil(lambda: there() == set(range(PER_PAGE)) - set(bad), timeout=30_000)
    done = []
    state.generate("afterwards", lambda sampler: None, done.append)
    qtbot.waitUntil(lambda: bool(done), timeout=20_000)
    assert len(said) == 1
    assert str(problem) in said[0]
    monkeypatch.undo()
    section.forward.click()
    section.back.click()
    qtbot.waitUntil(lambda: there() == set(range(PER_PAGE)), timeout=30_000)
    assert looks_like(section.grid, 5, pixels_of(sampler, Point(seed=5)))


def test_thumbnails_go_on_with_another_device(docked, sampler, qtbot):
    waiting = WaitingSampler(sampler)
    docked.state.use(waiting)
    qtbot.waitUntil(lambda: bool(waiting.calls), timeout=20_000)
    docked.state.replace_sampler(sampler)
    waiting.go_on()
    until_filled(docked, qtbot)


def test_pages_tell_where_they_end():
    assert Consecutive(20).page(-1) == tuple(range(4, 20))
    assert Consecutive(20).page(-2) == tuple(range(4))
    assert Consecutive(20).page(-3) == ()
    assert pages_of("0-99").page(6) == tuple(range(96, 100))
    assert pages_of("0-99").page(7) == ()
    assert Drawn(1).page(-1) == ()


def test_pinned_seeds_are_kept_for_their_generator(opened, viewer, pins, qtbot):
    samples = opened.samples
    assert not samples.only_pinned.isEnabled()
    click(qtbot, samples.grid, 4)
    samples.pin.click()
    qtbot.keyClick(samples.grid, Qt.Key.Key_Right)
    qtbot.keyClick(samples.grid, Qt.Key.Key_P)
    assert samples.grid.item(4).text() == "★ 4"
    assert samples.pin.text() == "Unpin"
    samples.only_pinned.click()
    assert samples.grid.seeds == (4, 5)
    opened.state.use(random_sampler(64, seed=1))  # whose name is another
    assert samples.grid.item(4).text() == "4"
    assert not samples.only_pinned.isChecked()

    other = GeneratorState()  # as in the next session
    later = SamplesSection(other, pins)
    viewer.window.add_dock_widget(later)
    other.use(random_sampler(64))
    assert later.grid.item(5).text() == "★ 5"
    later.only_pinned.click()
    later.menu_of(4).actions()[2].trigger()
    assert later.grid.seeds == (5,)
    assert pins.of(random_sampler(64).card) == (5,)
    other.close()


def test_pins_go_by_the_weights_whatever_the_name(pins):
    card = random_sampler(32, weights_sha256="a" * 64).card
    assert pins.toggle(card, 9) == (9,)
    assert pins.toggle(card, 3) == (9, 3)
    assert pins.of(card.model_copy(update={"name": "renamed"})) == (9, 3)
    assert pins.of(card.model_copy(update={"weights_sha256": "b" * 64})) == ()


@pytest.mark.parametrize("content", ["{", "[]", '{"pinned": {"a": [-1]}}', '{"schema_version": 2}'])
def test_pins_that_cannot_be_read_are_left_alone(pins, content):
    card = random_sampler(32).card
    pins.toggle(card, 1)
    pins._path.write_text(content, encoding="utf-8")
    assert pins.of(card) == ()
    with pytest.raises(InputError, match="move the file away"):
        pins.toggle(card, 2)
    assert pins._path.read_text(encoding="utf-8") == content


def test_pins_of_two_windows_are_all_kept(pins):
    card = random_sampler(32).card
    other = Pins(pins._path)
    assert pins.of(card) == other.of(card) == ()
    pins.toggle(card, 3)
    other.toggle(card, 5)
    assert pins.toggle(card, 7) == (3, 5, 7)
    assert other.toggle(card, 3) == (5, 7)


def test_pins_that_cannot_be_written_stay_for_the_session(viewer, tmp_path, said, qtbot):
    (tmp_path / "file").write_text("", encoding="utf-8")
    docked = Docked(viewer, Pins(tmp_path / "file" / "pins.json"))
    docked.state.use(random_sampler(32))
    click(qtbot, docked.samples.grid, 4)
    docked.samples.pin.click()
    assert len(said) == 1
    assert "could not be written" in said[0]
    assert docked.samples.grid.item(4).text() == "★ 4"
    docked.state.close()


def test_a_seed_is_copied(opened, qtbot):
    click(qtbot, opened.samples.grid, 6)
    qtbot.keyClick(opened.samples.grid, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == "6"
    click(qtbot, opened.samples.grid, 7)
    opened.samples.copy.click()
    assert QApplication.clipboard().text() == "7"


def test_samples_are_added_to_the_walk_as_they_look(opened, qtbot):
    opened.look.psi_number.setValue(0.5)
    click(qtbot, opened.samples.grid, 6, double=True)
    opened.samples.add.click()
    click(qtbot, opened.samples.grid, 1)
    opened.samples.menu_of(2).actions()[1].trigger()
    assert opened.state.keys == tuple(Point(seed=seed, psi=0.5) for seed in (6, 6, 2))


# ---------------------------------------------------------------------------------------------------------
# look


def test_truncation_is_of_picture_and_samples(opened, sampler, qtbot):
    click(qtbot, opened.samples.grid, 5)
    until_filled(opened, qtbot)
    opened.look.psi.setValue(30)
    assert opened.look.psi_number.value() == 0.3
    wanted = Point(seed=5, psi=0.3)
    until_exact(opened, qtbot, wanted)
    np.testing.assert_array_equal(opened.shown, pixels_of(sampler, wanted))
    until_filled(opened, qtbot)
    assert looks_like(opened.samples.grid, 5, pixels_of(sampler, wanted))
    assert not looks_like(opened.samples.grid, 5, pixels_of(sampler, Point(seed=6, psi=0.3)))
    opened.look.cutoff.setValue(2)
    assert opened.state.point == Point(seed=5, psi=0.3, cutoff=2)
    opened.look.cutoff.setValue(0)
    opened.look.reset.click()
    assert opened.state.point == Point(seed=5)
    assert opened.look.psi.value() == 100
    assert not opened.look.reset.isEnabled()


def choose(combo, row):
    combo.setCurrentIndex(row)
    combo.activated.emit(row)


def test_noise_is_chosen_and_drawn_anew(opened, sampler, qtbot):
    click(qtbot, opened.samples.grid, 5)
    point = Point(seed=5)
    choose(opened.look.noise, 1)
    until_exact(opened, qtbot, point, "none")
    np.testing.assert_array_equal(opened.shown, pixels_of(sampler, point, noise="none"))
    assert not opened.look.new_noise.isEnabled()
    choose(opened.look.noise, 2)
    until_exact(opened, qtbot, point, "random")
    before = opened.shown.copy()
    opened.look.new_noise.click()
    seed = opened.state.look.noise_seed
    qtbot.waitUntil(lambda: opened.told is not None and opened.told.look.noise_seed == seed)
    assert (opened.shown != before).any()
    np.testing.assert_array_equal(opened.shown, pixels_of(sampler, point, noise="random", noise_seed=seed))


def test_the_class_is_chosen_where_there_are_classes(opened, qtbot):
    assert not opened.look.classes.isVisibleTo(opened.look.content)
    sampler = random_sampler(32, c_dim=3, embedding=16, class_names=("ferrite", "pearlite", "martensite"))
    opened.state.use(sampler)
    assert opened.look.classes.isVisibleTo(opened.look.content)
    assert opened.look.classes.itemText(1) == "pearlite"
    click(qtbot, opened.samples.grid, 3)
    choose(opened.look.classes, 2)
    wanted = Point(seed=3, label=2)
    until_exact(opened, qtbot, wanted)
    np.testing.assert_array_equal(opened.shown, pixels_of(sampler, wanted))
    assert (opened.shown != pixels_of(sampler, Point(seed=3, label=0))).any()


def test_what_is_final_is_said_to_be(opened, sampler):
    assert not opened.look.final.isVisibleTo(opened.look.content)
    opened.state.show(Point.of_w(ws_of(sampler, [Point(seed=1)])[0]))
    assert opened.look.final.isVisibleTo(opened.look.content)


# ---------------------------------------------------------------------------------------------------------
# picture


@pytest.fixture
def waiting(docked, sampler):
    """The sections with a generator that makes no image before it is told to."""
    waiting = WaitingSampler(sampler)
    docked.samples.set_open(False)  # no thumbnails
    docked.state.use(waiting)
    yield waiting
    waiting.go_on()


def test_the_window_never_waits_and_the_newest_wins(docked, waiting, sampler, qtbot):
    for seed in range(50):
        docked.state.show(Point(seed=seed))
    docked.look.psi.setValue(50)
    assert docked.shown is None
    waiting.go_on()
    until_exact(docked, qtbot, Point(seed=49, psi=0.5))
    np.testing.assert_array_equal(docked.shown, pixels_of(sampler, Point(seed=49, psi=0.5)))
    assert not any(in_gui for _, in_gui in waiting.calls)
    # What was begun, and what was wanted last; each a preview and an image, at most.
    assert len(waiting.calls) <= 8


def test_a_preview_comes_first_and_the_image_by_itself(docked, waiting, sampler, qtbot):
    waiting.go_on()
    seen = []

    def see(event):
        layer = event.value
        seen.append((np.array(layer.data), provenance_in(layer)))

    docked.viewer.layers.events.inserted.connect(see)
    docked.state.show(Point(seed=8))
    until_exact(docked, qtbot, Point(seed=8))
    np.testing.assert_array_equal(docked.shown, pixels_of(sampler, Point(seed=8)))
    assert [call for call, _ in waiting.calls if call != "map"] == ["preview", "images"]
    [(first, told)] = seen
    assert told is None  # a preview cannot be made again
    assert first.shape == (64, 64)
    np.testing.assert_array_equal(first[::2, ::2], first[1::2, 1::2])
    assert np.corrcoef(first.ravel(), docked.shown.ravel())[0, 1] > 0


def test_what_is_older_never_takes_the_place_of_what_is_newer(docked, waiting, sampler, qtbot, monkeypatch):
    waiting.go_on()
    held = []
    monkeypatch.setattr(docked.state, "generate", lambda kind, job, take: held.append((job(sampler), take)))
    docked.state.show(Point(seed=1))
    docked.state.show(Point(seed=2))
    (
        (preview_1, take_preview_1),
        (exact_1, take_exact_1),
        (preview_2, take_preview_2),
        (exact_2, take_exact_2),
    ) = held
    take_preview_1(preview_1)
    take_preview_2(preview_2)
    preview = docked.shown
    take_exact_1(exact_1)
    assert docked.shown is preview
    take_exact_2(exact_2)
    take_preview_2(preview_2)
    take_exact_1(exact_1)
    np.testing.assert_array_equal(docked.shown, pixels_of(sampler, Point(seed=2)))
    np.testing.assert_array_equal(docked.state.ws, ws_of(sampler, [Point(seed=2)])[0])


def test_edits_are_in_the_picture_and_in_what_rebuilds_it(opened, sampler, qtbot):
    opened.state.show(Point(seed=2))
    delta = np.random.default_rng(0).normal(size=(sampler.shape.num_ws, 16)).astype(np.float32)
    opened.state.set_edit("grain size", delta)
    qtbot.waitUntil(lambda: opened.told is not None and opened.told.point.w is not None, timeout=20_000)
    expected = ws_of(sampler, [Point(seed=2)]) + delta
    np.testing.assert_array_equal(opened.shown, as_pixels(sampler.images(expected))[0])
    np.testing.assert_array_equal(opened.state.ws, expected[0])
    assert opened.told.title == "seed 2, edited"
    np.testing.assert_array_equal(rebuilt(sampler, opened.told), opened.shown)
    opened.state.set_edit("grain size", None)
    until_exact(opened, qtbot, Point(seed=2))


@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_the_metadata_rebuild_the_picture(opened, sampler, qtbot, noise):
    opened.state.set_noise(noise, 3)
    opened.look.psi_number.setValue(0.65)
    opened.state.show(opened.state.seeded(11))
    until_exact(opened, qtbot, Point(seed=11, psi=0.65), noise)
    assert opened.picture.layer.metadata["glissile"]["synthetic"] is True
    np.testing.assert_array_equal(rebuilt(sampler, opened.told), opened.shown)


def test_the_layer_has_the_scale_of_the_training_images(opened, qtbot):
    opened.state.show(Point(seed=0))
    until_exact(opened, qtbot, Point(seed=0))
    layer = opened.picture.layer
    assert (layer.name, layer.contrast_limits, layer.colormap.name) == (NAME, [0, 255], "gray")
    assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]
    opened.state.use(random_sampler(32, channels=3, nm_per_pixel=12.5))
    assert list(opened.viewer.layers) == []
    opened.state.show(Point(seed=0))
    until_exact(opened, qtbot, Point(seed=0))
    layer = opened.picture.layer
    assert layer.rgb
    assert layer.data.shape == (32, 32, 3)
    np.testing.assert_array_equal(layer.scale, [12.5, 12.5])
    assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]


def test_the_next_dock_takes_over_the_layer_and_leaves_duplicates(opened, viewer, sampler, qtbot, pins):
    opened.state.show(Point(seed=0))
    until_exact(opened, qtbot, Point(seed=0))
    (layer,) = viewer.layers
    copy = Image(layer.data.copy(), name="mine", metadata=dict(layer.metadata))
    viewer.add_layer(copy)

    beside = Docked(viewer, pins)  # while the first one is there, both keep their own
    beside.state.use(sampler)
    beside.state.show(Point(seed=1))
    until_exact(beside, qtbot, Point(seed=1))
    assert [each.name for each in viewer.layers] == [NAME, "mine", f"{NAME} [1]"]
    viewer.layers.remove(f"{NAME} [1]")
    beside.state.close()

    opened.state.close()
    later = Docked(viewer, pins)
    later.state.use(random_sampler(32))
    later.state.show(Point(seed=2))
    until_exact(later, qtbot, Point(seed=2))
    assert [each.name for each in viewer.layers] == ["mine", NAME]
    assert later.shown.shape == (32, 32)
    later.state.close()


def test_class_and_truncation_of_the_picture_are_told(docked, qtbot):
    names = ("ferrite", "pearlite")
    docked.state.use(random_sampler(32, c_dim=2, embedding=16, class_names=names))
    docked.look.psi_number.setValue(0.7)
    choose(docked.look.classes, 1)
    docked.state.show(docked.state.seeded(3))

    def title():
        layer = docked.picture.layer
        return None if layer is None else layer.metadata["glissile"].get("title")

    qtbot.waitUntil(lambda: title() == "seed 3, ψ 0.70, class 1 (pearlite)", timeout=20_000)
    assert (docked.told.point.psi, docked.told.point.label) == (0.7, 1)
    docked.state.set_edit("more", np.ones((docked.state.sampler.shape.num_ws, 16), np.float32))
    qtbot.waitUntil(lambda: title() == "seed 3, ψ 0.70, class 1 (pearlite), edited", timeout=20_000)
    assert docked.told.point.label == 1


def test_a_picture_is_told_by_what_it_depends_on():
    card = random_sampler(32, c_dim=2, embedding=16).card
    assert picture_text(Point(seed=3), card, edited=False) == "seed 3, ψ 1.00"
    cut = Point(seed=3, psi=-0.25, cutoff=4, label=1)
    assert picture_text(cut, card, edited=False) == "seed 3, ψ -0.25 up to layer 3, class 1"
    final = Point.of_w(np.zeros((1, 16)), label=0)
    assert picture_text(final, card, edited=True) == "vector w, class 0, edited"


def test_a_layer_taken_away_comes_with_the_next_sample(opened, sampler, qtbot):
    opened.state.show(Point(seed=0))
    until_exact(opened, qtbot, Point(seed=0))
    opened.viewer.layers.clear()
    assert opened.shown is None
    opened.state.show(Point(seed=1))
    until_exact(opened, qtbot, Point(seed=1))
    np.testing.assert_array_equal(opened.shown, pixels_of(sampler, Point(seed=1)))
    assert len(opened.viewer.layers) == 1


def test_a_layer_taken_away_meanwhile_stays_away(docked, waiting, qtbot):
    waiting.go_on()
    docked.state.show(Point(seed=0))
    until_exact(docked, qtbot, Point(seed=0))
    waiting.hold()
    docked.state.show(Point(seed=1))
    docked.viewer.layers.clear()
    waiting.go_on()
    qtbot.waitUntil(lambda: docked.state.ws is not None, timeout=20_000)
    done = []
    docked.state.generate("afterwards", lambda sampler: None, done.append)
    qtbot.waitUntil(lambda: bool(done), timeout=20_000)
    assert len(docked.viewer.layers) == 0


def test_previews_go_where_the_image_is_quick_and_get_smaller_where_they_are_slow():
    shape = random_sampler(128).shape
    pace = Pace(shape)
    assert pace.preview_px == 64
    pace.image_took(SMOOTH_S / 2)
    assert pace.preview_px is None
    pace.image_took(10 * SMOOTH_S)
    assert pace.preview_px == 64
    for _ in range(2):
        pace.preview_took(2 * SMOOTH_S)
    pace.preview_took(SMOOTH_S / 2)
    assert pace.preview_px == 64
    for _ in range(3):
        pace.preview_took(2 * SMOOTH_S)
    assert pace.preview_px == 32
    for _ in range(3):
        pace.preview_took(11 * SMOOTH_S)
    assert pace.preview_px is None
    assert Pace(random_sampler(32).shape).preview_px is None
