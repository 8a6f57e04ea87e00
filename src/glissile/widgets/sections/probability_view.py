"""The choice between masks, the probability of a class and the entropy, shown for the frame on screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from glissile import workflow
from glissile.widgets._worker import Work, in_child_process, start
from glissile.workflow import Asked

if TYPE_CHECKING:
    from glissile.progress import Step
    from glissile.widgets._bench import Bench

_MASKS = "Masks alone"
_ENTROPY = "Uncertainty (entropy)"
# Work that keeps a network in the memory of the graphics card itself.
_NEED_MEMORY = {"train", "segment"}
# Both even to the eye; not the same, as they are not the same quantity.
_PROBABILITY_COLORMAP, _ENTROPY_COLORMAP = "viridis", "magma"


class ProbabilityView(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """What is shown over the frame on screen; it follows the slider, and is predicted in another process.

    Parameters
    ----------
    bench : Bench
        The study, of whose network probabilities are shown.
    """

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._work: Work | None = None
        self._network = ""
        # What was asked of the process and not answered yet, and what is wanted by now.
        self._asked: Asked | None = None
        self._wanted: Asked | None = None
        self.choice = QComboBox()
        self.choice.setToolTip(
            "Show over the frame how probable a class is, or how uncertain all of it is: 0 where one class "
            "is certain, 1 where all are equally probable"
        )
        self.choice.activated.connect(self._choose)
        self.note = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Show"))
        layout.addWidget(self.choice, 1)
        layout.addWidget(self.note)
        bench.study_changed.connect(self._start_anew)
        bench.facts_changed.connect(self._make_room)
        bench.frame_changed.connect(self._follow_frame)
        bench.closed.connect(self._start_anew)
        video_changed = bench.state.video_changed
        video_changed.connect(self._follow_frame)
        self.destroyed.connect(lambda: video_changed.disconnect(self._follow_frame))
        self._start_anew()

    def _card_hash(self) -> str:
        study = self._bench.study
        return "" if study is None or study.card is None else study.card.weights_sha256

    def _start_anew(self) -> None:
        self.stop()
        self._network = self._card_hash()
        study = self._bench.study
        self.choice.clear()
        self.choice.addItem(_MASKS)
        if study is not None and study.card is not None:
            for defect in study.card.classes:
                self.choice.addItem(f"Probability of {defect.name}", defect.value)
            self.choice.addItem(_ENTROPY)
        self.setVisible(bool(self._network))

    def _make_room(self) -> None:
        """Take what is shown away once another network is in use, or needs the memory."""
        if self._network != self._card_hash():
            self._start_anew()
        elif self._on and self._bench.state.running in _NEED_MEMORY:
            self._switch_off()

    @property
    def _on(self) -> bool:
        return int(self.choice.currentIndex()) > 0

    def _choose(self) -> None:
        if self._on:
            self._bench.display.hide_probability()
            self._ask()
        else:
            self.stop()

    def _follow_frame(self) -> None:
        if self._on:
            self._bench.display.fade_probability()
            self._ask()

    def _ask(self) -> None:
        """Have the frame on screen predicted; while another one is, it waits, and the newest one wins."""
        study, display = self._bench.study, self._bench.display
        index = None if study is None or display.shows_source else display.working_index()
        self._wanted = None if index is None else Asked(index, self.choice.currentData())
        if self._wanted is None:
            self.note.setText("")
        if study is None or self._wanted is None or self._asked is not None:
            return
        self.note.setText("...")
        self._asked = first = self._wanted
        if self._work is not None:
            self._work.send(first)
            return
        folder = study.experiment.folder
        work = self._work = start(
            lambda: in_child_process(workflow.probabilities_asked_for, folder, first),
            description="Predicting probabilities",
            on_step=self._take_step,
            on_done=lambda nothing: self._end_of(work, failed=False),
            on_error=lambda sentence: self._end_of(work, failed=True),
            owner=self,
        )

    def _take_step(self, step: Step) -> None:
        if step.preview is None or self._asked is None:
            return
        answered, self._asked = self._asked, None
        display = self._bench.display
        if display.probability_closed:
            self._switch_off()
        elif answered == self._wanted:
            self.note.setText("")
            colormap = _ENTROPY_COLORMAP if answered.value is None else _PROBABILITY_COLORMAP
            display.show_probability(step.preview.astype("float32"), self.choice.currentText(), colormap)
        else:
            self._ask()

    def _end_of(self, work: Work, *, failed: bool) -> None:
        if work is not self._work:
            return  # there is another one by now
        unanswered = self._asked is not None
        self._forget()
        if failed:
            self._switch_off()
        elif unanswered:  # it had just ended, as nothing was asked for long
            self._ask()

    def _switch_off(self) -> None:
        self.choice.setCurrentIndex(0)
        self.stop()

    def stop(self) -> None:
        """Take the image away, and end the process."""
        self._bench.display.hide_probability()
        work = self._work
        self._forget()
        if work is not None:
            work.cancel()

    def _forget(self) -> None:
        self._work = self._asked = self._wanted = None
        self.note.setText("")
