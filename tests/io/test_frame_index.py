"""Every frame, read in any order, is the one that decoding from the start gives."""

import gc
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glissile.errors import InputError
from glissile.io.frame_index import FrameIndex
from glissile.io.grey import grey_of_frame

X264 = {"g": "10", "bf": "3"}

# name, codec, pixel format, options
KINDS = {
    "h264 in mp4": ("v.mp4", "libx264", "yuv420p", X264),
    "h264 in mkv": ("v.mkv", "libx264", "yuv420p", X264),
    "h264 in avi, which keeps no presentation times": ("v.avi", "libx264", "yuv420p", X264),
    "h264 in a transport stream": ("v.ts", "libx264", "yuv420p", X264),
    "h264 without a container, so without times": ("v.h264", "libx264", "yuv420p", X264),
    "h264 with open groups": ("v.mp4", "libx264", "yuv420p", X264 | {"x264-params": "open-gop=1"}),
    "h264 that is refreshed column by column": (
        "v.mp4",
        "libx264",
        "yuv420p",
        {"x264-params": "intra-refresh=1:keyint=10"},
    ),
    "hevc": ("v.mp4", "libx265", "yuv420p", {"g": "10", "x265-params": "log-level=none"}),
    "mpeg4 in avi": ("v.avi", "mpeg4", "yuv420p", {"g": "10"}),
    "mpeg4 with B-frames in avi": ("v.avi", "mpeg4", "yuv420p", {"g": "10", "bf": "2"}),
    "mjpeg in mov": ("v.mov", "mjpeg", "yuvj420p", {}),
    "vp9": ("v.mkv", "libvpx-vp9", "yuv420p", {"g": "10", "deadline": "realtime"}),
    "ffv1": ("v.mkv", "ffv1", "gray", {"g": "10"}),
    "wmv2": ("v.wmv", "wmv2", "yuv420p", {"g": "10"}),
    "mpeg2 program stream": ("v.mpg", "mpeg2video", "yuv420p", {"g": "10", "bf": "2"}),
    "raw rgb in avi, stored bottom up": ("v.avi", "rawvideo", "bgr24", {}),
}


def decoded_from_start(path):
    with av.open(str(path)) as container:
        return [grey_of_frame(frame) for frame in container.decode(video=0)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_in_random_order_is_the_sequential_one(
    kind, tmp_path, moving_frames, encode, number_shown
):
    name, codec, pixel_format, options = KINDS[kind]
    path = encode(tmp_path / name, moving_frames, codec, pixel_format=pixel_format, options=options)
    expected = decoded_from_start(path)
    index = FrameIndex(path, cache_bytes=5 * expected[0].nbytes)  # too small to serve them all
    assert len(index) == len(expected) == len(moving_frames)
    assert index.expected_frames == len(index)

    in_order = [index.read(i) for i in range(len(index))]
    assert index.seeks == 0
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(len(index)), 2))
    for i in order:
        np.testing.assert_array_equal(index.read(int(i)), expected[i])
    for i in reversed(range(len(index))):
        np.testing.assert_array_equal(index.read(i), expected[i])
    np.testing.assert_array_equal(in_order, expected)
    assert [number_shown(frame) for frame in in_order] == list(range(len(moving_frames)))
    assert index.seeks > 0


