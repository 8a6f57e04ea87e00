import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.errors import InputError
from glissile.experiment import MaskStore
from glissile.label.annotations import (
    cut,
    import_masks,
    labelled_indices,
    read_label,
    remove_label,
    write_label,
)
from glissile.stabilize.field_of_view import FieldOfViewSettings, field_of_view
from glissile.stabilize.motion import Motion
from glissile.stabilize.resample import fix_field_of_view
from glissile.video import Trim, Video

FRAMES, HEIGHT, WIDTH = 20, 40, 50
rng = np.random.default_rng(3)
# The truth: what is to be seen at each pixel of each frame of the source.
TRUTH = rng.integers(0, 3, (FRAMES, HEIGHT, WIDTH), np.uint8)
DRIFT = np.cumsum(rng.normal(0, 0.7, (FRAMES, 2)), axis=0)


@pytest.fixture
def store(tmp_path):
    return MaskStore.create(tmp_path / "labels.zarr", (FRAMES, HEIGHT, WIDTH))


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


def in_source(video, index):
    """Row and column (y, x) in the source of each pixel of a frame, to half a pixel."""
    start = np.array([int(np.floor(v + 0.5)) for v in video.origins_px[index].round(6)])
    assert np.abs(start - video.origins_px[index]).max() <= 0.5 + 1e-6
    return np.moveaxis(np.indices(video.shape[1:]), 0, -1) + start


def true_label(video, index):
    """What a frame shows, looked up pixel by pixel; 0 outside the source."""
    number = video.frame_numbers[index]
    label = np.zeros(video.shape[1:], np.uint8)
    for pixel, (y, x) in zip(np.ndindex(label.shape), in_source(video, index).reshape(-1, 2), strict=True):
        if 0 <= y < HEIGHT and 0 <= x < WIDTH:
            label[pixel] = TRUTH[number, y, x]
    return label


def draw(store, video, numbers):
    for number in numbers:
        index = video.index_of(number)
        write_label(store, video, index, true_label(video, index))


sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))
origins = st.tuples(st.floats(-70, 70), st.floats(-70, 70))


@st.composite
def working_videos(draw):
    """As trimming and stabilizing give them: of any size, anywhere within the source."""
    shape = draw(st.integers(1, HEIGHT)), draw(st.integers(1, WIDTH))
    room = HEIGHT - shape[0], WIDTH - shape[1]
    return seen([draw(st.floats(0, r)) for r in room], shape, last=0)


@given(origins, sizes)
def test_a_label_is_cut_where_the_field_of_view_lies(origin, shape):
    video = seen(origin, shape, last=0)
    np.testing.assert_array_equal(cut(TRUTH[0], video, 0), true_label(video, 0))


