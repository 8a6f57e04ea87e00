import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.ndimage as ndi
from drifting_textures import (
    burnt,
    burnt_in,
    clean,
    drifting,
    lit,
    moved,
    recorded,
    swept,
    texture,
    wandering,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from glissile.errors import InputError
from glissile.io.video_files import read_video
from glissile.progress import finish
from glissile.stabilize import displacements
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion, whole_frames
from glissile.stabilize.regions import ANCHOR, LEFT_OUT, SPECIMEN, Regions
from glissile.video import Video

SAMPLE = Path(__file__).parents[2] / "sample_data"
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def estimated(frames, **changes):
    video = Video.from_frames(frames, name="clip")
    return finish(estimate_motion(video, StabilizeSettings(**changes)))


def error_of(motion, path):
    error = motion.displacements_px - path
    return np.linalg.norm(error - error.mean(axis=0), axis=1)


def guided(frames, values, anchor_index=0):
    """Motion of frames on which regions were drawn."""
    return finish(whole_frames(frames, StabilizeSettings(), Regions(values, anchor_index)))


def assert_honest(motion, path, within=0.99):
    """Errors are within three standard errors, and none that matters is told to be small."""
    error = motion.displacements_px - path
    known = motion.sigma_px < 2 * motion.sigma_px.min()
    error = np.abs(error - np.median(error[known], axis=0)).max(axis=1)
    assert (error <= 3 * motion.sigma_px).mean() >= within
    assert (motion.sigma_px > error / 3)[error > 1].all()


# the default method


@pytest.mark.parametrize("seed", range(3))
def test_constructed_drift_is_found_to_a_tenth_of_a_pixel(seed):
    path = wandering(60, seed)
    motion = estimated(drifting(path, seed=seed))
    error = error_of(motion, path)
    assert error.max() < 0.1
    assert set(motion.flags) == {""}
    assert (error < 3 * motion.sigma_px).mean() > 0.97
    assert motion.sigma_px.max() < 0.3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_dtype_does_not_matter(dtype):
    path = wandering(12, 5)
    frames = drifting(path, dtype=np.float64)
    if dtype == np.uint16:
        frames = frames * 200
    elif dtype == np.int16:
        frames = frames * 100 - 20_000
    elif dtype == np.float64:
        frames = frames * 1e30
    motion = estimated(frames.astype(dtype))
    assert error_of(motion, path).max() < 0.1


@given(
    st.integers(0, 2**31),
    st.tuples(st.integers(-12, 12), st.integers(-12, 12)),
)
@settings(max_examples=12, deadline=None)
def test_whole_shifts_are_found_whole(seed, shift):
    image = texture((112, 112), seed)
    frames = np.stack([image, np.roll(image, shift, (0, 1))])[:, 16:-16, 16:-16].round().astype(np.uint8)
    assert np.abs(displacements(frames)[0][1] - shift).max() < 0.1


@given(st.integers(0, 2**31), st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)))
@settings(max_examples=8, deadline=None)
def test_moving_the_window_moves_the_estimate(seed, shift):
    path = wandering(4, seed)
    base = estimated(drifting(path, (80, 80), seed=seed)).displacements_px
    path[2:] += shift
    other = estimated(drifting(path, (80, 80), seed=seed)).displacements_px
    assert np.abs(other - base - [(0, 0), (0, 0), shift, shift]).max() < 0.1


def test_reversed_order_gives_the_reversed_path():
    frames = drifting(wandering(30, 3))
    forth = estimated(frames).displacements_px
    back = estimated(frames[::-1]).displacements_px[::-1]
    assert np.abs((forth - forth[0]) - (back - back[0])).max() < 0.08


@pytest.mark.parametrize("jump", [(0, 35), (-28, 14), (20, -40)])
def test_a_jump_is_found_and_flagged(jump):
    path = wandering(20, 1)
    path[10:] += jump
    motion = estimated(drifting(path))
    assert error_of(motion, path).max() < 0.15
    assert [k for k, flag in enumerate(motion.flags) if flag] == [10]
    assert motion.flags[10] == "jump"


