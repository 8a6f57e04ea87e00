"""Flattening, against light that is known."""

import numpy as np
import pytest
from drifting_textures import texture

from glissile.stabilize.illumination import flattened, mean_grey
from glissile.video import Video


def video(frames):
    return Video.from_frames(np.asarray(frames), name="made")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_an_even_video_stays_as_it_is(dtype):
    even = video(np.full((3, 90, 120), 100, dtype))
    flat = flattened(even)
    assert flat.frames.dtype == dtype
    np.testing.assert_allclose(np.asarray(flat.frames), 100, rtol=2e-6)
    np.testing.assert_array_equal(flat.times_s, even.times_s)
    assert flat.provenance[-1] == "illumination flattened to a mean grey value of 100"
    assert even.provenance == ()


@pytest.mark.parametrize("shape", [(90, 120), (300, 700), (12, 20)])
def test_a_tilt_is_removed_up_to_the_edges(shape):
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    tilt = 1 + 0.3 * x + 0.2 * y
    flat = np.asarray(flattened(video((100 * tilt)[None])).frames)[0]
    assert np.abs(flat / flat.mean() - 1).max() < 0.02
    assert flat.mean() == pytest.approx(100, rel=0.02)


def test_what_is_small_stays():
    image = texture((200, 260), cutoff=0.16)
    detail = image - 120
    tilt = 1 + 0.3 * np.linspace(-1, 1, 260)
    flat = flattened(video((image * tilt)[None])).frame(0) - 120
    assert np.corrcoef(flat.ravel(), detail.ravel())[0, 1] > 0.93


def test_gain_that_changes_is_evened_out():
    image = texture((80, 90))
    flat = np.asarray(flattened(video([image * gain for gain in (0.5, 1.0, 1.5)])).frames)
    np.testing.assert_allclose(flat[0], flat[1], rtol=1e-4)
    np.testing.assert_allclose(flat[2], flat[1], rtol=1e-4)


def test_integers_stay_within_their_range():
    image = np.full((60, 60), 40, np.uint8)
    image[20:24, 20:24] = 255
    flat = flattened(video(image[None]), mean=200.0).frame(0)
    assert flat.dtype == np.uint8
    assert flat[21, 21] == 255
    assert flat[50, 50] == pytest.approx(200, abs=2)


def test_pixels_without_a_number_count_for_nothing():
    image = 100 * (1 + 0.2 * np.linspace(-1, 1, 100)) * np.ones((80, 1))
    image[:, 60:] = np.nan
    flat = flattened(video(image[None])).frame(0)
    np.testing.assert_array_equal(np.isnan(flat), np.isnan(image))
    known = flat[:, :60]
    assert np.abs(known / known.mean() - 1).max() < 0.02


def test_what_no_light_falls_on_is_left_alone():
    frames = np.zeros((2, 40, 50), np.float32)
    frames[1] = np.nan
    assert mean_grey(video(frames)) == 0
    np.testing.assert_array_equal(np.asarray(flattened(video(frames), mean=50.0).frames), frames)
    dark = np.full((1, 64, 64), 100.0)
    dark[:, :, 40:] = 0.001  # beyond the edge of the beam
    assert flattened(video(dark)).frame(0)[:, 45:].max() < 0.1


def test_only_frames_that_are_looked_at_are_read():
    import dask.array as da

    read = []

    def frame(block_info=None):
        read.append(block_info[None]["chunk-location"][0])
        return np.ones((1, 20, 20))

    lazy = Video.from_frames(
        da.map_blocks(frame, chunks=((1,) * 100, (20,), (20,)), dtype=float), name="lazy"
    )
    flat = flattened(lazy, mean=2.0)
    assert read == []
    assert flat.frame(7).mean() == pytest.approx(2)
    assert read == [7]
