"""The walk section and its layer, in a real napari with generators of random weights."""

import threading
from itertools import pairwise

import numpy as np
import pytest
import tifffile
from generators import WaitingSampler, provenance_in, random_sampler
from qtpy.QtCore import QModelIndex, Qt, QTimer
from qtpy.QtWidgets import QApplication, QProgressDialog

from glissile.gan.maker import Maker, rebuilt
from glissile.gan.points import Point
from glissile.gan.provenance import Provenance, of_walk
from glissile.gan.walk import Walk, WalkSettings
from glissile.gan.walk_frames import WalkFrames
from glissile.widgets._frame_axis import frame_at, go_to_frame
from glissile.widgets.gan._resolve_walk import (
    MOST_KEYS,
    NO_NETWORK,
    NO_PICTURE,
    WalkFacts,
    paper_keys,
    resolve_walk,
)
from glissile.widgets.gan.state import GeneratorState, Truncation
from glissile.widgets.gan.walk import WalkSection
from glissile.widgets.gan.walk_layer import NAME, LazyWalk

KEYS = tuple(Point(seed=seed) for seed in (3, 1, 4))
STEPS = 5


class Docked:
    """The section in a dock of the viewer."""

    def __init__(self, viewer):
        self.viewer, self.state = viewer, GeneratorState()
        self.section = WalkSection(viewer, self.state)
        self.section.set_open(True)
        self.section.form.set_value(WalkSettings(steps_per_leg=STEPS))
        viewer.window.add_dock_widget(self.section, name="Walk", area="right")

    @property
    def layer(self):
        return next((layer for layer in self.viewer.layers if layer.name == NAME), None)

    def go_to(self, frame):
        go_to_frame(self.viewer.dims, frame)

    def shown(self, stride=7):
        """Grey values that napari shows, at some of the pixels."""
        layer = self.layer
        t = frame_at(self.viewer.dims)
        rows, columns = range(0, layer.data.shape[1], stride), range(0, layer.data.shape[2], stride)
        return [[layer.get_value((t, y, x)) for x in columns] for y in rows]

    def shows(self, pixels, stride=7):
        return np.array_equal(self.shown(stride), pixels[::stride, ::stride])


@pytest.fixture
def docked(viewer):
    docked = Docked(viewer)
    yield docked
    docked.section.player.stop()
    docked.state.close(wait_s=20)


@pytest.fixture
def sampler():
    return random_sampler(32, weights_sha256="1" * 64, nm_per_pixel=12.5)


@pytest.fixture
def opened(docked, sampler):
    docked.state.use(sampler)
    return docked


@pytest.fixture
def walked(opened, qtbot):
    """A walk of three key frames, shown and at its first frame."""
    opened.state.set_keys(KEYS)
    opened.section.show_walk.click()
    opened.go_to(0)
    return opened


@pytest.fixture
def held(docked, sampler):
    """A walk that is shown, of which no frame can be made before the sampler may go on."""
    waiting = WaitingSampler(sampler)
    docked.state.use(waiting)
    docked.state.set_keys(KEYS)
    docked.section.show_walk.click()
    docked.waiting = waiting
    yield docked
    waiting.go_on()


def expected(sampler, keys=KEYS, **settings):
    walk = Walk(keys=keys, settings=WalkSettings(**{"steps_per_leg": STEPS, **settings}))
    maker = Maker(sampler)
    return np.stack([maker.pixels(told) for told in of_walk(sampler.card, walk)])


# the layer


def test_the_walk_is_a_layer_of_the_frames_of_an_export(walked, sampler):
    layer = walked.layer
    assert layer.data.shape == (2 * STEPS + 1, 32, 32)
    assert np.array_equal(np.asarray(layer.data), expected(sampler))
    assert tuple(layer.scale) == (1, 12.5, 12.5)
    assert [str(unit) for unit in layer.units] == ["pixel", "nanometer", "nanometer"]