@pytest.mark.parametrize("speed", [0.15, 0.8])
def test_what_is_burnt_in_does_not_capture_the_estimate(speed):
    path = np.linspace(0, 1, 60)[:, None] * (-25, 40) * speed + wandering(60, 2, 0.1)
    motion = estimated(burnt_in(drifting(path, (160, 224))))
    assert error_of(motion, path).max() < 0.3
    assert (error_of(motion, path) < 3 * motion.sigma_px * np.sqrt(2)).mean() > 0.9


def test_a_jump_is_not_mistaken_for_rest_under_a_clock():
    path = wandering(20, 1)
    path[10:] += (3, 9)
    motion = estimated(burnt_in(drifting(path, (96, 128), noise=12)))
    assert error_of(motion, path).max() < 0.3
    assert motion.flags[10] == "jump"


def test_changing_light_does_not_matter():
    path = wandering(30, 4)
    frames = drifting(path, dtype=np.float32)
    gain = 0.6 + 0.4 * np.cos(np.linspace(0, 6, 30))
    tilt = np.linspace(0.6, 1.4, frames.shape[2])
    frames = frames * gain[:, None, None] * np.linspace(tilt, tilt[::-1], 30)[:, None]
    assert error_of(estimated(frames), path).max() < 0.1


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", ["clean", "noisy", "very noisy", "overlaid", "lit", "band", "all"])
def test_errors_are_told_whatever_the_frames_look_like(case, seed):
    path = wandering(60, seed)
    specimen = clean(path, (160, 224), seed=seed)
    frames = {
        "clean": lambda: recorded(specimen, noise=1, seed=seed),
        "noisy": lambda: recorded(specimen, noise=20, seed=seed),
        "very noisy": lambda: recorded(specimen, noise=60, seed=seed),
        "overlaid": lambda: burnt_in(recorded(specimen, noise=8, seed=seed)),
        "lit": lambda: recorded(0.7 * lit(specimen), noise=4, seed=seed),
        "band": lambda: recorded(swept(specimen, path), noise=8, seed=seed),
        "all": lambda: burnt_in(recorded(0.7 * lit(swept(specimen, path)), noise=8, seed=seed)),
    }[case]()
    motion = estimated(frames)
    assert error_of(motion, path).max() < 0.2
    assert set(motion.flags) == {""}
    assert np.median(motion.sigma_px) < 0.15
    assert_honest(motion, path)


@pytest.mark.parametrize(
    ("contrast", "seed"),
    [
        (0.02, 0),
        (0.06, 1),
        (0.1, 0),
        (0.1, 1),
        (0.13, 0),
        (0.13, 1),
        (0.2, 0),
    ],
)
def test_a_specimen_that_is_lost_in_noise_is_not_told_to_be_known(contrast, seed):
    path = wandering(60, seed)
    frames = recorded(120 + contrast * (clean(path, (96, 128), seed=seed) - 120), noise=20, seed=seed)
    assert_honest(estimated(frames), path)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("speed", [0.0, 0.4])
def test_a_bend_contour_that_fills_most_of_the_frame_does_not_drag_the_estimate(seed, speed):
    path = wandering(100, seed) * speed
    frames = recorded(swept(clean(path, seed=seed), path), seed=seed)
    motion = estimated(frames)
    assert error_of(motion, path).max() < 0.25
    assert np.sqrt(np.square(error_of(motion, path)).mean()) < 0.06
    assert_honest(motion, path)


@given(
    st.tuples(st.integers(0, 24), st.integers(0, 24), st.integers(104, 128), st.integers(136, 160)),
)
@settings(max_examples=8)
def test_part_of_the_frame_tells_the_same(box):
    path = wandering(24, 3, 0.3)
    frames = drifting(path)
    top, left, bottom, right = box
    whole, part = estimated(frames), estimated(frames[:, top:bottom, left:right])
    apart = whole.displacements_px - part.displacements_px
    sigma = np.hypot(whole.sigma_px, part.sigma_px)
    assert (np.abs(apart - apart.mean(axis=0)).max(axis=1) < 3 * sigma).all()