def test_a_group_that_refers_to_the_one_before_it_is_reached_by_one_seek(tmp_path, moving_frames, encode):
    options = X264 | {"x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
    frames = np.concatenate((moving_frames, moving_frames, moving_frames))
    path = encode(tmp_path / "open.mp4", frames, "libx264", options=options)
    index = FrameIndex(path, cache_bytes=0)
    keyframe = int(index._work.table.keyframes[-2])
    np.testing.assert_array_equal(index.read(keyframe), decoded_from_start(path)[keyframe])
    assert index.seeks == 1


@pytest.mark.parametrize("keyint", [10, 13, 15])
def test_a_stream_without_whole_pictures_is_exact(keyint, tmp_path, encode):
    """A place the file calls a keyframe shows parts of pictures that were never decoded."""
    noise = np.random.default_rng(keyint).integers(0, 255, (48, 64), dtype=np.uint8)
    frames = np.stack([np.roll(noise, number, axis=1) for number in range(40)])
    options = {"x264-params": f"intra-refresh=1:keyint={keyint}"}
    path = encode(tmp_path / "v.mp4", frames, "libx264", options=options)
    expected = decoded_from_start(path)
    index = FrameIndex(path, cache_bytes=0)
    for i in (39, 12, 29, 30, 14, 18, 2, 35, 16, 24):
        np.testing.assert_array_equal(index.read(i), expected[i])


def test_avi_with_reordered_frames_in_its_middle_only(tmp_path, moving_frames, encode, number_shown):
    """The head and the tail of such a file say nothing of its middle."""

    def reorder_the_middle(number, picture):
        if number % 10 == 0:
            picture.pict_type = PictureType.I
        elif not (60 < number < 80 and number % 2):
            picture.pict_type = PictureType.P
        else:
            picture.pict_type = PictureType.B

    frames = np.concatenate((moving_frames, moving_frames, moving_frames))
    path = encode(
        tmp_path / "v.avi",
        frames,
        "libx264",
        options={"bf": "1", "g": "10"},
        alter_picture=reorder_the_middle,
    )
    index = FrameIndex(path, cache_bytes=0)
    assert len(index) == 120
    for i in (110, 61, 62, 63, 20, 75, 76):
        assert number_shown(index.read(i)) == i % 40


@pytest.fixture(scope="module")
def variable_rate(tmp_path_factory, moving_frames, encode):
    times_ms = np.cumsum([0, *(50 + (37 * np.arange(39)) % 90)])
    path = tmp_path_factory.mktemp("variable") / "variable.mp4"
    encode(path, moving_frames, "libx264", options=X264, times_ms=[int(t) for t in times_ms])
    return path, times_ms, decoded_from_start(path)


def test_times_are_the_files_own(variable_rate):
    path, times_ms, _ = variable_rate
    np.testing.assert_allclose(FrameIndex(path).times_s, times_ms / 1000, atol=1e-4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 39), min_size=1, max_size=30), frames_kept=st.integers(1, 12))
def test_any_order_of_reads_of_a_variable_rate_video_is_exact(variable_rate, order, frames_kept):
    path, _, expected = variable_rate
    index = FrameIndex(path, cache_bytes=frames_kept * expected[0].nbytes)
    for i in order:
        np.testing.assert_array_equal(index.read(i), expected[i])


def test_threads_may_read_at_once(variable_rate):
    path, _, expected = variable_rate
    index = FrameIndex(path, cache_bytes=3 * expected[0].nbytes)
    order = np.random.default_rng(2).integers(0, 40, 120).tolist()
    with ThreadPoolExecutor(8) as pool:
        for i, frame in zip(order, pool.map(index.read, order), strict=True):
            np.testing.assert_array_equal(frame, expected[i])


def test_frames_in_the_cache_are_not_decoded_again(variable_rate):
    index = FrameIndex(variable_rate[0])
    for i in range(40):
        index.read(i)
    for i in (39, 3, 17, 0):
        index.read(i)
    assert index.seeks == 0


def test_the_cache_keeps_to_its_size(variable_rate):
    path, _, expected = variable_rate
    index = FrameIndex(path, cache_bytes=6 * expected[0].nbytes)
    for i in (*range(40), *range(39, -1, -1)):
        index.read(i)
        assert len(index._work._cache) <= 7


@pytest.mark.parametrize("moves", [(5, 6), (30, 29)])
def test_frames_ahead_are_decoded_before_they_are_asked_for(variable_rate, moves):
    index = FrameIndex(variable_rate[0])
    for i in moves:
        index.read(i)
    coming = moves[1] + 3 * (moves[1] - moves[0])
    patience = time.monotonic() + 20
    while coming not in index._work._cache and time.monotonic() < patience:
        time.sleep(0.01)
    assert coming in index._work._cache


def test_a_frame_is_the_callers_own(variable_rate):
    index = FrameIndex(variable_rate[0])
    index.read(4)[:] = 0
    assert index.read(4).any()


def test_numbers_beyond_the_video_are_refused(variable_rate):
    index = FrameIndex(variable_rate[0])
    for number in (-1, 40):
        with pytest.raises(IndexError):
            index.read(number)


def test_the_file_and_the_thread_are_let_go_of_with_the_last_reference(variable_rate):
    index = FrameIndex(variable_rate[0])
    index.read(3)
    work = index._work
    assert work._thread.is_alive()
    del index
    gc.collect()
    work._thread.join(10)
    assert not work._thread.is_alive()
    with pytest.raises(AssertionError, match="not open"):
        next(work.decoder.container.demux())


def test_reading_after_close_says_so(variable_rate):
    index = FrameIndex(variable_rate[0])
    index.close()
    with pytest.raises(InputError, match="closed"):
        index.read(5)
    assert not [t for t in threading.enumerate() if t.name == "decoding variable.mp4" and not t.daemon]