def test_the_metadata_of_the_layer_make_it_again(walked, sampler):
    told = Provenance.model_validate(provenance_in(walked.layer))
    frames = np.asarray(walked.layer.data)
    for frame in (0, 4, 10):
        assert np.array_equal(rebuilt(sampler, told.model_copy(update={"frame": frame})), frames[frame])
    assert walked.layer.metadata["glissile"]["synthetic"] is True
    assert told.generator.weights_sha256 == "1" * 64


@pytest.mark.parametrize("projection", ["none", "mean"])
def test_the_frame_that_is_looked_at_arrives(walked, qtbot, sampler, projection):
    frames = expected(sampler)
    walked.layer.projection_mode = projection
    for frame in (7, 2, 10):
        walked.go_to(frame)
        qtbot.waitUntil(lambda frame=frame: walked.shows(frames[frame]), timeout=10_000)


@pytest.mark.parametrize(
    "key", [3, (-1, 4), slice(1, 8, 3), [5, 2], np.array([True] + [False] * 10), (..., 3)], ids=str
)
def test_a_layer_is_indexed_as_an_array_and_asks_for_what_is_looked_at(sampler, key):
    frames = WalkFrames(sampler, Walk(keys=KEYS, settings=WalkSettings(steps_per_leg=STEPS)))
    whole, asked = np.asarray(frames), []
    assert np.array_equal(LazyWalk(frames, asked.append)[key], whole[key])
    along_t = key[0] if isinstance(key, tuple) else key
    assert asked == [tuple(np.atleast_1d(np.arange(11)[along_t]).tolist())]


def test_scrubbing_never_computes_in_the_gui_thread(held):
    for frame in (*range(11), 3, 8, 0):
        held.go_to(frame)  # returns, though nothing can be made
    assert not any(in_gui for _, in_gui in held.waiting.calls)
    assert np.array_equal(held.shown(), np.zeros_like(held.shown()))


def test_the_newest_frame_wins(held, qtbot, sampler):
    frames = expected(sampler)
    qtbot.waitUntil(lambda: bool(held.waiting.calls))  # one is being made
    for frame in (5, 2, 9):
        held.go_to(frame)
    shown = []
    held.layer.events.set_data.connect(lambda: shown.append(held.shown()))
    held.waiting.go_on()
    qtbot.waitUntil(lambda: held.shows(frames[9]), timeout=10_000)
    qtbot.waitUntil(lambda: held.section.layer.frames.ready == 11, timeout=10_000)
    assert held.shows(frames[9])
    # Once it was there, nothing else came in its place.
    first = next(i for i, seen in enumerate(shown) if np.array_equal(seen, frames[9][::7, ::7]))
    assert all(np.array_equal(seen, frames[9][::7, ::7]) for seen in shown[first:])
    # Of the frames between, those that were not begun were not made before it.
    made = [what for what, _ in held.waiting.calls if what == "images"]
    assert len(made) >= 11


def test_frames_of_a_walk_that_was_replaced_are_not_shown(held, qtbot, sampler):
    qtbot.waitUntil(lambda: bool(held.waiting.calls))
    other = (Point(seed=8), Point(seed=9))
    held.state.set_keys(other)
    qtbot.waitUntil(lambda: held.layer.data.shape[0] == STEPS + 1)
    held.go_to(3)
    held.waiting.go_on()
    frames = expected(sampler, other)
    qtbot.waitUntil(lambda: held.shows(frames[3]), timeout=10_000)
    assert np.array_equal(np.asarray(held.layer.data), frames)


def test_what_is_nearest_is_shown_until_the_frame_is_there(held, qtbot, sampler):
    frames = expected(sampler)
    held.waiting.go_on()
    held.go_to(0)
    qtbot.waitUntil(lambda: held.section.layer.frames.ready == 11, timeout=10_000)
    held.waiting.hold()
    held.state.set_keys((*KEYS, Point(seed=5)))
    qtbot.waitUntil(lambda: held.layer.data.shape[0] == 16)
    held.waiting.go_on()
    held.go_to(15)
    qtbot.waitUntil(lambda: held.section.layer.frames.kept(15) is not None, timeout=10_000)
    assert held.layer.data[15].shape == frames[0].shape


