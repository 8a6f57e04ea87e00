"""The Labels layer, its history and its file, with no window around them."""

import errno
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from mousing import press_key
from qtpy.QtCore import QObject

from glissile import atomic
from glissile.defects import DEFAULT_CLASSES
from glissile.experiment import Experiment, MaskStore, Source
from glissile.label import annotations
from glissile.video import Video
from glissile.widgets._label_keeper import LabelKeeper

T, Y, X = 9, 30, 40


class Desk:
    """One experiment, opened and closed with its keeper as the dock does it."""

    def __init__(self, folder, video_file):
        source = Source.of(video_file, frames=T, height=Y, width=X)
        Experiment.create(folder, source=source).close()
        self.folder = folder
        self.video = Video.from_frames(np.zeros((T, Y, X), np.uint8), name="v")
        self.open()

    def open(self, *, read_only=False):
        self.parent = QObject()
        self.experiment = Experiment.open(self.folder, read_only=read_only)
        store = self.experiment.labels_or_none() if read_only else self.experiment.labels()
        indices = () if store is None else annotations.labelled_indices(store, self.video)
        masks = {index: annotations.read_label(store, self.video, index) for index in indices}
        self.keeper = LabelKeeper(self.experiment, store, self.video, masks, {}, self.parent)
        self.layer = self.keeper.layer

    def close(self):
        self.keeper.close()
        self.experiment.close()
        self.parent.deleteLater()

    def stroke(self, index, y, x, value=1):
        self.layer.brush_size = 3
        self.layer.paint([index, y, x], value)
        self.keeper.save()  # as the event loop does it before anyone can paint again

    def on_disk(self):
        assert self.keeper.flush()
        store = MaskStore.open(self.folder / "labels.zarr", read_only=True)
        return {number: store.read(number) for number in store.frames}

    def assert_shows(self, masks):
        """Compare layer, list of labelled frames and disk with `masks` by frame."""
        found = self.on_disk()
        for index in range(T):
            expected = masks.get(index, np.zeros((Y, X), np.uint8))
            np.testing.assert_array_equal(self.layer.data[index], expected, err_msg=f"frame {index}")
        assert self.keeper.labelled == tuple(sorted(masks))
        assert sorted(found) == sorted(masks)
        for index, mask in masks.items():
            np.testing.assert_array_equal(found[index], mask)


@pytest.fixture
def desk(tmp_path, qapp):
    (tmp_path / "v.mp4").write_bytes(b"a video")
    desk = Desk(tmp_path / "v.glissile", tmp_path / "v.mp4")
    yield desk
    desk.close()


def square(value=2):
    mask = np.zeros((Y, X), np.uint8)
    mask[5:10, 5:10] = value
    return mask


def test_frames_are_undone_by_themselves_in_whatever_order_they_were_painted(desk):
    rng = np.random.default_rng(1)
    states = {index: [({}, np.zeros((Y, X), np.uint8))] for index in range(4)}
    at = dict.fromkeys(states, 0)
    for _ in range(150):
        index = int(rng.integers(4))
        what = rng.choice(["stroke", "stroke", "put", "remove", "mark", "undo", "redo"])
        _, mask = states[index][at[index]]
        counts = states[index][at[index]][0]
        if what in ("undo", "redo"):
            by = -1 if what == "undo" else 1
            there = 0 <= at[index] + by < len(states[index])
            assert getattr(desk.keeper, what)(index) is there
            at[index] += by if there else 0
            continue
        after, marked = mask.copy(), bool(counts)
        if what == "stroke":
            y, x, value = int(rng.integers(1, Y - 1)), int(rng.integers(1, X - 1)), int(rng.integers(3))
            disc = np.hypot(*np.indices((3, 3)) - 1.0) <= 1.5
            after[y - 1 : y + 2, x - 1 : x + 2][disc] = value
            desk.stroke(index, y, x, value)
        elif what == "put":
            after = rng.integers(0, 3, (Y, X)).astype(np.uint8)
            assert desk.keeper.put(index, after)
        elif what == "remove":
            after, marked = np.zeros_like(mask), False
            desk.keeper.remove(index)
        else:
            marked = True
            desk.keeper.mark(index)
        state = ({"marked"} if marked and not after.any() else {}, after)
        if state[0] != counts or (after != mask).any():
            states[index][at[index] + 1 :] = [state]
            at[index] += 1
    shown = {index: states[index][at[index]] for index in states}
    desk.assert_shows({index: mask for index, (marked, mask) in shown.items() if marked or mask.any()})