def test_an_edit_list_hides_frames(tmp_path, moving_frames, encode, number_shown):
    # Frames shown before time 0 are what editors cut away without encoding anew.
    path = encode(
        tmp_path / "edited.mp4",
        moving_frames,
        "libx264",
        options=X264,
        times_ms=[50 * n - 250 for n in range(40)],
    )
    expected = decoded_from_start(path)
    index = FrameIndex(path)
    assert len(index) == len(expected)
    for i in (20, len(index) - 1, 0, 7):
        np.testing.assert_array_equal(index.read(i), expected[i])
    assert index.times_s[0] == 0
    assert number_shown(index.read(0)) == 40 - len(index)


@pytest.mark.parametrize("suffix", [".mkv", ".nut"])
def test_times_may_start_below_zero(suffix, tmp_path, moving_frames, encode, number_shown):
    path = encode(
        tmp_path / f"early{suffix}",
        moving_frames,
        "libx264",
        options=X264,
        times_ms=[50 * n - 230 for n in range(40)],
    )
    index = FrameIndex(path)
    assert [number_shown(index.read(i)) for i in (31, 2, 0, 39, 12)] == [31, 2, 0, 39, 12]


def test_two_frames_of_one_time_stay_two_frames(tmp_path, moving_frames, encode):
    def repeat_time(number, packet):
        packet.pts = packet.dts = number - number % 2

    path = encode(tmp_path / "twice.mkv", moving_frames, "ffv1", pixel_format="gray", alter=repeat_time)
    index = FrameIndex(path)
    assert len(index) == 40
    for i in (17, 16, 39, 0, 1):
        np.testing.assert_array_equal(index.read(i), moving_frames[i])


def test_a_stream_that_marks_no_keyframe_is_read_from_its_start(tmp_path, moving_frames, encode):
    def unmark(_, packet):
        packet.is_keyframe = False

    path = encode(
        tmp_path / "unmarked.mkv",
        moving_frames,
        "ffv1",
        pixel_format="gray",
        options={"g": "10"},
        alter=unmark,
    )
    index = FrameIndex(path, cache_bytes=4 * moving_frames[0].nbytes)
    for i in (17, 3, 39, 0):
        np.testing.assert_array_equal(index.read(i), moving_frames[i])


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_a_rotated_video_is_shown_upright(rotation, turns, tmp_path, moving_frames, encode):
    plain = encode(tmp_path / "plain.mp4", moving_frames[:3], "libx264")
    turned = encode(tmp_path / "turned.mp4", moving_frames[:3], "libx264", rotation=rotation)
    np.testing.assert_array_equal(FrameIndex(turned).read(2), np.rot90(FrameIndex(plain).read(2), turns))


def test_a_damaged_end_is_left_out(tmp_path, moving_frames, encode):
    path = encode(tmp_path / "damaged.mkv", moving_frames, "libx264", options=X264 | {"qp": "10"})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(0.7 * len(whole))])
    expected = decoded_from_start(path)
    index = FrameIndex(path)
    assert 20 < len(index) < 40
    assert index.expected_frames == 40
    for i in range(len(index)):
        np.testing.assert_array_equal(index.read(i), expected[i])


def test_a_damaged_middle_fails_there_and_only_there(tmp_path, moving_frames, encode, number_shown):
    packets = []
    path = encode(
        tmp_path / "hole.mkv",
        np.concatenate((moving_frames, moving_frames)),
        "mjpeg",
        pixel_format="yuvj420p",
        alter=lambda _, packet: packets.append(bytes(packet)),
    )
    content = path.read_bytes()
    at = content.rindex(packets[50])
    path.write_bytes(content[:at] + bytes(len(packets[50])) + content[at + len(packets[50]) :])
    index = FrameIndex(path)
    with pytest.raises(InputError, match=r"hole\.mkv: frame 50 does not decode"):
        index.read(50)
    assert number_shown(index.read(49)) == 9
    assert number_shown(index.read(51)) == 11