@given(working_videos(), st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back_and_the_rest_of_the_source_stays(tmp_path_factory, video, data):
    store = MaskStore.create(tmp_path_factory.mktemp("masks") / "labels.zarr", (1, HEIGHT, WIDTH))
    store.write(0, TRUTH[0])
    mask = data.draw(hnp.arrays(np.uint8, video.shape[1:], elements=st.integers(0, 255), fill=st.just(7)))
    write_label(store, video, 0, mask)
    np.testing.assert_array_equal(read_label(store, video, 0), mask)
    expected = TRUTH[0].copy()
    rows, columns = np.moveaxis(in_source(video, 0), -1, 0)
    expected[rows, columns] = mask
    np.testing.assert_array_equal(store.read(0), expected)


@given(origins, sizes)
@settings(max_examples=60, deadline=None)
def test_what_lies_outside_the_source_is_not_kept(tmp_path_factory, origin, shape):
    store = MaskStore.create(tmp_path_factory.mktemp("masks") / "labels.zarr", (1, HEIGHT, WIDTH))
    video = seen(origin, shape, last=0)
    write_label(store, video, 0, np.full(shape, 5, np.uint8))
    place = in_source(video, 0)
    inside = ((place >= 0) & (place < (HEIGHT, WIDTH))).all(axis=-1)
    np.testing.assert_array_equal(read_label(store, video, 0), np.where(inside, 5, 0))
    assert np.count_nonzero(store.read(0)) == np.count_nonzero(inside)
    assert store.frames == (0,)


@given(
    st.tuples(st.integers(0, 30), st.integers(0, 30)),
    st.tuples(st.integers(0, 8), st.integers(0, 8)),
    st.sampled_from([0, 1e-9, -1e-9]),
)
def test_a_crop_that_moves_by_whole_pixels_moves_the_label_by_as_much(halves, by, rounding):
    origin = np.divide(halves, 2)  # where it is a toss-up to which pixel a label goes
    label = cut(TRUTH[0], seen(origin, (20, 20), last=0), 0)
    np.testing.assert_array_equal(
        cut(TRUTH[0], seen(origin + by + rounding, (10, 10), last=0), 0),
        label[by[0] : by[0] + 10, by[1] : by[1] + 10],
    )


def test_labels_stay_on_the_same_pixels_of_the_source_when_the_field_of_view_changes(store):
    trimmed = seen((8, 9), (24, 32))
    draw(store, trimmed, [0, 4, 11, 19])
    stabilized = seen((12.4, 14.2), (13, 15), drift=DRIFT / 2)
    assert labelled_indices(store, stabilized) == (0, 4, 11, 19)
    for frame in store.frames:
        place = in_source(stabilized, frame)
        assert ((place >= (8, 9)) & (place < (32, 41))).all(), "the truth must be within what was drawn"
        np.testing.assert_array_equal(read_label(store, stabilized, frame), true_label(stabilized, frame))


def test_a_field_of_view_that_shrinks_and_grows_again_loses_nothing(store):
    large, small = seen((4, 4), (30, 40)), seen((12.4, 14.2), (9, 10), first=8, last=12, drift=DRIFT)
    draw(store, large, [1, 9, 18])
    redrawn = np.full((9, 10), 3, np.uint8)
    write_label(store, small, 1, redrawn)
    assert store.frames == (1, 9, 18)
    assert labelled_indices(store, small) == (1,)
    for frame in (1, 18):
        np.testing.assert_array_equal(read_label(store, large, frame), true_label(large, frame))
    expected = np.pad(true_label(large, 9), ((4, 6), (4, 6)))
    rows, columns = np.moveaxis(in_source(small, 1), -1, 0)
    expected[rows, columns] = redrawn
    np.testing.assert_array_equal(store.read(9), expected)


def test_a_frame_without_defects_is_labelled(store):
    video = seen((5, 6), (20, 30), first=3)
    write_label(store, video, 2, np.zeros((20, 30), np.uint8))
    assert labelled_indices(store, video) == (2,)
    assert store.frames == (5,)
    assert not read_label(store, video, 2).any()
    assert not remove_label(store, video, 2)
    assert store.frames == ()


def test_removing_a_label_keeps_what_lies_outside_the_field_of_view(store):
    large, small = seen((4, 4), (30, 40)), seen((10, 10), (5, 5), first=2)
    draw(store, large, [7])
    assert remove_label(store, small, 5)
    assert store.frames == (7,)
    assert not read_label(store, small, 5).any()
    expected = true_label(large, 7)
    expected[6:11, 6:11] = 0
    np.testing.assert_array_equal(read_label(store, large, 7), expected)
    assert not remove_label(store, large, 7)
    assert not remove_label(store, large, 7)
    assert store.frames == ()


def test_a_mask_of_another_size_than_the_video_is_refused(store):
    for shape in ((1, 1), (30, 20), (HEIGHT, WIDTH)):
        with pytest.raises(InputError, match="does not fit frame 3 of the 20 x 30 px video"):
            write_label(store, seen((5, 6), (20, 30)), 3, np.zeros(shape, np.uint8))
    assert store.frames == ()


def test_a_damaged_label_is_named_and_not_written_over(store):
    video = seen((5, 6), (20, 30))
    draw(store, video, [1, 2])
    chunk = store.path / "c.2.0.0"
    chunk.write_bytes(b"damaged")
    for change in (
        lambda: read_label(store, video, 2),
        lambda: write_label(store, video, 2, np.ones((20, 30), np.uint8)),
        lambda: remove_label(store, video, 2),
    ):
        with pytest.raises(InputError, match="mask of frame 2 is damaged"):
            change()
    assert chunk.read_bytes() == b"damaged"
    np.testing.assert_array_equal(read_label(store, video, 1), true_label(video, 1))


# --- import


def test_masks_of_the_source_are_taken_whole_and_those_of_the_video_where_it_lies(store):
    video = seen((8, 9), (20, 30), first=2, last=12, drift=DRIFT)
    written = import_masks(
        store, video, {1: TRUTH[1], 4: TRUTH[4], 9: true_label(video, 7), 19: TRUTH[19], 20: TRUTH[0]}
    )
    assert written == store.frames == (1, 4, 9, 19)
    for frame in (1, 4, 19):
        np.testing.assert_array_equal(store.read(frame), TRUTH[frame], err_msg=str(frame))
    for index in labelled_indices(store, video):
        np.testing.assert_array_equal(read_label(store, video, index), true_label(video, index))
    assert np.count_nonzero(store.read(9)) == np.count_nonzero(true_label(video, 7))


def test_nobody_knows_where_a_small_mask_outside_the_frame_range_lies(store):
    video = seen((8, 9), (20, 30), first=2, drift=DRIFT)
    small = np.ones((20, 30), np.uint8)
    assert import_masks(store, video, {1: small, 2: small, 20: small}) == (2,)


def test_a_trimmed_video_shows_what_was_imported(store):
    video = Video.from_frames(TRUTH, name="truth").trimmed(Trim(top=3, left=7, height=20, width=11, first=4))
    import_masks(store, video, dict(enumerate(TRUTH)))
    assert store.frames == tuple(range(FRAMES))
    for index in range(len(video)):
        np.testing.assert_array_equal(read_label(store, video, index), video.frame(index))


@pytest.mark.parametrize("small", [False, True])
def test_existing_labels_are_kept(store, small):
    video = seen((5, 6), (20, 30))
    masks = {frame: true_label(video, frame) if small else TRUTH[frame] for frame in (3, 5)}
    painted = np.full((HEIGHT, WIDTH), 2, np.uint8)
    store.write(3, painted)
    assert import_masks(store, video, masks) == (5,)
    np.testing.assert_array_equal(store.read(3), painted)


def test_a_mask_of_any_other_size_is_refused_before_one_is_written(store):
    with pytest.raises(
        InputError,
        match="the mask of frame 9 is 30 x 20 px, but the video is 20 x 30 px and its source 40 x 50 px",
    ):
        import_masks(store, seen((5, 6), (20, 30)), {4: TRUTH[4], 9: np.zeros((30, 20), np.uint8)})
    assert store.frames == ()


# --- a canvas larger than the frames


def on_canvas(kind, path=DRIFT):
    """A working video of the truth that moved along `path` (t, 2)."""
    n = len(path)
    motion = Motion(path, np.full(n, 0.1), ("",) * n, np.arange(n))
    chosen = field_of_view(motion, (HEIGHT, WIDTH), FieldOfViewSettings(kind=kind))
    return fix_field_of_view(Video.from_frames(TRUTH[:n], name="truth"), chosen)


@pytest.mark.parametrize("kind", ["union", "segments"])
def test_labels_go_to_a_canvas_and_back(store, kind):
    video = on_canvas(kind, DRIFT * (1, 6))
    for frame in (0, 7, 19):
        store.write(frame, TRUTH[frame])
        label = read_label(store, video, frame)
        assert not label[~video.valid_mask(frame)].any()
        place = in_source(video, frame)[video.valid_mask(frame)]
        np.testing.assert_array_equal(label[video.valid_mask(frame)], TRUTH[frame][tuple(place.T)])
        # Painted everywhere on the canvas, but kept where the frame is valid only.
        write_label(store, video, frame, np.full(video.shape[1:], 3, np.uint8))
        np.testing.assert_array_equal(read_label(store, video, frame), 3 * video.valid_mask(frame))
        expected = TRUTH[frame].copy()
        expected[tuple(place.T)] = 3
        np.testing.assert_array_equal(store.read(frame), expected)
        write_label(store, video, frame, label)
        np.testing.assert_array_equal(store.read(frame), TRUTH[frame])


def test_a_mask_of_the_size_of_the_canvas_is_imported_where_the_frame_is_valid(store):
    video = on_canvas("union")
    assert video.shape[1] > HEIGHT
    assert import_masks(store, video, {4: np.full(video.shape[1:], 2, np.uint8), 6: TRUTH[6]}) == (4, 6)
    np.testing.assert_array_equal(read_label(store, video, 4), 2 * video.valid_mask(4))
    np.testing.assert_array_equal(store.read(6), TRUTH[6])


def test_removing_a_label_of_a_segment_keeps_what_lies_beside_it(store):
    video = on_canvas("segments", DRIFT * (1, 6))
    store.write(2, TRUTH[2])
    assert remove_label(store, video, 2)
    expected = TRUTH[2].copy()
    expected[tuple(in_source(video, 2)[video.valid_mask(2)].T)] = 0
    np.testing.assert_array_equal(store.read(2), expected)
