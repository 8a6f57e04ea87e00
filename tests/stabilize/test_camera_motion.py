import subprocess
import sys

import cv2
import numpy as np
import pytest
from drifting_textures import burnt_in, drifting, moved, texture, wandering
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from glissile.progress import finish
from glissile.stabilize import displacements
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
from glissile.video import Video


def estimated(frames, **changes):
    video = Video.from_frames(frames, name="clip")
    return finish(estimate_motion(video, StabilizeSettings(**changes)))


def error_of(motion, path):
    error = motion.displacements_px - path
    return np.linalg.norm(error - error.mean(axis=0), axis=1)


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
