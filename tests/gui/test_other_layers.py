"""The frame that is looked at, where other layers make the steps of napari's slider."""

import numpy as np
import pytest
import tifffile
from idling import idle
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from glissile.widgets.curves import CurvesDock
from glissile.widgets.motion import MotionDock

T, Y, X = 12, 40, 60
OTHERS = {
    "finer": {"scale": (0.5, 1, 1)},
    "coarser": {"scale": (3, 1, 1)},
    "earlier": {"translate": (-4, 0, 0)},
    "between": {"scale": (0.7, 1, 1), "translate": (-1.3, 0, 0)},
    "of more axes": {"scale": (1, 0.5, 1, 1), "translate": (0, -2, 0, 0)},
}


@pytest.fixture
def opened(dock, tmp_path, qtbot):
    """A video whose frame i is grey 10 i all over."""
    path = tmp_path / "v.tif"
    tifffile.imwrite(
        path, np.arange(0, 10 * T, 10, dtype=np.uint8)[:, None, None] * np.ones((1, Y, X), np.uint8)
    )
    dock.bench.open_video(path)
    idle(dock, qtbot)
    dock.sections["label"].primary.click()
    return dock


def add(viewer, opened, other):
    how = OTHERS[other]
    shape = (2,) * (len(how.get("scale", how.get("translate"))) - 3) + (40, Y, X)
    viewer.add_image(np.zeros(shape, np.uint8), name="other", visible=False, **how)
    viewer.layers.selection = {opened.bench.keeper.layer}


def seen(viewer):
    """Frame of the video that is on the screen, by its grey value; None where there is none."""
    value = viewer.layers["v"].get_value((*viewer.dims.point[:-2], 5, 5), world=True)
    return None if value is None or np.ma.is_masked(value) else int(value) // 10


def square(value=1):
    mask = np.zeros((Y, X), np.uint8)
    mask[5:10, 5:10] = value
    return mask


def press(key, modifiers):
    canvas = next(w for w in QApplication.allWidgets() if type(w).__name__ == "CanvasBackendDesktop")
    QTest.keyClick(canvas, key, modifiers)


@pytest.mark.parametrize("other", OTHERS)
def test_the_frame_of_the_dock_is_the_one_that_is_seen(opened, viewer, other):
    add(viewer, opened, other)
    display, keeper = opened.bench.display, opened.bench.keeper
    docks = [w for w in viewer.window.dock_widgets.values() if isinstance(w, CurvesDock | MotionDock)]
    assert len(docks) == 2
    for index in (3, 0, T - 1):
        display.go_to(index)
        assert seen(viewer) == index
        assert display.working_index() == index
        assert keeper._shown == index
        assert [below._frame() for below in docks] == [index, index]
    for below in docks:
        below._go_to(7)
        assert seen(viewer) == display.working_index() == 7
        display.go_to(2)
    axis = viewer.dims.ndim - 3
    for step in range(viewer.dims.nsteps[axis]):
        viewer.dims.set_current_step(axis, step)
        inside = 0 <= round(viewer.dims.point[axis]) < T
        assert display.working_index() == (seen(viewer) if inside else None)


@pytest.mark.parametrize("other", ["finer", "earlier"])
def test_keys_and_buttons_act_on_the_frame_that_is_seen(opened, viewer, other):
    add(viewer, opened, other)
    keeper, section = opened.bench.keeper, opened.sections["label"]
    viewer.dims.set_point(0, 3.0)
    for index in (3, 6, 7):
        keeper.put(index, square())
    press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert [keeper.mask(index).any() for index in (3, 6, 7)] == [False, True, True]
    viewer.dims.set_point(0, 6.0)
    section.clear.click()
    assert keeper.labelled == (7,)
    viewer.dims.set_point(0, 2.0)
    section.empty.click()
    assert keeper.labelled == (2, 7)
    keeper.propose(4, square(2))
    viewer.dims.set_point(0, 4.0)
    section.proposals.refresh()
    section.proposals.accept.click()
    assert keeper.labelled == (2, 4, 7)


def test_nothing_is_undone_or_removed_where_the_video_has_no_frame(opened, viewer, monkeypatch):
    told = []
    monkeypatch.setattr("glissile.widgets._label_keeper.show_info", told.append)
    add(viewer, opened, "earlier")
    keeper = opened.bench.keeper
    for index in (0, T - 1):
        keeper.put(index, square())
    for before, beyond in ((0, -3.0), (T - 1, 20.0)):
        opened.bench.display.go_to(before)
        viewer.dims.set_point(0, beyond)
        assert opened.bench.display.working_index() is None
        press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        opened.sections["label"].clear.click()
        opened.sections["label"].empty.click()
    assert keeper.labelled == (0, T - 1)
    assert keeper.mask(T - 1).any()
    assert told == ["Nothing to undo: the video has no frame here"] * 2
