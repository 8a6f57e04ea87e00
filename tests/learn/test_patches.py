import cv2
import numpy as np
import pytest

from glissile.learn.patches import bent, draw_batch
from glissile.learn.recipes import UNBENT, Augmentation


def random(seed=0):
    return np.random.default_rng(seed)


def blob(size=(60, 80), at=(30, 40)):
    y, x = np.mgrid[: size[0], : size[1]]
    mask = ((y - at[0]) ** 2 + (x - at[1]) ** 2 < 64).astype(np.uint8)
    return mask.astype(np.float32), mask


def test_no_augmentation_is_the_identity():
    frame = random().normal(size=(33, 47)).astype(np.float32)
    truth = random().integers(0, 3, (33, 47)).astype(np.uint8)
    (same,), same_truth = bent(frame, truth, UNBENT, random())
    np.testing.assert_array_equal(same, frame)
    np.testing.assert_array_equal(same_truth, truth)


@pytest.mark.parametrize("seed", range(5))
def test_frame_and_truth_are_bent_together(seed):
    only_warps = Augmentation(
        rotation_deg=20, scale=0.2, shift_px=8, elastic_px=2, contrast=0, brightness=0, noise=0, blur_px=0
    )
    (frame,), truth = bent(*blob(), only_warps, random(seed))
    assert set(np.unique(truth)) <= {0, 1}
    assert np.mean((frame > 0.5) == truth) > 0.99
    assert not np.array_equal(truth, blob()[1])


def test_what_is_beside_a_frame_is_bent_with_it_and_keeps_its_values():
    warps_and_greys = Augmentation(shift_px=8, noise=0.3)
    frame, truth = blob((200, 200), (100, 100))
    beside = np.stack([frame, 1 - frame])
    layers, bent_truth = bent(frame, truth, warps_and_greys, random(), beside)
    assert layers.shape == (3, 200, 200)
    assert np.mean((layers[1] > 0.5) == bent_truth) > 0.99
    np.testing.assert_allclose(layers[1] + layers[2], 1, atol=1e-5)  # greys of the frame alone change
    # Labels of another frame lie a little aside: less than two pixels, and not nowhere.
    apart = cv2.GaussianBlur(layers[1], (0, 0), 1) - cv2.GaussianBlur(
        bent_truth.astype(np.float32), (0, 0), 1
    )
    assert 0.02 < np.abs(apart).max() < 0.9


def test_a_crop_is_one_place_of_the_frame_and_of_what_is_beside_it():
    frame = random().normal(size=(90, 80)).astype(np.float32)
    truth = np.zeros((90, 80), np.uint8)
    truth[70:74, 60:64] = 1
    nearly = cv2.GaussianBlur(frame, (0, 0), 3)
    batch = draw_batch([nearly], [truth], [nearly[None]], crop_px=48, augmentation=UNBENT, random=random())
    assert batch.frames.shape == (1, 2, 48, 48)
    assert np.corrcoef(batch.frames[0, 0].ravel(), batch.frames[0, 1].ravel())[0, 1] > 0.9


def test_greys_change_and_truth_does_not():
    only_greys = Augmentation(rotation_deg=0, scale=0, shift_px=0, elastic_px=0)
    (frame,), truth = bent(*blob(), only_greys, random())
    np.testing.assert_array_equal(truth, blob()[1])
    assert not np.allclose(frame, blob()[0])
    assert frame.dtype == np.float32


def test_scale_and_rotation_have_the_stated_size():
    frame, truth = blob((200, 200), (100, 100))
    areas = [
        bent(frame, truth, UNBENT.model_copy(update={"scale": 0.2}), random(s))[1].sum() / truth.sum()
        for s in range(20)
    ]
    assert 0.64 < min(areas) < 0.9 < 1.1 < max(areas) < 1.52


def test_crops_are_mostly_around_defects_and_never_beyond_the_frame():
    frame, truth = np.zeros((300, 400), np.float32), np.zeros((300, 400), np.uint8)
    truth[5, 380] = 2
    batches = [
        draw_batch([frame], [truth], crop_px=64, augmentation=UNBENT, random=random(s)) for s in range(60)
    ]
    assert {b.frames.shape for b in batches} == {(1, 1, 64, 64)}
    hits = sum(bool((b.truth == 2).any()) for b in batches)
    assert 30 < hits < 55


def test_small_frames_are_whole_and_batches_have_channels():
    frame, truth = blob()
    batch = draw_batch([frame, frame], [truth, truth], crop_px=64, augmentation=UNBENT, random=random())
    assert batch.frames.shape == (2, 1, 60, 64)
    whole = draw_batch([frame], [truth], crop_px=0, augmentation=UNBENT, random=random())
    np.testing.assert_array_equal(whole.frames[0, 0], frame)
    assert whole.truth.dtype == np.int64


def test_the_same_random_numbers_give_the_same_batch():
    frame, truth = blob()
    first, second = (
        draw_batch([frame], [truth], crop_px=32, augmentation=Augmentation(), random=random(3))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.frames, second.frames)