def test_large_images_are_previewed_while_the_slider_jumps(docked, qtbot):
    waiting = WaitingSampler(random_sampler(128))
    docked.state.use(waiting)
    docked.state.set_keys(KEYS)
    docked.section.show_walk.click()
    waiting.go_on()
    docked.go_to(7)
    qtbot.waitUntil(lambda: docked.section.layer.frames.kept(7) is not None, timeout=10_000)
    kinds = [what for what, _ in waiting.calls]
    assert "preview" in kinds
    exact = expected(waiting)[7]
    qtbot.waitUntil(lambda: docked.shows(exact, 31), timeout=10_000)


def test_frames_are_made_ahead_until_all_are_there(walked, qtbot):
    qtbot.waitUntil(lambda: walked.section.layer.frames.ready == 11, timeout=10_000)
    qtbot.waitUntil(lambda: "all ready" in walked.section.text.text())


def test_nothing_is_made_ahead_of_a_hidden_walk(walked, qtbot):
    walked.section.form.set_value(WalkSettings(steps_per_leg=2000))

    def frames():
        return walked.section.layer.frames

    qtbot.waitUntil(lambda: len(frames()) == 4001 and frames().ready > 3, timeout=10_000)
    walked.layer.visible = False
    qtbot.wait(500)  # for what was begun
    before = frames().ready
    qtbot.wait(500)
    assert frames().ready == before < 4001
    walked.layer.visible = True
    qtbot.waitUntil(lambda: frames().ready > before, timeout=10_000)


def test_another_thread_gets_the_frame_itself(held, sampler):
    got = []
    thread = threading.Thread(target=lambda: got.append(held.layer.data[6]))
    thread.start()
    held.waiting.go_on()
    thread.join(20)
    assert np.array_equal(got[0], expected(sampler)[6])


def test_napari_saves_the_frames_themselves(walked, sampler, tmp_path):
    (path,) = walked.layer.save(str(tmp_path / "walk.tif"))
    assert np.array_equal(tifffile.imread(path), expected(sampler))


def in_the_dialog(act, until=lambda: True):
    """Act on the dialog that is shown while napari waits for a whole walk; give what it is told."""
    told = []

    def look():
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QProgressDialog) and until():
            told.append(dialog.labelText())
            act(dialog)
        else:
            QTimer.singleShot(20, look)

    QTimer.singleShot(0, look)
    return told


def test_the_window_lives_while_napari_saves(held, sampler, tmp_path):
    told = in_the_dialog(lambda dialog: held.waiting.go_on())
    (path,) = held.layer.save(str(tmp_path / "walk.tif"))
    assert "making 11 frames" in told[0]
    assert "Export" in told[0]
    assert np.array_equal(tifffile.imread(path), expected(sampler))


@pytest.mark.parametrize("what", ["save", "project"])
def test_saving_and_projecting_can_be_cancelled(held, tmp_path, what):
    in_the_dialog(lambda dialog: dialog.cancel())
    with pytest.raises(RuntimeError, match="is not whole; export the walk"):
        held.layer.save(str(tmp_path / "walk.tif")) if what == "save" else np.max(held.layer.data, axis=0)
    assert QApplication.activeModalWidget() is None
    assert not any(in_gui for _, in_gui in held.waiting.calls)
    held.waiting.go_on()
    assert np.array_equal(np.asarray(held.layer.data), expected(held.waiting))


def test_a_duplicate_of_the_layer_shows_the_frames_too(walked, viewer, qtbot, sampler):
    from copy import deepcopy

    data, state, _ = walked.layer.as_layer_data_tuple()
    copy = viewer.add_image(deepcopy(data), **state | {"name": "copy"})
    walked.layer.visible = False
    walked.go_to(8)
    frames = expected(sampler)
    qtbot.waitUntil(
        lambda: [copy.get_value((8, y, y)) for y in range(32)] == [frames[8][y, y] for y in range(32)],
        timeout=10_000,
    )


def test_a_walk_is_seen_in_three_dimensions(walked, viewer, qtbot):
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: walked.section.layer.frames.ready == 11, timeout=10_000)
    viewer.dims.ndisplay = 2


