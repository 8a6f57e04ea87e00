"""Key frames of the generator dock: kept, brought back, read from files; in a real napari."""

from pathlib import Path

import numpy as np
import pytest
from generators import random_sampler
from qtpy.QtCore import QMimeData, QPoint, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from glissile.errors import InputError
from glissile.gan.points import Point
from glissile.gan.provenance import of_mixing, of_points, of_walk
from glissile.gan.sampler import Sampler
from glissile.gan.walk import MOST_KEYS, Walk, WalkSettings
from glissile.widgets.gan._kept_walks import KeptWalks, kept_after
from glissile.widgets.gan.state import GeneratorState, Truncation
from glissile.widgets.gan.walk import WalkSection
from glissile.workflow.generation import write_images

SEEDS = (3, 1, 4)
KEYS = tuple(Point(seed=seed) for seed in SEEDS)
A, B, C, D = (Point(seed=seed) for seed in range(4))


class Docked:
    """The section in a dock of the viewer."""

    def __init__(self, viewer, kept):
        self.state = GeneratorState()
        self.section = WalkSection(viewer, self.state, kept)
        self.section.set_open(True)
        self.keys = self.section.keys
        viewer.window.add_dock_widget(self.section, name="Walk", area="right")

    @property
    def seeds(self):
        return [key.seed for key in self.state.keys]

    def earlier(self):
        menu = self.keys.sources.earlier.menu()
        menu.aboutToShow.emit()
        return menu.actions()


@pytest.fixture
def kept(tmp_path):
    return KeptWalks(tmp_path / "walks")


@pytest.fixture
def docked(viewer, kept):
    docked = Docked(viewer, kept)
    yield docked
    docked.state.close(wait_s=20)


@pytest.fixture
def sampler():
    return random_sampler(32, weights_sha256="1" * 64)


@pytest.fixture
def other():
    return random_sampler(32, seed=1, weights_sha256="2" * 64)


@pytest.fixture
def opened(docked, sampler):
    docked.state.use(sampler)
    return docked


def exported(sampler, images, path):
    steps = write_images(sampler, images, path, title="test")
    while True:
        try:
            next(steps)
        except StopIteration:
            return path


def read(docked, qtbot, path, count):
    docked.keys.sources.read_file(path)
    qtbot.waitUntil(lambda: len(docked.state.keys) == count, timeout=10_000)


# kept


def test_key_frames_stand_there_again_when_the_network_is_opened(opened, sampler, other):
    opened.state.set_keys(KEYS)
    opened.state.use(other)
    assert opened.seeds == []
    opened.state.set_keys(KEYS[:2])
    opened.state.use(sampler)
    assert opened.seeds == [3, 1, 4]
    opened.state.use(other)
    assert opened.seeds == [3, 1]


def test_key_frames_outlive_the_session(opened, viewer, kept, sampler, qtbot):
    edited = Point.of_w(np.random.default_rng(0).normal(size=(8, 16)), "edited")
    opened.state.set_keys((KEYS[0], edited))
    another = Docked(viewer, kept)
    another.state.use(sampler)
    assert another.state.keys == (KEYS[0], edited)
    another.state.close(wait_s=20)


def test_what_was_cleared_comes_back_from_the_earlier_walks(opened):
    opened.state.set_keys(KEYS)
    opened.keys.clear.click()
    assert opened.seeds == []
    (action,) = opened.earlier()
    assert action.text() == "3 key frames: seed 3, seed 1, seed 4"
    action.trigger()
    assert opened.seeds == [3, 1, 4]
    (action,) = opened.earlier()
    assert not action.isEnabled()


