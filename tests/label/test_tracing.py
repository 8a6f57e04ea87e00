"""Lines through a few clicks, on drawn defects whose place is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.label.tracing import Clicks, Traced, drawn

SIZE = 120


def clicked(*points, straight=()):
    clicks = Clicks()
    for n, (y, x) in enumerate(points):
        clicks = clicks.with_point(y, x, straight=n in straight)
    return clicks


def winding(x):
    """Rows of a line that winds more than a smooth curve through a click every 50 px can follow."""
    return 60 + 12 * np.sin(x / 22) + 2.5 * np.sin(x / 7)


def frame(profile, *, noise=6.0, size=SIZE):
    """A defect along `winding`, whose grey value is `profile` of the distance from it, on noise."""
    y, x = np.mgrid[:size, :size].astype(float)
    grey = 120 + profile(y - winding(x)) + np.random.default_rng(0).normal(0, noise, (size, size))
    return np.clip(grey, 0, 255).astype(np.uint8)


def dark(d):
    return -50 * np.exp(-(d**2) / 4)


def bright(d):
    return -dark(d)


def edge(d):
    return 40 * np.tanh(d)


def fringe(d):
    return 40 * np.cos(d / 2) * np.exp(-(d**2) / 60)


def astray(line):
    """Distance of each point of a line from `winding`, across it."""
    slope = 12 / 22 * np.cos(line[:, 1] / 22) + 2.5 / 7 * np.cos(line[:, 1] / 7)
    return np.abs(line[:, 0] - winding(line[:, 1])) / np.hypot(1, slope)


AT = tuple((float(winding(x)), float(x)) for x in (10, 45, 80, 110))


@pytest.mark.parametrize(("profile", "most"), [(dark, 2), (bright, 2), (fringe, 2), (edge, 3.8)])
def test_a_line_follows_whatever_its_clicks_lie_on(profile, most):
    traced = Traced(frame(profile)).line(clicked(*AT))
    smooth = Traced(np.zeros((SIZE, SIZE), np.uint8)).line(clicked(*AT))
    assert np.percentile(astray(traced), 95) < most
    assert np.median(astray(traced)) < 1.5
    assert np.percentile(astray(smooth), 95) > 4


@pytest.mark.parametrize("kind", ["uint16", "float32", ">i2"])
def test_grey_values_of_any_range_and_type(kind):
    plain = frame(dark)
    other = (plain.astype(float) * 37 + 1000).astype(kind)
    lines = [Traced(one).line(clicked(*AT)) for one in (plain, other)]
    np.testing.assert_allclose(lines[0], lines[1], atol=0.2)


def test_pixels_that_are_no_numbers_are_looked_past():
    grey = frame(dark).astype(np.float32)
    grey[:, 60:62] = np.nan
    grey[5, 5] = np.inf
    assert np.median(astray(Traced(grey).line(clicked(*AT)))) < 1.5


points = st.lists(
    st.tuples(st.floats(-20, SIZE + 20), st.floats(-20, SIZE + 20), st.booleans()), min_size=1, max_size=6
)
NOISE = Traced(np.random.default_rng(1).integers(0, 255, (SIZE, SIZE), dtype=np.uint8))


@settings(deadline=None, max_examples=60)
@given(points)
def test_a_line_leads_through_all_clicks_without_a_gap_and_stays_in_the_frame(found):
    clicks = Clicks()
    for y, x, straight in found:
        clicks = clicks.with_point(y, x, straight=straight)
    line = NOISE.line(clicks)
    assert line.shape[1] == 2
    assert line.min() >= 0
    assert line.max() <= SIZE - 1
    within = np.clip(clicks.points, 0, SIZE - 1)
    np.testing.assert_allclose(line[0], within[0])
    assert np.linalg.norm(line[-1] - within[-1]) < 1  # closer ones are one
    far = np.linalg.norm(line[:, None] - within, axis=-1).min(axis=0)
    assert far.max() < 3
    if len(line) > 1:
        assert np.linalg.norm(np.diff(line, axis=0), axis=1).max() < 4


def test_a_straight_piece_is_straight_and_the_rest_goes_on_following():
    line = Traced(frame(dark)).line(clicked(AT[0], AT[1], (20, 100), (100, 110), straight=(2, 3)))
    corner = int(np.argmin(np.linalg.norm(line - (20, 100), axis=1)))
    begin = int(np.argmin(np.linalg.norm(line - AT[1], axis=1)))
    for piece in (line[begin : corner + 1], line[corner:]):
        (y0, x0), (y1, x1) = piece[0], piece[-1]
        across = (piece - piece[0]) @ np.array([x1 - x0, y0 - y1]) / np.hypot(y1 - y0, x1 - x0)
        assert np.abs(across).max() < 0.01
    assert np.percentile(astray(line[:begin]), 95) < 2


@pytest.mark.parametrize("bend_deg", [30, 60, 90])
def test_clicks_at_uneven_distances_do_not_let_the_line_overshoot(bend_deg):
    end = 20 + 150 * np.sin(np.deg2rad(bend_deg)), 40 + 150 * np.cos(np.deg2rad(bend_deg))
    line = Traced(np.zeros((200, 200), np.uint8)).line(clicked((20, 20), (20, 40), end))
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).max() < 2
    straight = np.concatenate([np.linspace((20, 20), (20, 40), 50), np.linspace((20, 40), end, 300)])
    assert np.linalg.norm(line[:, None] - straight, axis=-1).min(axis=1).max() < 12


def test_points_are_taken_back_and_a_click_on_the_spot_is_none():
    clicks = clicked((1, 2), (30, 40))
    assert clicks.with_point(30.3, 40.3) == clicks
    assert clicks.without_last() == clicked((1, 2))
    assert (
        clicks.without_last().without_last()
        == clicks.without_last().without_last().without_last()
        == Clicks()
    )


@pytest.mark.parametrize("width_px", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("end", [(60.0, 100.0), (100.0, 60.0), (95.0, 91.0), (70.0, 100.0)])
def test_a_pen_covers_its_width(width_px, end):
    begin = np.array([20.0, 20.0]) + 0.31
    line = np.linspace(begin, end, 200)
    length = np.hypot(*(np.array(end) - begin))
    covered = np.count_nonzero(drawn(line, width_px, (SIZE, SIZE)))
    expected = width_px * length + np.pi / 4 * width_px**2
    if width_px > 1:
        assert covered == pytest.approx(expected, rel=0.06)
    else:
        assert 0.7 * length < covered < 1.5 * length


def test_a_thin_pen_leaves_no_gap():
    mask = drawn(np.linspace((3, 5), (50, 90), 60), 1, (SIZE, SIZE))
    y, x = np.nonzero(mask)
    for column in range(5, 91):
        assert column in x
    rows = [y[x == column].mean() for column in range(5, 91)]
    assert np.abs(np.diff(rows)).max() <= 1.5


def test_what_lies_outside_the_frame_is_not_drawn():
    mask = drawn(np.array([[-5.0, -5], [3, 3], [200, 200]]), 3, (10, 12))
    assert mask[3, 3]
    assert mask.shape == (10, 12)
    assert not drawn(np.array([[-50.0, -50], [-40, -40]]), 3, (10, 12)).any()
    assert np.count_nonzero(drawn(np.array([[5.0, 5.0]]), 3, (10, 12))) == 9
