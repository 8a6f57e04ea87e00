"""Section 4: networks learn from the labelled frames, in a process of their own, one after another."""

from collections.abc import Callable
from typing import Any

from napari.utils.notifications import show_error, show_info
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QHeaderView, QPushButton, QTableWidget, QTableWidgetItem

from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.model_words import behind_copying
from glissile.learn.recipes import RECIPES, Recipe
from glissile.progress import Step
from glissile.widgets import _jobs
from glissile.widgets._bench import Bench
from glissile.widgets._form import SettingsForm
from glissile.widgets._resolve import SectionState, refused_now
from glissile.widgets._resolve_models import retrain_refused, retrain_tooltip
from glissile.widgets._worker import in_child_process
from glissile.widgets.sections.models import ModelTable
from glissile.widgets.sections.section import Section, words
from glissile.widgets.sections.suspects import SuspectList
from glissile.widgets.sections.training_queue import TrainingQueue

_PREVIEW_AFTER_MS = 300
_MEASURES = {"precision": "prec.", "recall": "recall", "f": "F", "tolerant_f": "F 2 px"}


class TrainSection(Section):
    """Recipe, live curves, the scores in the end, and all models; trainings that wait for their turn."""

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
        self._add_queue()
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
        self._add_models()
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.setInterval(_PREVIEW_AFTER_MS)
        self._preview_timer.timeout.connect(self._ask_preview)
        self.toggled.connect(lambda shown: self._show_scores())  # rows wrap once they have a width
        bench.study_changed.connect(self.study_changed)
        bench.facts_changed.connect(self._show_scores)
        bench.facts_changed.connect(self._show_models)
        bench.runner.ended.connect(self._on_ended)
        bench.frame_changed.connect(lambda index: self._preview_timer.start())
        viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()
        self._show_scores()

    def _add_queue(self) -> None:
        """Add what checks the labels, then what trains again with them, now or later."""
        self.suspects = SuspectList(self._bench)
        self.results.addWidget(self.suspects)
        self.retrain = QPushButton("Correct and retrain")
        self.retrain.clicked.connect(lambda: self._told(self._retrain))
        self.results.addWidget(self.retrain)
        self.another = QPushButton("Queue another training…")
        self.another.setToolTip("Choose settings for a training that begins once this one has ended")
        self.another.setCheckable(True)
        self.another.toggled.connect(lambda shown: self.settings.setVisible(shown))
        self.results.addWidget(self.another)
        self.enqueue = QPushButton("Queue with these settings")
        self.enqueue.clicked.connect(lambda: self._told(self._enqueue))
        self.settings_layout.addWidget(self.enqueue)
        self.queue = TrainingQueue(self._bench, lambda recipe: self._train(recipe, resume=None))
        self.results.addWidget(self.queue)

    def _add_models(self) -> None:
        """Add the table of all models."""
        self.models = ModelTable()
        self.results.addWidget(self.models)
        change = self._change_models
        self.models.chosen.connect(lambda name: change(lambda e: workflow.choose_model(e, name)))
        self.models.renamed.connect(lambda name, new: change(lambda e: workflow.rename_model(e, name, new)))
        self.models.deleted.connect(lambda name: change(lambda e: workflow.delete_model(e, name)))

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
        facts = self._bench.facts()
        self.resume.setVisible(not state.running and facts.resumable)
        self.resume.setEnabled(state.enabled)
        self.stop.setVisible(state.running)
        self.retrain.setVisible(not state.running and facts.scores is not None)
        refused = retrain_refused(facts)
        self.retrain.setEnabled(not refused)
        used = next((model.name for model in self.models.value() if model.used), "the network")
        self.retrain.setToolTip(refused or retrain_tooltip(used))
        self.models.set_editable(refused_now("train", facts))
        for widget in (self.another, self.enqueue):
            widget.setVisible(state.running)
        if not state.running:
            self.another.setChecked(False)
        self.settings.setVisible(not state.running or self.another.isChecked())
        self.settings.setEnabled(state.editable or state.running)

    def start(self) -> None:
        """Train anew."""
        self._train(self.form.value(), resume=False)

    def _resume(self) -> None:
        self._told(self._train_on)

    def _train_on(self) -> None:
        """Go on with the training that was cut short, as it was set then, but on the device of now."""
        assert self._bench.study is not None
        recipe = self._bench.study.experiment.settings("train", Recipe)
        here = {"device": self.form.value().device}
        self._train(recipe.model_copy(update=here), resume=True)

    def _told(self, work: Callable[[], None]) -> None:
        """Do what a button says, and tell the user where that is not possible."""
        try:
            work()
        except InputError as error:
            show_error(str(error))

    def _retrain(self) -> None:
        study = self._bench.study
        assert study is not None
        name = workflow.prepare_retraining(study.experiment)
        self._train(study.experiment.settings("train", Recipe), resume=False, start=name)
        show_info(f"Going on from {name} with the labels as they are now; {name} is kept")

    def _train(self, recipe: Recipe, *, resume: bool | None, start: str | None = None) -> None:
        study = self._bench.study
        assert study is not None
        experiment = study.experiment
        experiment.save_settings("train", recipe)
        self._bench.save()
        self.plot.begin(experiment.document.classes)
        self.plot.show()
        self.stop.setEnabled(True)
        shown = self._bench.display.working_index() or 0
        self._bench.display.show_segmentation()
        training = in_child_process(_jobs.trained, experiment.folder, shown, resume, start)
        self._bench.runner.run(
            "train",
            _jobs.used_once_trained(experiment, training),
            description="Training",
            on_step=self._take_step,
            on_done=self._take_trained,
        )
        self.message.setText("Starting: loading the labelled frames and the network")

    def _enqueue(self) -> None:
        self.queue.add(self.form.value())
        self.another.setChecked(False)

    def _change_models(self, change: Callable[[Experiment], None]) -> None:
        study = self._bench.study
        assert study is not None
        experiment = study.experiment
        self._told(lambda: change(experiment))
        self._list_models()

    def _list_models(self) -> None:
        """See which models there are now; what is known of the labels stays known."""
        study = self._bench.study
        if study is not None:
            models = workflow.compared_models(study.experiment, known=study.models)
            self._bench.set_models(models, labels_read=False)

    def _on_ended(self, stage: str, finished: bool) -> None:
        if stage == "train" and not finished:
            self._list_models()  # one that was cut short is among them

    def _show_models(self) -> None:
        study = self._bench.study
        self.models.set_value(() if study is None else study.models, touched=self._bench.labels_touched)

    def _take_step(self, step: Step) -> None:
        self.plot.add(step.metrics, step.index / step.total)
        if step.preview is not None and step.frame is not None:
            self._bench.show_prediction(step.frame, step.preview)

    def _take_trained(self, models: tuple[workflow.ComparedModel, ...]) -> None:
        self._bench.set_models(models, labels_read=True)
        self.set_open(True)  # the scores, and the labels that may be wrong
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
        note = "" if card is None else card.scores_note
        if card is not None and rows:
            note = f"{explained} {behind_copying(card)}".strip()
        self.note.setText(note)
        self.note.setVisible(bool(self.note.text()))

    def _follow_theme(self, event: Any = None) -> None:
        theme = get_theme(self._viewer.theme)
        self.plot.set_colors(theme.background.as_hex(), theme.text.as_hex())


def _score_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
