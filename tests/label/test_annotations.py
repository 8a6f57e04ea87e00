import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.experiment import Experiment, MaskStore, Source
from glissile.label.annotations import (
    LabelCount,
    follow,
    import_masks,
    label_counts,
    labelled_indices,
    moved,
    origins_px,
    read_label,
)
from glissile.video import Trim, Video

FRAMES, HEIGHT, WIDTH = 20, 40, 50
rng = np.random.default_rng(3)
# The truth: what is labelled at each pixel of each frame of the source.
TRUTH = (rng.random((FRAMES, HEIGHT, WIDTH)) < 0.3).astype(np.uint8) + (
    rng.random((FRAMES, HEIGHT, WIDTH)) < 0.1
).astype(np.uint8)


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"frames")
    source = Source.of(path, frames=FRAMES, height=HEIGHT, width=WIDTH)
    with Experiment.create(tmp_path / "8.4μm", source=source) as opened:
        yield opened


def seen(origin, shape, first=0, last=FRAMES - 1, drift=None):
    """A working video whose field of view starts at `origin` and moves by `drift` (t, 2)."""
    n = last - first + 1
    origins = np.tile(np.asarray(origin, float), (n, 1))
    if drift is not None:
        origins += drift[first : last + 1]
    return Video(
        frames=Video.from_frames(np.zeros((n, *shape), np.uint8), name="v").frames,
        times_s=np.arange(n, dtype=float),
        frame_numbers=np.arange(first, last + 1),
        origins_px=origins,
        name="video",
    )


def cut(frame, origin, shape):
    """Truth on the pixels of a field of view, 0 outside the source."""
    top, left = np.rint(origin).astype(int)
    padded = np.pad(TRUTH[frame], 100)
    return padded[top + 100 : top + 100 + shape[0], left + 100 : left + 100 + shape[1]]


def draw(store, video, frames):
    for frame in frames:
        index = video.index_of(frame)
        store.write(frame, cut(frame, video.origins_px[index], video.shape[1:]))


def backups(experiment):
    return sorted(experiment.folder.glob("labels-before-*.zarr"))


masks = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3))
origins = st.tuples(st.floats(-12, 12), st.floats(-12, 12))


