"""The top of the dock: what is open, and opening another."""

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from glissile.experiment import Backup
from glissile.progress import Step
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets.sections.calibration import CalibrationFold
from glissile.widgets.sections.lost_video import LostVideo
from glissile.widgets.sections.restore_labels import RestoreLabelsDialog
from glissile.widgets.sections.section import words

_VIDEOS = "Videos (*.mp4 *.avi *.mov *.mkv *.wmv *.m4v *.webm *.tif *.tiff);;All files (*)"


class ElidedLabel(QLabel):  # type: ignore[misc]  # qtpy brings no types
    """One line of text whose middle gives way; the whole of it is the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_whole_text(self, text: str) -> None:
        """Show `text`, as far as there is room."""
        self._whole = text
        self.setToolTip(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the text into the new width."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        elided = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width())
        self.setText(elided)


class Header(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Buttons to open, name and place of the experiment, calibration."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._offered: Path | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self.open_video = QPushButton("Video…")
        menu = QMenu(self.open_video)
        menu.addAction("Video file…", self._ask_video)
        menu.addAction("Folder of frames…", self._ask_frames)
        self.open_video.setMenu(menu)
        self.open_experiment = QPushButton("Experiment…")
        self.open_experiment.clicked.connect(self._ask_experiment)
        row = QHBoxLayout()
        row.addWidget(QLabel("Open"))
        row.addWidget(self.open_video, 1)
        row.addWidget(self.open_experiment, 1)
        layout.addLayout(row)
        self.offer = QPushButton()
        self.offer.setProperty("next", True)
        self.offer.clicked.connect(self._take_offer)
        layout.addWidget(self.offer)
        self.lost = LostVideo(bench, _VIDEOS)
        layout.addWidget(self.lost)
        self.name = QLabel()
        self.name.setStyleSheet("font-weight: bold;")
        self.more = QToolButton()
        self.more.setText("More")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        menu.addAction("Restore labels…", self._ask_backup)
        self.more.setMenu(menu)
        named = QHBoxLayout()
        named.addWidget(self.name, 1)
        named.addWidget(self.more)
        self.path = ElidedLabel()
        self.read_only = words("")
        self.read_only.setStyleSheet("color: #d55e00; font-weight: bold;")
        self.hint = words(
            "Open a video of your in-situ test, or drop it on the window. Its experiment folder, made beside "
            "it, remembers every step. To try it all, take File > Open Sample > Glissile."
        )
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(8)
        self.message = words("")
        layout.addWidget(self.hint)
        layout.addLayout(named)
        for widget in (self.path, self.read_only, self.progress, self.message):
            layout.addWidget(widget)
        self.calibration = CalibrationFold(bench)
        layout.addWidget(self.calibration)
        bench.study_changed.connect(self.show_study)
        bench.facts_changed.connect(self._facts_changed)
        self.show_study()
        self.offer_video(None)
        self._facts_changed()

    def show_study(self) -> None:
        """Show what is open."""
        study = self._bench.study
        self.hint.setVisible(study is None)
        for widget in (self.name, self.more, self.path, self.calibration):
            widget.setVisible(study is not None)
        self.read_only.setVisible(study is not None and study.experiment.read_only)
        if study is None:
            return
        experiment = study.experiment
        self.name.setText(experiment.folder.name)
        self.path.set_whole_text(str(experiment.folder))
        self.read_only.setText(experiment.why_read_only() or "")
        if self._offered is not None and self._offered.name == Path(experiment.document.source.path).name:
            self.offer_video(None)

    def offer_video(self, path: Path | None) -> None:
        """Offer the experiment of a video that napari shows already; None takes the offer back."""
        self._offered = path
        self.offer.setVisible(path is not None)
        if path is not None:
            self.offer.setText(f"Open {path.name} here")
            self.offer.setToolTip(str(path))

    def open_folder(self, folder: Path) -> None:
        """Open an experiment folder, or ask for its video where that is missing."""
        if not self.lost.miss(folder):
            self._bench.open_folder(folder)

    def show_step(self, step: Step) -> None:
        """Show what is being opened."""
        self.message.setText(step.message)

    def _facts_changed(self) -> None:
        opening = self._bench.state.running in ("opening", "reading")
        self.progress.setVisible(opening)
        self.message.setVisible(opening)
        free = self._bench.state.running is None
        for button in (self.open_video, self.open_experiment, self.offer, self.more):
            button.setEnabled(free)
            button.setToolTip("" if free else "Please wait, or cancel what is running")
        study = self._bench.study
        if free and study is not None and study.experiment.read_only:
            self.more.setEnabled(False)
            self.more.setToolTip("Nothing can be changed: why is said below")

    def _take_offer(self) -> None:
        path = self._offered
        if path is not None:
            self.offer_video(None)
            self._bench.open_video(path)

    def _ask_video(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open video", "", _VIDEOS)
        if name:
            self._bench.open_video(Path(name))

    def _ask_frames(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open a folder of frames")
        if name:
            self._bench.open_video(Path(name))

    def _ask_backup(self) -> None:
        study, keeper = self._bench.study, self._bench.keeper
        if study is None or keeper is None or not keeper.flush():
            return
        dialog = RestoreLabelsDialog(study.experiment, self)
        if dialog.exec() == QDialog.DialogCode.Accepted and (backup := dialog.value()) is not None:
            self.restore(backup)

    def restore(self, backup: Backup) -> None:
        """Put the labels of a backup in place of those of now."""
        study, keeper = self._bench.study, self._bench.keeper
        assert study is not None
        assert keeper is not None
        if keeper.flush():  # what was painted over the open dialog, too
            self._bench.runner.run(
                "label",
                _study.restored(study.experiment, backup),
                description="Restoring labels",
                on_done=self._take_restored,
            )

    def _take_restored(self, found: Any) -> None:
        taken, study = found
        self._bench.take(study)
        kept = "" if taken.before is None else f"; those of before are kept as {taken.before.name}"
        show_info(f"Labels of {len(taken.frames)} frames restored{kept}")

    def _ask_experiment(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open an experiment folder (NAME.glissile)")
        if name:
            self.open_folder(Path(name))
