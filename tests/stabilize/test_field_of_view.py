import dask
import numpy as np
import pytest
from drifting_textures import drifting, moved, texture, wandering
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.errors import InputError
from glissile.progress import finish
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
from glissile.stabilize.field_of_view import Rectangle, common_area, cut, fix_field_of_view, share_kept
from glissile.stabilize.motion import Motion
from glissile.video import Trim, Video


def motion_of(path, first=0):
    path = np.asarray(path, float)
    n = len(path)
    return Motion(path, np.full(n, 0.01), ("",) * n, np.arange(first, first + n), ("by hand",))


DTYPES = st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.float32, np.float64])
PATHS = st.integers(1, 6).flatmap(
    lambda n: hnp.arrays(np.float64, (n, 2), elements=st.floats(-20, 20, allow_subnormal=False))
)


@given(PATHS)
@settings(max_examples=80, deadline=None)
def test_the_common_area_lies_in_every_frame(path):
    motion = motion_of(path)
    try:
        area = common_area(motion, (60, 70))
    except InputError:
        assert np.ptp(path, axis=0).max() > 40
        return
    since = path - path[0]
    for start, size, along, length in (
        (area.top, area.height, since[:, 0], 60),
        (area.left, area.width, since[:, 1], 70),
    ):
        assert (start + along).min() >= -1e-9
        assert (start + size - 1 + along).max() <= length - 1 + 1e-9
        # One more row or column on either side would not.
        assert (start - 1 + along).min() < 1e-9
        assert (start + size + along).max() > length - 1 - 1e-9


@given(hnp.arrays(DTYPES, (3, 20, 24)))
@settings(max_examples=40, deadline=None)
def test_no_motion_is_the_identity(frames):
    video = Video.from_frames(frames, name="clip")
    fixed = fix_field_of_view(video, motion_of(np.zeros((3, 2))))
    assert fixed.frames.dtype == frames.dtype
    assert np.asarray(fixed.frames).tobytes() == frames.tobytes()
    np.testing.assert_array_equal(fixed.origins_px, video.origins_px)


@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=2, max_size=5),
    hnp.arrays(DTYPES, (32, 36)),
)
@settings(max_examples=40, deadline=None)
def test_whole_motion_is_an_exact_crop(path, image):
    path = np.array(path)
    frames = np.stack([np.roll(image, step, (0, 1)) for step in path])
    fixed = fix_field_of_view(Video.from_frames(frames, name="clip"), motion_of(path))
    top, left = fixed.origins_px[0].astype(int)
    height, width = fixed.shape[1:]
    since = path - path[0]
    for k, (dy, dx) in enumerate(since):
        there = frames[k, top + dy : top + dy + height, left + dx : left + dx + width]
        np.testing.assert_array_equal(fixed.frame(k), there)
    np.testing.assert_array_equal(fixed.origins_px, np.add(since, (top, left)))


def test_parts_of_a_pixel_are_undone():
    image = texture((128, 128))
    path = wandering(6, 1, 1.0)
    frames = np.stack([moved(image, tuple(step)) for step in path]).astype(np.float32)
    fixed = fix_field_of_view(Video.from_frames(frames, name="clip"), motion_of(path))
    still = np.asarray(fixed.frames)[:, 4:-4, 4:-4]
    assert np.abs(still - still[0]).max() < 0.04 * still.std()
    blurred = np.asarray(frames)[:, 8:-8, 8:-8]
    assert np.abs(blurred - blurred[0]).max() > 0.2 * still.std()


def test_moving_there_and_back():
    image = texture((96, 96)).astype(np.float32)
    there = cut(image, np.array([4.3, 5.8]), (80, 80))
    back = cut(there, np.array([3.7, 4.2]), (70, 70))
    assert np.abs(back - image[8:78, 10:80]).max() < 0.04 * image.std()


@given(st.floats(-10, 50), st.floats(-10, 50))
@settings(max_examples=30, deadline=None)
def test_a_constant_stays_constant_wherever_it_is_sampled(top, left):
    for dtype in (np.uint8, np.float32):
        frame = np.full((32, 32), 200, dtype)
        np.testing.assert_allclose(cut(frame, np.array([top, left]), (16, 16)), 200, rtol=1e-6)


