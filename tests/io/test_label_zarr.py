"""OME-Zarr: its metadata, that of other programs, and files that want to do harm."""

import json
import os
import shutil

import numpy as np
import pytest
import zarr
from label_sets import SHAPE, label_set, random_mask, written
from numcodecs import Blosc, Zstd
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.io import label_zarr
from glissile.io.label_formats import read_labels


@pytest.fixture
def ours(tmp_path):
    return written(tmp_path / "a.ome.zarr", "zarr", label_set(nm_per_pixel=2.5, seconds_per_frame=0.05))


@pytest.fixture
def image(tmp_path, ours):
    """The same labels among those of an image."""
    root = zarr.open_group(tmp_path / "image.zarr", mode="w")
    root.create_group("labels", attributes={"ome": {"version": "0.5", "labels": ["defects"]}})
    shutil.copytree(ours, tmp_path / "image.zarr" / "labels" / "defects")
    return tmp_path / "image.zarr"


@pytest.fixture
def foreign():
    """Frames 1 and 2 of 4 are labelled."""
    array = np.zeros((4, *SHAPE[1:]), np.int32)
    array[1], array[2] = random_mask(1), random_mask(2)
    return array


def test_the_metadata_are_those_of_ngff(ours):
    group = zarr.open_group(ours, mode="r")
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    assert ome["image-label"]["properties"][1] == {"label-value": 2, "name": "stacking fault"}
    assert ome["image-label"]["colors"][1] == {"label-value": 2, "rgba": [0x56, 0xB4, 0xE9, 255]}
    (scales,) = ome["multiscales"]
    assert [axis["name"] for axis in scales["axes"]] == ["t", "y", "x"]
    (level,) = scales["datasets"]
    assert level["coordinateTransformations"] == [{"type": "scale", "scale": [0.05, 2.5, 2.5]}]
    array = group[level["path"]]
    assert array.shape == SHAPE
    assert array.chunks == (1, *SHAPE[1:])
    np.testing.assert_array_equal(array[3], label_set().masks[3])
    assert group.attrs["glissile"]["labelled_frames"] == [0, 3, 5, 11]


def test_image_group_and_array_are_all_labels(ours, image):
    for path, frames in (
        (ours, ["0000", "0003", "0005", "0011"]),
        (image, ["0000", "0003", "0005", "0011"]),
        (image / "labels", ["0000", "0003", "0005", "0011"]),
        (image / "labels" / "defects", ["0000", "0003", "0005", "0011"]),
        (ours / "0", ["0000", "0003", "0011"]),
    ):
        assert list(read_labels(path, DEFAULT_CLASSES)) == frames


def test_labels_of_ngff_0_4_are_read(tmp_path, foreign):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    labels = root.create_group("labels")
    labels.attrs["labels"] = ["cells"]
    group = labels.create_group("cells")
    group.create_array("0", data=foreign[:, None, None], chunks=(2, 1, 1, 16, 16))
    group.attrs["multiscales"] = [
        {"axes": [{"name": name} for name in "tczyx"], "datasets": [{"path": "0"}], "version": "0.4"}
    ]
    group.attrs["image-label"] = {"properties": [{"label-value": 1, "name": "SF"}]}
    found = read_labels(tmp_path / "a.zarr", DEFAULT_CLASSES)
    assert list(found) == ["0001", "0002"]
    np.testing.assert_array_equal(found["0001"], np.array([0, 2, 2])[foreign[1]])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("compressor", ["auto", None, "blosc"])
def test_plain_arrays_are_read(tmp_path, foreign, version, compressor):
    if compressor == "blosc":
        compressor = Blosc() if version == 2 else BloscCodec()
    zarr.create_array(tmp_path / "a", data=foreign, compressors=compressor, zarr_format=version)
    found = read_labels(tmp_path / "a", DEFAULT_CLASSES)
    assert list(found) == ["0001", "0002"]
    np.testing.assert_array_equal(found["0002"], foreign[2])
    zarr.create_array(tmp_path / "b", data=foreign[1], compressors=compressor, zarr_format=version)
    np.testing.assert_array_equal(read_labels(tmp_path / "b", DEFAULT_CLASSES)["0000"], foreign[1])


def refused(path, said):
    with pytest.raises(InputError, match=said) as refusal:
        list(read_labels(path, DEFAULT_CLASSES).values())
    assert str(path) in str(refusal.value)


def test_other_arrays_are_refused(tmp_path, foreign):
    zarr.create_array(tmp_path / "a", data=foreign.astype(float))
    refused(tmp_path / "a", "holds float64")
    zarr.create_array(tmp_path / "b", data=np.stack([foreign] * 2), chunks=(1, 1, *SHAPE[1:]))
    refused(tmp_path / "b", "is no OME-Zarr of labels|has the axes")
    zarr.create_array(tmp_path / "c", data=foreign, compressors=GzipCodec())
    refused(tmp_path / "c", "is packed by 'gzip'; convert it to zstd or blosc")
    zarr.create_array(tmp_path / "e", shape=(10**9, 4, 4), chunks=(1, 4, 4), dtype="u1")
    refused(tmp_path / "e", "claims to have 1000000000 frames")
    zarr.create_array(tmp_path / "f", shape=(2, 10**6, 10**6), chunks=(1, 4, 4), dtype="u1")
    refused(tmp_path / "f", "no image has 1000000 x 1000000 px")
    zarr.create_array(tmp_path / "g", shape=(2**12, 2**10, 2**10), dtype="u1", chunks=(2**12, 2**10, 2**10))
    refused(tmp_path / "g", "its chunks are larger than 1 GiB")
    zarr.open_group(tmp_path / "d", mode="w")
    refused(tmp_path / "d", "is no OME-Zarr of labels|is no Zarr array")


