"""Where the key frames of a walk come from besides the dock: files, and earlier walks, which are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from glissile.errors import InputError
from glissile.gan.points import refuse_misfit
from glissile.gan.read_back import KeysRead, read_keys
from glissile.gan.walk import MOST_KEYS
from glissile.widgets.gan._export_folder import export_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QMimeData

    from glissile.gan.points import Point
    from glissile.io.generator_card import GeneratorCard
    from glissile.widgets.gan._kept_walks import KeptWalks
    from glissile.widgets.gan.state import GeneratorState

_SUFFIXES = (".npz", ".json", ".png", ".tif", ".tiff", ".mp4", ".mkv", ".avi")
_LONGEST_TITLE = 60


class KeySources(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Reads key frames from files, and keeps those that are set for each generator.

    They are written as soon as they are set, and stand there again when the generator is opened.

    Parameters
    ----------
    state : GeneratorState
        Has the key frames; its worker reads files.
    kept : KeptWalks
        Where they are kept.
    """

    read_settings = Signal(object)  # of a walk that was read from a file

    def __init__(self, state: GeneratorState, kept: KeptWalks) -> None:
        super().__init__()
        self._state, self._kept = state, kept
        self._kept_last: tuple[Point, ...] = ()
        self.read = QPushButton("Read from file…")
        self.read.clicked.connect(self._ask_file)
        self.earlier = QPushButton("Earlier walks")
        self.earlier.setToolTip("Key frames that were set for this network before, also in earlier sessions")
        menu = QMenu(self.earlier)
        menu.aboutToShow.connect(self._fill_earlier)
        self.earlier.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.read, 1)
        row.addWidget(self.earlier, 1)
        state.network_changed.connect(self._restore)
        state.keys_changed.connect(self._keep)

    # from files

    def _ask_file(self) -> None:
        wanted = " ".join(f"*{suffix}" for suffix in _SUFFIXES)
        name, _ = QFileDialog.getOpenFileName(
            self, "Read key frames", str(export_folder()), f"Exported files ({wanted})"
        )
        if name:
            self.read_file(Path(name))

    def read_file(self, path: Path) -> None:
        """Take the key frames of a file that was exported, in the background.

        Parameters
        ----------
        path : Path
            As of `glissile.gan.read_back.read_keys`. A walk takes the place of that which is there; others
            come after the key frames that are there.
        """
        self._state.generate("read keys", lambda sampler: read_keys(path, sampler), self._take_read)

    def _take_read(self, found: KeysRead) -> None:
        keys = self._state.keys
        if found.settings is not None:
            self._state.set_keys(found.keys)
            self.read_settings.emit(found.settings)
        elif len(keys) + len(found.keys) > MOST_KEYS:
            show_error(
                f"The file has {len(found.keys)} images and the walk {len(keys)} key frames, and it has at "
                f"most {MOST_KEYS}; remove some first"
            )
        else:
            self._state.set_keys((*keys, *found.keys))

    # earlier ones

    def _fill_earlier(self) -> None:
        menu, card = self.earlier.menu(), self._state.card
        menu.clear()
        now = set(self._state.keys)
        walks = () if card is None else self._kept.of(card)
        for keys in (keys for keys in walks if keys and set(keys) != now):
            title = f"{len(keys)} key frames: {', '.join(key.title for key in keys)}"
            short = title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"
            menu.addAction(short).triggered.connect(
                lambda _checked=False, keys=keys: self._state.set_keys(keys)
            )
        if menu.isEmpty():
            menu.addAction("There are none").setEnabled(False)

    def _restore(self) -> None:
        """Bring the key frames back that stood there when the network was used last."""
        card = self._state.card
        walks = () if card is None else self._kept.of(card)
        self._kept_last = walks[0] if card is not None and walks and _fit(walks[0], card) else ()
        self._state.set_keys(self._kept_last)

    def _keep(self) -> None:
        card, keys = self._state.card, self._state.keys
        if card is None or keys == self._kept_last:
            return
        self._kept_last = keys
        try:
            self._kept.keep(card, keys)
        except InputError as error:
            show_error(str(error))


def _fit(keys: Sequence[Point], card: GeneratorCard) -> bool:
    try:
        for key in keys:
            refuse_misfit(key, card.shape)
    except InputError:
        return False
    return True


def dropped_keys(dropped: QMimeData) -> Path | None:
    """Give the file with key frames among what is dragged, by its name; None where there is none.

    Parameters
    ----------
    dropped : QMimeData
        What is dragged.
    """
    paths = [Path(url.toLocalFile()) for url in dropped.urls() if url.isLocalFile()]
    return next((path for path in paths if path.suffix.lower() in _SUFFIXES), None)
