import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.io.model_card import Normalisation
from glissile.learn.intensity import normalised

PERCENTILES, FULL = Normalisation(), Normalisation(kind="full range")
DTYPES = [
    "uint8",
    "int8",
    "uint16",
    ">u2",
    "int16",
    "int32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "bool",
]


def ramp(dtype):
    return np.linspace(0, 1 if dtype == "bool" else 100, 64 * 64).reshape(64, 64).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("normalisation", [PERCENTILES, FULL])
def test_every_pixel_type_gives_small_finite_numbers(dtype, normalisation):
    result = normalised(ramp(dtype), normalisation)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert np.abs(result).max() <= 1.5


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_frame_is_zero(value):
    assert not normalised(np.full((8, 9), value, np.uint8), PERCENTILES).any()


@settings(deadline=None)
@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_percentiles_do_not_see_gain_and_offset(gain, offset):
    frame = np.random.default_rng(0).normal(0, 1, (32, 32))
    np.testing.assert_allclose(
        normalised(frame * gain + offset, PERCENTILES), normalised(frame, PERCENTILES), atol=1e-4
    )


def test_percentiles_lie_half_a_unit_from_zero():
    result = normalised(np.arange(10001).reshape(1, -1), PERCENTILES)
    assert np.percentile(result, [1, 99]) == pytest.approx([-0.5, 0.5])


def test_a_hot_pixel_does_not_matter():
    frame = np.random.default_rng(0).normal(100, 10, (64, 64)).astype(np.float32)
    hot = frame.copy()
    hot[3, 3] = 1e9
    changed, unchanged = normalised(hot, PERCENTILES), normalised(frame, PERCENTILES)
    np.testing.assert_allclose(changed[4:], unchanged[4:], atol=0.02)


def test_few_bright_pixels_on_black_are_seen():
    frame = np.zeros((64, 64), np.uint8)
    frame[5, 5:9] = 200
    assert np.ptp(normalised(frame, PERCENTILES)) == 1


def test_full_range_is_that_of_the_pixel_type():
    assert normalised(np.array([[0, 51, 255]], np.uint8), FULL).ravel().tolist() == pytest.approx([0, 0.2, 1])
    assert normalised(np.array([[-32768, 32767]], np.int16), FULL).ravel().tolist() == [0, 1]
    assert normalised(np.array([[2.0, 3.0, 4.0]]), FULL).ravel().tolist() == [0, 0.5, 1]


def test_what_is_not_finite_is_the_lowest():
    frame = np.array([[np.nan, np.inf, 1.0, 2.0, 3.0]])
    result = normalised(frame, FULL).ravel()
    assert result.tolist() == [0, 0, 0, 0.5, 1]
    assert not normalised(np.full((4, 4), np.nan), PERCENTILES).any()


def test_flattened_frames_look_alike_under_any_light():
    rng = np.random.default_rng(0)
    specimen = 100 + 10 * rng.normal(size=(96, 128))
    y, x = np.mgrid[:96, :128] / 128
    light = 1 + 0.5 * x - 0.4 * y
    flattened = Normalisation(kind="flattened")
    even, tilted = (normalised(image, flattened) for image in (specimen, 2 * specimen * light))
    assert np.abs(even - tilted).max() < 0.1
    plain, uneven = (normalised(image, Normalisation()) for image in (specimen, 2 * specimen * light))
    assert np.abs(plain - uneven).max() > 0.4


def test_flattening_leaves_the_frame_as_it_is():
    frame = np.random.default_rng(1).integers(50, 200, (64, 64)).astype(np.uint8)
    before = frame.copy()
    normalised(frame, Normalisation(kind="flattened"))
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2"])
@pytest.mark.parametrize("normalisation", [PERCENTILES, FULL, Normalisation(low=0, high=100)])
@settings(deadline=None)
@given(seed=st.integers(0, 999), size=st.integers(1, 60), few=st.booleans())
def test_looking_grey_values_up_gives_what_reckoning_each_pixel_gives(dtype, normalisation, seed, size, few):
    top = 5 if few else np.iinfo(dtype).max
    frame = np.random.default_rng(seed).integers(0, top, (size, 7), endpoint=True).astype(dtype)
    wide = frame.astype(np.float64)
    # The whole range is that of the pixel type, which the wide frame no longer knows.
    expected = wide / np.iinfo(dtype).max if normalisation is FULL else normalised(wide, normalisation)
    np.testing.assert_allclose(normalised(frame, normalisation), expected, atol=1e-6)
