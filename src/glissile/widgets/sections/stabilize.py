"""Section 2: one fixed field of view."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QComboBox, QFileDialog, QPushButton

from glissile.errors import InputError
from glissile.io.outputs import refuse_same
from glissile.io.video_files import write_frames
from glissile.stabilize.camera_motion import StabilizeSettings
from glissile.stabilize.field_of_view import share_kept
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets._form import SettingsForm
from glissile.widgets._layers import kept_corners
from glissile.widgets.sections.section import Section, words

if TYPE_CHECKING:
    from napari.layers import Shapes

_FILTER = "MP4 video (*.mp4);;TIFF stack, exact values (*.tif)"


class StabilizeSection(Section):
    """Method, drift found, the kept field of view, export."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            2,
            "Stabilize",
            "Finds how the specimen drifts and keeps the area that all frames show, so that area fractions "
            "always refer to the same piece of crystal.",
        )
        self._bench = bench
        self._rectangle: Shapes | None = None
        self.form = SettingsForm(StabilizeSettings)
        self.settings_layout.addWidget(self.form)
        self.kept = words("")
        self.results.addWidget(self.kept)
        self.doubtful = QComboBox()
        self.doubtful.setToolTip("Frames whose motion is uncertain; choose one to look at it")
        self.doubtful.activated.connect(self._go_to_doubtful)
        self.results.addWidget(self.doubtful)
        self.compare = QPushButton("Show on the original video")
        self.compare.setCheckable(True)
        self.compare.setToolTip(
            "Draws the kept field of view on the video as recorded, where it follows the drift"
        )
        self.compare.toggled.connect(self._toggle_comparison)
        self.results.addWidget(self.compare)
        self.write = QPushButton("Write stabilized video…")
        self.write.clicked.connect(self._write)
        self.results.addWidget(self.write)
        bench.study_changed.connect(self.study_changed)
        bench.frame_changed.connect(self._move_rectangle)
        self.study_changed()

    def study_changed(self) -> None:
        """Show the drift of the study."""
        self.compare.setChecked(False)
        study = self._bench.study
        stabilized = study is not None and study.motion is not None
        for widget in (self.kept, self.compare, self.write):
            widget.setVisible(stabilized)
        doubtful = study.doubtful_frames if study is not None else ()
        self.doubtful.setVisible(bool(doubtful))
        self.doubtful.clear()
        for number, flag in doubtful:
            self.doubtful.addItem(f"frame {number}: {flag}", number)
        if study is None:
            return
        self.form.set_value(study.experiment.settings("stabilize", StabilizeSettings))
        self.kept.setText(kept_text(study.video.shape, study.trimmed.shape))

    def start(self) -> None:
        """Estimate the motion."""
        assert self._bench.study is not None
        self.compare.setChecked(False)
        self._bench.study.experiment.save_settings("stabilize", self.form.value())
        self._bench.change("stabilize", lambda study: _study.stabilized(study.experiment), "Stabilizing")

    def _go_to_doubtful(self, row: int) -> None:
        study = self._bench.study
        index = None if study is None else study.video.index_of(self.doubtful.itemData(row))
        if index is not None:
            self._bench.display.go_to_working(index)

    def _toggle_comparison(self, shown: bool) -> None:
        display, study = self._bench.display, self._bench.study
        self.compare.setText("Back to the stabilized video" if shown else "Show on the original video")
        if shown and study is not None:
            index = display.working_index() or 0
            self._rectangle = display.show_rectangle("Kept field of view", kept_corners(study.video, index))
            self._rectangle.editable = False
        elif self._rectangle is not None:
            self._rectangle = None
            display.show_source(False)

    def _move_rectangle(self) -> None:
        study, index = self._bench.study, self._bench.display.working_index()
        if self._rectangle is not None and study is not None and index is not None:
            self._rectangle.data = [kept_corners(study.video, index)]

    def _write(self) -> None:
        study = self._bench.study
        assert study is not None
        proposed = study.experiment.folder / f"{study.source.name}-stabilized.mp4"
        name, _ = QFileDialog.getSaveFileName(self, "Write stabilized video", str(proposed), _FILTER)
        if name:
            try:
                refuse_same(Path(name), study.experiment.source_path())
            except InputError as error:
                show_error(str(error))
                return
            self._bench.runner.run(
                "stabilize",
                write_frames(Path(name), study.video),
                description="Writing the stabilized video",
                on_done=lambda path: self.kept.setText(f"{self.kept.text()}\nWritten: {path}"),
            )


def kept_text(kept: tuple[int, int, int], of: tuple[int, int, int]) -> str:
    """Say how much of a frame is left: "Kept 300 x 280 of 362 x 330 px (70 %)".

    Parameters
    ----------
    kept, of : tuple of int
        (t, y, x) after and before.
    """
    return f"Kept {kept[2]} x {kept[1]} of {of[2]} x {of[1]} px ({100 * share_kept(kept, of):.0f} %)"