@given(st.floats(0.1, 50), st.floats(0, 2000))
@settings(max_examples=8)
def test_other_grey_values_for_the_same_change_nothing(gain, offset):
    path = wandering(16, 4)
    frames = drifting(path, (80, 96), dtype=np.float32)
    plain, other = estimated(frames), estimated(np.float32(gain) * (frames + np.float32(offset)))
    assert np.abs(plain.displacements_px - other.displacements_px).max() < 0.02


@pytest.mark.parametrize("constant", [False, True])
def test_a_still_video_without_noise_is_still(constant):
    image = np.full((96, 128), 77.0) if constant else clean(np.zeros((1, 2)), (96, 128))[0]
    motion = estimated(np.repeat(image[None].astype(np.uint8), 30, axis=0))
    assert np.abs(motion.displacements_px).max() < 0.001
    assert motion.overlay is None
    assert (motion.sigma_px > 10).all() == constant


def test_what_is_burnt_in_is_told():
    frames = burnt_in(drifting(wandering(40, 2), (160, 224)), dead_pixels=False)
    motion = estimated(frames)
    drawn = burnt(frames.shape)
    assert motion.overlay[drawn].all()
    assert (motion.overlay & ~drawn).mean() < 0.05
    assert estimated(frames, find_overlay=False).overlay is None


# views


def test_what_lies_before_and_behind_another_scene_shares_one_coordinate_system():
    path = wandering(72, 3)
    frames = drifting(path, seed=1)
    frames[24:48] = drifting(path[24:48], seed=2)
    motion = estimated(frames)
    back = np.r_[0:24, 48:72]
    error = np.abs(motion.displacements_px - path)
    assert error[back].max() < 0.2
    assert (error[back].max(axis=1) < 3 * np.sqrt(2) * motion.sigma_px[back]).all()
    assert motion.sigma_px[back].max() < 0.3
    assert motion.sigma_px[24:48].min() > 10
    assert [k for k, flag in enumerate(motion.flags) if flag == "jump"] == [24, 48]
    # Where the other scene lies nobody knows: it is put where the one before it was left.
    assert np.abs(motion.displacements_px[24] - motion.displacements_px[23]).max() < 1e-9
    steps = np.diff(motion.displacements_px[24:48] - path[24:48], axis=0)
    assert np.abs(steps).max() < 0.1


def windows(path, shape=(128, 160)):
    """Frames of one large texture, seen by a window that moves by whole pixels."""
    image = texture((420, 500), 3)
    (height, width), tops = shape, 146 - path
    return recorded(np.stack([image[y : y + height, x + 24 : x + 24 + width] for y, x in tops]))


@pytest.mark.parametrize(
    "jump", [(0, 100), (0, -90), (70, 0), (-75, 0), (60, -40), (-75, 30), (0, 140), (110, 0), (-100, 120)]
)
def test_a_jump_by_more_than_half_the_frame_is_never_a_wild_guess(jump):
    path = np.zeros((40, 2), int)
    path[24:] = jump
    motion = estimated(windows(path))
    assert_honest(motion, path)
    assert motion.flags[24] in ("jump", "interpolated")
    shared = np.prod(1 - np.abs(jump) / np.array((128, 160)))
    assert shared < 0.36 or error_of(motion, path).max() < 0.1


# regions