def test_changes_of_key_frames_are_taken_back(opened, qtbot, viewer):
    assert opened.keys.undo.toolTip() == "Nothing was changed"
    opened.state.set_keys(KEYS)
    opened.keys.row.setCurrentRow(1)
    opened.keys.remove.click()
    opened.keys.left.click()
    opened.keys.clear.click()
    qtbot.keyClick(opened.keys.row, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert opened.seeds == [4, 3]
    opened.keys.undo.click()
    assert opened.seeds == [3, 4]
    opened.keys.undo.click()
    assert opened.seeds == [3, 1, 4]
    opened.keys.undo.click()
    assert opened.seeds == []
    assert not opened.keys.undo.isEnabled()


def test_changes_of_another_network_are_not_taken_back(opened, sampler, other):
    opened.state.set_keys(KEYS)
    opened.state.use(other)
    assert not opened.keys.undo.isEnabled()
    opened.state.use(sampler)
    assert opened.seeds == [3, 1, 4]
    assert not opened.keys.undo.isEnabled()
    opened.keys.clear.click()
    opened.keys.undo.click()
    assert opened.seeds == [3, 1, 4]


def test_cleared_key_frames_do_not_stand_there_again_by_themselves(opened, sampler):
    opened.state.set_keys(KEYS)
    opened.state.set_keys(())
    opened.state.use(sampler)
    assert opened.seeds == []
    assert len(opened.earlier()) == 1


@pytest.mark.parametrize(
    ("keys", "before", "after"),
    [
        ((A, B), ((A,),), [(A, B)]),  # it grows
        ((B, A), ((A, B),), [(B, A)]),  # another order
        ((A, B), ((A, B, C),), [(A, B), (A, B, C)]),  # one was taken out
        ((A,), ((A, B), (A, B, C)), [(A,), (A, B, C)]),  # and another
        ((), ((A, B), (C, D)), [(), (A, B), (C, D)]),
        ((A, C), ((), (A, B), (C, D)), [(A, C), (A, B), (C, D)]),
        ((A, B), ((C,), (D, C)), [(A, B), (D, C)]),  # one alone is no walk
        ((A, B), ((C, D), (D, C)), [(A, B), (C, D)]),
    ],
)
def test_what_is_kept_of_earlier_walks(keys, before, after):
    assert kept_after(keys, before) == tuple(after)


def test_no_more_than_twenty_walks_are_kept(kept, sampler):
    for seed in range(30):
        kept.keep(sampler.card, (Point(seed=seed), Point(seed=100 + seed)))
    assert [walk[0].seed for walk in kept.of(sampler.card)] == list(range(29, 9, -1))


def test_walks_of_many_numbers_give_way_but_not_the_one_that_stands(kept, sampler):
    draw = np.random.default_rng(0)
    walks = [tuple(Point.of_w(draw.normal(size=(14, 512))) for _ in range(count)) for count in (16, 16, 80)]
    for walk in walks[:2]:
        kept.keep(sampler.card, walk)
    assert kept.of(sampler.card) == (walks[1], walks[0])
    kept.keep(sampler.card, walks[2])
    assert kept.of(sampler.card) == (walks[2],)


def test_walks_of_two_windows_are_both_kept(kept, sampler, tmp_path):
    other = KeptWalks(tmp_path / "walks")
    kept.keep(sampler.card, (A, B))
    other.keep(sampler.card, (C, D))
    kept.keep(sampler.card, (A, B, C))
    assert kept.of(sampler.card) == ((A, B, C), (C, D))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"walks": [[{"seed": -1}]]}', b"\xff"])
def test_a_damaged_file_is_left_alone(opened, kept, sampler, said, content):
    opened.state.set_keys(KEYS)
    (file,) = kept._folder.iterdir()
    file.write_bytes(content)
    opened.state.set_keys(KEYS[:2])
    assert file.read_bytes() == content
    assert any("cannot be read" in text for text in said)
    assert opened.seeds == [3, 1]
    opened.state.use(sampler)
    assert opened.seeds == []


def test_key_frames_that_do_not_fit_are_not_brought_back(docked, kept):
    narrow, wide = random_sampler(32, name="same name"), random_sampler(32, name="same name", w_dim=32)
    # Without a hash of the weights networks are told apart by name only.
    narrow, wide = (
        Sampler(one.generator, one.card.model_copy(update={"weights_sha256": ""}), device="cpu")
        for one in (narrow, wide)
    )
    docked.state.use(narrow)
    keys = (Point.of_w(np.zeros(16)), Point.of_w(np.ones(16)))
    docked.state.set_keys(keys)
    docked.state.use(wide)
    assert docked.state.keys == ()
    docked.state.use(narrow)
    assert docked.state.keys == keys


# read from files


@pytest.mark.parametrize("name", ["points.npz", "points.json", "points.tif", "sheet.png"])
def test_exported_samples_come_back_as_key_frames(opened, sampler, qtbot, tmp_path, name):
    path = tmp_path / name
    if name == "sheet.png":
        steps = write_images(sampler, of_points(sampler.card, KEYS), path, title="test", columns=2)
        for _ in steps:
            pass
    else:
        exported(sampler, of_points(sampler.card, KEYS), path)
    opened.state.set_keys((Point(seed=9),))
    read(opened, qtbot, path, 4)
    assert opened.seeds == [9, 3, 1, 4]


@pytest.mark.parametrize("name", ["walk.mp4", "walk.tif", "walk.json"])
def test_an_exported_walk_comes_back_with_its_settings(opened, sampler, qtbot, tmp_path, name):
    settings = WalkSettings(steps_per_leg=3, space="w", closed=True)
    walk = Walk(keys=KEYS, settings=settings)
    path = exported(sampler, of_walk(sampler.card, walk), tmp_path / name)
    opened.state.set_keys((Point(seed=9), Point(seed=8)))
    read(opened, qtbot, path, 3)
    assert opened.seeds == [3, 1, 4]
    assert opened.section.settings() == settings
    assert opened.section.frame_count == 9