def test_a_stale_undo_of_napari_is_a_step_of_the_frame_that_it_changed(desk):
    desk.keeper.show_frame(3)
    desk.stroke(3, 10, 10)
    painted = desk.layer.data[3].copy()
    assert desk.keeper.put(3, square())
    desk.keeper.show_frame(7)
    desk.layer.undo()  # knows only of the stroke on frame 3
    desk.keeper.save()
    spoilt = np.asarray(desk.layer.data[3]).copy()
    assert (spoilt != square()).any()
    desk.assert_shows({3: spoilt})
    assert not desk.keeper.undo(7)
    assert desk.keeper.undo(3)
    desk.assert_shows({3: square()})
    assert desk.keeper.undo(3)
    desk.assert_shows({3: painted})


def test_removing_and_marking_are_undone(desk):
    desk.stroke(3, 10, 10)
    painted = desk.layer.data[3].copy()
    desk.keeper.remove(3)
    desk.assert_shows({})
    desk.keeper.mark(3)
    nothing = np.zeros((Y, X), np.uint8)
    desk.assert_shows({3: nothing})
    assert desk.keeper.undo(3)
    desk.assert_shows({})
    assert desk.keeper.undo(3)
    desk.assert_shows({3: painted})
    assert desk.keeper.redo(3)
    assert desk.keeper.redo(3)
    desk.assert_shows({3: nothing})
    desk.stroke(3, 10, 10)  # the mark gives way to it
    desk.keeper.undo(3)
    desk.assert_shows({3: nothing})


def test_a_reopened_study_has_its_labels_and_nothing_to_undo(desk):
    desk.stroke(3, 10, 10)
    desk.keeper.mark(5)
    masks = {3: desk.layer.data[3].copy(), 5: np.zeros((Y, X), np.uint8)}
    desk.close()
    desk.open()
    for index in range(T):
        assert not desk.keeper.undo(index)
        assert not desk.keeper.redo(index)
    desk.assert_shows(masks)
    desk.keeper.remove(3)
    assert desk.keeper.undo(3)
    desk.assert_shows(masks)


def test_nothing_is_put_undone_or_marked_while_editing_is_not_allowed(desk):
    desk.stroke(3, 10, 10)
    before = {3: desk.layer.data[3].copy()}
    desk.keeper.allow_edits(False)
    assert not desk.keeper.put(3, square())
    assert not desk.keeper.undo(3)
    desk.keeper.mark(4)
    desk.keeper.remove(3)
    desk.assert_shows(before)
    desk.keeper.allow_edits(True)
    assert desk.keeper.undo(3)


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.__setitem__(6, square()),
        lambda data: data[6].__setitem__((slice(5, 10), slice(5, 10)), 2),
        lambda data: data[4:8].__setitem__((2, slice(5, 10), slice(5, 10)), 2),
        lambda data: data[:, 5:10, 5:10].__setitem__(6, 2),
        lambda data: data.__setitem__((np.full(25, 6), *np.nonzero(square())), 2),
        lambda data: data.__setitem__(np.arange(T)[:, None, None] * square() == 12, 2),
        lambda data: data[6].__iadd__(square()).__setitem__((), square()),
    ],
)
def test_edits_of_a_frame_that_is_not_looked_at_are_found_and_undone(desk, edit):
    desk.keeper.show_frame(2)
    edit(desk.layer.data)
    desk.assert_shows({6: square()})
    assert desk.keeper.undo(6)
    desk.assert_shows({})


@pytest.mark.parametrize("what", ["put", "remove", "undo"])
def test_an_edit_that_was_not_noticed_yet_is_a_step_before_what_comes_next(desk, what):
    desk.keeper.show_frame(6)
    desk.stroke(6, 20, 20)
    painted = desk.layer.data[6].copy()
    desk.layer.data[6] = square()
    if what == "put":
        desk.keeper.put(6, square(1))
    elif what == "remove":
        desk.keeper.remove(6)
    if what != "undo":
        assert desk.keeper.undo(6)
        desk.assert_shows({6: square()})
    assert desk.keeper.undo(6)
    desk.assert_shows({6: painted})


