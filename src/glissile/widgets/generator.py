"""The dock with a generator of microstructures: samples of it, walks between them, exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.settings import get_settings
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QVBoxLayout, QWidget

from glissile.io.generator_file import GENERATOR_SUFFIXES
from glissile.widgets._column import Column
from glissile.widgets.gan._resolve_export import What
from glissile.widgets.gan.export import ExportSection
from glissile.widgets.gan.look import LookSection
from glissile.widgets.gan.micrographs import MicrographsSection
from glissile.widgets.gan.network import NetworkSection
from glissile.widgets.gan.picture import Picture
from glissile.widgets.gan.samples import SamplesSection
from glissile.widgets.gan.sliders import SlidersSection
from glissile.widgets.gan.state import GeneratorState
from glissile.widgets.gan.walk import WalkSection
from glissile.widgets.sections.section import style

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtCore import QMimeData
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from glissile.widgets._fold import Fold

_WIDTH_PX = 400
_AT_THE_END_S = 5.0  # that an image may take which is made while the window closes


class GeneratorDock(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Opens a StyleGAN2 generator, and leads from samples to walks and exports.

    Docks are independent, also in one viewer: two of them compare two generators.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Passed by this name; shows the images.
    """

    # Qt sends events already while it makes the widget.
    _docked = False

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        state = self.state = GeneratorState()
        self._used = False
        self.network = NetworkSection(state)
        self.look = LookSection(state)
        self.samples = SamplesSection(state)
        self.walk = WalkSection(napari_viewer, state)
        self.sliders = SlidersSection(state)
        self.micrographs = MicrographsSection(napari_viewer, state)
        points = {What.grid: lambda: self.samples.shown, What.pins: lambda: self.samples.pinned}
        fitted = self.sliders.microstructure
        self.export = ExportSection(state, self.walk, points, lambda: fitted.fitted)
        self.picture = Picture(state, napari_viewer, self)
        self.sections: tuple[Fold, ...] = (
            self.network,
            self.look,
            self.samples,
            self.walk,
            self.sliders,
            self.micrographs,
            self.export,
        )
        self.scroll = Column(self.sections)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scroll)
        self.setAcceptDrops(True)
        get_settings().appearance.events.font_size.connect(self._follow_font)
        self._follow_font()
        state.network_changed.connect(self._show_network)
        # A window that goes takes its docks with it, and closes none of them.
        self.destroyed.connect(lambda: state.close(wait_s=_AT_THE_END_S))

    def _show_network(self) -> None:
        """Open the samples of the first generator."""
        if not self._used and self.state.sampler is not None:
            self._used = True
            self.samples.set_open(True)

    def _take_room(self) -> None:
        window, dock = self.window(), self.parent()
        if isinstance(window, QMainWindow) and isinstance(dock, QDockWidget):
            window.resizeDocks([dock], [_WIDTH_PX], Qt.Orientation.Horizontal)

    def _follow_font(self, event: Any = None) -> None:
        self.setStyleSheet(style(get_settings().appearance.font_size))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take files of generators."""
        if dropped_generator(event.mimeData()) is not None and not self.network.work.running:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Open the file."""
        path = dropped_generator(event.mimeData())
        if path is not None:
            event.acceptProposedAction()
            self.network.open_network(path)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Let go of the generator when napari takes this dock out of its window."""
        super().changeEvent(event)
        if event.type() != QEvent.Type.ParentChange:
            return
        if isinstance(self.parent(), QDockWidget):
            self._docked = True
            QTimer.singleShot(0, self._take_room)
        elif self.parent() is None and self._docked:
            self.network.work.stop()
            self.walk.layer.remove()  # nobody would make its frames any more
            self.micrographs.search.leave()
            self.state.close()
            self.deleteLater()


def dropped_generator(dropped: QMimeData) -> Path | None:
    """Give the file of a generator among what is dragged, by its name; None where there is none.

    Parameters
    ----------
    dropped : QMimeData
        What is dragged.
    """
    paths = [Path(url.toLocalFile()) for url in dropped.urls() if url.isLocalFile()]
    return next((path for path in paths if path.suffix.lower() in GENERATOR_SUFFIXES), None)
