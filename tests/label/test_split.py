from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.errors import InputError
from glissile.label.split import folds, split


def masks(*places):
    """One line per mask; equal places are equal masks, neighbouring ones have nothing in common."""
    result = np.zeros((len(places), 10, 100), np.uint8)
    for mask, place in zip(result, places, strict=True):
        mask[:, place] = 1
    return result


def test_every_fifth_is_held_out_and_the_ends_train():
    s = split(range(0, 200, 10), masks(*range(20)))
    assert s.validation == (2, 7, 12, 17)
    assert sorted(s.training + s.validation) == list(range(20))


def test_order_of_the_frames_does_not_matter():
    numbers = [50, 10, 40, 0, 20, 30]
    s = split(numbers, masks(5, 1, 4, 0, 2, 3))
    assert [numbers[i] for i in s.validation] == [20]
    assert [numbers[i] for i in s.training] == [0, 10, 30, 40, 50]


def test_near_duplicates_stay_on_one_side():
    places = [0, 0, 0, 1, 1, 2, 3, 4, 4, 5]
    s = split(range(10), masks(*places))
    held = {places[i] for i in s.validation}
    assert held.isdisjoint(places[i] for i in s.training)
    assert held


def test_copies_with_a_few_strokes_changed_are_near_duplicates():
    m = masks(3, 3, 50, 60)
    m[1, 0, 3], m[1, 0, 4] = 0, 1
    assert split(range(4), m, every=2).validation in ((2,), (0, 1))


@pytest.mark.parametrize(("erased_px", "validation"), [(0, (2,)), (19, (2,)), (20, (1,)), (50, (1,))])
def test_masks_that_differ_in_a_fifth_are_no_copies(erased_px, validation):
    m = masks(0, 0, 2, 3)
    m[:2, :, :10] = 1  # 100 px each
    m[1].ravel()[np.flatnonzero(m[1])[:erased_px]] = 0
    assert split(range(4), m).validation == validation


def test_the_same_pixels_in_another_class_are_no_copy():
    m = masks(0, 0, 2, 3)
    assert split(range(4), m).validation == (2,)
    m[1] *= 2
    assert split(range(4), m).validation == (1,)


def test_of_groups_the_smallest_is_held_out():
    assert split(range(6), masks(0, 1, 2, 2, 3, 4)).validation == (1,)
    assert split(range(6), masks(0, 1, 1, 2, 3, 4)).validation == (3,)


def test_slow_change_does_not_make_one_group_of_all():
    wide = np.zeros((30, 10, 100), np.uint8)
    for i, mask in enumerate(wide):
        mask[:, i : i + 20] = 1  # each differs from the one before by a tenth
    assert split(range(30), wide).validation


@pytest.mark.parametrize("places", [(0,), (0, 1), (0, 0, 0, 0), (0, 0, 0, 1, 1)])
def test_too_few_that_differ_are_all_trained_on(places):
    s = split(range(len(places)), masks(*places))
    assert s.validation == ()
    assert s.training == tuple(range(len(places)))


def test_of_three_the_middle_is_held_out():
    assert split([0, 10, 20], masks(0, 1, 2)).validation == (1,)


def test_empty_masks_are_equal():
    assert split(range(6), np.zeros((6, 4, 4), np.uint8)).validation == ()


def test_what_cannot_be_split():
    with pytest.raises(InputError, match="label one first"):
        split([], masks())
    with pytest.raises(InputError, match="labelled twice"):
        split([3, 3], masks(0, 1))


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(2, 12))
def test_always_a_partition_that_divides_no_run(places, every):
    s = split(range(len(places)), masks(*places), every=every)
    assert sorted(s.training + s.validation) == list(range(len(places)))
    assert {0, len(places) - 1} <= set(s.training)  # what is asked for lies between labelled frames
    held = set(s.validation)
    for i in range(1, len(places)):
        if places[i] == places[i - 1]:
            assert (i in held) == (i - 1 in held)


# -- beyond the labels --------------------------------------------------------------------------------------


def test_beyond_the_last_frames_are_held_out():
    s = split(range(0, 200, 10), masks(*range(20)), held_out="beyond")
    assert s.validation == (16, 17, 18, 19)
    assert s.training == tuple(range(16))


def test_the_last_frames_are_last_in_time_not_in_order():
    s = split([50, 10, 40, 0, 20, 30], masks(5, 1, 4, 0, 2, 3), held_out="beyond")
    assert s.validation == (0,)


def test_copies_of_the_last_mask_are_held_out_with_it():
    places = [0, 1, 2, 3, 4, 5, 5, 5]
    assert split(range(8), masks(*places), held_out="beyond").validation == (5, 6, 7)


@pytest.mark.parametrize("places", [(0,), (0, 1), (0, 0, 0, 1, 1)])
def test_beyond_too_few_nothing_is_held_out(places):
    assert split(range(len(places)), masks(*places), held_out="beyond").validation == ()


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(2, 12))
def test_beyond_all_that_is_held_out_comes_after_all_that_trains(places, every):
    s = split(range(len(places)), masks(*places), every=every, held_out="beyond")
    assert sorted(s.training + s.validation) == list(range(len(places)))
    assert s.training
    if s.validation:
        assert max(s.training) < min(s.validation)
        assert places[max(s.training)] != places[min(s.validation)]


# -- folds --------------------------------------------------------------------------------------------------


def test_folds_are_spread_over_time():
    found = folds(range(7), masks(*range(7)), 3)
    assert [s.validation for s in found] == [(0, 3, 6), (1, 4), (2, 5)]
    assert found[0].training == (1, 2, 4, 5)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=40), st.integers(2, 8), st.randoms())
def test_each_frame_is_held_out_once_and_no_group_is_divided(places, count, random):
    numbers = list(range(len(places)))
    random.shuffle(numbers)
    stack = masks(*(places[n] for n in numbers))
    groups = 1 + sum(a != b for a, b in pairwise(places))
    if groups < count:
        with pytest.raises(InputError, match="do not make"):
            folds(numbers, stack, count)
        return
    found = folds(numbers, stack, count)
    assert len(found) == count
    assert sorted(i for s in found for i in s.validation) == list(range(len(places)))
    fold_of = {numbers[i]: n for n, s in enumerate(found) for i in s.validation}
    for s in found:
        assert s.validation
        assert sorted(s.training + s.validation) == list(range(len(places)))
    for n in range(1, len(places)):
        if places[n] == places[n - 1]:
            assert fold_of[n] == fold_of[n - 1]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_folds_that_cannot_be_made(count):
    with pytest.raises(InputError, match=f"3 of which differ, do not make {count} folds; choose from 2 to 3"):
        folds(range(4), masks(0, 1, 1, 2), count)
    with pytest.raises(InputError, match="label more frames"):
        folds(range(4), masks(0, 0, 0, 0), count)