def test_only_what_may_have_changed_is_looked_at(desk, monkeypatch):
    desk.stroke(3, 10, 10)
    desk.keeper.show_frame(7)
    looked_at, record = [], desk.keeper._record
    monkeypatch.setattr(desk.keeper, "_record", lambda index: looked_at.append(index) or record(index))
    (desk.layer.data + 1)[4] = 3  # of another array
    desk.layer.data.copy()[4] = 3
    desk.keeper.save()
    assert looked_at == [7]


def test_an_array_that_is_put_in_place_of_the_masks_is_taken_over_in_steps(desk, said):
    desk.stroke(3, 10, 10)
    painted, given = desk.layer.data[3].copy(), np.zeros((T, Y, X), np.int64)
    given[3], given[8] = square(), square(1)
    ours = desk.layer.data
    desk.layer.data = given
    desk.keeper.save()
    assert desk.layer.data is ours
    desk.assert_shows({3: square(), 8: square(1)})
    assert not said
    desk.keeper.undo(8)
    desk.keeper.undo(3)
    desk.assert_shows({3: painted})
    desk.layer.undo()  # napari's own history goes back beyond that
    desk.keeper.save()
    desk.assert_shows({})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (np.zeros((T - 1, Y, X), np.uint8), "is 8 x 30 x 40, they are 9 x 30 x 40"),
        (np.full((T, Y, X), 300, np.int32), "has values beyond 0 to 255"),
        (np.full((T, Y, X), -1, np.int8), "has values beyond 0 to 255"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(desk, said, given, why):
    desk.stroke(3, 10, 10)
    before, ours = {3: desk.layer.data[3].copy()}, desk.layer.data
    desk.layer.data = given
    desk.keeper.save()
    assert desk.layer.data is ours
    desk.assert_shows(before)
    assert len(said) == 1
    assert why in said[0]
    assert desk.layer.editable


def test_nothing_is_taken_over_where_the_labels_can_only_be_read(desk, said):
    desk.stroke(3, 10, 10)
    before = {3: desk.layer.data[3].copy()}
    desk.close()
    desk.open(read_only=True)
    given = np.ones((T, Y, X), np.uint8)
    desk.layer.data = given
    desk.keeper.save()
    assert not desk.layer.editable
    desk.assert_shows(before)
    assert len(said) == 1
    desk.layer.data = desk.layer.data  # to have it drawn again
    desk.keeper.save()
    assert not desk.layer.editable


class Unreadable:
    """An array whose frames from 3 on cannot be read."""

    dtype, ndim, shape, size = np.dtype(np.uint8), 3, (T, Y, X), T * Y * X

    def __len__(self):
        return T

    def __getitem__(self, key):
        first = key[0] if isinstance(key, tuple) else key
        if isinstance(first, int | np.integer) and first >= 3:
            raise OSError("the disk is gone")
        return np.full(self.shape, 2, np.uint8)[key]


def test_an_array_that_cannot_be_read_to_its_end_changes_nothing(desk, said):
    desk.stroke(1, 10, 10)
    before, ours = {1: desk.layer.data[1].copy()}, desk.layer.data
    desk.layer.data = Unreadable()
    desk.keeper.save()
    assert desk.layer.data is ours
    assert desk.layer.editable
    desk.assert_shows(before)
    assert said == [
        "The labels were put back as they were: what was put in their place cannot be read: the disk is gone"
    ]


def test_a_view_of_the_masks_in_another_order_is_taken_over(desk):
    for index in (0, 1, 7):
        desk.stroke(index, 5 + index, 10)
    before = np.array(desk.layer.data)
    desk.layer.data = desk.layer.data[::-1]
    desk.keeper.save()
    desk.assert_shows({T - 1 - index: before[index] for index in (0, 1, 7)})


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data[4].fill(2),
        lambda data: data[4].__ior__(np.uint8(2)),
        lambda data: np.copyto(data[4], 2),
        lambda data: np.asarray(data).__setitem__(4, 2),
    ],
)
@pytest.mark.parametrize("labelled", [True, False])
def test_what_nothing_tells_of_is_written_at_the_latest_on_closing(desk, edit, labelled):
    if labelled:
        desk.stroke(4, 10, 10, 2)
    desk.keeper.show_frame(7)
    edit(desk.layer.data)
    desk.keeper.save()
    desk.close()
    desk.open()
    desk.assert_shows({4: np.full((Y, X), 2, np.uint8)})


