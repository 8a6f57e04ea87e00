"""The classes of defects: number key, colour, name and pen of each, and whether it is shown."""

from collections.abc import Sequence
from itertools import count

from pydantic import ValidationError
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QColorDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from glissile.defects import RESERVED_KEYS, DefectClass
from glissile.label.tracing import PenSettings
from glissile.widgets._form import WheelGuard

# After orange and sky blue: the rest of Okabe and Ito (2008), distinct for all colour vision.
_FURTHER_COLORS = ("#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2")
# And after these, hues that the golden ratio keeps apart.
_HUE_STEP, _FIRST_HUE = 0.618, 0.82
_LARGEST_VALUE = 255  # that a pixel of a mask can have
LARGEST_KEY = 9  # classes after it are chosen by click


class ClassTable(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Rows to choose the class that is painted, and to edit its colour and name.

    Signals
    -------
    value_changed
        With the classes, after an edit.
    chosen
        With the mask value of the class to paint.
    pen_changed
        With the mask value of a class, and the new width of its lines in pixels.
    shown_changed
        With the mask value of a class, and whether it shall be seen.
    remove_requested
        With the mask value of the class that is chosen.
    """

    value_changed = Signal(tuple)
    chosen = Signal(int)
    pen_changed = Signal(int, int)
    shown_changed = Signal(int, bool)
    remove_requested = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._classes: tuple[DefectClass, ...] = ()
        self._highest_value = 0
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.chosen)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self._grid = QGridLayout()
        self._grid.setSpacing(4)
        outer.addLayout(self._grid)
        self.add = QPushButton("Add class")
        self.add.clicked.connect(self._add)
        self.remove = QPushButton("Remove class")
        self.remove.clicked.connect(lambda: self.remove_requested.emit(self._group.checkedId()))
        buttons = QHBoxLayout()
        buttons.addWidget(self.add)
        buttons.addWidget(self.remove)
        outer.addLayout(buttons)
        self.names: list[QLineEdit] = []
        self.colors: list[QToolButton] = []
        self.pens: list[QSpinBox] = []
        self.eyes: list[QCheckBox] = []
        self._hidden: frozenset[int] = frozenset()
        self._widths = PenSettings()

    def value(self) -> tuple[DefectClass, ...]:
        """Return the classes as shown."""
        return self._classes

    def set_value(self, classes: Sequence[DefectClass], highest_value: int) -> None:
        """Show classes.

        Parameters
        ----------
        classes : sequence of DefectClass
            In order of their values.
        highest_value : int
            Highest mask value that a class has or had; a further class gets the one after it.
        """
        self._classes = tuple(classes)
        self._highest_value = highest_value
        chosen = self._group.checkedId()
        for key in self._group.buttons():
            self._group.removeButton(key)  # else it is found by its number until Qt deletes it
        while self._grid.count():
            self._grid.takeAt(0).widget().deleteLater()
        self.names, self.colors, self.pens, self.eyes = [], [], [], []
        for row, defect in enumerate(self._classes):
            self._add_row(row, defect)
        values = [c.value for c in self._classes]
        self.choose(chosen if chosen in values else values[-1] if chosen > 0 else values[0])
        full = highest_value >= _LARGEST_VALUE
        self.add.setEnabled(not full)
        self.add.setToolTip(f"The masks hold no class after {_LARGEST_VALUE}" if full else "")

    def set_pens(self, widths: PenSettings) -> None:
        """Show how wide lines of the classes are drawn."""
        self._widths = widths
        for defect, pen in zip(self._classes, self.pens, strict=True):
            with QSignalBlocker(pen):
                pen.setValue(widths.width_px(defect.value))

    def set_hidden(self, hidden: frozenset[int]) -> None:
        """Show which classes are not seen, by their mask values."""
        self._hidden = hidden
        for defect, eye in zip(self._classes, self.eyes, strict=True):
            with QSignalBlocker(eye):
                eye.setChecked(defect.value not in hidden)

    def set_removable(self, removable: bool) -> None:
        """Tell whether the chosen class may go now."""
        self.remove.setEnabled(removable and len(self._classes) > 1)
        self.remove.setToolTip(
            "Removes the chosen class; where it is painted, you are asked first"
            if self.remove.isEnabled()
            else "Not while other work needs it, and the only class stays"
        )

    def choose(self, value: int) -> None:
        """Show that the class of mask value `value` is painted."""
        button = self._group.button(value)
        if button is not None:
            button.setChecked(True)

    def _add_row(self, row: int, defect: DefectClass) -> None:
        key = QToolButton()
        key.setText(str(defect.value))
        key.setCheckable(True)
        key.setProperty("key", True)
        shortcut = f": key {defect.value} while the Labels layer is selected"
        key.setToolTip(f"Paint {defect.name}{shortcut if defect.value <= LARGEST_KEY else ''}")
        self._group.addButton(key, defect.value)
        color = QToolButton()
        color.setStyleSheet(f"background-color: {defect.color}; border-radius: 3px; min-width: 22px;")
        color.setToolTip("Change the colour")
        color.setAccessibleName(f"Colour of {defect.name}")
        color.clicked.connect(lambda: self._ask_color(row))
        name = QLineEdit(defect.name)
        name.setAccessibleName(f"Name of class {defect.value}")
        name.editingFinished.connect(lambda: self._rename(row, name.text()))
        pen = QSpinBox()
        pen.setRange(1, 99)
        pen.setSuffix(" px")
        pen.setValue(self._widths.width_px(defect.value))
        pen.setToolTip(f"Width of the brush and of traced lines of {defect.name}")
        pen.setAccessibleName(f"Pen of {defect.name}")
        pen.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        pen.installEventFilter(WheelGuard(self))
        pen.valueChanged.connect(lambda width: self.pen_changed.emit(defect.value, width))
        eye = QCheckBox()
        eye.setChecked(defect.value not in self._hidden)
        eye.setToolTip(f"Show {defect.name} on the video")
        eye.setAccessibleName(f"{defect.name} shown")
        eye.toggled.connect(lambda shown: self.shown_changed.emit(defect.value, shown))
        for column, widget in enumerate((eye, key, color, name, pen)):
            self._grid.addWidget(widget, row, column)
        self._grid.setColumnStretch(3, 1)
        self.names.append(name)
        self.colors.append(color)
        self.pens.append(pen)
        self.eyes.append(eye)

    def _ask_color(self, row: int) -> None:
        color = QColorDialog.getColor(QColor(self._classes[row].color), self, self._classes[row].name)
        if color.isValid():
            self._replace(row, color=color.name())

    def _rename(self, row: int, name: str) -> None:
        name = " ".join(name.split())
        taken = RESERVED_KEYS | {c.key for n, c in enumerate(self._classes) if n != row}
        if not name or "_".join(name.lower().split()) in taken:
            self.names[row].setText(self._classes[row].name)
        elif name != self._classes[row].name:
            try:
                self._replace(row, name=name)
            except ValidationError:  # pasted letters that cannot be shown
                self.names[row].setText(self._classes[row].name)

    def _replace(self, row: int, **changes: str) -> None:
        changed = DefectClass(**{**self._classes[row].model_dump(), **changes})
        self._edit((*self._classes[:row], changed, *self._classes[row + 1 :]))

    def _add(self) -> None:
        value = 1 + self._highest_value
        used = {c.color for c in self._classes}
        generated = QColor.fromHsvF((_FIRST_HUE + _HUE_STEP * value) % 1, 0.6, 0.9).name()
        color = next((c for c in _FURTHER_COLORS if c not in used), generated)
        keys = {c.key for c in self._classes}
        number = next(n for n in count(value) if f"class_{n}" not in keys)
        self._edit((*self._classes, DefectClass(value=value, name=f"class {number}", color=color)))

    def _edit(self, classes: tuple[DefectClass, ...]) -> None:
        self.value_changed.emit(classes)
