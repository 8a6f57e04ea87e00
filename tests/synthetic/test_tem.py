from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from glissile.synthetic.tem import DISLOCATION, STACKING_FAULT, TemSettings, TemVideo, simulate

# Yields at frame 30 of 90.
SMALL = TemSettings(height=200, width=240, frames=90, initial_strain=0.0114, yield_strain=0.01155)
STEADY = SMALL.model_copy(
    update={"noise": False, "overlay": False, "flicker": 0.0, "bend_contours": 0, "jumps": 4}
)


@pytest.fixture(scope="module")
def steady() -> TemVideo:
    return simulate(STEADY, seed=3)


@pytest.fixture(scope="module")
def noisy() -> TemVideo:
    return simulate(SMALL, seed=3)


def overlap(displacement: np.ndarray, shape: tuple[int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Windows of the same specimen in frame 0 and in a frame moved by a whole number of pixels."""
    still, moved = [], []
    for d, n in zip(displacement.astype(int), shape, strict=True):
        still.append(slice(max(-d, 0), n - max(d, 0)))
        moved.append(slice(max(d, 0), n + min(d, 0)))
    return tuple(still), tuple(moved)


def test_the_same_settings_and_seed_give_the_same_frames_in_any_order(noisy):
    again = simulate(SMALL, seed=3)
    later_first = [again.frame(i) for i in (70, 12)]
    np.testing.assert_array_equal(noisy.frame(12), later_first[1])
    np.testing.assert_array_equal(noisy.frame(70), later_first[0])
    np.testing.assert_array_equal(noisy.mask(70), again.mask(70))
    assert not np.array_equal(noisy.frame(12), simulate(SMALL, seed=4).frame(12))


def test_noise_differs_from_frame_to_frame():
    video = simulate(
        SMALL.model_copy(update={"drift_px": 0, "jitter_px": 0, "jumps": 0, "overlay": False}), seed=3
    )
    first, second = (video.frame(i).astype(float) for i in (4, 5))
    assert np.std(first - second) > 2


def test_frames_have_the_shape_type_and_range_of_the_settings(noisy):
    assert noisy.shape == (90, 200, 240)
    assert len(noisy) == 90
    frame = noisy.frame(0)
    assert frame.shape == (200, 240)
    assert frame.dtype == np.uint8
    assert 40 < frame.mean() < 180
    assert frame.std() > 20


def test_video_draws_single_frames_lazily(noisy):
    video = noisy.video
    assert video.shape == noisy.shape
    assert video.frames.chunks[0] == (1,) * 90
    assert video.frames_per_second == pytest.approx(20)
    assert video.nm_per_pixel == SMALL.nm_per_pixel
    np.testing.assert_array_equal(video.frame(33), noisy.frame(33))
    np.testing.assert_array_equal(next(iter(noisy)), noisy.frame(0))


def test_displacements_start_at_zero_and_hold_the_jumps(steady):
    assert steady.displacements_px.shape == (90, 2)
    np.testing.assert_array_equal(steady.displacements_px[0], 0)
    steps = np.hypot(*np.diff(steady.displacements_px, axis=0).T)
    assert np.sum(steps > 4) == 4


@pytest.mark.parametrize("index", [20, 45, 89])
def test_a_still_specimen_moved_back_equals_frame_0(index):
    video = simulate(STEADY.model_copy(update={"bands": 0, "faults": 0}), seed=3)
    # As sharp as the optics and the scintillator leave it.
    then, now = (ndimage.gaussian_filter(video.transmitted(i), 1.0) for i in (0, index))
    back = ndimage.shift(now, -video.displacements_px[index], order=3)
    margin = int(np.abs(video.displacements_px[index]).max()) + 8
    inner = (slice(margin, -margin), slice(margin, -margin))
    np.testing.assert_allclose(back[inner], then[inner], atol=0.01)


@pytest.mark.parametrize("index", [10, 45, 89])
def test_an_independent_registration_finds_the_displacement(steady, index):
    window = np.outer(np.hanning(200), np.hanning(240))
    images = [steady.frame(i).astype(float) for i in (0, index)]
    details = [window * (image - ndimage.gaussian_filter(image, 5)) for image in images]
    shift, _, _ = phase_cross_correlation(*details, upsample_factor=50, normalization=None)
    np.testing.assert_allclose(-shift, steady.displacements_px[index], atol=0.3)


def test_a_mask_moves_with_the_specimen_pixel_by_pixel(steady):
    whole = replace(steady, displacements_px=np.rint(steady.displacements_px))
    for index in (0, 40, 89):
        still, moved = overlap(whole.displacements_px[index], whole.shape[1:])
        np.testing.assert_array_equal(whole.mask(index)[moved], whole.specimen_mask(index)[still])


def test_a_mask_of_a_fraction_of_a_pixel_is_off_by_at_most_one(steady):
    index = 61
    rounded = np.rint(steady.displacements_px[index])
    still, moved = overlap(rounded, steady.shape[1:])
    here, there = steady.mask(index)[moved] > 0, steady.specimen_mask(index)[still] > 0
    near = np.ones((3, 3), dtype=bool)
    assert not np.any(here & ~ndimage.binary_dilation(there, near))
    assert not np.any(there & ~ndimage.binary_dilation(here, near))


def test_gliding_dislocations_are_dark_where_the_mask_says(steady):
    image = steady.frame(0).astype(float)
    line = steady.mask(0) == DISLOCATION
    around = ndimage.binary_dilation(line, iterations=5) & ~ndimage.binary_dilation(line, iterations=2)
    assert image[line].mean() < 0.9 * image[around].mean()


def test_lines_are_as_wide_as_hand_labels():
    # The wide arcs lie apart: their pixels over their length are their width.
    made = simulate(STEADY.model_copy(update={"height": 360, "width": 440}), seed=3)
    arcs = replace(
        made,
        scene=replace(made.scene, bands=made.scene.bands[1:2], boundaries=made.scene.boundaries[:1]),
    )
    length = 0.0
    for points, _ in arcs.scene.gliding(0):
        seen = np.all((points[1:] >= 0) & (points[1:] < (360, 440)), axis=1)
        length += np.hypot(*np.diff(points, axis=0).T)[seen].sum()
    assert length > 300
    assert 2.9 < np.sum(arcs.mask(0) == DISLOCATION) / length < 4.0


def test_faults_show_fringes_and_change_the_image_only_within_their_mask(steady):
    index = 89
    without = replace(steady, scene=replace(steady.scene, faults=(), bands=()))
    with_faults = replace(steady, scene=replace(steady.scene, bands=()))
    change = np.abs(with_faults.transmitted(index) - without.transmitted(index))
    fault = with_faults.mask(index) == STACKING_FAULT
    assert fault.any()
    assert change[fault].mean() > 0.03
    assert change[~ndimage.binary_dilation(fault, np.ones((9, 9), dtype=bool))].max() < 0.005


def test_faults_nucleate_only_after_yield_and_grow(steady):
    yielded = steady.strain > STEADY.yield_strain
    first = int(np.argmax(yielded))
    pixels = [np.sum(steady.specimen_mask(i) == STACKING_FAULT) for i in range(first)]
    assert not np.any(pixels)
    assert np.sum(steady.specimen_mask(89) == STACKING_FAULT) > 100
    for fault in steady.scene.faults:
        assert np.all(fault.length[:first] == 0)
        assert np.all(fault.width[:first] == 0)
        assert np.all(np.diff(fault.length) >= 0)
        assert np.all(np.diff(fault.width) >= 0)
    assert any(fault.length[-1] > fault.length[first + 20] > 0 for fault in steady.scene.faults)


def test_no_faults_without_yield():
    video = simulate(STEADY.model_copy(update={"yield_strain": 0.02}), seed=3)
    assert video.scene.faults == ()
    assert not np.any(video.mask(89) == STACKING_FAULT)


def test_dislocations_glide_forwards_in_bursts_and_come_to_be_more(steady):
    for band in steady.scene.bands:
        assert np.all(np.diff(band.position, axis=0) >= 0)
        order = np.diff(band.position, axis=1)
        assert np.mean(order < 0) > 0.9
    speed = np.diff(np.stack([band.position[:, 0] for band in steady.scene.bands], axis=1), axis=0)
    assert np.mean(speed < 0.02) > 0.1
    assert speed.max() > 0.3
    assert len(steady.scene.gliding(89)) > len(steady.scene.gliding(0))


def test_sessile_dislocations_are_seen_but_never_labelled():
    none, many = (simulate(STEADY.model_copy(update={"sessile": n}), seed=3) for n in (0, 40))
    dark = none.transmitted(0) - many.transmitted(0)
    assert np.sum(dark > 0.08) > 300
    for index in (0, 60, 89):
        np.testing.assert_array_equal(none.mask(index), many.mask(index))


def test_strain_rises_steadily_and_stress_drops_once_at_yield():
    video = simulate(
        TemSettings(height=128, width=128, frames=240, initial_strain=0.0114, yield_strain=0.0118), seed=0
    )
    np.testing.assert_allclose(video.strain, 0.0114 + np.arange(240) / 20 * 1e-4)
    np.testing.assert_allclose(video.times_s, np.arange(240) / 20)
    change = np.sign(np.diff(video.stress_mpa))
    turns = np.flatnonzero(np.diff(change))
    assert change[0] == 1
    assert len(turns) == 2
    assert change[-1] == 1
    assert video.strain[turns[0] + 1] == pytest.approx(0.0118, abs=1e-5)


def test_clock_and_scale_bar_stay_in_their_strip():
    plain = simulate(SMALL.model_copy(update={"overlay": False}), seed=3)
    burnt = simulate(SMALL, seed=3)
    differs = plain.frame(40) != burnt.frame(40)
    assert differs.any()
    assert not differs[: -SMALL.strip_px].any()


def test_light_changes_slowly_when_asked():
    steady, changing = (
        simulate(STEADY.model_copy(update={"flicker": f, "bands": 0, "faults": 0, "drift_px": 0.0}), seed=1)
        for f in (0.0, 0.2)
    )
    means = np.array([[v.frame(i).mean() for i in range(0, 90, 10)] for v in (steady, changing)])
    assert np.ptp(means[0]) < 4
    assert np.ptp(means[1]) > 8


def test_bend_contours_darken_and_sweep():
    settings = STEADY.model_copy(
        update={"drift_px": 0.0, "jitter_px": 0.0, "jumps": 0, "bands": 0, "faults": 0}
    )
    without, with_them = (simulate(settings.model_copy(update={"bend_contours": n}), 3) for n in (0, 3))
    loss = [without.transmitted(i) - with_them.transmitted(i) for i in (0, 89)]
    assert loss[0].mean() > 0.05
    assert np.abs(loss[0] - loss[1]).max() > 0.1


def test_settings_are_checked():
    with pytest.raises(ValidationError, match="yield strain"):
        TemSettings(initial_strain=0.02, yield_strain=0.01)
    with pytest.raises(ValidationError, match="frames"):
        TemSettings(frames=0)
    with pytest.raises(ValidationError, match="extra"):
        TemSettings(wobble=3)


def test_one_frame_is_a_video():
    video = simulate(TemSettings(height=128, width=128, frames=1), seed=0)
    assert video.frame(0).shape == (128, 128)
    np.testing.assert_array_equal(video.displacements_px, [[0, 0]])