def test_a_change_of_size_is_refused(tmp_path, moving_frames, encode):
    small = encode(tmp_path / "small.h264", moving_frames, "libx264", options=X264)
    large = encode(tmp_path / "large.h264", np.tile(moving_frames, (1, 2, 2)), "libx264", options=X264)
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(InputError, match=r"both\.h264: the frame size changes from 64 x 48 to 128 x 96"):
        FrameIndex(both)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_grey_values_of_lossless_video_are_exact(bits, tmp_path, encode):
    frames = np.random.default_rng(3).integers(0, 2**bits, (4, 34, 46))
    pixel_format = "gray" if bits == 8 else f"gray{bits}le"
    path = encode(
        tmp_path / "v.mkv",
        frames.astype(np.uint8 if bits == 8 else np.uint16),
        "ffv1",
        pixel_format=pixel_format,
        source_format=pixel_format,
        options={"level": "3"},
    )
    index = FrameIndex(path)
    assert index.dtype == (np.uint8 if bits == 8 else np.uint16)
    for i in range(4):
        np.testing.assert_array_equal(index.read(i), frames[i])


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("v.mkv", "ffv1", "bgr0"), ("v.avi", "rawvideo", "bgr24"), ("v.mkv", "libx264rgb", "rgb24")],
)
def test_equal_channels_give_their_value_and_others_rec_601(name, codec, pixel_format, tmp_path, encode):
    rng = np.random.default_rng(4)
    grey = np.repeat(rng.integers(0, 256, (1, 34, 46, 1), dtype=np.uint8), 3, axis=-1)
    colour = rng.integers(0, 256, (1, 34, 46, 3), dtype=np.uint8)
    path = encode(
        tmp_path / name,
        np.concatenate((grey, colour)),
        codec,
        pixel_format=pixel_format,
        source_format="rgb24",
        options={"qp": "0"} if codec == "libx264rgb" else {},
    )
    index = FrameIndex(path)
    np.testing.assert_array_equal(index.read(0), grey[0, ..., 0])
    luma = np.floor(colour[0] @ np.array([299, 587, 114]) / 1000 + 0.5)
    np.testing.assert_array_equal(index.read(1), luma)


def test_colour_of_16_bits_keeps_them(tmp_path, encode):
    grey = np.random.default_rng(4).integers(0, 2**16, (2, 34, 46, 1), dtype=np.uint16)
    path = encode(
        tmp_path / "v.mkv",
        np.repeat(grey, 3, axis=-1),
        "ffv1",
        pixel_format="gbrp16le",
        source_format="rgb48le",
        options={"level": "3"},
    )
    index = FrameIndex(path)
    np.testing.assert_array_equal([index.read(0), index.read(1)], grey[..., 0])


@pytest.mark.parametrize(("pixel_format", "bits"), [("yuv420p", 8), ("yuv422p10le", 10), ("yuv444p16le", 16)])
def test_limited_range_is_expanded_to_full(pixel_format, bits, tmp_path, encode):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (1, 32, 1))
    path = encode(tmp_path / "v.mkv", ramp, "ffv1", pixel_format=pixel_format)
    with av.open(str(path)) as container:
        plane = next(container.decode(video=0)).planes[0]
        stored = np.frombuffer(plane, "u1" if bits == 8 else "<u2")[:256]
    unit = 2 ** (bits - 8)
    assert stored[0] == 16 * unit
    top = 2**bits - 1
    shown = FrameIndex(path).read(0)[0]
    exact = [Fraction(int(code) - 16 * unit, 219 * unit) * top for code in stored]
    np.testing.assert_array_equal(shown, [math.floor(min(max(v, 0), top) + Fraction(1, 2)) for v in exact])
    assert shown[0] == 0
    assert np.abs(shown / top * 255 - np.arange(256)).max() < 1.2


def test_full_range_is_kept(tmp_path, encode):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (1, 32, 1))
    path = encode(
        tmp_path / "v.avi", ramp, "mjpeg", pixel_format="yuvj420p", options={"qmin": "1", "qmax": "1"}
    )
    assert np.abs(FrameIndex(path).read(0)[8].astype(int) - np.arange(256)).max() <= 3


def test_an_error_that_nobody_foresaw_is_told_to_who_waits_and_later_frames_read(
    tmp_path, moving_frames, encode, monkeypatch
):
    path = encode(tmp_path / "v.mkv", moving_frames, "ffv1", pixel_format="gray")
    index = FrameIndex(path)

    def no_memory(*arguments):
        raise MemoryError("no memory left")

    with monkeypatch.context() as patch:
        patch.setattr("glissile.io.frame_index.same_size", no_memory)
        told = []

        def read():
            with pytest.raises(InputError, match=r"frame 30 cannot be read .*no memory left") as caught:
                index.read(30)
            told.append(caught.value)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(timeout=20)  # without the error it waits for ever
        assert told
        for number in range(31, len(moving_frames)):  # all that is read ahead meanwhile
            with pytest.raises(InputError):
                index.read(number)
    np.testing.assert_array_equal(index.read(10), moving_frames[10])
