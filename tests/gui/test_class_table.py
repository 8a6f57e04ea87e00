"""Adding classes, up to as many as a mask can hold."""

import pytest
from qtpy.QtCore import Qt

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.widgets.sections.class_table import ClassTable


@pytest.fixture
def table(qtbot):
    table = ClassTable()
    qtbot.addWidget(table)
    table.value_changed.connect(table.set_value)
    table.set_value(DEFAULT_CLASSES)
    return table


def test_classes_are_added_until_the_masks_hold_no_more(table, qtbot):
    for _ in range(30):
        table.add.click()
    classes = table.value()
    assert [c.value for c in classes] == list(range(1, 33))
    assert len({c.key for c in classes}) == 32
    assert len({c.color for c in classes}) == 32
    assert table.add.isEnabled()
    last = DefectClass(value=255, name="last", color="#123456")
    table.set_value((*classes, last))
    assert not table.add.isEnabled()
    assert table.add.toolTip() == "The masks hold no class after 255"
    qtbot.mouseClick(table.add, Qt.MouseButton.LeftButton)
    assert table.value()[-1] == last
    table.set_value(classes)
    assert table.add.isEnabled()
    assert table.add.toolTip() == ""


def test_a_new_class_takes_neither_value_nor_name_of_another(table):
    second = DefectClass(value=2, name="class 3", color="#ffffff")
    first = DefectClass(value=1, name="line", color="#000000")
    table.set_value((second, first))
    table.add.click()
    assert table.value()[-1].value == 3
    assert table.value()[-1].name == "class 4"