def test_another_network_is_seen_flat(walked, viewer):
    viewer.dims.ndisplay = 3
    walked.state.use(random_sampler(32, channels=3))
    assert viewer.dims.ndisplay == 2


def test_colour_images_are_walked_through(docked, qtbot):
    colour = random_sampler(32, channels=3)
    docked.state.use(colour)
    docked.state.set_keys(KEYS)
    docked.section.show_walk.click()
    assert docked.layer.rgb
    assert np.array_equal(np.asarray(docked.layer.data), expected(colour))
    docked.state.use(random_sampler(32))
    docked.state.set_keys(KEYS)
    docked.section.show_walk.click()
    assert not docked.layer.rgb


def test_the_layer_goes_with_its_generator(walked, viewer):
    walked.state.use(random_sampler(32, seed=2))
    assert walked.layer is None
    assert walked.state.keys == ()
    assert walked.section.text.text() == "Add two key frames or more"


def test_a_layer_that_the_user_removes_comes_again_when_asked_for(walked, viewer):
    viewer.layers.remove(walked.layer)
    assert walked.section.layer.frames is None
    walked.state.add_key(Point(seed=6))
    assert walked.layer is None
    walked.section.show_walk.click()
    assert walked.layer.data.shape[0] == 3 * STEPS + 1


@pytest.mark.parametrize("way", ["viewer", "dock"])
def test_closing_while_frames_are_made(held, viewer, qtbot, way):
    qtbot.waitUntil(lambda: bool(held.waiting.calls))
    held.go_to(6)
    if way == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(held.section)
        held.section.deleteLater()
    held.state.close()
    held.waiting.go_on()
    qtbot.wait(100)


# key frames


def titles(docked):
    keys = docked.section.keys.row
    return [keys.item(row).text() for row in range(keys.count())]


def test_the_picture_becomes_a_key_frame(opened):
    section = opened.section
    assert section.keys.add.toolTip() == NO_PICTURE
    opened.state.show(Point(seed=7))
    section.keys.add.click()
    opened.state.show(Point(seed=2))
    section.keys.add.click()
    assert titles(opened) == ["seed 7", "seed 2"]
    assert [key.seed for key in opened.state.keys] == [7, 2]


def test_key_frames_get_their_pictures(opened, qtbot):
    opened.state.set_keys(KEYS)

    def pictures():
        icons = [opened.section.keys.row.item(row).icon() for row in range(3)]
        images = [icon.pixmap(64, 64).toImage() for icon in icons]
        return [[image.pixelColor(x, 20).red() for x in range(0, 64, 4)] for image in images]

    qtbot.waitUntil(lambda: all(len(set(row)) > 1 for row in pictures()), timeout=10_000)
    assert all(a != b for a, b in pairwise(pictures()))


def test_dragging_changes_the_order(opened, qtbot):
    opened.state.set_keys(KEYS)
    opened.section.keys.row.model().moveRow(QModelIndex(), 0, QModelIndex(), 3)
    qtbot.waitUntil(lambda: [key.seed for key in opened.state.keys] == [1, 4, 3])
    assert titles(opened) == ["seed 1", "seed 4", "seed 3"]
    assert opened.section.keys.row.selected == 2
    opened.section.keys.row.model().moveRow(QModelIndex(), 2, QModelIndex(), 0)
    qtbot.waitUntil(lambda: [key.seed for key in opened.state.keys] == [3, 1, 4])


def test_buttons_change_the_order(walked):
    section = walked.section
    section.keys.row.chosen.emit(0)
    assert section.keys.left.toolTip() == "It is the first"
    section.keys.right.click()
    assert [key.seed for key in walked.state.keys] == [1, 3, 4]
    section.keys.right.click()
    assert [key.seed for key in walked.state.keys] == [1, 4, 3]
    assert not section.keys.right.isEnabled()
    assert section.keys.selected == 2
    section.keys.left.click()
    assert [key.seed for key in walked.state.keys] == [1, 3, 4]


