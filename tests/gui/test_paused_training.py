"""A training in a child process, as the dock runs it: what a pause does to it. Needs no display."""

import numpy as np
import pytest
import tifffile
from driven import at_rest, child_at_work, driven, until

from glissile import workflow
from glissile.experiment import Experiment
from glissile.io.checkpoint import has_model
from glissile.learn.recipes import Recipe
from glissile.widgets import _child_process, _jobs

QUIET_S = 2.0  # longer than any step, also on a busy machine
QUICK = Recipe(epochs=5000, widths=(4, 6), device="cpu", least_epoch_steps=20, most_epoch_steps=20)


@pytest.fixture(autouse=True)
def _needs_display():
    """Child processes need none."""


@pytest.fixture
def folder(tmp_path):
    """An experiment with a few labelled frames."""
    video = tmp_path / "test.tif"
    tifffile.imwrite(video, np.random.default_rng(0).integers(0, 255, (5, 48, 64), dtype=np.uint8))
    mask = np.zeros((48, 64), np.uint8)
    mask[20:24] = 1
    with workflow.create(video, tmp_path / "test") as experiment:
        for index in range(5):
            experiment.labels().write(index, np.roll(mask, 3 * index, axis=0))
        experiment.save_settings("train", QUICK)
    return experiment.folder


def paused(requests, steps):
    until(lambda: any("validation_loss" in step.metrics for step in steps), within_s=120)
    requests.paused = True
    return at_rest(steps, QUIET_S)


def test_a_paused_training_rests_and_counts_no_time(folder):
    with driven(_jobs.trained, folder, 0, False, None) as (requests, steps, _):
        resting_at = paused(requests, steps)
        process = child_at_work()
        before = sum(process.cpu_times()[:2])
        at_rest(steps, QUIET_S)
        assert sum(process.cpu_times()[:2]) - before < 0.2
        assert steps[-1].index == resting_at
        requests.paused = False
        until(lambda: steps[-1].index > resting_at + 20)


def test_a_paused_training_can_be_stopped_and_kept(folder):
    with driven(_jobs.trained, folder, 0, False, None) as (requests, steps, outcome):
        resting_at = paused(requests, steps)
        requests.values.put("stop")
        requests.paused = False
        until(lambda: outcome, within_s=60)
    assert steps[-1].index == resting_at
    with Experiment.open(folder, read_only=True) as experiment:
        assert has_model(experiment.models_folder / outcome[0])


def test_a_paused_training_that_is_cancelled_can_be_resumed(folder):
    with driven(_jobs.trained, folder, 0, False, None) as (requests, steps, outcome):
        resting_at = paused(requests, steps)
        requests.close.set()
        until(lambda: outcome, within_s=_child_process.KILL_AFTER_S)
    assert isinstance(outcome[0], GeneratorExit)
    with Experiment.open(folder, read_only=True) as experiment:
        assert workflow.resumable(experiment)
    with driven(_jobs.trained, folder, 0, True, None) as (_, steps, _):
        until(lambda: steps, within_s=120)
        assert steps[0].index >= resting_at
