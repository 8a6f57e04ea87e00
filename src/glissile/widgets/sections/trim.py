"""Section 1: the part of the video that is studied."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QSpinBox

from glissile.video import Trim
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets._layers import cropped, rectangle_corners
from glissile.widgets._resolve import SectionState
from glissile.widgets.sections.section import Section

if TYPE_CHECKING:
    from napari.layers import Shapes

_CROP = ("top", "left", "height", "width")


class TrimSection(Section):
    """Crop rectangle, drawn or typed, and frame range."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            1,
            "Trim",
            "Leave out a clock, scale bar or dark border burnt into the picture, and frames you do not need. "
            "The video file stays as it is.",
        )
        self._bench = bench
        self._rectangle: Shapes | None = None
        self._busy = False
        self.draw = QPushButton("Draw crop")
        self.draw.setCheckable(True)
        self.draw.setToolTip("Shows the video as recorded with a rectangle whose corners you can drag")
        self.draw.toggled.connect(self._toggle_drawing)
        self.whole = QPushButton("Whole frame")
        self.whole.clicked.connect(self._take_whole)
        self.boxes = {name: QSpinBox() for name in (*_CROP, "first", "last")}
        self.from_here = QPushButton("This one")
        self.from_here.clicked.connect(lambda: self._take_frame("first"))
        self.from_here.setToolTip("Start with the frame that is shown")
        self.to_here = QPushButton("This one")
        self.to_here.clicked.connect(lambda: self._take_frame("last"))
        self.to_here.setToolTip("End with the frame that is shown")
        self._arrange()
        for box in self.boxes.values():
            box.setKeyboardTracking(False)
            box.valueChanged.connect(self._on_typed)
        bench.study_changed.connect(self.study_changed)

    def _arrange(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(6)
        buttons = QHBoxLayout()
        buttons.addWidget(self.draw)
        buttons.addWidget(self.whole)
        grid.addLayout(buttons, 0, 0, 1, 3)
        for name, box in self.boxes.items():
            field = Trim.model_fields[name]
            box.setToolTip(field.description or "")
            box.setAccessibleName(field.title or name)
        rows = (
            ("Top, left (px)", self.boxes["top"], self.boxes["left"]),
            ("Height, width (px)", self.boxes["height"], self.boxes["width"]),
            ("First frame", self.boxes["first"], self.from_here),
            ("Last frame", self.boxes["last"], self.to_here),
        )
        for row, (title, left, right) in enumerate(rows, start=1):
            grid.addWidget(QLabel(title), row, 0)
            grid.addWidget(left, row, 1)
            grid.addWidget(right, row, 2)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(2, 1)
        self.settings_layout.addLayout(grid)

    def study_changed(self) -> None:
        """Show the trim of the study."""
        self.draw.setChecked(False)
        study = self._bench.study
        if study is None:
            return
        t, y, x = study.source.shape
        limits = {
            "top": (0, y - 1),
            "left": (0, x - 1),
            "height": (1, y),
            "width": (1, x),
            "first": (0, t - 1),
            "last": (0, t - 1),
        }
        self._busy = True
        for name, (low, high) in limits.items():
            self.boxes[name].setRange(low, high)
        self._busy = False
        self.set_value(study.experiment.settings("trim", Trim))

    def value(self) -> Trim:
        """Read the trim as shown; edges that keep all are left open."""
        assert self._bench.study is not None
        shown = Trim.model_validate({name: box.value() for name, box in self.boxes.items()})
        return shown.opened(self._bench.study.source.shape)

    def set_value(self, trim: Trim) -> None:
        """Show `trim`, in the boxes and as the rectangle."""
        assert self._bench.study is not None
        shown = trim.closed(self._bench.study.source.shape).model_dump()
        self._busy = True
        for name, value in shown.items():
            self.boxes[name].setValue(value)
        self._busy = False
        self._draw_boxes()

    def set_state(self, state: SectionState) -> None:
        """Show `state`."""
        super().set_state(state)
        if not state.editable:
            self.draw.setChecked(False)

    def start(self) -> None:
        """Apply the trim."""
        trim = self.value()
        self.draw.setChecked(False)
        self._bench.change(
            "trim", lambda study: _study.trimmed(study.experiment, study.source, trim), "Trimming the video"
        )

    def _take_whole(self) -> None:
        self.set_value(Trim(first=self.boxes["first"].value(), last=self.boxes["last"].value()))

    def _take_frame(self, name: str) -> None:
        number = self._bench.display.frame_number()
        if number is not None:
            self.boxes[name].setValue(number)

    def _toggle_drawing(self, drawing: bool) -> None:
        self.draw.setText("Stop drawing" if drawing else "Draw crop")
        display = self._bench.display
        if drawing:
            display.mode.enter(lambda: self.draw.setChecked(False))
            self._rectangle = display.show_rectangles("Crop", [self._corners()])
            self._rectangle.mode = "select"
            self._rectangle.selected_data = {0}
            self._rectangle.events.data.connect(self._on_drawn)
        elif self._rectangle is not None:
            self._rectangle.events.data.disconnect(self._on_drawn)
            self._rectangle = None
            display.show_source(False)

    def _corners(self) -> Any:
        return rectangle_corners(*(self.boxes[name].value() for name in _CROP))

    def _on_typed(self) -> None:
        if not self._busy:
            self.set_value(self.value())  # what sticks out of the frame is cut off

    def _draw_boxes(self) -> None:
        if self._rectangle is not None:
            self._busy = True
            self._rectangle.data = [self._corners()]
            self._busy = False

    def _on_drawn(self, event: Any) -> None:
        """Take over what was drawn, once napari has done with it: of several rectangles the latest counts."""
        if not self._busy:
            QTimer.singleShot(0, self._take_drawn)

    def _take_drawn(self) -> None:
        if self._rectangle is None or self._bench.study is None:
            return
        drawn = self._rectangle.data
        if len(drawn):
            shape = self._bench.study.source.shape[1:]
            self.set_value(cropped(self.value(), drawn[-1], shape))
