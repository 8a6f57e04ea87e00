"""Suspects of frames whose label and probabilities are drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glissile.defects import DEFAULT_CLASSES
from glissile.learn.suspects import (
    SuspectSettings,
    disagreement,
    fingerprint,
    overlap,
    ranked,
    suspects,
)

Y, X = 60, 90


def frame(*lines):
    """Mask with horizontal lines, 3 px wide: (class value, row, first column, last column exclusive)."""
    mask = np.zeros((Y, X), np.uint8)
    for value, row, first, last in lines:
        mask[row - 1 : row + 2, first:last] = value
    return mask


def shares(mask, sure=0.9):
    """Probabilities of a network that is `sure` of `mask`."""
    found = np.full((3, Y, X), (1 - sure) / 2, np.float32)
    for k in range(3):
        found[k][mask == k] = sure
    return found


def searched(label, seen, frame_number=7, learned=False, **settings):
    return suspects(
        label,
        seen,
        DEFAULT_CLASSES,
        index=3,
        frame_number=frame_number,
        learned=learned,
        settings=SuspectSettings(**settings),
    )


BOTH = (1, 10, 10, 80)


def test_what_agrees_within_the_tolerance_is_no_suspect():
    label = frame(BOTH, (2, 40, 20, 60))
    assert searched(label, shares(label)) == ()
    assert searched(label, shares(np.roll(label, 2, axis=0))) == ()
    assert len(searched(label, shares(np.roll(label, 6, axis=0)))) == 4


def test_a_line_that_was_missed():
    (found,) = searched(frame(BOTH), shares(frame(BOTH, (2, 40, 20, 61)), sure=0.8))
    assert (found.kind, found.value, found.other) == ("unlabelled", 2, None)
    assert (found.index, found.frame_number, found.learned) == (3, 7, False)
    assert found.centre == (40, 40)
    assert found.box == (39, 20, 42, 61)
    assert found.area_px == 3 * 41
    assert found.length_px == pytest.approx(40, abs=3)
    assert found.doubt == pytest.approx(0.8)


def test_a_line_that_is_not_there():
    (found,) = searched(frame(BOTH, (1, 40, 20, 61)), shares(frame(BOTH), sure=0.8))
    assert (found.kind, found.value, found.centre) == ("unseen", 1, (40, 40))
    assert found.doubt == pytest.approx(1 - 0.1)


def test_a_line_of_the_wrong_class_is_one_suspect():
    (found,) = searched(frame(BOTH, (1, 40, 20, 61)), shares(frame(BOTH, (2, 41, 20, 61))))
    assert (found.kind, found.value, found.other) == ("other class", 1, 2)
    assert found.centre == (40, 40)


def test_a_missed_line_that_touches_one_of_the_wrong_class_is_told_apart():
    label = frame((1, 10, 10, 60))
    seen = frame((2, 10, 10, 60))
    seen[12:58, 30:33] = 2
    one, two = searched(label, shares(seen))
    assert {one.kind, two.kind} == {"other class", "unlabelled"}


def test_a_part_of_a_line_is_told_where_it_is():
    (found,) = searched(frame((1, 10, 10, 40)), shares(frame(BOTH)))
    assert found.kind == "unlabelled"
    assert found.box == (9, 42, 12, 80)


def test_short_parts_are_left_out_and_small_gaps_do_not_part():
    label, seen = frame(), frame((1, 10, 10, 19), (1, 40, 10, 30), (1, 40, 32, 50))
    assert [s.box for s in searched(label, shares(seen))] == [(39, 10, 42, 50)]
    assert len(searched(label, shares(seen), least_length_px=5)) == 2


def test_sure_comes_before_wavering_and_long_before_short():
    label = frame()
    seen = shares(frame((1, 10, 10, 50)), 0.6)
    sure = shares(frame((1, 30, 10, 50)), 0.95)
    where = frame((1, 30, 10, 50)) > 0
    seen[:, where] = sure[:, where]
    assert [s.centre[0] for s in searched(label, seen)] == [30, 10]
    assert [s.centre[0] for s in searched(label, shares(frame((1, 10, 10, 40), (1, 30, 10, 80))))] == [30, 10]


def test_outside_the_valid_part_nothing_is_said():
    label = frame((1, 10, 10, 80))
    seen = shares(label)
    seen[:, :, 60:] = np.nan
    label[:, 60:] = 0
    assert searched(label, seen) == ()


def test_a_class_that_the_network_does_not_know_is_passed_over():
    label = frame(BOTH)
    label[40, 20:60] = 9
    assert searched(label, shares(frame(BOTH))) == ()


def test_frames_are_ranked_together_and_summed():
    one = searched(frame(), shares(frame((1, 10, 10, 50))), frame_number=5)
    two = searched(frame(), shares(frame((1, 10, 10, 80), (1, 40, 10, 30))), frame_number=9)
    both = ranked((*one, *two))
    assert [s.frame_number for s in both] == [9, 5, 9]
    sums = disagreement(both)
    assert list(sums) == [9, 5]
    assert sums[9] == pytest.approx(sum(s.weight for s in two))


def test_words():
    names = {1: "dislocation", 2: "stacking fault"}
    label, other = frame((1, 10, 10, 60)), frame((2, 10, 10, 60))
    assert [s.told(names) for s in searched(label, shares(frame()))] == ["dislocation not found"]
    assert [s.told(names) for s in searched(frame(), shares(label))] == ["dislocation not labelled"]
    assert [s.told(names) for s in searched(label, shares(other))] == ["dislocation found as stacking fault"]
    assert [s.told({}) for s in searched(frame(), shares(label))] == ["class 1 not labelled"]


def test_the_fingerprint_is_of_the_box_alone():
    label = frame(BOTH)
    before = fingerprint(label, (5, 5, 20, 90))
    label[50, 50] = 1
    assert fingerprint(label, (5, 5, 20, 90)) == before
    label[10, 20] = 2
    assert fingerprint(label, (5, 5, 20, 90)) != before


@given(st.tuples(*[st.integers(0, 9)] * 2), st.tuples(*[st.integers(1, 9)] * 2))
def test_a_box_overlaps_itself_wholly_and_one_beside_it_not(corner, size):
    (y, x), (h, w) = corner, size
    box = (y, x, y + h, x + w)
    assert overlap(box, box) == 1
    assert overlap(box, (y, x + w, y + h, x + 2 * w)) == 0
    assert overlap(box, (y, x, y + h, x + 2 * w)) == pytest.approx(0.5)


@given(seed=st.integers(0, 10_000), tolerance_px=st.integers(0, 4))
def test_every_suspect_lies_where_label_and_network_differ(seed, tolerance_px):
    random = np.random.default_rng(seed)
    label, seen = (
        frame(*((int(random.integers(1, 3)), int(r), *sorted(random.integers(0, X, 2))) for r in rows))
        for rows in random.integers(2, Y - 2, (2, 4))
    )
    for found in searched(label, shares(seen), tolerance_px=tolerance_px, least_length_px=0):
        top, left, bottom, right = found.box
        y, x = found.centre
        assert 0 <= top <= y < bottom <= Y
        assert 0 <= left <= x < right <= X
        assert label[y, x] != seen[y, x]
        assert 0 <= found.doubt <= 1