def test_key_frames_are_removed(walked, qtbot):
    section = walked.section
    section.keys.row.chosen.emit(1)
    section.keys.remove.click()
    assert [key.seed for key in walked.state.keys] == [3, 4]
    qtbot.waitUntil(lambda: walked.layer.data.shape[0] == STEPS + 1)
    section.keys.row.setCurrentRow(0)
    qtbot.keyClick(section.keys.row, Qt.Key.Key_Delete)
    assert [key.seed for key in walked.state.keys] == [4]
    qtbot.waitUntil(lambda: walked.layer is None)
    section.keys.clear.click()
    assert titles(walked) == []


def test_a_click_on_a_key_frame_goes_to_it(walked, qtbot, sampler):
    section = walked.section
    rectangle = section.keys.row.visualItemRect(section.keys.row.item(1))
    qtbot.mouseClick(section.keys.row.viewport(), Qt.MouseButton.LeftButton, pos=rectangle.center())
    assert frame_at(walked.viewer.dims) == STEPS
    qtbot.waitUntil(lambda: walked.shows(expected(sampler)[STEPS]), timeout=10_000)


def test_a_single_key_frame_is_looked_at(opened):
    opened.state.add_key(Point(seed=3))
    opened.section.keys.row.chosen.emit(0)
    assert opened.state.point == Point(seed=3)


def test_a_new_picture_is_not_hidden_by_the_walk(walked):
    assert walked.layer.visible
    walked.state.show(Point(seed=5))
    assert not walked.layer.visible
    walked.section.keys.row.chosen.emit(2)
    assert walked.layer.visible


# settings and playing


def test_another_truncation_of_the_picture_is_seen(walked):
    walked.state.show(Point(seed=7))
    walked.section.show_walk.click()
    assert walked.layer.visible
    walked.state.set_truncation(Truncation(psi=0.5))
    assert not walked.layer.visible
    assert walked.state.keys == KEYS


def test_the_layer_follows_the_settings(walked, qtbot, sampler):
    walked.section.form.set_value(WalkSettings(steps_per_leg=3, space="w", path="spline", closed=True))
    qtbot.waitUntil(lambda: walked.layer.data.shape[0] == 9)
    frames = expected(sampler, steps_per_leg=3, space="w", path="spline", closed=True)
    assert np.array_equal(np.asarray(walked.layer.data), frames)


def test_a_hidden_walk_stays_hidden_while_it_follows(walked, qtbot):
    walked.state.show(Point(seed=5))
    seen = []
    walked.layer.events.visible.connect(lambda: seen.append(walked.layer.visible))
    walked.state.add_key(Point(seed=5))
    qtbot.waitUntil(lambda: walked.layer.data.shape[0] == 3 * STEPS + 1)
    assert not walked.layer.visible
    assert seen == []


def test_the_layer_follows_the_noise(walked, qtbot):
    before = np.asarray(walked.layer.data)
    walked.state.set_noise("none")
    qtbot.waitUntil(lambda: provenance_in(walked.layer)["look"]["noise"] == "none")
    assert not np.array_equal(np.asarray(walked.layer.data), before)


def test_napari_plays_the_walk(walked, qtbot):
    section = walked.section
    walked.viewer.show()  # napari plays on once a frame is drawn
    section.rate.setValue(30)
    section.play.click()
    qtbot.waitUntil(lambda: section.player.playing)
    seen = set()
    walked.viewer.dims.events.point.connect(lambda: seen.add(frame_at(walked.viewer.dims)))
    qtbot.waitUntil(lambda: len(seen) == 11, timeout=10_000)
    assert section.play.text() == "Stop"
    section.play.click()
    qtbot.waitUntil(lambda: not section.player.playing)
    qtbot.waitUntil(lambda: section.play.text() == "Play")


def test_play_leaves_three_dimensions(walked, viewer, qtbot):
    viewer.dims.ndisplay = 3
    walked.section.play.click()
    assert viewer.dims.ndisplay == 2
    qtbot.waitUntil(lambda: walked.section.player.playing)


def test_play_begins_within_the_walk(walked, viewer, qtbot):
    viewer.add_image(np.zeros((50, 8, 8), np.uint8), name="a longer series")
    walked.go_to(40)
    walked.section.play.click()
    assert frame_at(viewer.dims) == 0
    walked.section.player.stop()
    walked.go_to(7)
    walked.section.play.click()
    assert frame_at(viewer.dims) == 7


