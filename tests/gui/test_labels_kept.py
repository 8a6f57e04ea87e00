"""Undo by keys, what the dock says of saving, and restoring labels, in a real napari."""

import errno

import numpy as np
import pytest
import tifffile
from idling import idle
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from glissile import atomic, workflow
from glissile.widgets import _label_keeper
from glissile.widgets.glissile_dock import GlissileDock
from glissile.widgets.sections.restore_labels import RestoreLabelsDialog

T, Y, X = 12, 60, 80
UNDO = (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
REDO = (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)


@pytest.fixture
def video_path(tmp_path):
    path = tmp_path / "test.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (T, Y, X), dtype=np.uint8))
    return path


@pytest.fixture
def opened(dock, video_path, qtbot):
    dock.bench.open_video(video_path)
    idle(dock, qtbot)
    dock.bench.display.show_labels()
    return dock


def canvas():
    """The widget that napari takes keys from."""
    return next(w for w in QApplication.allWidgets() if type(w).__name__ == "CanvasBackendDesktop")


def stroke(dock, index, y, value=1):
    dock.bench.display.go_to(index)
    dock.bench.keeper.layer.paint([index, y, 30], value)
    dock.bench.keeper.flush()


def on_disk(dock):
    dock.bench.keeper.flush()
    store = dock.bench.study.experiment.labels_or_none()
    return {number: store.read(number) for number in store.frames}


def on_disk_now(dock, frame):
    """Painted pixels of a frame on disk, once what is being written is written."""
    dock.bench.keeper._writer.flush()
    return np.argwhere(dock.bench.study.experiment.labels().read(frame))


def test_keys_undo_what_was_done_on_the_frame_that_is_looked_at(opened, qtbot, said):
    stroke(opened, 3, 10)
    accepted = np.zeros((Y, X), np.uint8)
    accepted[40:50] = 2
    assert opened.bench.keeper.put(3, accepted)
    stroke(opened, 7, 20)
    one = opened.bench.keeper.mask(7).copy()
    stroke(opened, 7, 40)
    two = opened.bench.keeper.mask(7).copy()
    QTest.keyClick(canvas(), *UNDO)
    np.testing.assert_array_equal(on_disk(opened)[7], one)
    QTest.keyClick(canvas(), *UNDO)
    assert sorted(on_disk(opened)) == [3]
    QTest.keyClick(canvas(), *UNDO)
    np.testing.assert_array_equal(on_disk(opened)[3], accepted)  # as at any time before
    assert said == ["Nothing to undo on frame 7"]
    QTest.keyClick(canvas(), *REDO)
    QTest.keyClick(canvas(), *REDO)
    np.testing.assert_array_equal(on_disk(opened)[7], two)
    opened.bench.display.go_to(3)
    QTest.keyClick(canvas(), *UNDO)
    QTest.keyClick(canvas(), *UNDO)
    assert sorted(on_disk(opened)) == [7]
    QTest.keyClick(canvas(), *REDO)
    assert (on_disk(opened)[3][9:12, 30] == 1).all()


def test_keys_undo_nothing_where_labels_are_hidden_or_renewed(opened, qtbot):
    stroke(opened, 3, 10)
    opened.bench.keeper.layer.visible = False
    QTest.keyClick(canvas(), *UNDO)
    opened.bench.keeper.layer.visible = True
    opened.bench.keeper.allow_edits(False)
    QTest.keyClick(canvas(), *UNDO)
    assert sorted(on_disk(opened)) == [3]
    opened.bench.keeper.allow_edits(True)
    QTest.keyClick(canvas(), *UNDO)
    assert sorted(on_disk(opened)) == []


def mouse(kind, place, buttons):
    """Give the canvas an event of the left mouse button at `place`."""
    widget = canvas()
    left = Qt.MouseButton.LeftButton
    event = QMouseEvent(
        kind,
        QPointF(place),
        QPointF(widget.mapToGlobal(place)),
        left,
        buttons,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(widget, event)


def test_a_stroke_of_the_mouse_is_one_step(opened, qtbot, monkeypatch):
    keeper = opened.bench.keeper
    opened.bench.display.go_to(5)
    place, left = canvas().rect().center(), Qt.MouseButton.LeftButton
    with monkeypatch.context() as patched:
        patched.setattr(_label_keeper.QGuiApplication, "mouseButtons", lambda: left)
        mouse(QEvent.Type.MouseButtonPress, place, left)
        sizes = []
        for _ in range(10):
            place += QPoint(4, 2)
            qtbot.wait(30)  # what comes quicker is left out by vispy
            mouse(QEvent.Type.MouseMove, place, left)
            for _ in range(3):
                keeper._look()  # comes every second, to save what there is
            sizes.append(len(on_disk_now(opened, 5)))
        assert len(set(sizes)) > 3
    mouse(QEvent.Type.MouseButtonRelease, place, Qt.MouseButton.NoButton)
    qtbot.waitUntil(lambda: not keeper._soon.isActive())
    QTest.keyClick(canvas(), *UNDO)
    assert not keeper.mask(5).any()
    assert on_disk(opened) == {}


def test_what_cannot_be_saved_is_said_as_long_as_it_is_so(opened, qtbot, monkeypatch):
    line = opened.sections["label"].state_line
    stroke(opened, 3, 10)
    qtbot.waitUntil(lambda: ", saved " in line.text())
    assert "bold" not in line.styleSheet()
    with monkeypatch.context() as patched:

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr(atomic, "replace", full)
        stroke(opened, 4, 10)
        qtbot.waitUntil(lambda: line.text().startswith("CANNOT SAVE frame 4: no space left on device"))
        assert "bold" in line.styleSheet()
        for _ in range(3):
            opened.bench.keeper._look()
            opened.bench.keeper._writer._thread.submit(lambda: None).result()
            qtbot.wait(10)
            assert line.text().startswith("CANNOT SAVE frame 4")
    qtbot.waitUntil(lambda: "2 labelled frames, saved " in line.text())
    assert "bold" not in line.styleSheet()


def test_a_closed_labels_layer_is_saved_and_comes_back(opened, viewer, qtbot, said):
    layer = opened.bench.keeper.layer
    opened.bench.display.go_to(3)
    layer.paint([3, 10, 30], 1)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: len(said) == 1)
    assert said[0].startswith("The Labels layer was closed, its labels are kept")
    assert opened.sections["label"].primary.text() in said[0]
    assert sorted(on_disk(opened)) == [3]
    opened.sections["label"].primary.click()
    assert layer in viewer.layers
    layer.paint([3, 40, 30], 1)
    opened.bench.keeper.flush()
    QTest.keyClick(canvas(), *UNDO)
    assert on_disk(opened)[3][10, 30] == 1
    assert on_disk(opened)[3][40, 30] == 0


def test_nothing_is_said_of_layers_that_the_dock_itself_takes_away(opened, viewer, qtbot, said):
    layer = opened.bench.keeper.layer
    viewer.layers.move(viewer.layers.index(layer), 0)
    section = opened.sections["trim"]
    section.primary.click()
    idle(opened, qtbot)
    assert opened.bench.keeper.layer is not layer
    opened.bench.close()
    qtbot.wait(20)
    assert not said


def test_a_second_program_is_told_why_it_can_only_read(dock, video_path, qtbot):
    with workflow.create(video_path, video_path.with_suffix(".glissile")):
        dock.bench.open_video(video_path)
        idle(dock, qtbot)
        assert "can only be read, it is held by" in dock.header.read_only.text()
        assert not dock.bench.keeper.put(0, np.ones((Y, X), np.uint8))
        assert not dock.header.more.isEnabled()


def test_another_video_in_place_of_the_own_is_told_and_labels_stay(dock, video_path, qtbot, said):
    with workflow.create(video_path, video_path.with_suffix(".glissile")) as made:
        made.labels().write(3, np.ones((Y, X), np.uint8))
    tifffile.imwrite(video_path, np.random.default_rng(1).integers(0, 255, (T, Y, X), dtype=np.uint8))
    dock.bench.open_video(video_path)
    idle(dock, qtbot)
    assert sum("labels and results may not fit it" in message for message in said) == 1
    assert (on_disk(dock)[3] == 1).all()


def test_a_backup_is_restored_from_the_menu(opened, viewer, video_path, qtbot, said):
    stroke(opened, 3, 10)
    first = on_disk(opened)
    folder = opened.bench.study.experiment.folder
    opened.bench.close()
    dock = GlissileDock(viewer)
    qtbot.addWidget(dock)
    dock.bench.open_folder(folder)  # which makes a backup
    idle(dock, qtbot)
    stroke(dock, 5, 10)
    stroke(dock, 3, 40)
    dialog = RestoreLabelsDialog(dock.bench.study.experiment, dock.header)
    assert dialog.table.rowCount() == 1
    assert dialog.table.item(0, 1).text() == "1"
    assert not dialog.restore.isEnabled()
    dialog.table.selectRow(0)
    assert dialog.difference.text() == (
        "Frame 5: labelled now and would be lost.\nFrame 3: labelled otherwise now."
    )
    assert dialog.restore.isEnabled()
    dock.header.restore(dialog.value())
    idle(dock, qtbot)
    assert dock.bench.keeper.labelled == (3,)
    np.testing.assert_array_equal(on_disk(dock)[3], first[3])
    assert any("Labels of 1 frames restored; those of before are kept as labels-" in m for m in said)
    again = RestoreLabelsDialog(dock.bench.study.experiment, dock.header)
    assert again.table.rowCount() == 2
    again.table.selectRow(0)
    assert again.difference.text() == "Frame 5: would come back.\nFrame 3: labelled otherwise now."
    again.table.selectRow(1)
    assert again.difference.text() == "The labels of now are the same."
    assert not again.restore.isEnabled()
    dialog.deleteLater()
    again.deleteLater()
    dock.bench.close()
