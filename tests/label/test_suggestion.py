"""Which frames are suggested, on drawn videos of known states."""

from dataclasses import replace

import numpy as np
import pytest

from glissile.label.suggestion import Appearance, appearance, suggestions
from glissile.progress import finish
from glissile.video import Video

SIZE = 96


def state(seed):
    """Frame (y, x) of one texture with dark lines, whose places depend on `seed`."""
    texture = np.random.default_rng(99).normal(0, 3, (SIZE, SIZE))
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    grey = 120 + texture
    random = np.random.default_rng(seed)
    for _ in range(8):
        slope, start = random.uniform(-0.6, 0.6), random.uniform(-10, SIZE + 10)
        grey[np.abs(x - start - slope * y) < 2] -= 50
    return grey


def video(*states, noise=3.0, dtype=np.uint8):
    """Frames of a list of states, each by its seed, with fresh noise."""
    random = np.random.default_rng(0)
    frames = [state(s) + random.normal(0, noise, (SIZE, SIZE)) for s in states]
    return Video.from_frames(np.clip(np.stack(frames), 0, 255).astype(dtype), name="drawn")


def looks(of):
    return finish(appearance(of))


def suggested(of, labelled=(), count=8, **given):
    return suggestions(looks(of), labelled, count=count, **given)


def indices(found):
    return [s.index for s in found]


A, B, C = range(1, 4)
# 40 frames of one state, 3 of another one, 40 of a third.
THREE = [A] * 40 + [C] * 3 + [B] * 40


def test_every_state_is_suggested_once_however_short():
    found = indices(suggested(video(*THREE)))
    assert len(found) == 3
    assert {THREE[i] for i in found} == {A, B, C}


def test_only_states_without_a_label_are_suggested():
    found = suggested(video(*THREE), labelled=[10, 60])
    assert [THREE[s.index] for s in found] == [C]
    (only,) = found
    assert only.resembles in (10, 60)
    assert only.likeness < 0.5
    assert f"unlike any labelled frame, nearest is {only.resembles} (" in only.reason


def test_the_state_that_lasts_longest_comes_first():
    short_first = [C] * 4 + [A] * 30 + [B] * 12
    found = indices(suggested(video(*short_first)))
    assert [short_first[i] for i in found] == [A, B, C]


def test_the_frame_after_a_sudden_change_is_suggested_and_says_so():
    of = video(*[A] * 30, *[B] * 30)
    by_index = {s.index: s.reason for s in suggested(of, labelled=[5])}
    assert by_index == {30: "sudden change here; unlike any labelled frame, nearest is 5 (3%)"}


def test_a_damaged_frame_is_no_sudden_change():
    changes = looks(video(*[A] * 10, C, *[A] * 10)).changes()
    assert changes.max() < 2 * np.median(changes[1:])
    assert looks(video(*[A] * 10, *[C] * 2, *[A] * 10)).changes()[[10, 12]].min() > 0.3


def test_frames_that_look_the_same_are_not_suggested_twice():
    assert len(suggested(video(*[A] * 50))) == 1
    assert len(suggested(video(*[A] * 50, noise=0))) == 1
    assert suggested(video(*[A] * 50), labelled=[20]) == ()
    again = [A] * 20 + [B] * 20 + [A] * 20
    assert sorted(again[i] for i in indices(suggested(video(*again)))) == [A, B]


def test_neither_brightness_nor_shading_matters():
    plain = video(*THREE, dtype=np.float32)
    x = np.arange(SIZE, dtype=np.float32)
    frames = np.asarray(plain.frames)
    shade = np.stack([20 + (0.5 + 0.2 * np.sin(n / 5) + 0.3 * x / SIZE) for n in range(len(THREE))])
    shaded = Video.from_frames(frames * shade[:, None, :] + 3 * x, name="shaded")
    one, other = looks(plain), looks(shaded)
    np.testing.assert_allclose(one.distances, other.distances, atol=0.1)
    assert {THREE[i] for i in indices(suggestions(other, [], count=8))} == {A, B, C}


