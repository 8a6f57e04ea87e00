"""What the Train section says of a training that left a checkpoint."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QObject

from glissile import workflow
from glissile.experiment import Experiment
from glissile.learn.identity import identity
from glissile.learn.recipes import Recipe
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets._resolve import resolve
from glissile.widgets.sections.train import TrainSection


@pytest.fixture
def section(viewer):
    parent = QObject()
    bench = Bench(viewer, parent)
    section = TrainSection(bench, viewer)
    bench.facts_changed.connect(lambda: section.set_state(resolve(bench.facts())["train"]))
    viewer.window.add_dock_widget(section, area="right")
    section.set_open(True)
    yield section
    bench.close()


@pytest.mark.parametrize("open_elsewhere", [False, True])
def test_only_a_training_that_is_not_running_elsewhere_can_be_resumed(
    section, tmp_path, qtbot, monkeypatch, open_elsewhere
):
    video = tmp_path / "test.tif"
    tifffile.imwrite(video, np.random.default_rng(0).integers(0, 255, (5, 30, 40), dtype=np.uint8))
    with workflow.create(video, tmp_path / "test") as experiment:
        experiment.labels().write(3, np.ones((30, 40), np.uint8))
    cut_short = ((tmp_path, identity("abc", Recipe())),)
    monkeypatch.setattr(_study.workflow, "cut_short", lambda experiment: cut_short)
    other = Experiment.open(experiment.folder, read_only=not open_elsewhere)
    bench = section._bench
    bench.open_folder(experiment.folder)
    qtbot.waitUntil(lambda: bench.study is not None and bench.state.running is None, timeout=60_000)
    assert bench.study.experiment.read_only is open_elsewhere
    assert section.resume.isVisibleTo(section) is not open_elsewhere
    assert ("cut short" in section.state_line.text()) is not open_elsewhere
    assert section.primary.isEnabled() is not open_elsewhere
    other.close()
