import numpy as np
import pytest

from glissile.synthetic.detector import burn_in, drift_path, illumination, record, text


def test_without_noise_a_uniform_image_stays_as_it_is():
    image = np.full((40, 50), 120.0)
    np.testing.assert_allclose(record(None, image, electrons=2, readout=3, blur_px=0.8), 120)


def test_noise_grows_with_the_root_of_the_light_and_falls_with_the_dose():
    def spread(grey: float, electrons: float) -> float:
        rng = np.random.default_rng(1)
        return float(
            np.std(record(rng, np.full((200, 200), grey), electrons=electrons, readout=0, blur_px=0))
        )

    assert spread(160, 1) / spread(40, 1) == pytest.approx(2, rel=0.05)
    assert spread(100, 1) / spread(100, 4) == pytest.approx(2, rel=0.05)


def test_dark_pixels_do_not_break_the_noise():
    noisy = record(np.random.default_rng(0), np.zeros((30, 30)), electrons=1, readout=1, blur_px=0.5)
    assert np.all(np.isfinite(noisy))


def test_drift_without_movement_is_zero():
    path = drift_path(np.random.default_rng(0), 20, drift_px=0, jitter_px=0, jumps=0, jump_px=5)
    np.testing.assert_array_equal(path, 0)


def test_jitter_has_the_size_asked_for():
    path = drift_path(np.random.default_rng(0), 4000, drift_px=0, jitter_px=0.5, jumps=0, jump_px=5)
    np.testing.assert_allclose(path.std(axis=0), 0.5, rtol=0.05)


def test_light_is_steady_without_flicker():
    np.testing.assert_array_equal(illumination((20, 30), 0, 50, 0.0), illumination((20, 30), 33, 50, 0.0))


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, "00:00.00"), (71.25, "01:11.25")])
def test_the_clock_shows_the_time(seconds, shown):
    burnt = burn_in(np.full((100, 400), 90.0), seconds=seconds, nm_per_pixel=4, strip_px=28)
    expected = text(shown)
    found = burnt[79 : 79 + 14, 10 : 10 + expected.shape[1]] == 238
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("nm_per_pixel", [0.5, 1.3, 4.0, 17.0])
def test_the_scale_bar_is_as_long_as_it_says(nm_per_pixel):
    burnt = burn_in(np.full((100, 400), 90.0), seconds=0, nm_per_pixel=nm_per_pixel, strip_px=28)
    row = burnt[100 - 14, 150:] == 238
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]]))))[::2]
    nm = runs.max() * nm_per_pixel
    assert any(abs(nm - label) <= nm_per_pixel for label in (20, 50, 100, 200, 500, 1000))


def test_burning_in_leaves_the_rest_and_its_input_alone():
    image = np.full((100, 400), 90.0)
    burnt = burn_in(image, seconds=3, nm_per_pixel=4, strip_px=28)
    np.testing.assert_array_equal(image, 90)
    np.testing.assert_array_equal(burnt[:72], 90)
