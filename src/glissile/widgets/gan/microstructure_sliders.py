"""Sliders for what is measured in the picture, and what it measures now."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from glissile.errors import InputError
from glissile.gan.pixels import as_pixels
from glissile.gan.points import ws_of
from glissile.gan.sliders import fit_sliders, load_sliders, save_sliders, sliders_path
from glissile.widgets.gan._resolve_sliders import (
    SAMPLES,
    SliderControls,
    range_text,
    slider_refused,
    trust_text,
    trust_tooltip,
    value_text,
)
from glissile.widgets.gan.long_work import LongWork
from glissile.widgets.gan.value_slider import ValueSlider
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from glissile.gan.look import StillNoise
    from glissile.gan.microstructure import Microstructure
    from glissile.gan.sampler import Sampler
    from glissile.gan.sliders import Sliders
    from glissile.progress import Steps
    from glissile.widgets.gan.state import GeneratorState

EDIT = "microstructure"
# After the last picture, so that measuring does not hold up those that follow while a slider moves.
_MEASURE_AFTER_MS = 150


class MicrostructureSliders(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Measures the generator once, then moves the picture to the values that are set.

    A value that is set stays as others are set; those not set follow. Beside what the sliders predict stands
    what is measured in the picture.

    Parameters
    ----------
    state : GeneratorState
        Gets one edit for all values.
    """

    changed = Signal()  # the sliders, the values set or what runs

    def __init__(self, state: GeneratorState) -> None:
        super().__init__()
        self._state = state
        self._network = 0  # counts those that were opened; the same one on another device is no other
        self.fitted: Sliders | None = None
        self.effort_sd = 0.0
        self.targets: dict[str, float] = {}
        self._base: NDArray[np.float32] | None = None  # w of the sample, without edits
        self._measured: Microstructure | None = None
        self._sliders: dict[str, ValueSlider] = {}
        self._move_refused = ""
        self._moving = False
        self.text = words("")
        self.fit = QPushButton()
        self.fit.clicked.connect(self.start)
        self.work = LongWork()
        self.work.running_changed.connect(self.changed)
        self.rows = QVBoxLayout()
        self.rows.setSpacing(12)
        self.problem = words("")
        self.problem.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.text, self.fit, self.work):
            column.addWidget(widget)
        column.addLayout(self.rows)
        column.addWidget(self.problem)
        self._measure_soon = QTimer(self)
        self._measure_soon.setSingleShot(True)
        self._measure_soon.setInterval(_MEASURE_AFTER_MS)
        self._measure_soon.timeout.connect(self._measure)
        state.network_changed.connect(self._on_network)
        state.dropped.connect(self._read)
        state.point_changed.connect(self._on_point)
        state.look_changed.connect(self._on_point)
        state.edits_changed.connect(self._on_edits)
        state.ws_changed.connect(self._measure_soon.start)
        self._on_network()

    # the sliders of a generator

    def start(self) -> None:
        """Measure the generator, in the background."""
        state, sampler = self._state, self._state.sampler
        if sampler is None:
            return
        network = self._network
        noise: StillNoise = "none" if state.look.noise == "none" else "const"
        path = None if state.path is None else sliders_path(state.path)
        self.work.run(
            lambda: _fitted(sampler, noise, path),
            description="Measuring the generator",
            on_done=lambda fitted: self._take(fitted) if network == self._network else None,
        )

    def show_controls(self, controls: SliderControls) -> None:
        """Show what can be done."""
        self.text.setText(controls.text)
        self.fit.setText(controls.fit_text)
        self.fit.setEnabled(not controls.fit)
        self.fit.setToolTip(
            controls.fit or f"Make {SAMPLES} samples, measure them, and find how each measure follows w"
        )
        self.fit.setVisible(not self.work.running)
        self._move_refused = controls.move
        self._show_usable()

    def _on_network(self) -> None:
        self.work.stop()
        self._network += 1
        self._base, self._measured = None, None
        self._take(None)
        self._read()

    def _read(self) -> None:
        """Read the sliders that are kept beside the network, where there are any."""
        path, card = self._state.path, self._state.card
        if path is not None and card is not None and self.fitted is None:
            place = sliders_path(path)
            self._state.generate(
                "sliders",
                lambda sampler: load_sliders(place, card) if place.is_file() else None,
                self._take_read,
            )

    def _take_read(self, found: Sliders | None) -> None:
        if found is not None and self.fitted is None:
            self._take(found)

    def _take(self, fitted: Sliders | None) -> None:
        self.fitted = fitted
        if fitted is None:
            self._free_all()
        for slider in self._sliders.values():
            self.rows.removeWidget(slider)
            slider.hide()
            slider.deleteLater()
        self._sliders = {}
        for one in () if fitted is None else fitted.sliders:
            slider = ValueSlider(
                one.measure.title,
                one.low,
                one.high,
                ends=range_text(one),
                logarithmic=one.scale == "logarithmic",
            )
            slider.moved.connect(partial(self._set, one.name))
            slider.freed.connect(partial(self._free, one.name))
            self._sliders[one.name] = slider
            self.rows.addWidget(slider)
        self._show_usable()
        if self.targets:
            self._move(self.targets)
        self._show_values()
        self._measure_soon.start()
        self.changed.emit()

    # moving

    def _set(self, name: str, value: float) -> None:
        self._move({**self.targets, name: value})

    def _free(self, name: str) -> None:
        self._move({other: value for other, value in self.targets.items() if other != name})

    def _free_all(self) -> None:
        self.targets, self.effort_sd = {}, 0.0
        self.problem.hide()

    def _move(self, targets: dict[str, float]) -> None:
        """Move the picture so that its predicted measures are the wanted ones."""
        fitted, before = self.fitted, self._others()
        if before is None:
            self.targets = targets  # until it is known
        if fitted is None or before is None:
            return
        try:
            delta = fitted.moved(before, targets) - before if targets else None
            effort = float(fitted.effort(before, targets)) if targets else 0.0
        except InputError as error:
            self.problem.setText(str(error))
            self.problem.show()
            self._show_values()
            return
        self.problem.hide()
        self.targets, self.effort_sd = targets, effort
        self._moving = True
        self._state.set_edit(EDIT, delta)
        self._moving = False
        self._show_values()
        self.changed.emit()

    def _others(self) -> NDArray[np.float32] | None:
        """Give w (num_ws, w_dim) of the picture without what is set here; None where it is not known yet."""
        if self._base is None:
            return None
        others = [delta for name, delta in self._state.edits.items() if name != EDIT]
        return np.asarray(np.sum([self._base, *others], axis=0, dtype=np.float32))

    def _on_point(self) -> None:
        self._base, self._measured = None, None
        point = self._state.point
        if point is not None:
            self._state.generate(
                "microstructure", lambda sampler: ws_of(sampler, [point])[0], self._take_base
            )

    def _take_base(self, base: NDArray[np.float32]) -> None:
        self._base = base
        if self.targets:  # set before it was known, or the look has changed since
            self._move(self.targets)
        self._show_values()

    def _on_edits(self) -> None:
        if self._moving:
            return
        if EDIT not in self._state.edits and self.targets:
            self._free_all()
            self.changed.emit()
        elif self.targets:
            self._move(self.targets)  # another edit moved the picture: what is set stays
        self._show_values()

    # measuring

    def _measure(self) -> None:
        """Measure the picture as it was made last."""
        fitted, ws, look = self.fitted, self._state.ws, self._state.look
        if fitted is None or ws is None:
            return

        def job(sampler: Sampler) -> Microstructure:
            image = sampler.images(ws[None], noise=look.noise, noise_seed=look.noise_seed)
            return fitted.measured_in(as_pixels(image)[0])

        self._state.generate("measures", job, lambda found: self._take_measured(fitted, ws, found))

    def _take_measured(self, fitted: Sliders, ws: Any, found: Microstructure) -> None:
        if fitted is self.fitted and ws is self._state.ws:
            self._measured = found
            self._show_values()

    # what is shown

    def _show_usable(self) -> None:
        fitted = self.fitted
        if fitted is None:
            return
        for one in fitted.sliders:
            reason = slider_refused(one, self._move_refused)
            self._sliders[one.name].set_usable(reason, trust_tooltip(one, fitted.unit(one.name)))

    def _show_values(self) -> None:
        fitted, before = self.fitted, self._others()
        if fitted is None:
            return
        predicted: dict[str, float] = {}
        if before is not None:
            edit = self._state.edits.get(EDIT)
            now = before if edit is None else before + edit
            predicted = {name: float(value) for name, value in fitted.predict(now).items()}
        for one in fitted.sliders:
            slider, unit = self._sliders[one.name], fitted.unit(one.name)
            measured = None if self._measured is None else getattr(self._measured, one.name)
            slider.show_set(one.name in self.targets)
            if one.trust == "no use":  # what is predicted means nothing
                slider.show_value(one.mean if measured is None else measured, value_text(measured, unit))
                slider.note.setText(f"only measured · {trust_text(one)}")
                continue
            if one.name in predicted:  # else it stays until it is known
                slider.show_value(predicted[one.name], value_text(predicted[one.name], unit))
            known = "" if self._measured is None else f"measured {value_text(measured, unit)} · "
            slider.note.setText(f"{known}{trust_text(one)}")


def _fitted(sampler: Sampler, noise: StillNoise, path: Path | None) -> Steps[Sliders]:
    """Fit the sliders, and keep them beside the network, unless something else lies there."""
    fitted = yield from fit_sliders(sampler, samples=SAMPLES, noise=noise)
    if path is not None:
        try:
            if path.exists():
                load_sliders(path, sampler.card)  # only what is of this generator is replaced
            save_sliders(path, fitted)
        except (InputError, OSError) as error:
            warnings.warn(f"The sliders are not kept: {error}", UserWarning, stacklevel=1)
    return fitted
