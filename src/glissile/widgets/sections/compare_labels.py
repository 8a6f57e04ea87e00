"""The window that compares the labels with those of a second annotator."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QListWidget,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glissile import workflow
from glissile.widgets._bench import Bench
from glissile.widgets._layers import DIFFERENCE_COLORS
from glissile.widgets.sections.labels_place import LabelsPlace
from glissile.widgets.sections.section import words
from glissile.workflow.annotators import (
    ONLY_FIRST,
    ONLY_SECOND,
    OTHER_CLASS,
    WITHIN_TOLERANCE,
)

_MEANINGS = {
    WITHIN_TOLERANCE: "within the tolerance",
    ONLY_FIRST: "only here",
    ONLY_SECOND: "only there",
    OTHER_CLASS: "another class",
}
_TABLE_HEIGHT_PX = 120


class CompareLabelsDialog(QDialog):  # type: ignore[misc]  # qtpy brings no types
    """A second set of labels, how well the two agree, and the frames where they differ.

    It stays open beside the viewer, and is emptied when another study is shown.

    Parameters
    ----------
    bench : Bench
        What is open.
    parent : QWidget
        Over which it opens.
    """

    frame_chosen = Signal(int)  # number in the source of the frame to go to
    differences_asked_for = Signal(object)  # Comparison, whose `difference` gives the mask of a frame

    def __init__(self, bench: Bench, parent: QWidget) -> None:
        super().__init__(parent)
        self._bench = bench
        self._compared: workflow.Comparison | None = None
        self.setWindowTitle("Compare labels")
        layout = QVBoxLayout(self)
        layout.addWidget(
            words(
                "Labels of a second annotator: another experiment on the same video, or any labels that can "
                "be imported. Frames that both labelled are compared, over what the working video shows."
            )
        )
        self.place = LabelsPlace()
        self.place.changed.connect(self._check)
        layout.addWidget(self.place)
        self.compare = QPushButton("Compare")
        self.compare.clicked.connect(self._compare)
        layout.addWidget(self.compare)
        self.told = words("")
        layout.addWidget(self.told)
        self.table = QTableWidget(0, 5)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setFixedHeight(_TABLE_HEIGHT_PX)
        layout.addWidget(self.table)
        self.frames = QListWidget()
        self.frames.setToolTip("Frames by disagreement, the largest first; click to look at them")
        self.frames.itemClicked.connect(lambda item: self._go_to_row(self.frames.row(item)))
        layout.addWidget(self.frames)
        self.show_differences = QPushButton("Show where they differ")
        self.show_differences.clicked.connect(lambda: self.differences_asked_for.emit(self._compared))
        layout.addWidget(self.show_differences)
        legend = (f'<span style="color:{DIFFERENCE_COLORS[v]}">█</span> {m}' for v, m in _MEANINGS.items())
        layout.addWidget(words(" &nbsp; ".join(legend)))
        bench.study_changed.connect(self._clear)
        bench.runner.begun.connect(self._check)
        bench.runner.ended.connect(self._check)
        self._clear()
        self._check()

    def _check(self) -> None:
        self.compare.setEnabled(self.place.exists and self._bench.state.running is None)

    def _compare(self) -> None:
        study, keeper = self._bench.study, self._bench.keeper
        if study is None or keeper is None or not keeper.flush():
            return
        experiment = study.experiment
        path, first, step = self.place.value()
        self._clear()
        self._bench.runner.run(
            "labels",
            lambda: workflow.compare_labels(experiment, path, first=first, step=step),
            description="Comparing labels",
            on_done=self._show,
        )

    def _clear(self) -> None:
        self._compared = None
        self.show_differences.setEnabled(False)
        self.table.setRowCount(0)
        self.frames.clear()
        self.told.setText("")

    def _show(self, found: workflow.Comparison) -> None:
        self._compared = found
        self.show_differences.setEnabled(True)
        self.told.setText(compared_text(found))
        self.table.setHorizontalHeaderLabels(["class", *found.titles()])
        for row, defect in enumerate(found.classes):
            self.table.insertRow(row)
            for column, text in enumerate((defect.name, *found.cells(defect.key))):
                self.table.setItem(row, column, QTableWidgetItem(text))
        for frame in found.frames_by_disagreement:
            share = found.disagreement[frame]
            self.frames.addItem(f"frame {frame}: {share:.0%} beyond {found.tolerance_px:g} px")

    def _go_to_row(self, row: int) -> None:
        if self._compared is not None:
            self.frame_chosen.emit(self._compared.frames_by_disagreement[row])


def compared_text(found: workflow.Comparison) -> str:
    """Say how many frames were compared, how many only one labelled, and what speaks against it."""
    notes = [(len(found.only_first), "labelled here only"), (len(found.only_second), "there only")]
    further = "".join(f"; {count} {what}" for count, what in notes if count)
    text = f"Labelled by both: {len(found.by_frame)}{further}"
    return f"{text}. Mind: {found.other_video}" if found.other_video else text
