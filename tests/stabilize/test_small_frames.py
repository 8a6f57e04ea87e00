import numpy as np
import pytest
from drifting_textures import texture
from hypothesis import given
from hypothesis import strategies as st

from glissile.stabilize.small_frames import SmallFrames, taper

SHAPE = (60, 72)  # of full size in a spectrum, without padding
LARGE = (200, 240)  # a quarter of which is as large as that
SEEDS = st.integers(0, 2**31)


def spectra(small, *images):
    """Spectra of whole images, periodic as they are."""
    return small.spectra([image.astype(np.float32) for image in images], np.ones(small.shape, np.float32))


@given(st.integers(4, 200), st.floats(0, 0.5))
def test_a_taper_is_symmetric_and_falls_to_zero(length, share):
    window = taper(length, share)
    np.testing.assert_allclose(window, window[::-1], atol=1e-6)
    assert window[0] < 0.2
    assert 0 <= window.min() <= window.max() <= 1
    assert (np.diff(window[: length // 2]) >= -1e-6).all()
    inside = window[max(2, round(length * share)) : -max(2, round(length * share))]
    np.testing.assert_allclose(inside, 1, atol=1e-6)


@given(st.integers(-6, 6))
def test_a_taper_can_lie_further_along(moved):
    plain, further = taper(60, 0.2), taper(60, 0.2, moved)
    inside = slice(max(0, moved), 60 - max(0, -moved))
    np.testing.assert_allclose(further[inside], np.roll(plain, moved)[inside], atol=1e-6)
    assert not further[: max(0, moved)].any()
    assert not further[60 + min(0, moved) :].any()


@given(st.integers(1, 420), st.integers(1, 420), st.booleans())
def test_a_small_frame_has_the_shape_that_is_told(height, width, fine):
    small = SmallFrames((height, width), fine=fine)
    assert small.small(np.zeros((height, width), np.uint8)).shape == small.shape
    assert small.factor in (1, 2, 4)
    assert small.factor == 1 or not fine
    assert small.factor == 1 or min(small.shape) >= 48


@given(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), SEEDS)
def test_the_likeliest_displacement_of_a_rolled_image_is_found(shift, seed):
    small = SmallFrames(SHAPE)
    image = texture(SHAPE, seed)
    here, there = spectra(small, image, np.roll(image, shift, (0, 1)))
    found, height = small.likeliest(np.conj(here) * there)
    assert np.abs(found - shift).max() < 0.05
    assert height > 10
    back, _ = small.likeliest(np.conj(there) * here)
    assert np.abs(back + shift).max() < 0.05


def test_displacements_are_told_in_pixels_of_the_frame():
    small = SmallFrames(LARGE)
    assert small.factor == 4
    image = texture(LARGE)
    here, there = small.spectra(
        [small.flat(small.small(f)) for f in (image, np.roll(image, (13, -22), (0, 1)))]
    )
    found, height = small.likeliest(np.conj(here) * there)
    assert np.abs(found - (13, -22)).max() < 1
    assert height > 10


@given(SEEDS)
def test_unrelated_images_correlate_as_little_as_is_told(seed):
    small = SmallFrames(SHAPE)
    here, there = spectra(small, texture(SHAPE, seed), texture(SHAPE, seed + 1))
    assert 2.5 < small.likeliest(np.conj(here) * there)[1] < 6.5


def test_nothing_is_nowhere():
    small = SmallFrames(SHAPE)
    found, height = small.likeliest(np.zeros(small.f.shape[1], np.complex64))
    assert not found.any()
    assert height == 0


@given(st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
def test_factors_move_a_wave_back(shift):
    small = SmallFrames(SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    turns = lambda dy, dx: 2 * np.pi * (5 * (y - dy) / SHAPE[0] - 7 * (x - dx) / SHAPE[1])  # noqa: E731
    here, there = spectra(small, np.cos(turns(0, 0)), np.cos(turns(*shift)))
    back = there * small.moved(np.array([shift]))[0]
    assert np.abs(back - here).max() < 1e-3 * np.abs(here).max()


@given(SEEDS)
def test_the_image_of_a_spectrum_has_that_spectrum(seed):
    small = SmallFrames(SHAPE)
    (spectrum,) = spectra(small, texture(SHAPE, seed))
    (again,) = spectra(small, small.image(spectrum))
    assert np.abs(again - spectrum).max() < 1e-3 * np.abs(spectrum).max()


def test_frequencies_are_the_slopes_of_the_phases():
    small = SmallFrames(SHAPE)
    image = texture(SHAPE)
    here, down, right = spectra(small, image, np.roll(image, 1, 0), np.roll(image, 1, 1))
    telling = np.abs(here) > 1e-2 * np.abs(here).max()
    for there, f in ((down, small.f[0]), (right, small.f[1])):
        np.testing.assert_allclose(np.angle(here[telling] / there[telling]), f[telling], atol=1e-2)


@given(st.floats(0.01, 100), st.floats(-500, 500), SEEDS)
def test_flat_frames_do_not_know_brightness_and_contrast(gain, offset, seed):
    small = SmallFrames(SHAPE)
    image = texture(SHAPE, seed).astype(np.float32)
    plain, changed = small.flat(image), small.flat(np.float32(gain) * image + np.float32(offset))
    assert np.abs(plain).max() > 1
    assert np.abs(changed - plain).max() < 0.02 + 1e-5 * abs(offset) / gain


@pytest.mark.parametrize("grey", [0.0, 3.7, 65_000.3])
def test_a_frame_without_structure_is_zero(grey):
    small = SmallFrames(LARGE)
    assert not small.flat(small.small(np.full(LARGE, grey))).any()


def test_contrast_is_the_same_all_over_a_flat_frame():
    small = SmallFrames(SHAPE)
    image = (texture(SHAPE) - 120) * np.linspace(1, 5, SHAPE[1])
    flat = small.flat(image.astype(np.float32))
    assert 0.8 < flat[:, :24].std() / flat[:, -24:].std() < 1.25


def test_nothing_is_shown_of_what_is_left_out():
    small = SmallFrames(LARGE)
    ignored = np.zeros(LARGE, bool)
    ignored[60:100, 80:160] = True
    small.leave_out(ignored)
    frame, changed = texture(LARGE), texture(LARGE)
    changed[60:100, 80:160] = 255 * np.random.default_rng(0).random((40, 80))
    plain, other = (small.flat(small.small(image)) for image in (frame, changed))
    assert not plain[15:25, 20:40].any()
    # The frame is made small before, so that the rim of what is left out shows a little.
    assert np.abs(plain - other).max() < 0.2
    small.leave_out(None)
    assert small.flat(small.small(frame))[15:25, 20:40].std() > 0.5


@given(SEEDS)
def test_means_over_rings_are_means(seed):
    small = SmallFrames(SHAPE)
    power = np.random.default_rng(seed).random(small.f.shape[1]).astype(np.float32)
    means = small.ring_means(power)
    assert means.sum() == pytest.approx(power.sum(), rel=1e-4)
    np.testing.assert_allclose(small.ring_means(means), means, rtol=1e-5)
    outwards = means[np.argsort(np.hypot(*small.f), kind="stable")]
    assert np.count_nonzero(np.diff(outwards)) in range(8, 16)


def test_soft_masks_move_with_the_specimen():
    small = SmallFrames(LARGE)
    mask = np.zeros(LARGE, bool)
    mask[40:80, 100:160] = True
    there = small.shifted(small.softened(mask), np.array([20.0, -40.0]))
    expected = small.softened(np.roll(mask, (20, -40), (0, 1)))
    assert np.abs(there - expected).max() < 0.05
    assert there.max() == pytest.approx(1, abs=0.05)


def test_displacements_look_the_same_after_a_period():
    small = SmallFrames(LARGE)
    for axis in (0, 1):
        turn = np.zeros((1, 2))
        turn[0, axis] = small.period_px[axis]
        np.testing.assert_allclose(small.moved(turn), 1, atol=1e-3)
