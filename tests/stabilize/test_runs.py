"""Runs of frames against all there are."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.stabilize.runs import fewest_runs, hull, intersection, most_shown

SIZE = 20


@st.composite
def wanderings(draw, most=9):
    """Boxes of 20 x 20 px that wander, and which of them have nothing to do with the one before."""
    n = draw(st.integers(1, most))
    places = np.array(
        draw(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=n, max_size=n))
    )
    boxes = np.concatenate([places, places + SIZE], axis=1)
    unrelated = np.array([False, *draw(st.lists(st.booleans(), min_size=n - 1, max_size=n - 1))])
    return boxes, unrelated & (np.arange(n) % 2 == 0)


def shared(boxes):
    """Height and width that all of `boxes` have in common, counted pixel by pixel."""
    counts = np.zeros((60, 60), int)
    for top, left, bottom, right in boxes + 20:
        counts[top:bottom, left:right] += 1
    both = counts == len(boxes)
    return int(both.any(axis=1).sum()), int(both.any(axis=0).sum())


def possible(first, stop, boxes, unrelated, enough):
    return not unrelated[first + 1 : stop].any() and (stop - first == 1 or enough(*shared(boxes[first:stop])))


@given(wanderings(), st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_no_run_shows_more(wandering, least):
    boxes, unrelated = wandering
    n = len(boxes)

    def shown(first, stop):
        height, width = shared(boxes[first:stop])
        return height * width * (stop - first)

    runs = [
        (first, stop)
        for first in range(n)
        for stop in range(first + 1, n + 1)
        if possible(first, stop, boxes, unrelated, lambda y, x: min(y, x) >= least)
    ]
    best = most_shown(boxes, unrelated, least_px=(least, least))
    assert (best.start, best.stop) in runs
    assert shown(best.start, best.stop) == max(shown(*run) for run in runs)


@given(wanderings(7), st.floats(0, SIZE**2))
@settings(max_examples=150, deadline=None)
def test_no_cuts_are_fewer_and_of_as_few_none_show_more(wandering, least):
    boxes, unrelated = wandering
    n = len(boxes)

    def enough(y, x):
        return y * x >= least

    def shown(cuts):
        sizes = [(np.prod(shared(boxes[a:b])), b - a) for a, b in pairwise((0, *cuts, n))]
        return sum(area * frames for area, frames in sizes)

    ways = []
    for chosen in range(2 ** (n - 1)):
        cuts = tuple(k for k in range(1, n) if chosen >> (k - 1) & 1)
        if all(possible(a, b, boxes, unrelated, enough) for a, b in pairwise((0, *cuts, n))):
            ways.append(cuts)
    fewest = min(len(cuts) for cuts in ways)
    runs = fewest_runs(boxes, unrelated, least_area_px=least)
    assert [k for run in runs for k in run] == list(range(n))
    found = tuple(run.start for run in runs[1:])
    assert found in ways
    assert len(found) == fewest
    assert shown(found) == max(shown(cuts) for cuts in ways if len(cuts) == fewest)


@given(wanderings())
def test_what_all_share_lies_in_each_and_each_in_what_holds_all(wandering):
    boxes, _ = wandering
    inner, outer = intersection(boxes), hull(boxes)
    assert (inner[:2] >= boxes[:, :2]).all()
    assert (inner[2:] <= boxes[:, 2:]).all()
    assert (outer[:2] <= boxes[:, :2]).all()
    assert (outer[2:] >= boxes[:, 2:]).all()


def test_of_equal_runs_the_first_is_taken():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [50, 0, 59, 9], [50, 0, 59, 9]])
    assert most_shown(boxes, np.zeros(4, bool), least_px=(1, 1)) == range(2)
