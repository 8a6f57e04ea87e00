"""Objects of the Labels layer erased, changed and filled by a click, in a real napari."""

import numpy as np
import pytest
import tifffile
from idling import idle
from mousing import mouse, press_key

from glissile.experiment import Experiment

T, Y, X = 5, 60, 80


@pytest.fixture
def opened(dock, tmp_path, qtbot):
    path = tmp_path / "video.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(90, 160, (T, Y, X), dtype=np.uint8))
    dock.bench.open_video(path)
    idle(dock, qtbot)
    mask = np.zeros((Y, X), np.uint8)
    mask[10:12, 10:70] = 1
    mask[30:33, 10:70] = 1
    mask[50:52, 20:40] = 2
    for index in (0, 1):
        dock.bench.keeper.put(index, mask)
    dock.sections["label"].primary.click()
    return dock


def click(dock, y, x, t=0):
    layer = dock.bench.keeper.layer
    mouse(layer, layer.mouse_drag_callbacks, (t, y, x))


def take(dock, key):
    press_key(dock.bench.keeper.layer, key)
    assert dock.sections["label"].tools.buttons[key].isChecked()


def on_disk(dock, index):
    assert dock.bench.keeper.flush()
    with Experiment.open(dock.bench.study.experiment.folder, read_only=True) as experiment:
        return experiment.labels_or_none().read(index)


def test_an_object_is_erased_on_this_frame_alone_and_that_is_saved(opened):
    before = opened.bench.keeper.mask(0).copy()
    take(opened, "D")
    click(opened, 31, 40)
    found = on_disk(opened, 0)
    assert not found[30:33].any()
    np.testing.assert_array_equal(np.delete(found, (30, 31, 32), axis=0), np.delete(before, (30, 31, 32), 0))
    np.testing.assert_array_equal(on_disk(opened, 1), before)
    opened.bench.keeper.undo(0)
    np.testing.assert_array_equal(on_disk(opened, 0), before)


def test_an_object_takes_the_class_that_is_chosen(opened):
    opened.bench.keeper.layer.selected_label = 2
    take(opened, "C")
    click(opened, 11, 40)
    assert (on_disk(opened, 0)[10:12, 10:70] == 2).all()
    assert (on_disk(opened, 0)[30:33, 10:70] == 1).all()


def test_between_two_edges_is_filled(opened):
    take(opened, "G")
    click(opened, 20, 40)
    assert (on_disk(opened, 0)[10:33, 12:68] == 1).all()
    assert not on_disk(opened, 0)[34:49].any()


@pytest.mark.parametrize("key", ["D", "C", "G"])
def test_a_click_on_nothing_says_so_and_changes_nothing(opened, monkeypatch, key):
    told = []
    monkeypatch.setattr("glissile.widgets.sections.label_tools.show_info", told.append)
    before = opened.bench.keeper.mask(0).copy()
    take(opened, key)
    click(opened, 57, 75)
    assert len(told) == 1
    np.testing.assert_array_equal(opened.bench.keeper.mask(0), before)


def test_one_tool_takes_the_place_of_another_and_escape_gives_the_brush_back(opened):
    tools, layer = opened.sections["label"].tools, opened.bench.keeper.layer
    for key in ("D", "T", "G", "O", "C"):
        take(opened, key)
        assert [k for k, button in tools.buttons.items() if button.isChecked()] == [key]
        assert not tools.hint.isHidden()
        assert tools.hint.text() == tools.buttons[key].property("how")
        assert len([c for c in layer.mouse_drag_callbacks if "_on_press" in repr(c)]) == 1
    press_key(layer, "Escape")
    assert not tools.taken
    assert tools.hint.isHidden()
    assert layer.mode == "paint"
    assert not [c for c in layer.mouse_drag_callbacks if "_on_press" in repr(c)]


def test_nothing_happens_where_labels_may_not_be_painted(opened):
    before = opened.bench.keeper.mask(0).copy()
    take(opened, "D")
    opened.bench.keeper.layer.editable = False
    click(opened, 31, 40)
    np.testing.assert_array_equal(opened.bench.keeper.mask(0), before)


def test_an_object_of_the_labelled_frame_before_is_brought_here(opened, viewer):
    display, keeper = opened.bench.display, opened.bench.keeper
    changed = np.zeros((Y, X), np.uint8)
    changed[40:42, 5:20] = 2
    keeper.put(3, changed)
    display.go_to(2)
    take(opened, "O")
    shown = viewer.layers["Labels of another frame"]
    np.testing.assert_array_equal(shown.data, keeper.mask(1))
    click(opened, 11, 40, t=2)
    found = on_disk(opened, 2)
    assert (found[10:12, 10:70] == 1).all()
    assert np.count_nonzero(found) == 2 * 60
    display.go_to(4)
    np.testing.assert_array_equal(shown.data, changed)
    display.go_to(0)
    np.testing.assert_array_equal(shown.data, keeper.mask(1))
    press_key(keeper.layer, "Escape")
    assert "Labels of another frame" not in viewer.layers
    keeper.undo(2)
    assert not keeper.mask(2).any()
    assert 2 not in keeper.labelled
