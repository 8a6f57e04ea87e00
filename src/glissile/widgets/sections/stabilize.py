"""Section 2: one fixed field of view."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QFileDialog, QPushButton

from glissile.errors import InputError
from glissile.io.outputs import refuse_same
from glissile.io.video_files import write_frames
from glissile.stabilize.camera_motion import StabilizeSettings
from glissile.stabilize.field_of_view import ENOUGH
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets._flat_look import FlatLook, flattening
from glissile.widgets._form import SettingsForm
from glissile.widgets._layers import field_corners
from glissile.widgets._worker import start
from glissile.widgets.sections.correction import CorrectionPanel
from glissile.widgets.sections.doubt_list import DoubtList
from glissile.widgets.sections.field_of_view import FieldOfViewPanel
from glissile.widgets.sections.regions import RegionsPanel
from glissile.widgets.sections.section import Section, words

if TYPE_CHECKING:
    from napari.layers import Shapes

# Changes between before and after; free in all layers of napari.
_KEY = "Q"

_FILTER = "MP4 video (*.mp4);;TIFF stack, exact values (*.tif)"


class StabilizeSection(Section):
    """Method, drift found, before and after, frames to check and to correct, export."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            2,
            "Stabilize",
            "Finds how the specimen drifts and holds it still. Kept is the area that all frames show, so "
            "that area fractions always refer to the same piece of crystal; where that is less than "
            f"{100 * ENOUGH:.0f} % of the frame, a canvas that holds all frames. You can choose otherwise.",
        )
        self._bench = bench
        self._rectangle: Shapes | None = None
        self.form = SettingsForm(StabilizeSettings)
        self.settings_layout.addWidget(self.form)
        self.regions = RegionsPanel(bench)
        self.settings_layout.addWidget(self.regions)
        self.kept = words("")
        self.field = FieldOfViewPanel(bench)
        self.compare = QPushButton()
        self.compare.setCheckable(True)
        self.compare.setToolTip(
            f"Shows the same frame as recorded, with the kept field of view, and back again (key {_KEY})"
        )
        self.compare.toggled.connect(self._toggle_comparison)
        self.doubts = DoubtList()
        self.doubts.chosen.connect(self._go_to_frame)
        self.correction = CorrectionPanel(bench)
        self.write = QPushButton("Write stabilized video…")
        self.write.clicked.connect(self._write)
        self.flatten = QCheckBox("Flatten illumination on the screen")
        self.flatten.setToolTip(
            "Evens out what is brighter in parts of the frame or from frame to frame. Only the picture on "
            "the screen: nothing is trained, segmented or written with it."
        )
        self.flatten.toggled.connect(self._toggle_flatten)
        for widget in (
            self.kept,
            self.field,
            self.compare,
            self.doubts,
            self.correction,
            self.write,
            self.flatten,
        ):
            self.results.addWidget(widget)
        self._name_comparison(False)
        bench.study_changed.connect(self.study_changed)
        bench.frame_changed.connect(self._show_frame)
        self._bind_key(bench.display.viewer)
        self.study_changed()

    def _bind_key(self, viewer: Any) -> None:
        viewer.bind_key(_KEY, lambda viewer: self._press_key(), overwrite=True)
        self.destroyed.connect(lambda: viewer.bind_key(_KEY, None))

    def _press_key(self) -> None:
        if self.compare.isVisibleTo(self.compare.parentWidget()):
            self.compare.toggle()

    def study_changed(self) -> None:
        """Show the drift of the study."""
        self.compare.setChecked(False)
        study = self._bench.study
        stabilized = study is not None and study.motion is not None
        for widget in (self.kept, self.field, self.compare, self.correction, self.write):
            widget.setVisible(stabilized)
        self.flatten.setVisible(study is not None)
        self._show_flatten()
        self.doubts.set_value(study.doubts if study is not None else ())
        if study is None:
            return
        self.form.set_value(study.experiment.settings("stabilize", StabilizeSettings))
        self.kept.setText(study.found)
        self._show_frame()

    def start(self) -> None:
        """Estimate the motion."""
        assert self._bench.study is not None
        self._bench.display.mode.leave()  # regions that were drawn are kept, and count
        self._bench.study.experiment.save_settings("stabilize", self.form.value())
        self._bench.change("stabilize", lambda study: _study.stabilized(study.experiment), "Stabilizing")

    def _go_to_frame(self, number: int) -> None:
        display = self._bench.display
        video = display.video()
        index = None if video is None else video.index_of(number)
        if index is not None:
            display.go_to(index)

    def _toggle_comparison(self, recorded: bool) -> None:
        display, study = self._bench.display, self._bench.study
        self._name_comparison(recorded)
        if recorded and study is not None and study.field_of_view is not None:
            shown = study.field_of_view
            display.mode.enter(lambda: self.compare.setChecked(False))
            corners = field_corners(study.trimmed, shown, int(shown.frame_numbers[0]))
            self._rectangle = display.show_rectangles("Kept field of view", corners)
            self._rectangle.editable = False
            self._show_frame()
        elif self._rectangle is not None:
            self._rectangle = None
            display.show_source(False)

    def _name_comparison(self, recorded: bool) -> None:
        other = "After: show it stabilized" if recorded else "Before: show it as recorded"
        self.compare.setText(f"{other} ({_KEY})")

    def _show_frame(self) -> None:
        """Follow the frame that is looked at: in the list, and with the rectangle."""
        study, number = self._bench.study, self._bench.display.frame_number()
        self.doubts.show_frame(number)
        if self._rectangle is None or study is None or study.field_of_view is None or number is None:
            return
        corners = field_corners(study.trimmed, study.field_of_view, number)
        if corners:
            self._rectangle.data = corners
        self._rectangle.visible = bool(corners)

    def _show_flatten(self) -> None:
        """Let the box say whether the picture is flattened."""
        with QSignalBlocker(self.flatten):
            self.flatten.setChecked(self._bench.display.is_flat)

    def _toggle_flatten(self, wanted: bool) -> None:
        study, display = self._bench.study, self._bench.display
        if study is None or not wanted:
            display.set_flat_look(None)
            return

        def take(look: FlatLook) -> None:
            if self.flatten.isChecked() and self._bench.study is study:
                display.set_flat_look(look)

        start(
            lambda: flattening(study.trimmed),
            description="Flattening the illumination",
            on_done=take,
            on_error=lambda message: self._show_flatten(),
            owner=self,
        )

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