def test_a_ramp_is_sampled_where_it_should_be():
    y, x = np.mgrid[:40, :50]
    ramp = (10.0 * y + x).astype(np.float64)
    sampled = cut(ramp, np.array([6.25, 8.75]), (20, 30))
    expected = 10 * (np.arange(20)[:, None] + 6.25) + np.arange(30) + 8.75
    np.testing.assert_allclose(sampled, expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_integers_do_not_wrap_at_sharp_edges(dtype):
    info = np.iinfo(dtype)
    frame = np.full((40, 40), info.min, dtype)
    frame[:, 20:] = info.max
    sampled = cut(frame, np.array([0.5, 0.5]), (38, 38))
    # The overshoot of the kernel is below a fifth of the step, and only next to it.
    step = float(info.max) - float(info.min)
    assert sampled[:, :19].max() < info.min + 0.2 * step
    assert sampled[:, 20:].min() > info.max - 0.2 * step
    assert (sampled[:, :16] == info.min).all()
    assert (sampled[:, 23:] == info.max).all()


def test_integers_are_rounded_not_cut():
    ramp = np.broadcast_to(np.arange(0, 120, 3, dtype=np.uint8), (40, 40))
    # 3 (x + 0.9) = 3 x + 2.7
    sampled = cut(ramp, np.array([2.0, 4.9]), (20, 20))
    assert (sampled == 3 * (np.arange(20) + 4) + 3).all()


def test_an_overshoot_stays_within_what_the_frame_holds():
    frame = np.zeros((40, 40), np.uint16)
    frame[:, 20:] = 4095
    assert cut(frame, np.array([0.5, 0.5]), (38, 38)).max() == 4095


def test_nan_stays_local():
    frame = np.ones((40, 40), np.float32)
    frame[20, 20] = np.nan
    bad = np.argwhere(np.isnan(cut(frame, np.array([0.5, 0.25]), (38, 38))))
    assert np.abs(bad - 20).max() <= 3
    assert np.isnan(cut(frame, np.array([1.0, 2.0]), (38, 38))).sum() == 1


def test_the_share_that_is_kept_is_one_of_area():
    assert share_kept((3, 30, 20), (3, 60, 50)) == 0.2
    assert share_kept((1, 30, 20), (3, 30, 20)) == 1


def test_origins_add_up_over_trim_and_motion():
    source = texture((100, 120)).astype(np.float32)
    path = np.array([(0, 0), (2.5, -1.25), (4, 3)])
    frames = np.stack([moved(source, tuple(step)) for step in path]).astype(np.float32)
    trimmed = Video.from_frames(frames, name="clip", nm_per_pixel=2.0).trimmed(
        Trim(top=10, left=20, height=80, width=90, first=1)
    )
    fixed = fix_field_of_view(trimmed, motion_of(path))
    assert fixed.frame_numbers.tolist() == [1, 2]
    assert fixed.nm_per_pixel == 2.0
    assert fixed.provenance[-2:] == ("by hand", "cropped to the 78 x 85 px that all frames show")
    np.testing.assert_allclose(fixed.origins_px[1] - fixed.origins_px[0], path[2] - path[1])
    for k in (0, 1):
        # Pixel (i, j) of frame k samples source position origins_px[k] + (i, j).
        y, x = fixed.origins_px[k]
        expected = moved(frames[k + 1], (-(y % 1), -(x % 1)))[int(y) :, int(x) :]
        inner = (slice(4, 60), slice(4, 60))
        assert np.abs(fixed.frame(k)[inner] - expected[inner]).max() < 0.03 * source.std()


def test_estimated_and_applied_the_specimen_stands_still():
    path = wandering(20, 3, 0.8)
    video = Video.from_frames(drifting(path, noise=2), name="clip")
    fixed = fix_field_of_view(video, finish(estimate_motion(video, StabilizeSettings())))
    left = finish(estimate_motion(fixed, StabilizeSettings())).displacements_px
    assert np.abs(left).max() < 0.1


def test_frames_are_made_one_by_one_and_only_when_asked():
    made = []

    def load(block, block_info):
        made.append(block_info[0]["chunk-location"][0])
        return block

    video = Video.from_frames(drifting(wandering(5)), name="clip")
    watched = Video.from_frames(
        video.frames.map_blocks(load, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)), name="clip"
    )
    fixed = fix_field_of_view(watched, motion_of(wandering(5)))
    assert made == []
    assert fixed.frames.chunks[0] == (1,) * 5
    with dask.config.set(scheduler="synchronous"):
        fixed.frame(3)
    assert made == [3]


def test_a_video_in_chunks_of_many_frames():
    frames = drifting(wandering(6))
    video = Video.from_frames(frames, name="clip")
    whole = Video.from_frames(video.frames.rechunk((4, 50, 60)), name="clip")
    motion = motion_of(wandering(6))
    np.testing.assert_array_equal(
        fix_field_of_view(whole, motion).frames, fix_field_of_view(video, motion).frames
    )


def test_frames_without_motion_are_named():
    video = Video.from_frames(drifting(np.zeros((5, 2))), name="twip.mkv")
    with pytest.raises(InputError, match=r"twip.mkv: the motion of frame 3 and 1 more is not known"):
        fix_field_of_view(video, motion_of(np.zeros((3, 2))))
    with pytest.raises(InputError, match=r"frame 0 is not known"):
        fix_field_of_view(video, motion_of(np.zeros((9, 2)), first=1))


def test_nothing_in_common_names_the_worst_frames():
    path = np.zeros((9, 2))
    path[4], path[7] = (0, -30), (0, 31)
    with pytest.raises(InputError, match=r"Frames 4 and 7 lie 61 px apart, so that of 70 px width only 9 px"):
        common_area(motion_of(path), (64, 70))
    path[7, 1] = 24
    assert common_area(motion_of(path), (64, 70)) == Rectangle(0, 30, 64, 16)
    path *= 10
    with pytest.raises(InputError, match="only 0 px"):
        common_area(motion_of(path), (64, 70))


def test_a_small_video_that_does_not_move_is_kept_whole():
    assert common_area(motion_of(np.zeros((2, 2))), (8, 5)) == Rectangle(0, 0, 8, 5)
