"""The labels that the network doubts: a list, a way to each place, and a word for those that are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from glissile import workflow
from glissile.errors import InputError
from glissile.learn.suspects import fingerprint
from glissile.widgets._resolve_suspects import check_refused, learned_text, suspect_text, suspects_text
from glissile.widgets._worker import Work, in_child_process, start
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glissile.learn.suspects import Suspect
    from glissile.progress import Step
    from glissile.widgets._bench import Bench

_ROWS = 6  # of the list that are seen at once
_CHECK, _STOP = "Check the labels", "Stop checking"
_EXPLAINED = (
    "Compare the labels with what the network finds on the same frames, to catch lines that were missed or "
    "drawn by mistake"
)


class SuspectList(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Places where labels and network disagree, found in another process; those dealt with leave the list.

    Parameters
    ----------
    bench : Bench
        The study whose labels are checked.
    """

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._work: Work | None = None
        self._network = ""
        self._suspects: list[Suspect] = []
        self._masks: dict[int, NDArray[np.generic]] = {}
        self._changed = self._dismissed = 0
        self.button = QPushButton(_CHECK)
        self.button.clicked.connect(self._on_button)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(8)
        self.note = words("")
        self.list = QListWidget()
        self.list.setToolTip(
            "Click to look there: labels are filled, what the network finds is outlined. Correct the label "
            "where it is wrong"
        )
        self.list.currentRowChanged.connect(self._look)
        self.list.itemClicked.connect(lambda item: self._look(self.list.row(item)))
        self.right = QPushButton("Label is right")
        self.right.setToolTip("Take this place off the list for good, unless the label there changes")
        self.right.clicked.connect(self._dismiss)
        self._arrange()
        bench.study_changed.connect(self._on_study)
        bench.facts_changed.connect(self._on_facts)
        bench.frame_changed.connect(self._follow_frame)
        bench.closed.connect(self.stop)
        self._on_study()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.button, self.progress, self.note, self.list):
            layout.addWidget(widget)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.right)
        layout.addLayout(row)

    def value(self) -> tuple[Suspect, ...]:
        """Return the suspects that are listed."""
        return tuple(self._suspects)

    def _card_hash(self) -> str:
        study = self._bench.study
        return "" if study is None or study.card is None else study.card.weights_sha256

    def _on_study(self) -> None:
        self.stop()
        self._clear()
        if self._bench.keeper is not None:
            self._bench.keeper.saved.connect(self._on_saved)
        self._on_facts()

    def _on_facts(self) -> None:
        refused = check_refused(self._bench.facts())
        if refused:
            self.stop()
        if self._network != self._card_hash():
            self.stop()
            self._clear()
        self.button.setEnabled(not refused)
        self.button.setToolTip(refused or _EXPLAINED)

    def _clear(self) -> None:
        self._network = self._card_hash()
        self._masks = {}
        self._show((), "")

    def _on_button(self) -> None:
        if self._work is not None:
            self.stop()
        else:
            self._check()

    def _check(self) -> None:
        study, keeper = self._bench.study, self._bench.keeper
        if study is None or keeper is None or not keeper.flush():
            return
        self._clear()
        folder = study.experiment.folder
        work = self._work = start(
            lambda: in_child_process(workflow.suspects_in, folder),
            description="Checking the labels",
            on_step=self._take_step,
            on_done=lambda found: self._take(work, found),
            on_error=lambda sentence: self._end_of(work),
            on_stop=lambda: self._end_of(work),
            owner=self,
        )
        self._fit()

    def _take_step(self, step: Step) -> None:
        self.progress.setMaximum(step.total)
        self.progress.setValue(step.index)
        if step.preview is not None and step.frame is not None:
            self._masks[step.frame] = step.preview

    def _take(self, work: Work, found: tuple[Suspect, ...]) -> None:
        if work is self._work:
            self._work = None
            self._changed = self._dismissed = 0
            self._show(found, None)
            for index in {suspect.index for suspect in found}:
                self._on_saved(index)  # painted meanwhile

    def _end_of(self, work: Work) -> None:
        if work is self._work:
            self._work = None
            self._fit()

    def stop(self) -> None:
        """End the process that looks for suspects."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        self._fit()

    def _show(self, found: tuple[Suspect, ...], note: str | None) -> None:
        """List `found`; without `note` it says how many they are."""
        if note is None:
            note = suspects_text(found, changed=self._changed, dismissed=self._dismissed)
        selected = self._suspect()
        self._suspects = list(found)
        study = self._bench.study
        classes = () if study is None else study.experiment.document.classes
        names = {defect.value: defect.name for defect in classes}
        nm = None if study is None else study.video.nm_per_pixel
        self.list.blockSignals(True)
        self.list.clear()
        for suspect in found:
            item = QListWidgetItem(suspect_text(suspect, names, nm), self.list)
            item.setToolTip(learned_text(suspect))
        self.list.setCurrentRow(found.index(selected) if selected in found else -1)
        self.list.blockSignals(False)
        self.note.setText(note)
        if not found:
            self._bench.display.outline_segmentation(False)
            self._bench.display.mark_place(None)
        self._fit()

    def _fit(self) -> None:
        listed, works = bool(self._suspects), self._work is not None
        self.button.setText(_STOP if works else _CHECK)
        self.progress.setVisible(works)
        if not works:
            self.progress.setRange(0, 1)
            self.progress.reset()
        self.note.setVisible(bool(self.note.text()))
        self.list.setVisible(listed)
        self.right.setVisible(listed)
        self.right.setEnabled(self._suspect() is not None and self._may_dismiss())
        rows = min(_ROWS, max(1, self.list.count()))
        height = max(self.list.sizeHintForRow(0), self.list.fontMetrics().height())
        self.list.setFixedHeight(rows * height + 2 * self.list.frameWidth())

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Fit the list to napari's font, which reaches a widget when it is shown."""
        super().showEvent(event)
        self._fit()

    def _suspect(self) -> Suspect | None:
        row = self.list.currentRow()
        return self._suspects[row] if 0 <= row < len(self._suspects) else None

    def _may_dismiss(self) -> bool:
        study = self._bench.study
        return study is not None and not study.experiment.read_only

    def _look(self, row: int) -> None:
        """Show a place with its label and what the network finds there."""
        suspect = self._suspect()
        self.right.setEnabled(suspect is not None and self._may_dismiss())
        if suspect is None or row != self.list.currentRow():
            return
        display = self._bench.display
        display.show_segmentation()
        display.outline_segmentation(True)
        self._bench.show_prediction(suspect.index, self._masks[suspect.index])
        display.look_at(suspect.index, suspect.box)

    def _follow_frame(self, index: int) -> None:
        """Take the frame around the place away where another frame is looked at."""
        suspect, display = self._suspect(), self._bench.display
        if suspect is None or display.working_index() != suspect.index:
            display.mark_place(None)

    def _dismiss(self) -> None:
        suspect, row, study = self._suspect(), self.list.currentRow(), self._bench.study
        if suspect is None or study is None:
            return
        try:
            workflow.dismiss_suspect(study.experiment, suspect)
        except (InputError, OSError) as error:
            show_error(f"That the label is right could not be kept: {error}")
        self._dismissed += 1
        self._show(tuple(s for s in self._suspects if s is not suspect), None)
        self.list.setCurrentRow(min(row, self.list.count() - 1))

    def _on_saved(self, index: int) -> None:
        """Take places off the list whose label has changed."""
        keeper = self._bench.keeper
        if keeper is None or not any(suspect.index == index for suspect in self._suspects):
            return
        label = keeper.mask(index)
        left = tuple(s for s in self._suspects if s.index != index or fingerprint(label, s.box) == s.label)
        if len(left) < len(self._suspects):
            self._changed += len(self._suspects) - len(left)
            self._show(left, None)
