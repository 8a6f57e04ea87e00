"""A field of view, rendered: what is known to lie somewhere is seen there."""

from pathlib import Path

import dask
import numpy as np
import pytest
from drifting_textures import drifting, motion_of, moved, texture, wandering
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.errors import InputError
from glissile.io.video_files import read_video
from glissile.progress import finish
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
from glissile.stabilize.field_of_view import FieldOfViewSettings, field_of_view, fields_of_view
from glissile.stabilize.resample import cut, fix_field_of_view, restricted
from glissile.video import Trim, Video

DATA = Path(__file__).parents[2].parent / "shared" / "data"
KINDS = ("common", "union", "range", "segments")


def fixed_to(video, motion, kind="common"):
    own = restricted(motion, video)
    return fix_field_of_view(video, field_of_view(own, video.shape[1:], FieldOfViewSettings(kind=kind)))


DTYPES = st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.float32, np.float64])


@given(hnp.arrays(DTYPES, (3, 20, 24)))
@settings(max_examples=40, deadline=None)
def test_no_motion_is_the_identity(frames):
    video = Video.from_frames(frames, name="clip")
    fixed = fixed_to(video, motion_of(np.zeros((3, 2))))
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
    fixed = fixed_to(Video.from_frames(frames, name="clip"), motion_of(path))
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
    fixed = fixed_to(Video.from_frames(frames, name="clip"), motion_of(path))
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


def test_origins_add_up_over_trim_and_motion():
    source = texture((100, 120)).astype(np.float32)
    path = np.array([(0, 0), (2.5, -1.25), (4, 3)])
    frames = np.stack([moved(source, tuple(step)) for step in path]).astype(np.float32)
    trimmed = Video.from_frames(frames, name="clip", nm_per_pixel=2.0).trimmed(
        Trim(top=10, left=20, height=80, width=90, first=1)
    )
    fixed = fixed_to(trimmed, motion_of(path))
    assert fixed.frame_numbers.tolist() == [1, 2]
    assert fixed.nm_per_pixel == 2.0
    assert fixed.provenance[-2:] == (
        "by hand",
        "field of view: All frames show the same 92 % of the frame, 85 x 78 px",
    )
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
    fixed = fixed_to(video, finish(estimate_motion(video, StabilizeSettings())))
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
    fixed = fixed_to(watched, motion_of(wandering(5)))
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
    np.testing.assert_array_equal(fixed_to(whole, motion).frames, fixed_to(video, motion).frames)


def test_frames_without_motion_are_named():
    video = Video.from_frames(drifting(np.zeros((5, 2))), name="twip.mkv")
    with pytest.raises(InputError, match=r"twip.mkv: the motion of frame 3 and 1 more is not known"):
        fixed_to(video, motion_of(np.zeros((3, 2))))
    with pytest.raises(InputError, match=r"frame 0 is not known"):
        fixed_to(video, motion_of(np.zeros((9, 2)), first=1))


# --- canvases

# In steps of which sums are exact, so that where a sample lies can be told without rounding.
STEPS = st.integers(-20 * 16, 20 * 16).map(lambda n: n / 16)
EXACT_PATHS = st.lists(st.tuples(STEPS, STEPS), min_size=1, max_size=6).map(np.array)


@given(EXACT_PATHS, st.sampled_from(KINDS))
@settings(max_examples=60, deadline=None)
def test_a_pixel_is_valid_only_where_its_sample_lies_on_the_frame(path, kind):
    path = path / 2
    video = Video.from_frames(np.ones((len(path), 40, 50), np.uint8), name="clip")
    fixed = fixed_to(video, motion_of(path), kind)
    for k in range(len(fixed)):
        rows, columns = (
            start + np.arange(n) for start, n in zip(fixed.origins_px[k], fixed.shape[1:], strict=True)
        )
        on_frame = ((rows >= 0) & (rows <= 39))[:, None] & ((columns >= 0) & (columns <= 49))
        valid = fixed.valid_mask(k)
        assert not (valid & ~on_frame).any()
        if kind == "union":
            np.testing.assert_array_equal(valid, on_frame)
        np.testing.assert_array_equal(fixed.frame(k), valid)  # 1 where there are data, 0 beside them


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=6).map(np.array),
    st.sampled_from(KINDS),
)
@settings(max_examples=60, deadline=None)
def test_every_valid_pixel_shows_the_same_point_of_the_specimen_in_all_frames(path, kind):
    specimen = np.arange(100 * 100, dtype=np.uint16).reshape(100, 100)  # each point has a value of its own
    frames = np.stack([specimen[30 - dy : 66 - dy, 30 - dx : 70 - dx] for dy, dx in path])
    motion = motion_of(path)
    chosen = field_of_view(motion, (36, 40), FieldOfViewSettings(kind=kind))
    fixed = fix_field_of_view(Video.from_frames(frames, name="clip"), chosen)
    area, (dy, dx) = chosen.rectangle, path[0]
    top, left = 30 - dy + area.top, 30 - dx + area.left
    shown = specimen[top : top + area.height, left : left + area.width]
    for k in range(len(fixed)):
        valid = fixed.valid_mask(k)
        assert valid.any()
        np.testing.assert_array_equal(fixed.frame(k), np.where(valid, shown, 0))


