"""Every format of labels: what is written comes back, and refusals."""

import json

import numpy as np
import pytest
import tifffile
from label_sets import SHAPE, label_set, random_mask, written
from PIL import Image

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.io.annotations import frame_number
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
    (path / "labels.json").write_text(json.dumps({"names": ["a"]}))
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
    with pytest.raises(InputError, match="would be taken for one of another class"):
        written(tmp_path / "a", "classes", label_set(classes=classes))
    assert list(tmp_path.iterdir()) == []
