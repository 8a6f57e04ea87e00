"""Proposals on disk beside the labels, and what becomes of both when a work is cancelled or fails."""

import time

import numpy as np
import pytest
import tifffile
from idling import idle
from mousing import mouse, press_key
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMessageBox

from glissile import workflow
from glissile.experiment import Experiment, Source
from glissile.progress import finish
from glissile.video import Video
from glissile.widgets import _study
from glissile.widgets._label_keeper import LabelKeeper

T, Y, X = 9, 30, 40


def square(value=1, at=5):
    mask = np.zeros((Y, X), np.uint8)
    mask[at : at + 5, at : at + 5] = value
    return mask


def video(height=Y):
    """The first rows of a video."""
    return Video.from_frames(np.zeros((T, height, X), np.uint8), name="v")


@pytest.fixture
def experiment(tmp_path, qapp):
    (tmp_path / "v.mp4").write_bytes(b"a video")
    source = Source.of(tmp_path / "v.mp4", frames=T, height=Y, width=X)
    with Experiment.create(tmp_path / "v.glissile", source=source) as experiment:
        yield experiment


@pytest.fixture
def kept(experiment):
    """Give a keeper of the experiment, as the dock makes it for a video."""
    parents, keepers = [], []

    def keep(shown):
        store = experiment.labels()
        labels = _study.read_labels(store, shown)
        proposals = _study.read_labels(experiment.proposals_or_none(), shown)
        parents.append(QObject())
        keeper = LabelKeeper(experiment, store, shown, labels, proposals, parents[-1])
        keepers.append(keeper)
        return keeper

    yield keep
    keepers[-1].close()


def test_labels_are_saved_beside_proposals_that_are_damaged(experiment, kept):
    keeper = kept(video())
    keeper.propose(2, square())
    assert keeper.flush()
    (experiment.proposals_path / "zarr.json").write_text("{")
    keeper.put(5, square(2))
    assert keeper.flush()
    assert experiment.labels().frames == (5,)


def test_a_proposal_that_is_discarded_is_gone_outside_the_field_of_view_too(experiment, kept):
    tall = np.zeros((Y, X), np.uint8)
    tall[2:28, 5:8] = 1
    keeper = kept(video())
    keeper.propose(2, tall)
    assert keeper.flush()
    keeper.close()
    keeper = kept(video(height=10))
    assert keeper.proposed == (2,)
    keeper.remove(2)
    assert keeper.flush()
    assert experiment.proposals().frames == ()
    assert experiment.labels().frames == ()


def test_a_proposal_that_is_accepted_counts_outside_the_field_of_view_too(experiment, kept):
    tall = np.zeros((Y, X), np.uint8)
    tall[2:28, 5:8] = 1
    keeper = kept(video())
    keeper.propose(2, tall)
    assert keeper.flush()
    keeper.close()
    keeper = kept(video(height=10))
    keeper.put(2, np.where(keeper.mask(2) == 1, 2, 0).astype(np.uint8))  # corrected where it is seen
    keeper.accept(2)
    assert keeper.flush()
    expected = tall.copy()
    expected[:10][tall[:10] == 1] = 2
    np.testing.assert_array_equal(experiment.labels().read(2), expected)
    assert experiment.proposals().frames == ()


def test_a_write_that_failed_is_made_good_with_what_was_to_be_removed(experiment, kept, monkeypatch):
    keeper = kept(video())
    keeper.propose(2, square())
    assert keeper.flush()
    with monkeypatch.context() as patched:
        patched.setattr("glissile.experiment.MaskStore.write", lambda *given: 1 / 0)
        keeper.accept(2)
        assert not keeper.flush()
    assert keeper.flush()
    assert experiment.labels().frames == (2,)
    assert experiment.proposals().frames == ()


@pytest.fixture
def opened(dock, tmp_path, qtbot):
    path = tmp_path / "video.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (T, Y, X), dtype=np.uint8))
    dock.bench.open_video(path)
    idle(dock, qtbot)
    dock.bench.display.show_labels()
    return dock


@pytest.mark.parametrize("damaged", ["c.4.0.0", "zarr.json"])
def test_damaged_proposals_keep_nobody_from_the_labels(tmp_path, damaged):
    tifffile.imwrite(tmp_path / "v.tif", np.zeros((T, Y, X), np.uint8))
    with workflow.create(tmp_path / "v.tif", tmp_path / "v") as experiment:
        experiment.labels().write(0, square())
        experiment.proposals().write(4, square(2))
        (experiment.proposals_path / damaged).write_bytes(b"x")
    study = finish(_study.opened_folder(experiment.folder))
    try:
        assert list(study.labels) == [0]
        assert not study.proposals
        assert any("No proposals are shown" in notice for notice in study.notices)
    finally:
        study.experiment.close()


