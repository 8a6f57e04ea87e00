"""Thumbnails of seeds side by side, in as many columns as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QListView, QListWidget, QListWidgetItem

from glissile.widgets.gan._thumbnails import icon_of, no_picture

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from qtpy.QtGui import QPixmap

THUMBNAIL_PX = 72
_BESIDE_PX = 8  # room of a thumbnail, beyond its own
# Blue of Okabe and Ito (2008), as of what else is chosen in a dock.
_STYLE = "QListWidget::item:selected { background-color: #0072b2; color: white; }"
_SEED = Qt.ItemDataRole.UserRole


class SampleGrid(QListWidget):  # type: ignore[misc]  # qtpy brings no types
    """Thumbnails with their seeds below; as high as they need, so that nothing scrolls within the dock."""

    chosen = Signal(int)  # seed that was clicked, or gone to by a key
    taken = Signal(int)  # seed that was double-clicked
    pressed_pin = Signal(int)
    pressed_copy = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setIconSize(QSize(THUMBNAIL_PX, THUMBNAIL_PX))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setAccessibleName("Samples")
        self.setStyleSheet(_STYLE)
        self.itemClicked.connect(lambda item: self.chosen.emit(item.data(_SEED)))
        self.itemDoubleClicked.connect(lambda item: self.taken.emit(item.data(_SEED)))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that are shown."""
        return tuple(self.item(row).data(_SEED) for row in range(self.count()))

    @property
    def selected(self) -> int | None:
        """Selected seed."""
        item = self.currentItem()
        return None if item is None else int(item.data(_SEED))

    def set_seeds(self, seeds: Sequence[int], pinned: Container[int]) -> None:
        """Show seeds, without pictures where they are new."""
        with QSignalBlocker(self):
            if self.seeds != tuple(seeds):
                self.clear()
                nothing = icon_of(no_picture(THUMBNAIL_PX))
                for seed in seeds:
                    item = QListWidgetItem(nothing, "", self)
                    item.setData(_SEED, seed)
            for row, seed in enumerate(seeds):
                item = self.item(row)
                item.setText(f"★ {seed}" if seed in pinned else str(seed))
                about = ", pinned" if seed in pinned else ""
                item.setToolTip(f"Seed {seed}{about}. Click: show it. Double click: add it to the walk")
        self._fit()

    def set_picture(self, seed: int, picture: QPixmap) -> None:
        """Show the picture of a seed, where the seed is shown."""
        for row, shown in enumerate(self.seeds):
            if shown == seed:
                self.item(row).setIcon(icon_of(picture))

    def select(self, seed: int | None) -> None:
        """Select a seed, or none where it is not shown."""
        seeds = self.seeds
        with QSignalBlocker(self):
            self.setCurrentRow(seeds.index(seed) if seed in seeds else -1)
            if self.currentRow() < 0:
                self.clearSelection()
        self.viewport().update()

    def seed_at(self, position: Any) -> int | None:
        """Give the seed at a place in the widget."""
        item = self.itemAt(position)
        return None if item is None else int(item.data(_SEED))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Go from sample to sample by the arrow keys; copy, pin and take the selected one."""
        before = self.selected
        if before is not None and event.matches(QKeySequence.StandardKey.Copy):
            self.pressed_copy.emit(before)
        elif before is not None and event.key() == Qt.Key.Key_P:
            self.pressed_pin.emit(before)
        elif before is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.taken.emit(before)
        else:
            super().keyPressEvent(event)
            if self.selected is not None and self.selected != before:
                self.chosen.emit(self.selected)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Fill the width."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Follow the size of napari's font."""
        super().changeEvent(event)
        self._fit()

    def _fit(self) -> None:
        least = THUMBNAIL_PX + _BESIDE_PX
        width = max(self.viewport().width() - 1, least)
        columns = width // least
        rows = max(-(-self.count() // columns), 1)
        height = least + self.fontMetrics().height()
        self.setGridSize(QSize(width // columns, height))
        self.setFixedHeight(rows * height + 2 * self.frameWidth() + 2)
