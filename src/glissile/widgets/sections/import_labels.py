"""The dialog that asks for a folder of label images and how they are numbered."""

from pathlib import Path

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from glissile.widgets.sections.section import words


class ImportLabelsDialog(QDialog):  # type: ignore[misc]  # qtpy brings no types
    """Folder of label images, number of the first frame and step between frames.

    Parameters
    ----------
    parent : QWidget
        Over which it opens.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import label images")
        form = QFormLayout(self)
        form.addRow(
            words(
                "Index images (PNG or TIFF; 0 background, 1, 2, … the classes), or one sub-folder per class. "
                "The number at the end of a file name says which frame it belongs to; frame k of the video "
                "is number first + step · k."
            )
        )
        self.folder = QLineEdit()
        choose = QPushButton("Choose…")
        choose.clicked.connect(self._choose)
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(choose)
        form.addRow("Folder", row)
        self.first = _number_box(0.0)
        form.addRow("Number of the first frame", self.first)
        self.step = _number_box(1.0)
        self.step.setMinimum(0.0001)
        form.addRow("Step between frames", self.step)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form.addRow(self.buttons)
        self.folder.textChanged.connect(self._check)
        self._check()

    def value(self) -> tuple[Path, float, float]:
        """Folder, number of the first frame, step."""
        return Path(self.folder.text()), self.first.value(), self.step.value()

    def _choose(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of label images", self.folder.text())
        if name:
            self.folder.setText(name)

    def _check(self) -> None:
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(bool(self.folder.text()) and Path(self.folder.text()).is_dir())


def _number_box(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(4)
    box.setRange(-1e6, 1e6)
    box.setValue(value)
    return box
