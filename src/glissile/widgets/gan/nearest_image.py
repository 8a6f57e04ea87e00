"""The training image that is nearest to the picture: whether the generator has learned it by heart."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from glissile.errors import InputError
from glissile.gan.index_cache import index_cache
from glissile.gan.nearest import Index, Nearest, index_images, nearest
from glissile.gan.pixels import as_pixels
from glissile.gan.thumbnails import exact_pixels
from glissile.widgets.gan._resolve_micrographs import MicrographControls, nearest_text
from glissile.widgets.gan._training_folder import remember_training_folder, training_folder
from glissile.widgets.gan.beside import PicturePair
from glissile.widgets.gan.long_work import LongWork
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glissile.io.generator_card import GeneratorShape
    from glissile.widgets.gan.state import GeneratorState

    Pixels = NDArray[np.uint8]

_log = logging.getLogger(__name__)

# After the last picture, so that looking does not hold up those that follow while a slider moves.
_LOOK_AFTER_MS = 150
_COMPARING = "Comparing the picture as it is now…"
_FAILED = "The picture could not be compared; the log tells why."


class NearestImage(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Reads training images once, then follows the picture with the one that is nearest.

    Parameters
    ----------
    state : GeneratorState
        Has the picture.

    Attributes
    ----------
    folder : Path, optional
        Of the training images.
    index : Index, optional
        What is known of them; None as long as they are not read.
    found : Nearest, optional
        For the picture that is looked at; None as long as it is not known.
    """

    changed = Signal()  # the folder, what is known of it or what runs

    def __init__(self, state: GeneratorState) -> None:
        super().__init__()
        self._state = state
        self.folder: Path | None = None
        self.index: Index | None = None
        self.found: Nearest | None = None
        self._watching = False
        self._any = False  # pictures are shown
        self._now: _Comparison | None = None  # being compared
        self._next: _Comparison | None = None
        self.text = words("")
        self.choose = QPushButton("Training images…")
        self.choose.clicked.connect(self._ask_folder)
        self.work = LongWork()
        self.work.running_changed.connect(self._on_running)
        self.pictures = PicturePair("Picture", "Nearest training image")
        self.sentence = words("")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.text, self.choose, self.work, self.pictures, self.sentence):
            column.addWidget(widget)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_LOOK_AFTER_MS)
        self._soon.timeout.connect(self._look)
        state.network_changed.connect(self._on_network)
        for signal in (state.point_changed, state.edits_changed, state.look_changed):
            signal.connect(self._forget)
        for signal in (state.ws_changed, state.dropped):
            signal.connect(self._soon.start)
        self._on_network()

    def set_watching(self, watching: bool) -> None:
        """Follow the picture, or rest while nobody sees it."""
        self._watching = watching
        if watching:
            self._read_remembered()
            self._soon.start()

    def show_controls(self, controls: MicrographControls) -> None:
        """Show what can be done."""
        self.text.setText(controls.training)
        self.text.setVisible(bool(controls.training) and not self.work.running)
        self.choose.setEnabled(not controls.folder)
        self.choose.setToolTip(controls.folder or "Choose the folder of the images it was trained on")
        self.choose.setVisible(not self.work.running)

    # the training images

    def _ask_folder(self) -> None:
        above = Path.home() if self.folder is None else self.folder.parent
        name = QFileDialog.getExistingDirectory(self, "Folder of the training images", str(above))
        if name:
            self.read(Path(name))

    def read(self, folder: Path) -> None:
        """Read the training images of a folder in the background, and remember it for the generator."""
        card = self._state.card
        if card is None or self.work.running:
            return

        def take(index: Index) -> None:
            if self._state.card is None or self._state.card.weights_sha256 != card.weights_sha256:
                return
            self.index = index
            self._forget()
            remember_training_folder(card, folder)
            self._soon.start()
            self.changed.emit()

        self.folder, self.index = folder, None
        self._forget()
        self.work.run(
            lambda: index_images(folder, index_cache(folder)),
            description="Reading training images",
            on_done=take,
            left_at_once=True,
        )

    def _read_remembered(self) -> None:
        card = self._state.card
        if self._watching and card is not None and self.folder is None:
            folder = training_folder(card)
            if folder is not None:
                self.read(folder)

    def _on_network(self) -> None:
        self.work.stop()
        self.folder, self.index = None, None
        self._forget()
        self._read_remembered()
        self.changed.emit()

    def _on_running(self) -> None:
        self._read_remembered()  # where the network changed while the folder of the one before was read
        self.changed.emit()

    # the picture

    def _forget(self) -> None:
        """Say no longer what was found for a picture that has gone."""
        self.found = None
        self.sentence.setText(_COMPARING)
        known = self.index is not None and self._state.point is not None
        self.sentence.setVisible(known)
        self.pictures.setVisible(known and self._any)
        self._any = self._any and known

    def _look(self) -> None:
        """Have the picture made once more, to be compared."""
        index, ws, look = self.index, self._state.ws, self._state.look
        if index is None or ws is None or not self._watching:
            return
        self._state.generate(
            "nearest",
            lambda sampler: _Comparison(index, ws, exact_pixels(sampler, ws, look), sampler.shape),
            self._compare,
            lambda: self.sentence.setText(_FAILED),
        )

    def _compare(self, what: _Comparison) -> None:
        """Compare a picture in a thread of its own, the newest once the one before is done."""
        self._next = what
        if self._now is None:
            self._compare_next()

    def _compare_next(self) -> None:
        self._now, self._next = self._next, None
        if self._now is not None:
            worker = create_worker(_compared, self._now, _start_thread=False)
            worker.returned.connect(self._take)
            worker.start()

    def _take(self, found: tuple[Nearest, Pixels | None] | None) -> None:
        what = self._now
        if what is not None and what.index is self.index and what.ws is self._state.ws:
            if found is None:
                self.sentence.setText(_FAILED)
            else:
                self._show(found[0], what.index.close, what.pixels, found[1])
        self._compare_next()

    def _show(self, found: Nearest, close: float, picture: Pixels, training: Pixels | None) -> None:
        self.found = found
        self.sentence.setText(nearest_text(found, close))
        self.sentence.setToolTip(str(found.path))
        self.pictures.show_left(picture)
        self.pictures.show_right(training)
        self.sentence.setVisible(True)
        self.pictures.setVisible(True)
        self._any = True


@dataclass(frozen=True, eq=False)
class _Comparison:
    """A picture (y, x) or (y, x, 3), its w, what it is compared with, and the shape of its generator."""

    index: Index
    ws: NDArray[np.float32]
    pixels: Pixels
    shape: GeneratorShape


def _compared(what: _Comparison) -> tuple[Nearest, Pixels | None] | None:
    """Find the nearest training image, and read it; None for what fails."""
    from glissile.gan.target import as_target
    from glissile.io.image_folders import read_image

    try:
        found = nearest(what.index, what.pixels)
    except Exception:  # the next picture has another chance
        _log.exception("the nearest training image could not be found")
        return None
    try:
        return found, as_pixels(as_target(read_image(found.path), what.shape)[None])[0]
    except InputError:  # it went away, or was changed
        return found, None
