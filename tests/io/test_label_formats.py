"""Every format of labels: what is written comes back, and refusals."""

import json
import lzma
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from label_sets import SHAPE, label_set, random_mask, written
from PIL import Image

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.io.annotations import frame_number, read_class_image, read_index_image
from glissile.io.json_files import read_json
from glissile.io.label_formats import FORMATS, format_for, format_named, format_of, read_labels, write_labels

NAMES = [known.name for known in FORMATS]
SELDOM = (
    DefectClass(value=7, name="dislocation", color="#e69f00"),
    DefectClass(value=200, name="stacking fault", color="#56b4e9"),
)


def path_for(folder, name):
    return folder / f"labels{format_named(name).suffix}"


@pytest.mark.parametrize("name", NAMES)
def test_labels_come_back_pixel_for_pixel_with_their_frames(tmp_path, name):
    labels = label_set(nm_per_pixel=2.5, seconds_per_frame=0.05)
    path = written(path_for(tmp_path, name), name, labels)
    found = read_labels(path, DEFAULT_CLASSES)
    assert [frame_number(stem) for stem in found] == [0, 3, 5, 11]
    for stem, mask in zip(found, labels.masks.values(), strict=True):
        assert found[stem].dtype == np.uint8
        np.testing.assert_array_equal(found[stem], mask)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"png", "tiff"}])
def test_classes_are_matched_by_name_and_not_by_value(tmp_path, name):
    path = written(path_for(tmp_path, name), name, label_set())
    found = read_labels(path, SELDOM)
    for stem, mask in zip(found, label_set().masks.values(), strict=True):
        np.testing.assert_array_equal(found[stem], np.array([0, 7, 200])[mask])


@pytest.mark.parametrize("name", ["stack", "zarr", "coco", "labelme"])
def test_labels_of_no_class_are_refused_by_name(tmp_path, name):
    path = written(path_for(tmp_path, name), name, label_set())
    with pytest.raises(InputError, match='has labels of "stacking fault", which is no single class of dis'):
        list(read_labels(path, DEFAULT_CLASSES[:1]).values())


@pytest.mark.parametrize("name", ["stack", "zarr", "coco", "labelme"])
def test_of_classes_called_much_alike_each_stays_itself(tmp_path, name):
    classes = tuple(
        DefectClass(value=n, name=name, color="#000000") for n, name in ((1, "line"), (2, "Lines"))
    )
    path = written(path_for(tmp_path, name), name, label_set(classes=classes))
    for found, mask in zip(read_labels(path, classes).values(), label_set().masks.values(), strict=True):
        np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize("name", NAMES)
def test_the_format_is_known_by_what_lies_there(tmp_path, name):
    path = written(path_for(tmp_path, name), name, label_set())
    assert format_of(path).read is format_named(name).read


@pytest.mark.parametrize(
    ("target", "name"),
    [("a.TIF", "stack"), ("a.tiff", "stack"), ("a.ome.zarr", "zarr"), ("a.json", "coco"), ("a", "png"),
     ("8.4um", "png")],
)  # fmt: skip
def test_the_suffix_of_the_target_tells_the_format(tmp_path, target, name):
    assert format_for(tmp_path / target).name == name


def test_files_of_single_frames_are_read(tmp_path):
    mask = random_mask(1)
    for name in ("a_0004.png", "a_0005.tif"):
        Image.fromarray(mask).save(tmp_path / name)
        found = read_labels(tmp_path / name, DEFAULT_CLASSES)
        assert list(found) == [name[:6]]
        np.testing.assert_array_equal(found[name[:6]], mask)


def test_a_folder_of_frames_with_files_of_labelme_beside_them_is_one_of_labelme(tmp_path):
    path = written(tmp_path / "a", "labelme", label_set())
    Image.fromarray(np.full(SHAPE[1:], 99, np.uint8)).save(path / "twip 2_0000.png")
    assert format_of(path).name == "labelme"
    for number in range(4):
        (path / f"notes {number}.json").write_text(json.dumps({"names": ["a"]}))
    assert format_of(path).name == "labelme"
    for number in range(9):
        (path / f"notes {number}.json").write_text(json.dumps({"names": ["a"]}))
    assert format_of(path).name == "png"