def test_a_stroke_where_the_frame_is_not_valid_labels_nothing(desk):
    valid = np.tile([0, 10, Y, X], (T, 1))
    desk.close()
    desk.video = replace(desk.video, valid_px=valid)
    desk.open()
    desk.stroke(4, 10, 3)
    assert desk.layer.data[4].any()
    assert not desk.keeper.painted(4)
    assert desk.keeper.labelled == ()
    assert desk.on_disk() == {}
    desk.stroke(4, 10, 20)
    assert desk.keeper.labelled == (4,)
    assert not desk.on_disk()[4][:, :10].any()
    desk.layer.brush_size = 3
    desk.layer.paint([4, 10, 20], 0)  # what is left is beside the valid part
    desk.keeper.save()
    assert desk.keeper.labelled == ()
    assert desk.on_disk() == {}
    desk.keeper.mark(4)
    assert sorted(desk.on_disk()) == [4]


def test_nothing_is_undone_on_a_frame_that_the_video_has_not(desk, said):
    desk.keeper.show_frame(8)
    desk.stroke(8, 10, 10)
    desk.keeper.show_frame(None)
    press_key(desk.layer, "Ctrl+Z")
    assert said == ["Nothing to undo: the video has no frame here"]
    assert desk.keeper.labelled == (8,)


def test_frames_change_between_labelled_proposed_and_neither(desk):
    keeper = desk.keeper
    desk.stroke(5, 10, 10)
    for index, call, lists in (
        (2, lambda: keeper.propose(2, square()), ((5,), (2,))),
        (2, lambda: keeper.put(2, square(1)), ((5,), (2,))),
        (2, lambda: keeper.accept(2), ((2, 5), ())),
        (2, lambda: keeper.undo(2), ((5,), (2,))),
        (0, lambda: keeper.mark(0), ((0, 5), (2,))),
        (2, lambda: keeper.remove(2), ((0, 5), ())),
        (5, lambda: keeper.remove(5), ((0,), ())),
    ):
        call()
        assert (keeper.labelled, keeper.proposed) == lists, index


def test_what_is_still_being_painted_is_written_but_no_step_of_its_own(desk):
    for y in range(5, 25, 5):  # one stroke, looked at while it grows
        desk.layer.data[3, y] = 1
        desk.keeper._look()
    assert desk.keeper.flush
    whole = desk.layer.data[3].copy()
    desk.assert_shows({3: whole})
    assert desk.keeper.undo(3)
    desk.assert_shows({})


def failing(error):
    def write(*_, **__):
        raise error

    return write