def shows_what_is_on_disk(dock):
    keeper = dock.bench.keeper
    assert keeper.flush()
    store = dock.bench.study.experiment.labels()
    return keeper.labelled == store.frames and all(
        np.array_equal(keeper.mask(index), store.read(index)) for index in store.frames
    )


def late(monkeypatch, name):
    """Let a function of the workflow return half a second late."""
    real = getattr(workflow, name)

    def slow(*given, **options):
        result = real(*given, **options)
        time.sleep(0.5)
        return result

    monkeypatch.setattr(workflow, name, slow)


def test_an_import_that_is_cancelled_too_late_is_shown(opened, qtbot, monkeypatch, tmp_path):
    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "masks" / "m_4.tif", square(1, 20))
    late(monkeypatch, "import_labels")
    opened.sections["label"].import_from(tmp_path / "masks", 0, 1)
    qtbot.wait(200)
    opened.sections["label"].cancel_requested.emit()
    idle(opened, qtbot)
    assert shows_what_is_on_disk(opened)


def test_restoring_that_is_cancelled_too_late_is_shown(opened, qtbot, monkeypatch):
    keeper, experiment = opened.bench.keeper, opened.bench.study.experiment
    keeper.put(2, square())
    assert keeper.flush()
    backup = experiment.back_up_labels()
    keeper.put(2, square(2, 20))
    keeper.put(5, square())
    assert keeper.flush()
    late(monkeypatch, "restore_labels")
    opened.header.restore(backup)
    qtbot.wait(200)
    opened.sections["label"].cancel_requested.emit()
    idle(opened, qtbot)
    assert shows_what_is_on_disk(opened)


def test_a_class_that_is_only_proposed_is_removed_after_a_question(opened, qtbot, monkeypatch):
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *given: asked.append(given[2]))
    opened.bench.keeper.propose(4, square(2))
    opened.sections["label"].classes.remove_requested.emit(2)
    idle(opened, qtbot)
    assert asked == [
        "stacking fault is painted on 1 proposal. Remove the class, and erase it there? Proposals are not "
        "backed up."
    ]
    assert (opened.bench.keeper.mask(4) == 2).any()
    assert len(opened.bench.study.experiment.document.classes) == 2


def test_a_damaged_label_is_told_of_before_a_class_is_removed(opened, qtbot, monkeypatch):
    told = []
    monkeypatch.setattr("glissile.widgets._worker.show_error", told.append)
    opened.bench.keeper.put(4, square(2))
    assert opened.bench.keeper.flush()
    (opened.bench.study.experiment.labels_path / "c.4.0.0").write_bytes(b"x")
    opened.sections["label"].classes.remove_requested.emit(2)
    idle(opened, qtbot)
    assert len(told) == 1
    assert "damaged" in told[0]
    assert len(opened.bench.study.experiment.document.classes) == 2


def test_what_is_hidden_is_left_alone_by_the_tools(opened):
    section, layer = opened.sections["label"], opened.bench.keeper.layer
    opened.bench.keeper.put(0, square(1) | square(2, 20))
    section.classes.eyes[0].click()
    for place in ((7, 7), (22, 22)):
        press_key(layer, "D")
        mouse(layer, layer.mouse_drag_callbacks, (0, *place))
        press_key(layer, "Escape")
    np.testing.assert_array_equal(opened.bench.keeper.mask(0), square(1))


def test_painting_goes_on_while_labels_are_exported(opened, qtbot, monkeypatch, tmp_path):
    from glissile.io.label_formats import FORMATS
    from glissile.widgets.sections.export_labels import export_to

    late(monkeypatch, "export_labels")
    opened.bench.keeper.put(1, square())
    export_to(opened.bench, tmp_path / "out", FORMATS[0])
    assert opened.bench.state.running == "labels"
    assert opened.bench.keeper.layer.editable
    assert opened.bench.keeper.propose(3, square(2))
    idle(opened, qtbot)
    assert opened.bench.keeper.proposed == (3,)


def test_no_defects_here_does_not_accept_what_is_proposed(opened):
    opened.bench.display.go_to(3)
    opened.bench.keeper.propose(3, square())
    opened.sections["label"].empty.setEnabled(True)
    opened.sections["label"].empty.click()
    assert opened.bench.keeper.proposed == (3,)
    assert opened.bench.keeper.labelled == ()
