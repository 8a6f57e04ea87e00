"""The network section: opening a generator, and what is known of it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QMenu, QPushButton

from glissile.learn.recipes import Device
from glissile.widgets._fold import Fold
from glissile.widgets._form import WheelGuard
from glissile.widgets.gan._opening import opened, saved
from glissile.widgets.gan._recent import recent_networks, remember_network
from glissile.widgets.gan._resolve import (
    HINT,
    NetworkFacts,
    breakable,
    card_rows,
    recent_titles,
    resolve_network,
)
from glissile.widgets.gan._resolve_picture import picture_text
from glissile.widgets.gan.long_work import LongWork
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from glissile.gan.sampler import Sampler
    from glissile.widgets.gan.state import GeneratorState

_FILES = "Generators (*.safetensors *.pkl *.pt *.pth);;All files (*)"
_SAVED = "Generators (*.safetensors)"
_FIRST_SEED = 0
_SPEED_EVERY_MS = 500
_ALARM = "color: #d55e00; font-weight: bold;"


class NetworkSection(Fold):
    """Opens generators, and shows the card of the one that is open.

    Parameters
    ----------
    state : GeneratorState
        Gets the generator.
    """

    def __init__(self, state: GeneratorState) -> None:
        super().__init__("Network", is_section=True)
        self._state = state
        self._device = "auto"  # as chosen for the network that is open
        self.open, self.recent, self.sample = (QPushButton(t) for t in ("Open…", "Recent", "Sample"))
        self.open.clicked.connect(self._ask_file)
        self._menu = QMenu(self.recent)
        self._menu.setToolTipsVisible(True)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.recent.setMenu(self._menu)
        self.sample.clicked.connect(lambda: self.open_network(None))
        self.hint = words(HINT)
        self.work = LongWork()
        self.work.running_changed.connect(self._work_changed)
        self.name = words("")
        self.name.setStyleSheet("font-weight: bold;")
        self.alarm = words("")
        self.alarm.setStyleSheet(_ALARM)
        self.card = words("")
        self.card.setTextFormat(Qt.TextFormat.RichText)
        self.save = QPushButton("Save as safetensors…")
        self.save.clicked.connect(self._ask_output)
        self.device = QComboBox()
        self.device.addItems(list(get_args(Device)))
        self.device.setAccessibleName("Device")
        self.device.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.device.installEventFilter(WheelGuard(self))
        self.device.activated.connect(self._move)
        self._card_timer = QTimer(self)
        self._card_timer.setSingleShot(True)
        self._card_timer.setInterval(_SPEED_EVERY_MS)
        self._card_timer.timeout.connect(self._show_card)
        self._arrange()
        state.network_changed.connect(self.refresh)
        for signal in (state.made, state.point_changed, state.look_changed, state.edits_changed):
            signal.connect(self._show_card_soon)
        state.out_of_memory.connect(self._fall_back)
        self.set_open(True)
        self.refresh()

    def _arrange(self) -> None:
        row = QHBoxLayout()
        for button in (self.open, self.recent, self.sample):
            row.addWidget(button, 1)
        device = QHBoxLayout()
        device.addWidget(QLabel("Compute on"))
        device.addWidget(self.device, 1)
        self.body.addLayout(row)
        self.body.addLayout(device)
        for widget in (self.hint, self.work, self.name, self.alarm, self.card, self.save):
            self.body.addWidget(widget)

    def open_network(self, path: Path | None) -> None:
        """Open a generator in the background, and show its first sample; the old one stays where that fails.

        Parameters
        ----------
        path : Path, optional
            File; None for the sample.
        """

        def take(sampler: Sampler) -> None:
            if path is not None:
                remember_network(path)
            self._state.use(sampler, path)
            self._state.show(self._state.seeded(_FIRST_SEED))

        self._open(path, take)

    def refresh(self) -> None:
        """Show what is open, and what can be done."""
        state, facts = self._state, self._facts()
        controls = resolve_network(facts)
        closed = state.card is None
        self.hint.setVisible(closed)
        for widget in (self.name, self.card):
            widget.setVisible(not closed)
        self.alarm.setText(controls.alarm)
        self.alarm.setVisible(bool(controls.alarm))
        self.save.setVisible(controls.offers_save)
        tips = {
            self.open: (controls.open, "Open a .safetensors, .pkl or .pt file of a generator"),
            self.recent: (controls.recent, "Networks that were opened before"),
            self.sample: (controls.open, "A network with random weights, to try the dock with"),
            self.device: (controls.open, "auto takes the graphics card where there is one"),
            self.save: (controls.save, "Write the network with its card; such files open quicker"),
        }
        for widget, (reason, purpose) in tips.items():
            widget.setEnabled(not reason)
            widget.setToolTip(reason or purpose)
        self._show_card()

    def _facts(self) -> NetworkFacts:
        return NetworkFacts(
            card=self._state.card,
            from_file=self._state.path is not None,
            recent=bool(recent_networks()),
            running=self.work.running,
        )

    def _show_card(self) -> None:
        state = self._state
        sampler, path, point = state.sampler, state.path, state.point
        if sampler is None:
            return
        rows = card_rows(
            sampler.card,
            from_file=path is not None,
            device=sampler.device,
            seconds_per_image=sampler.seconds_per_image,
        )
        if point is not None:
            rows += (("picture", picture_text(point, sampler.card, edited=bool(state.edits))),)
        self.name.setText(breakable(sampler.card.name or ("Sample" if path is None else path.name)))
        self.name.setToolTip("" if path is None else str(path))
        cells = "".join(
            f'<tr><td style="padding-right: 10px; white-space: nowrap;">{escape(what)}</td>'
            f"<td>{escape(breakable(value))}</td></tr>"
            for what, value in rows
        )
        self.card.setText(f'<table cellspacing="0" cellpadding="1">{cells}</table>')

    def _show_card_soon(self) -> None:
        """Show speed and picture anew; images may come faster than the eye can follow."""
        if not self._card_timer.isActive():
            self._card_timer.start()

    # opening

    def _open(self, path: Path | None, take: Callable[[Sampler], object]) -> None:
        device = self.device.currentText()

        def done(sampler: Sampler) -> None:
            self._device = device
            self.device.setCurrentText(device)
            take(sampler)

        self.work.run(
            lambda: opened(path, device), description="Opening a network", on_done=done, left_at_once=True
        )

    def _work_changed(self) -> None:
        if not self.work.running and self._state.sampler is not None:
            self.device.setCurrentText(self._device)  # another one may not have worked
        self.refresh()

    def _ask_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a network", "", _FILES)
        if name:
            self.open_network(Path(name))

    def _fill_menu(self) -> None:
        self._menu.clear()
        paths = recent_networks()
        for path, title in zip(paths, recent_titles(paths), strict=True):
            action = self._menu.addAction(title.replace("&", "&&"))
            action.setToolTip(str(path))
            action.triggered.connect(lambda _checked=False, path=path: self.open_network(path))

    # the device

    def _move(self) -> None:
        """Compute the network that is open on the device that is chosen; what is looked at stays."""
        if self._state.sampler is not None and self.device.currentText() != self._device:
            self._open(self._state.path, self._take_moved)

    def _take_moved(self, sampler: Sampler) -> None:
        card, path = self._state.card, self._state.path
        if card is not None and (path is None or card.weights_sha256 == sampler.card.weights_sha256):
            self._state.replace_sampler(sampler)
            self._show_card()
        else:  # the file holds another network by now
            self._state.use(sampler, path)

    def _fall_back(self, sampler: Sampler) -> None:
        """Go on with the CPU where a graphics card has too little memory."""
        if self.work.running:
            return
        if sampler.on_cpu:
            show_error("There is too little memory for an image of this network; close other programs")
            return
        show_warning(f"{sampler.device} has too little memory for this network: images are made on the CPU")
        self.device.setCurrentText("cpu")
        self._move()

    # saving

    def _ask_output(self) -> None:
        path = self._state.path
        if path is None:
            return
        beside = str(path.with_suffix(".safetensors"))
        name, _ = QFileDialog.getSaveFileName(self, "Save as safetensors", beside, _SAVED)
        if name:
            self.save_network(Path(name))

    def save_network(self, output: Path) -> None:
        """Write the network that is open as safetensors, in the background."""
        path = self._state.path
        if path is None:
            return
        if not output.suffix:
            output = output.with_suffix(".safetensors")
        self.work.run(lambda: saved(path, output), description="Saving a network", on_done=self._tell_saved)

    def _tell_saved(self, output: Path) -> None:
        remember_network(output)
        self.refresh()
        show_info(f"The network is saved as {output.name}")