@pytest.mark.parametrize("name", [known.name for known in FORMATS if known.folder])
def test_a_folder_with_something_in_it_is_left_alone(tmp_path, name):
    path = path_for(tmp_path, name)
    path.mkdir()
    (path / "thesis.tex").write_text("of years")
    with pytest.raises(InputError, match="is there already and not an empty folder; choose another name"):
        written(path, name, label_set())
    assert [p.name for p in path.iterdir()] == ["thesis.tex"]
    (path / "thesis.tex").unlink()
    assert read_labels(written(path, name, label_set()), DEFAULT_CLASSES)


@pytest.mark.parametrize("name", NAMES)
def test_an_export_that_is_cut_short_leaves_nothing(tmp_path, name):
    steps = write_labels(path_for(tmp_path, name), label_set(), format_named(name))
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_suffix_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"COCO \(JSON\) is written as \.json"):
        written(tmp_path / "a.txt", "coco", label_set())
    (tmp_path / "a.json").mkdir()
    with pytest.raises(InputError, match="is a folder; give the name of a file"):
        written(tmp_path / "a.json", "coco", label_set())


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_nothing_is_written_into_an_experiment(tmp_path, kind):
    study = tmp_path / "a.glissile"
    (study / "labels.zarr").mkdir(parents=True)
    (study / "labels.zarr" / "zarr.json").write_text("kept")
    (tmp_path / "renamed").mkdir()
    (tmp_path / "renamed" / "experiment.toml").touch()
    for target in (
        study / "labels.zarr" / "zarr.json",
        study / "labels.zarr" / f"out{kind.suffix}",
        study / f"out{kind.suffix}",
        tmp_path / "B.Glissile" / f"out{kind.suffix}",
        tmp_path / "renamed" / "x" / f"out{kind.suffix}",
        tmp_path / "renamed" / ".." / "a.glissile" / f"out{kind.suffix}",
    ):
        with pytest.raises(InputError, match=r"is of the experiment .*; choose a place outside of it"):
            written(target, kind.name, label_set())
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["experiment.toml", "zarr.json"]
    assert (study / "labels.zarr" / "zarr.json").read_text() == "kept"


@pytest.mark.parametrize("name", [known.name for known in FORMATS if known.folder])
@pytest.mark.parametrize("target", ["out.csv", "out.PNG", "x.tif", "a.json", "b.h5"])
def test_no_folder_is_called_like_a_file(tmp_path, name, target):
    with pytest.raises(InputError, match=r"is written as a folder, and \.\w+ is of files"):
        written(tmp_path / target, name, label_set())
    assert list(tmp_path.iterdir()) == []
    assert read_labels(written(tmp_path / "8.4um", name, label_set()), DEFAULT_CLASSES)


def test_the_folder_one_is_in_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for target in (".", tmp_path):
        with pytest.raises(InputError, match="is the folder you are in"):
            written(Path(target), "png", label_set())


@pytest.mark.parametrize(
    ("name", "known", "ending"),
    [
        ("a.tiff", "stack", ".tiff"),
        ("a.TIF", "stack", ".TIF"),
        ("a.tif", "coco", ""),
        ("a.ome.zarr", "zarr", ".ome.zarr"),
        ("a.Zarr", "zarr", ".Zarr"),
        ("8.4um", "png", ""),
    ],
)
def test_a_suffix_that_fits_is_known(name, known, ending):
    assert format_named(known).ending(name) == ending


@pytest.mark.parametrize("name", NAMES)
def test_masks_of_another_size_than_the_video_are_refused(tmp_path, name):
    path = written(path_for(tmp_path, name), name, label_set())
    found = read_labels(path, DEFAULT_CLASSES, sizes=[(9, 9), SHAPE[1:]])
    np.testing.assert_array_equal(list(found.values())[1], random_mask(3))
    with pytest.raises(InputError, match=r"mask of 24 x 30 px \(.*\), but those of this video have 9 x 9 px"):
        list(read_labels(path, DEFAULT_CLASSES, sizes=[(9, 9)]).values())


