"""The dialog that asks where and in which format labels are written, and the work of it."""

from pathlib import Path

from napari.utils.notifications import show_info
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from glissile import workflow
from glissile.errors import InputError
from glissile.io.label_formats import FORMATS, LabelFormat, refuse_target
from glissile.naming import EXPERIMENT_SUFFIX
from glissile.widgets._bench import Bench
from glissile.widgets.sections.section import words


class ExportLabelsDialog(QDialog):  # type: ignore[misc]  # qtpy brings no types
    """Format and place of an export.

    Parameters
    ----------
    beside : Path
        Experiment folder, beside which the labels are written unless another place is chosen.
    parent : QWidget
        Over which it opens.
    """

    def __init__(self, beside: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export labels")
        form = QFormLayout(self)
        form.addRow(
            words(
                "All labelled frames are written, on the pixels and with the frame numbers of the source "
                "video, so that the labels can be imported after any trim."
            )
        )
        self.format = QComboBox()
        for known in FORMATS:
            self.format.addItem(known.title)
        form.addRow("Format", self.format)
        self.target = QLineEdit(f"{str(beside).removesuffix(EXPERIMENT_SUFFIX)} labels")
        choose = QPushButton("Choose…")
        choose.clicked.connect(self._choose)
        row = QHBoxLayout()
        row.addWidget(self.target, 1)
        row.addWidget(choose)
        form.addRow("File or folder", row)
        self.note = words("")
        form.addRow(self.note)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.export = self.buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form.addRow(self.buttons)
        _, self._kind = self.value()
        self.format.currentIndexChanged.connect(self._set_suffix)
        self.target.textChanged.connect(self._check)
        self._set_suffix()

    def value(self) -> tuple[Path, LabelFormat]:
        """File or folder, and format."""
        return Path(self.target.text()), FORMATS[self.format.currentIndex()]

    def _set_suffix(self) -> None:
        _, kind = self.value()
        name = self.target.text()
        stem = name[: len(name) - len(self._kind.ending(name))]
        self.target.setText(stem if kind.ending(stem) else stem + kind.suffix)
        self._kind = kind
        self._check()

    def _choose(self) -> None:
        target, kind = self.value()
        title = "New folder for the labels" if kind.folder else "File for the labels"
        kinds = f"{kind.title} (*{kind.suffix})"
        name, _ = QFileDialog.getSaveFileName(self, title, str(target), kinds)
        if name:
            self.target.setText(name if kind.ending(name) else name + kind.suffix)

    def _check(self) -> None:
        target, kind = self.value()
        try:
            refuse_target(target, kind)
            self.note.setText("The file that is there is replaced." if target.is_file() else "")
            self.export.setEnabled(bool(self.target.text()))
        except (InputError, OSError) as error:
            self.note.setText(str(error))
            self.export.setEnabled(False)


def ask_and_export(bench: Bench, parent: QWidget) -> None:
    """Ask for format and place, then export the labels of the open study."""
    study = bench.study
    if study is None:
        return
    dialog = ExportLabelsDialog(study.experiment.folder, parent)
    if dialog.exec() == QDialog.DialogCode.Accepted:
        export_to(bench, *dialog.value())


def export_to(bench: Bench, target: Path, kind: LabelFormat) -> None:
    """Write the labels of the open study; the user is told where they are."""
    study, keeper = bench.study, bench.keeper
    if study is None or keeper is None or not keeper.flush():
        return
    experiment = study.experiment
    bench.runner.run(
        "labels",
        lambda: workflow.export_labels(experiment, target, kind.name),
        description="Exporting labels",
        on_done=lambda written: show_info(f"{len(written.frames)} labelled frames exported to {target}"),
    )
