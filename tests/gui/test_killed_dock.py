"""What is left of the labels when napari is killed while someone paints."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from glissile.experiment import Experiment

T, Y, X = 200, 60, 80


PAINTER = Path(__file__).with_name("painter.py")


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "test.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (T, Y, X), dtype=np.uint8))
    return path


def test_closing_the_window_saves_the_last_stroke_and_says_nothing(tmp_path, video):
    told = subprocess.run([sys.executable, PAINTER, video, "3"], capture_output=True, text=True, timeout=120)
    assert told.returncode == 0
    assert "Traceback" not in told.stderr
    assert "Error" not in told.stderr
    with Experiment.open(tmp_path / "test.glissile") as experiment:
        assert not experiment.read_only
        assert list(experiment.labels_or_none().frames) == [0, 1, 2]


@pytest.mark.parametrize("saved", [1, 4, 9])
def test_strokes_outlive_a_kill_of_napari(tmp_path, video, saved):
    with subprocess.Popen([sys.executable, PAINTER, video], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(saved)]
        process.kill()
    with Experiment.open(tmp_path / "test.glissile") as experiment:
        assert not experiment.read_only
        store = experiment.labels_or_none()
        assert set(told) <= set(store.frames)
        for number in store.frames:
            mask = store.read(number)
            assert mask[20, 30] == 1 + number % 2
            assert np.unique(mask).tolist() == [0, 1 + number % 2]
