"""The main dock: from a video to area fractions, in six numbered sections."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from glissile.progress import Step
from glissile.widgets._bench import Bench
from glissile.widgets._layers import experiment_of, video_of
from glissile.widgets._resolve import resolve
from glissile.widgets.curves import CurvesDock
from glissile.widgets.sections.header import Header
from glissile.widgets.sections.label import LabelSection
from glissile.widgets.sections.measure import MeasureSection
from glissile.widgets.sections.section import STYLE, Section
from glissile.widgets.sections.segment import SegmentSection
from glissile.widgets.sections.stabilize import StabilizeSection
from glissile.widgets.sections.train import TrainSection
from glissile.widgets.sections.trim import TrimSection

# As napari names it when it is opened from the menu, so that there is one.
CURVES_NAME = "Curves (Glissile)"
_LEAST_WIDTH_PX = 340


class GlissileDock(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Opens videos and experiments, and leads through the stages.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer it is docked in.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.setMinimumWidth(_LEAST_WIDTH_PX)
        self.setStyleSheet(STYLE)
        self._viewer = viewer
        self._window: QWidget | None = None
        self._next: str | None = None
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
        self.bench.facts_changed.connect(self.refresh)
        self.bench.study_changed.connect(self.refresh)
        self.bench.runner.stepped.connect(self._show_step)
        viewer.layers.events.inserted.connect(self._on_layer)
        self.destroyed.connect(self.bench.close)
        self.refresh()
        QTimer.singleShot(0, self._begin)

    def _arrange(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(8)
        column.addWidget(self.header)
        for section in self.sections.values():
            column.addWidget(section)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.scroll = scroll

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

    def _show_step(self, stage: str, step: Step) -> None:
        if stage in self.sections:
            self.sections[stage].show_step(step)
        else:
            self.header.show_step(step)

    def _begin(self) -> None:
        """Open the curves beside this dock, and adopt what is shown already."""
        self._watch_window()
        if CURVES_NAME not in self._viewer.window.dock_widgets:
            self._viewer.window.add_dock_widget(CurvesDock(self._viewer), name=CURVES_NAME, area="bottom")
        for layer in list(self._viewer.layers):
            self._adopt(layer)

    def _on_layer(self, event: Any) -> None:
        layer = event.value
        QTimer.singleShot(0, lambda: self._adopt(layer))

    def _adopt(self, layer: Any) -> None:
        """Open the experiment that a layer was read from, or offer to study its video."""
        if self.bench.display.owns(layer):
            return
        folder, video = experiment_of(layer), video_of(layer)
        if folder is not None:
            self._adopt_folder(folder)
        elif video is not None and self.bench.study is None:
            self.header.offer_video(video)

    def _adopt_folder(self, folder: Path) -> None:
        """Put the layers of the open experiment in place of those that were read from its folder."""
        if self.bench.state.running is None and (
            self.bench.study is None or self.bench.study.experiment.folder != folder
        ):
            self.bench.open_folder(folder)

    def _watch_window(self) -> None:
        self._window = self.window()
        self._window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Save the labels when the window is about to close."""
        if watched is self._window and event.type() == QEvent.Type.Close:
            self.bench.save()
        return False

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Give the experiment back when napari takes this dock out of its window."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self._window is not None:
            self.bench.close()
            self.deleteLater()
