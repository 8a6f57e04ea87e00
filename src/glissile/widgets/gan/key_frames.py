"""Key frames of a walk: their pictures in a row, and the buttons that change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from glissile.gan.points import ws_of
from glissile.gan.thumbnails import exact_pixels, reduced
from glissile.widgets.gan.key_row import PICTURE_PX, KeyRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glissile.gan.points import Point
    from glissile.gan.provenance import Look
    from glissile.gan.sampler import Sampler
    from glissile.widgets.gan._resolve_walk import WalkControls
    from glissile.widgets.gan.state import GeneratorState

# Of each button, what it does where it can.
_TOOLTIPS = {
    "add": "Make the picture that is looked at the next key frame, with its edits",
    "left": "Earlier in the walk",
    "right": "Later in the walk",
    "remove": "Take the selected key frame out of the walk",
    "clear": "Take all key frames out",
}


class KeyFrames(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Shows and changes the key frames of a state.

    Parameters
    ----------
    state : GeneratorState
        Has the key frames; its worker pictures them.

    Attributes
    ----------
    selected : int, optional
        Index of the selected key frame.
    """

    chosen = Signal(int)  # index of what was clicked, or gone to by a key

    def __init__(self, state: GeneratorState) -> None:
        super().__init__()
        self._state = state
        self._pictures: dict[Point, NDArray[np.uint8]] = {}
        self.selected: int | None = None
        self.row = KeyRow()
        self.row.setToolTip("Click: go to the key frame. Drag: change the order. Delete: remove")
        self.row.chosen.connect(self._choose)
        self.row.dragged.connect(self._drag)
        self.row.removed.connect(state.remove_key)
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
        buttons = QHBoxLayout()
        buttons.addWidget(self.add, 1)
        for widget in (self.left, self.right, self.remove, self.clear):
            buttons.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.row)
        column.addLayout(buttons)
        state.network_changed.connect(self._forget_pictures)
        state.look_changed.connect(self._forget_pictures)
        state.keys_changed.connect(self._show)
        self._show()

    def show_controls(self, controls: WalkControls) -> None:
        """Show what can be done."""
        for name, tooltip in _TOOLTIPS.items():
            reason = getattr(controls, name)
            button = getattr(self, name)
            button.setEnabled(not reason)
            button.setToolTip(reason or tooltip)

    def _choose(self, index: int) -> None:
        self.selected = index
        self.row.setCurrentRow(index)
        self.chosen.emit(index)

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

    def _drag(self, index: int, to: int) -> None:
        self.selected = to
        self._state.move_key(index, to)

    # what is shown

    def _show(self) -> None:
        keys = self._state.keys
        if self.selected is not None and self.selected >= len(keys):
            self.selected = len(keys) - 1 if keys else None
        self.row.set_titles([key.title for key in keys], self.selected)
        for index, key in enumerate(keys):
            if key in self._pictures:
                self.row.set_picture(index, self._pictures[key])
        self._ask_picture()

    def _forget_pictures(self) -> None:
        self._pictures.clear()
        self._show()

    def _ask_picture(self) -> None:
        """Have the next key frame pictured that has no picture yet."""
        point = next((key for key in self._state.keys if key not in self._pictures), None)
        if point is not None:
            look = self._state.look
            self._state.generate(
                "key frames",
                lambda sampler: _picture(sampler, point, look),
                lambda pixels: self._take_picture(point, look, pixels),
            )

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