FAILURES = {
    "full disk": (OSError(errno.ENOSPC, "No space left on device"), "no space left on device"),
    "folder for reading only": (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
    "disk that is gone": (OSError(errno.EIO, "Input/output error"), "input/output error"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("where", ["before the file", "while it is flushed", "while it is moved"])
def test_a_stroke_that_cannot_be_saved_is_saved_later(desk, qtbot, said, monkeypatch, failure, where):
    error, told = FAILURES[failure]
    desk.stroke(3, 10, 10)
    saved = desk.on_disk()[3]
    with monkeypatch.context() as patched:
        if where == "before the file":
            patched.setattr("pathlib.Path.touch", failing(error))
        elif where == "while it is flushed":
            patched.setattr("os.fsync", failing(error))
        else:
            patched.setattr(atomic, "replace", failing(error))
        desk.stroke(3, 20, 20, 2)
        desk.stroke(4, 20, 20)  # work goes on
        qtbot.waitUntil(lambda: desk.keeper.unsaved == f"2 frames: {told}")
        desk.keeper._look()  # tried again, and said once
        assert not desk.keeper.flush()
        store = MaskStore.open(desk.folder / "labels.zarr", read_only=True)
        assert store.frames == (3,)
        np.testing.assert_array_equal(store.read(3), saved)
    qtbot.waitUntil(lambda: not desk.keeper._writer.saving)
    assert sum("frame 4 could not be saved" in message for message in said) >= 1
    assert all(told in message for message in said)
    desk.assert_shows({index: desk.layer.data[index].copy() for index in (3, 4)})
    qtbot.waitUntil(lambda: desk.keeper.unsaved == "")
    assert not [path.name for path in store.path.iterdir() if path.name.startswith(".writing")]


@pytest.mark.parametrize("what", ["remove", "undo"])
def test_a_removal_that_cannot_be_saved_is_saved_later(desk, monkeypatch, what):
    desk.stroke(3, 10, 10)
    assert desk.keeper.flush()
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", failing(FAILURES["disk that is gone"][0]))
        getattr(desk.keeper, what)(3)
        assert not desk.keeper.flush()
        desk.keeper._look()
        assert not desk.keeper.flush()
    desk.assert_shows({})


def test_labels_that_are_deleted_while_someone_paints_are_written_again(desk, qtbot, said):
    desk.stroke(3, 10, 10)
    desk.keeper.mark(8)
    assert desk.keeper.flush()
    shutil.rmtree(desk.folder / "labels.zarr")
    desk.stroke(4, 10, 10)
    qtbot.waitUntil(lambda: len(said) == 1)
    assert said[0].startswith("The labels on disk were deleted by another program and are written again")
    desk.assert_shows({index: desk.layer.data[index].copy() for index in (3, 4, 8)})
    assert desk.keeper.unsaved == ""


def test_labels_that_are_deleted_before_the_study_is_closed_are_written_again(desk):
    desk.stroke(3, 10, 10)
    assert desk.keeper.flush()
    shutil.rmtree(desk.folder / "labels.zarr")
    desk.layer.paint([4, 10, 10], 1)
    desk.close()
    desk.open()
    assert desk.keeper.labelled == (3, 4)


def test_an_experiment_that_is_out_of_reach_for_a_while_gets_its_strokes_later(desk, qtbot):
    desk.stroke(3, 10, 10)
    assert desk.keeper.flush()
    aside = desk.folder.with_name("elsewhere")
    desk.folder.rename(aside)
    desk.stroke(4, 10, 10)
    qtbot.waitUntil(lambda: "is no longer there" in desk.keeper.unsaved)
    desk.stroke(5, 10, 10)
    assert not desk.keeper.flush()
    assert not desk.folder.exists()  # nothing half is made in its place
    aside.rename(desk.folder)
    desk.assert_shows({index: desk.layer.data[index].copy() for index in (3, 4, 5)})


def test_labels_of_another_size_in_place_of_the_own_stay_as_they_are(desk, qtbot):
    desk.stroke(3, 10, 10)
    assert desk.keeper.flush()
    store = desk.folder / "labels.zarr"
    shutil.rmtree(store)
    other = MaskStore.create(store, (T, Y + 1, X))
    desk.stroke(4, 10, 10)
    qtbot.waitUntil(lambda: "was replaced by masks of another size" in desk.keeper.unsaved)
    assert other.frames == ()
    shutil.rmtree(store)
    MaskStore.create(store, (T, Y, X))
    assert desk.keeper.flush()


def test_the_layer_may_have_any_name(desk):
    desk.layer.name = "mine"
    desk.stroke(3, 10, 10)
    desk.assert_shows({3: desk.layer.data[3].copy()})


def test_states_of_saving_are_told(desk, qtbot, monkeypatch):
    import threading

    may_end, write = threading.Event(), annotations.write_label

    def slow(*arguments):
        may_end.wait(30)
        write(*arguments)

    monkeypatch.setattr(annotations, "write_label", slow)
    with qtbot.waitSignal(desk.keeper.saving_changed):
        desk.stroke(3, 10, 10)
        assert desk.keeper.saving
    assert desk.keeper.saved_at == ""
    may_end.set()
    with qtbot.waitSignal(desk.keeper.saved):
        pass
    assert not desk.keeper.saving
    assert len(desk.keeper.saved_at) == len("14:03:12")


def test_classes_beyond_the_table_are_kept(desk):
    assert 200 not in {c.value for c in DEFAULT_CLASSES}
    desk.stroke(3, 10, 10, 200)
    assert desk.on_disk()[3].max() == 200


def test_two_strokes_are_two_steps(desk, qtbot):
    for y in (5, 15, 25):
        desk.layer.paint([3, y, 10], 1)
        qtbot.waitUntil(lambda: not desk.keeper._soon.isActive())
    sizes = []
    while desk.keeper.undo(3):
        sizes.append(int(desk.layer.data[3].sum()))
    assert len(sizes) == 3
    assert all(a > b for a, b in pairwise(sizes))
