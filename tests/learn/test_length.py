from math import sqrt

import numpy as np
import pytest
from skimage.draw import line as drawn_line

from glissile.learn.length import line_length_px


def mask(*pixels, shape=(60, 60)):
    result = np.zeros(shape, bool)
    for y, x in pixels:
        result[y, x] = True
    return result


def test_straight_and_diagonal_lines_have_the_length_between_their_ends():
    assert line_length_px(mask((5, slice(10, 31)))) == 20
    assert line_length_px(mask((slice(10, 31), 5))) == 20
    assert line_length_px(np.pad(np.eye(21, dtype=bool), 3)) == pytest.approx(20 * sqrt(2))
    assert line_length_px(np.pad(np.eye(21, dtype=bool)[::-1], 3)) == pytest.approx(20 * sqrt(2))


def test_lines_add_up():
    two = mask((5, slice(10, 31)), (40, slice(3, 44)))
    assert line_length_px(two) == 20 + 40


def test_a_line_of_edges_and_corners_is_measured_along_its_pixels():
    rows, columns = drawn_line(5, 5, 25, 50)  # 45 steps to the right, 20 of them also down
    assert line_length_px(mask((rows, columns))) == pytest.approx(25 + 20 * sqrt(2))


def test_a_corner_with_edges_around_it_is_not_counted_twice():
    bend = mask((20, slice(10, 31)), (slice(20, 41), 30))
    assert line_length_px(bend) == pytest.approx(40, abs=0.6)  # the skeleton may cut the corner


def test_where_lines_meet_nothing_is_lost():
    cross = mask((30, slice(10, 51)), (slice(10, 51), 30))
    assert line_length_px(cross) == 80


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_a_wide_line_is_as_long_as_its_middle_but_for_its_ends(width):
    length = line_length_px(mask((slice(20, 20 + width), slice(5, 56))))
    assert 50 - width <= length <= 50


def test_nothing_and_single_pixels_have_no_length():
    assert line_length_px(mask()) == 0
    assert line_length_px(mask((3, 3), (10, 40))) == 0


def test_a_flipped_or_turned_thin_line_is_as_long():
    rows, columns = drawn_line(5, 5, 17, 50)
    one = mask((rows, columns))
    assert (
        line_length_px(one)
        == line_length_px(one[::-1])
        == line_length_px(one[:, ::-1])
        == line_length_px(one.T)
    )
