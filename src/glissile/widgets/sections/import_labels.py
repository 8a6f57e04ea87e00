"""The dialog that asks for labels to take over, and what became of them."""

from pathlib import Path

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from glissile import workflow
from glissile.widgets.sections.labels_place import LabelsPlace
from glissile.widgets.sections.section import words


class ImportLabelsDialog(QDialog):  # type: ignore[misc]  # qtpy brings no types
    """File or folder of labels, number of the first frame and step between frames.

    Parameters
    ----------
    parent : QWidget
        Over which it opens.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import labels")
        layout = QVBoxLayout(self)
        layout.addWidget(
            words(
                "Index images (PNG or TIFF; 0 background, 1, 2, … the classes) or one sub-folder of images "
                "per class; multi-page TIFF; OME-Zarr; COCO or Labelme (JSON); another experiment. The "
                "number at the end of a name, or of a page, says which frame a label belongs to; frame k of "
                "the video is number first + step · k. Frames that are labelled keep their labels."
            )
        )
        self.place = LabelsPlace()
        self.place.changed.connect(self._check)
        layout.addWidget(self.place)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout.addWidget(self.buttons)
        self._check()

    def value(self) -> tuple[Path, float, float]:
        """File or folder, number of the first frame, step."""
        return self.place.value()

    def _check(self) -> None:
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(self.place.exists)


def imported_text(taken: workflow.ImportedLabels) -> str:
    """Say what became of labels from elsewhere."""
    notes = [
        (taken.nearest, "lay between two frames and went to the nearer one"),
        (len(taken.farther), "were left out, as another lies nearer to the same frame"),
        (len(taken.outside), "belong to no frame of the video"),
        (taken.kept, "were left out, as their frames are labelled already"),
        (taken.left_out, "are of frames that are trimmed away, and so of no use"),
        (taken.proposals, "took the place of a proposal"),
    ]
    further = "; ".join(f"{count} {what}" for count, what in notes if count)
    text = f"{len(taken.frames)} labelled frames imported" + (f"; {further}" if further else "")
    if taken.other_video:
        text += f". Mind: {taken.other_video}"
    if not taken.doubt:
        return text
    return f"{text}. Number of the first frame or step between frames are probably wrong: {taken.doubt}"
