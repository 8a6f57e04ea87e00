"""Open and named edges of a trim mean the same pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glissile.video import Trim, Video

T, Y, X = 5, 7, 9
SHAPE = (T, Y, X)
VIDEO = Video.from_frames(np.arange(T * Y * X).reshape(SHAPE), name="counted")


@st.composite
def trims(draw):
    """Trims that lie within the video, with any of their edges open."""
    top, left, first = (draw(st.integers(0, n - 1)) for n in (Y, X, T))
    return Trim(
        top=top,
        left=left,
        first=first,
        height=draw(st.none() | st.integers(1, Y - top)),
        width=draw(st.none() | st.integers(1, X - left)),
        last=draw(st.none() | st.integers(first, T - 1)),
    )


@given(trims())
def test_edges_are_named_and_left_open_without_a_change(trim):
    kept = VIDEO.trimmed(trim).frames.compute()
    closed, opened = trim.closed(SHAPE), trim.opened(SHAPE)
    assert None not in closed.model_dump().values()
    for same in (closed, opened):
        np.testing.assert_array_equal(VIDEO.trimmed(same).frames.compute(), kept)
    assert opened.closed(SHAPE) == closed
    assert closed.opened(SHAPE) == opened


def test_edges_that_cut_nothing_off_are_open():
    assert Trim(height=Y, width=X, last=T - 1).opened(SHAPE) == Trim()
    assert Trim(top=2, height=4, width=3, last=2).opened(SHAPE) == Trim(top=2, height=4, width=3, last=2)
    assert Trim(top=2, height=5).opened(SHAPE) == Trim(top=2)


def test_what_sticks_out_is_cut_off():
    assert Trim(top=5, height=6, left=1, width=99, last=T).opened(SHAPE) == Trim(top=5, left=1)
