"""Objects chosen by a click, on drawn masks."""

import cv2
import numpy as np
import pytest
from skimage.morphology import skeletonize

from glissile.label import objects
from glissile.label.objects import brought, changed, filled_between

SIZE = 60


def scene():
    """A vertical line of class 1 at x = 10, a horizontal one of class 2 at y = 50 that touches it."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[5:50, 9:12] = 1
    mask[50:53, 9:55] = 2
    mask[5:20, 30:33] = 1
    return mask


@pytest.mark.parametrize("place", [(20, 10), (20, 14.4), (6.2, 8)])
def test_a_click_on_or_near_a_line_erases_it_alone(place):
    mask = scene()
    found = changed(mask, *place, 0)
    assert not found[:50, 9:12].any()
    np.testing.assert_array_equal(found == 2, mask == 2)
    assert (found[5:20, 30:33] == 1).all()
    assert (mask[5:50, 9:12] == 1).all()


@pytest.mark.parametrize("place", [(40, 40), (20, 17), (-20, 10), (500, 500)])
def test_a_click_away_from_all_lines_changes_nothing(place):
    assert changed(scene(), *place, 0) is None
    assert changed(scene(), *place, 2) is None


def test_nothing_is_drawn_on_an_empty_mask():
    empty = np.zeros((SIZE, SIZE), np.uint8)
    for tool in (changed, filled_between):
        assert tool(empty, 3, 3, 1) is None


def test_a_line_changes_its_class_and_the_nearest_of_two_is_meant():
    mask = scene()
    found = changed(mask, 51, 30, 1)
    assert (found[50:53, 9:55] == 1).all()
    assert np.count_nonzero(found != mask) == np.count_nonzero(mask == 2)
    found = changed(mask, 47, 10, 2)
    assert (found[5:50, 9:12] == 2).all()
    assert (found[5:20, 30:33] == 1).all()


def test_pieces_that_touch_at_a_corner_are_one():
    mask = np.eye(SIZE, dtype=np.uint8)
    assert not changed(mask, 30, 30, 0).any()


def edges(*, tilt=0.0):
    """Two edges of a band, 20 px apart, of class 2, both from x = 10 to 49."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    x = np.arange(10, 50)
    for y in (15, 35):
        rows = np.rint(y + tilt * (x - 30)).astype(int)
        for k in (-1, 0, 1):
            mask[rows + k, x] = 2
    return mask


@pytest.mark.parametrize("tilt", [0, 0.3, -0.3])
@pytest.mark.parametrize("place", [(25, 30), (20, 25), (31, 36)])
def test_the_area_between_two_edges_is_filled_from_end_to_end(tilt, place):
    mask = edges(tilt=tilt)
    found = filled_between(mask, *place, 2)
    x = np.arange(13, 47)
    for offset in range(16, 35):
        assert (found[np.rint(offset + tilt * (x - 30)).astype(int), x] == 2).all()
    assert not found[:, :9].any()
    assert not found[:, 51:].any()
    assert np.count_nonzero(found) < 40 * 24


def test_other_classes_in_the_band_stay():
    mask = edges()
    mask[22:25, 20:40] = 1
    found = filled_between(mask, 30, 30, 2)
    assert (found[22:25, 20:40] == 1).all()
    assert (found[28, 12:48] == 2).all()


def test_the_edges_are_those_next_to_the_click():
    mask = edges()
    mask[54:57, 10:50] = 2
    found = filled_between(mask, 25, 30, 2)
    assert not found[40:53].any()
    found = filled_between(mask, 45, 30, 2)
    assert (found[38:53, 12:48] == 2).all()
    assert not found[20:30].any()


def test_inside_of_a_closed_line_is_filled_and_nothing_else():
    y, x = np.mgrid[:SIZE, :SIZE]
    r = np.hypot(y - 30, x - 30)
    mask = np.where(np.abs(r - 20) < 1.5, 1, 0).astype(np.uint8)
    found = filled_between(mask, 30, 40, 1)
    np.testing.assert_array_equal(found == 1, r < 21.5)


@pytest.mark.parametrize("place", [(5, 30), (15, 30), (25, 80)])
def test_no_two_edges_no_filling(place):
    assert filled_between(edges(), *place, 2) is None


def test_edges_of_another_class_are_not_meant():
    assert filled_between(edges(), 25, 30, 1) is None


def test_a_short_and_a_long_edge_and_one_of_a_single_pixel():
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[15, 5:55] = 1
    mask[35, 30] = 1
    found = filled_between(mask, 25, 30, 1)
    assert (found[16:34, 30] == 1).all()
    assert not found[36:].any()


def test_edges_are_followed_where_they_are_and_not_over_the_whole_frame(monkeypatch):
    corner = 300, 500
    mask = np.zeros((1000, 1000), np.uint8)
    mask[corner[0] : corner[0] + SIZE, corner[1] : corner[1] + SIZE] = edges(tilt=0.3)
    for row in range(20, 250, 10):
        mask[row, 5:995] = 2
    sizes = []

    def thinned(piece):
        sizes.append(piece.shape)
        return skeletonize(piece)

    monkeypatch.setattr(objects, "skeletonize", thinned)
    found = filled_between(mask, 325, 530, 2)
    expected = mask.copy()
    inside = np.s_[corner[0] : corner[0] + SIZE, corner[1] : corner[1] + SIZE]
    expected[inside] = filled_between(edges(tilt=0.3), 25, 30, 2)
    np.testing.assert_array_equal(found, expected)
    assert len(sizes) == 4
    assert all(y < SIZE / 2 and x < SIZE for y, x in sizes)


@pytest.mark.parametrize("seed", range(20))
def test_the_second_edge_is_the_nearest_on_the_other_side(seed):
    random = np.random.default_rng(seed)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(8):
        mask[tuple(random.integers(0, SIZE, 2))] = 1
    place = random.uniform(5, SIZE - 5, 2)
    towards = sorted((p - place for p in np.argwhere(mask)), key=lambda d: float(np.hypot(*d)))
    first, *others = towards
    opposite = [d for d in others if first @ d < -0.5 * np.hypot(*first) * np.hypot(*d)]
    found = filled_between(mask, *place, 1)
    if not opposite:
        assert found is None
        return
    line = np.zeros_like(mask)
    ends = [np.rint(place + d).astype(int)[::-1].tolist() for d in (first, opposite[0])]
    cv2.line(line, *ends, 1)
    np.testing.assert_array_equal(found, mask | line)


def test_an_object_of_another_frame_is_brought_where_nothing_is_painted():
    other = scene()
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[20:25] = 2
    found = brought(mask, other, 40, 13)
    assert (found[5:20, 9:12] == 1).all()
    assert (found[25:50, 9:12] == 1).all()
    assert (found[20:25] == 2).all()
    assert np.count_nonzero(found) == np.count_nonzero(mask) + np.count_nonzero(other[5:50, 9:12]) - 5 * 3
    assert brought(mask, other, 30, 50) is None
    np.testing.assert_array_equal(brought(found, other, 40, 10), found)
