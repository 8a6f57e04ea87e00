"""The trainings that wait: a list, from which each can be taken, and what starts them one after another."""

from collections.abc import Callable

from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QGridLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from glissile import workflow
from glissile.errors import InputError
from glissile.learn.recipes import Recipe
from glissile.widgets._bench import Bench
from glissile.widgets._resolve import refused_now
from glissile.widgets._resolve_models import training_text
from glissile.widgets.sections.section import words


class TrainingQueue(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Trainings that wait, as they are kept in the experiment; hidden where none does.

    A training that was started from here stays in the experiment until it has ended. Should the program end
    before, it waits there, and goes on where it was.

    Parameters
    ----------
    bench : Bench
        Its study.
    train : callable
        Starts a training with these settings, from its checkpoint where one fits.
    """

    def __init__(self, bench: Bench, train: Callable[[Recipe], None]) -> None:
        super().__init__()
        self._bench, self._train = bench, train
        self._from_here = self._going_on = self._failed = False
        self._shown: tuple[tuple[Recipe, ...], bool] = (), False
        self.title = words("")
        self._grid = QGridLayout()
        self._grid.setSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self.go_on = QPushButton("Train what waits")
        self.go_on.clicked.connect(self._begin)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.title)
        layout.addLayout(self._grid)
        layout.addWidget(self.go_on)
        self.removers: list[QToolButton] = []
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._start_next)
        bench.study_changed.connect(self._forget)
        bench.facts_changed.connect(self.refresh)
        bench.runner.failed.connect(self._on_failed)
        bench.runner.ended.connect(self._on_ended)
        self.refresh()

    def add(self, recipe: Recipe) -> None:
        """Let a training wait.

        Raises
        ------
        InputError
            If the experiment is read-only.
        """
        assert self._bench.study is not None
        workflow.queue_training(self._bench.study.experiment, recipe)
        self.refresh()

    def refresh(self) -> None:
        """Show what waits, and whether it can be started."""
        study, facts = self._bench.study, self._bench.facts()
        try:
            recipes = () if study is None else workflow.waiting_trainings(study.experiment)
        except InputError as error:  # written by another version, or by hand
            self.setVisible(True)
            self.title.setText(str(error))
            return
        running = facts.running == "train"
        runs = running and self._from_here
        count = len(recipes) - runs
        self.setVisible(count > 0)
        self.title.setText(f"{'Next' if running else 'Waiting'}: {count} training{'s' if count > 1 else ''}")
        reason = refused_now("train", facts) or ("" if facts.labelled else "No labelled frame yet")
        self.go_on.setVisible(not running)
        self.go_on.setEnabled(not reason)
        self.go_on.setToolTip(reason or "Starts the first of them; the others follow one after another")
        if self._shown != (recipes, runs):
            self._shown = recipes, runs
            self._fill(recipes, first=int(runs))

    def _fill(self, recipes: tuple[Recipe, ...], first: int) -> None:
        while self._grid.count():
            self._grid.takeAt(0).widget().deleteLater()
        self.removers = []
        for place in range(first, len(recipes)):
            said = training_text(recipes[place])
            text = words(said)
            text.setToolTip("It will learn from the labels as they are when its turn comes")
            remove = QToolButton()
            remove.setText("✕")
            remove.setToolTip("Remove it from the queue")
            remove.setAccessibleName(f"Remove {said} from the queue")
            remove.clicked.connect(lambda checked=False, place=place: self._remove(place))
            self._grid.addWidget(text, place, 0)
            self._grid.addWidget(remove, place, 1)
            self.removers.append(remove)

    def _remove(self, place: int) -> None:
        assert self._bench.study is not None
        try:
            workflow.unqueue_training(self._bench.study.experiment, place)
        except InputError as error:
            show_error(str(error))
        self.refresh()

    def _begin(self) -> None:
        self._going_on = True
        self._start_next()

    def _start_next(self) -> None:
        """Start the training that waits first, unless something else runs: then after that."""
        study = self._bench.study
        if study is None or not self._going_on or self._bench.state.running is not None:
            return
        recipes = workflow.waiting_trainings(study.experiment)
        if not recipes:
            self._going_on = False
            return
        self._from_here = True
        try:
            self._train(recipes[0])
        except InputError as error:
            self._from_here = self._going_on = False
            show_error(str(error))

    def _on_failed(self, stage: str) -> None:
        self._failed = stage == "train"

    def _on_ended(self, stage: str, finished: bool) -> None:
        study = self._bench.study
        if stage == "train" and study is not None:
            # One that failed has said so, and the next has its turn; one that was cancelled holds up all.
            over = finished or self._failed
            if self._from_here and over:
                workflow.unqueue_training(study.experiment, 0)
            self._going_on = over
            self._from_here = self._failed = False
            self.refresh()
        if self._going_on:
            self._next.start(0)  # what has just ended first hands over its result

    def _forget(self) -> None:
        """Go on with nothing of a study that was left."""
        if self._bench.state.running != "train":
            self._from_here = self._going_on = False
        self.refresh()
