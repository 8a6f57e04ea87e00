import numpy as np
import pytest

from glissile.learn.calibrate import area_offsets


def areas(logits, offsets, classes=3):
    predicted = (logits + offsets[:, None, None]).argmax(axis=0)
    return np.bincount(predicted.ravel(), minlength=classes)


def logits(seed=0, shape=(3, 60, 70)):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def test_areas_become_those_of_the_truth():
    z = logits()
    truth = np.random.default_rng(1).choice(3, p=[0.6, 0.3, 0.1], size=(60, 70)).astype(np.uint8)
    wanted = np.bincount(truth.ravel(), minlength=3)
    got = areas(z, area_offsets([z], [truth]))
    assert got[1:] == pytest.approx(wanted[1:], rel=0.02)


def test_areas_that_are_right_already_stay():
    z = logits()
    assert np.abs(area_offsets([z], [z.argmax(axis=0).astype(np.uint8)])).max() < 0.01


def test_a_class_never_labelled_and_the_background_keep_theirs():
    offsets = area_offsets([logits()], [np.ones((60, 70), np.uint8) * (np.arange(70) < 9).astype(np.uint8)])
    assert offsets[0] == 0
    assert offsets[2] == 0
    assert offsets[1] != 0


def test_a_class_that_the_network_cannot_see_is_not_forced():
    z = logits()
    z[1] -= 50
    truth = np.zeros((60, 70), np.uint8)
    truth[:10] = 1
    assert area_offsets([z], [truth])[1] == 4


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_everywhere(value):
    assert np.isfinite(area_offsets([logits()], [np.full((60, 70), value, np.uint8)])).all()


def test_frames_count_together():
    z = [logits(0), logits(1)]
    truth = [np.zeros((60, 70), np.uint8), np.zeros((60, 70), np.uint8)]
    truth[0][:10] = 1
    offsets = area_offsets(z, truth)
    assert sum(areas(f, offsets)[1] for f in z) == pytest.approx(700, rel=0.02)
