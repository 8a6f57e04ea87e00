"""Regions that a person draws for the stabilization: what is left out, and what should stand still."""

from dataclasses import dataclass

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from glissile import workflow
from glissile.errors import InputError
from glissile.stabilize.regions import ANCHOR, LEFT_OUT, Regions
from glissile.widgets._bench import Bench
from glissile.widgets._layers import REGION_COLORS, regions_layer
from glissile.widgets._resolve_regions import anchor_text, resolve_regions
from glissile.widgets.sections.section import words

_NAMES = {
    LEFT_OUT: ("Left out", "Clock, scale bar, vacuum: nothing there is specimen, in any frame"),
    ANCHOR: ("Anchor", "The part of the specimen that should stand still; all the rest may move"),
}
_BRUSHES_PER_EDGE = 20  # of a frame: regions are coarse
_ICON_PX = 12


@dataclass(frozen=True, eq=False)
class _Beginning:
    """What Cancel goes back to: what was kept, how it showed, and whether the motion was outdated."""

    drawn: Regions
    shown: Regions
    outdated: bool


class RegionsPanel(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Shows the regions over the video as recorded, to be drawn; every stroke is kept, unless cancelled."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self.layer: Labels | None = None
        self._beginning: _Beginning | None = None
        self._written = Regions(np.zeros((0, 0), np.uint8))  # as they are shown
        self._changed = False  # since they were begun to be drawn
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._save)
        self._anchor_frame: int | None = None
        self._brush_px: int | None = None
        self.begin = QPushButton("Regions\u2026")
        self.begin.clicked.connect(self._begin)
        self.editor = QWidget()
        self.hint = words(
            "Draw with the tools of the layer Regions: brush, eraser, bucket or polygon. A clock or scale "
            "bar that was found is marked already."
        )
        self.anchor = words("")
        self.keys = {value: self._key(value) for value in _NAMES}
        self.clear = QPushButton("Clear anchor")
        self.clear.clicked.connect(self._clear_anchor)
        self.done = QPushButton("Done")
        self.done.setToolTip("What was drawn is saved already")
        self.done.clicked.connect(self._finish)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Take back all that was drawn since Regions\u2026")
        self.cancel.clicked.connect(self._cancel)
        self._arrange()
        bench.facts_changed.connect(self.refresh)
        bench.frame_changed.connect(self.refresh)
        self.refresh()

    def _key(self, value: int) -> QToolButton:
        name, tooltip = _NAMES[value]
        icon = QPixmap(_ICON_PX, _ICON_PX)
        icon.fill(QColor(REGION_COLORS[value]))
        key = QToolButton()
        key.setText(name)
        key.setIcon(QIcon(icon))
        key.setIconSize(QSize(_ICON_PX, _ICON_PX))
        key.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        key.setCheckable(True)
        key.setProperty("key", True)
        key.setToolTip(tooltip)
        key.clicked.connect(lambda: self._draw_with(value))
        return key

    def _arrange(self) -> None:
        group = QButtonGroup(self)
        legend = QHBoxLayout()
        for key in self.keys.values():
            group.addButton(key)
            legend.addWidget(key)
        legend.addWidget(self.clear, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.done, 1)
        buttons.addWidget(self.cancel)
        editing = QVBoxLayout(self.editor)
        editing.setContentsMargins(0, 0, 0, 0)
        editing.addWidget(self.hint)
        editing.addLayout(legend)
        editing.addWidget(self.anchor)
        editing.addLayout(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.begin)
        layout.addWidget(self.editor)

    def refresh(self) -> None:
        """Show what can be done, and where the anchor belongs."""
        study, layer = self._bench.study, self.layer
        state = resolve_regions(self._bench.facts())
        self.begin.setVisible(layer is None)
        self.begin.setToolTip(state.reason)
        self.editor.setVisible(layer is not None)
        if study is None or layer is None:
            return
        frame = self._bench.display.frame_number()
        counts = frame if self._anchor_frame is None else self._anchor_frame
        kept = counts is not None and study.trimmed.index_of(counts) is not None
        self.anchor.setText(anchor_text(self._anchor_frame, frame, kept=kept))
        self.clear.setEnabled(self._anchor_frame is not None)

    def _begin(self) -> None:
        study, display = self._bench.study, self._bench.display
        assert study is not None
        try:
            shown = workflow.shown_regions(study.experiment)
            beginning = _Beginning(workflow.drawn_regions(study.experiment), shown, study.outdated)
        except InputError as error:
            show_error(str(error))
            return
        display.mode.enter(self._end)
        self._beginning, self._written, self._changed = beginning, shown, False
        layer = self.layer = Labels(**regions_layer(shown.values.copy(), study.source))
        self._anchor_frame = None if shown.anchor is None else shown.anchor_index
        display.show_drawing(layer)
        layer.brush_size = self._brush_px or max(1, min(study.source.shape[1:]) // _BRUSHES_PER_EDGE)
        layer.mode = "paint"
        layer.events.paint.connect(self._on_drawn)
        layer.events.set_data.connect(self._on_drawn)  # what is undone tells nothing else
        layer.events.selected_label.connect(self._show_key)
        self._draw_with(LEFT_OUT)
        if self._anchor_frame is not None:
            display.go_to(self._anchor_frame)
        self.refresh()

    def _draw_with(self, value: int) -> None:
        if self.layer is not None:
            self.layer.selected_label = value
            self._show_key()

    def _show_key(self, event: object = None) -> None:
        """Follow which region is drawn; others than the two there are not."""
        if self.layer is None:
            return
        if self.layer.selected_label > ANCHOR:
            self.layer.selected_label = ANCHOR
        for value, key in self.keys.items():
            key.setChecked(self.layer.selected_label == value)

    def _on_drawn(self, event: object = None) -> None:
        """Save once the stroke is in the data: napari tells of it before that."""
        self._follow_anchor()
        self._soon.start()

    def _follow_anchor(self) -> None:
        """Let an anchor belong to the frame that is looked at when it is begun."""
        if self.layer is None:
            return
        drawn = bool((self.layer.data == ANCHOR).any())
        if not drawn:
            self._anchor_frame = None
        elif self._anchor_frame is None:
            self._anchor_frame = self._bench.display.frame_number()
        self.refresh()

    def _clear_anchor(self) -> None:
        if self.layer is not None:
            self.layer.data_setitem(np.nonzero(self.layer.data == ANCHOR), 0)
            self._on_drawn()

    def _save(self) -> bool:
        """Keep what was drawn since it was last kept, if anything was; tell whether that went well."""
        beginning = self._beginning
        if self.layer is None or beginning is None:
            return True
        self._follow_anchor()
        frame = self._written.anchor_index if self._anchor_frame is None else self._anchor_frame
        drawn = Regions(np.array(self.layer.data, np.uint8), frame)
        if _alike(drawn, self._written):
            return True
        self._changed = True
        try:
            if _alike(drawn, beginning.shown):
                self._bench.take_back_regions(beginning.drawn, outdated=beginning.outdated)
            else:
                self._bench.keep_regions(drawn, beginning.drawn)
        except (InputError, OSError) as error:
            show_error(f"The regions could not be kept: {error}")
            return False
        self._written = drawn
        return True

    def _finish(self) -> None:
        if self._save():
            self._leave()

    def _cancel(self) -> None:
        if self._beginning is not None and self._changed:
            try:
                self._bench.take_back_regions(self._beginning.drawn, outdated=self._beginning.outdated)
            except (InputError, OSError) as error:
                show_error(f"The regions could not be taken back: {error}")
                return
        self._leave()

    def _leave(self) -> None:
        self._let_go()
        self._bench.display.show_source(False)

    def _end(self) -> None:
        """Make room for something else; what was drawn is not lost."""
        if self.layer is not None:
            self._save()
            self._leave()

    def _let_go(self) -> None:
        self._soon.stop()
        layer, self.layer = self.layer, None
        if layer is not None:
            self._brush_px = round(layer.brush_size)
            layer.events.paint.disconnect(self._on_drawn)
            layer.events.set_data.disconnect(self._on_drawn)
            layer.events.selected_label.disconnect(self._show_key)
        self.refresh()


def _alike(one: Regions, other: Regions) -> bool:
    """Whether both mark the same, and an anchor on the same frame."""
    same_frame = one.anchor is None or one.anchor_index == other.anchor_index
    return same_frame and np.array_equal(one.values, other.values)
