"""What is left of the labels when napari is killed while someone paints."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from killing import PAINTER, killed_in_the_window, killed_on_the_layer, warm_painters

from glissile import workflow
from glissile.experiment import Experiment

T, Y, X = 6, 200, 300
# Labels are looked at and written every second, and at the end of every stroke at once.
_SAVED_WITHIN_S = 1.0


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "test.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (T, Y, X), dtype=np.uint8))
    return path


def test_closing_the_window_saves_the_last_stroke_and_says_nothing(tmp_path, video):
    command = [sys.executable, PAINTER, video, tmp_path / "log", "3"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0
    assert "Traceback" not in told.stderr
    assert "Error" not in told.stderr
    with Experiment.open(tmp_path / "test.glissile") as experiment:
        assert not experiment.read_only
        assert list(experiment.labels_or_none().frames) == [0, 1, 2]


def test_strokes_outlive_a_kill_of_napari(video):
    workflow.create(video, video.with_suffix(".glissile")).close()
    for paint_s in (0.2, 0.7, 1.6):
        left = killed_in_the_window(video, paint_s)
        assert left.changes > 0
        assert left.unreadable == 0
        assert left.lost_s < _SAVED_WITHIN_S


@pytest.mark.skipif(not hasattr(os, "fork"), reason="painters are forked, as starting them takes long")
def test_strokes_outlive_many_kills(video):
    folder = video.with_suffix(".glissile")
    workflow.create(video, folder).close()
    changes = 0
    with warm_painters() as server:
        for _ in range(20):
            left = killed_on_the_layer(server, folder, random.uniform(0, 0.8))
            changes += left.changes
            assert left.unreadable == 0
            assert left.lost_s < _SAVED_WITHIN_S
    assert changes > 100
