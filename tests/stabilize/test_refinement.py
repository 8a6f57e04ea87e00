from dataclasses import replace

import numpy as np
import pytest
from drifting_textures import burnt, burnt_in, clean, drifting, recorded, texture, wandering
from scipy import ndimage

from glissile.progress import finish
from glissile.stabilize.camera_motion import StabilizeSettings, whole_frames
from glissile.stabilize.grey_levels import Illumination, finite
from glissile.stabilize.refinement import CHUNK_FRAMES, Refiner
from glissile.stabilize.survey import Anchor, Survey

WINDOW = (96, 112)
SLOW = np.linspace(0, 1, 600)[:, None] * (5.0, -7.0)


def surveyed(frames, positions, sigma=0.03, views=None):
    """What a first pass would tell that found these positions."""
    count = len(frames)
    light = Illumination(frames.shape[1:])
    planes = np.stack([light.of(finite(frame)) for frame in frames])
    views = np.zeros(count, np.int64) if views is None else views
    positions = np.where((views >= 0)[:, None], positions, np.nan)
    told = np.where(views >= 0, sigma, np.nan)
    return Survey(positions, told, told, views, planes)


def refined(frames, survey, ignored=None):
    refiner = Refiner(frames.shape[1:], survey, ignored)
    for index, frame in enumerate(frames):
        refiner.add(index, frame)
    return refiner.refined()


def off(found, path):
    error = found.positions_px - path
    return np.abs(error - error.mean(axis=0))


@pytest.mark.parametrize("count", [12, 30, 100])
def test_positions_that_are_a_little_off_are_put_right(count):
    path = wandering(count, 1, 0.2)
    frames = drifting(path, WINDOW, noise=6)
    rough = path + np.random.default_rng(2).normal(0, 0.08, path.shape)
    found = refined(frames, surveyed(frames, rough))
    error = off(found, path)
    assert np.sqrt(np.square(error).mean()) < 0.02
    assert (error < 3 * 3 * found.sigma_px[:, None] + 0.01).mean() > 0.97
    assert found.agreeing.min() > 0.7


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_frames_without_noise_are_no_worse(seed):
    # What only the last frames show, at the edges, may look like much structure.
    path = wandering(40, seed, 0.2)
    frames = drifting(path, (128, 160), noise=1)
    assert off(refined(frames, surveyed(frames, path)), path).max() < 0.05


@pytest.mark.parametrize("noise", [0.5, 1, 3])
def test_what_frames_lie_aside_is_not_taken_for_noise(noise):
    # It would be the larger part by far where there is little noise, and where the structure is.
    path = wandering(200, 0, 0.2)
    frames = drifting(path, WINDOW, noise=noise)
    left = off(refined(frames, surveyed(frames, path)), path)
    assert np.sqrt(np.square(left).mean()) < 0.0028


def test_a_frame_that_is_in_its_own_template_is_told_neither_less_nor_more_displaced():
    asides, roughs, errors = [], [], []
    for seed in range(8):
        path = wandering(12, seed, 0.2)
        frames = drifting(path, WINDOW, noise=20, seed=seed)
        rough = np.random.default_rng(seed).normal(0, 0.1, path.shape)
        rough -= rough.mean(axis=0)
        error = refined(frames, surveyed(frames, path + rough)).positions_px - path
        asides.append(path - 0.5 * np.rint(2 * (path + rough)))
        roughs.append(rough)
        errors.append(error - error.mean(axis=0))
    causes = np.stack([np.ravel(asides), np.ravel(roughs)], axis=1)
    slopes = np.linalg.lstsq(causes, np.ravel(errors), rcond=None)[0]
    assert np.abs(slopes).max() < 0.015


def test_an_error_that_neighbours_have_in_common_is_taken_out():
    # Templates are made of frames where the first pass put them, and so lie off as these do.
    path = SLOW[:400]
    frames = drifting(path, (64, 80), noise=4)
    error = 0.06 * np.sin(np.linspace(0, 2 * np.pi, 400))[:, None] * (1, -1)
    found = refined(frames, surveyed(frames, path + error, sigma=0.06))
    left = off(found, path)
    assert np.sqrt(np.square(left).mean()) < 0.3 * np.sqrt(np.square(error).mean())


