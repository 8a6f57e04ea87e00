"""Key frames of a walk as pictures in a row, dragged into another order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QListView, QListWidget, QListWidgetItem, QStyledItemDelegate

from glissile.widgets.gan._thumbnails import icon_of, no_picture, pixmap_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

PICTURE_PX = 64


class KeyRow(QListWidget):  # type: ignore[misc]  # qtpy brings no types
    """Pictures with their titles below, from left to right."""

    chosen = Signal(int)  # index of what was clicked, or gone to by a key
    dragged = Signal(int, int)  # from an index to another
    removed = Signal(int)  # index at which Delete was pressed
    undone = Signal()  # Ctrl+Z

    def __init__(self) -> None:
        super().__init__()
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setIconSize(QSize(PICTURE_PX, PICTURE_PX))
        self.setItemDelegate(_PictureAbove(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Key frames")
        # Queued: Qt is still in the midst of the drop.
        self.model().rowsMoved.connect(self._on_moved, Qt.ConnectionType.QueuedConnection)
        self.itemClicked.connect(lambda item: self.chosen.emit(self.row(item)))
        self._fit()

    @property
    def selected(self) -> int | None:
        """Index of the selected key frame."""
        row = self.currentRow()
        return row if row >= 0 else None

    def set_titles(self, titles: Sequence[str], selected: int | None) -> None:
        """Show key frames, without pictures yet where they are new."""
        blocked = self.blockSignals(True)
        if [self.item(row).text() for row in range(self.count())] != list(titles):
            self.clear()
            for title in titles:
                item = QListWidgetItem(icon_of(no_picture(PICTURE_PX)), title, self)
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsDropEnabled)
        self.setCurrentRow(-1 if selected is None else selected)
        self.blockSignals(blocked)

    def set_tips(self, tips: Sequence[str]) -> None:
        """Tell of each key frame what its title has no room for."""
        for row, tip in enumerate(tips):
            self.item(row).setToolTip(tip)

    def set_picture(self, index: int, pixels: NDArray[np.uint8]) -> None:
        """Show the picture (y, x) or (y, x, 3) of a key frame."""
        self.item(index).setIcon(icon_of(pixmap_of(pixels, PICTURE_PX)))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Go along the row by the arrow keys, remove by Delete, and take back by Ctrl+Z."""
        row = self.selected
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undone.emit()
            return
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and row is not None:
            self.removed.emit(row)
            return
        super().keyPressEvent(event)
        if self.selected is not None and self.selected != row:
            self.chosen.emit(self.selected)

    def event(self, event: Any) -> bool:
        """Have Ctrl+Z before napari has it."""
        if event.type() == QEvent.Type.ShortcutOverride and event.matches(QKeySequence.StandardKey.Undo):
            event.accept()
            return True
        return bool(super().event(event))

    def changeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Follow the size of napari's font."""
        super().changeEvent(event)
        self._fit()

    def _fit(self) -> None:
        text, bar = self.fontMetrics().height(), self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(PICTURE_PX + text + bar + 10)

    def _on_moved(self, parent: Any, first: int, last: int, into: Any, row: int) -> None:
        self.dragged.emit(first, row - 1 if row > first else row)


class _PictureAbove(QStyledItemDelegate):  # type: ignore[misc]
    """Draws the text of an item below its picture."""

    def initStyleOption(self, option: Any, index: Any) -> None:  # noqa: N802 - Qt's name
        super().initStyleOption(option, index)
        option.decorationPosition = option.Position.Top
        option.decorationAlignment = Qt.AlignmentFlag.AlignHCenter
        option.displayAlignment = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        option.textElideMode = Qt.TextElideMode.ElideRight

    def sizeHint(self, option: Any, index: Any) -> QSize:  # noqa: N802 - Qt's name
        """Give each picture the same room, whatever its title."""
        return QSize(PICTURE_PX + 12, PICTURE_PX + option.fontMetrics.height() + 8)
