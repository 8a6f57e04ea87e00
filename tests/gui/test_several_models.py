"""Several models in the Train section: trained, compared, chosen, corrected; and trainings that wait."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from idling import idle
from qtpy.QtWidgets import QInputDialog, QMessageBox, QPushButton

from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.learn.recipes import Recipe
from glissile.progress import Step
from glissile.widgets._resolve import Facts
from glissile.widgets._resolve_models import (
    card_text,
    model_row,
    numbers,
    retrain_refused,
    training_text,
)
from glissile.widgets.sections import segment as segment_section
from glissile.widgets.sections import train as train_section

T, Y, X = 9, 32, 48
QUICK = Recipe(epochs=1, widths=(4, 6), least_epoch_steps=1, most_epoch_steps=1, device="cpu")


def drawn(number):
    mask = np.zeros((Y, X), np.uint8)
    mask[2 * number + 4, 4:44] = 1
    mask[24:30, 4 * number + 2 : 4 * number + 8] = 2
    return mask


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    masks = np.stack([drawn(number) for number in range(T)])
    frames = 120 - 60.0 * (masks == 1) + 60 * (masks == 2) + random.normal(0, 5, masks.shape)
    tifffile.imwrite(tmp_path / "test.tif", np.clip(frames, 0, 255).astype(np.uint8))
    with workflow.create(tmp_path / "test.tif", tmp_path / "test", settings={"train": QUICK}) as experiment:
        for number in (0, 2, 4, 6, 8):
            experiment.labels().write(number, drawn(number))
    return experiment.folder


@pytest.fixture
def opened(dock, folder, qtbot, monkeypatch):
    """The dock with the experiment; its works run in their thread, not in a process of their own."""

    def here(function, *arguments):
        return function(*arguments)

    monkeypatch.setattr(train_section, "in_child_process", here)
    monkeypatch.setattr(segment_section, "in_child_process", here)
    dock.bench.open_folder(folder)
    idle(dock, qtbot)
    dock.sections["train"].set_open(True)
    return dock


def train(dock, qtbot, **changes):
    section = dock.sections["train"]
    section.form.set_value(QUICK.model_copy(update=changes))
    section.primary.click()
    idle(dock, qtbot)


def shown(dock):
    """What the table of models shows: name and whether it is used, by row."""
    table = dock.sections["train"].models
    rows = range(table.table.rowCount())
    return [(table.table.item(row, 1).text().split("\n")[0], radio(dock, row).isChecked()) for row in rows]


def radio(dock, row):
    return dock.sections["train"].models._radios.button(row)


def test_trained_twice_are_two_rows_of_which_one_is_chosen(opened, qtbot):
    section = opened.sections["train"]
    assert not section.models.isVisibleTo(section)
    train(opened, qtbot)
    train(opened, qtbot, seed=1)
    assert shown(opened) == [("glissile", False), ("glissile-2", True)]
    assert section.models.button.text() == "Models (2)"
    opened.sections["segment"].primary.click()
    idle(opened, qtbot)
    assert opened.sections["segment"].state_line.text() == f"All {T} frames segmented"
    section.models.set_open(True)
    radio(opened, 0).click()
    assert shown(opened) == [("glissile", True), ("glissile-2", False)]
    assert opened.bench.study.card == workflow.trained_models(opened.bench.study.experiment)[0].card
    assert opened.sections["segment"].state_line.text() == f"{T} frames segmented by another network"
    radio(opened, 1).click()
    assert opened.sections["segment"].state_line.text() == f"All {T} frames segmented"


def test_models_are_renamed_and_deleted_only_when_that_is_confirmed(opened, qtbot, monkeypatch):
    train(opened, qtbot)
    train(opened, qtbot, seed=1)
    models = opened.sections["train"].models
    models.table.selectRow(0)
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: (" coarse ", True))
    models.rename.click()
    assert shown(opened) == [("coarse", False), ("glissile-2", True)]
    models.table.selectRow(1)
    asked = []
    answers = iter((QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes))
    monkeypatch.setattr(QMessageBox, "question", lambda *a: asked.append(a[2]) or next(answers))
    models.delete.click()
    assert len(shown(opened)) == 2
    models.delete.click()
    assert shown(opened) == [("coarse", True)]
    assert "the one in use" in asked[0]


def test_a_name_that_cannot_be_is_said_and_changes_nothing(opened, qtbot, monkeypatch):
    train(opened, qtbot)
    said = []
    monkeypatch.setattr(train_section, "show_error", said.append)
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("a:b", True))
    opened.sections["train"].models.rename.click()
    assert shown(opened) == [("glissile", True)]
    assert "cannot be the name of a folder" in said[0]


def paint(dock, index, value=1):
    dock.bench.display.go_to(index)
    dock.bench.keeper.layer.paint([index, 10, 20], value)
    dock.bench.keeper.flush()


def test_correct_and_retrain(opened, qtbot):
    section = opened.sections["train"]
    assert not section.retrain.isVisibleTo(section)
    train(opened, qtbot)
    assert not section.retrain.isEnabled()
    assert "Correct the masks" in section.retrain.toolTip()
    paint(opened, 5)
    qtbot.waitUntil(section.retrain.isEnabled)
    assert "Labels have changed since" in section.state_line.text()
    assert "labels changed" in section.models.table.item(0, 1).text()
    assert section.retrain.toolTip().startswith("Goes on from glissile with")
    section.retrain.click()
    idle(opened, qtbot)
    assert shown(opened) == [("glissile", False), ("glissile-2", True)]
    card = opened.bench.study.card
    assert card.parent.name == "glissile"
    assert 5 in card.frames.training
    assert not section.retrain.isEnabled()
    assert "from glissile" in section.models.table.item(1, 1).text()


class Trainings:
    """Stand-ins for trainings, which end when they are told to."""

    def __init__(self):
        self.begun, self.may_end, self.fail = [], threading.Event(), set()

    def __call__(self, function, folder, shown, resume, start):
        with Experiment.open(folder, read_only=True) as experiment:
            seed = experiment.settings("train", Recipe).seed
        self.begun.append(seed)
        while not self.may_end.wait(0.02):
            yield Step(1, 2, f"Training with seed {seed}")
        if seed in self.fail:
            raise InputError(f"seed {seed} is no good")
        return f"model-{seed}"


@pytest.fixture
def trainings(opened, monkeypatch):
    made = Trainings()
    monkeypatch.setattr(train_section, "in_child_process", made)
    monkeypatch.setattr(train_section._jobs.workflow, "choose_model", lambda experiment, name: None)
    yield made
    made.may_end.set()


def enqueue(dock, seed):
    section = dock.sections["train"]
    section.another.click()
    assert section.form.isVisibleTo(section)
    section.form.set_value(QUICK.model_copy(update={"seed": seed}))
    section.enqueue.click()
    assert not section.form.isVisibleTo(section)


def waiting(dock):
    return [r.seed for r in workflow.waiting_trainings(dock.bench.study.experiment)]


def begin(dock, qtbot, trainings, seed):
    section = dock.sections["train"]
    section.form.set_value(QUICK.model_copy(update={"seed": seed}))
    section.primary.click()
    qtbot.waitUntil(lambda: trainings.begun == [seed])


def test_what_is_queued_follows_one_after_another_also_after_a_failure(opened, qtbot, trainings):
    begin(opened, qtbot, trainings, 1)
    for seed in (2, 3, 4, 5):
        enqueue(opened, seed)
    queue = opened.sections["train"].queue
    assert queue.title.text() == "Next: 4 trainings"
    queue.removers[1].click()
    assert waiting(opened) == [2, 4, 5]
    trainings.fail = {1, 4}
    trainings.may_end.set()
    qtbot.waitUntil(lambda: trainings.begun == [1, 2, 4, 5] and opened.bench.state.running is None)
    assert waiting(opened) == []
    assert not queue.isVisibleTo(opened)


def test_cancelling_holds_up_what_waits_until_it_is_started(opened, qtbot, trainings):
    section = opened.sections["train"]
    begin(opened, qtbot, trainings, 1)
    enqueue(opened, 2)
    section.cancel.click()
    idle(opened, qtbot)
    qtbot.wait(100)
    assert trainings.begun == [1]
    assert section.queue.title.text() == "Waiting: 1 training"
    section.queue.go_on.click()
    qtbot.waitUntil(lambda: trainings.begun == [1, 2])
    enqueue(opened, 3)
    assert section.queue.title.text() == "Next: 1 training"
    section.cancel.click()
    idle(opened, qtbot)
    assert waiting(opened) == [2, 3]  # the one that was cancelled goes on where it was
    trainings.may_end.set()
    section.queue.go_on.click()
    qtbot.waitUntil(lambda: trainings.begun == [1, 2, 2, 3] and opened.bench.state.running is None)


def test_what_waits_is_there_when_the_experiment_is_opened_again(opened, qtbot, trainings, viewer):
    begin(opened, qtbot, trainings, 1)
    enqueue(opened, 2)
    folder = opened.bench.study.experiment.folder
    viewer.window.remove_dock_widget(opened)
    state = opened.bench.state
    trainings.may_end.set()
    qtbot.waitUntil(lambda: state.running is None)
    assert trainings.begun == [1]
    with Experiment.open(folder) as again:
        assert not again.read_only
        assert [r.seed for r in workflow.waiting_trainings(again)] == [2]


@pytest.mark.parametrize("larger", [1.0, 1.25])
def test_nothing_of_the_models_is_cut_off(opened, qtbot, viewer, larger):
    from napari.settings import get_settings

    train(opened, qtbot)
    paint(opened, 5)
    qtbot.waitUntil(opened.sections["train"].retrain.isEnabled)
    opened.sections["train"].retrain.click()
    idle(opened, qtbot)
    appearance = get_settings().appearance
    usual = appearance.font_size
    try:
        appearance.font_size = round(larger * usual)
        models = opened.sections["train"].models
        models.set_open(True)
        qtbot.wait(100)
        assert opened.scroll.widget().width() <= opened.scroll.viewport().width()
        assert models.table.horizontalScrollBar().maximum() == 0
        heights = [models.table.rowHeight(row) for row in range(2)]
        assert all(height >= models.table.sizeHintForRow(row) for row, height in enumerate(heights))
        assert models.table.viewport().height() >= sum(heights)
        assert models.table.geometry().bottom() < models.rename.geometry().top()
        for button in models.findChildren(QPushButton):
            assert button.width() >= button.minimumSizeHint().width(), button.text()
    finally:
        appearance.font_size = usual


def test_what_rows_and_cards_say(opened, qtbot):
    train(opened, qtbot)
    paint(opened, 5)
    (one,) = workflow.compared_models(opened.bench.study.experiment)
    row = model_row(one, "dislocation")
    assert row.history.splitlines()[0] == one.trained_at
    assert row.history.endswith("labels changed")
    assert all("\n(" in cell for cell in row.cells)
    other = model_row(replace(one, comparable=False), "dislocation")
    assert other.history.endswith("≠ other hold-out")
    assert "no fair comparison" in other.tooltip
    assert "recipe glissile, 1 epochs, 4 frames learned" in row.tooltip
    text = card_text(one)
    assert "Held out 1 frames: " in text
    assert "\nTemperature of probabilities: " in text
    assert '"weights_sha256"' in text


def test_frame_numbers_are_written_in_runs():
    assert numbers([7, 3, 8, 9, 20]) == "3, 7–9, 20"
    assert numbers([]) == ""


def test_trainings_that_wait_are_told_apart():
    assert training_text(Recipe()) == "glissile, 40 epochs"
    assert training_text(Recipe(minutes=2.5, seed=3)) == "glissile, 2.5 min, seed 3"
    assert "channels 4-6" in training_text(QUICK)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (Facts(), "No trained network"),
        (Facts(scores=(), labelled=3), "Correct the masks"),
        (Facts(scores=(), labelled=0, labels_changed=True), "No labelled frame"),
        (Facts(scores=(), labelled=3, labels_changed=True, running="segment"), "Please wait"),
        (Facts(scores=(), labelled=3, labels_changed=True, read_only=True), "Read only"),
        (Facts(scores=(), labelled=3, labels_changed=True), ""),
    ],
)
def test_when_a_network_can_be_retrained(facts, why):
    found = retrain_refused(facts)
    assert found.startswith(why)
    assert bool(found) == bool(why)
