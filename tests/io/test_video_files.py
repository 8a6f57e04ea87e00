"""Files and folders come in whole and exact, or are refused in one sentence."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glissile.errors import InputError
from glissile.io.video_files import CutShortWarning, read_video, write_frames, write_video
from glissile.progress import finish
from glissile.video import Video

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def save_image(path, image):
    done, content = cv2.imencode(path.suffix.lower(), image)
    assert done
    path.write_bytes(content.tobytes())


def pixels(video):
    return video.frames.compute(scheduler="synchronous")


# --- folders of images ---------------------------------------------------------------------------------


def test_a_folder_is_read_in_natural_order_without_what_is_no_frame(tmp_path, moving_frames):
    folder = tmp_path / "8.4μm"
    folder.mkdir()
    for number, name in enumerate(("f1.png", "f2.PNG", "f10.tif", "F11.Tiff")):
        path = folder / name
        if path.suffix.lower() == ".png":
            save_image(path, moving_frames[number])
        else:
            tifffile.imwrite(path, moving_frames[number])
    (folder / ".ipynb_checkpoints").mkdir()
    save_image(folder / ".ipynb_checkpoints" / "f1.png", moving_frames[9])
    save_image(folder / "._f1.png", moving_frames[9])
    (folder / "Thumbs.db").write_bytes(b"\0\1")
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    video = read_video(folder)
    np.testing.assert_array_equal(pixels(video), moving_frames[:4])
    assert video.name == "8.4μm"
    np.testing.assert_array_equal(video.times_s, range(4))
    assert video.frames.chunks[0] == (1, 1, 1, 1)


def test_a_bad_image_is_named_with_its_folder_and_what_to_do(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    save_image(folder / "1.png", np.zeros((12, 16), np.uint8))
    for content, said in ((b"", "is empty; copy it again"), (b"no image", "cut short, copy it again")):
        (folder / "2.png").write_bytes(content)
        with pytest.raises(InputError, match=said) as caught:
            read_video(folder)
        assert str(caught.value).startswith(str(folder / "2.png"))
    save_image(folder / "2.png", np.zeros((12, 17), np.uint8))
    with pytest.raises(InputError, match=r"frames: 2\.png has 12 x 17 px .* move those of another size away"):
        read_video(folder)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_keep_their_depth_and_follow_the_grey_rule(dtype, tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, np.iinfo(dtype).max, (20, 30), dtype=dtype)
    colour = rng.integers(0, np.iinfo(dtype).max, (20, 30, 3), dtype=dtype)
    save_image(tmp_path / "0.png", grey)
    save_image(tmp_path / "1.png", np.repeat(grey[..., None], 3, axis=-1))
    save_image(tmp_path / "2.png", np.dstack((grey, grey, grey, 7 * np.ones_like(grey))))
    save_image(tmp_path / "3.png", colour[..., ::-1])
    tifffile.imwrite(tmp_path / "4.tif", colour, photometric="rgb")
    frames = pixels(read_video(tmp_path))
    assert frames.dtype == dtype
    for number in range(3):
        np.testing.assert_array_equal(frames[number], grey)
    luma = np.floor(colour.astype(float) @ [299, 587, 114] / 1000 + 0.5)
    np.testing.assert_array_equal(frames[3], luma)
    np.testing.assert_array_equal(frames[4], luma)


def test_jpeg_is_read(tmp_path):
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
    save_image(tmp_path / "a.jpg", ramp)
    save_image(tmp_path / "b.JPEG", ramp)
    assert np.abs(pixels(read_video(tmp_path)).astype(int) - ramp).max() <= 4


def test_the_first_image_of_another_size_is_named(tmp_path):
    for number in range(12):
        save_image(tmp_path / f"{number}.png", np.zeros((20, 31 if number == 10 else 30), np.uint8))
    with pytest.raises(InputError, match=r"10\.png has 20 x 31 px .* 0\.png has 20 x 30"):
        read_video(tmp_path)


def test_an_image_of_another_depth_is_named_when_it_is_read(tmp_path):
    save_image(tmp_path / "0.png", np.zeros((20, 30), np.uint8))
    save_image(tmp_path / "1.png", np.zeros((20, 30), np.uint16))
    with pytest.raises(InputError, match=r"1\.png is uint16"):
        read_video(tmp_path).frame(1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_an_image_cut_short_is_named(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 60), dtype=np.uint8)
    for number in range(3):
        if suffix == ".tif":
            tifffile.imwrite(tmp_path / f"{number}{suffix}", noise)
        else:
            save_image(tmp_path / f"{number}{suffix}", noise)
    cut = tmp_path / f"1{suffix}"
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(InputError, match=rf"1\{suffix}"):
        read_video(tmp_path).frame(1)


def test_folders_without_frames_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no PNG, TIFF or JPEG image"):
        read_video(tmp_path)
    experiment = tmp_path / "study.glissile"
    experiment.mkdir()
    save_image(experiment / "0.png", np.zeros((20, 30), np.uint8))
    with pytest.raises(InputError, match="is an experiment"):
        read_video(experiment)


# --- TIFF ----------------------------------------------------------------------------------------------

DTYPES = ["u1", "<u2", ">u2", ">i2", "i1", "<f4", ">f4", "f8", "<u4", "f2"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["one piece", "page by page", "deflated", "BigTIFF"])
def test_tiff_keeps_values_and_kind(dtype, how, tmp_path):
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(0)
    if dtype.kind == "f":
        frames = rng.normal(size=(5, 20, 30)).astype(dtype)
    else:
        frames = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (5, 20, 30)).astype(dtype)
    path = tmp_path / "v.dat"  # told by content, not by name
    options = {"byteorder": ">" if dtype.byteorder == ">" else "<", "bigtiff": how == "BigTIFF"}
    with tifffile.TiffWriter(path, **options) as tif:
        if how == "page by page":
            for frame in frames:
                tif.write(frame, photometric="minisblack", metadata=None)
        else:
            tif.write(frames, photometric="minisblack", compression="zlib" if how == "deflated" else None)
    video = read_video(path)
    assert video.frames.dtype == dtype.newbyteorder("=")
    assert video.frames.dtype.isnative
    np.testing.assert_array_equal(pixels(video), frames)
    assert video.nm_per_pixel is None
    assert video.frames_per_second is None


def test_imagej_stacks_bring_pixel_size_and_time(tmp_path, moving_frames):
    path = tmp_path / "ij.tif"
    tifffile.imwrite(
        path,
        moving_frames[:6, None, None],
        imagej=True,
        resolution=(1 / 0.0023, 1 / 0.0023),
        metadata={"axes": "TZCYX", "unit": "um", "finterval": 0.25},
    )
    video = read_video(path)
    np.testing.assert_array_equal(pixels(video), moving_frames[:6])
    assert video.nm_per_pixel == pytest.approx(2.3)
    assert video.frames_per_second == pytest.approx(4)


def test_imagej_files_of_one_page_hold_all_frames(tmp_path, moving_frames):
    """As ImageJ writes stacks above 4 GB: one page, the frames behind it in one piece."""
    path = tmp_path / "ij.tif"
    tifffile.imwrite(path, moving_frames, imagej=True, truncate=True)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 1
    np.testing.assert_array_equal(pixels(read_video(path)), moving_frames)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.warns(CutShortWarning, match="38 of about 40"):
        video = read_video(path)
    np.testing.assert_array_equal(pixels(video), moving_frames[:38])


def test_ome_tiff_brings_pixel_size_and_time(tmp_path, moving_frames):
    path = tmp_path / "v.ome.tif"
    tifffile.imwrite(
        path,
        moving_frames[:4],
        ome=True,
        metadata={
            "axes": "TYX",
            "PhysicalSizeX": 0.0017,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.0017,
            "PhysicalSizeYUnit": "µm",
            "TimeIncrement": 50.0,
            "TimeIncrementUnit": "ms",
        },
    )
    video = read_video(path)
    np.testing.assert_array_equal(pixels(video), moving_frames[:4])
    assert video.nm_per_pixel == pytest.approx(1.7)
    assert video.frames_per_second == pytest.approx(20)


@pytest.mark.parametrize(("dots_per_inch", "nm"), [(72, None), (300, None), (2.54e7, 1.0)])
def test_the_resolution_of_a_printer_is_no_pixel_size(dots_per_inch, nm, tmp_path, moving_frames):
    path = tmp_path / "v.tif"
    tifffile.imwrite(
        path, moving_frames[:2], resolution=(dots_per_inch, dots_per_inch), resolutionunit="INCH"
    )
    assert read_video(path).nm_per_pixel == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_pages_follow_the_grey_rule(planar, tmp_path, moving_frames):
    frames = np.repeat(moving_frames[:3, ..., None], 3, axis=-1)
    if planar == "separate":
        frames = np.moveaxis(frames, -1, 1)
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, frames, photometric="rgb", planarconfig=planar)
    np.testing.assert_array_equal(pixels(read_video(path)), moving_frames[:3])


def test_pages_of_another_size_are_named(tmp_path):
    path = tmp_path / "v.tif"
    with tifffile.TiffWriter(path) as tif:
        for width in (30, 30, 31):
            tif.write(np.zeros((20, width), np.uint8), metadata=None)
    with pytest.raises(InputError, match="page 2 has 20 x 31 px"):
        read_video(path)


def test_several_axes_besides_the_frame_are_refused(tmp_path):
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, np.zeros((4, 2, 20, 30), np.uint8), imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(InputError, match=r"several axes besides y and x \(T 4, C 2\)"):
        read_video(path)


# --- writing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("rate", [0.5, 20, 23.976, 240])
def test_a_written_video_has_the_frames_rate_and_grey_values(
    suffix, rate, tmp_path, moving_frames, number_shown
):
    frames = moving_frames[:17, :47, :61]
    path = tmp_path / f"8.4μm %03d{suffix}"
    write_video(path, frames, frames_per_second=rate)
    video = read_video(path)
    assert len(video) == 17
    assert video.frames_per_second == pytest.approx(rate, rel=1e-3)
    assert [number_shown(video.frame(i)) for i in range(17)] == list(range(17))
    inside = pixels(video)[:, :47, :61].astype(int)
    assert np.abs(inside - frames).mean() < (0.01 if suffix == ".mkv" else 4)
    assert np.abs(inside - frames)[:, 4:20, 4:20].mean() < 1
    assert list(tmp_path.iterdir()) == [path]


def test_colour_is_written_and_shown_as_its_luma(tmp_path):
    frames = np.zeros((3, 32, 48, 3), np.uint8)
    frames[..., 1] = 200
    path = tmp_path / "v.mp4"
    write_video(path, frames, frames_per_second=10)
    content = cv2.VideoCapture(str(path)).read()[1]
    assert np.abs(content[16, 24, ::-1].astype(int) - [0, 200, 0]).max() < 12


def test_a_failed_video_leaves_the_old_one(tmp_path, moving_frames):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"old")

    def failing():
        yield from moving_frames[:5]
        yield moving_frames[0, :10]

    with pytest.raises(InputError, match="one shape"):
        write_video(path, failing(), frames_per_second=10)
    with pytest.raises(InputError, match="no frame to write"):
        write_video(path, [], frames_per_second=10)
    with pytest.raises(InputError, match=r"choose one of"):
        write_video(tmp_path / "v.xyz", moving_frames, frames_per_second=10)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_tiff_round_trip_with_pixel_size_and_rate(dtype, tmp_path, moving_frames):
    video = Video.from_frames(moving_frames.astype(dtype), name="v", seconds_per_frame=0.05, nm_per_pixel=2.5)
    steps = []
    path = finish(write_frames(tmp_path / "v.tif", video), steps.append)
    back = read_video(path)
    assert back.frames.dtype == dtype
    np.testing.assert_array_equal(pixels(back), video.frames)
    assert back.nm_per_pixel == pytest.approx(2.5)
    assert back.frames_per_second == pytest.approx(20)
    assert [step.index for step in steps] == list(range(1, 41))


def test_a_cancelled_write_leaves_nothing(tmp_path, moving_frames):
    video = Video.from_frames(moving_frames, name="v")
    for name in ("v.tif", "v.mp4"):
        steps = write_frames(tmp_path / name, video)
        next(steps)
        steps.close()
    assert not list(tmp_path.iterdir())


def test_sixteen_bits_are_not_squeezed_into_a_video_file(tmp_path, moving_frames):
    video = Video.from_frames(moving_frames.astype(np.uint16), name="v")
    with pytest.raises(InputError, match=r"write \.tif instead"):
        finish(write_frames(tmp_path / "v.mp4", video))


# --- bad input -----------------------------------------------------------------------------------------


def test_bad_files_are_refused_in_one_sentence_with_their_name(tmp_path):
    rng = np.random.default_rng(0)
    contents = {
        "empty.mp4": b"",
        "text.mp4": "Strain, Stress µ\n".encode() * 400,
        "list.mkv": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n",
        "random.avi": rng.bytes(20_000),
        "zeros.mov": bytes(5000),
        "short.tif": b"II*\0" + bytes(3),
        "one.tif": b"II*\0" + rng.bytes(50),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError) as refused:
            read_video(path)
        assert str(refused.value).startswith(f"{name}: ")
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=r"gone\.mp4: there is no such file"):
        read_video(tmp_path / "gone.mp4")


def test_sound_alone_is_no_video(tmp_path):
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(InputError, match="no video stream"):
        read_video(path)


def test_a_cut_mkv_loads_what_decodes_and_says_so(tmp_path, moving_frames, encode):
    path = encode(tmp_path / "cut.mkv", moving_frames, "ffv1", pixel_format="gray")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(CutShortWarning, match=r"cut\.mkv: \d+ of about 40 frames decode"):
        video = read_video(path)
    assert 15 < len(video) < 21
    np.testing.assert_array_equal(pixels(video), moving_frames[: len(video)])


@pytest.fixture(scope="module")
def kinds_of_files(tmp_path_factory, moving_frames, encode):
    folder = tmp_path_factory.mktemp("kinds")
    x264 = {"g": "10", "bf": "3"}
    files = [
        encode(folder / "v.mp4", moving_frames, "libx264", options=x264),
        encode(folder / "v.mkv", moving_frames, "libx264", options=x264),
        encode(folder / "v.avi", moving_frames, "mpeg4", options={"g": "10"}),
        encode(folder / "v.wmv", moving_frames, "wmv2", options={"g": "10"}),
        folder / "v.tif",
        folder / "ij.tif",
    ]
    tifffile.imwrite(files[4], moving_frames, compression="zlib")
    tifffile.imwrite(files[5], moving_frames, imagej=True)
    return [(path, path.read_bytes()) for path in files]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 5), kept=st.floats(0, 1), spoiled=st.lists(st.floats(0, 1), max_size=3))
def test_damage_never_raises_anything_but_one_sentence(which, kept, spoiled, kinds_of_files, tmp_path):
    path, whole = kinds_of_files[which]
    content = bytearray(whole[: round(kept * len(whole))])
    for share in spoiled:
        at = int(share * len(content))
        content[at : at + 4] = b"\xff\x00\x9c\x01"
    damaged = tmp_path / path.name
    damaged.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CutShortWarning)
        try:
            video = read_video(damaged)
        except InputError as error:
            assert str(error).startswith(path.name)  # noqa: PT017 - no error is as good an outcome
            return
        for index in range(len(video)):
            try:
                video.frame(index)
            except InputError as error:
                assert str(error).startswith(path.name)  # noqa: PT017


# --- real data -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real TEM videos lie outside the repository")
@pytest.mark.parametrize(
    ("folder", "index_of"),
    [("twip-8.4um", lambda number: number), ("twip-2um", lambda number: (number - 1) // 10)],
)
def test_real_frames_agree_with_the_images_they_were_encoded_from(folder, index_of):
    video = read_video(SHARED / folder / "video.mp4")
    images = sorted(
        path
        for path in (SHARED / folder / "images").glob("*.png")
        if (int(path.stem) - 1) % 10 == 0 or "8" in folder
    )[:6]
    for path in images:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE).astype(float)
        frame = video.frame(index_of(int(path.stem)))[: image.shape[0], : image.shape[1]].astype(float)
        assert np.abs(frame - image).mean() < 2.5  # compression; limited range not expanded would give 5
        assert abs(frame.mean() - image.mean()) < 0.5
