"""Section 3: painted masks of some frames."""

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
)

from glissile import workflow
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.label.tracing import PenSettings
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets.sections.class_table import LARGEST_KEY, ClassTable
from glissile.widgets.sections.compare_labels import CompareLabelsDialog
from glissile.widgets.sections.export_labels import ask_and_export
from glissile.widgets.sections.frame_choice import FrameChoice
from glissile.widgets.sections.import_labels import ImportLabelsDialog, imported_text
from glissile.widgets.sections.label_table import LabelTable
from glissile.widgets.sections.label_tools import LabelTools
from glissile.widgets.sections.proposals import Proposals
from glissile.widgets.sections.section import Section


class LabelSection(Section):
    """Classes, the Labels layer, and the list of labelled frames."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            3,
            "Label",
            "Paint the defects on a few frames, spread over the video. Number keys choose the class, every "
            "stroke is saved at once.",
        )
        self._bench = bench
        self._keys: list[str] = []
        self._pens = PenSettings()
        self._hidden: frozenset[int] = frozenset()  # classes by their mask values
        self.classes = ClassTable()
        self.classes.value_changed.connect(self._set_classes)
        self.classes.chosen.connect(self._paint_with)
        self.classes.pen_changed.connect(self._set_pen)
        self.settings_layout.addWidget(self.classes)
        self.classes.shown_changed.connect(self._show_class)
        self.classes.remove_requested.connect(self._look_before_removal)
        self.tools = LabelTools(bench, lambda value: self._pens.width_px(value), lambda: self._hidden)
        self.frames = FrameChoice(bench)
        self.proposals = Proposals(bench, self.frames)
        self.frames.changed.connect(self._show_emptiable)
        for part in (self.tools, self.frames, self.proposals):
            self.settings_layout.addWidget(part)
        self.table = LabelTable()
        self.table.chosen.connect(bench.display.go_to_working)
        self.results.addWidget(self.table)
        self.empty = QPushButton("No defects here")
        self.empty.setToolTip("Counts the frame as labelled although nothing is painted on it")
        self.empty.clicked.connect(self._mark)
        self.clear = QPushButton("Remove labels")
        self.clear.setToolTip("Nothing is labelled on this frame any more; Ctrl+Z takes that back")
        self.clear.clicked.connect(self._clear)
        self.load = QPushButton("Import…")
        self.load.setToolTip("Labels from elsewhere: images, TIFF, OME-Zarr, COCO, Labelme")
        self.load.clicked.connect(self._import)
        self.export = QPushButton("Export…")
        self.export.setToolTip("Write the labels for other programs")
        self.export.clicked.connect(lambda: ask_and_export(bench, self))
        self.compare = QPushButton("Compare…")
        self.compare.setToolTip("How well these labels and those of a second annotator agree")
        self.compare.clicked.connect(self._compare)
        for row in ((self.empty, self.clear), (self.load, self.export, self.compare)):
            buttons = QHBoxLayout()
            buttons.setSpacing(4)
            for button in row:
                buttons.addWidget(button, 1)
            self.results.addLayout(buttons)
        bench.study_changed.connect(self.study_changed)
        bench.frame_changed.connect(self._show_frame)

    def study_changed(self) -> None:
        """Take over the labels of the study."""
        study, keeper = self._bench.study, self._bench.keeper
        self._keys, self._hidden = [], frozenset()
        self._pens = PenSettings()
        if study is None or keeper is None:
            self.table.show_labels(None, (), ())
            return
        try:
            self._pens = study.experiment.settings("label", PenSettings)
        except InputError as error:  # of a file that was edited by hand
            show_error(str(error))
        self.classes.set_pens(self._pens)
        self.classes.set_hidden(self._hidden)
        keeper.saved.connect(self.table.renew)
        keeper.layer.events.selected_label.connect(self._on_selected_label)
        self._on_selected_label()
        self._show_classes(study.experiment.document.classes)
        self._show_frame()

    def start(self) -> None:
        """Paint on the Labels layer."""
        self._bench.display.show_labels()

    def set_state(self, state: Any) -> None:
        """Show `state`."""
        super().set_state(state)
        for button in (self.clear, self.load):
            button.setEnabled(state.enabled)
        self._show_emptiable()
        self._show_removable()

    def _show_classes(self, classes: tuple[DefectClass, ...]) -> None:
        assert self._bench.study is not None
        self.classes.set_value(classes, self._bench.study.experiment.document.highest_class_value)
        self._bind_keys(classes)
        numbers = self._bench.study.video.frame_numbers.tolist()
        self.table.show_labels(self._bench.keeper, numbers, classes)
        self._show_removable()

    def _bind_keys(self, classes: tuple[DefectClass, ...]) -> None:
        """Bind the number keys of `classes` on the layer, so that they end with it."""
        assert self._bench.keeper is not None
        layer = self._bench.keeper.layer
        for key in self._keys:
            layer.bind_key(key, None)
        self._keys = [str(c.value) for c in classes if c.value <= LARGEST_KEY]
        for key in self._keys:
            layer.bind_key(key, lambda layer, value=int(key): self._paint_with(value), overwrite=True)

    def _set_pen(self, value: int, width_px: int) -> None:
        study, keeper = self._bench.study, self._bench.keeper
        assert study is not None
        assert keeper is not None
        self._pens = self._pens.with_width(value, width_px)
        self.classes.set_pens(self._pens)
        if value == keeper.layer.selected_label:
            keeper.layer.brush_size = width_px
        try:
            study.experiment.save_settings("label", self._pens)
        except InputError as error:
            show_error(str(error))

    def _set_classes(self, classes: tuple[DefectClass, ...]) -> None:
        self._bench.set_classes(classes)
        self._bench.display.set_classes(classes, self._hidden)
        keeper = self._bench.keeper
        if keeper is not None and keeper.layer.selected_label not in {0, *(c.value for c in classes)}:
            keeper.layer.selected_label = classes[-1].value
        self._show_classes(classes)

    def _show_class(self, value: int, shown: bool) -> None:
        """Show a class on the video, or hide it."""
        study = self._bench.study
        assert study is not None
        self._hidden = self._hidden - {value} if shown else self._hidden | {value}
        self.classes.set_hidden(self._hidden)
        self._bench.display.set_classes(study.experiment.document.classes, self._hidden)

    def _look_before_removal(self, value: int) -> None:
        """Find out where a class is painted, then ask."""
        study, keeper = self._bench.study, self._bench.keeper
        assert study is not None
        assert keeper is not None
        if keeper.flush():
            self._bench.runner.run(
                "labels",
                _study.painted_with(study.experiment, value),
                description="Looking where the class is painted",
                on_done=lambda painted: self._ask_to_remove(value, painted),
            )

    def _ask_to_remove(self, value: int, painted: workflow.Painted) -> None:
        """Remove a class, after a warning where it is painted."""
        study = self._bench.study
        if study is None:
            return
        name = next((c.name for c in study.experiment.document.classes if c.value == value), "")
        question = removal_question(name, painted)
        yes = QMessageBox.StandardButton.Yes
        if not question or QMessageBox.question(self, f"Remove {name}", question) == yes:
            self._bench.change(
                "label", lambda study: _study.class_removed(study.experiment, value), f"Removing {name}"
            )

    def _paint_with(self, value: int) -> None:
        if value in self._hidden:
            self._show_class(value, True)
        if self._bench.keeper is not None:
            self._bench.keeper.layer.selected_label = value
            if not self.tools.taken:
                self._bench.display.show_labels()

    def _on_selected_label(self, event: Any = None) -> None:
        if self._bench.keeper is not None:
            value = int(self._bench.keeper.layer.selected_label)
            self.classes.choose(value)
            if value:  # the eraser keeps its own size
                self._bench.keeper.layer.brush_size = self._pens.width_px(value)

    def _show_removable(self) -> None:
        """Let a class go where no work may come upon it."""
        study = self._bench.study
        if study is not None:
            self.classes.set_removable(self._bench.state.running is None and not study.experiment.read_only)

    def _show_emptiable(self) -> None:
        """Let a frame be marked as free of defects where nothing is proposed for it."""
        keeper, shown = self._bench.keeper, self._bench.display.working_index()
        free = keeper is not None and shown is not None and not keeper.painted(shown)
        self.empty.setEnabled(self.clear.isEnabled() and free)

    def _show_frame(self, index: int = 0) -> None:
        self._show_emptiable()
        self.table.select_frame(self._bench.display.working_index())

    def _mark(self) -> None:
        index = self._bench.display.working_index()
        keeper = self._bench.keeper
        if keeper is not None and index is not None and not keeper.painted(index):
            keeper.mark(index)

    def _clear(self) -> None:
        index = self._bench.display.working_index()
        if self._bench.keeper is not None and index is not None:
            self._bench.keeper.remove(index)

    def _import(self) -> None:
        dialog = ImportLabelsDialog(self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.import_from(*dialog.value())

    def _compare(self) -> None:
        """Open the window that compares labels, which stays beside the viewer."""
        dialog = CompareLabelsDialog(self._bench, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.frame_chosen.connect(self._go_to_frame)
        dialog.differences_asked_for.connect(self._bench.display.show_differences)
        dialog.show()

    def _go_to_frame(self, number: int) -> None:
        study = self._bench.study
        index = None if study is None else study.video.index_of(number)
        if index is not None:
            self._bench.display.go_to_working(index)

    def import_from(self, place: Path, first: float, step: float) -> None:
        """Take over labels from elsewhere, of which number `first` belongs to frame 0 of the video."""
        study, keeper = self._bench.study, self._bench.keeper
        assert study is not None
        assert keeper is not None
        if not keeper.flush():
            return
        self._bench.runner.run(
            "label",
            _study.imported(study.experiment, place, first, step),
            description="Importing labels",
            on_done=self._take_imported,
        )

    def _take_imported(self, found: Any) -> None:
        taken, study = found
        self._bench.take(study)
        show_info(imported_text(taken))


def removal_question(name: str, painted: workflow.Painted) -> str:
    """Ask whether a class shall go, and say what goes with it; empty where it is painted nowhere."""
    counts = ((len(painted.labelled), "labelled frame"), (len(painted.proposed), "proposal"))
    where = " and ".join(f"{n} {what}{'s' if n > 1 else ''}" for n, what in counts if n)
    if not where:
        return ""
    kept = " A backup of the labels is made before." if painted.labelled else " Proposals are not backed up."
    return f"{name} is painted on {where}. Remove the class, and erase it there?{kept}"
