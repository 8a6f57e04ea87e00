from dataclasses import replace

import numpy as np
import pytest

from glissile.contrast import contrast_limits, stretched, video_contrast
from glissile.video import Video


def test_limits_of_a_video_hold_for_all_its_frames():
    frames = np.zeros((40, 16, 16), np.uint16)
    frames[:, 4:12] = 1000
    frames[20:, 8:] = 3000
    video = Video.from_frames(frames, name="v")
    assert video_contrast(video) == (0, 3000)
    assert video_contrast(video, frames=1) == (0, 1000)


def test_a_few_outliers_are_clipped_and_missing_values_left_out():
    frame = np.random.default_rng(0).normal(30000, 500, (128, 128))
    frame[:2, :4] = 1e9
    frame[5, 5] = np.nan
    frame[6, 6] = -np.inf
    low, high = contrast_limits([frame])
    assert 28000 < low < 29000
    assert 31000 < high < 32000


@pytest.mark.parametrize(("value", "limits"), [(0, (0, 1)), (7, (7, 8)), (np.nan, (0, 1))])
def test_limits_of_a_flat_or_missing_frame_differ(value, limits):
    assert contrast_limits([np.full((4, 4), value)]) == limits


def test_what_is_filled_in_has_no_part_in_the_limits():
    frames = np.zeros((3, 16, 16), np.uint16)
    frames[:, 4:, 2:] = 1000
    frames[:, 10:, 2:] = 3000
    video = Video.from_frames(frames, name="v")
    assert video_contrast(video) == (0, 3000)
    assert video_contrast(replace(video, valid_px=np.tile([4, 2, 16, 16], (3, 1)))) == (1000, 3000)


@pytest.mark.parametrize("kind", ["uint8", "uint16", ">i2", "float64"])
def test_frames_of_any_type_are_brought_to_one_range(kind):
    frame = np.linspace(3, 103, 64 * 64).reshape(64, 64).round().astype(kind)
    found = stretched(frame)
    assert found.dtype == np.float32
    low, high = contrast_limits([frame])
    np.testing.assert_allclose(found, (frame.astype(float) - low) / (high - low) * 255, atol=1e-3)


def test_what_is_no_number_is_black_and_a_flat_frame_is_flat():
    frame = np.linspace(0, 1, 4096).reshape(64, 64)
    frame[0, :3] = np.nan, np.inf, -np.inf
    assert (stretched(frame)[0, :3] == 0).all()
    assert np.isfinite(stretched(frame)).all()
    assert not stretched(np.full((8, 8), 7, np.uint8)).any()
    assert not stretched(np.full((8, 8), np.nan)).any()
