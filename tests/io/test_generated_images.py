"""Generated images as files: pixel for pixel, and what is told of them comes back."""

import json
import struct
import zipfile
import zlib

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from glissile.errors import InputError
from glissile.io import generated_images
from glissile.io.contact_sheet import drawn, laid_out
from glissile.io.generated_images import (
    Records,
    read_records,
    write_latents,
    write_png,
    writing_clip,
    writing_tiff,
)
from glissile.io.generator_card import SYNTHETIC_NOTICE
from glissile.io.video_files import read_video

COUNT = 5
RECORDS = Records(
    {"seed": 2**32 - 1, "psi": 0.1, "name": "Größe 中", "z": [float(np.float32(0.1))] * 3},
    [{"frame": i} for i in range(COUNT)],
    "Synthetic: Größe",
)
TOLD = [{**RECORDS.common, "frame": i} for i in range(COUNT)]
SUFFIXES = [".png", ".tif", ".mp4", ".mkv", ".avi", ".npz", ".json"]


def pictures(*shape):
    random = np.random.RandomState(0)
    return [random.randint(0, 256, shape, np.uint8) for _ in range(COUNT)]


def written(path, records=RECORDS, images=None):
    images = pictures(32, 34) if images is None else images
    if path.suffix == ".png":
        write_png(path, images[0], records)
    elif path.suffix == ".tif":
        for _ in writing_tiff(path, images, lambda: records, n_bytes=1):
            pass
    elif path.suffix in (".npz", ".json"):
        write_latents(path, {"ws": np.full((COUNT, 2, 3), 0.1, np.float32)}, records)
    else:
        for _ in writing_clip(path, images, records, frames_per_second=24):
            pass
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_told_comes_back(tmp_path, suffix):
    assert read_records(written(tmp_path / f"a{suffix}")) == TOLD


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_much_may_be_told(tmp_path, suffix):
    long = Records({"z": list(range(500_000))}, [{}], "Long")
    assert read_records(written(tmp_path / f"a{suffix}", long)) == [dict(long.common)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_reader_is_told_of_a_format_by_its_suffix_alone(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"of somebody else")
    with pytest.raises(InputError, match="does not tell how its images were generated"):
        read_records(path)


@pytest.mark.parametrize("shape", [(32, 34), (32, 34, 3)])
def test_png_holds_the_pixels_and_the_notice(tmp_path, shape):
    image = pictures(*shape)[0]
    write_png(tmp_path / "a.png", image, RECORDS)
    with Image.open(tmp_path / "a.png") as found:
        assert np.array_equal(np.asarray(found), image)
        assert found.text["Comment"] == SYNTHETIC_NOTICE
        assert found.text["Title"] == "Synthetic: Größe"
        assert json.loads(found.text["glissile"])["synthetic"] is True


@pytest.mark.parametrize("shape", [(32, 34), (32, 34, 3)])
def test_a_stack_holds_every_frame_scale_and_speed(tmp_path, shape):
    images, path = pictures(*shape), tmp_path / "a.tif"
    steps = writing_tiff(
        path, iter(images), lambda: RECORDS, n_bytes=1, nm_per_pixel=2.5, frames_per_second=24
    )
    assert list(steps) == [1, 2, 3, 4, 5]
    assert np.array_equal(tifffile.imread(path), images)
    video = read_video(path)
    assert (len(video), video.shape[1:]) == (COUNT, shape[:2])
    assert video.nm_per_pixel == pytest.approx(2.5)
    assert video.frames_per_second == pytest.approx(24)
    described = json.loads(tifffile.tiffcomment(path))
    assert described["notice"] == SYNTHETIC_NOTICE
    assert described["glissile"]["images"] == RECORDS.images


def test_a_stack_asks_for_its_records_at_the_end(tmp_path):
    made = []

    def images():
        for image in pictures(8, 8):
            made.append(image)
            yield image

    path = tmp_path / "a.tif"
    for _ in writing_tiff(path, images(), lambda: Records({}, [{"n": len(made)}], ""), n_bytes=1):
        pass
    assert read_records(path) == [{"n": COUNT}]


@pytest.mark.parametrize("suffix", [".tif", ".mp4"])
def test_what_is_left_off_leaves_no_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    images = iter(pictures(32, 32))
    if suffix == ".tif":
        steps = writing_tiff(path, images, lambda: RECORDS, n_bytes=1)
    else:
        steps = writing_clip(path, images, RECORDS, frames_per_second=24)
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [24, 30, 60, 23.976])
def test_a_video_has_its_title_notice_and_rate(tmp_path, rate):
    path = tmp_path / "a.mp4"
    for _ in writing_clip(path, pictures(32, 32), RECORDS, frames_per_second=rate):
        pass
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert float(container.streams.video[0].average_rate) == pytest.approx(rate, rel=1e-4)
        assert container.metadata["title"] == "Synthetic: Größe"
        assert container.metadata["description"] == SYNTHETIC_NOTICE
        assert sum(1 for _ in container.decode(video=0)) == COUNT


def test_a_lossless_video_holds_the_pixels(tmp_path):
    images = pictures(32, 32)
    path = written(tmp_path / "a.mkv", images=images)
    with av.open(str(path)) as container:
        found = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert np.array_equal(found, images)


