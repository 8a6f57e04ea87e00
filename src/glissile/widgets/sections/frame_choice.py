"""Which frames to label: a strip of all of them, the way from one to the next, and suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSpinBox, QVBoxLayout, QWidget

from glissile import workflow
from glissile.errors import InputError
from glissile.widgets import _study
from glissile.widgets._form import WheelGuard
from glissile.widgets._frame_strip import LEGEND, FrameStrip
from glissile.widgets._resolve_frames import FrameMarks, beside
from glissile.widgets._worker import Work, start
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from glissile.progress import Step
    from glissile.widgets._bench import Bench

_MOST_SUGGESTED = 99
# Keys of the Labels layer: to the next, and with Shift to the one before.
_LABELLED_KEY, _SUGGESTED_KEY = "N", "S"


class FrameChoice(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Shows what is known of the frames, goes to them and suggests which to label.

    Parameters
    ----------
    bench : Bench
        The study.
    """

    changed = Signal()  # what is known of the frames

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._work: Work | None = None
        self._looks: workflow.FrameLooks | None = None
        self._suggested: dict[int, str] = {}  # reasons by index along t
        self._left_out: frozenset[int] = frozenset()
        self.strip = FrameStrip()
        self.strip.chosen.connect(bench.display.go_to_working)
        self.legend = words(LEGEND)
        ways = QHBoxLayout()
        ways.setSpacing(4)
        self.ways: dict[str, QPushButton] = {}
        for what, key in (("labelled", _LABELLED_KEY), ("suggested", _SUGGESTED_KEY)):
            for back, sign in ((True, "◀"), (False, "▶")):
                shown_key = f"Shift-{key}" if back else key
                button = QPushButton(f"{sign} {what}" if back else f"{what} {sign}")
                button.setToolTip(
                    f"Go to the {'previous' if back else 'next'} {what} frame: key {shown_key} while the "
                    "Labels layer is selected"
                )
                button.clicked.connect(lambda _=False, what=what, back=back: self._go(what, back=back))
                ways.addWidget(button)
                self.ways[shown_key] = button
        self.suggest = QPushButton("Suggest frames to label")
        self.suggest.setToolTip(
            "Looks for frames that are unlike those labelled, where something moves suddenly, or of which "
            "the network is unsure"
        )
        self.suggest.clicked.connect(self._suggest)
        self.count = QSpinBox()
        self.count.setRange(1, _MOST_SUGGESTED)
        self.count.setValue(8)
        self.count.setToolTip("How many frames to suggest")
        self.count.setAccessibleName("Suggested frames")
        self.count.installEventFilter(WheelGuard(self))
        asking = QHBoxLayout()
        asking.addWidget(self.suggest, 1)
        asking.addWidget(self.count)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(8)
        self.progress.hide()
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        self.leave_out = QPushButton("Leave out")
        self.leave_out.setToolTip("Never suggest this frame")
        self.leave_out.clicked.connect(self._leave_out)
        telling = QHBoxLayout()
        telling.addWidget(self.reason, 1)
        telling.addWidget(self.leave_out)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.strip, self.legend, ways, asking, self.progress, telling):
            if isinstance(part, QHBoxLayout):
                layout.addLayout(part)
            else:
                layout.addWidget(part)
        bench.study_changed.connect(self._start_anew)
        bench.facts_changed.connect(self.refresh)
        bench.frame_changed.connect(self._show_frame)
        bench.closed.connect(self._stop)
        self._show_frame()

    @property
    def marks(self) -> FrameMarks:
        """What is known of the frames now."""
        bench = self._bench
        if bench.study is None or bench.keeper is None:
            return FrameMarks()
        return FrameMarks(
            frame_numbers=bench.study.video.frame_numbers.tolist(),
            labelled=bench.keeper.labelled,
            proposed=bench.keeper.proposed,
            suggested={index: self._suggested[index] for index in sorted(self._open())},
            segmented=bench.segmented,
            left_out=self._left_out,
        )

    @property
    def next_suggested(self) -> int | None:
        """Index along t of the suggested frame after the one that is looked at, else of the first one."""
        shown = self._bench.display.working_index()
        after = None if shown is None else beside(self._open(), shown, back=False)
        return min(self._open() - {shown}, default=None) if after is None else after

    def _open(self) -> set[int]:
        """Give the frames that are suggested and not labelled."""
        keeper = self._bench.keeper
        return set() if keeper is None else set(self._suggested).difference(keeper.labelled)

    def _start_anew(self) -> None:
        self._stop()
        self._looks = None
        study, keeper = self._bench.study, self._bench.keeper
        self._suggested, self._left_out = {}, frozenset()
        if study is not None and keeper is not None:
            self._take_kept()
            for key, button in self.ways.items():
                keeper.layer.bind_key(key, lambda layer, button=button: button.click(), overwrite=True)
        self.refresh()

    def _take_kept(self) -> None:
        study = self._bench.study
        assert study is not None
        try:
            found = workflow.suggested(study.experiment, study.video)
            self._left_out = frozenset(workflow.left_out_of_suggestions(study.experiment, study.video))
        except InputError as error:  # of a file that was edited by hand
            show_error(str(error))
        else:
            self._suggested = {s.index: s.reason for s in found}

    def refresh(self) -> None:
        """Show what is known now."""
        marks = self.marks
        self.strip.set_marks(marks)
        for key, button in self.ways.items():
            frames = marks.labelled if key.endswith(_LABELLED_KEY) else marks.suggested
            button.setEnabled(bool(frames))
        self._show_frame()
        self.changed.emit()

    def _show_frame(self, index: int = 0) -> None:
        shown = self._bench.display.working_index()
        self.strip.set_shown(shown)
        reason = self.strip.marks.suggested.get(shown) if shown is not None else None
        self.reason.setText("" if reason is None else f"Suggested: {reason}")
        self.leave_out.setVisible(reason is not None)
        self.reason.setVisible(reason is not None)

    def _go(self, what: str, *, back: bool) -> None:
        display, marks = self._bench.display, self.marks
        frames: Collection[int] = marks.labelled if what == "labelled" else marks.suggested
        shown = display.working_index()
        found = None if shown is None else beside(frames, shown, back=back)
        if found is None:
            show_info(f"There is no {what} frame {'before' if back else 'after'} this one")
        else:
            display.go_to_working(found)

    def _suggest(self) -> None:
        study, keeper = self._bench.study, self._bench.keeper
        if self._work is not None:
            self._stop()
            return
        if study is None or keeper is None or not keeper.flush():
            return
        looks, count = self._looks, int(self.count.value())
        # Another work than the runner's: frames are also labelled while a network trains.
        work = self._work = start(
            lambda: _study.suggested(study.experiment, looks, count),
            description="Suggesting frames",
            on_step=self._show_step,
            on_done=self._if_current(lambda: work, self._take),
            on_error=self._if_current(lambda: work, lambda sentence: None),
            on_stop=self._if_current(lambda: work, lambda: None),
            owner=self,
        )
        self._show_working()

    def _if_current(self, work: Callable[[], Work], call: Callable[..., object]) -> Callable[..., None]:
        """Call only what comes from the work that is still wanted."""

        def called(*result: object) -> None:
            if work() is self._work:
                self._work = None
                self._show_working()
                call(*result)

        return called

    def _show_step(self, step: Step) -> None:
        self.progress.setMaximum(step.total)
        self.progress.setValue(step.index)

    def _take(self, found: tuple[workflow.FrameLooks, tuple[workflow.Suggestion, ...]]) -> None:
        self._looks, suggestions = found
        self._suggested = {s.index: s.reason for s in suggestions}
        self.refresh()
        if not suggestions:
            show_info("No frame needs a label more than those that have one")

    def _leave_out(self) -> None:
        study, shown = self._bench.study, self._bench.display.working_index()
        if study is None or shown is None:
            return
        try:
            workflow.leave_out_of_suggestions(study.experiment, int(study.video.frame_numbers[shown]))
        except InputError as error:
            show_error(str(error))
        else:
            self._take_kept()
            self.refresh()

    def _stop(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        self._show_working()

    def _show_working(self) -> None:
        working = self._work is not None
        self.progress.setRange(0, 1)
        self.progress.reset()
        self.progress.setVisible(working)
        self.suggest.setText("Cancel" if working else "Suggest frames to label")
