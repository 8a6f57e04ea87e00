from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.synthetic.lines import arc_length, line_profile, near, smooth_walk, step

point = st.tuples(st.floats(-10, 40), st.floats(-10, 40))


@settings(max_examples=30, deadline=None)
@given(st.lists(point, min_size=2, max_size=6), st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
def test_distance_is_that_to_the_nearest_point_of_the_line(corners, corner):
    points = np.array(corners)
    seen = near(points, corner, (30, 32), 6.0)
    if seen is None:
        assert np.any(points.max(axis=0) - corner < -6) or np.any(points.min(axis=0) - corner > (35, 37))
        return
    share = np.linspace(0, 1, 400)[:, None]
    dense = np.concatenate([a + share * (b - a) for a, b in pairwise(points)])
    rows, columns = seen.window
    y, x = np.mgrid[rows, columns]
    there = np.stack([y.ravel() + corner[0], x.ravel() + corner[1]], axis=1)
    nearest = np.sqrt(((there[:, None] - dense[None]) ** 2).sum(axis=2).min(axis=1)).reshape(y.shape)
    if np.ptp(points, axis=0).max() > 0:
        np.testing.assert_allclose(np.abs(seen.distance), nearest, atol=0.15)
        assert seen.along.min() >= 0
        assert seen.along.max() <= arc_length(points)[-1] + 1e-9


def test_left_of_the_line_is_positive_walking_right_with_y_down():
    seen = near(np.array([[10.0, 2.0], [10.0, 20.0]]), (0, 0), (20, 24), 5)
    assert seen is not None
    above = seen.distance[8 - seen.window[0].start, 10]
    below = seen.distance[12 - seen.window[0].start, 10]
    assert above == pytest.approx(2)
    assert below == pytest.approx(-2)


def test_a_line_outside_the_image_is_not_seen():
    assert near(np.array([[-50.0, 0.0], [-40.0, 9.0]]), (0, 0), (20, 20), 5) is None


def test_profile_is_dark_in_the_core_with_one_bright_flank():
    across = np.linspace(-8, 8, 161)
    profile = line_profile(across, 1.1)
    assert across[np.argmax(profile)] == pytest.approx(0, abs=0.1)
    assert profile.min() < -0.1
    assert across[np.argmin(profile)] > 0
    assert np.abs(profile[[0, -1]]).max() < 0.01


def test_step_rises_from_zero_to_one():
    np.testing.assert_allclose(step(np.array([-1e6, 0.0, 1e6])), [0, 0.5, 1], atol=1e-12)


def test_smooth_walk_covers_the_length():
    knots, values = smooth_walk(np.random.default_rng(0), 100.0)
    assert knots[0] == 0
    assert knots[-1] >= 100
    assert knots.shape == values.shape
