"""Section 4: a network learns from the labelled frames, in a process of its own."""

from typing import Any

from napari.utils.notifications import show_error, show_info
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QHeaderView, QPushButton, QTableWidget, QTableWidgetItem

from glissile.errors import InputError
from glissile.learn.recipes import RECIPES, Recipe
from glissile.progress import Step
from glissile.widgets import _jobs
from glissile.widgets._bench import Bench
from glissile.widgets._form import SettingsForm
from glissile.widgets._resolve import SectionState
from glissile.widgets._worker import in_child_process
from glissile.widgets.sections.section import Section, words

_PREVIEW_AFTER_MS = 300
_MEASURES = {"precision": "prec.", "recall": "recall", "f": "F", "tolerant_f": "F 2 px"}


class TrainSection(Section):
    """Recipe, live curves, and the scores in the end."""

    def __init__(self, bench: Bench, viewer: Any) -> None:
        super().__init__(
            4,
            "Train",
            "A network learns to find the defects as you painted them. It runs in the background: you can go "
            "on labelling, and watch its prediction of the frame you look at.",
        )
        from glissile.widgets.sections.training_plot import TrainingPlot

        self._bench, self._viewer = bench, viewer
        self.form = SettingsForm(Recipe)
        self.recipe = QComboBox()
        self.recipe.addItems(list(RECIPES))
        self.recipe.setToolTip(
            "glissile: quick, from few frames; tanaka2025: network and settings of the paper"
        )
        self.recipe.activated.connect(lambda: self.form.set_value(RECIPES[self.recipe.currentText()]))
        row = QFormLayout()
        row.addRow("Recipe", self.recipe)
        self.settings_layout.addLayout(row)
        self.settings_layout.addWidget(self.form)
        self.resume = QPushButton("Resume")
        self.resume.setToolTip("Go on with the training that was cut short")
        self.resume.clicked.connect(self._resume)
        self.buttons.insertWidget(1, self.resume)
        self.stop = QPushButton("Stop and keep best")
        self.stop.clicked.connect(self._stop)
        self.buttons.insertWidget(2, self.stop)
        self.plot = TrainingPlot()
        self.plot.hide()
        self.results.addWidget(self.plot)
        self.scores = QTableWidget(0, 1 + len(_MEASURES))
        self.scores.setHorizontalHeaderLabels(["", *_MEASURES.values()])
        self.scores.verticalHeader().hide()
        self.scores.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.scores.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.scores.horizontalHeader().setMinimumSectionSize(20)
        self.scores.horizontalHeader().setHighlightSections(False)
        self.scores.setToolTip(
            "Precision, recall and F-score; the last also counts what is off by up to 2 px"
        )
        self.scores.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scores.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.results.addWidget(self.scores)
        self.note = words("")
        self.results.addWidget(self.note)
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.setInterval(_PREVIEW_AFTER_MS)
        self._preview_timer.timeout.connect(self._ask_preview)
        self.toggled.connect(lambda shown: self._show_scores())  # rows wrap once they have a width
        bench.study_changed.connect(self.study_changed)
        bench.facts_changed.connect(self._show_scores)
        bench.frame_changed.connect(lambda index: self._preview_timer.start())
        viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()
        self._show_scores()

    def study_changed(self) -> None:
        """Show the recipe of the study."""
        study = self._bench.study
        if study is not None:
            recipe = study.experiment.settings("train", Recipe)
            self.form.set_value(recipe)
            self.recipe.setCurrentText(recipe.name)
        if self._bench.state.running != "train":
            self.plot.hide()

    def set_state(self, state: SectionState) -> None:
        """Show `state`."""
        super().set_state(state)
        self.resume.setVisible(not state.running and self._bench.facts().resumable)
        self.resume.setEnabled(state.enabled)
        self.stop.setVisible(state.running)

    def start(self) -> None:
        """Train anew."""
        self._train(resume=False)

    def _resume(self) -> None:
        try:
            self._train(resume=True)
        except InputError as error:
            show_error(str(error))

    def _train(self, *, resume: bool) -> None:
        study = self._bench.study
        assert study is not None
        study.experiment.save_settings("train", self.form.value())
        self._bench.save()
        self.plot.begin(study.experiment.document.classes)
        self.plot.show()
        self.stop.setEnabled(True)
        shown = self._bench.display.working_index() or 0
        self._bench.display.show_segmentation()
        self._bench.runner.run(
            "train",
            in_child_process(_jobs.trained, study.experiment.folder, shown, resume),
            description="Training",
            on_step=self._take_step,
            on_done=lambda card: self._take_trained(),
        )
        self.message.setText("Starting: loading the labelled frames and the network")

    def _take_step(self, step: Step) -> None:
        self.plot.add(step.metrics)
        if step.preview is not None and step.frame is not None:
            self._bench.show_prediction(step.frame, step.preview)

    def _take_trained(self) -> None:
        self._bench.set_trained()
        show_info("The network is trained")

    def _stop(self) -> None:
        self.stop.setEnabled(False)
        self._bench.runner.send("stop")
        self._bench.runner.set_paused(False)

    def _ask_preview(self) -> None:
        index = self._bench.display.working_index()
        if self._bench.state.running == "train" and index is not None:
            self._bench.runner.send(index)

    def _show_scores(self) -> None:
        study = self._bench.study
        card = None if study is None else study.card
        rows = []
        if card is not None:
            for subject, suffix in (("holdout", ""), ("copy_nearest", " (copied)")):
                found = card.scores.get(subject, {})
                rows += [(f"{c.name}{suffix}", found[c.key]) for c in card.classes if c.key in found]
        self.scores.setVisible(bool(rows))
        self.scores.setRowCount(len(rows))
        for row, (name, values) in enumerate(rows):
            texts = [name, *(_score_text(values.get(measure)) for measure in _MEASURES)]
            for column, text in enumerate(texts):
                self.scores.setItem(row, column, QTableWidgetItem(text))
        self.scores.resizeRowsToContents()
        height = self.scores.horizontalHeader().sizeHint().height() + 4
        self.scores.setFixedHeight(height + sum(self.scores.rowHeight(row) for row in range(len(rows))))
        explained = (
            "Scores of the frames held out; “copied” is what copying the nearest labelled frame scores."
        )
        self.note.setText((explained if rows else card.scores_note) if card is not None else "")
        self.note.setVisible(bool(self.note.text()))

    def _follow_theme(self, event: Any = None) -> None:
        theme = get_theme(self._viewer.theme)
        self.plot.set_colors(theme.background.as_hex(), theme.text.as_hex())


def _score_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
