"""The main dock: from a video to area fractions, in six numbered sections."""

from pathlib import Path
from typing import Any

from napari.settings import get_settings
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QMessageBox, QVBoxLayout, QWidget

from glissile.progress import Step
from glissile.widgets._bench import Bench
from glissile.widgets._column import Column
from glissile.widgets._layers import experiment_of, video_of
from glissile.widgets._plot_dock import PlotDock
from glissile.widgets._resolve import resolve
from glissile.widgets.curves import CurvesDock
from glissile.widgets.motion import MotionDock
from glissile.widgets.sections.header import Header
from glissile.widgets.sections.label import LabelSection
from glissile.widgets.sections.measure import MeasureSection
from glissile.widgets.sections.section import Section, style
from glissile.widgets.sections.segment import SegmentSection
from glissile.widgets.sections.stabilize import StabilizeSection
from glissile.widgets.sections.train import TrainSection
from glissile.widgets.sections.trim import TrimSection

# As napari names them when they are opened from the menu, so that there is one of each.
CURVES_NAME = "Curves (Glissile)"
MOTION_NAME = "Motion (Glissile)"
_WIDTH_PX = 400
_PLOTS_HEIGHT_PX = 260


class GlissileDock(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Opens videos and experiments, and leads through the stages.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer it is docked in; napari passes it by this name.
    """

    # Qt sends events already while it makes the widget.
    _docked = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        viewer = self._viewer = napari_viewer
        self._next: str | None = None
        self._folder: Path | None = None  # of the study that is open
        self._running: str | None = None
        self.bench = Bench(viewer, self)
        self.header = Header(self.bench)
        self.sections: dict[str, Section] = {
            "trim": TrimSection(self.bench),
            "stabilize": StabilizeSection(self.bench),
            "label": LabelSection(self.bench),
            "train": TrainSection(self.bench, viewer),
            "segment": SegmentSection(self.bench),
            "measure": MeasureSection(self.bench),
        }
        self._arrange()
        for section in self.sections.values():
            section.cancel_requested.connect(self.bench.runner.cancel)
            section.pause_requested.connect(self.bench.runner.set_paused)
        self.bench.facts_changed.connect(self.refresh)
        self.bench.study_changed.connect(self.refresh)
        self.bench.study_changed.connect(self._show_study)
        self.bench.runner.stepped.connect(self._show_step)
        self.bench.runner.paused_changed.connect(self._show_paused)
        viewer.layers.events.inserted.connect(self._on_layer)
        get_settings().appearance.events.font_size.connect(self._follow_font)
        self._follow_font()
        self.destroyed.connect(self.bench.close)
        self.refresh()
        QTimer.singleShot(0, self._begin)

    def _arrange(self) -> None:
        self.scroll = Column([self.header, *self.sections.values()])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scroll)

    def refresh(self) -> None:
        """Show what the sections say and allow now, and open the one to go on with."""
        states = resolve(self.bench.facts())
        for stage, section in self.sections.items():
            section.set_state(states[stage])
        following = next((stage for stage, state in states.items() if state.next), None)
        if following != self._next:
            if self._next is not None and states[self._next].done:
                self.sections[self._next].set_open(False)
            if following is not None:
                self.sections[following].set_open(True)
            self._next = following
        before, running = self._running, self.bench.state.running
        if running != before:
            self._running = running
            if running in self.sections:
                self.sections[running].set_open(True)
            if running == "segment":
                self._raise(CurvesDock)
            if running is None and before == "stabilize":
                self._raise(MotionDock)
            if running is None and before in self.sections and self.bench.study is None:
                self._adopt_shown()  # dropped while the work of a dock that was closed came to its end

    def _show_step(self, stage: str, step: Step) -> None:
        if stage in self.sections:
            self.sections[stage].show_step(step)
        else:
            self.header.show_step(step)

    def _show_paused(self, paused: bool) -> None:
        running = self.bench.state.running
        if running in self.sections:
            self.sections[running].show_paused(paused)

    def _begin(self) -> None:
        """Open the curves beside this dock, and adopt what is shown already."""
        self._docked = True
        self.window().installEventFilter(self)
        self._arrange_window()
        self._adopt_shown()

    def _adopt_shown(self) -> None:
        for layer in list(self._viewer.layers):
            self._adopt(layer)

    def _arrange_window(self) -> None:
        """Show the curves below the picture, and this dock from top to bottom beside both."""
        window, dock = self.window(), self.parent()
        if not isinstance(window, QMainWindow) or not isinstance(dock, QDockWidget):
            return
        # The corner on the left, too: napari's layer controls and list leave no room below them.
        window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        # They may be open under another name: napari's menu and its command line give different ones.
        below = [
            self._shown(kind) or self._open_below(kind(self._viewer), name)
            for kind, name in ((CurvesDock, CURVES_NAME), (MotionDock, MOTION_NAME))
        ]
        # What napari's calls return is wrapped, and Qt takes no wrapped widgets.
        curves, motion = (widget.parent() for widget in below)
        window.tabifyDockWidget(curves, motion)
        curves.raise_()
        window.resizeDocks([curves], [_PLOTS_HEIGHT_PX], Qt.Orientation.Vertical)
        window.resizeDocks([dock], [_WIDTH_PX], Qt.Orientation.Horizontal)

    def _open_below(self, widget: PlotDock, name: str) -> PlotDock:
        self._viewer.window.add_dock_widget(widget, name=name, area="bottom")
        return widget

    def _shown(self, kind: type[PlotDock]) -> PlotDock | None:
        """Find the dock of a kind that the viewer has."""
        widgets = self._viewer.window.dock_widgets.values()
        return next((widget for widget in widgets if isinstance(widget, kind)), None)

    def _show_study(self) -> None:
        """Bring of a study that was just opened the dock to the front that has something to show."""
        study = self.bench.study
        folder = None if study is None else study.experiment.folder
        if folder != self._folder and study is not None:
            self._raise(MotionDock if study.motion is not None and not study.segmented else CurvesDock)
        self._folder = folder

    def _raise(self, kind: type[PlotDock]) -> None:
        """Bring the dock of a kind to the front of those it shares its place with."""
        widget = self._shown(kind)
        if widget is not None and isinstance(widget.parent(), QDockWidget):
            widget.parent().raise_()

    def _follow_font(self, event: Any = None) -> None:
        self.setStyleSheet(style(get_settings().appearance.font_size))

    def _on_layer(self, event: Any) -> None:
        layer = event.value
        QTimer.singleShot(0, lambda: self._adopt(layer))

    def _adopt(self, layer: Any) -> None:
        """Open the experiment that a layer was read from, or offer to study its video."""
        if self.bench.display.owns(layer):
            return
        folder, video = experiment_of(layer), video_of(layer)
        if folder is not None:
            self._adopt_folder(folder, layer)
        elif video is not None and self.bench.study is None:
            self.header.offer_video(video)

    def _adopt_folder(self, folder: Path, layer: Any) -> None:
        """Put the layers of the open experiment in place of those that were read from its folder."""
        if self.bench.study is not None and self.bench.study.experiment.folder == folder:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        elif self.bench.state.running is None:
            self.bench.open_folder(folder)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Save what was drawn when the window is about to close, which waits where that fails."""
        if event.type() == QEvent.Type.Close:
            self.bench.display.mode.leave()
            if not self.bench.save() and not self._ask_to_lose_labels():
                event.ignore()
                return True
        return False

    def _ask_to_lose_labels(self) -> bool:
        """Ask whether the window shall close although labels could not be saved."""
        assert self.bench.keeper is not None
        which, why = self.bench.keeper.missing
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        question = f"The labels of {which} cannot be saved: {why}. Close all the same, and lose them?"
        return bool(QMessageBox.question(self, "Labels not saved", question, yes | no, no) == yes)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Give the experiment back when napari takes this dock out of its window."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self._docked:
            self.bench.close()
            self.deleteLater()
