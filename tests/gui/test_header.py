"""The top of the dock: an experiment whose video was moved is opened once the video is found."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QObject

from glissile import workflow
from glissile.experiment import Experiment
from glissile.widgets._bench import Bench
from glissile.widgets.sections.header import Header


@pytest.fixture
def header(viewer):
    parent = QObject()
    bench = Bench(viewer, parent)
    header = Header(bench)
    viewer.window.add_dock_widget(header, area="right")
    yield header
    bench.close()


@pytest.fixture
def bench(header):
    return header._bench


@pytest.fixture
def moved(tmp_path):
    """An experiment folder, and where its video lies since it was moved."""
    video = tmp_path / "test 8.4μm.tif"
    tifffile.imwrite(video, np.random.default_rng(0).integers(0, 255, (5, 30, 40), dtype=np.uint8))
    folder = tmp_path / "test 8.4μm.glissile"
    with workflow.create(video, folder) as experiment:
        experiment.labels().write(3, np.ones((30, 40), np.uint8))
    place = tmp_path / "elsewhere" / "renamed.tif"
    place.parent.mkdir()
    video.rename(place)
    return folder, place


def idle(bench, qtbot):
    qtbot.waitUntil(lambda: bench.state.running is None, timeout=60_000)


def choose(monkeypatch, path):
    dialog = "glissile.widgets.sections.lost_video.QFileDialog.getOpenFileName"
    monkeypatch.setattr(dialog, lambda *arguments: (str(path), ""))


def ask(header):
    (video, _) = header.lost.find.menu().actions()
    video.trigger()


def test_a_moved_video_is_asked_for_and_its_experiment_opened(header, bench, moved, qtbot, monkeypatch):
    folder, place = moved
    assert not header.lost.isVisibleTo(header)
    header.open_folder(folder)
    assert bench.state.running is None
    assert header.lost.isVisibleTo(header)
    assert "test 8.4μm.tif" in header.lost.message.text()
    choose(monkeypatch, place)
    ask(header)
    qtbot.waitUntil(lambda: bench.study is not None, timeout=60_000)
    idle(bench, qtbot)
    assert not header.lost.isVisibleTo(header)
    assert bench.keeper.labelled == (3,)
    assert bench.study.experiment.source_path() == place
    bench.close()
    with Experiment.open(folder) as experiment:  # as anybody finds it later
        assert experiment.source_path() == place


def test_a_video_that_was_moved_brings_its_experiment(bench, moved, qtbot, monkeypatch, tmp_path):
    """As where the experiment lies in the documents, since nothing can be written beside the video."""
    folder, place = moved
    video = place.with_name("test 8.4μm.tif")
    place.rename(video)
    home = tmp_path / "home"
    home.mkdir()
    folder.rename(home / folder.name)
    monkeypatch.setattr("pathlib.Path.home", lambda: home)
    bench.open_video(video)
    qtbot.waitUntil(lambda: bench.study is not None, timeout=60_000)
    idle(bench, qtbot)
    assert bench.study.experiment.folder == home / folder.name
    assert bench.study.experiment.source_path() == video
    assert bench.keeper.labelled == (3,)


def test_another_video_is_refused_and_asked_for_again(header, bench, moved, qtbot, monkeypatch, tmp_path):
    folder, _ = moved
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.zeros((5, 30, 40), np.uint8))
    header.open_folder(folder)
    choose(monkeypatch, other)
    said = []
    monkeypatch.setattr("glissile.widgets._worker.show_error", said.append)
    ask(header)
    idle(bench, qtbot)
    assert bench.study is None
    assert header.lost.isVisibleTo(header)
    assert header.lost.find.isEnabled()
    assert any("is not the video" in message for message in said)
    with Experiment.open(folder) as experiment:
        assert not experiment.read_only
        assert experiment.document.source.path.endswith("test 8.4μm.tif")


def test_nothing_chosen_changes_nothing(header, bench, moved, monkeypatch):
    header.open_folder(moved[0])
    choose(monkeypatch, "")
    ask(header)
    assert bench.state.running is None
    assert header.lost.isVisibleTo(header)


def test_an_experiment_whose_video_is_there_is_just_opened(header, bench, moved, qtbot):
    folder, place = moved
    place.rename(folder.with_name("test 8.4μm.tif"))
    header.open_folder(folder)
    idle(bench, qtbot)
    assert bench.study is not None
    assert not header.lost.isVisibleTo(header)


def test_the_video_of_a_dropped_experiment_is_asked_for(header, bench, moved, viewer):
    viewer.open(moved[0], plugin="napari-glissile")
    assert not viewer.layers
    assert header.lost.isVisibleTo(header)
    assert "test 8.4μm.tif" in header.lost.message.text()


def test_a_dock_that_is_gone_is_asked_nothing(header, bench, moved, viewer, qtbot):
    viewer.window.remove_dock_widget(header)
    with qtbot.waitSignal(header.destroyed):
        header.deleteLater()
    assert len(bench.state.experiment_refused) == 0
    viewer.open(moved[0], plugin="napari-glissile")
