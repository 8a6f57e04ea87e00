import numpy as np
import pytest
from drifting_textures import drifting, moved, texture
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.stabilize.optical_flow import Coarse, corners, follow, likely_steps, likeness, normalised

OPTIONS = {"window_px": 21, "levels": 3, "round_trip_px": 0.5}


@given(st.integers(0, 2**31), st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
@settings(max_examples=20, deadline=None)
def test_gain_and_offset_do_not_matter(seed, gain, offset):
    image = texture((64, 64), seed)
    one = normalised(image).astype(int)
    # In single precision an offset leaves fewer digits for the structure.
    other = normalised(image * gain + np.clip(offset, -1000 * gain, 1000 * gain)).astype(int)
    assert np.abs(one - other).max() <= 1


def test_dim_parts_count_as_much_as_bright_ones():
    image = texture((128, 256))
    image[:, 128:] *= 0.4
    found = normalised(image).astype(float)
    assert found[:, 150:].std() == pytest.approx(found[:, :106].std(), rel=0.1)
    there = corners(normalised(image), 200)
    assert abs((there[:, 1] < 128).mean() - 0.5) < 0.1


def test_bright_and_dark_extremes_saturate_and_do_not_fold():
    image = np.full((64, 64), 100.0)
    image[30:33, 30:33] = 255
    image[10:13, 10:13] = 0
    found = normalised(image)
    assert found[31, 31] == 255
    assert found[11, 11] == 0


@pytest.mark.parametrize(
    "frame", [np.zeros((32, 32)), np.full((9, 70), 7, np.uint16), np.full((8, 8), np.nan)]
)
def test_without_structure_there_are_no_corners(frame):
    found = normalised(frame)
    assert (found == 128).all()
    assert corners(found, 100).shape == (0, 2)


def test_corners_are_spread_and_keep_to_what_is_allowed():
    image = normalised(texture((200, 300)))
    allowed = np.zeros((200, 300), bool)
    allowed[:, 150:] = True
    found = corners(image, 100, allowed)
    assert found[:, 1].min() >= 150
    everywhere = corners(image, 100)
    apart = np.linalg.norm(everywhere[:, None] - everywhere, axis=2) + 1e9 * np.eye(len(everywhere))
    assert apart.min() > 10
    assert np.ptp(everywhere, axis=0).min() > 150


@given(st.integers(0, 1000), st.tuples(st.floats(-2.5, 2.5), st.floats(-2.5, 2.5)))
@settings(max_examples=12, deadline=None)
def test_corners_are_found_where_they_went(seed, shift):
    image = texture((128, 128), seed)
    before, after = normalised(image), normalised(moved(image, shift))
    flow = follow(before, after, corners(before, 60), np.zeros(2), **OPTIONS)
    inner = ((flow.start > 32) & (flow.start < 96)).all(axis=1)
    assert inner.sum() > 3
    assert np.median(np.abs(flow.moved[inner] - shift)) < 0.05


def test_corners_that_leave_the_frame_are_not_launched():
    image = normalised(texture((128, 128)))
    start = corners(image, 80)
    flow = follow(image, image, start, np.array([0.0, 90]), **OPTIONS)
    assert flow.launched == (start[:, 1] + 90 <= 128 - 6).sum()
    assert flow.offered == len(start)
    nothing = follow(image, image, start, np.array([0.0, 500]), **OPTIONS)
    assert (len(nothing.moved), nothing.launched) == (0, 0)


@pytest.mark.parametrize("shape", [(64, 72), (140, 160), (300, 280)])
@pytest.mark.parametrize("shift", [(0, 0), (20, -24), (-16, 0)])
def test_large_steps_are_among_the_likely_ones(shape, shift):
    frames = drifting(np.array([(0, 0), shift]), shape)
    small = [Coarse.of(normalised(frame)) for frame in frames]
    step = likely_steps(*small)[0]
    assert np.abs(step - shift).max() <= small[0].factor


def test_what_is_blind_is_not_seen():
    frames = drifting(np.array([(0, 0), (16, -16)]), (160, 160))
    blind = np.zeros((160, 160), bool)
    blind[:100] = True
    frames[:, :100] = np.random.default_rng(0).integers(0, 2, (100, 160)) * 255
    seen = likely_steps(*(Coarse.of(normalised(frame)) for frame in frames))[0]
    masked = likely_steps(*(Coarse.of(normalised(frame), blind) for frame in frames))[0]
    assert np.abs(seen).max() <= 2
    assert np.abs(masked - (16, -16)).max() <= 2


def test_likeness_tells_structure_from_noise():
    rng = np.random.default_rng(0)
    frames = [normalised(frame) for frame in drifting(np.array([(0, 0), (3, -5)]))]
    noise = [normalised(rng.normal(size=(128, 160))) for _ in range(2)]
    right = likeness(*frames, np.array([3.2, -4.9]))
    assert right > 20
    assert abs(likeness(*frames, np.array([-12.0, 9]))) < 0.3 * right
    assert abs(likeness(*noise, np.zeros(2))) < 4
    assert likeness(*frames, np.array([500.0, 0])) == 0
    flat = np.full((128, 160), 128, np.uint8)
    assert likeness(flat, flat, np.zeros(2)) == 0
