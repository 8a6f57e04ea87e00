"""Open and named edges of a trim mean the same pixels, and so does what is valid."""

from dataclasses import replace

import numpy as np
import pytest
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


VALID = np.array([[0, 0, 7, 9], [1, 2, 7, 9], [2, 0, 5, 4], [0, 8, 1, 9], [3, 3, 4, 4]])


@given(trims(), st.integers(0, T - 1))
def test_what_is_valid_stays_on_its_pixels_when_the_video_is_trimmed(trim, index):
    video = replace(VIDEO, valid_px=VALID)
    marked = np.stack([video.valid_mask(k) for k in range(T)])
    assert marked.sum(axis=(1, 2)).tolist() == [63, 42, 12, 1, 1]
    trimmed = video.trimmed(trim)
    closed = trim.closed(SHAPE)
    rows = slice(closed.top, closed.top + closed.height)
    expected = marked[closed.first : closed.last + 1, rows, closed.left : closed.left + closed.width]
    for k in range(len(trimmed)):
        np.testing.assert_array_equal(trimmed.valid_mask(k), expected[k])
        assert trimmed.frame(k)[trimmed.valid_part(k)].size == expected[k].sum()


def test_all_is_valid_where_nothing_else_is_said():
    assert VIDEO.trimmed(Trim(top=2, first=1)).valid_px is None
    assert VIDEO.valid_mask(3).all()
    assert VIDEO.frame(3)[VIDEO.valid_part(3)].shape == (Y, X)


def test_every_frame_has_its_valid_part():
    with pytest.raises(ValueError, match=r"valid_px has shape \(4, 4\), not \(5, 4\)"):
        replace(VIDEO, valid_px=VALID[:4])
