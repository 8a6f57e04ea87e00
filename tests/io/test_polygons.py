"""Masks -> polygons -> masks, pixel for pixel."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from glissile.io import polygons
from glissile.io.polygons import fill, outlines, signed_area, stroke, through_centres

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
SQUARE = np.array([(2, 1), (6, 1), (6, 4), (2, 4)], float)


def drawn(text):
    return np.array([[letter == "#" for letter in row] for row in text.split()])


def filled(rings, shape, **options):
    mask = np.zeros(shape, bool)
    fill(mask, rings, **options)
    return mask


def stroked(line, width_px, shape):
    mask = np.zeros(shape, bool)
    stroke(mask, line, width_px)
    return mask


def check_there_and_back(mask):
    back, area = np.zeros(mask.shape, int), 0
    for rings in outlines(mask):
        assert all(signed_area(ring) > 0 for ring in rings)  # none of them is a hole
        back += filled(rings, mask.shape)
        area += sum(signed_area(ring) for ring in rings)
    np.testing.assert_array_equal(back, mask)
    assert area == np.count_nonzero(mask)


@pytest.mark.parametrize(
    "text",
    [
        ".... .#.. ....",
        "#... .#.. ..#. ...#",  # one object that touches itself by corners only
        "#.# .#. #.#",
        "##### #...# #.#.# #...# #####",  # an island in a hole
        "##### #.#.# ##### #.#.# #####",
        "### #.# ##.",  # a hole that touches the outside by a corner
        ".#. #.# .#.",
        "########## #.#.#.#.## ##########",
        "####.. #..### #..#.# ####.# ...###",
    ],
)
def test_drawn_masks_come_back(text):
    check_there_and_back(drawn(text))


@given(MASKS)
def test_any_mask_comes_back(mask):
    check_there_and_back(mask)


@pytest.mark.skipif(not DATA.exists(), reason="needs the published labels")
def test_published_labels_come_back():
    paths = sorted(DATA.glob("*/masks/*.png"))[::8]
    assert paths
    for path in paths:
        mask = np.asarray(Image.open(path))
        for value in (1, 2):
            check_there_and_back(mask == value)


def test_a_ladder_of_a_thousand_rungs_comes_back():
    ladder = np.ones((2001, 3), bool)
    ladder[1::2, 1] = False
    check_there_and_back(ladder)


def test_an_object_is_what_touches_by_edge_or_corner():
    assert [len(rings) for rings in outlines(drawn("#..## .#... ....."))] == [2, 1]


def test_polygons_follow_the_edges_of_pixels():
    ((ring,),) = outlines(drawn("..... .###. .###. ....."))
    assert {tuple(corner) for corner in ring.tolist()} == {(1, 1), (4, 1), (4, 3), (1, 3)}


@given(MASKS)
def test_outlines_of_opencv_come_back(mask):
    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [contour.reshape(-1, 2).astype(float) for contour in contours]
    back = np.zeros(mask.shape, bool)
    for number, ring in enumerate(rings):
        if tree[0][number][3] < 0:
            holes = [hole for hole, (*_, outer) in zip(rings, tree[0], strict=True) if outer == number]
            back |= filled([ring, *holes], mask.shape, centres=True)
    np.testing.assert_array_equal(back, mask)


def test_whole_numbers_and_an_oblique_edge_mean_centres_of_pixels():
    oblique = np.array([(0, 0), (4, 0), (2, 2)], float)
    assert through_centres([SQUARE, oblique])
    assert not through_centres([SQUARE])
    assert not through_centres([SQUARE, oblique, SQUARE + 0.25])
    assert not through_centres([])


def test_a_pixel_is_filled_where_its_centre_lies_inside():
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    for shift in (0, 0.4, -0.4):
        np.testing.assert_array_equal(filled([SQUARE + shift], (6, 8)), expected)
        np.testing.assert_array_equal(filled([SQUARE[::-1] + shift], (6, 8)), expected)
    np.testing.assert_array_equal(filled([SQUARE + 0.6], (6, 8)), np.roll(expected, (1, 1), (0, 1)))


coordinates = st.floats(-3, 12).map(lambda place: round(place, 6))


@given(
    st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9),
    st.booleans(),
)
def test_polygons_are_filled_as_by_counting_crossings(corners, reaching_out):
    ring = np.array(corners)
    shape = (6, 5) if reaching_out else (9, 10)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        crossed = (y0 < y) != (y1 < y)
        where = x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1)
        inside ^= crossed & (where <= x)
    # Where an edge runs through a centre, rounding decides.
    assert np.count_nonzero(filled([ring], shape) != inside) <= np.count_nonzero(_near_edge(ring, y, x))


def _near_edge(ring, y, x):
    found = np.zeros(y.shape, bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        across = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        found |= np.abs(across) < 1e-6
    return found


def test_a_polygon_within_another_is_a_hole_and_one_beside_it_is_not():
    hole, beside = SQUARE * 0.5 + np.array([2, 1.2]), SQUARE + np.array([3, 2])
    shape = (10, 12)
    with_hole = filled([hole, SQUARE], shape)
    np.testing.assert_array_equal(with_hole, filled([SQUARE], shape) & ~filled([hole], shape))
    assert with_hole.any()
    np.testing.assert_array_equal(
        filled([SQUARE, beside], shape), filled([SQUARE], shape) | filled([beside], shape)
    )


def test_lines_are_as_wide_as_the_pen():
    mask = stroked(np.array([(3, 5), (17, 5)], float), 4, (10, 20))
    np.testing.assert_array_equal(mask[:, 10], [False] * 3 + [True] * 4 + [False] * 3)
    np.testing.assert_array_equal(np.flatnonzero(mask[4]), np.arange(1, 19))
    assert np.count_nonzero(stroked(np.array([(3.5, 5.5)]), 1, (10, 20))) == 1
    assert not stroked(np.array([(30, 50), (40, 50)], float), 4, (10, 20)).any()


@given(
    st.lists(st.tuples(st.floats(-300, 500), st.floats(-300, 500)), min_size=1, max_size=4),
    st.floats(0.5, 40),
)
def test_long_lines_are_drawn_as_by_asking_every_pixel(points, width_px):
    line, shape = np.array(points), (200, 150)
    x, y = np.mgrid[: shape[1], : shape[0]] + 0.5
    near = np.full(x.shape, np.inf)
    for start, stop in zip(line, line[1:] if len(line) > 1 else line, strict=False):
        along = stop - start
        share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(along @ along, 1e-12)
        share = share.clip(0, 1)
        near = np.minimum(near, np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1]))
    sure = np.abs(near - width_px / 2) > 1e-6
    np.testing.assert_array_equal(stroked(line, width_px, shape)[sure.T], (near < width_px / 2).T[sure.T])


def test_a_line_over_an_enormous_mask_looks_at_little_more_than_the_pixels_under_the_pen(monkeypatch):
    looked_at = []
    near = polygons._near
    monkeypatch.setattr(polygons, "_near", lambda *given: looked_at.append(near(*given)) or looked_at[-1])
    mask = np.zeros((4096, 4096), bool)
    stroke(mask, np.array([(0, 0), (4096, 4096)], float), 3)
    assert mask.any()
    assert sum(part.size for part in looked_at) < 100 * 4096
    assert max(part.size for part in looked_at) < 10_000


def test_an_object_costs_its_own_pixels_and_not_those_of_the_frame(monkeypatch):
    made = []
    zeros = np.zeros
    monkeypatch.setattr(
        polygons.np, "zeros", lambda shape, *kind: made.append(zeros(shape, *kind)) or made[-1]
    )
    mask = np.zeros((4096, 4096), bool)
    made.clear()
    fill(mask, [SQUARE + 2000])
    assert np.count_nonzero(mask) == 12
    assert sum(part.size for part in made) < 1000
