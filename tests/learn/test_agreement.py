from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.learn.agreement import Tally, grown

masks = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 2))


def line(x, value=1, shape=(20, 20)):
    mask = np.zeros(shape, np.uint8)
    mask[:, x] = value
    return mask


def scores(*pairs, tolerance_px=2):
    tally = Tally(DEFAULT_CLASSES, tolerance_px)
    for predicted, truth in pairs:
        tally.add(predicted, truth)
    return tally.scores()


def test_the_truth_itself_is_perfect():
    s = scores((line(5), line(5)))["dislocation"]
    assert (s.precision, s.recall, s.f, s.tolerant_f, s.area_error) == (1, 1, 1, 1, 0)


@pytest.mark.parametrize(("shift", "tolerant_f"), [(1, 1), (2, 1), (3, 0)])
def test_a_shifted_line_counts_within_the_tolerance(shift, tolerant_f):
    s = scores((line(5 + shift), line(5)))["dislocation"]
    assert s.f == 0
    assert s.tolerant_f == tolerant_f


def test_what_is_invented_costs_precision_and_what_is_missed_recall():
    two_lines = line(5) + line(15)
    invented, missed = (
        scores((two_lines, line(6)))["dislocation"],
        scores((line(6), two_lines))["dislocation"],
    )
    assert (invented.tolerant_precision, invented.tolerant_recall) == (0.5, 1)
    assert (missed.tolerant_precision, missed.tolerant_recall) == (1, 0.5)
    assert invented.tolerant_f == missed.tolerant_f == pytest.approx(2 / 3)
    assert (invented.area_error, missed.area_error) == (1, -0.5)


def test_the_other_class_nearby_does_not_count():
    s = scores((line(5) + line(15, value=2), line(6, value=2) + line(16)))
    for score in s.values():
        assert (score.tolerant_precision, score.tolerant_recall, score.tolerant_f) == (0, 0, 0)


def test_the_tolerance_is_2_px_unless_another_is_given():
    tally = Tally(DEFAULT_CLASSES)
    tally.add(line(5) + line(13, value=2), line(7) + line(16, value=2))
    found = tally.scores()
    assert (found["dislocation"].tolerant_f, found["stacking_fault"].tolerant_f) == (1, 0)


def test_the_other_class_does_not_count():
    s = scores((line(5, value=2), line(5, value=1)))
    assert (s["dislocation"].f, s["stacking_fault"].f) == (0, 0)


def test_scores_are_pooled_over_frames():
    half = line(5)
    half[10:] = 0
    s = scores((half, line(5)), (line(5), half))["dislocation"]
    assert s.precision == s.recall == pytest.approx(20 / 30)
    assert s.area_error == 0


def test_nothing_there_and_nothing_found_is_no_score():
    s = scores((line(5), line(5)))["stacking_fault"]
    assert all(isnan(v) for v in (s.precision, s.recall, s.f, s.tolerant_f, s.area_error))
    assert s.as_numbers()["f"] is None
    assert s.predicted_px == s.truth_px == 0


def test_all_missed_and_all_invented_are_zero():
    nothing = np.zeros((20, 20), np.uint8)
    missed, invented = scores((nothing, line(5)))["dislocation"], scores((line(5), nothing))["dislocation"]
    assert (missed.f, missed.recall, missed.tolerant_f, missed.area_error) == (0, 0, 0, -1)
    assert isnan(missed.precision)
    assert (invented.f, invented.precision, invented.tolerant_f) == (0, 0, 0)
    assert isnan(invented.recall)
    assert isnan(invented.area_error)


def test_masks_of_other_sizes_are_refused():
    with pytest.raises(InputError, match="cannot be compared"):
        scores((line(5), np.zeros((20, 21), np.uint8)))


@pytest.mark.parametrize("tolerance", [-1, 65, float("nan")])
def test_a_strange_tolerance_is_refused(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        Tally(DEFAULT_CLASSES, tolerance)


@settings(deadline=None)
@given(
    arrays(np.bool_, st.tuples(st.integers(1, 15), st.integers(1, 15))),
    st.floats(0, 6, allow_nan=False) | st.just(2),
)
def test_growing_equals_the_distance_transform(mask, radius):
    expected = distance_transform_edt(~mask) <= radius if mask.any() else mask
    np.testing.assert_array_equal(grown(mask, radius), expected)


@settings(deadline=None)
@given(masks.flatmap(lambda a: st.tuples(st.just(a), arrays(np.uint8, a.shape, elements=st.integers(0, 2)))))
def test_scores_are_bounded_and_symmetric(pair):
    predicted, truth = pair
    there, back = scores((predicted, truth)), scores((truth, predicted))
    for key, s in there.items():
        for value in (s.precision, s.recall, s.f, s.tolerant_precision, s.tolerant_recall, s.tolerant_f):
            assert isnan(value) or 0 <= value <= 1
        assert isnan(s.f) or s.f == back[key].f
        assert isnan(s.precision) or s.precision == back[key].recall
        assert isnan(s.f) or s.tolerant_f >= s.f - 1e-12


def test_a_line_twice_as_long_has_a_length_error_of_1():
    long, short = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    long[5, 2:23], short[5, 2:13] = 1, 1
    s = scores((long, short), (np.eye(40, dtype=np.uint8) * 2, np.eye(40, dtype=np.uint8) * 2))
    assert (s["dislocation"].predicted_length_px, s["dislocation"].truth_length_px) == (20, 10)
    assert s["dislocation"].length_error == 1
    assert s["stacking_fault"].length_error == 0
    assert s["stacking_fault"].truth_length_px == pytest.approx(39 * sqrt(2))


def test_a_line_drawn_too_wide_is_hardly_longer():
    wide, thin = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    wide[18:23, 2:38], thin[20, 2:38] = 1, 1
    s = scores((wide, thin))["dislocation"]
    assert s.area_error == 4
    assert abs(s.length_error) < 0.15


def test_lengths_are_pooled_before_they_are_compared():
    long, short = line(5), line(5)
    short[11:] = 0
    s = scores((long, short), (short, long), (long, long))["dislocation"]
    assert s.length_error == 0
    assert s.truth_length_px == 10 + 19 + 19


def test_without_a_line_there_is_no_length_error():
    nothing = np.zeros((20, 20), np.uint8)
    s = scores((line(5), nothing))
    assert isnan(s["dislocation"].length_error)
    assert s["dislocation"].predicted_length_px == 19
    assert isnan(s["stacking_fault"].length_error)


def test_lengths_that_are_not_measured_are_no_numbers():
    tally = Tally(DEFAULT_CLASSES, lengths=False)
    tally.add(line(5), line(5))
    s = tally.scores()["dislocation"]
    assert s.f == 1
    assert s.as_numbers()["length_error"] is None
    assert s.as_numbers()["truth_length_px"] is None
