"""The frames whose motion needs a look: a list, and a way from one to the next."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QListWidget, QPushButton, QVBoxLayout, QWidget

from glissile.stabilize.review import Doubt
from glissile.widgets._resolve_motion import doubt_at, doubt_text, next_doubt

_ROWS = 4  # of the list that are seen at once


class DoubtList(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Doubts in the order of the frames; hidden where there is none."""

    chosen = Signal(int)  # number in the source of the frame to go to

    def __init__(self) -> None:
        super().__init__()
        self._doubts: tuple[Doubt, ...] = ()
        self._frame: int | None = None
        self.count = QLabel()
        self.back = QPushButton("Previous")
        self.forth = QPushButton("Next")
        self.back.clicked.connect(lambda: self._go(back=True))
        self.forth.clicked.connect(lambda: self._go(back=False))
        self.list = QListWidget()
        self.list.setToolTip("Frames whose motion is uncertain; click to look at them")
        self.list.itemClicked.connect(lambda item: self._go_to_row(self.list.row(item)))
        row = QHBoxLayout()
        row.addWidget(self.count, 1)
        row.addWidget(self.back)
        row.addWidget(self.forth)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.list)
        self.set_value(())

    def set_value(self, doubts: Sequence[Doubt]) -> None:
        """Show `doubts`."""
        self._doubts = tuple(doubts)
        self.setVisible(bool(doubts))
        self.list.clear()
        self.list.addItems([doubt_text(doubt) for doubt in doubts])
        self.show_frame(self._frame)
        self._fit()

    def show_frame(self, frame: int | None) -> None:
        """Mark where `frame`, the one that is looked at, is in the list."""
        self._frame = frame
        at = doubt_at(self._doubts, frame)
        self.list.setCurrentRow(-1 if at is None else at)
        place = "" if at is None else f"{at + 1} of "
        self.count.setText(f"To check: {place}{len(self._doubts)}")
        for button, back in ((self.back, True), (self.forth, False)):
            button.setEnabled(frame is not None and next_doubt(self._doubts, frame, back=back) is not None)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Fit the list to napari's font, which reaches a widget when it is shown."""
        super().showEvent(event)
        self._fit()

    def changeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Fit the list to another font."""
        super().changeEvent(event)
        self._fit()

    def _fit(self) -> None:
        rows = min(_ROWS, max(1, self.list.count()))
        height = max(self.list.sizeHintForRow(0), self.list.fontMetrics().height())
        self.list.setFixedHeight(rows * height + 2 * self.list.frameWidth())

    def _go(self, *, back: bool) -> None:
        doubt = None if self._frame is None else next_doubt(self._doubts, self._frame, back=back)
        if doubt is not None:
            self.chosen.emit(doubt.first)

    def _go_to_row(self, row: int) -> None:
        self.chosen.emit(self._doubts[row].first)
