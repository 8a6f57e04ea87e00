"""Key frames of a walk: their pictures in a row, and the buttons that change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from glissile.gan.points import ws_of
from glissile.gan.thumbnails import exact_pixels, reduced
from glissile.widgets.gan._kept_walks import KeptWalks
from glissile.widgets.gan._resolve_picture import picture_text
from glissile.widgets.gan.key_row import PICTURE_PX, KeyRow
from glissile.widgets.gan.key_sources import KeySources, dropped_keys

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from glissile.gan.look import Look
    from glissile.gan.points import Point
    from glissile.gan.sampler import Sampler
    from glissile.widgets.gan._resolve_walk import WalkControls
    from glissile.widgets.gan.state import GeneratorState

# Of each button, what it does where it can.
_TOOLTIPS = {
    "add": "Make the picture that is looked at the next key frame, with its edits",
    "left": "Earlier in the walk",
    "right": "Later in the walk",
    "remove": "Take the selected key frame out of the walk",
    "clear": "Take all key frames out; “Undo” and “Earlier walks” bring them back",
    "undo": "Take the last change of the key frames back (Ctrl+Z in the row)",
    "read": "Take the key frames of a file that was exported: latents, images, a walk. Or drop it on the row",
}

_MOST_UNDONE = 100


class KeyFrames(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Shows and changes the key frames of a state.

    Parameters
    ----------
    state : GeneratorState
        Has the key frames; its worker pictures them.
    kept : KeptWalks, optional
        Where they are kept. Default: with the user's settings.

    Attributes
    ----------
    selected : int, optional
        Index of the selected key frame.
    """

    chosen = Signal(int)  # index of what was clicked, or gone to by a key
    selection_changed = Signal()

    def __init__(self, state: GeneratorState, kept: KeptWalks | None = None) -> None:
        super().__init__()
        self._state = state
        self._look = state.look  # of the pictures
        self._pictures: dict[Point, NDArray[np.uint8]] = {}
        self._failed: set[Point] = set()  # since the last change
        self.selected: int | None = None
        self._keys = state.keys
        self._before: list[tuple[Point, ...]] = []  # what "Undo" brings back, the last one last
        self.row = KeyRow()
        self.row.setToolTip("Click: go to the key frame. Drag: change the order. Delete: remove")
        self.row.chosen.connect(self._choose)
        self.row.dragged.connect(self._drag)
        self.row.removed.connect(state.remove_key)
        self.row.undone.connect(self._undo)
        self.row.currentRowChanged.connect(self._select)
        self.add = QPushButton("Add picture")
        self.add.clicked.connect(self._add)
        self.left = _arrow(Qt.ArrowType.LeftArrow, _TOOLTIPS["left"])
        self.left.clicked.connect(lambda: self._move(-1))
        self.right = _arrow(Qt.ArrowType.RightArrow, _TOOLTIPS["right"])
        self.right.clicked.connect(lambda: self._move(1))
        self.remove = QPushButton("Remove")
        self.remove.clicked.connect(self._remove)
        self.clear = QPushButton("Clear")
        self.clear.clicked.connect(lambda: state.set_keys(()))
        self.undo = QPushButton("Undo")
        self.undo.clicked.connect(self._undo)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add, 1)
        for widget in (self.left, self.right, self.remove, self.clear, self.undo):
            buttons.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.row)
        column.addLayout(buttons)
        self.sources = KeySources(state, kept or KeptWalks())
        self.read = self.sources.read
        column.addWidget(self.sources)
        self.setAcceptDrops(True)
        state.network_changed.connect(self._on_network)
        state.look_changed.connect(self._on_look)
        state.dropped.connect(self._ask_picture)
        state.keys_changed.connect(self._on_keys)
        self._show()

    @property
    def undoable(self) -> bool:
        """Whether a change can be taken back."""
        return bool(self._before)

    def show_controls(self, controls: WalkControls) -> None:
        """Show what can be done."""
        for name, tooltip in _TOOLTIPS.items():
            reason = getattr(controls, name)
            button = getattr(self, name)
            button.setEnabled(not reason)
            button.setToolTip(reason or tooltip)

    def _choose(self, index: int) -> None:
        self.row.setCurrentRow(index)
        self.chosen.emit(index)

    def _select(self, row: int) -> None:
        """Take what is highlighted as what is selected."""
        self.selected = row if row >= 0 else None
        self.selection_changed.emit()

    def _add(self) -> None:
        point = self._state.edited_point()
        if point is not None:
            self.selected = len(self._state.keys)
            self._state.add_key(point)

    def _remove(self) -> None:
        if self.selected is not None:
            self._state.remove_key(self.selected)

    def _move(self, by: int) -> None:
        if self.selected is not None:
            self._drag(self.selected, self.selected + by)

    def _undo(self) -> None:
        if self._before:
            self._keys = self._before.pop()
            self._state.set_keys(self._keys)

    def _drag(self, index: int, to: int) -> None:
        self.selected = to
        self._state.move_key(index, to)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take files that were exported."""
        if self.read.isEnabled() and dropped_keys(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Read the file."""
        path = dropped_keys(event.mimeData())
        if path is not None:
            event.acceptProposedAction()
            self.sources.read_file(path)

    # what is shown

    def _on_network(self) -> None:
        """Begin with the key frames of another generator."""
        self._keys = self._state.keys
        self._before.clear()
        self._forget_pictures()

    def _on_keys(self) -> None:
        keys = self._state.keys
        if keys != self._keys:
            self._before.append(self._keys)
            del self._before[:-_MOST_UNDONE]
            self._keys = keys
        self._show()

    def _show(self) -> None:
        keys = self._state.keys
        self._failed.clear()
        if self.selected is not None and self.selected >= len(keys):
            self.selected = len(keys) - 1 if keys else None
        self.row.set_titles([key.title for key in keys], self.selected)
        card = self._state.card
        if card is not None:
            self.row.set_tips([picture_text(key, card, edited=False) for key in keys])
        for index, key in enumerate(keys):
            if key in self._pictures:
                self.row.set_picture(index, self._pictures[key])
        self._ask_picture()

    def _forget_pictures(self) -> None:
        self._look = self._state.look
        self._pictures.clear()
        self._show()

    def _on_look(self) -> None:
        """Picture the key frames anew where noise is another; they keep the truncation they came with."""
        if self._state.look != self._look:
            self._forget_pictures()

    def _ask_picture(self) -> None:
        """Have the next key frame pictured that has no picture yet."""
        known = self._pictures.keys() | self._failed
        point = next((key for key in self._state.keys if key not in known), None)
        if point is not None:
            look = self._state.look
            self._state.generate(
                "key frames",
                lambda sampler: _picture(sampler, point, look),
                lambda pixels: self._take_picture(point, look, pixels),
                lambda: self._leave_out(point),
            )

    def _leave_out(self, point: Point) -> None:
        """Go on with the next picture; this one is tried again with the next change."""
        self._failed.add(point)
        self._ask_picture()

    def _take_picture(self, point: Point, look: Look, pixels: NDArray[np.uint8]) -> None:
        if look == self._state.look:
            self._pictures[point] = pixels
            for index, key in enumerate(self._state.keys):
                if key == point:
                    self.row.set_picture(index, pixels)
        self._ask_picture()


def _picture(sampler: Sampler, point: Point, look: Look) -> NDArray[np.uint8]:
    return reduced(exact_pixels(sampler, ws_of(sampler, [point])[0], look), 2 * PICTURE_PX)


def _arrow(direction: Qt.ArrowType, name: str) -> QToolButton:
    button = QToolButton()
    button.setArrowType(direction)
    button.setAccessibleName(name)
    return button
