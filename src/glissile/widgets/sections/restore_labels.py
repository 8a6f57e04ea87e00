"""The dialog that asks which backup of the labels to restore."""

from collections.abc import Sequence

from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glissile import workflow
from glissile.experiment import Backup, Experiment
from glissile.widgets.sections.section import words

_NAMED_FRAMES = 12


class RestoreLabelsDialog(QDialog):  # type: ignore[misc]  # qtpy brings no types
    """The backups of the labels, and what restoring the chosen one would change.

    Parameters
    ----------
    experiment : Experiment
        Whose labels they are, all of them on disk.
    parent : QWidget
        Over which it opens.
    """

    def __init__(self, experiment: Experiment, parent: QWidget) -> None:
        super().__init__(parent)
        self._experiment = experiment
        self._backups = workflow.label_backups(experiment)
        self.setWindowTitle("Restore labels")
        layout = QVBoxLayout(self)
        layout.addWidget(
            words(
                "Labels are backed up when the experiment is opened, if they have changed. Those of now are "
                "backed up before others take their place."
            )
        )
        self.table = QTableWidget(len(self._backups), 2)
        self.table.setHorizontalHeaderLabels(["saved", "labelled frames"])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        for row, backup in enumerate(self._backups):
            for column, text in enumerate(_row(backup)):
                self.table.setItem(row, column, QTableWidgetItem(text))
        self.table.itemSelectionChanged.connect(self._show_difference)
        layout.addWidget(self.table)
        self.difference = words("")
        layout.addWidget(self.difference)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.restore = self.buttons.addButton("Restore", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout.addWidget(self.buttons)
        self._show_difference()

    def value(self) -> Backup | None:
        """Give the chosen backup; None where none is."""
        rows = self.table.selectionModel().selectedRows()
        return self._backups[rows[0].row()] if rows else None

    def _show_difference(self) -> None:
        backup = self.value()
        if backup is None:
            text, changes = "Choose one." if self._backups else "There is no backup yet.", False
        elif backup.problem:
            text, changes = backup.problem, False
        else:
            text, changes = _changes(workflow.backup_difference(self._experiment, backup))
        self.difference.setText(text)
        self.restore.setEnabled(changes)


def _row(backup: Backup) -> tuple[str, str]:
    if backup.made_at is None:
        return backup.name, "damaged"
    return f"{backup.made_at.astimezone():%Y-%m-%d %H:%M:%S}", str(len(backup.frames))


def _changes(difference: workflow.BackupDifference) -> tuple[str, bool]:
    """Say what restoring would change, and whether it would change anything."""
    told = (
        (difference.lost, "labelled now and would be lost"),
        (difference.gained, "would come back"),
        (difference.changed, "labelled otherwise now"),
    )
    sentences = [f"{_frames(frames)}: {what}." for frames, what in told if frames]
    return "\n".join(sentences) or "The labels of now are the same.", bool(sentences)


def _frames(numbers: Sequence[int]) -> str:
    """Name frames: "Frames 3, 4, 17"."""
    more = ", …" if len(numbers) > _NAMED_FRAMES else ""
    return f"Frame{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:_NAMED_FRAMES]))}{more}"
