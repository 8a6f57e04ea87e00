"""What of the specimen is shown: chosen from a list, looked at on the video as recorded, then applied."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from glissile.stabilize.field_of_view import FieldOfView, FieldOfViewSettings
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets._form import WheelGuard
from glissile.widgets._layers import field_corners
from glissile.widgets._resolve_field_of_view import applied_kind, entries, notice, resolve_field_of_view
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from napari.layers import Shapes

_LAYER = "Field of view (not applied)"
_LEAST_LETTERS = 20  # of the list; what is longer is read when it is opened


class FieldOfViewPanel(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Lists the fields of view with their figures; one that is chosen is only drawn until it is applied."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._applied = ""
        self._previewed: FieldOfView | None = None
        self._rectangles: Shapes | None = None
        self.notice = words("")
        self.notice.setStyleSheet("color: #d55e00; font-weight: bold;")
        self.combo = QComboBox()
        self.combo.setAccessibleName("Field of view")
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumContentsLength(_LEAST_LETTERS)
        self.combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.combo.installEventFilter(WheelGuard(self))
        self.combo.activated.connect(self._choose)
        self.text, self.colors = words(""), words("")
        self.apply = QPushButton("Apply")
        self.apply.setToolTip("Shows, labels and measures this field of view from now on; labels are kept")
        self.apply.clicked.connect(self._apply)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(lambda: bench.display.show_source(False))
        self.preview = QWidget()
        self._arrange()
        bench.study_changed.connect(self.study_changed)
        bench.frame_changed.connect(self.refresh)
        bench.facts_changed.connect(self.refresh)
        self.study_changed()

    def _arrange(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.apply, 1)
        buttons.addWidget(self.cancel)
        below = QVBoxLayout(self.preview)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.text)
        below.addWidget(self.colors)
        below.addLayout(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.notice)
        layout.addWidget(QLabel("Field of view"))
        layout.addWidget(self.combo)  # of the whole width, which its figures need
        layout.addWidget(self.preview)

    def study_changed(self) -> None:
        """Show what the study could show, and what it does."""
        study = self._bench.study
        with QSignalBlocker(self.combo):
            self.combo.clear()
            if study is None or not study.choices:
                self._applied = ""
                self.refresh()
                return
            kept = study.experiment.settings("field_of_view", FieldOfViewSettings).kind
            self._applied = applied_kind(kept, study.choices)
            for row, entry in enumerate(entries(study.choices)):
                self.combo.addItem(entry.text, entry.kind)
                self.combo.setItemData(row, entry.tooltip, Qt.ItemDataRole.ToolTipRole)
                self.combo.model().item(row).setEnabled(entry.possible)
        told = notice(self._applied, study.choices)
        self.notice.setText(told)
        self.notice.setVisible(bool(told))
        self._show_choice(self._applied)
        self.refresh()

    def refresh(self) -> None:
        """Follow the frame that is looked at, and what can be done."""
        number = self._bench.display.frame_number()
        state = resolve_field_of_view(self._bench.facts(), self._previewed, number)
        self.preview.setVisible(self._previewed is not None)
        self.text.setText(state.text)
        self.colors.setText(state.colors)
        self.combo.setEnabled(state.choosable)
        self.apply.setEnabled(state.choosable)
        self.combo.setToolTip(state.reason or self._tooltip())
        self._draw(number)

    def _tooltip(self) -> str:
        return str(self.combo.currentData(Qt.ItemDataRole.ToolTipRole) or "")

    def _show_choice(self, kind: str) -> None:
        with QSignalBlocker(self.combo):
            self.combo.setCurrentIndex(self.combo.findData(kind))

    def _choose(self, row: int) -> None:
        """Draw what was chosen over the video as recorded."""
        study, display, kind = self._bench.study, self._bench.display, self.combo.itemData(row)
        if study is None or kind == self._applied:
            display.show_source(False)
            return
        chosen = study.choices[kind]
        if not isinstance(chosen, FieldOfView):
            return
        if self._previewed is None:
            display.mode.enter(self._end)
        self._previewed = chosen
        self._show_choice(kind)
        corners = field_corners(study.trimmed, chosen, int(chosen.frame_numbers[0]))
        self._rectangles = display.show_rectangles(_LAYER, corners)
        self._rectangles.editable = False
        self.refresh()
        display.viewer.reset_view()  # a canvas reaches beyond the frame

    def _draw(self, number: int | None) -> None:
        study, chosen, layer = self._bench.study, self._previewed, self._rectangles
        if study is None or chosen is None or layer is None:
            return
        corners = [] if number is None else field_corners(study.trimmed, chosen, number)
        if corners:
            layer.data = corners
        layer.visible = bool(corners)

    def _end(self) -> None:
        """Show what is applied again."""
        self._previewed = self._rectangles = None
        self._show_choice(self._applied)
        self._bench.display.show_source(False)
        self.refresh()

    def _apply(self) -> None:
        kind = self.combo.currentData()
        self._bench.change(
            "stabilize",
            lambda study: _study.seen_as(study.experiment, FieldOfViewSettings(kind=kind)),
            "Changing the field of view",
        )
