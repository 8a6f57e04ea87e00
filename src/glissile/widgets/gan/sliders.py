"""Section Directions and microstructure: sliders that change the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton

from glissile.widgets._fold import Fold
from glissile.widgets.gan._resolve_sliders import SliderFacts, resolve_sliders
from glissile.widgets.gan.direction_sliders import DirectionSliders
from glissile.widgets.gan.microstructure_sliders import MicrostructureSliders

if TYPE_CHECKING:
    from glissile.widgets.gan.state import GeneratorState


class SlidersSection(Fold):
    """Moves the picture by what is measured in it, and along directions of the network.

    Parameters
    ----------
    state : GeneratorState
        Gets the edits.
    """

    def __init__(self, state: GeneratorState) -> None:
        super().__init__("Directions and microstructure", is_section=True)
        self._state = state
        self.microstructure = MicrostructureSliders(state)
        self.directions = DirectionSliders(state)
        self.reset = QPushButton("Reset")
        self.reset.clicked.connect(lambda: state.set_edits({}))
        self.key = QPushButton("Set as key frame")
        self.key.clicked.connect(self._set_as_key)
        for title, widget in (
            ("Microstructure", self.microstructure),
            ("Directions of the network (SeFa)", self.directions),
        ):
            heading = QLabel(title)
            heading.setStyleSheet("font-weight: bold; margin-top: 8px;")
            self.body.addWidget(heading)
            self.body.addWidget(widget)
        row = QHBoxLayout()
        row.addWidget(self.reset, 1)
        row.addWidget(self.key, 1)
        self.body.addLayout(row)
        for signal in (state.network_changed, state.point_changed, state.edits_changed, state.ws_changed):
            signal.connect(self.refresh)
        self.microstructure.changed.connect(self.refresh)
        state.network_changed.connect(self._prepare)
        state.dropped.connect(self._prepare)
        self.toggled.connect(self._prepare)
        self.refresh()

    def facts(self) -> SliderFacts:
        """Give what is known."""
        state, measures = self._state, self.microstructure
        return SliderFacts(
            network=state.sampler is not None,
            picture=state.point is not None,
            fitted=measures.fitted,
            running=measures.work.running,
            edited=bool(state.edits),
            effort_sd=measures.effort_sd,
        )

    def refresh(self) -> None:
        """Show what can be done now."""
        controls = resolve_sliders(self.facts())
        self.microstructure.show_controls(controls)
        self.directions.set_usable(controls.move)
        for button, reason, tooltip in (
            (self.reset, controls.reset, "Take all moves off the picture"),
            (self.key, controls.key, "Make the picture, with its moves, the next key frame of the walk"),
        ):
            button.setEnabled(not reason)
            button.setToolTip(reason or tooltip)

    def _prepare(self) -> None:
        """Have directions found once they can be seen."""
        if self.is_open():
            self.directions.prepare()

    def _set_as_key(self) -> None:
        point = self._state.edited_point()
        if point is not None:
            self._state.add_key(point)
