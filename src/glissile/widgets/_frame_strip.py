"""A strip with one tick per frame: which are labelled, proposed, suggested, segmented."""

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from glissile.widgets._frame_plot import faded
from glissile.widgets._resolve_frames import FrameMarks

_HEIGHT_PX = 30
_MARGIN_PX = 5  # on both sides, so that the first and last frame are seen whole
_LEAST_TICK_PX = 2.0
_BAND_PX = 4  # of segmented frames, along the lower edge
_HEAD_PX = 8  # of the triangles of suggested frames, along the upper edge
# A click takes the tick that is so near.
_REACH_PX = 4
_SHOWN_PX, _SHOWN_OPACITY = 8, 0.7  # band of the frame that is looked at
# Of Okabe and Ito (2008), told apart by their shapes as well.
_LABELLED, _PROPOSED, _SUGGESTED, _SEGMENTED = "#e69f00", "#cc79a7", "#56b4e9", "#009e73"
LEGEND = (
    f'<span style="color:{_LABELLED}">█</span> labelled &nbsp; '
    f'<span style="color:{_PROPOSED}">▄</span> proposal &nbsp; '
    f'<span style="color:{_SUGGESTED}">▼</span> suggested &nbsp; '
    f'<span style="color:{_SEGMENTED}">▁</span> segmented &nbsp; × left out'
)


class FrameStrip(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """The frames of the working video from left to right; a click goes to one."""

    chosen = Signal(int)  # index along t

    def __init__(self) -> None:
        super().__init__()
        self.marks = FrameMarks()
        self._shown: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Frames")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Let Qt make it as high as it is drawn."""
        return QSize(200, _HEIGHT_PX)

    def set_marks(self, marks: FrameMarks) -> None:
        """Show what is known of the frames."""
        self.marks = marks
        self.update()

    def set_shown(self, index: int | None) -> None:
        """Show which frame is looked at."""
        self._shown = index
        self.update()

    def x_of(self, index: float) -> float:
        """Where the middle of a frame's tick is, in pixels."""
        return _MARGIN_PX + (index + 0.5) * self._step

    def index_at(self, x: float) -> int | None:
        """Give the frame that a click at `x` means: a tick that is near, else the frame that is there."""
        count = len(self.marks.frame_numbers)
        if not count:
            return None
        nearest = min(self.marks.marked, key=lambda index: abs(self.x_of(index) - x), default=None)
        if nearest is not None and abs(self.x_of(nearest) - x) <= max(_REACH_PX, self._step / 2):
            return nearest
        return min(max(int((x - _MARGIN_PX) / self._step), 0), count - 1)

    @property
    def _step(self) -> float:
        width = max(int(self.width()) - 2 * _MARGIN_PX, 1)
        return width / max(len(self.marks.frame_numbers), 1)

    def mousePressEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Go to the frame that is clicked."""
        index = self.index_at(event.position().x())  # type: ignore[attr-defined]
        if index is not None and event.button() == Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self.chosen.emit(index)

    def event(self, event: QEvent) -> bool:
        """Tell of the frame below the pointer."""
        if event.type() == QEvent.Type.ToolTip:
            index = self.index_at(event.pos().x())
            if index is not None:
                QToolTip.showText(event.globalPos(), self.marks.told(index), self)
            return True
        return bool(super().event(event))

    def paintEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Draw the ticks."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        grey = QColor(127, 127, 127, 60)
        painter.fillRect(QRectF(_MARGIN_PX, 0, self.width() - 2 * _MARGIN_PX, _HEIGHT_PX), grey)
        foreground = self.palette().windowText().color()
        if self._shown is not None:  # behind the tick, which stays seen
            left = self.x_of(self._shown) - _SHOWN_PX / 2
            painter.fillRect(QRectF(left, 0, _SHOWN_PX, _HEIGHT_PX), faded(foreground, _SHOWN_OPACITY))
        marks, floor = self.marks, _HEIGHT_PX - _BAND_PX
        for index in marks.segmented:
            self._bar(painter, index, floor, _BAND_PX, _SEGMENTED, least=0)
        for index in marks.labelled:
            self._bar(painter, index, _HEAD_PX, floor - _HEAD_PX, _LABELLED)
        middle = (_HEAD_PX + floor) / 2
        for index in marks.proposed:
            self._bar(painter, index, middle, floor - middle, _PROPOSED)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(_SUGGESTED))
        for index in marks.suggested:
            x, half = self.x_of(index), _HEAD_PX / 2
            painter.drawPolygon(QPolygonF([QPointF(x - half, 0), QPointF(x + half, 0), QPointF(x, _HEAD_PX)]))
        painter.setPen(foreground)
        for index in marks.left_out:
            x, half = self.x_of(index), _HEAD_PX / 3
            for tilt in (-half, half):
                painter.drawLine(QPointF(x - half, half - tilt), QPointF(x + half, half + tilt))

    def _bar(
        self,
        painter: QPainter,
        index: int,
        top: float,
        height: float,
        color: str,
        least: float = _LEAST_TICK_PX,
    ) -> None:
        width = max(self._step, least)
        painter.fillRect(QRectF(self.x_of(index) - width / 2, top, width, height), QColor(color))
