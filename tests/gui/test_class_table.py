"""Adding classes, up to as many as a mask can hold."""

import numpy as np
import pytest
import tifffile
from idling import idle
from qtpy.QtCore import Qt

from glissile import workflow
from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.widgets.sections.class_table import ClassTable


@pytest.fixture
def table(qtbot):
    table = ClassTable()
    qtbot.addWidget(table)
    table.value_changed.connect(lambda classes: shown(table, classes))
    shown(table, DEFAULT_CLASSES)
    return table


def shown(table, classes):
    table.set_value(classes, max(c.value for c in classes))


def test_classes_are_added_until_the_masks_hold_no_more(table, qtbot):
    for _ in range(30):
        table.add.click()
    classes = table.value()
    assert [c.value for c in classes] == list(range(1, 33))
    assert len({c.key for c in classes}) == 32
    assert len({c.color for c in classes}) == 32
    assert table.add.isEnabled()
    last = DefectClass(value=255, name="last", color="#123456")
    shown(table, (*classes, last))
    assert not table.add.isEnabled()
    assert table.add.toolTip() == "The masks hold no class after 255"
    qtbot.mouseClick(table.add, Qt.MouseButton.LeftButton)
    assert table.value()[-1] == last
    table.set_value(classes, 255)  # that one was removed
    assert not table.add.isEnabled()
    shown(table, classes)
    assert table.add.isEnabled()
    assert table.add.toolTip() == ""


def test_a_new_class_takes_neither_value_nor_name_of_another(table):
    second = DefectClass(value=2, name="class 3", color="#ffffff")
    first = DefectClass(value=1, name="line", color="#000000")
    shown(table, (second, first))
    table.add.click()
    assert table.value()[-1].value == 3
    assert table.value()[-1].name == "class 4"


def test_a_new_class_does_not_take_the_value_of_one_that_was_removed(table):
    table.set_value(DEFAULT_CLASSES, 7)
    table.add.click()
    assert table.value()[-1].value == 8


def test_after_a_class_was_removed_its_value_is_not_given_again_and_curves_go_on(dock, tmp_path, qtbot):
    shape = 6, 20, 40
    tifffile.imwrite(tmp_path / "video.tif", np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8))
    mask = np.zeros(shape[1:], np.uint8)
    mask[3], mask[9:11] = 1, 2
    with workflow.create(tmp_path / "video.tif", tmp_path / "video") as experiment:
        origins = {str(n): [0.0, 0.0] for n in range(shape[0])}
        store = experiment.new_segmentation(shape, {"model": "abc", "origins_px": origins})
        for n in range(shape[0]):
            store.write(n, mask)
        folder = experiment.folder
    dock.bench.open_folder(folder)
    idle(dock, qtbot)
    table = dock.sections["label"].classes
    table.chosen.emit(2)
    table.remove.click()
    idle(dock, qtbot)
    qtbot.waitUntil(lambda: len(dock.bench.state.table) == shape[0])
    assert dock.bench.state.table["dislocation_px"].tolist() == [40] * shape[0]
    table.add.click()
    idle(dock, qtbot)
    assert [c.value for c in dock.bench.study.experiment.document.classes] == [1, 3]
    qtbot.waitUntil(lambda: "class_3_px" in dock.bench.state.table)
    assert dock.bench.state.table["class_3_px"].tolist() == [0] * shape[0]
