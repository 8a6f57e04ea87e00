"""Labels carried to another frame, on drawn defects that move by known distances."""

import numpy as np
import pytest

from glissile.label.propagation import carried
from glissile.learn.agreement import grown

SIZE = 128


def scene(dy=0.0, dx=0.0, *, noise=0):
    """Frame with a dark line that moved by (dy, dx) and a bright band that stood still, and its mask."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    texture = np.random.default_rng(0).normal(0, 1, (SIZE, SIZE))
    across = np.abs(x - dx - 40 - 0.3 * (y - dy) - 4 * np.sin((y - dy) / 12))
    line = (across < 1.6) & (np.abs(y - dy - 64) < 45)
    band = np.abs(x - 100 + 0.1 * y) < 3
    grey = 120 + 6 * texture + np.random.default_rng(1 + noise).normal(0, 2, (SIZE, SIZE))
    grey[line] -= 60
    grey[band] += 50
    return np.clip(grey, 0, 255).astype(np.uint8), np.where(line, 1, np.where(band, 2, 0)).astype(np.uint8)


def share_near(found, truth, px=2):
    near = np.count_nonzero(found & grown(truth, px)) / max(np.count_nonzero(found), 1)
    return min(near, np.count_nonzero(truth & grown(found, px)) / np.count_nonzero(truth))


@pytest.mark.parametrize(("dy", "dx"), [(0, 4), (0, -6), (3, 3), (-4, 2)])
def test_labels_move_with_their_defect(dy, dx):
    (before, mask), (after, truth) = scene(), scene(dy, dx, noise=1)
    found = carried(before, after, mask)
    assert share_near(found == 1, truth == 1) > 0.9
    assert share_near(mask == 1, truth == 1) < 0.9
    np.testing.assert_array_equal(found == 2, mask == 2)


@pytest.mark.parametrize("dx", [0, 0.5, 1])
def test_labels_of_what_hardly_moves_stay_as_they_were_drawn(dx):
    (before, mask), (after, _) = scene(), scene(0, dx, noise=1)
    np.testing.assert_array_equal(carried(before, after, mask), mask)


def test_brightness_does_not_move_anything():
    (before, mask), (after, _) = scene(), scene(noise=1)
    x = np.arange(SIZE)
    shaded = (after * (0.4 + 0.5 * x / SIZE)).astype(np.uint8)
    np.testing.assert_array_equal(carried(before, shaded, mask), mask)


@pytest.mark.parametrize("kind", ["uint16", "float32", ">i2"])
def test_grey_values_of_any_range_and_type(kind):
    (before, mask), (after, _) = scene(), scene(0, 4, noise=1)
    wide = [(f.astype(float) * 31 + 500).astype(kind) for f in (before, after)]
    other = carried(*wide, mask)
    assert np.mean(other != carried(before, after, mask)) < 0.002


def test_nothing_labelled_and_nothing_to_see():
    before, mask = scene()
    assert not carried(before, before, np.zeros_like(mask)).any()
    flat = np.full((SIZE, SIZE), 7, np.uint8)
    np.testing.assert_array_equal(carried(flat, flat, mask), mask)
    assert set(np.unique(carried(before, flat, mask))) <= {0, 1, 2}


def test_where_pieces_of_two_classes_meet_the_first_class_wins():
    (before, mask), (after, _) = scene(), scene(0, 6, noise=1)
    mask[:] = np.where(mask == 1, 1, 0)
    mask[20:100, 46:90] = np.where(mask[20:100, 46:90] == 1, 1, 2)  # the line moves onto what stands still
    found = carried(before, after, mask)
    alone = carried(before, after, np.where(mask == 1, 1, 0).astype(np.uint8))
    assert (found[alone == 1] == 1).all()
    assert ((alone == 1) & (mask == 2)).any()
