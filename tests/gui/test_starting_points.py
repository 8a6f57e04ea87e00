"""Frames suggested, labels carried to them and proposed by the network, in a real napari."""

import numpy as np
import pytest
import tifffile
from idling import idle, reopen
from mousing import press_key
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from glissile.experiment import Experiment
from glissile.learn.recipes import Recipe

T, Y, X = 30, 64, 96
JUMP = 20


def drawn(index):
    """A line that stands still, and stands elsewhere from the jump on."""
    mask = np.zeros((Y, X), np.uint8)
    mask[10:60, 30:33] = 1
    if index >= JUMP:
        mask = np.roll(mask, 5, axis=1)
    return mask


@pytest.fixture
def opened(dock, tmp_path, qtbot):
    texture = np.random.default_rng(0).normal(0, 6, (Y, X))
    noise = np.random.default_rng(1).normal(0, 2, (T, Y, X))
    masks = np.stack([drawn(index) for index in range(T)])
    path = tmp_path / "video.tif"
    tifffile.imwrite(path, np.clip(130 + texture + noise - 80 * masks, 0, 255).astype(np.uint8))
    dock.bench.open_video(path)
    idle(dock, qtbot)
    dock.sections["label"].primary.click()
    dock.bench.keeper.put(15, drawn(15))
    assert dock.bench.keeper.flush()
    return dock


@pytest.fixture
def choice(opened):
    return opened.sections["label"].frames


@pytest.fixture
def proposals(opened):
    return opened.sections["label"].proposals


def press(dock, key):
    press_key(dock.bench.keeper.layer, key)


def suggested(dock, choice, qtbot):
    choice.suggest.click()
    assert choice.suggest.text() == "Cancel"
    qtbot.waitUntil(lambda: choice.suggest.text() != "Cancel", timeout=20_000)
    return sorted(choice.marks.suggested)


def proposal_made(proposals, qtbot, within_ms=60_000):
    qtbot.waitUntil(lambda: proposals.note.text().startswith("<b>Proposal"), timeout=within_ms)


def on_disk(dock):
    """Frames labelled, and frames proposed."""
    assert dock.bench.keeper.flush()
    with Experiment.open(dock.bench.study.experiment.folder, read_only=True) as experiment:
        stores = experiment.labels_or_none(), experiment.proposals_or_none()
        return tuple(() if store is None else store.frames for store in stores)


def test_frames_that_are_unlike_are_suggested_with_a_reason_and_kept(opened, choice, qtbot):
    found = suggested(opened, choice, qtbot)
    assert found
    assert any(index >= JUMP for index in found)
    assert 15 not in found
    opened.bench.display.go_to(found[0])
    assert choice.reason.text().startswith("Suggested: ")
    assert not choice.leave_out.isHidden()
    reopen(opened, qtbot)
    assert sorted(choice.marks.suggested) == found


def test_a_suggestion_that_is_left_out_never_comes_back(opened, choice, qtbot):
    found = suggested(opened, choice, qtbot)
    gone = next(index for index in found if index >= JUMP)
    opened.bench.display.go_to(gone)
    choice.leave_out.click()
    assert gone not in choice.marks.suggested
    assert gone in choice.marks.left_out
    assert choice.reason.isHidden()
    assert gone not in suggested(opened, choice, qtbot)


def test_a_suggestion_goes_once_its_frame_is_labelled(opened, choice, qtbot):
    index = suggested(opened, choice, qtbot)[0]
    opened.bench.keeper.put(index, drawn(index))
    assert opened.bench.keeper.flush()
    qtbot.waitUntil(lambda: index in choice.marks.labelled)
    assert index not in choice.marks.suggested


def test_suggesting_can_be_cancelled_and_ends_with_the_study(opened, choice, qtbot):
    choice.suggest.click()
    choice.suggest.click()
    assert choice.suggest.text() != "Cancel"
    assert choice.progress.isHidden()
    choice.suggest.click()
    reopen(opened, qtbot)
    assert choice.suggest.text() != "Cancel"


def test_keys_and_clicks_lead_from_frame_to_frame(opened, choice, monkeypatch, qtbot):
    told = []
    monkeypatch.setattr("glissile.widgets.sections.frame_choice.show_info", told.append)
    keeper, display = opened.bench.keeper, opened.bench.display
    for index in (3, 22):
        keeper.put(index, drawn(index))
    qtbot.waitUntil(lambda: len(choice.strip.marks.labelled) == 3)
    display.go_to(8)
    press(opened, "N")
    assert display.working_index() == 15
    press(opened, "N")
    assert display.working_index() == 22
    press(opened, "N")
    assert display.working_index() == 22
    assert len(told) == 1
    press(opened, "Shift+N")
    press(opened, "Shift+N")
    assert display.working_index() == 3
    strip = choice.strip
    for index in (15, 0, T - 1):
        QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(round(strip.x_of(index)), 12))
        assert display.working_index() == index


def test_a_click_near_a_tick_takes_it_and_elsewhere_the_frame_that_is_there(opened, choice):
    strip = choice.strip
    strip.resize(400, 30)
    assert strip.index_at(strip.x_of(15) + 4) == 15
    assert strip.index_at(strip.x_of(18)) == 18
    assert strip.index_at(-10) == 0
    assert strip.index_at(5000) == T - 1