def test_tiff_files_that_claim_to_be_enormous_are_not_decoded(tmp_path, monkeypatch):
    for name, pages in (("a_0001.tif", 1), ("b.tif", 2)):
        tifffile.imwrite(tmp_path / name, np.zeros((pages, 24, 30), np.uint8), photometric="minisblack")
        with tifffile.TiffFile(tmp_path / name, mode="r+") as file:
            for page in file.pages:
                page.tags["ImageWidth"].overwrite(60_000)
                page.tags["ImageLength"].overwrite(60_000)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *given, **further: pytest.fail("decoded"))
    for name in ("a_0001.tif", "b.tif"):
        with pytest.raises(InputError, match=rf"{name}: no image has 60000 x 60000 px"):
            list(read_labels(tmp_path / name, DEFAULT_CLASSES).values())
    with pytest.raises(InputError, match="no image has 60000 x 60000 px"):
        read_index_image(tmp_path / "a_0001.tif", DEFAULT_CLASSES)
    with pytest.raises(InputError, match="no image has 60000 x 60000 px"):
        read_class_image(tmp_path / "a_0001.tif")


def packed_tiff(path, packed, compression, shape=SHAPE[1:]):
    """TIFF of one strip that is taken as it is."""
    with tifffile.TiffWriter(path) as file:
        file.write(
            iter([packed]),
            shape=shape,
            dtype=np.uint8,
            rowsperstrip=shape[0],
            photometric="minisblack",
            compression=compression,
        )
    return path


@pytest.mark.parametrize("name", ["a_0001.tif", "folder"])
@pytest.mark.parametrize("larger", [False, True])
def test_strips_of_a_tiff_do_not_become_larger_than_their_page(tmp_path, monkeypatch, name, larger):
    (tmp_path / "folder").mkdir()
    packed = zlib.compress(bytes(1 << 24) if larger else random_mask(1).tobytes())
    for path in (tmp_path / "a_0001.tif", tmp_path / "folder" / "a_0001.tif"):
        packed_tiff(path, packed, "zlib")
    if not larger:
        found = read_labels(tmp_path / name, DEFAULT_CLASSES)["a_0001"]
        np.testing.assert_array_equal(found, random_mask(1))
        return
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *given, **further: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"a_0001\.tif: holds more than the pixels of its page"):
        read_labels(tmp_path / name, DEFAULT_CLASSES)["a_0001"]


def test_of_a_tiff_that_is_packed_otherwise_nobody_knows_how_large_it_becomes(tmp_path):
    path = packed_tiff(tmp_path / "a_0001.tif", lzma.compress(random_mask(1).tobytes()), "lzma")
    with pytest.raises(InputError, match="is packed by LZMA; save it by Deflate"):
        read_labels(path, DEFAULT_CLASSES)["a_0001"]
    path = packed_tiff(tmp_path / "b_0001.tif", bytes(1 << 18), "zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(32773)  # PackBits
    with pytest.raises(InputError, match="holds more than the pixels of its page"):
        read_labels(path, DEFAULT_CLASSES)["b_0001"]


def test_tiff_files_in_strips_and_tiles_are_read(tmp_path):
    mask = np.tile(random_mask(1), (20, 20))
    for number, kind in enumerate(({"rowsperstrip": 7}, {"tile": (64, 64)}, {"compression": None})):
        path = tmp_path / f"a_{number:04d}.tif"
        tifffile.imwrite(path, mask, photometric="minisblack", **({"compression": "zlib"} | kind))
        np.testing.assert_array_equal(read_labels(path, DEFAULT_CLASSES)[path.stem], mask)


def test_a_json_file_is_read_once(tmp_path, monkeypatch):
    read = []
    for module in ("label_formats", "coco", "labelme"):
        monkeypatch.setattr(
            f"glissile.io.{module}.read_json", lambda path: read.append(path) or read_json(path)
        )
    coco = written(tmp_path / "a.json", "coco", label_set())
    labelme = next(written(tmp_path / "a", "labelme", label_set()).iterdir())
    for path in (coco, labelme):
        list(read_labels(path, DEFAULT_CLASSES).values())
    assert read == [coco, labelme]
    with (tmp_path / "b.json").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(InputError, match="is larger than 64 MiB"):
        format_of(tmp_path / "b.json")


def test_what_are_no_labels_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        format_of(tmp_path / "absent")
    with pytest.raises(InputError, match="is no format of labels; choose one of png, tiff"):
        format_named("gif")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match="labels are read from PNG, TIFF, JSON"):
        format_of(tmp_path / "a.txt")
    for text, said in (
        ("{", "is no whole JSON file"),
        ("[1]", "holds no object"),
        ('{"a": 1}', "is laid out neither as COCO nor as Labelme does"),
        ("[" * 100_000, "is no whole JSON file"),
    ):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(InputError, match=said):
            format_of(tmp_path / "a.json")


