"""Frames that are set by hand, on motions whose truth is written down here."""

import numpy as np
import pytest
from drifting_textures import wandering
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.errors import InputError
from glissile.stabilize.correction import (
    Corrections,
    corrected,
    correction_of,
    counted_anew,
    with_corrections,
)
from glissile.stabilize.motion import Motion

N = 60


def motion(flags=None, sigma=0.1, n=N, first=0, views=0):
    flags = ("",) * n if flags is None else tuple(flags)
    return Motion(
        wandering(n),
        np.broadcast_to(sigma, n).astype(float),
        flags,
        np.arange(first, first + n),
        views=np.broadcast_to(views, n).astype(np.int64),
    )


def change(after, before):
    return after.displacements_px - before.displacements_px


@given(
    hnp.arrays(float, N, elements=st.floats(0, 40) | st.just(np.nan)),
    st.lists(
        st.sampled_from(["", "jump", "few features", "interpolated", "overlay"]), min_size=N, max_size=N
    ),
    st.lists(
        st.tuples(st.integers(1, N - 1), st.floats(-90, 90), st.floats(-90, 90)),
        min_size=1,
        max_size=4,
        unique_by=lambda pin: pin[0],
    ),
)
def test_pins_are_exact_and_nothing_goes_further_than_they(sigma, flags, pins):
    before = motion(flags, sigma)
    after = before
    for index, dy, dx in pins:
        earlier = after
        after = corrected(earlier, index, (dy, dx))
        pulled = np.abs(change(after, earlier))
        assert (pulled <= pulled[index] + 1e-9).all()
    for index, dy, dx in pins:
        assert after.displacements_px[index].tolist() == [dy, dx]
        assert after.flags[index] == "corrected"
        assert after.sigma_px[index] == 0.5
    np.testing.assert_array_equal(after.displacements_px[0], before.displacements_px[0])
    assert np.isfinite(after.displacements_px).all()


def test_frames_that_are_measured_well_do_not_follow():
    before = motion()
    after = corrected(before, 30, before.displacements_px[30] + (10, -6))
    moved = change(after, before)
    assert moved[30].tolist() == pytest.approx([10, -6])
    assert np.abs(moved[[29, 31]]).max() < 0.15
    np.testing.assert_allclose(np.delete(moved, [29, 30, 31], 0), 0, atol=2e-3)
    assert np.delete(after.sigma_px, [29, 30, 31]) == pytest.approx(0.1, abs=1e-4)
    assert after.flags == ("",) * 30 + ("corrected",) + ("",) * 29


def test_uncertain_neighbours_follow_further_than_certain_ones():
    before = motion(sigma=np.where(np.arange(N) > 30, 3.0, 0.1))
    moved = change(corrected(before, 30, before.displacements_px[30] + (10, 0)), before)[:, 0]
    assert moved[31] > 5
    assert moved[29] < 0.15


def test_an_interpolated_gap_follows_linearly():
    flags = [""] * N
    flags[20:31] = ["interpolated"] * 11
    before = motion(flags, np.where(np.array(flags) == "", 0.1, 6.0))
    after = corrected(before, 25, before.displacements_px[25] + (12, -6))
    steps = np.abs(np.arange(N) - 25)
    expected = np.maximum(1 - steps / 6, 0)[:, None] * (12, -6)
    np.testing.assert_allclose(change(after, before), expected, atol=0.02)
    assert after.sigma_px[25] < after.sigma_px[27] < after.sigma_px[30]
    assert after.flags[24] == "interpolated"


def test_a_gap_at_the_end_follows_as_a_whole():
    flags = [""] * 50 + ["interpolated"] * 10
    before = motion(flags)
    moved = change(corrected(before, 55, before.displacements_px[55] + (4, 0)), before)[:, 0]
    np.testing.assert_allclose(moved[55:], 4)


@pytest.mark.parametrize("pinned", [40, 47, 99])
def test_what_comes_after_a_cut_moves_as_a_whole(pinned):
    flags = [""] * 40 + ["jump"] + [""] * 59
    before = motion(flags, np.where(np.arange(100) < 40, 0.1, 90.0), 100, views=np.repeat([0, 1], [40, 60]))
    after = corrected(before, pinned, before.displacements_px[pinned] + (35, -20))
    moved = change(after, before)
    np.testing.assert_array_equal(moved[:40], 0)
    np.testing.assert_allclose(moved[40:], np.broadcast_to((35, -20), (60, 2)), atol=1e-6)
    # Once it is known where that part lies, it holds its place against a second correction.
    assert after.sigma_px[40:].max() == pytest.approx(0.5, abs=0.01)
    again = change(corrected(after, 70, after.displacements_px[70] + (8, 0)), after)[:, 0]
    assert again[70] == pytest.approx(8)
    assert np.abs(np.delete(again, range(60, 81))).max() < 0.05


