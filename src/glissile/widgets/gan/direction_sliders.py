"""Sliders along the directions in w that change images most."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from glissile.widgets._form import WheelGuard
from glissile.widgets.gan._resolve_sliders import layer_groups
from glissile.widgets.gan.value_slider import ValueSlider

if TYPE_CHECKING:
    from glissile.gan.directions import Direction
    from glissile.widgets.gan.state import GeneratorState

COUNT = 8
MOST_SD = 5.0
_NOT_FOUND = "The directions could not be found; choose the layers again to try once more"


class DirectionSliders(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Moves the picture along SeFa directions of all layers, or of the coarse, middle or fine ones.

    Parameters
    ----------
    state : GeneratorState
        Gets an edit for each direction that is used.
    """

    def __init__(self, state: GeneratorState) -> None:
        super().__init__()
        self._state = state
        self._groups: dict[str, tuple[int, ...]] = {}
        self._found: dict[str, tuple[Direction, ...]] = {}
        self._failed: set[str] = set()
        self._amounts: dict[str, float] = {}  # by the name of the edit
        self._usable = ""
        self.layers = QComboBox()
        self.layers.setToolTip(
            "Layers that the directions are found for, and move: coarse ones rule structure, fine ones "
            "texture. Moves of several add up"
        )
        self.layers.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.layers.installEventFilter(WheelGuard(self))
        self.layers.activated.connect(self._choose)
        self.sliders = [ValueSlider(f"SeFa {i + 1}", -MOST_SD, MOST_SD, widest="+0.00") for i in range(COUNT)]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        row = QFormLayout()
        row.addRow("Layers", self.layers)
        column.addLayout(row)
        for index, slider in enumerate(self.sliders):
            slider.moved.connect(partial(self._move, index))
            column.addWidget(slider)
        state.network_changed.connect(self._on_network)
        state.edits_changed.connect(self._on_edits)
        self._on_network()

    @property
    def group(self) -> str:
        """Name of the layers that are chosen."""
        return str(self.layers.currentText())

    def set_usable(self, reason: str) -> None:
        """Let the sliders be moved where `reason` is empty."""
        self._usable = reason
        self._show()

    def prepare(self) -> None:
        """Have the directions of the chosen layers found, where they are not."""
        group = self.group
        if group and group not in self._found:
            chosen = self._groups[group]
            self._failed.discard(group)
            self._state.generate(
                "directions",
                lambda sampler: _found_in(sampler, chosen),
                lambda found: self._take(group, found),
                lambda: self._give_up(group),
            )
            self._show()

    def _take(self, group: str, found: tuple[Direction, ...]) -> None:
        self._found[group] = found
        self._show()

    def _give_up(self, group: str) -> None:
        self._failed.add(group)
        self._show()

    def _on_network(self) -> None:
        sampler = self._state.sampler
        self._groups = {} if sampler is None else layer_groups(sampler.shape)
        self._found.clear()
        self._failed.clear()
        self._amounts.clear()
        self.layers.clear()
        self.layers.addItems(list(self._groups))
        self._show()

    def _choose(self) -> None:
        self.prepare()
        self._show()

    def _directions(self) -> tuple[Direction, ...]:
        return self._found.get(self.group, ())

    def _name(self, direction: Direction) -> str:
        return f"{direction.name}, {self.group} layers"

    def _move(self, index: int, amount: float) -> None:
        direction, sampler = self._directions()[index], self._state.sampler
        assert sampler is not None
        name = self._name(direction)
        self._amounts[name] = amount
        self._state.set_edit(name, direction.delta(sampler.shape.num_ws, amount) if amount else None)

    def _on_edits(self) -> None:
        edits = self._state.edits
        self._amounts = {name: amount for name, amount in self._amounts.items() if name in edits}
        self._show()

    def _show(self) -> None:
        directions = self._directions()
        missing = _NOT_FOUND if self.group in self._failed else "The directions are being found"
        for index, slider in enumerate(self.sliders):
            known = index < len(directions)
            amount = self._amounts.get(self._name(directions[index]), 0.0) if known else 0.0
            slider.show_value(amount, f"{amount:+.2f}" if amount else "0")
            slider.set_usable(
                self._usable or ("" if known else missing),
                "In standard deviations of w along it. SeFa 1 changes the styles of the layers most",
            )


def _found_in(sampler: object, layers: tuple[int, ...]) -> tuple[Direction, ...]:
    from glissile.gan.directions import Styles, style_directions

    styles: Styles = sampler  # type: ignore[assignment]
    return style_directions(styles, layers=layers, count=COUNT)