def test_parts_of_a_pixel_are_undone_on_a_canvas():
    y, x = np.mgrid[:60, :70]
    path = wandering(8, 4, 1.5)
    frames = np.stack([10.0 * (y - dy) + (x - dx) for dy, dx in path])  # of a point (y, x): 10 y + x
    motion = motion_of(path)
    chosen = field_of_view(motion, (60, 70), FieldOfViewSettings(kind="union"))
    fixed = fix_field_of_view(Video.from_frames(frames, name="clip"), chosen)
    area = chosen.rectangle
    truth = 10.0 * (area.top + np.arange(area.height))[:, None] + area.left + np.arange(area.width)
    for k in range(len(fixed)):
        rows, columns = fixed.valid_part(k)
        inner = slice(rows.start + 3, rows.stop - 3), slice(columns.start + 3, columns.stop - 3)
        np.testing.assert_allclose(fixed.frame(k)[inner], truth[inner], atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_without_motion_every_kind_is_the_identity(kind):
    frames = drifting(np.zeros((5, 2)))
    video = Video.from_frames(frames, name="clip")
    fixed = fixed_to(video, motion_of(np.zeros((5, 2))), kind)
    np.testing.assert_array_equal(fixed.frames, frames)
    np.testing.assert_array_equal(fixed.origins_px, video.origins_px)
    assert fixed.valid_px is None


def test_a_range_keeps_the_numbers_and_times_of_its_frames():
    path = np.zeros((10, 2))
    path[:4] = 60
    video = Video.from_frames(
        drifting(np.zeros((12, 2)), (64, 64)), name="clip", seconds_per_frame=0.5
    ).trimmed(Trim(first=2))
    fixed = fixed_to(video, motion_of(path, first=2), "range")
    assert fixed.frame_numbers.tolist() == list(range(6, 12))
    assert fixed.times_s.tolist() == [0.5 * n for n in range(6, 12)]
    assert fixed.shape == (6, 64, 64)
    np.testing.assert_array_equal(fixed.frames, video.frames[4:])


def test_a_field_of_view_of_another_video_is_not_applied():
    video = Video.from_frames(drifting(wandering(4)), name="clip")
    chosen = field_of_view(motion_of(wandering(5)), video.shape[1:])
    with pytest.raises(ValueError, match="does not go with"):
        fix_field_of_view(video, chosen)
    union = fixed_to(video, motion_of(wandering(4)), "union")
    again = field_of_view(motion_of(np.zeros((4, 2))), union.shape[1:])
    with pytest.raises(ValueError, match="does not go with"):
        fix_field_of_view(union, again)


@pytest.mark.skipif(not DATA.exists(), reason="the published data set is not there")
def test_the_2_um_video_drifts_and_a_canvas_keeps_all_of_it():
    video = read_video(DATA / "twip-2um" / "video.mp4")
    motion = finish(estimate_motion(video, StabilizeSettings()))
    found = fields_of_view(motion, video.shape[1:])
    assert 0.75 < found["common"].share_kept < 0.9
    assert found["union"].share_kept > 0.99
    assert found["segments"].share_kept >= 0.6
    assert field_of_view(motion, video.shape[1:]).kind == "common"
    fixed = fix_field_of_view(video, found["union"])
    assert all(size > of for size, of in zip(fixed.shape[1:], video.shape[1:], strict=True))
    last = len(video) - 1
    seen, recorded = fixed.frame(last)[fixed.valid_part(last)], video.frame(last)
    assert seen.size > 0.99 * recorded.size
    assert abs(float(seen.mean()) - float(recorded.mean())) < 0.5
