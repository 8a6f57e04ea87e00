"""What is known of frames and what can be proposed for them, without Qt."""

import pytest

from glissile.widgets._resolve_frames import FrameMarks, beside, nearest, resolve_proposals

MARKS = FrameMarks(
    frame_numbers=tuple(range(100, 120)),
    labelled=(2, 9, 15),
    proposed=(4,),
    suggested={4: "sudden change here", 12: "unlike any labelled frame"},
    segmented=frozenset({2, 3}),
    left_out=frozenset({7}),
)


@pytest.mark.parametrize(
    ("index", "back", "found"),
    [(0, False, 2), (2, False, 9), (9, True, 2), (10, True, 9), (15, False, None), (2, True, None)],
)
def test_the_way_from_one_to_the_next(index, back, found):
    assert beside((15, 2, 9), index, back=back) == found


def test_there_is_no_way_among_no_frames():
    assert beside((), 3, back=False) is None
    assert nearest((), 3) is None


def test_the_nearest_of_some_frames_and_the_earlier_of_two():
    assert nearest((15, 2, 9), 4) == 2
    assert nearest((15, 2, 9), 12) == 9
    assert nearest((15, 2, 9), 13) == 15


def test_what_is_known_is_told_by_the_number_of_the_source():
    assert MARKS.told(0) == "Frame 100"
    assert MARKS.told(2) == "Frame 102: labelled; segmented"
    assert MARKS.told(4) == "Frame 104: has a proposal; suggested, sudden change here"
    assert MARKS.told(7) == "Frame 107: left out of suggestions"
    assert MARKS.marked == {2, 4, 9, 12, 15}


def resolved(index, marks=MARKS, **changes):
    return resolve_proposals(marks, index, **{"locked": "", "network": True, "working": False, **changes})


def test_an_unlabelled_frame_may_get_any_proposal():
    state = resolved(5)
    assert (state.carry, state.ask, state.carry_on, state.shown) == ("", "", "", False)


def test_a_labelled_frame_gets_none_but_leads_on():
    state = resolved(9)
    assert "labelled already" in state.carry
    assert "labelled already" in state.ask
    assert not state.carry_on


def test_a_proposal_is_shown_where_it_is():
    assert resolved(4).shown
    assert not resolved(12).shown
    assert not resolved(None).shown


def test_reasons_say_what_is_missing():
    assert "No network" in resolved(5, network=False).ask
    assert "working video" in resolved(None).carry
    assert resolved(5, locked="Read only").carry == resolved(5, locked="Read only").carry_on == "Read only"
    assert "being made" in resolved(5, working=True).ask
    empty = FrameMarks(frame_numbers=(0, 1, 2))
    assert "No frame is labelled" in resolved(1, empty).carry
    assert not resolved(1, empty).ask
    alone = FrameMarks(frame_numbers=(0, 1, 2), labelled=(0,), suggested={1: "x"})
    assert "No other frame" in resolved(1, alone).carry_on
    assert not resolved(2, alone).carry_on
