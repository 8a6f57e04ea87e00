import pytest

from glissile.label.coverage import Stretch, far_from_labels, where_to_label


def ranges(labelled, frames):
    return [(s.first, s.last) for s in far_from_labels(labelled, frames)]


def test_regular_labels_to_both_ends_leave_nothing_out():
    assert far_from_labels(range(0, 100, 10), range(100)) == ()
    assert where_to_label(range(0, 100, 10), range(100)) == ""


def test_what_comes_after_the_last_label_is_told():
    assert far_from_labels(range(0, 60, 10), range(100)) == (
        Stretch(51, 99, "after the last labelled frame"),
    )
    sentence = where_to_label(range(0, 60, 10), range(100))
    assert sentence.startswith("Label some of frames 51 to 99 (after the last labelled frame): so far from")


@pytest.mark.parametrize(("last", "told"), [(60, []), (61, [(51, 61)])])
def test_as_far_as_labels_are_apart_is_not_far(last, told):
    assert ranges(range(0, 60, 10), range(last + 1)) == told


@pytest.mark.parametrize(("right", "told"), [(50, []), (51, [(21, 50)])])
def test_a_gap_of_more_than_three_times_the_usual_is_long(right, told):
    labelled = [0, 10, 20, right, right + 10, right + 20]
    assert ranges(labelled, range(right + 21)) == told


def test_all_that_is_far_is_told_in_one_sentence():
    labelled = [40, 50, 60, 120, 130, 140]
    assert ranges(labelled, range(200)) == [(0, 39), (61, 119), (141, 199)]
    sentence = where_to_label(labelled, range(200))
    assert sentence.count(". ") == 0
    assert "0 to 39 (before the first labelled frame), 61 to 119 (between two that are 6 times" in sentence
    assert " and 141 to 199 (after the last labelled frame)" in sentence


def test_order_does_not_matter_and_gaps_of_the_video_are_not_asked_for():
    assert ranges([50, 0, 40, 10, 30, 20], [*range(51), *range(900, 905)]) == [(900, 904)]
    assert ranges([0, 10, 20, 500, 510], [0, 10, 20, 500, 510]) == []


def test_one_label_and_none():
    assert ranges([5], range(10)) == [(0, 4), (6, 9)]
    assert "frames 6 (after the last labelled frame)" in where_to_label([5], [5, 6])
    assert ranges([5], [5]) == []
    assert where_to_label([], range(10)) == ""