def test_carried_labels_are_a_proposal_until_they_are_accepted(opened, proposals, qtbot):
    display, keeper = opened.bench.display, opened.bench.keeper
    display.go_to(21)
    assert proposals.accept.isHidden()
    proposals.carry.click()
    proposal_made(proposals, qtbot)
    assert "carried from frame 15" in proposals.note.text()
    found = keeper.mask(21)
    assert np.count_nonzero(found & drawn(21)) > 0.9 * np.count_nonzero(drawn(21))
    assert keeper.labelled == (15,)
    assert on_disk(opened) == ((15,), (21,))
    assert not proposals.carry_on.isHidden()
    assert keeper.layer.contour == 1
    display.go_to(15)
    assert proposals.accept.isHidden()
    assert keeper.layer.contour == 0
    display.go_to(21)
    keeper.layer.data[21, 5, 5] = 1  # corrected
    proposals.accept.click()
    assert on_disk(opened) == ((15, 21), ())
    assert keeper.labelled == (15, 21)
    assert keeper.mask(21)[5, 5] == 1
    assert proposals.accept.isHidden()


def test_a_proposal_that_is_discarded_leaves_nothing_and_can_be_had_back(opened, proposals, qtbot):
    display, keeper = opened.bench.display, opened.bench.keeper
    display.go_to(21)
    press(opened, "H")
    proposal_made(proposals, qtbot)
    proposed = keeper.mask(21).copy()
    press(opened, "R")
    assert on_disk(opened) == ((15,), ())
    assert not keeper.mask(21).any()
    keeper.undo(21)
    assert on_disk(opened) == ((15,), (21,))
    np.testing.assert_array_equal(keeper.mask(21), proposed)
    press(opened, "A")
    assert on_disk(opened) == ((15, 21), ())
    keeper.undo(21)
    assert on_disk(opened) == ((15,), (21,))


def test_proposals_outlive_the_program_and_are_not_counted(opened, proposals, qtbot):
    opened.bench.display.go_to(21)
    proposals.carry.click()
    proposal_made(proposals, qtbot)
    proposed = opened.bench.keeper.mask(21).copy()
    assert opened.bench.keeper.flush()
    reopen(opened, qtbot)
    assert opened.bench.keeper.labelled == (15,)
    assert opened.bench.keeper.proposed == (21,)
    np.testing.assert_array_equal(opened.bench.keeper.mask(21), proposed)
    opened.bench.display.go_to(21)
    assert not proposals.accept.isHidden()
    assert opened.bench.facts().labelled == 1
    press(opened, "A")
    assert on_disk(opened) == ((15, 21), ())
    reopen(opened, qtbot)
    assert opened.bench.keeper.labelled == (15, 21)
    assert opened.bench.keeper.proposed == ()
    np.testing.assert_array_equal(opened.bench.keeper.mask(21), proposed)


def test_labels_are_carried_on_to_the_suggested_frame_and_labels_are_never_replaced(
    opened, choice, proposals, qtbot
):
    found = suggested(opened, choice, qtbot)
    press(opened, "K")
    target = opened.bench.display.working_index()
    assert target in found
    proposal_made(proposals, qtbot)
    assert opened.bench.keeper.proposed == (target,)
    assert not opened.bench.keeper.propose(15, np.zeros((Y, X), np.uint8))
    opened.bench.display.go_to(15)
    assert not proposals.carry.isEnabled()
    assert "labelled already" in proposals.carry.toolTip()


def test_the_network_proposes_labels(opened, proposals, qtbot):
    keeper, display = opened.bench.keeper, opened.bench.display
    assert not proposals.ask.isEnabled()
    for index in (2, 8, 18, 24, 28):
        keeper.put(index, drawn(index))
    recipe = Recipe(
        epochs=5, widths=(6, 8), least_epoch_steps=40, most_epoch_steps=40, device="cpu", references=0
    )
    opened.bench.study.experiment.save_settings("train", recipe)
    opened.sections["train"].study_changed()
    qtbot.waitUntil(opened.sections["train"].primary.isEnabled)
    opened.sections["train"].primary.click()
    idle(opened, qtbot)
    display.go_to(26)
    assert proposals.ask.isEnabled()
    proposals.ask.click()
    proposal_made(proposals, qtbot)
    assert "of the network" in proposals.note.text()
    found = keeper.mask(26) == 1
    assert np.count_nonzero(found & (drawn(26) == 1)) > 0.7 * np.count_nonzero(drawn(26))
    assert 26 not in keeper.labelled


def test_a_proposal_that_comes_too_late_is_dropped(opened, proposals, qtbot):
    opened.bench.display.go_to(21)
    proposals.carry.click()
    opened.bench.keeper.put(21, drawn(3))  # the user was quicker
    qtbot.waitUntil(lambda: not proposals.note.text().endswith("…") or proposals.note.isHidden())
    qtbot.waitUntil(lambda: proposals.note.isHidden(), timeout=10_000)
    np.testing.assert_array_equal(opened.bench.keeper.mask(21), drawn(3))
    assert opened.bench.keeper.proposed == ()