def test_play_loops_within_the_walk(walked, viewer, qtbot):
    viewer.show()  # napari plays on once a frame is drawn
    viewer.add_image(np.zeros((50, 8, 8), np.uint8), name="a longer series", translate=(-3, 0, 0))
    walked.section.rate.setValue(30)
    walked.go_to(7)
    seen = []
    viewer.dims.events.point.connect(lambda: seen.append(frame_at(viewer.dims)))
    walked.section.play.click()
    # Where the machine is slow, frames are left out.
    qtbot.waitUntil(lambda: any(b < a for a, b in pairwise(seen)), timeout=20_000)
    assert set(seen) <= set(range(11))
    assert len(set(seen)) > 1
    # A walk that becomes longer is played on.
    walked.state.add_key(Point(seed=5))
    qtbot.waitUntil(lambda: max(seen) > 10, timeout=20_000)
    beyond = len(seen)
    qtbot.waitUntil(lambda: any(b < a for a, b in pairwise(seen[beyond:])), timeout=20_000)
    assert max(seen) <= 15
    walked.section.play.click()
    # Napari's own button plays all of the slider again.
    slider = walked.section.player._sliders().slider_widgets[0]
    assert slider.frame_range == (0, 0)


def test_play_and_stop_at_once(walked, qtbot):
    for _ in range(20):
        walked.section.play.click()
        assert walked.section.play.text() == "Stop"
        walked.section.play.click()
        assert walked.section.play.text() == "Play"


def test_a_hidden_walk_leaves_the_play_of_a_video_alone(walked, viewer, qtbot):
    viewer.add_image(np.zeros((50, 8, 8), np.uint8), name="a video")
    walked.layer.visible = False
    walked.section.player.play(0, 10)
    qtbot.waitUntil(lambda: walked.section.player.playing)
    asked = []
    walked.section.player.play = lambda *settings: asked.append(settings)
    walked.section.rate.setValue(3)
    walked.section.form.set_value(WalkSettings(steps_per_leg=7))
    qtbot.waitUntil(lambda: walked.layer.data.shape[0] == 15, timeout=10_000)
    assert not asked


def test_a_new_picture_stops_the_play(walked, qtbot):
    walked.section.play.click()
    qtbot.waitUntil(lambda: walked.section.player.playing)
    walked.state.show(Point(seed=5))
    qtbot.waitUntil(lambda: not walked.section.player.playing)


def test_the_walk_of_the_paper_is_one_click(opened, qtbot):
    section = opened.section
    opened.state.show(Point(seed=7))
    section.paper.click()
    assert [key.seed for key in opened.state.keys] == [7, 0]
    assert opened.layer.data.shape[0] == 1440
    assert section.text.text().startswith("1440 frames, 60.0 s")
    qtbot.waitUntil(lambda: section.player.playing)


def test_the_walk_of_the_paper_begins_at_the_edited_picture(opened, qtbot):
    section, state = opened.section, opened.state
    state.show(Point(seed=7))
    state.set_edit("brighter", np.ones((state.sampler.shape.num_ws, 16), np.float32))
    state.set_ws(state.picture_ws()(state.sampler))
    assert "choose space w" in section.paper.toolTip()
    section.form.set_value(WalkSettings(space="w"))
    section.paper.click()
    assert [key.title for key in state.keys] == ["seed 7, edited", "seed 0"]
    assert opened.layer.data.shape[0] == 1440