@given(masks, origins, origins, st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_a_pixel_that_both_fields_of_view_have_keeps_its_place_in_the_source(mask, old, new, shape):
    result = moved(mask, old, new, shape)
    assert result.shape == shape
    dy, dx = np.rint(np.subtract(old, new).round(6)).astype(int)
    expected = np.zeros(shape, np.uint8)
    for y, x in np.argwhere(mask):
        if 0 <= y + dy < shape[0] and 0 <= x + dx < shape[1]:
            expected[y + dy, x + dx] = mask[y, x]
    np.testing.assert_array_equal(result, expected)


@given(masks, origins, origins)
def test_moving_there_and_back_is_the_identity_where_there_is_room(mask, old, new):
    padded = np.pad(mask, 26)
    back = moved(moved(padded, old, new, padded.shape), new, old, padded.shape)
    np.testing.assert_array_equal(back, padded)


def test_labels_are_made_on_first_use(experiment):
    video = seen((3, 4.25), (20, 30), first=5, last=9)
    store = follow(experiment, video)
    assert store.shape == (FRAMES, 20, 30)
    known = origins_px(store)
    np.testing.assert_array_equal(known[5:10], video.origins_px)
    assert np.isnan(np.delete(known, slice(5, 10), axis=0)).all()
    assert labelled_indices(store, video) == ()
    assert backups(experiment) == []


def test_nothing_moves_while_the_field_of_view_stays(experiment):
    video = seen((3, 4), (20, 30))
    draw(follow(experiment, video), video, [2, 7])
    same = seen((3.3, 3.8), (20, 30))  # less than half a pixel
    store = follow(experiment, same)
    np.testing.assert_array_equal(store.read(7), cut(7, (3, 4), (20, 30)))
    assert backups(experiment) == []
    assert labelled_indices(store, same) == (2, 7)


def test_labels_follow_there_and_back_and_nothing_in_common_is_lost(experiment):
    drift = np.cumsum(rng.normal(0, 0.7, (FRAMES, 2)), axis=0)
    first = seen((5, 6), (20, 30), drift=drift)
    labelled = [0, 4, 11, 19]
    draw(follow(experiment, first), first, labelled)
    second = seen((8.4, 2.2), (25, 24), drift=-drift)
    store = follow(experiment, second)
    assert store.shape == (FRAMES, 25, 24)
    assert store.frames == tuple(labelled)
    for frame in labelled:
        old, new = first.origins_px[frame], second.origins_px[frame]
        np.testing.assert_array_equal(
            store.read(frame), moved(cut(frame, old, (20, 30)), old, new, (25, 24)), err_msg=str(frame)
        )
        # The content lies where it belongs in the source to half a pixel.
        kept = origins_px(store)[frame]
        assert np.abs(kept - new).max() <= 0.5
        np.testing.assert_allclose(old - kept, np.rint(old - kept), atol=1e-9)
    back = follow(experiment, first)
    for frame in labelled:
        old, new = first.origins_px[frame], second.origins_px[frame]
        both = moved(np.ones((25, 24), np.uint8), new, old, (20, 30)) > 0
        expected = np.where(both, cut(frame, old, (20, 30)), 0)
        np.testing.assert_array_equal(back.read(frame), expected, err_msg=str(frame))
        np.testing.assert_allclose(origins_px(back)[frame], old, atol=1e-9)
    kept = {store.shape[1:]: store for store in map(MaskStore.open, backups(experiment))}
    assert set(kept) == {(20, 30), (25, 24)}
    whole = kept[20, 30]
    assert whole.frames == tuple(labelled)
    for frame in labelled:
        np.testing.assert_array_equal(whole.read(frame), cut(frame, first.origins_px[frame], (20, 30)))
    np.testing.assert_array_equal(origins_px(whole), first.origins_px)


def test_following_many_times_does_not_walk_away(experiment):
    video = seen((10, 10), (20, 20))
    store = follow(experiment, video)
    store.write(3, np.pad(np.ones((2, 2), np.uint8), 9))  # at 19, 19 of the source
    for _ in range(30):
        video = seen(rng.uniform(4, 16, 2), (20, 20))
        store = follow(experiment, video)
        corner = np.argwhere(store.read(3))[0]
        assert np.abs(corner + video.origins_px[3] - 19).max() <= 0.5 + 1e-9


def test_half_pixels_move_once_and_not_again(experiment):
    # 2.58 - 2 - 0.08 is a little more than 0.5.
    video, halfway = seen((2.58, 4), (20, 20)), seen((0.08, 6.5), (20, 20))
    draw(follow(experiment, video), video, [3])
    store = follow(experiment, halfway)
    np.testing.assert_array_equal(read_label(store, halfway, 3), store.read(3))
    count = len(backups(experiment))
    follow(experiment, halfway)
    assert len(backups(experiment)) == count == 1


def test_a_smaller_frame_range_keeps_all_labels(experiment):
    whole = seen((4, 4), (20, 20))
    draw(follow(experiment, whole), whole, [1, 9, 18])
    short = seen((4, 4), (20, 20), first=8, last=12)
    store = follow(experiment, short)
    assert store.frames == (1, 9, 18)
    assert labelled_indices(store, short) == (1,)
    assert backups(experiment) == []
    moved_on = seen((2, 7), (24, 16), first=8, last=12)
    store = follow(experiment, moved_on)
    assert store.frames == (1, 9, 18)
    restored = follow(experiment, whole)
    for frame in (1, 9, 18):
        common = moved(moved(np.ones((20, 20)), (4, 4), (2, 7), (24, 16)), (2, 7), (4, 4), (20, 20)) > 0
        assert common.sum() == 20 * 16
        np.testing.assert_array_equal(restored.read(frame), np.where(common, cut(frame, (4, 4), (20, 20)), 0))


def test_frames_that_come_into_range_later_get_their_origin(experiment):
    early = seen((4, 4), (20, 20), last=4)
    draw(follow(experiment, early), early, [2])
    late = seen((4.4, 4), (20, 20))
    store = follow(experiment, late)
    draw(store, late, [15])
    assert not np.isnan(origins_px(store)).any()
    np.testing.assert_array_equal(origins_px(store)[2], (4, 4))
    np.testing.assert_array_equal(origins_px(store)[15], (4.4, 4))


def test_ranges_without_a_common_frame_lose_nothing(experiment):
    early = seen((4, 4), (20, 20), last=4)
    draw(follow(experiment, early), early, [2])
    late = seen((6, 6), (22, 22), first=10)
    store = follow(experiment, late)
    assert store.frames == (2,)
    again = follow(experiment, early)
    np.testing.assert_array_equal(again.read(2), cut(2, (4, 4), (20, 20)))
    assert len(backups(experiment)) == 2


def test_empty_labels_follow_without_a_backup(experiment):
    follow(experiment, seen((4, 4), (20, 20)))
    store = follow(experiment, seen((9, 9), (10, 10)))
    assert store.shape == (FRAMES, 10, 10)
    np.testing.assert_array_equal(origins_px(store)[0], (9, 9))
    assert backups(experiment) == []


def test_attributes_survive_following(experiment):
    follow(experiment, seen((4, 4), (20, 20))).set_attributes(painted_by="anna")
    store = follow(experiment, seen((9, 9), (10, 10)))
    assert store.attributes["painted_by"] == "anna"
    assert store.attributes["source_px"] == [HEIGHT, WIDTH]


def test_a_damaged_label_stops_the_labels_from_following_and_loses_nothing(experiment):
    video = seen((4, 4), (20, 20))
    store = follow(experiment, video)
    draw(store, video, [1, 2])
    (store.path / "c.2.0.0").write_bytes(b"")
    with pytest.raises(InputError, match="mask of frame 2 is damaged"):
        follow(experiment, seen((9, 9), (10, 10)))
    kept = experiment.labels_or_none()
    assert kept.shape == (FRAMES, 20, 20)
    np.testing.assert_array_equal(kept.read(1), cut(1, (4, 4), (20, 20)))
    assert not list(experiment.folder.glob(".writing-*"))


def test_a_reader_sees_labels_on_its_own_field_of_view_and_moves_nothing(experiment):
    video = seen((4, 4), (20, 20))
    draw(follow(experiment, video), video, [6])
    other = seen((6.2, 3), (18, 24), first=5, last=8)
    with Experiment.open(experiment.folder, read_only=True) as reader:
        store = reader.labels_or_none()
        assert labelled_indices(store, other) == (1,)
        expected = moved(cut(6, (4, 4), (20, 20)), (4, 4), (6.2, 3), (18, 24))
        np.testing.assert_array_equal(read_label(store, other, 1), expected)
        with pytest.raises(InputError, match="opened for reading only"):
            follow(reader, other)
        assert follow(reader, video).read_only


def test_labels_of_another_source_are_refused(experiment):
    MaskStore.create(experiment.labels_path, (7, 20, 20))
    with pytest.raises(InputError, match="belong to a source of 7 frames, this one has 20"):
        follow(experiment, seen((0, 0), (20, 20)))


# --- import


def test_masks_of_the_source_are_cut_and_those_of_the_video_taken_as_they_are(experiment):
    drift = np.cumsum(rng.normal(0, 0.7, (FRAMES, 2)), axis=0)
    video = seen((5, 6), (20, 30), first=2, drift=drift)
    store = follow(experiment, video)
    own = cut(9, video.origins_px[7], (20, 30))
    written = import_masks(store, video, {1: TRUTH[1], 4: TRUTH[4], 9: own, 19: TRUTH[19]})
    assert written == store.frames == (4, 9, 19)
    for frame in written:
        origin = video.origins_px[frame - 2]
        np.testing.assert_array_equal(store.read(frame), cut(frame, origin, (20, 30)), err_msg=str(frame))
        assert np.abs(origins_px(store)[frame] - origin).max() <= 0.5
    np.testing.assert_array_equal(origins_px(store)[4], np.rint(origins_px(store)[4]))
    np.testing.assert_array_equal(origins_px(store)[9], video.origins_px[7])


def test_a_trimmed_video_gets_what_it_shows(experiment):
    video = Video.from_frames(TRUTH, name="truth").trimmed(Trim(top=3, left=7, height=20, width=11, first=4))
    store = follow(experiment, video)
    import_masks(store, video, dict(enumerate(TRUTH)))
    assert store.frames == tuple(range(4, FRAMES))
    for index, frame in enumerate(store.frames):
        np.testing.assert_array_equal(store.read(frame), video.frame(index))


def test_existing_labels_are_kept_unless_told_otherwise(experiment):
    video = seen((0, 0), (HEIGHT, WIDTH))
    store = follow(experiment, video)
    painted = np.full((HEIGHT, WIDTH), 2, np.uint8)
    store.write(3, painted)
    assert import_masks(store, video, {3: TRUTH[3], 5: TRUTH[5]}) == (5,)
    np.testing.assert_array_equal(store.read(3), painted)
    assert import_masks(store, video, {3: TRUTH[3]}, overwrite=True) == (3,)
    np.testing.assert_array_equal(store.read(3), TRUTH[3])


def test_a_mask_of_any_other_size_is_refused_before_one_is_written(experiment):
    video = seen((5, 6), (20, 30))
    store = follow(experiment, video)
    with pytest.raises(
        InputError,
        match="the mask of frame 9 is 30 x 20 px, but the video is 20 x 30 px and its source 40 x 50 px",
    ):
        import_masks(store, video, {4: TRUTH[4], 9: np.zeros((30, 20), np.uint8)})
    assert store.frames == ()


def test_labels_of_another_size_than_the_video_are_refused(experiment):
    store = follow(experiment, seen((5, 6), (20, 30)))
    with pytest.raises(InputError, match="the labels are 20 x 30 px, the video 10 x 10 px"):
        import_masks(store, seen((5, 6), (10, 10)), {4: TRUTH[4]})


def test_imported_labels_follow_to_the_pixel(experiment):
    video = seen((5.5, 6.5), (20, 30))
    import_masks(follow(experiment, video), video, {4: TRUTH[4]})
    whole = seen((0, 0), (HEIGHT, WIDTH))
    shown = follow(experiment, whole).read(4)
    inside = shown > 0
    np.testing.assert_array_equal(shown[inside], TRUTH[4][inside])
    assert inside.sum() == (cut(4, (5.5, 6.5), (20, 30)) > 0).sum()


# --- the list


def test_pixels_are_counted_for_each_labelled_frame(experiment):
    store = follow(experiment, seen((0, 0), (4, 5)))
    mask = np.array([[0, 1, 1, 2, 0]] * 4, np.uint8)
    store.write(12, mask)
    store.write(3, mask * 0)
    store.write(5, mask)
    (store.path / "c.5.0.0").write_bytes(b"x")
    empty, broken, full = label_counts(store, DEFAULT_CLASSES)
    assert empty == LabelCount(3, {"dislocation": 0, "stacking_fault": 0})
    assert full == LabelCount(12, {"dislocation": 8, "stacking_fault": 4})
    assert (broken.frame, broken.pixels) == (5, {})
    assert "the mask of frame 5 is damaged" in broken.problem
