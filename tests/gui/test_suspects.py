"""Checking the labels in the dock: real napari, a real process, a network that was quickly trained."""

from dataclasses import replace

import numpy as np
import pytest

from glissile.experiment import Experiment
from glissile.widgets import _study
from glissile.widgets._resolve import Facts
from glissile.widgets._resolve_suspects import check_refused, suspects_text
from glissile.widgets.sections import suspects as suspects_section
from glissile.widgets.sections.train import TrainSection
from trained_study import HELD_OUT, LEARNED, T, X, Y, drawn, trained_study

MISSED, INVENTED = HELD_OUT, LEARNED


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An experiment whose labels and network agree."""
    return trained_study(tmp_path_factory.mktemp("suspects"))


@pytest.fixture
def wrong(folder):
    """The experiment with a missed and an invented line, nothing dismissed."""
    (folder / "dismissed_suspects.json").unlink(missing_ok=True)
    with Experiment.open(folder) as experiment:
        for number in range(T):
            mask = drawn(number)
            if number == MISSED:
                mask[mask == 2] = 0
            if number == INVENTED:
                mask[22:25, 10:30] = 1
            experiment.labels().write(number, mask)
    return folder


@pytest.fixture
def section(bench, viewer, wrong, qtbot):
    """The list in the Train section, with the experiment open."""
    train = TrainSection(bench, viewer)
    viewer.window.add_dock_widget(train, area="right")
    train.set_open(True)
    bench.open_folder(wrong)
    idle(bench, qtbot)
    return train.suspects


@pytest.fixture(autouse=True)
def _close(monkeypatch):
    """Look at the places of these small frames from near by."""
    monkeypatch.setattr("glissile.widgets._close_up._LEAST_SEEN_PX", 24)
    monkeypatch.setattr("glissile.widgets._close_up._AROUND", 0.5)


@pytest.fixture
def here(monkeypatch):
    """Let the work run in its thread, not in a process of its own."""
    monkeypatch.setattr(suspects_section, "in_child_process", lambda function, *given: function(*given))


def idle(bench, qtbot):
    qtbot.waitUntil(lambda: bench.study is not None and bench.state.running is None, timeout=60_000)


def check(section, qtbot):
    section.button.click()
    assert section.button.text() == "Stop checking"
    qtbot.waitUntil(lambda: section.button.text() == "Check the labels", timeout=60_000)


def rows(section):
    return [section.list.item(row).text() for row in range(section.list.count())]


def click(section, row):
    section.list.setCurrentRow(row)
    section.list.itemClicked.emit(section.list.item(row))


def layer(viewer, role):
    (found,) = (x for x in viewer.layers if x.metadata.get("glissile", {}).get("role") == role)
    return found


def test_suspects_are_listed_by_a_process_and_looked_at_with_a_click(section, bench, viewer, qtbot):
    assert section.button.isEnabled()
    assert not section.list.isVisibleTo(section)
    check(section, qtbot)
    first, second = rows(section)
    assert first.startswith(f"frame {MISSED}: stacking fault not labelled, ")
    assert first.endswith(" px")
    assert second.startswith(f"frame {INVENTED}: dislocation not found, ")
    assert "has not learned" in section.list.item(0).toolTip()  # it was held out
    assert "doubts it all the same" in section.list.item(1).toolTip()
    whole = viewer.scene.camera.zoom
    click(section, 1)
    assert bench.display.working_index() == INVENTED
    assert tuple(viewer.scene.camera.center[-2:]) == pytest.approx((23.5, 20), abs=2)
    assert viewer.scene.camera.zoom > 1.5 * whole
    shown = layer(viewer, "segmentation")
    assert shown.visible
    assert shown.contour == 1
    assert np.mean(np.asarray(shown.data[INVENTED]) == drawn(INVENTED)) > 0.9
    (frame,) = layer(viewer, "place").data
    np.testing.assert_allclose(frame.mean(axis=0), (23.5, 20), atol=2)
    click(section, 0)
    assert bench.display.working_index() == MISSED
    assert len(layer(viewer, "place").data) == 1
    bench.display.go_to(INVENTED)
    assert not [x for x in viewer.layers if x.metadata.get("glissile", {}).get("role") == "place"]


def test_what_is_corrected_leaves_the_list(section, bench, here, qtbot):
    check(section, qtbot)
    keeper = bench.keeper
    bench.display.go_to(INVENTED)
    keeper.layer.data[INVENTED, 1:3, 5:9] = 1  # elsewhere on the frame
    keeper.save()
    keeper.flush()
    qtbot.wait(100)
    assert len(rows(section)) == 2
    keeper.layer.data[INVENTED, 20:27] = 0
    keeper.save()
    keeper.flush()
    qtbot.waitUntil(lambda: len(rows(section)) == 1)
    assert rows(section)[0].startswith(f"frame {MISSED}")
    assert "1 changed" in section.note.text()


def test_a_label_that_is_right_stays_away(section, bench, here, qtbot):
    check(section, qtbot)
    assert not section.right.isEnabled()
    click(section, 0)
    section.right.click()
    assert len(rows(section)) == 1
    assert section.list.currentRow() == 0  # and the next one is looked at
    assert bench.display.working_index() == INVENTED
    check(section, qtbot)
    assert [row.split(":")[0] for row in rows(section)] == [f"frame {INVENTED}"]


def test_lengths_are_in_nanometres_once_they_can_be(section, bench, here, wrong, qtbot):
    with_scale = bench.study.experiment.document.calibration.model_copy(update={"nm_per_pixel": 2.0})
    bench.change("opening", lambda study: _study.calibrated(study.experiment, with_scale), "Calibrating")
    idle(bench, qtbot)
    check(section, qtbot)
    assert all(row.endswith(" nm") for row in rows(section))
    click(section, 1)
    assert tuple(bench.display.viewer.scene.camera.center[-2:]) == pytest.approx((47, 40), abs=4)
    none = with_scale.model_copy(update={"nm_per_pixel": None})
    bench.change("opening", lambda study: _study.calibrated(study.experiment, none), "Calibrating")
    idle(bench, qtbot)
    assert rows(section) == []  # another study


def ended(work, qtbot):
    qtbot.waitUntil(lambda: not work.running, timeout=60_000)


def test_it_can_be_stopped_and_gives_way_to_a_training(section, bench, qtbot):
    section.button.click()
    first = section._work
    section.button.click()
    assert section.button.text() == "Check the labels"
    assert rows(section) == []
    section.button.click()
    second = section._work
    bench.state.running = "train"
    assert section.button.text() == "Check the labels"
    assert not section.button.isEnabled()
    assert "Please wait" in section.button.toolTip()
    bench.state.running = None
    ended(first, qtbot)
    ended(second, qtbot)
    assert rows(section) == []


def test_it_ends_with_the_dock(section, bench, qtbot):
    section.button.click()
    work = section._work
    bench.close()
    assert section._work is None
    ended(work, qtbot)


def test_when_labels_can_be_checked():
    shape = (T, Y, X)
    ready = Facts(source_shape=shape, shape=shape, labelled=3, scores=())
    assert check_refused(ready) == ""
    assert check_refused(replace(ready, read_only=True)) == ""
    assert check_refused(replace(ready, running="measure")) == ""
    assert "Open a video" in check_refused(Facts())
    assert "network" in check_refused(replace(ready, scores=None))
    assert "No labelled frame" in check_refused(replace(ready, labelled=0))
    assert "wait" in check_refused(replace(ready, running="segment"))


def test_what_is_said_of_the_list():
    assert suspects_text((), changed=0, dismissed=0) == "Labels and network agree"
    assert suspects_text((), changed=2, dismissed=1) == "All looked at; 2 changed; 1 right as labelled"
