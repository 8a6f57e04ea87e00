"""The table of labelled frames, beside a keeper that only answers."""

import numpy as np
import pytest

from glissile.defects import DEFAULT_CLASSES
from glissile.widgets.sections import label_table
from glissile.widgets.sections.label_table import LabelTable

FRAMES = 2000


class Labels:
    """Frame i has i pixels of the first class."""

    def __init__(self, labelled):
        self.labelled = tuple(labelled)

    def mask(self, index):
        return (np.arange(FRAMES).reshape(40, 50) < index).astype(np.uint8)


@pytest.fixture
def counted(monkeypatch):
    """How often pixels were counted."""
    calls, count = [], label_table.area_counts
    monkeypatch.setattr(label_table, "area_counts", lambda *a: calls.append(None) or count(*a))
    return calls


@pytest.fixture
def table(qtbot):
    table = LabelTable()
    qtbot.addWidget(table)
    return table


def fill(table, labels):
    table.show_labels(labels, [100 + index for index in range(FRAMES)], DEFAULT_CLASSES)


def texts(table, row):
    model = table.model()
    return [model.data(model.index(row, column)) for column in range(model.columnCount())]


def selected(table):
    return [place.row() for place in table.selectionModel().selectedRows()]


def test_rows_tell_frames_and_pixels_and_lead_to_the_frames(table, qtbot, qtmodeltester):
    fill(table, Labels((3, 40)))
    assert [texts(table, row) for row in range(2)] == [["103", "3", "0"], ["140", "40", "0"]]
    names = [table.model().headerData(column, label_table.Qt.Orientation.Horizontal) for column in range(3)]
    assert names == ["frame", *(c.name for c in DEFAULT_CLASSES)]
    with qtbot.waitSignal(table.chosen) as chosen:
        table.clicked.emit(table.model().index(1, 2))
    assert chosen.args == [40]
    qtmodeltester.check(table.model())


def test_only_rows_that_are_seen_are_counted_and_only_once(table, qtbot, counted):
    fill(table, Labels(range(FRAMES)))
    table.show()
    qtbot.waitExposed(table)
    table.grab()
    seen = len(counted)
    assert 0 < seen < 40
    table.grab()
    assert len(counted) == seen


def test_frames_come_go_and_change_and_the_one_that_is_looked_at_stays_marked(table, qtbot, counted):
    labels = Labels((3, 40))
    fill(table, labels)
    table.select_frame(40)
    assert selected(table) == [1]
    texts(table, 0), texts(table, 1)
    for index in (*range(50, 150), 7):  # a hundred strokes are shown together
        labels.labelled = tuple(sorted({*labels.labelled, index}))
        table.renew(index)
    assert table.model().rowCount() == 2
    qtbot.waitUntil(lambda: table.model().rowCount() == 103)
    assert selected(table) == [2]
    labels.mask = lambda index: np.full((4, 5), 2, np.uint8)
    table.renew(3)
    qtbot.waitUntil(lambda: texts(table, 0) == ["103", "0", "20"])
    assert texts(table, 2) == ["140", "40", "0"]
    labels.labelled = (3,)
    table.renew(40)
    qtbot.waitUntil(lambda: table.model().rowCount() == 1)
    assert selected(table) == []
    table.show_labels(None, (), ())
    assert table.model().rowCount() == 0


def test_a_value_of_no_class_is_not_counted(table):
    labels = Labels((3,))
    labels.mask = lambda index: np.full((4, 5), 77, np.uint8)
    fill(table, labels)
    assert texts(table, 0) == ["103", "?", "?"]
