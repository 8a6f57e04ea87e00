"""A title that shows and hides what is below it."""

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget


class Fold(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """A title that shows and hides what is below it.

    Parameters
    ----------
    title : str
        Text of the fold.
    is_section : bool
        Printed bold, as the title of a section.
    """

    toggled = Signal(bool)

    def __init__(self, title: str, *, is_section: bool = False) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setIconSize(QSize(10, 10))
        self.button.setProperty("fold", True)
        self.button.setProperty("title", is_section)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.mark = QLabel()
        self.content = QWidget()
        self.body = QVBoxLayout(self.content)
        self.body.setContentsMargins(14, 0, 2, 4)
        self.body.setSpacing(6)
        heading = QHBoxLayout()
        heading.addWidget(self.button, 1)
        heading.addWidget(self.mark)
        self.layout_ = QVBoxLayout(self)
        self.layout_.setContentsMargins(0, 0, 0, 0)
        self.layout_.setSpacing(2)
        self.layout_.addLayout(heading)
        self.layout_.addWidget(self.content)
        self.button.toggled.connect(self._show)
        self._show(False)

    def _show(self, shown: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.content.setVisible(shown)
        self.toggled.emit(shown)

    def set_open(self, opened: bool) -> None:
        """Show or hide the content."""
        self.button.setChecked(opened)

    def is_open(self) -> bool:
        """Whether the content is shown."""
        return bool(self.button.isChecked())
