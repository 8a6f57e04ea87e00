"""What all sections share: a numbered title that folds, a state line, one primary button, progress."""

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from glissile.errors import InputError
from glissile.progress import Step
from glissile.widgets._fold import Fold
from glissile.widgets._resolve import SectionState

# Blue of Okabe and Ito (2008) under white text reads on napari's dark and light themes alike.
_STYLE = """
QPushButton {{ padding: 4px 6px; }}
QPushButton[next="true"]:enabled {{ background-color: #0072b2; color: white; font-weight: bold; }}
QPushButton[next="true"]:enabled:hover {{ background-color: #0087d2; }}
QToolButton, QLineEdit, QTableView, QListWidget, QHeaderView::section {{ font-size: {size}pt; }}
QToolButton[fold="true"] {{ border: none; background: transparent; text-align: left; padding: 2px; }}
QToolButton[key="true"] {{
    min-width: 22px; min-height: 20px; border-radius: 3px; background-color: rgba(127, 127, 127, 60);
}}
QToolButton[key="true"]:checked {{ background-color: #0072b2; color: white; }}
QToolButton[title="true"] {{ font-weight: bold; font-size: {title}pt; }}
QToolButton[popupMode="2"] {{ padding-right: 14px; }}
QToolButton[fold="true"]:hover {{ background-color: rgba(127, 127, 127, 60); }}
QSpinBox {{ min-width: {number}px; }}
QWidget[rule="true"] {{ background-color: rgba(127, 127, 127, 90); }}
QLabel {{ background: transparent; }}
"""
# Vermillion of Okabe and Ito (2008), as of all that must not be overlooked.
_ALARM = "color: #d55e00; font-weight: bold;"
# Pixels of a point on most screens, and points of a spin box with five digits between its buttons.
_PX_PER_PT = 96 / 72
_NUMBER_WIDTH_PT = 6.5


def style(font_size_pt: float) -> str:
    """Style sheet of the dock; napari's own leaves tool buttons, text fields and tables at one size.

    Parameters
    ----------
    font_size_pt : float
        Font size that is set in napari's preferences.
    """
    return _STYLE.format(
        size=font_size_pt,
        title=1.1 * font_size_pt,
        number=round(_NUMBER_WIDTH_PT * font_size_pt * _PX_PER_PT),
    )


class Section(Fold):
    """One stage of the work.

    Sub-classes fill `body` with `add`, and override `start` (the primary button) and `study_changed`.

    Parameters
    ----------
    number : int
        Place in the order of work.
    title : str
        "Trim".
    purpose : str
        One or two sentences for someone who does this for the first time.
    """

    cancel_requested = Signal()
    pause_requested = Signal(bool)  # or, with False, to go on

    def __init__(self, number: int, title: str, purpose: str) -> None:
        super().__init__(f"{number}  {title}", is_section=True)
        self._paused = False
        self._latest_message = ""
        self.state_line = words("")
        self.state_line.setContentsMargins(18, 0, 2, 0)
        self.layout_.insertWidget(1, self.state_line)
        explanation = words(purpose)
        explanation.setStyleSheet("font-style: italic;")
        self.body.addWidget(explanation)
        self.settings = QWidget()
        self.settings_layout = QVBoxLayout(self.settings)
        self.settings_layout.setContentsMargins(0, 0, 0, 0)
        self.settings_layout.setSpacing(6)
        self.body.addWidget(self.settings)

        self.primary = QPushButton()
        self.primary.clicked.connect(self._start)
        self.pause = QPushButton()
        self.pause.clicked.connect(lambda: self.pause_requested.emit(not self._paused))
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self.cancel_requested)
        self.buttons = QHBoxLayout()
        self.buttons.addWidget(self.primary, 1)
        self.buttons.addWidget(self.pause)
        self.buttons.addWidget(self.cancel)
        self.body.addLayout(self.buttons)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(8)
        self.message = words("")
        self.body.addWidget(self.progress)
        self.body.addWidget(self.message)
        self.results = QVBoxLayout()
        self.body.addLayout(self.results)
        rule = QWidget()
        rule.setProperty("rule", True)
        rule.setFixedHeight(1)
        self.layout_.addWidget(rule)
        self._show_running(False)

    def _start(self) -> None:
        try:
            self.start()
        except InputError as error:
            show_error(str(error))

    def start(self) -> None:
        """Do what the primary button says.

        Raises
        ------
        InputError
            If the form holds something that is not possible; the user is told.
        """
        raise NotImplementedError

    def study_changed(self) -> None:
        """Take over a study that was opened, closed or given another working video."""

    def set_state(self, state: SectionState) -> None:
        """Show `state`."""
        self.state_line.setText(state.text)
        self.state_line.setStyleSheet(_ALARM if state.alarm else "")
        self.mark.setText("✓ " if state.done else "")
        self.mark.setToolTip("Done" if state.done else "")
        self.primary.setText(state.button)
        self.primary.setEnabled(state.enabled)
        self.primary.setToolTip(state.reason)
        self.settings.setEnabled(state.editable)
        if self.primary.property("next") != state.next:
            self.primary.setProperty("next", state.next)
            self.primary.style().unpolish(self.primary)
            self.primary.style().polish(self.primary)
        self._show_running(state.running)

    def show_step(self, step: Step) -> None:
        """Show how far the work is."""
        self.progress.setMaximum(step.total)
        self.progress.setValue(step.index)
        self._latest_message = step.message
        self._show_message()

    def show_paused(self, paused: bool) -> None:
        """Show whether the work rests."""
        self._paused = paused
        self._latest_message = self._latest_message or self.message.text()  # said before the first step
        self.pause.setText("Go on" if paused else "Pause")
        self.pause.setToolTip(
            "Go on where it rests" if paused else "Rest between two steps, and leave the processor to others"
        )
        self._show_message()

    def _show_message(self) -> None:
        self.message.setText(f"Paused. {self._latest_message}" if self._paused else self._latest_message)

    def _show_running(self, running: bool) -> None:
        if not running:
            self._latest_message = ""
            self.message.setText("")
            self.show_paused(False)
            self.progress.setRange(0, 1)  # a bar that moves by itself would have napari's canvas drawn too
            self.progress.reset()
        # What cannot be changed gives way to what can be watched.
        for widget in (self.primary, self.settings):
            widget.setVisible(not running)
        for widget in (self.pause, self.cancel, self.progress, self.message):
            widget.setVisible(running)


def words(text: str) -> QLabel:
    """Text that wraps and can be selected, for a narrow dock."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setMinimumWidth(40)
    return label