def test_a_way_that_was_told_too_short_is_put_right():
    # Over such a way frames that lie far apart have only some of the template in common.
    path = np.linspace(0, 1, 200)[:, None] * (30.0, -24.0) + wandering(200, 8, 0.0)
    frames = drifting(path, (64, 80), noise=4)
    error = -0.004 * path
    left = off(refined(frames, surveyed(frames, path + error, sigma=0.06)), path)
    assert np.sqrt(np.square(left).mean()) < 0.3 * np.sqrt(np.square(error - error.mean(axis=0)).mean())


def test_where_only_some_frames_were_their_place_among_whole_pixels_counts():
    # What lies at the upper edge only the last frames show, all of which lie aside to the same side.
    whole = np.repeat([0, 25], 30)[:, None] * (1.0, 0.0)
    aside = np.where(np.arange(60)[:, None] < 30, -0.15, 0.15) * np.ones((1, 2))
    path = whole + aside + np.random.default_rng(0).uniform(-0.05, 0.05, (60, 2))
    frames = drifting(path, (64, 80), noise=2)
    found = refined(frames, surveyed(frames, path))
    error = found.positions_px - path
    assert np.abs(error[:30].mean(axis=0) - error[30:].mean(axis=0)).max() < 0.015


def test_frames_that_were_interpolated_between_pixels_lie_where_they_were_put():
    # Interpolation blurs them, some more than others; of structure as fine as a pixel some have nothing left.
    rng = np.random.default_rng(3)
    path = rng.uniform(-3, 3, (96, 2))
    still = ndimage.spline_filter(texture((120, 140), 4) + rng.normal(0, 12, (120, 140)))
    frames = np.stack([ndimage.shift(still, step, prefilter=False)[12:-12, 12:-12] for step in path])
    frames = recorded(frames, noise=2)
    left = off(refined(frames, surveyed(frames, path)), path)
    assert np.sqrt(np.square(left).mean()) < 0.006


def test_frames_that_were_not_measured_stay_unknown():
    path = wandering(40, 3, 0.2)
    frames = drifting(path, WINDOW)
    frames[10:13] = 0
    views = np.zeros(40, np.int64)
    views[10:13] = -1
    found = refined(frames, surveyed(frames, path, views=views))
    known = np.delete(np.arange(40), [10, 11, 12])
    for values in (found.positions_px[:, 0], found.sigma_px, found.agreeing):
        assert np.isnan(values[10:13]).all()
        assert np.isfinite(values[known]).all()
    assert np.abs(found.positions_px - path)[known].max() < 0.05


def test_views_do_not_mix():
    path = wandering(60, 4, 0.2)
    frames = np.concatenate([drifting(path[:30], WINDOW, seed=1), drifting(path[30:], WINDOW, seed=2)])
    survey = surveyed(frames, path, views=np.repeat([0, 1], 30))
    found = refined(frames, survey)
    for part in (slice(0, 30), slice(30, 60)):
        alone = Survey(
            survey.positions_px[part],
            survey.sigma_px[part],
            survey.own_sigma_px[part],
            survey.views[part] * 0,
            survey.illumination[part],
        )
        other = refined(frames[part], alone)
        np.testing.assert_allclose(found.positions_px[part], other.positions_px, atol=0.003)


def test_too_few_frames_for_a_template_keep_what_the_first_pass_found():
    path = wandering(11, 5, 0.2)
    frames = drifting(path, WINDOW)
    rough = path + np.random.default_rng(2).normal(0, 0.1, path.shape)
    found = refined(frames, surveyed(frames, rough))
    np.testing.assert_array_equal(found.positions_px, rough)
    assert (found.sigma_px > 0.01).all()


def test_what_is_ignored_has_no_say():
    path = wandering(40, 6, 0.3)
    frames = drifting(path, WINDOW, noise=6)
    over = burnt_in(frames, dead_pixels=False)
    ignored = burnt(frames.shape)
    rough = path + np.random.default_rng(2).normal(0, 0.08, path.shape)
    free = refined(over, surveyed(frames, rough), ignored)
    assert off(free, path).max() < 0.08
    other = frames.copy()
    other[:, ignored] = np.random.default_rng(0).integers(0, 255, other[:, ignored].shape)
    again = refined(other, surveyed(frames, rough), ignored)
    np.testing.assert_allclose(again.positions_px, free.positions_px, atol=1e-6)