# --- multi-page TIFF


def test_pages_of_zeros_of_a_foreign_stack_are_not_labelled(tmp_path):
    pages = np.zeros((5, *SHAPE[1:]), np.uint16)
    pages[1], pages[4] = random_mask(1), random_mask(4)
    for compression in (None, "zlib"):
        tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack", compression=compression)
        found = read_labels(tmp_path / "a.tif", DEFAULT_CLASSES)
        assert list(found) == ["0001", "0004"]
        np.testing.assert_array_equal(found["0004"], pages[4])
    tifffile.imwrite(tmp_path / "a.tif", pages.astype(np.uint8), imagej=True)
    assert list(read_labels(tmp_path / "a.tif", DEFAULT_CLASSES)) == ["0001", "0004"]


def test_a_stack_has_a_page_for_each_frame_of_the_video(tmp_path):
    labels = label_set()
    path = written(tmp_path / "a.tif", "stack", labels)
    pages = tifffile.imread(path)
    assert pages.shape == SHAPE
    steps = write_labels(tmp_path / "b.tif", labels, format_named("stack"))
    assert [(step.index, step.total) for step in steps] == [(n, SHAPE[0]) for n in range(1, SHAPE[0] + 1)]
    np.testing.assert_array_equal(pages[3], labels.masks[3])
    assert not pages[4].any()


def test_a_stack_of_strange_values_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((3, *SHAPE[1:]), 9, np.uint8), photometric="minisblack")
    with pytest.raises(
        InputError, match=r"a\.tif: has the value 9, but the classes are 0, 1, 2; add a class"
    ):
        read_labels(tmp_path / "a.tif", DEFAULT_CLASSES)["0000"]
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, *SHAPE[1:]), np.float32), photometric="minisblack")
    with pytest.raises(InputError, match="holds float32, not whole numbers"):
        read_labels(tmp_path / "a.tif", DEFAULT_CLASSES)


@pytest.mark.parametrize("listed", [[0, 12], [-1], ["1"], 3, [True]])
def test_a_list_of_impossible_frames_is_refused(tmp_path, listed):
    path = tmp_path / "a.tif"
    described = json.dumps({"labelled_frames": listed})
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8), description=described, metadata=None)
    with pytest.raises(InputError, match="its list of labelled frames is damaged"):
        read_labels(path, DEFAULT_CLASSES)


# --- class folders


def test_class_folders_hold_black_on_white(tmp_path):
    path = written(tmp_path / "a", "classes", label_set())
    assert sorted(p.name for p in path.iterdir()) == ["dislocation", "stacking_fault"]
    with Image.open(path / "stacking_fault" / "twip 2_0003.png") as image:
        assert image.mode == "P"
        colours = np.asarray(image.convert("L"))
    np.testing.assert_array_equal(colours, np.where(label_set().masks[3] == 2, 0, 255))


def test_classes_whose_folders_could_be_mistaken_are_not_written_so(tmp_path):
    classes = tuple(
        DefectClass(value=n, name=name, color="#000000") for n, name in ((1, "line"), (2, "lines:"))
    )
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path / 'a'))}: .*taken for one of another"):
        written(tmp_path / "a", "classes", label_set(classes=classes))
    assert list(tmp_path.iterdir()) == []
