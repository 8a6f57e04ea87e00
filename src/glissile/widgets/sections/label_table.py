"""The table of labelled frames, with the pixels of each class."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, QTimer, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from glissile.errors import InputError
from glissile.quantify.measure import area_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glissile.defects import DefectClass
    from glissile.widgets._label_keeper import LabelKeeper

_HEIGHT_PX = 150
_LEAST_COLUMN_PX = 60  # of many classes, those that find no room are scrolled to
# Frames that come quicker than this are not each shown.
_RENEW_EVERY_MS = 100


class LabelledFrames(QAbstractTableModel):  # type: ignore[misc]  # qtpy brings no types
    """One row per labelled frame, in order; its pixels are counted once someone looks at it.

    Attributes
    ----------
    frames : tuple of int
        Indices along t of the rows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frames: tuple[int, ...] = ()
        self._keeper: LabelKeeper | None = None
        self._frame_numbers: Sequence[int] = ()
        self._classes: tuple[DefectClass, ...] = ()
        self._counts: dict[int, Mapping[str, int]] = {}  # by index along t, pixels by class key

    def show(
        self, keeper: LabelKeeper | None, frame_numbers: Sequence[int], classes: tuple[DefectClass, ...]
    ) -> None:
        """List the labels of a study; None shows nothing."""
        self.beginResetModel()
        self._keeper, self._frame_numbers, self._classes = keeper, frame_numbers, classes
        self._counts = {}
        self.frames = () if keeper is None else keeper.labelled
        self.endResetModel()

    def renew(self, frames: set[int]) -> None:
        """Count the pixels of some frames again, of which some may be labelled no more or only now."""
        for index in frames:
            self._counts.pop(index, None)
        labelled = () if self._keeper is None else self._keeper.labelled
        if labelled != self.frames:
            self.beginResetModel()
            self.frames = labelled
            self.endResetModel()
        elif self.frames:
            last = self.index(len(self.frames) - 1, len(self._classes))
            self.dataChanged.emit(self.index(0, 0), last)

    def row_of(self, index: int | None) -> int | None:
        """Row of a frame by its index along t; None where it has none."""
        row = 0 if index is None else bisect_left(self.frames, index)
        return row if row < len(self.frames) and self.frames[row] == index else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Count the labelled frames; a cell has nothing below it."""
        return 0 if parent is not None and parent.isValid() else len(self.frames)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Count the frame's number and the classes; a cell has nothing below it."""
        return 0 if parent is not None and parent.isValid() else 1 + len(self._classes)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        """Name a column."""
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return self._classes[section - 1].name if section else "frame"

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Say a frame's number, or its pixels of a class."""
        if role != Qt.ItemDataRole.DisplayRole or index.row() >= len(self.frames):
            return None
        frame = self.frames[index.row()]
        if index.column() == 0:
            return str(self._frame_numbers[frame])
        return str(self._pixels(frame).get(self._classes[index.column() - 1].key, "?"))

    def _pixels(self, frame: int) -> Mapping[str, int]:
        if frame not in self._counts and self._keeper is not None:
            try:
                self._counts[frame] = area_counts(self._keeper.mask(frame), self._classes)
            except InputError:  # a value of no class; the overlay shows it in a colour of its own
                self._counts[frame] = {}
        return self._counts.get(frame, {})


class LabelTable(QTableView):  # type: ignore[misc]  # qtpy brings no types
    """Shows the labelled frames; one that is clicked is chosen."""

    chosen = Signal(int)  # index along t

    def __init__(self) -> None:
        super().__init__()
        self._frames = LabelledFrames()
        self._shown: int | None = None
        self._changed: set[int] = set()
        self.setModel(self._frames)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(_LEAST_COLUMN_PX)
        self.setFixedHeight(_HEIGHT_PX)
        self.setToolTip("Labelled frames, with the pixels of each class; click one to look at it")
        self.clicked.connect(lambda place: self.chosen.emit(self._frames.frames[place.row()]))
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_RENEW_EVERY_MS)
        self._soon.timeout.connect(self._renew)

    def show_labels(
        self, keeper: LabelKeeper | None, frame_numbers: Sequence[int], classes: tuple[DefectClass, ...]
    ) -> None:
        """List the labels of a study, under the names of its classes; None shows nothing."""
        self._frames.show(keeper, frame_numbers, classes)
        self.select_frame(self._shown)

    def renew(self, index: int) -> None:
        """Show in a moment what is labelled on a frame now."""
        self._changed.add(index)
        if not self._soon.isActive():
            self._soon.start()

    def select_frame(self, index: int | None) -> None:
        """Mark the row of the frame that is looked at."""
        self._shown = index
        row = self._frames.row_of(index)
        if row is None:
            self.clearSelection()
        else:
            self.selectRow(row)

    def _renew(self) -> None:
        changed, self._changed = self._changed, set()
        self._frames.renew(changed)
        self.select_frame(self._shown)
