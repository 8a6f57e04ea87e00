"""Probabilities over the frame on screen: real napari, a real process, an untrained network."""

import numpy as np
import pytest
import tifffile
from untrained import model

from glissile import workflow
from glissile.defects import DEFAULT_CLASSES
from glissile.experiment import Experiment
from glissile.learn.probability import entropy
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings
from glissile.widgets.sections.probability_view import ProbabilityView

T, Y, X = 6, 40, 52


@pytest.fixture
def view(bench, viewer):
    view = ProbabilityView(bench)
    viewer.window.add_dock_widget(view, area="right")
    yield view
    view.stop()


@pytest.fixture
def folder(tmp_path):
    video = tmp_path / "test.tif"
    tifffile.imwrite(video, np.random.default_rng(0).integers(0, 255, (T, Y, X), dtype=np.uint8))
    with workflow.create(video, tmp_path / "test") as experiment:
        model(experiment.folder / "models" / "made", classes=DEFAULT_CLASSES)
        return experiment.folder


@pytest.fixture
def opened(bench, view, folder, qtbot):
    bench.open_folder(folder)
    qtbot.waitUntil(lambda: bench.study is not None and bench.state.running is None, timeout=60_000)
    return bench


def choose(view, index):
    view.choice.setCurrentIndex(index)
    view.choice.activated.emit(index)


def shown(viewer):
    """Layers of probabilities."""
    return [x for x in viewer.layers if x.metadata.get("glissile", {}).get("role") == "probability"]


def expected(folder, index):
    with Experiment.open(folder, read_only=True) as experiment:
        video = workflow.working_video(experiment)
    predictor = Predictor(folder / "models" / "made", SegmentSettings(device="cpu"))
    return predictor.probabilities([video.frame(index)])[0]


def wait_for(qtbot, viewer, image):
    def seen():
        layers = shown(viewer)
        return len(layers) == 1 and layers[0].visible and np.allclose(layers[0].data, image, atol=1e-5)

    qtbot.waitUntil(seen, timeout=60_000)


def test_the_choice_is_there_once_there_is_a_network(view, opened):
    names = [view.choice.itemText(i) for i in range(view.choice.count())]
    assert names == [
        "Masks alone",
        "Probability of dislocation",
        "Probability of stacking fault",
        "Uncertainty (entropy)",
    ]
    assert not view.isHidden()


def test_the_layer_follows_slider_and_choice_and_goes(view, opened, folder, viewer, qtbot):
    before = list(viewer.layers.selection)
    choose(view, 2)
    wait_for(qtbot, viewer, expected(folder, 0)[2])
    (layer,) = shown(viewer)
    assert layer.name == "Probability of stacking fault"
    assert tuple(layer.contrast_limits) == (0, 1)
    assert list(viewer.layers.selection) == before
    viewer.dims.set_current_step(0, 4)
    assert not layer.visible  # it is of another frame
    wait_for(qtbot, viewer, expected(folder, 4)[2])
    choose(view, 3)
    wait_for(qtbot, viewer, entropy(expected(folder, 4)))
    choose(view, 0)
    assert not shown(viewer)


def test_the_newest_frame_wins(view, opened, folder, viewer, qtbot):
    choose(view, 1)
    for index in (1, 2, 3, 5):
        viewer.dims.set_current_step(0, index)
    wait_for(qtbot, viewer, expected(folder, 5)[1])
    qtbot.wait(500)
    wait_for(qtbot, viewer, expected(folder, 5)[1])


def test_a_layer_that_was_closed_stays_so(view, opened, folder, viewer, qtbot):
    choose(view, 1)
    wait_for(qtbot, viewer, expected(folder, 0)[1])
    viewer.layers.remove(shown(viewer)[0])
    viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: view.choice.currentIndex() == 0, timeout=30_000)
    assert not shown(viewer)


def test_a_damaged_network_is_told_and_switches_off(view, opened, folder, viewer, qtbot, capsys):
    (folder / "models" / "made" / "model.safetensors").write_bytes(b"no")
    choose(view, 1)
    qtbot.waitUntil(lambda: view.choice.currentIndex() == 0, timeout=60_000)
    assert "train one first" in capsys.readouterr().out  # where napari without a window tells errors
    assert not shown(viewer)


def test_without_an_experiment_nothing_is_offered(view, opened, viewer):
    choose(view, 1)
    opened.close()
    assert view.isHidden()
    assert view._work is None
    opened.state.video_changed.emit()


def test_what_the_user_has_hidden_stays_so(view, opened, folder, viewer, qtbot):
    choose(view, 1)
    wait_for(qtbot, viewer, expected(folder, 0)[1])
    (layer,) = shown(viewer)
    layer.visible = False
    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(
        lambda: np.allclose(layer.data, expected(folder, 2)[1], atol=1e-3, equal_nan=True), timeout=30_000
    )
    assert not layer.visible


def test_a_training_gets_the_memory(view, opened, folder, viewer, qtbot):
    choose(view, 1)
    wait_for(qtbot, viewer, expected(folder, 0)[1])
    opened.state.running = "train"
    qtbot.waitUntil(lambda: view.choice.currentIndex() == 0)
    assert not shown(viewer)
    assert view._work is None
    opened.state.running = None
