import cv2
import numpy as np
import pytest
from drifting_textures import burnt, burnt_in, clean, drifting, recorded, texture, wandering

from glissile.stabilize.overlay import QuietPixels

WINDOW = (120, 200)


def found(frames, at_once=24):
    quiet = QuietPixels(frames.shape[1:])
    for start in range(0, len(frames), at_once):
        quiet.add(list(frames[start : start + at_once]))
    return quiet.mask()


def assert_is(mask, drawn):
    """All of what was drawn, with a rim."""
    assert mask is not None
    assert mask[drawn].all()
    # Between the digits and around the texts the specimen is not told from the overlay.
    near = cv2.dilate(drawn.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    assert not mask[~near].any()
    assert mask[~near].size > 0.5 * mask.size
    assert (
        mask & ~cv2.dilate(drawn.astype(np.uint8), np.ones((13, 13), np.uint8)).astype(bool)
    ).mean() < 0.05


@pytest.mark.parametrize("speed", [0.0, 0.5])
@pytest.mark.parametrize("dead_pixels", [False, True])
def test_clock_and_scale_bar_are_found_whether_the_specimen_moves_or_not(speed, dead_pixels):
    frames = burnt_in(drifting(wandering(30, 1) * speed, WINDOW), dead_pixels=dead_pixels)
    assert_is(found(frames), burnt(frames.shape))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_dtype_does_not_matter(dtype):
    frames = burnt_in(drifting(wandering(12, 1), WINDOW))
    scaled = frames.astype(dtype) * (100 if dtype == np.uint16 else 1)
    np.testing.assert_array_equal(found(scaled), found(frames))


@pytest.mark.parametrize("at_once", [2, 7, 30])
def test_how_many_frames_come_at_once_hardly_matters(at_once):
    frames = burnt_in(drifting(wandering(30, 1), WINDOW))
    assert (found(frames, at_once) != found(frames)).mean() < 0.01


def test_bright_letters_without_a_box_are_found():
    frames = drifting(wandering(24, 2), WINDOW)
    drawn = np.zeros(WINDOW, np.uint8)
    cv2.putText(drawn, "200 kV", (60, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1, 2)
    frames[:, drawn > 0] = 255
    assert_is(found(frames), drawn > 0)


def test_without_an_overlay_there_is_none():
    assert found(drifting(wandering(30, 3), WINDOW)) is None
    assert found(drifting(np.zeros((30, 2)), WINDOW)) is None
    assert found(drifting(wandering(30, 3), WINDOW, noise=0)) is None


def test_the_specimen_is_not_masked_away_where_it_does_not_change():
    still = np.broadcast_to(texture(WINDOW).astype(np.uint8), (30, *WINDOW))
    assert found(still) is None
    assert found(np.full((30, *WINDOW), 128, np.uint8)) is None
    mostly = recorded(clean(np.zeros((30, 2)), WINDOW))
    mostly[:, :, : WINDOW[1] // 2] = still[:, :, : WINDOW[1] // 2]
    assert found(mostly) is None


def test_frames_stored_many_times_hide_nothing():
    frames = np.repeat(burnt_in(drifting(wandering(12, 4), WINDOW)), 5, axis=0)
    assert_is(found(frames), burnt(frames.shape))


def test_parts_that_are_not_numbers_do_not_matter():
    frames = burnt_in(drifting(wandering(16, 5), WINDOW)).astype(np.float32)
    frames[:, 40:60, 20:60] = np.nan
    frames[5, 10, 10] = np.inf
    mask = found(frames)
    assert_is(mask, burnt(frames.shape))


def test_a_few_frames_tell_nothing():
    frames = burnt_in(drifting(wandering(6, 1), WINDOW))
    assert found(frames) is None
    assert found(frames[:1]) is None
    assert found(burnt_in(drifting(wandering(7, 1), WINDOW))) is not None


def test_what_is_drawn_over_some_frames_only_is_no_overlay():
    frames = drifting(wandering(40, 6), WINDOW)
    frames[:16] = burnt_in(frames[:16])
    assert found(frames) is None