def test_codecs_that_could_run_code_are_refused(tmp_path, foreign):
    path = tmp_path / "a"
    zarr.create_array(path, data=foreign, zarr_format=2)
    told = json.loads((path / ".zarray").read_text())
    for changes in ({"compressor": {"id": "pickle"}}, {"filters": [{"id": "pickle"}]}):
        (path / ".zarray").write_text(json.dumps(told | changes))
        refused(path, "is packed by 'pickle'")


def test_chunks_that_claim_to_be_enormous_are_not_unpacked(ours):
    chunk = next(p for p in (ours / "0" / "c" / "3").rglob("*") if p.is_file())
    # A frame of Zstandard that says it holds 1 TiB.
    chunk.write_bytes(b"\x28\xb5\x2f\xfd" + bytes([0b11100000]) + (1 << 40).to_bytes(8, "little") + bytes(9))
    refused(ours, "the labels of frame 3 are damaged .*claims to become larger than a chunk of 720 bytes")
    chunk.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))  # and one that does not say
    refused(ours, "does not say how large it becomes")
    chunk.write_bytes(b"no frame")
    refused(ours, "does not say how large it becomes")


def test_chunks_of_blosc_that_claim_to_be_enormous_are_not_unpacked(tmp_path, foreign):
    zarr.create_array(tmp_path / "a", data=foreign, chunks=(1, *SHAPE[1:]), compressors=BloscCodec())
    chunk = tmp_path / "a" / "c" / "1" / "0" / "0"
    packed = bytearray(chunk.read_bytes())
    packed[4:8] = (1 << 31).to_bytes(4, "little")
    chunk.write_bytes(packed)
    refused(tmp_path / "a", "claims to become larger than a chunk of 2880 bytes")


def test_what_is_packed_twice_is_refused(tmp_path, foreign):
    zarr.create_array(tmp_path / "a", data=foreign, compressors=[ZstdCodec(), ZstdCodec()])
    refused(tmp_path / "a", "is packed 2 times; convert it to zstd alone")
    zarr.create_array(tmp_path / "b", data=foreign, zarr_format=2, compressors=Blosc(), filters=[Zstd()])
    refused(tmp_path / "b", "is packed 2 times; convert it to zstd alone")


@pytest.mark.parametrize("compressor", [None, "auto"])
def test_chunks_that_are_too_large_are_not_read(tmp_path, foreign, compressor):
    zarr.create_array(tmp_path / "a", data=foreign, chunks=(1, *SHAPE[1:]), compressors=compressor)
    chunk = tmp_path / "a" / "c" / "1" / "0" / "0"
    with chunk.open("wb") as file:
        file.truncate(1 << 20)
    refused(tmp_path / "a", "the labels of frame 1 are damaged .*is larger than a chunk of 2880 bytes")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs files that are none")
def test_chunks_that_are_no_plain_files_are_not_read(tmp_path, foreign):
    zarr.create_array(tmp_path / "a", data=foreign, chunks=(1, *SHAPE[1:]))
    chunk = tmp_path / "a" / "c" / "1" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to("/dev/zero")
    refused(tmp_path / "a", "is no plain file")
    chunk.unlink()
    os.mkfifo(chunk)
    refused(tmp_path / "a", "is no plain file")


def test_memory_that_does_not_suffice_is_no_damage(ours, monkeypatch):
    def short(*given):
        raise MemoryError

    monkeypatch.setattr(label_zarr, "check_chunk", short)
    with pytest.raises(MemoryError):
        list(read_labels(ours, DEFAULT_CLASSES).values())


def test_small_and_large_chunks_say_what_they_hold(ours):
    for size in (1, 100, 255, 256, 257, 70_000, 1 << 20):
        packed = Zstd().encode(bytes(size))
        assert label_zarr._unpacked_bytes(packed[:18]) == size


def test_arrays_outside_the_group_are_not_read(ours):
    file = ours / "zarr.json"
    told = json.loads(file.read_text())
    for path in ("../../../x", "/etc", "C:\\x", ""):
        told["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = path
        file.write_text(json.dumps(told))
        with pytest.raises(InputError, match="names a part of it that lies outside"):
            read_labels(ours, DEFAULT_CLASSES)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("ome", "multiscales"), [], "is no OME-Zarr of labels"),
        (("ome", "multiscales"), 3, "is no OME-Zarr of labels"),
        (("ome", "image-label"), 3, "is no OME-Zarr of labels"),
        (("ome", "image-label", "properties"), [{"label-value": "1"}], "its list of classes is damaged"),
        (("ome",), 3, "its attributes are damaged"),
        (("glissile", "labelled_frames"), [99], "its list of labelled frames is damaged"),
        (("glissile",), [3], "is no OME-Zarr of labels"),
    ],
)  # fmt: skip
def test_damaged_metadata_are_refused(ours, place, value, said):
    file = ours / "zarr.json"
    told = json.loads(file.read_text())
    inner = told["attributes"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    file.write_text(json.dumps(told))
    with pytest.raises(InputError, match=said):
        read_labels(ours, DEFAULT_CLASSES)


def test_of_several_labels_one_must_be_chosen(image):
    file = image / "labels" / "zarr.json"
    told = json.loads(file.read_text())
    told["attributes"]["ome"]["labels"] = ["defects", "cells"]
    file.write_text(json.dumps(told))
    with pytest.raises(InputError, match="has 2 sets of labels; choose the folder of one of them"):
        read_labels(image, DEFAULT_CLASSES)
    assert read_labels(image / "labels" / "defects", DEFAULT_CLASSES)