def test_details_count_where_contrast_is_low():
    """A change in the half that is nearly grey is seen."""
    faint = np.where(np.arange(SIZE) < SIZE // 2, 0.15, 1).astype(np.float32)
    frames = np.stack([state(A), state(A)]).astype(np.float32)
    frames[1, :, : SIZE // 2] = state(B)[:, : SIZE // 2]
    looked = looks(Video.from_frames((frames - 120) * faint, name="faint"))
    assert looked.distances[0, 1] > 0.2


@pytest.mark.parametrize("kind", ["uint16", "float32", ">i2"])
def test_grey_values_of_any_range_and_type(kind):
    of = video(*[A] * 5, *[B] * 5)
    wide = Video.from_frames((np.asarray(of.frames).astype(float) * 31 + 500).astype(kind), name="wide")
    np.testing.assert_allclose(looks(of).distances, looks(wide).distances, atol=1e-3)


def test_slow_change_is_covered_evenly():
    """Lines that move on at a constant pace: suggested frames lie about as far apart from one another."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    random = np.random.default_rng(0)
    frames = [
        120
        - 50 * (np.abs((x - 0.4 * n + 0.3 * y) % 48 - 24) < 2)
        + random.normal(0, 3, (SIZE, SIZE))
        + np.random.default_rng(1).normal(0, 3, (SIZE, SIZE))
        for n in range(100)
    ]
    of = Video.from_frames(np.stack(frames).astype(np.uint8), name="glide")
    found = sorted(indices(suggested(of, count=5)))
    gaps = np.diff([-found[0], *found, 2 * 99 - found[-1]])
    assert len(found) == 5
    assert gaps.min() > 8
    assert gaps.max() < 45
    (first,) = suggested(of, labelled=[50], count=1)
    assert abs(first.index - 50) > 15


def alike_in_nothing(n):
    return Appearance(np.arange(n), np.arange(n), 1 - np.eye(n, dtype=np.float32), np.zeros(n, bool))


def test_where_looks_say_nothing_frames_are_spread_over_time():
    found = sorted(indices(suggestions(alike_in_nothing(61), [], count=3)))
    assert np.abs(np.array(found) - [10, 30, 50]).max() <= 10
    (only,) = suggestions(alike_in_nothing(61), [0], count=1)
    assert 25 < only.index < 50


def test_what_is_like_a_label_says_how_much_and_what_it_stands_for():
    half_alike = alike_in_nothing(61)
    half_alike = replace(half_alike, distances=np.float32(0.3) * half_alike.distances)
    (only,) = suggestions(half_alike, [0], count=1, allowed=np.arange(61) == 40)
    assert only.reason == "typical of frames 21 to 60; most like labelled frame 0 (70%)"
    assert (only.index, only.resembles) == (40, 0)
    assert only.likeness == pytest.approx(0.7)


def test_blank_frames_draw_no_suggestion_near():
    half = alike_in_nothing(80)
    (only,) = suggestions(replace(half, blank=np.arange(80) >= 40), [], count=1)
    assert 10 < only.index < 30


def test_no_two_neighbours_are_suggested_and_none_beside_a_label():
    each_another = list(range(10, 22))
    found = sorted(indices(suggested(video(*each_another), labelled=[4])))
    assert np.diff(found).min() > 1
    assert not {3, 4, 5} & set(found)


def test_only_allowed_frames_are_suggested():
    allowed = np.zeros(len(THREE), bool)
    allowed[[3, 4, 41, 70]] = True
    found = indices(suggested(video(*THREE), allowed=allowed))
    assert sorted(THREE[i] for i in found) == [A, B, C]
    assert all(allowed[found])
    assert suggested(video(*THREE), allowed=np.zeros(len(THREE), bool)) == ()


def test_what_a_network_is_unsure_of_comes_first_and_says_so():
    states = [s for s in range(10, 20) for _ in range(6)]
    looked = looks(video(*states))
    uncertainty = np.full(len(states), 0.1)
    uncertainty[42:48] = 0.9
    uncertainty[:6] = np.nan
    first, *others = suggestions(looked, [0], count=4, uncertainty=uncertainty)
    assert 42 <= first.index < 48
    assert "the network is unsure here" in first.reason
    assert not any("unsure" in s.reason for s in others)
    for nothing in (np.full(len(states), 0.1), np.full(len(states), np.nan)):
        same = suggestions(looked, [0], count=4, uncertainty=nothing)
        assert same == suggestions(looked, [0], count=4)


def test_videos_of_one_frame_and_labels_on_all():
    (only,) = suggested(video(A))
    assert (only.index, only.reason, only.resembles) == (0, "looks like no other frame", None)
    assert suggested(video(A), labelled=[0]) == ()
    assert suggested(video(A, B)) != ()
    assert suggested(video(*THREE), labelled=range(len(THREE))) == ()
    assert suggested(video(*THREE), count=0) == ()


def test_numbers_are_those_of_the_source():
    of = video(*[A] * 20)
    (only,) = suggested(replace(of, frame_numbers=of.frame_numbers + 1000))
    assert only.frame_number == only.index + 1000
    assert only.reason == "typical of frames 1000 to 1019"
    of = video(*[A] * 20, *[B] * 20)
    (only,) = suggested(replace(of, frame_numbers=of.frame_numbers + 1000), labelled=[3])
    assert only.resembles == 1003


def test_blank_frames_are_not_suggested():
    frames = np.asarray(video(*[A] * 10, *[B] * 10).frames).copy()
    frames[4:8] = 17
    found = suggested(Video.from_frames(frames, name="blank"))
    assert {(i < 10) for i in indices(found)} == {True, False}
    assert not set(indices(found)) & set(range(4, 8))
    empty = Video.from_frames(np.full((5, 20, 20), 7, np.uint8), name="empty")
    assert suggested(empty) == ()
    changes = looks(Video.from_frames(frames, name="blank")).changes()
    assert (changes[4:9] == 0).all()


def test_pixels_without_a_number_are_not_compared():
    of = video(*[A] * 4)
    holes = np.asarray(of.frames).astype(np.float32)
    for n in range(4):
        holes[n, 20 * n : 20 * n + 20, 30:70] = np.nan
    holed = looks(Video.from_frames(holes, name="holes"))
    assert holed.distances.max() < 1.5 * looks(of).distances.max()
    assert not holed.blank.any()


def test_only_what_two_frames_both_show_is_compared():
    frames = np.asarray(video(*[A] * 20, *[B] * 20).frames).copy()
    valid = np.tile([0, 0, SIZE, SIZE], (40, 1))
    valid[5:15] = [0, 30, SIZE, SIZE]
    frames[5:15, :, :30] = np.random.default_rng(1).integers(0, 255, (10, SIZE, 30))
    valid[17] = 0
    part = replace(Video.from_frames(frames, name="part"), valid_px=valid)
    looked = looks(part)
    whole = looks(video(*[A] * 20, *[B] * 20))
    assert looked.distances[0, 5:15].max() < 1.5 * whole.distances[0, 5:15].max()
    assert looked.blank.tolist() == [i == 17 for i in range(40)]
    assert len(suggestions(looked, [], count=8)) == 2
    valid[5:15] = [0, 0, SIZE, 14]
    valid[:5] = valid[15:20] = [0, 12, SIZE, SIZE]
    apart = looks(replace(part, valid_px=valid))
    assert (apart.distances[:5, 5:15] == 1).all()


def test_of_a_very_long_video_not_all_frames_are_looked_at(monkeypatch):
    monkeypatch.setattr("glissile.label.suggestion._MOST_FRAMES", 30)
    states = [A] * 40 + [B] * 43
    looked = looks(video(*states))
    assert looked.looked_at.tolist() == list(range(0, 83, 3))
    assert [states[s.index] for s in suggestions(looked, [1], count=8)] == [B]
    uncertainty = np.zeros(83)
    uncertainty[60:66] = 1
    looked = looks(video(*range(10, 93)))
    assert suggestions(looked, [1], count=8, uncertainty=uncertainty)[0].index in (60, 63)


def test_each_frame_is_read_once_and_told():
    read = []

    class Counting(Video):
        def frame(self, index):
            read.append(index)
            return super().frame(index)

    of = video(A, B, C)
    counting = Counting(of.frames, of.times_s, of.frame_numbers, of.origins_px, name="counted")
    steps = list(appearance(counting))
    assert read == [0, 1, 2]
    assert [(s.index, s.total) for s in steps] == [(1, 3), (2, 3), (3, 3)]


def test_distances_are_those_of_every_pair():
    """The distances of frames that are all valid are those of frames of which a little is not."""
    of = video(*[A] * 3, B, C)
    valid = np.tile([0, 0, SIZE, SIZE], (5, 1))
    valid[4] = [0, 0, SIZE, SIZE - 1]
    one, other = looks(of), looks(replace(of, valid_px=valid))
    np.testing.assert_allclose(one.distances[:4, :4], other.distances[:4, :4], atol=1e-5)
    assert isinstance(one, Appearance)
    np.testing.assert_array_equal(one.distances, one.distances.T)


@pytest.mark.parametrize("shape", [(300, 200), (1024, 1024), (96, 80), (500, 37)])
@pytest.mark.parametrize("grey", [np.uint8(37), np.uint16(255), np.float32(37.3), np.float32(1e38)])
def test_frames_of_one_grey_value_are_blank_whatever_their_size(shape, grey):
    assert finish(appearance(Video.from_frames(np.full((2, *shape), grey), name="v"))).blank.all()