def test_a_part_that_moves_otherwise_is_outvoted_and_told():
    path = wandering(40, 7, 0.2)
    image = clean(path, (128, 160))
    image[20, :, :40] = clean(path[20:21] + np.array((0, 3)), (128, 160))[0, :, :40]
    frames = recorded(image, noise=4)
    found = refined(frames, surveyed(frames, path))
    assert off(found, path).max() < 0.25
    assert np.delete(off(found, path), 20, axis=0).max() < 0.05
    assert found.agreeing[20] < 0.85
    assert np.median(found.agreeing) > 0.9


def test_a_flickering_lamp_does_not_matter():
    path = wandering(30, 8, 0.2)
    image = clean(path, WINDOW)
    flicker = 1 + 0.3 * np.cos(2.4 * np.arange(30))
    frames = recorded(image * flicker[:, None, None], noise=4, dtype=np.float32)
    survey = surveyed(frames, path)
    assert off(refined(frames, survey), path).max() < 0.05
    dark = replace(survey, illumination=0 * survey.illumination)
    assert off(refined(frames, dark), path).max() > off(refined(frames, survey), path).max()


@pytest.mark.parametrize("shape", [(24, 24), (32, 200)])
def test_a_narrow_frame_is_enough(shape):
    path = wandering(24, 9, 0.1)
    found = refined(drifting(path, shape), surveyed(drifting(path, shape), path))
    assert off(found, path).max() < 0.2


def test_far_travel_splits_chunks_and_not_the_coordinates():
    path = np.concatenate([np.zeros((30, 2)), np.full((30, 2), (20.0, 28.0))]) + wandering(60, 1, 0.1)
    frames = drifting(path, WINDOW)
    rough = path + np.random.default_rng(2).normal(0, 0.05, path.shape)
    found = refined(frames, surveyed(frames, rough))
    assert off(found, path).max() < 0.06


def test_a_bounded_number_of_frames_is_held():
    path = SLOW
    frames = drifting(path[:1], (24, 24))
    count = len(path)
    told = np.full(count, 0.02)
    survey = Survey(path, told, told, np.zeros(count, np.int64), np.zeros((count, 3)))
    refiner = Refiner((24, 24), survey, None)
    most = 0
    for index in range(count):
        refiner.add(index, frames[0])
        held = len(refiner._open.pictures) + sum(len(chunk.pictures) for chunk in refiner._chunks)
        most = max(most, held)
        assert len(refiner._chunks) <= 3
    assert CHUNK_FRAMES / 2 <= most <= 2 * CHUNK_FRAMES


def test_the_anchor_is_looked_for_where_it_lies_in_the_chunk():
    # Drawn on frame 10, on a specimen that moves by whole pixels: 9 down and 4 left until frame 20.
    path = np.arange(40)[:, None] * (1, 0) + np.arange(40)[:, None] // 3 * (0, -1)
    frames = drifting(path * 0.0, (24, 32))
    marked = np.zeros((24, 32), bool)
    marked[4:9, 15:20] = True
    refiner = Refiner((24, 32), surveyed(frames, path), None, Anchor(marked, path - path[10]))
    for index in range(12, 29):
        refiner.add(index, frames[index])
    chunk = refiner._open
    chunk.low = -path[12:29].max(axis=0)
    chunk.sums = np.zeros((2, 60, 60), np.float32)
    held = refiner._held(chunk)
    # Pixels of the specimen are those of a frame less its position.
    rows, columns = np.nonzero(held)
    assert held.sum() == marked.sum()
    assert (rows.min(), columns.min()) == tuple((4, 15) - path[10] - chunk.low)


def test_a_hole_that_drifts_into_the_frame_does_no_harm():
    path = wandering(48, 3, 0.3)
    frames = clean(path, (96, 112)).astype(float)
    for k, frame in enumerate(frames[20:]):
        frame[-8 - k :, -20 - k :] = 0
    frames = recorded(frames, noise=2)
    motion = estimated_motion(frames)
    error = motion.displacements_px - path
    assert np.abs(error - error.mean(axis=0)).max() < 0.1


def estimated_motion(frames):
    return finish(whole_frames(frames, StabilizeSettings()))