def test_a_mixed_image_comes_back_as_its_w(opened, sampler, qtbot, tmp_path):
    (mixed,) = of_mixing(sampler.card, [A], [B], (0, 1))
    path = exported(sampler, [mixed], tmp_path / "mixed.png")
    read(opened, qtbot, path, 1)
    (key,) = opened.state.keys
    from glissile.gan.points import ws_of

    rows = np.array(key.w, np.float32)
    assert np.array_equal(rows[:2], ws_of(sampler, [B])[0][:2])
    assert np.array_equal(rows[2:], ws_of(sampler, [A])[0][2:])


def test_files_of_another_network_are_refused(opened, other, qtbot, tmp_path, said):
    path = exported(other, of_points(other.card, KEYS), tmp_path / "points.json")
    opened.keys.sources.read_file(path)
    qtbot.waitUntil(lambda: bool(said), timeout=10_000)
    assert "points.json: the image was made by" in said[0]
    assert opened.seeds == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\x89PNG\r\n\x1a\n"])
def test_files_that_tell_nothing_are_refused(opened, qtbot, tmp_path, said, content):
    path = tmp_path / "points.json"
    path.write_bytes(content)
    opened.keys.sources.read_file(path)
    qtbot.waitUntil(lambda: bool(said), timeout=10_000)
    assert "does not tell how its images were generated" in said[0]


def test_more_key_frames_than_a_walk_has_are_refused(opened, sampler, qtbot, tmp_path, said):
    points = [Point(seed=seed) for seed in range(MOST_KEYS)]
    path = exported(sampler, of_points(sampler.card, points), tmp_path / "points.json")
    opened.state.set_keys(KEYS)
    opened.keys.sources.read_file(path)
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)
    assert "at most 256" in said[0]
    assert opened.seeds == [3, 1, 4]


def test_a_file_is_dropped_on_the_row(opened, sampler, qtbot, tmp_path):
    path = exported(sampler, of_points(sampler.card, KEYS), tmp_path / "points.json")
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPoint(5, 5).toPointF(),
        Qt.DropAction.CopyAction,
        dropped,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    over = opened.keys.row.viewport()
    entering = QDragEnterEvent(
        QPoint(5, 5),
        Qt.DropAction.CopyAction,
        dropped,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(over, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(over, event)
    assert event.isAccepted()
    qtbot.waitUntil(lambda: opened.seeds == [3, 1, 4], timeout=10_000)


def test_a_walk_at_equal_speed_is_measured_once_it_is_there(opened, sampler, qtbot, tmp_path):
    settings = WalkSettings(steps_per_leg=3, equal_speed=True)
    walk = Walk(keys=KEYS, settings=settings)
    path = exported(sampler, of_walk(sampler.card, walk), tmp_path / "walk.json")
    opened.state.set_keys((Point(seed=9), Point(seed=8)))
    read(opened, qtbot, path, 3)
    qtbot.waitUntil(lambda: not opened.section.work.running, timeout=20_000)
    assert "not measured" not in opened.section.text.text()


def test_a_walk_takes_no_more_key_frames_than_it_can_have(opened, sampler, kept, said):
    opened.state.set_keys(tuple(Point(seed=seed) for seed in range(MOST_KEYS)))
    opened.state.add_key(Point(seed=1000))
    assert len(opened.state.keys) == MOST_KEYS
    assert "at most 256" in said[-1]
    assert len(kept.of(sampler.card)[0]) == MOST_KEYS


# what is selected, and what is told


def test_what_is_highlighted_is_what_buttons_act_on(opened):
    opened.state.set_keys(KEYS)
    opened.keys.row.setCurrentRow(1)
    assert opened.keys.selected == 1
    assert opened.keys.remove.isEnabled()
    opened.keys.remove.click()
    assert opened.seeds == [3, 4]


def test_a_step_of_psi_pictures_no_key_frame_anew(opened, qtbot):
    opened.state.set_keys(KEYS)
    asked = []
    generate = opened.state.generate
    qtbot.waitUntil(lambda: len(opened.keys._pictures) == 3, timeout=10_000)
    opened.state.generate = lambda kind, *rest: (asked.append(kind), generate(kind, *rest))
    opened.state.set_truncation(Truncation(psi=0.5))
    assert "key frames" not in asked
    opened.state.set_noise("none")
    assert "key frames" in asked


def test_a_key_frame_tells_its_truncation_and_class(docked):
    docked.state.use(random_sampler(32, c_dim=3, embedding=4, class_names=("ferrite", "martensite", "")))
    docked.state.set_keys((Point(seed=3, psi=0.7, label=1), Point(seed=3, psi=1, label=0)))
    tips = [docked.keys.row.item(row).toolTip() for row in range(2)]
    assert tips == ["seed 3, ψ 0.70, class 1 (martensite)", "seed 3, ψ 1.00, class 0 (ferrite)"]


def test_kept_walks_say_why_they_cannot_be_written(sampler, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="could not be written"):
        KeptWalks(Path(file)).keep(sampler.card, KEYS)