def test_a_second_cut_is_not_bridged():
    flags = [""] * 20 + ["jump"] + [""] * 19 + ["jump"] + [""] * 19
    before = motion(flags, np.where(np.arange(N) < 20, 0.1, 90.0), views=np.repeat([0, 1, 2], 20))
    after = corrected(before, 25, before.displacements_px[25] + (5, 5))
    np.testing.assert_array_equal(change(after, before)[40:], 0)
    assert (after.sigma_px[40:] == 90).all()


def test_a_view_between_two_parts_of_another_moves_as_a_whole_and_alone():
    before = motion(views=np.repeat([0, 1, 0], [20, 10, 30]))
    moved = change(corrected(before, 25, before.displacements_px[25] + (20, 30)), before)
    np.testing.assert_allclose(moved[20:30], np.broadcast_to((20, 30), (10, 2)))
    np.testing.assert_array_equal(np.delete(moved, range(20, 30), axis=0), 0)


def test_the_longer_view_can_be_put_in_place_when_it_comes_second():
    sigma = np.where(np.arange(N) < 10, 90.0, 0.1)
    before = motion(sigma=sigma, views=np.repeat([0, 1], [10, 50]))
    after = corrected(before, 40, before.displacements_px[40] + (7, 0))
    np.testing.assert_allclose(change(after, before)[10:, 0], 7)
    np.testing.assert_array_equal(change(after, before)[:10], 0)
    assert after.sigma_px.max() == pytest.approx(0.5)
    assert len(np.unique(after.views)) == 1


def test_a_method_that_tells_no_error_is_corrected_near_by():
    before = motion(sigma=np.nan)
    after = corrected(before, 30, before.displacements_px[30] + (10, 0))
    moved = change(after, before)[:, 0]
    np.testing.assert_allclose(moved[30 - np.arange(5)], moved[30 + np.arange(5)])
    assert 2 < moved[31] < 5
    assert np.abs(moved[[20, 40]]).max() < 0.01
    assert np.isnan(after.sigma_px[31])


def test_correcting_twice_alike_is_correcting_once():
    once = corrected(motion(), 30, (3, 4))
    twice = corrected(once, 30, (3, 4))
    np.testing.assert_array_equal(twice.displacements_px, once.displacements_px)
    np.testing.assert_allclose(twice.sigma_px[30], 0.5)


def test_the_first_frame_is_what_the_others_are_counted_from():
    with pytest.raises(InputError, match="Frame 7 is the first one"):
        corrected(motion(first=7), 0, (1, 1))


def test_what_is_taken_back_is_as_estimated():
    estimate = motion()
    one = correction_of(estimate, 12, (5, 6))
    two = correction_of(estimate, 40, (-2, 1))
    both = Corrections().with_(one).with_(two)
    assert with_corrections(estimate, both.frames)[0].displacements_px[[12, 40]].tolist() == [[5, 6], [-2, 1]]
    left = both.without(12)
    only = with_corrections(estimate, left.frames)[0]
    np.testing.assert_array_equal(only.displacements_px, corrected(estimate, 40, (-2, 1)).displacements_px)
    assert with_corrections(estimate, left.without(40).frames)[0] is estimate
    again = both.with_(correction_of(estimate, 12, (0, 0)))
    assert [c.frame for c in again.frames] == [40, 12]


def test_corrections_go_over_to_an_estimate_of_other_frames():
    estimate = motion()
    made = Corrections().with_(correction_of(estimate, 30, (5, 6))).with_(correction_of(estimate, 8, (1, 1)))
    # Another estimate of the same frames: where the hand put it.
    other = Motion(wandering(N, seed=3), estimate.sigma_px, estimate.flags, estimate.frame_numbers)
    moved, left_out = with_corrections(other, made.frames)
    assert moved.displacements_px[30].tolist() == [5, 6]
    assert left_out == ()
    # An estimate that begins later knows neither frame 8 nor frame 0.
    late = motion(n=N - 20, first=20)
    assert with_corrections(late, made.frames) == (late, (30, 8))
    before = with_corrections(estimate, made.frames)[0]
    anew = counted_anew(made, before, 20)
    moved, left_out = with_corrections(late, anew.frames)
    expected = before.displacements_px[30] - before.displacements_px[20]
    np.testing.assert_allclose(moved.displacements_px[10] - moved.displacements_px[0], expected)
    assert left_out == (8,)
    assert counted_anew(made, before, 5000) is made


def test_a_long_video_is_corrected_at_once():
    n = 100_000
    flags = ["", "jump"] + [""] * (n - 2)
    before = motion(flags, [0.1] + [90.0] * (n - 1), n)
    moved = change(corrected(before, 1, before.displacements_px[1] + (10, 0)), before)[:, 0]
    np.testing.assert_allclose(moved[1:], 10, rtol=0.01)


def test_a_correction_of_the_frame_that_is_counted_from_outlives_it():
    before = motion()
    kept = Corrections().with_(correction_of(before, 10, (5, 5)))
    led_to = with_corrections(before, kept.frames)[0]
    counted = counted_anew(kept, led_to, 10)
    assert counted == kept
    again, left_out = with_corrections(before, counted.frames)
    assert again.displacements_px[10].tolist() == [5, 5]
    assert left_out == ()
