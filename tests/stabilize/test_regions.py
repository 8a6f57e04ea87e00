import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.stabilize.regions import ANCHOR, LEFT_OUT, SPECIMEN, Regions

SHAPE = (4, 5)
MARKS = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 3))
OVERLAYS = st.none() | hnp.arrays(bool, SHAPE)


@given(MARKS, OVERLAYS)
def test_what_is_ignored_is_what_is_left_out_or_overlaid_and_not_marked_as_specimen(values, overlay):
    ignored = Regions(values).ignored(overlay)
    told = np.zeros(SHAPE, bool) if ignored is None else ignored
    for place in np.ndindex(SHAPE):
        overlaid = overlay is not None and overlay[place]
        assert told[place] == (values[place] == LEFT_OUT or (overlaid and values[place] != SPECIMEN))


@given(MARKS, OVERLAYS)
def test_nothing_ignored_is_none(values, overlay):
    ignored = Regions(values).ignored(overlay)
    assert ignored is None or ignored.any()


@given(MARKS)
def test_each_value_is_one_region(values):
    regions = Regions(values)
    np.testing.assert_array_equal(regions.left_out, values == 1)
    if (values == 2).any():
        np.testing.assert_array_equal(regions.anchor, values == 2)
    else:
        assert regions.anchor is None


def test_asking_changes_neither_the_marks_nor_the_overlay():
    values = np.array([[LEFT_OUT, ANCHOR, SPECIMEN, 0]], np.uint8)
    overlay = np.array([[False, True, True, True]])
    before = values.copy(), overlay.copy()
    assert Regions(values).ignored(overlay).tolist() == [[True, True, False, True]]
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(overlay, before[1])