def test_numpy_reads_latents_without_pickle(tmp_path):
    path = written(tmp_path / "a.npz")
    with np.load(path, allow_pickle=False) as found:
        assert found["ws"].dtype == np.float32
        assert (found["ws"] == np.float32(0.1)).all()
    listed = json.loads(written(tmp_path / "a.json").read_text())
    assert (np.array(listed["ws"], np.float32) == np.float32(0.1)).all()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def hostile():
    document = json.dumps(RECORDS.document()).encode()
    png = b"\x89PNG\r\n\x1a\n"
    bomb = zlib.compress(b"[" * 50_000_000)
    yield "compressed.png", png + chunk(b"iTXt", b"glissile\0\1\0\0\0" + bomb)
    yield "endless.png", png + struct.pack(">I", 0xFFFFFFFF) + b"iTXt"
    yield "short.png", png + b"\0\0"
    yield "deep.png", png + chunk(b"iTXt", b"glissile\0\0\0\0\0" + b"[" * 1_000_000)
    yield "no_separators.png", png + chunk(b"iTXt", b"glissile\0\0")
    yield "cut.png", png + chunk(b"iTXt", b"glissile\0\0\0\0\0" + document)[:100]
    yield "deep.json", b'{"glissile":' + b"[" * 1_000_000
    yield "list.json", b'{"glissile": []}'
    yield "no_images.json", json.dumps({"glissile": {"format": "glissile generated images"}}).encode()
    wrong = {"format": "glissile generated images", "common": {}, "images": [3, "a"]}
    yield "wrong.json", json.dumps({"glissile": wrong}).encode()
    yield "cut.npz", b"PK\x03\x04" + bytes(100)
    yield "cut.tif", b"II*\0\x08\0\0\0\xff\xff"
    yield "cut.mp4", b"\0\0\0\x20ftypisom" + bytes(50)


@pytest.mark.parametrize(("name", "content"), [pytest.param(*case, id=case[0]) for case in hostile()])
def test_hostile_files_are_refused_in_a_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: "):
        read_records(tmp_path / name)


def test_an_archive_that_unpacks_to_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("records.json", b" " * (40 << 20))
    with pytest.raises(InputError, match=r"records\.json has"):
        read_records(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".json"])
def test_more_text_than_any_image_has_is_not_read(tmp_path, monkeypatch, suffix):
    path = written(tmp_path / f"a{suffix}")
    monkeypatch.setattr(generated_images, "_MOST_BYTES", 100)
    with pytest.raises(InputError):
        read_records(path)


def sheet_of(images, captions, columns):
    size = next(image for image in images if image is not None).shape[:2]
    found = laid_out(size, captions, columns=columns, heading="Synthetic images of a test. No specimen.")
    return found, drawn(found, images, captions)


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 3)])
def test_a_sheet_shows_every_image_as_it_is_and_letters_around(shape):
    images = pictures(*shape)
    found, sheet = sheet_of(images, [f"seed {i}" for i in range(COUNT)], 3)
    assert (found.rows, found.columns, sheet.shape[:2]) == (2, 3, found.shape)
    around = np.ones(sheet.shape[:2], bool)
    for index, image in enumerate(images):
        top, left = found.place(index)
        assert np.array_equal(sheet[top : top + 20, left : left + 24], image)
        around[top : top + 20, left : left + 24] = False
        below = sheet[top + 20 : top + found.cell[0], left : left + found.cell[1]]
        assert below.min() < 100, "no caption"
    assert sheet[: found.place(0)[0]].min() < 100, "no heading"
    assert (sheet[-4:] == 255).all()


def test_places_of_a_sheet_may_stay_empty():
    images = pictures(20, 24)
    found, sheet = sheet_of([None, *images[:3]], ["", "a", "b", "c"], 2)
    top, left = found.place(0)
    assert (sheet[top : top + 20, left : left + 24] == 255).all()
    top, left = found.place(3)
    assert np.array_equal(sheet[top : top + 20, left : left + 24], images[2])


@pytest.mark.parametrize("caption", ["seed 4294967295", "a very long name " * 20])
def test_a_caption_stays_in_its_place(caption):
    found, sheet = sheet_of(pictures(16, 16)[:2], [caption, ""], 2)
    top, left = found.place(1)
    assert (sheet[top + 16 : top + found.cell[0], left:] == 255).all()


def test_a_sheet_as_large_as_a_house_is_refused():
    with pytest.raises(InputError, match="too large; put fewer images on it"):
        laid_out((1024, 1024), ["a"] * 1000, columns=30, heading="")


@pytest.mark.parametrize(
    "document",
    [
        {"common": {str(i): 0 for i in range(40)}, "images": [{}, {}]},
        {"common": {"a": 1}, "images": [{"a": 2}]},
        {"common": {}, "images": [{}] * (generated_images.MOST_IMAGES + 1)},
        {"common": {}, "images": [1]},
    ],
)
def test_records_that_grow_when_they_are_read_are_refused(tmp_path, document):
    path = tmp_path / "a.npz"
    told = json.loads(written(tmp_path / "b.json").read_text(encoding="utf-8"))
    whole = {"format": told["glissile"]["format"], "schema_version": 1, **document}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("records.json", json.dumps(whole))
    with pytest.raises(InputError, match="does not tell"):
        generated_images.read_records(path)


def test_more_than_is_read_again_is_not_written(tmp_path):
    records = generated_images.Records({}, [{"point": "x" * (33 << 20)}], "Many")
    with pytest.raises(InputError, match="too long for one file"):
        records.text()