def test_equal_speed_is_measured_once_and_can_be_cancelled(walked, qtbot, sampler):
    section = walked.section
    section.form.set_value(WalkSettings(steps_per_leg=STEPS, equal_speed=True))
    assert section.work.running
    section.work.cancel.click()
    qtbot.waitUntil(lambda: not section.work.running, timeout=10_000)
    assert "not measured" in section.text.text()
    section.measure.click()
    qtbot.waitUntil(lambda: not section.work.running, timeout=60_000)
    qtbot.waitUntil(lambda: section.walk.positions is not None, timeout=10_000)
    assert section.measure.isHidden()
    told = Provenance.model_validate(provenance_in(walked.layer))
    assert told.walk.positions is not None
    assert not np.allclose(np.diff(told.walk.positions), 1 / STEPS)
    section.form.set_value(WalkSettings(steps_per_leg=2, equal_speed=True))
    qtbot.waitUntil(lambda: walked.layer.data.shape[0] == 5, timeout=10_000)
    assert not section.work.running  # distances do not depend on the number of steps
    walked.state.set_noise("none")  # but on the noise
    assert "not measured" in section.text.text()
    assert not section.measure.isHidden()


# what can be done


SETTINGS, EVEN = WalkSettings(), WalkSettings(equal_speed=True)
EDITED = Point(w=((0.0,),), name="edited")


@pytest.mark.parametrize(
    ("facts", "control", "reason"),
    [
        ({"network": False}, "add", NO_NETWORK),
        ({"network": False}, "show", NO_NETWORK),
        ({}, "add", NO_PICTURE),
        ({"picture": KEYS[0]}, "add", ""),
        ({"picture": KEYS[0], "keys": KEYS[:1] * MOST_KEYS}, "add", "at most 256"),
        ({"keys": KEYS[:1]}, "show", "two key frames"),
        ({"keys": KEYS}, "play", ""),
        ({"keys": KEYS, "settings": None}, "play", "Correct the settings"),
        ({"keys": (KEYS[0], EDITED)}, "show", "Key frame 2 (edited)"),
        ({"keys": (KEYS[0], EDITED), "settings": WalkSettings(space="w")}, "show", ""),
        ({"keys": (KEYS[0], Point(seed=1, label=2))}, "show", "another class"),
        ({"keys": (KEYS[0], Point(seed=1, cutoff=2))}, "show", "another cutoff"),
        ({"keys": KEYS * 40, "settings": WalkSettings(steps_per_leg=10_000)}, "show", "too long"),
        ({"keys": KEYS}, "remove", "Select"),
        ({"keys": KEYS, "selected": 0}, "left", "first"),
        ({"keys": KEYS, "selected": 0}, "right", ""),
        ({"keys": KEYS, "selected": 2}, "right", "last"),
        ({}, "clear", "no key frames"),
        ({"keys": KEYS}, "paper", "remove the others"),
        ({"keys": KEYS[:2]}, "paper", ""),
        ({"keys": (EDITED,)}, "paper", "choose space w"),
        ({"picture": EDITED}, "paper", "The picture is a vector w"),
        ({"picture": EDITED, "keys": KEYS[:1]}, "paper", "Key frame 2 (edited)"),
        ({"picture": EDITED, "keys": KEYS[:2]}, "paper", ""),
        ({"picture": EDITED, "settings": WalkSettings(space="w")}, "paper", ""),
        ({"keys": KEYS}, "measure", "Equal speed"),
        ({"keys": KEYS, "settings": EVEN}, "measure", ""),
        ({"keys": KEYS, "settings": EVEN, "running": True}, "measure", "Wait"),
        ({"keys": KEYS, "settings": EVEN, "measured": True}, "measure", "is measured"),
    ],
)
def test_what_can_be_done_and_why_not(facts, control, reason):
    found = getattr(resolve_walk(WalkFacts(**{"network": True, "settings": SETTINGS, **facts})), control)
    assert reason in found
    assert bool(reason) == bool(found)


@pytest.mark.parametrize(
    ("keys", "picture", "chosen"),
    [
        ((), None, (8, 9)),
        ((), 7, (7, 8)),
        ((5,), 7, (5, 7)),
        ((5,), 5, (5, 8)),
        ((8,), 8, (8, 9)),
        ((5, 6), 7, (5, 6)),
    ],
)
def test_the_key_frames_of_the_paper_walk(keys, picture, chosen):
    points = [Point(seed=seed) for seed in keys]
    shown = None if picture is None else Point(seed=picture)
    found = paper_keys(points, shown, [Point(seed=8), Point(seed=9)])
    assert tuple(point.seed for point in found) == chosen
