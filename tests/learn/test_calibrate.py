import numpy as np
import pytest
import torch

from glissile.io.model_card import Calibration
from glissile.learn.calibrate import area_offsets, fitted, thinned, thinning_shares, with_calibration

HALF = (0.0, 0.5, 0.5)


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


def ridges(*heights, classes=3):
    """Logits (1, classes, y, x) with one ridge of class 1 per height, whose margin falls off over 4 px."""
    z = np.zeros((1, classes, 20, 12 * len(heights)), np.float32)
    for i, height in enumerate(heights):
        x = np.arange(12 * len(heights)) - (12 * i + 6)
        z[0, 1] = np.maximum(z[0, 1], height * (1 - np.abs(x) / 4.5))
    z[0, 2:] = -9
    return torch.from_numpy(z)


def width(logits):
    return (logits.argmax(dim=1)[0] == 1).sum(dim=1).unique().tolist()


def test_thinning_takes_as_much_of_a_faint_line_as_of_a_plain_one():
    whole, faint, plain = ridges(8, 0.5), ridges(0.5), ridges(8)
    assert width(whole) == [18]
    assert width(thinned(faint, HALF)) == width(thinned(plain, HALF)) == [7]
    assert width(thinned(whole, HALF)) == [14]
    # A shift that makes the plain line as thin takes the faint one whole.
    assert width(whole - torch.tensor([0, 2.5, 0])[:, None, None]) == [7]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_thinning_keeps_crests_and_adds_nothing(share):
    z = torch.from_numpy(logits(3, (2, 3, 40, 50)))
    before, after = z.argmax(dim=1), thinned(z, (0, share, share)).argmax(dim=1)
    assert (after[before == 0] == 0).all()
    assert ((after == before) | (after == 0)).float().mean() > 0.9
    largest = (z[:, 1] - z[:, [0, 2]].amax(dim=1)).flatten().argmax()
    assert after.flatten()[largest] == 1


def test_thinning_does_not_depend_on_scale_and_zero_is_nothing():
    z = torch.from_numpy(logits(4, (1, 4, 30, 31)))
    shares = (0, 0.5, 0, 0.3)
    torch.testing.assert_close(thinned(3 * z, shares), 3 * thinned(z, shares))
    assert torch.equal(thinned(z, shares)[:, 2], z[:, 2])
    assert torch.equal(thinned(z, (0, 0, 0, 0)), z)


def test_a_calibration_thins_first_and_then_adds_the_offsets():
    z = torch.from_numpy(logits(5, (1, 3, 30, 31)))
    offsets = (0.0, -0.5, 0.25)
    found = with_calibration(z, Calibration(thinning=HALF, offsets=offsets))
    torch.testing.assert_close(found, thinned(z, HALF) + torch.tensor(offsets)[:, None, None])
    assert torch.equal(with_calibration(z, None), z)


@pytest.mark.parametrize("wanted_px", [9, 7, 5])
def test_each_class_is_thinned_as_far_as_its_area_asks(wanted_px):
    """Class 1 is drawn too wide, class 2 is not."""
    z = ridges(8, 0.5)[0]
    z[2, :5] = 30
    truth = np.zeros(z.shape[1:], np.uint8)
    for crest in (6, 18):
        truth[:, crest - wanted_px // 2 : crest + wanted_px // 2 + 1] = 1
    truth[:5] = 2
    shares = thinning_shares([z.numpy()], [truth], most=0.9)
    assert shares[0] == shares[2] == 0
    assert (shares[1] > 0) == (wanted_px < 9)
    drawn = with_calibration(z[None], fitted([z.numpy()], [truth], thinning=0.9)).argmax(dim=1)[0].numpy()
    assert (drawn == truth).mean() > 0.98


def test_what_thinning_may_not_do_offsets_do():
    z = logits(6)
    truth = np.zeros((60, 70), np.uint8)
    truth[:, :3] = 1
    found = fitted([z], [truth], thinning=0.1)
    assert found.thinning == (0, 0.1, 0)
    assert found.offsets[1] < 0
    drawn = with_calibration(torch.from_numpy(z)[None], found).argmax(dim=1)
    assert (drawn == 1).sum() == pytest.approx(180, rel=0.02)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_an_output_that_overflowed_spoils_nothing(wrong):
    z = ridges(8, 0.5)[0].numpy()
    truth = np.zeros(z.shape[1:], np.uint8)
    truth[:, 4:9] = truth[:, 16:21] = 1
    expected = fitted([z], [truth], thinning=0.9)
    spoilt = z.copy()
    spoilt[:, 0, 0] = wrong
    spoilt[1, 3, 3] = wrong
    found = fitted([spoilt], [truth], thinning=0.9)
    assert np.allclose(found.offsets, expected.offsets, atol=0.2)
    assert np.allclose(found.thinning, expected.thinning, atol=0.2)
