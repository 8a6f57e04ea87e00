"""Section Look: truncation, noise and class of all images."""

from __future__ import annotations

from dataclasses import replace
from random import SystemRandom
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QWidget,
)

from glissile.widgets._fold import Fold
from glissile.widgets._form import WheelGuard
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from glissile.widgets.gan.state import GeneratorState, Truncation

PSI_RANGE = (-1.0, 2.0)
_STEPS_PER_PSI = 100  # of the slider
_NOISES = (("const", "Of the generator"), ("none", "None"), ("random", "Random"))
_FINAL = "The picture is a point of w, which is final: truncation and class are of new samples only."
_NO_NOISE = "This generator has no noise"


class LookSection(Fold):
    """Sets how all images look; the picture and the samples follow.

    Parameters
    ----------
    state : GeneratorState
        Is set.
    """

    def __init__(self, state: GeneratorState) -> None:
        super().__init__("Look", is_section=True)
        self._state = state
        self._guard = WheelGuard(self)
        self._rows = _form()
        self.body.addLayout(self._rows)
        self._add_truncation()
        self._add_noise()
        self._add_class()
        self.final = words(_FINAL)
        self.body.addWidget(self.final)
        self._add_cutoff()
        state.network_changed.connect(self._on_network)
        state.look_changed.connect(self.refresh)
        state.point_changed.connect(self.refresh)
        self._on_network()

    def _add_truncation(self) -> None:
        self.psi = QSlider(Qt.Orientation.Horizontal)
        self.psi.setRange(*(round(end * _STEPS_PER_PSI) for end in PSI_RANGE))
        self.psi.setPageStep(10)
        self.psi.valueChanged.connect(lambda value: self._set(psi=value / _STEPS_PER_PSI))
        self.psi_number = QDoubleSpinBox()
        self.psi_number.setRange(*PSI_RANGE)
        self.psi_number.setSingleStep(0.05)
        self.psi_number.setDecimals(2)
        self.psi_number.valueChanged.connect(lambda value: self._set(psi=round(value, 2)))
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Back to 1: no truncation")
        self.reset.clicked.connect(lambda: self._set(psi=1.0))
        for widget in (self.psi, self.psi_number):
            widget.setToolTip(
                "Below 1, images are drawn towards the mean: more typical, less varied. "
                "0 is the mean itself; below it, images are turned into their opposite"
            )
            widget.setAccessibleName("Truncation psi")
            self._guarded(widget)
        self._add_row("Truncation ψ", self.psi_number, self.reset)
        self._rows.addRow(self.psi)

    def _add_noise(self) -> None:
        self.noise = QComboBox()
        for kind, text in _NOISES:
            self.noise.addItem(text, kind)
        self.noise.setAccessibleName("Noise")
        self.noise.activated.connect(self._set_noise)
        self._guarded(self.noise)
        self.new_noise = QPushButton("New noise")
        self.new_noise.setToolTip("Draw other noise: what changes is what the sample does not determine")
        self.new_noise.clicked.connect(self._draw_noise)
        self._add_row("Noise", self.noise, self.new_noise)

    def _add_class(self) -> None:
        self.class_label = QLabel("Class")
        self.classes = QComboBox()
        self.classes.setToolTip("Which kind of image the generator makes")
        self.classes.setAccessibleName("Class")
        self.classes.activated.connect(lambda row: self._set(label=row))
        self._guarded(self.classes)
        self._rows.addRow(self.class_label, self.classes)

    def _add_cutoff(self) -> None:
        self.cutoff = QSpinBox()
        self.cutoff.setSpecialValueText("All")
        self.cutoff.setToolTip(
            "Truncates only so many layers, from the coarsest on; grain and texture of the others stay"
        )
        self.cutoff.setAccessibleName("Truncated layers")
        self.cutoff.valueChanged.connect(lambda value: self._set(cutoff=value or None))
        self._guarded(self.cutoff)
        self.advanced = Fold("Advanced")
        rows = _form()
        rows.addRow("Truncated layers", self.cutoff)
        self.advanced.body.addLayout(rows)
        self.body.addWidget(self.advanced)

    def _add_row(self, title: str, first: QWidget, *others: QWidget) -> None:
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(first, 1)
        for widget in others:
            row.addWidget(widget)
        self._rows.addRow(title, row)

    def _guarded(self, widget: QWidget) -> None:
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(self._guard)

    # what the user sets

    def _set(self, **change: float | int | None) -> None:
        changed: Truncation = replace(self._state.truncation, **change)  # type: ignore[arg-type]
        self._state.set_truncation(changed)

    def _set_noise(self) -> None:
        noise = self.noise.currentData()
        self._state.set_noise(noise, self._state.look.noise_seed)

    def _draw_noise(self) -> None:
        self._state.set_noise("random", SystemRandom().randrange(2**32))

    # what is set

    def _on_network(self) -> None:
        card = self._state.card
        conditional = card is not None and card.shape.c_dim > 0
        with QSignalBlocker(self.classes), QSignalBlocker(self.cutoff):
            self.classes.clear()
            if card is not None:
                names = card.class_names or [f"Class {i}" for i in range(card.shape.c_dim)]
                self.classes.addItems(list(names))
                self.cutoff.setRange(0, card.shape.num_ws - 1)
        self.class_label.setVisible(conditional)
        self.classes.setVisible(conditional)
        self.content.setEnabled(card is not None)
        noise = card is None or card.shape.noise
        self.noise.setEnabled(noise)
        self.noise.setToolTip(
            "Fine grain that the sample does not determine: always the same, none, or drawn anew"
            if noise
            else _NO_NOISE
        )
        self.refresh()

    def refresh(self) -> None:
        """Show what is set."""
        state, now = self._state, self._state.truncation
        widgets = (self.psi, self.psi_number, self.noise, self.classes, self.cutoff)
        blocked = [QSignalBlocker(widget) for widget in widgets]
        self.psi.setValue(round(now.psi * _STEPS_PER_PSI))
        self.psi_number.setValue(now.psi)
        self.cutoff.setValue(now.cutoff or 0)
        self.noise.setCurrentIndex(self.noise.findData(state.look.noise))
        if now.label is not None:
            self.classes.setCurrentIndex(now.label)
        for blocker in blocked:
            blocker.unblock()
        self.reset.setEnabled(now.psi != 1)
        self.new_noise.setEnabled(self.noise.isEnabled() and state.look.noise == "random")
        self.final.setVisible(state.point is not None and state.point.w is not None)


def _form() -> QFormLayout:
    rows = QFormLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setHorizontalSpacing(10)
    rows.setVerticalSpacing(4)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows
