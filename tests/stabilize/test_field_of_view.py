"""What is shown of a known motion, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest
from drifting_textures import motion_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.errors import InputError
from glissile.stabilize.field_of_view import (
    FieldOfView,
    FieldOfViewSettings,
    Rectangle,
    common_area,
    field_of_view,
    fields_of_view,
)

PATHS = st.integers(1, 6).flatmap(
    lambda n: hnp.arrays(np.float64, (n, 2), elements=st.floats(-20, 20, allow_subnormal=False))
)


@given(PATHS)
@settings(max_examples=80, deadline=None)
def test_the_common_area_lies_in_every_frame(path):
    motion = motion_of(path)
    try:
        area = common_area(motion, (60, 70))
    except InputError:
        assert np.ptp(path, axis=0).max() > 40
        return
    since = path - path[0]
    for start, size, along, length in (
        (area.top, area.height, since[:, 0], 60),
        (area.left, area.width, since[:, 1], 70),
    ):
        assert (start + along).min() >= -1e-9
        assert (start + size - 1 + along).max() <= length - 1 + 1e-9
        # One more row or column on either side would not.
        assert (start - 1 + along).min() < 1e-9
        assert (start + size + along).max() > length - 1 - 1e-9


def test_nothing_in_common_names_the_worst_frames():
    path = np.zeros((9, 2))
    path[4], path[7] = (0, -30), (0, 31)
    with pytest.raises(InputError, match=r"Frames 4 and 7 lie 61 px apart, so that of 70 px width only 9 px"):
        common_area(motion_of(path), (64, 70))
    path[7, 1] = 24
    assert common_area(motion_of(path), (64, 70)) == Rectangle(0, 30, 64, 16)
    path *= 10
    with pytest.raises(InputError, match="only 0 px"):
        common_area(motion_of(path), (64, 70))


def test_a_small_video_that_does_not_move_is_kept_whole():
    assert common_area(motion_of(np.zeros((2, 2))), (8, 5)) == Rectangle(0, 0, 8, 5)


def chosen(path, shape=(100, 120), kind="automatic", first=0):
    return field_of_view(motion_of(path, first), shape, FieldOfViewSettings(kind=kind))


def line(steps, n):
    """A path (n, 2) that moves by `steps` (dy, dx) from frame to frame."""
    return np.arange(n)[:, None] * np.array(steps, float)


@given(PATHS)
@settings(max_examples=80, deadline=None)
def test_what_is_common_lies_in_the_valid_part_of_every_frame_of_the_union(path):
    found = fields_of_view(motion_of(path), (60, 70))
    common, union = found["common"], found["union"]
    assert union.frames == range(len(path))
    canvas = union.rectangle
    assert union.valid_px[:, :2].min(axis=0).tolist() == [0, 0]
    assert union.valid_px[:, 2:].max(axis=0).tolist() == [canvas.height, canvas.width]
    # A frame is a row or column short where it is sampled between its pixels.
    assert 59 * 69 <= union.valid_areas_px.min() <= union.valid_areas_px.max() <= 60 * 70
    if isinstance(common, FieldOfView):
        area = common.rectangle
        top, left = area.top - canvas.top, area.left - canvas.left
        inside = [top, left, -top - area.height, -left - area.width]
        assert (union.valid_px * (1, 1, -1, -1) <= inside).all()
        np.testing.assert_allclose(common.starts_px - union.starts_px, [[top, left]] * len(path), atol=1e-9)


@given(PATHS, st.lists(st.integers(0, 2), min_size=6, max_size=6))
@settings(max_examples=80, deadline=None)
def test_segments_hold_every_frame_once_and_keep_enough_of_it(path, views):
    shape, n = (60, 70), len(path)
    motion = replace(motion_of(2 * path), views=np.array(views[:n]))
    found = fields_of_view(motion, shape)["segments"]
    if isinstance(found, str):
        assert "4 times the area" in found
        return
    assert [k for segment in found.segments for k in segment] == list(range(n))
    for segment in found.segments:
        assert (found.valid_px[segment] == found.valid_px[segment.start]).all()
        assert len(segment) == 1 or found.valid_areas_px[segment.start] >= 0.6 * 60 * 70
    begins = {segment.start for segment in found.segments}
    assert begins >= {k for k in range(1, n) if views[k] != views[k - 1]}


def test_automatic_is_common_while_that_keeps_60_percent_and_union_below():
    # 5 px each time: 100 - 5 k of 100 rows are common.
    assert chosen(line((5, 0), 9)).kind == "common"
    assert chosen(line((5, 0), 9)).share_kept == 0.6
    assert chosen(line((5, 0), 10)).kind == "union"
    assert chosen(line((5, 0), 10)).share_kept == 1


def test_automatic_never_refuses():
    path = np.zeros((9, 2))
    path[7] = 500, -800
    motion = motion_of(path)
    found = fields_of_view(motion, (100, 120))
    assert "only 0 px are seen" in found["common"]
    assert "4 times the area" in found["union"]
    assert "4 times the area" in found["segments"]
    assert (chosen(path).kind, chosen(path).frames) == ("range", range(7))


@pytest.mark.parametrize(("kind", "sentence"), [
    ("common", "All frames show the same 72 % of the frame, 108 x 80 px"),
    ("union", "A canvas of 132 x 120 px holds all frames; a frame covers 76 % of it"),
    ("range", "All frames show the same 72 % of the frame, 108 x 80 px"),
    ("segments", "All frames show the same 72 % of the frame, 108 x 80 px"),
])  # fmt: skip
def test_what_is_said_of_a_mild_drift(kind, sentence):
    assert chosen(line((5, 3), 5), kind=kind).sentence == sentence


def test_what_is_said_of_a_strong_drift():
    path = line((0, 30), 6)
    assert chosen(path, kind="segments", first=10).sentence == (
        "3 segments, cut before frames 12, 14, on one canvas of 210 x 100 px; the frames of a segment show "
        "the same 75 % of the frame"
    )
    assert chosen(path, kind="range", first=10).sentence == (
        "Frames 10 to 11, 2 of 6, show the same 75 % of the frame, 90 x 100 px; the others are left out"
    )
    one_cut = chosen(line((0, 30), 4), kind="segments").sentence
    assert one_cut.startswith("2 segments, cut before frame 2, on")
    many = chosen(np.tile([[0, 0], [0, 100]], (8, 1)), kind="segments").sentence
    assert many.startswith("16 segments, cut before frames 1, 2, 3, 4, 5 and 10 more, on")


def test_a_drift_by_parts_of_a_pixel_costs_a_row_at_most():
    union = chosen([(0, 0), (0.5, 0), (1.25, -3)], kind="union")
    assert union.rectangle == Rectangle(-1, 0, 101, 123)
    assert union.valid_px.tolist() == [[1, 0, 101, 120], [1, 0, 100, 120], [0, 3, 99, 123]]
    assert union.sentence.endswith("a frame covers 96 to 97 % of it")
    assert union.share_kept == 0.99


def test_shares_are_those_of_frame_and_duration():
    path = np.zeros((8, 2))
    path[6:] = 90
    found = chosen(path, kind="range")
    assert (found.share_kept, found.share_of_frames) == (1, 0.75)
    assert chosen(path, kind="segments").share_of_frames == 1


def test_no_run_goes_on_where_the_relation_is_not_known():
    still = motion_of(np.zeros((9, 2)))
    found = fields_of_view(replace(still, views=np.repeat([0, 1], [5, 4])), (100, 120))
    assert found["segments"].segments == (range(5), range(5, 9))
    assert found["range"].frames == range(5)
    assert found["common"].frames == found["union"].frames == range(9)
    back = fields_of_view(replace(still, views=np.repeat([0, 1, 0], [2, 3, 4])), (100, 120))
    assert back["segments"].segments == (range(2), range(2, 5), range(5, 9))
    # That a frame is told to be off by any distance makes it no other view.
    unsure = fields_of_view(replace(still, sigma_px=np.repeat([0.1, 60], [5, 4])), (100, 120))
    assert unsure["segments"].segments == (range(9),)


def test_a_canvas_beyond_4_frames_is_refused_and_names_the_frames():
    path = np.zeros((9, 2))
    path[4], path[7] = (0, -200), (0, 161)
    with pytest.raises(InputError, match="Frames 14 and 17 lie 361 px apart, so that a canvas"):
        chosen(path, kind="union", first=10)
    path[7] = 0, 160
    assert chosen(path, kind="union").rectangle == Rectangle(0, -160, 100, 480)
    path[7] = 1e300, 0
    with pytest.raises(InputError, match=r"Frames 0 and 7 lie 1000\d* px apart"):
        chosen(path, kind="union")


def test_automatic_is_never_refused_after_a_cut_to_a_view_far_away():
    path = np.zeros((20, 2))
    path[10:] = (0, 5000)
    motion = replace(motion_of(path), views=np.repeat([0, 1], 10))
    with pytest.raises(InputError):
        field_of_view(motion, (100, 120), FieldOfViewSettings(kind="segments"))
    assert field_of_view(motion, (100, 120)).kind == "range"


def test_what_nobody_knows_to_belong_together_is_shown_in_segments():
    motion = replace(motion_of(np.zeros((20, 2))), views=np.repeat([1, 0], 10))
    chosen = field_of_view(motion, (100, 120))
    assert [len(segment) for segment in chosen.segments] == [10, 10]