def torn(ways, shape=(128, 192), count=40):
    """Frames of two grains side by side that move apart, and the way of each."""
    paths = [np.linspace(0, 1, count)[:, None] * way for way in ways]
    frames = clean(paths[0], shape)
    frames[:, :, shape[1] // 2 :] = clean(paths[1], shape, seed=3)[:, :, shape[1] // 2 :]
    return recorded(frames), paths


@pytest.mark.parametrize("drawn_on", [0, 25])
@pytest.mark.parametrize("grain", [0, 1])
def test_an_anchor_is_held_on_to_while_the_grains_move_apart(grain, drawn_on):
    frames, paths = torn([(6.0, 4.0), (-5.0, 7.0)])
    values = np.zeros(frames.shape[1:], np.uint8)
    values[16:-16, 12:80] = 0 if grain else ANCHOR
    values[16:-16, 112:180] = ANCHOR if grain else 0
    motion = guided(frames, values, drawn_on)
    error = motion.displacements_px - paths[grain]
    assert np.sqrt(np.square(error - error.mean(axis=0)).mean()) < 0.05
    assert_honest(motion, paths[grain])


def test_what_is_left_out_does_not_hold_the_estimate_back():
    frames, paths = torn([(0.0, 0.0), (-5.0, 7.0)])
    values = np.zeros(frames.shape[1:], np.uint8)
    values[:, :96] = LEFT_OUT
    motion = guided(frames, values)
    assert error_of(motion, paths[1]).max() < 0.1
    assert_honest(motion, paths[1])


def test_marks_of_specimen_override_what_was_found_to_be_drawn_over_the_frames():
    # A specimen without noise that stands still most of the time, among noise.
    path = np.zeros((40, 2))
    path[32:] = 4, -3
    frames = np.random.default_rng(1).normal(120, 20, (40, 96, 128))
    frames[:, 24:72, 32:96] = clean(path, (96, 128))[:, 24:72, 32:96]
    frames = frames.clip(0, 255).astype(np.uint8)
    values = np.zeros((96, 128), np.uint8)
    assert "interpolated" in guided(frames, values).flags or "few features" in guided(frames, values).flags
    values[20:76, 28:100] = SPECIMEN
    motion = guided(frames, values)
    assert error_of(motion, path).max() < 0.3
    assert_honest(motion, path)


@pytest.mark.parametrize("edge", [1, 2])
def test_an_anchor_that_is_too_small_to_follow_is_told(edge):
    path = wandering(30, 1)
    values = np.zeros((96, 128), np.uint8)
    values[40 : 40 + edge, 50 : 50 + edge] = ANCHOR
    motion = guided(drifting(path, (96, 128)), values)
    assert_honest(motion, path)
    assert set(motion.flags) <= {"few features", "jump"}


def test_all_left_out_is_not_measured():
    frames = drifting(wandering(14, 1), (64, 80))
    motion = guided(frames, np.full((64, 80), LEFT_OUT, np.uint8))
    assert not motion.displacements_px.any()
    assert set(motion.flags) == {"few features"}


# real frames


def test_the_known_drift_of_the_sample_is_found():
    with (SAMPLE / "truth" / "motion.csv").open(encoding="utf-8") as lines:
        path = np.array([(float(row["dy_px"]), float(row["dx_px"])) for row in csv.DictReader(lines)])
    motion = finish(estimate_motion(read_video(SAMPLE / "video.mp4"), StabilizeSettings()))
    error = motion.displacements_px - path
    error -= error.mean(axis=0)
    assert np.sqrt(np.square(error).mean()) < 0.05
    assert motion.overlay is not None
    assert_honest(motion, path)


def test_a_window_that_moves_over_real_frames_is_found():
    if not (DATA / "twip-2um" / "video.mp4").exists():
        pytest.skip("the published recordings are not there")
    video = read_video(DATA / "twip-2um" / "video.mp4")
    mean = np.mean([video.frame(index) for index in range(5)], axis=0)
    path = wandering(60, 1, 0.3)
    path *= np.minimum(1, 18 / np.abs(path).max())
    frames = recorded(
        np.stack([ndi.shift(mean, step, order=3, mode="nearest")[20:-20, 20:-20] for step in path])
    )
    motion = estimated(frames)
    error = motion.displacements_px - path
    error -= error.mean(axis=0)
    assert np.sqrt(np.square(error).sum(axis=1).mean()) < 0.02
    assert_honest(motion, path)


# bad input


@pytest.mark.parametrize("value", [0, 128])
def test_constant_frames_are_flagged_and_stay(value):
    motion = estimated(np.full((5, 64, 64), value, np.uint8))
    assert not motion.displacements_px.any()
    assert set(motion.flags) == {"few features"}
    assert (motion.sigma_px == 32).all()


def test_noise_is_never_reported_with_a_small_sigma():
    frames = np.random.default_rng(0).normal(100, 20, (30, 96, 96)).clip(0, 255).astype(np.uint8)
    motion = estimated(frames)
    assert all(motion.flags[1:])
    assert motion.sigma_px[1:].min() > 1


def test_black_frames_are_bridged():
    path = wandering(30, 6)
    frames = drifting(path)
    frames[12:15] = 0
    motion = estimated(frames)
    assert [k for k, flag in enumerate(motion.flags) if flag == "interpolated"] == [12, 13, 14]
    error = motion.displacements_px - path
    assert np.linalg.norm(np.delete(error, [12, 13, 14], axis=0), axis=1).max() < 0.1
    assert np.linalg.norm(error, axis=1).max() < 3
    assert (np.linalg.norm(error, axis=1) < 3 * motion.sigma_px + 0.1).all()


def test_the_further_the_specimen_went_unseen_the_larger_the_doubt():
    sigmas = []
    for way in (0, 12):
        path = np.zeros((30, 2))
        path[15:] = way, -way
        frames = drifting(path)
        frames[10:20] = 0
        motion = estimated(frames)
        assert_honest(motion, path)
        sigmas.append(motion.sigma_px[10:20])
    assert sigmas[0].min() > 1
    assert sigmas[1].min() > 0.5 * 12 * np.sqrt(2)
    frames = drifting(np.zeros((30, 2)))
    frames[12:] = 0
    assert (np.diff(estimated(frames).sigma_px[12:]) > 0.1).all()


def test_black_frames_at_the_start_and_end_take_the_nearest_position():
    frames = drifting(wandering(20, 7))
    frames[:3] = frames[-3:] = 0
    motion = estimated(frames)
    flags = [k for k, flag in enumerate(motion.flags) if flag == "interpolated"]
    assert flags == [0, 1, 2, 17, 18, 19]
    assert not motion.displacements_px[:4].any()
    assert (motion.displacements_px[17:] == motion.displacements_px[16]).all()


def test_a_cut_to_another_scene_is_no_wild_shift_and_says_so():
    path = np.zeros((40, 2))
    frames = np.concatenate([drifting(path[:20], seed=1), drifting(path[20:], seed=2)])
    motion = estimated(frames)
    assert np.abs(motion.displacements_px).max() < 0.5
    assert (motion.sigma_px[:20] < 0.3).all()
    assert (motion.sigma_px[20:] > 1).all()
    assert "jump" in motion.flags[20:]


def test_nan_and_infinite_values_are_left_out():
    path = wandering(12, 8)
    frames = drifting(path, dtype=np.float32)
    frames[:, 20:40, 30:60] = np.nan
    frames[3, 5, 5] = np.inf
    frames[7] = np.nan
    motion = estimated(frames)
    assert motion.flags[7] == "interpolated"
    assert np.delete(error_of(motion, path), 7).max() < 0.15


@pytest.mark.parametrize("method", ["glissile", "tanaka2025", "none"])
@pytest.mark.parametrize("shape", [(1, 64, 64), (2, 9, 7), (3, 1, 1)])
def test_tiny_videos_have_no_motion(method, shape):
    frames = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    motion = estimated(np.broadcast_to(frames[:1], shape), method=method)
    assert np.abs(motion.displacements_px).max() < 0.01
    assert len(motion) == shape[0]


def test_large_frames():
    path = np.array([(0, 0), (31.25, -62.5)])
    motion = estimated(drifting(path, (1984, 1984)))
    assert error_of(motion, path).max() < 0.05


# the paper


def test_the_papers_method_gives_whole_pixels():
    path = np.linspace(0, 1, 20)[:, None] * (6.4, -9.7)
    motion = estimated(drifting(path, noise=1), method="tanaka2025")
    assert (motion.displacements_px == np.trunc(motion.displacements_px)).all()
    assert np.abs(motion.displacements_px - path).max() < 1.3
    assert np.isnan(motion.sigma_px).all()


def test_the_papers_method_flags_a_lost_corner_and_black_starts():
    frames = drifting(np.zeros((6, 2)))
    frames[:2] = 0
    assert estimated(frames, method="tanaka2025").flags[:3] == ("few features", "few features", "")
    assert set(estimated(np.zeros((3, 32, 32), np.uint16), method="tanaka2025").flags) == {"few features"}


def test_no_method_is_no_motion():
    motion = estimated(drifting(wandering(4)), method="none")
    assert not motion.displacements_px.any()
    assert np.isnan(motion.sigma_px).all()


# long work


def test_one_step_per_frame_read_in_order_and_cancelable():
    read = []
    frames = drifting(wandering(12))

    class Watched(Video):
        def frame(self, index):
            read.append(index)
            return super().frame(index)

    video = Watched.from_frames(frames, name="clip")
    steps = estimate_motion(video, StabilizeSettings())
    first = next(steps)
    assert (first.index, first.total, first.frame) == (1, 24, 0)
    assert first.message == "Estimating motion, frame 1 of 12"
    assert read == [0]
    assert [next(steps).index for _ in range(4)] == [2, 3, 4, 5]
    steps.close()
    assert read == [0, 1, 2, 3, 4]
    steps = estimate_motion(video, StabilizeSettings())
    assert [step.index for step in steps] == list(range(1, 25))


@pytest.mark.parametrize("anchored", [False, True])
def test_every_pass_reads_all_frames_in_order_and_can_be_stopped(anchored):
    frames = drifting(wandering(26, 1), (48, 64))
    values = np.zeros((48, 64), np.uint8)
    values[8:40, 8:56] = ANCHOR if anchored else 0
    passes = 3 if anchored else 2

    class Watched:
        shape = frames.shape

        def __init__(self):
            self.read = []

        def __getitem__(self, index):
            self.read.append(index)
            return frames[index]

    watched = Watched()
    steps = list(whole_frames(watched, StabilizeSettings(), Regions(values)))
    assert watched.read == list(range(26)) * passes
    assert [(step.index, step.total, step.frame) for step in steps] == [
        (k + 1, 26 * passes, k % 26) for k in range(26 * passes)
    ]
    for stop in range(0, 26 * passes, 5):
        watched = Watched()
        running = whole_frames(watched, StabilizeSettings(), Regions(values))
        for _ in range(stop):
            next(running)
        running.close()
        assert len(watched.read) == stop
        with pytest.raises(StopIteration):
            next(running)


def test_a_trimmed_video_keeps_the_frame_numbers_of_its_source():
    video = Video.from_frames(drifting(wandering(8)), name="clip")
    part = Video(video.frames[3:], video.times_s[3:], video.frame_numbers[3:], video.origins_px[3:], "clip")
    motion = finish(estimate_motion(part, StabilizeSettings()))
    assert motion.frame_numbers.tolist() == [3, 4, 5, 6, 7]
    assert not motion.displacements_px[0].any()


def test_settings_and_table_do_not_load_opencv():
    code = (
        "import sys, glissile.stabilize, glissile.stabilize.camera_motion, glissile.stabilize.field_of_view;"
        "assert 'cv2' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_refuse_what_they_do_not_know():
    with pytest.raises(ValidationError):
        StabilizeSettings(method="best")
    with pytest.raises(ValidationError):
        StabilizeSettings(corner=12)
    for name, field in StabilizeSettings.model_fields.items():
        assert field.title, name
        assert field.description, name


def test_threads_of_opencv_are_left_alone():
    before = cv2.getNumThreads()
    estimated(drifting(wandering(3)))
    assert cv2.getNumThreads() == before


def test_the_texture_moves_as_told():
    image = texture((64, 64))
    np.testing.assert_allclose(moved(image, (3, -5)), np.roll(image, (3, -5), (0, 1)), atol=1e-9)


@pytest.mark.parametrize("shape", [(0, 64, 64), (3, 0, 64), (64, 64), (2, 8, 8, 3)])
def test_what_is_no_video_is_refused_in_a_sentence(shape):
    with pytest.raises(InputError, match=r"axes \(t, y, x\) and at least a pixel, not shape"):
        displacements(np.zeros(shape, np.uint8))
