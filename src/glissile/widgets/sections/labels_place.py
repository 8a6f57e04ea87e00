"""Where labels from elsewhere are, and how they are numbered."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

_LEAST_STEP = 0.0001


class LabelsPlace(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """A file or a folder, the number of the first frame, and the step between frames."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self.path = QLineEdit()
        self.path.setToolTip("A file, a folder of labels, or the folder of another experiment")
        self.path.textChanged.connect(self.changed)
        file, folder = QPushButton("File…"), QPushButton("Folder…")
        file.clicked.connect(self._choose_file)
        folder.clicked.connect(self._choose_folder)
        row = QHBoxLayout()
        row.addWidget(self.path, 1)
        row.addWidget(file)
        row.addWidget(folder)
        form.addRow("Labels", row)
        self.first = _number_box(0.0)
        form.addRow("Number of the first frame", self.first)
        self.step = _number_box(1.0)
        self.step.setMinimum(_LEAST_STEP)
        form.addRow("Step between frames", self.step)

    @property
    def exists(self) -> bool:
        """Whether there is something at the place."""
        return bool(self.path.text()) and Path(self.path.text()).exists()

    def value(self) -> tuple[Path, float, float]:
        """Place, number of the first frame, step."""
        return Path(self.path.text()), self.first.value(), self.step.value()

    def _choose_file(self) -> None:
        kinds = "Labels (*.tif *.tiff *.png *.json);;All files (*)"
        name, _ = QFileDialog.getOpenFileName(self, "File of labels", self.path.text(), kinds)
        if name:
            self.path.setText(name)

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of labels", self.path.text())
        if name:
            self.path.setText(name)


def _number_box(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(4)
    box.setRange(-1e6, 1e6)
    box.setValue(value)
    return box
