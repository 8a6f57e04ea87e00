import numpy as np
import pytest
from drifting_textures import texture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.stabilize.grey_levels import Illumination, finite

SHAPE = (60, 90)
PLANES = st.tuples(st.floats(-2, 6), st.floats(-0.7, 0.7), st.floats(-0.7, 0.7))


def lamp(plane, shape=SHAPE):
    """Brightness (y, x) of a lamp: the middle, and the change over height and width, of its logarithm."""
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in shape)
    return np.exp(plane[0] + plane[1] * y[:, None] + plane[2] * x).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, bool])
def test_small_numbers_stay_as_they_are(dtype):
    frame = np.random.default_rng(0).integers(0, 120, (5, 7)).astype(dtype)
    grey = finite(frame)
    assert grey.dtype == np.float32
    np.testing.assert_array_equal(grey, frame.astype(float))


@given(hnp.arrays(st.sampled_from([np.float32, np.float64, np.int64]), (4, 6)))
def test_what_comes_out_is_finite_and_so_is_its_square(frame):
    grey = finite(frame)
    assert np.isfinite(np.square(grey).sum())


@given(hnp.arrays(np.float64, (4, 6), elements=st.floats(-1e5, 1e5)), hnp.arrays(bool, (4, 6)))
def test_what_is_not_finite_becomes_the_mean_of_the_rest(frame, known):
    grey = finite(np.where(known, frame, np.nan))
    np.testing.assert_array_equal(grey[known], frame[known].astype(np.float32))
    expected = frame[known].mean() if known.any() else 0
    np.testing.assert_allclose(grey[~known], expected, rtol=1e-6, atol=1e-2)


def test_large_values_keep_their_proportions():
    frame = np.array([[1.0, 2.0, np.inf, 4.0]]) * 1e200
    np.testing.assert_allclose(finite(frame)[0] / finite(frame)[0, 0], [1, 2, 7 / 3, 4], rtol=1e-6)


def test_the_frame_asked_about_is_left_alone():
    frame = np.array([[1.0, np.nan]], np.float32)
    finite(frame)
    assert np.isnan(frame[0, 1])


@given(PLANES)
def test_the_plane_of_a_lamp_is_found(plane):
    assert np.abs(Illumination(SHAPE).of(lamp(plane)) - plane).max() < 0.02


@given(PLANES)
def test_a_small_frame_tells_the_same_plane(plane):
    light = Illumination(SHAPE)
    small = lamp(plane).reshape(30, 2, 45, 2).mean(axis=(1, 3))
    assert np.abs(light.of(small) - light.of(lamp(plane))).max() < 0.02


@given(PLANES)
def test_evening_takes_the_lamp_out(plane):
    light = Illumination(SHAPE)
    specimen = texture(SHAPE).astype(np.float32)
    ours, others = (
        light.evened(image, light.of(image), 4.0) for image in (specimen.copy(), specimen * lamp(plane))
    )
    assert np.abs(ours - others).max() < 0.03 * ours.mean()
    assert np.log(others).mean() == pytest.approx(4.0, abs=0.1)


def test_evening_by_the_true_plane_is_exact():
    plane = np.array([1.0, 0.3, -0.5])
    flat = Illumination(SHAPE).evened(lamp(plane), plane, 2.0)
    np.testing.assert_allclose(flat, np.exp(2.0), rtol=1e-5)


def test_what_is_left_out_does_not_change_the_plane():
    light = Illumination(SHAPE)
    clean, clocked = lamp((4, 0.3, -0.2)), lamp((4, 0.3, -0.2))
    clocked[40:, :50] = 255
    ignored = np.zeros(SHAPE, bool)
    ignored[40:, :50] = True
    assert np.abs(light.of(clocked) - light.of(clean)).max() > 0.2
    light.leave_out(ignored)
    assert np.abs(light.of(clocked) - (4, 0.3, -0.2)).max() < 0.02
    light.leave_out(None)
    assert np.abs(light.of(clocked) - light.of(clean)).max() > 0.2


def test_where_nearly_all_is_left_out_the_whole_frame_is_looked_at():
    light = Illumination(SHAPE)
    light.leave_out(np.ones(SHAPE, bool))
    assert np.abs(light.of(lamp((4, 0.3, -0.2))) - (4, 0.3, -0.2)).max() < 0.02


@pytest.mark.parametrize("darkest", [0, -5, 0.5])
def test_a_frame_with_dark_parts_has_no_plane_and_is_left_as_it_is(darkest):
    light = Illumination(SHAPE)
    frame = np.full(SHAPE, 100, np.float32)
    frame[:20, :30] = darkest
    plane = light.of(frame)
    assert not plane.any()
    np.testing.assert_array_equal(light.evened(frame.copy(), plane, 3.0), frame)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 5)])
def test_tiny_frames_have_a_brightness(shape):
    light = Illumination(shape)
    plane = light.of(np.full(shape, 20, np.float32))
    assert plane[0] == pytest.approx(np.log(20), rel=1e-5)
    assert np.abs(plane[1:]).max() < 1e-6
