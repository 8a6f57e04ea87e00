"""Setting one frame by hand: its picture over the one before it, dragged or nudged into place."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets._resolve_motion import resolve_correction
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from glissile.widgets._alignment import Alignment

_STEP_PX = 0.1  # of the arrows in the boxes; the buttons move by a whole pixel
_MOST_PX = 1e5
# Symbol, where it moves the picture (down, right), tooltip, place in the grid.
_ARROWS = (
    ("\u2191", (-1, 0), "up", (0, 1)),
    ("\u2190", (0, -1), "left", (1, 0)),
    ("\u2192", (0, 1), "right", (1, 2)),
    ("\u2193", (1, 0), "down", (2, 1)),
)


class CorrectionPanel(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Begins, keeps and takes back the correction of the frame that is shown."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._alignment: Alignment | None = None
        self._writing = False
        self.begin = QPushButton("Correct this frame\u2026")
        self.begin.clicked.connect(self._begin)
        self.take_back = QPushButton("Take back the correction of this frame")
        self.take_back.clicked.connect(self._take_back)
        self.editor = QWidget()
        self.hint = words("")
        self.dy, self.dx = (self._box(name) for name in ("dy", "dx"))
        self.keep = QPushButton("Keep")
        self.keep.clicked.connect(self._keep)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(lambda: bench.display.mode.leave())
        self.arrows: dict[str, QToolButton] = {}
        self._arrange()
        bench.frame_changed.connect(self.refresh)
        bench.facts_changed.connect(self.refresh)
        self._show_editor()

    def _box(self, name: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(-_MOST_PX, _MOST_PX)
        box.setDecimals(2)
        box.setSingleStep(_STEP_PX)
        box.setSuffix(" px")
        box.setAccessibleName(name)
        box.setToolTip("Displacement of the specimen since the first frame, as in the plot")
        box.valueChanged.connect(self._on_typed)
        return box

    def _arrange(self) -> None:
        arrows = QGridLayout()
        arrows.setSpacing(2)
        for symbol, (down, right), name, place in _ARROWS:
            button = QToolButton()
            button.setText(symbol)
            button.setProperty("key", True)
            button.setAutoRepeat(True)
            button.setToolTip(f"Move the picture {name} by a pixel")
            button.clicked.connect(lambda _=False, d=down, r=right: self._nudge(d, r))
            arrows.addWidget(button, *place)
            self.arrows[name] = button
        boxes = QGridLayout()
        for row, (name, box) in enumerate((("dy", self.dy), ("dx", self.dx))):
            boxes.addWidget(QLabel(name), row, 0)
            boxes.addWidget(box, row, 1)
        boxes.setColumnStretch(1, 1)
        place = QHBoxLayout()
        place.addLayout(boxes, 1)
        place.addLayout(arrows)
        buttons = QHBoxLayout()
        buttons.addWidget(self.keep, 1)
        buttons.addWidget(self.cancel)
        editing = QVBoxLayout(self.editor)
        editing.setContentsMargins(0, 0, 0, 0)
        editing.addWidget(self.hint)
        editing.addLayout(place)
        editing.addLayout(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.begin, self.editor, self.take_back):
            layout.addWidget(widget)

    def refresh(self) -> None:
        """Show what can be done with the frame that is looked at."""
        study = self._bench.study
        if study is None or study.motion is None:
            return
        frame = self._frame()
        state = resolve_correction(
            self._bench.facts(), frame, int(study.motion.frame_numbers[0]), frame in study.corrected
        )
        self.begin.setEnabled(state.correctable)
        self.begin.setToolTip(state.reason)
        self.take_back.setVisible(state.undoable and self._alignment is None)
        self.editor.setEnabled(state.editable)

    def _frame(self) -> int | None:
        """Tell which frame of the source is looked at, where the working video has it."""
        study, index = self._bench.study, self._bench.display.working_index()
        return None if study is None or index is None else int(study.video.frame_numbers[index])

    def _begin(self) -> None:
        frame = self._frame()
        if frame is None:
            return
        alignment = self._bench.display.show_alignment(frame)
        alignment.moved.connect(self._show_place)
        alignment.ended.connect(self._end)
        self._alignment = alignment
        self._show_place(*alignment.displacement_px)
        self.hint.setText(
            f"Frame {alignment.frame}, magenta, lies on frame {alignment.reference}, green. Drag it, or move "
            "it with the arrows, until what is the same in both is grey."
        )
        self._show_editor()

    def _end(self) -> None:
        self._alignment = None
        self._show_editor()

    def _show_editor(self) -> None:
        self.editor.setVisible(self._alignment is not None)
        self.begin.setVisible(self._alignment is None)
        self.take_back.setVisible(False)
        self.refresh()

    def _show_place(self, dy: float, dx: float) -> None:
        self._writing = True
        self.dy.setValue(dy)
        self.dx.setValue(dx)
        self._writing = False

    def _on_typed(self) -> None:
        if not self._writing and self._alignment is not None:
            self._alignment.set(self.dy.value(), self.dx.value())

    def _nudge(self, down: int, right: int) -> None:
        if self._alignment is not None:
            self._alignment.nudge(down, right)

    def _keep(self) -> None:
        if self._alignment is not None:
            self._change(self._alignment.frame, self._alignment.displacement_px)

    def _take_back(self) -> None:
        frame = self._frame()
        if frame is not None:
            self._change(frame, None)

    def _change(self, frame: int, displacement_px: tuple[float, float] | None) -> None:
        self._bench.change(
            "stabilize",
            lambda study: _study.corrected(study.experiment, study.trimmed, frame, displacement_px),
            f"Correcting frame {frame}",
        )
