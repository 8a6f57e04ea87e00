"""A slider for a number, with its title, its value and a line of small print."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget
from superqt import QDoubleSlider

from glissile.widgets._form import WheelGuard
from glissile.widgets.sections.section import words

_STEPS = 200
_LEAST = 1e-30  # that has a logarithm
# napari's own sheet shows what is disabled as if it could be used.
_STYLE = """
QSlider::groove:horizontal:disabled { background-color: rgba(127, 127, 127, 40); }
QSlider::sub-page:horizontal:disabled, QSlider::add-page:horizontal:disabled { background: transparent; }
QSlider::handle:horizontal:disabled { background-color: rgba(127, 127, 127, 60); }
QLabel:disabled, QCheckBox:disabled { color: rgba(127, 127, 127, 180); }
QCheckBox::indicator:disabled { background-color: rgba(127, 127, 127, 40); }
"""


class ValueSlider(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """One number.

    Parameters
    ----------
    title : str
        Beside the slider.
    low, high : float
        Its range.
    ends : tuple of str, optional
        Its range in words. With it there is a box, too, that tells if the number is set by the user, and room
        for a note below.
    widest : str
        A text of the number for which room is kept.
    logarithmic : bool
        Equal ways multiply the number; its range is above 0.
    """

    moved = Signal(float)  # by the user
    freed = Signal()  # the box was cleared by the user

    def __init__(
        self,
        title: str,
        low: float,
        high: float,
        *,
        ends: tuple[str, str] | None = None,
        widest: str = "",
        logarithmic: bool = False,
    ) -> None:
        super().__init__()
        self._widest, self._logarithmic = widest, logarithmic
        low, high = self._place(low), self._place(high)
        self.box = None if ends is None else QCheckBox(title)
        name: QWidget = QLabel(title) if self.box is None else self.box
        self.slider = QDoubleSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(low, high)
        self.slider.setSingleStep((high - low) / _STEPS)
        self.slider.setPageStep(10 * (high - low) / _STEPS)
        self.slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.slider.installEventFilter(WheelGuard(self))
        self.slider.setAccessibleName(title)
        self.number = QLabel()
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.note = words("")
        self.note.setParent(self)
        self.note.setVisible(ends is not None)
        self._moves: tuple[QWidget, ...] = (name, self.slider)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(1, 1)
        if ends is None:
            grid.addWidget(name, 0, 0)
            grid.addWidget(self.slider, 0, 1)
            grid.addWidget(self.number, 0, 2)
        else:
            grid.addWidget(name, 0, 0, 1, 2)
            grid.addWidget(self.number, 0, 2)
            low_end, high_end = (QLabel(end) for end in ends)
            grid.addWidget(low_end, 1, 0)
            grid.addWidget(self.slider, 1, 1)
            grid.addWidget(high_end, 1, 2, Qt.AlignmentFlag.AlignRight)
            grid.addWidget(self.note, 2, 0, 1, 3)
            self._moves += (low_end, high_end)
        self.slider.valueChanged.connect(self._on_moved)
        if self.box is not None:
            self.box.toggled.connect(self._on_box)
        self.setStyleSheet(_STYLE)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Keep room for the number, in the font that napari's style sheet has given it."""
        super().showEvent(event)
        self._keep_room()

    def changeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Follow the size of napari's font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._keep_room()

    def _keep_room(self) -> None:
        text = self.number.text()
        self.number.setText(self._widest)
        self.number.setMinimumWidth(self.number.sizeHint().width())
        self.number.setText(text)

    def _place(self, value: float) -> float:
        """Give where on the slider a number is."""
        return math.log(max(value, _LEAST)) if self._logarithmic else value

    def _number(self, place: float) -> float:
        return math.exp(place) if self._logarithmic else float(place)

    def show_value(self, value: float, text: str) -> None:
        """Show a number, without telling that it was moved."""
        blocked = self.slider.blockSignals(True)
        # While it is held it stays where the hand is.
        if not self.slider.isSliderDown():
            place = self._place(value)
            self.slider.setValue(min(max(place, self.slider.minimum()), self.slider.maximum()))
        self.slider.blockSignals(blocked)
        self.number.setText(text)

    def show_set(self, is_set: bool) -> None:
        """Show whether the user has set the number."""
        if self.box is not None:
            blocked = self.box.blockSignals(True)
            self.box.setChecked(is_set)
            self.box.blockSignals(blocked)

    def set_usable(self, reason: str, tooltip: str) -> None:
        """Let it be moved where `reason` is empty; else the tooltip tells why not."""
        told = f"{reason}\n\n{tooltip}" if reason and tooltip else reason or tooltip
        self.setToolTip(told)
        for widget in self._moves:
            widget.setEnabled(not reason)
        for widget in (*self._moves, self.number, self.note):
            widget.setToolTip(told)

    def _on_moved(self, value: float) -> None:
        self.moved.emit(self._number(value))

    def _on_box(self, checked: bool) -> None:
        if checked:
            self.moved.emit(self._number(self.slider.value()))
        else:
            self.freed.emit()
