"""COCO files: ours, those of other programs, and damaged ones."""

import json

import cv2
import numpy as np
import pytest
from label_sets import label_set, random_mask, written

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.io.label_formats import read_labels

HEIGHT, WIDTH = 40, 60
IMAGE = {"id": 7, "file_name": "seq\\frames\\img_0050.png", "height": HEIGHT, "width": WIDTH}
CATEGORIES = [{"id": 3, "name": "Stacking_faults"}, {"id": 4, "name": "background things"}]
# By pycocotools 2.0, of `TRUTH`.
PACKED = (
    "^31W1000UOP1K0k0PO500000000000000000000000\\O3MM33MM33MM33MM33MM33MM33MM33MM33MM33MM31^OO?031^OO?03"
    "1^OO?031^OO?031^OO?033MM33MM33MM33MM33MM33MM33MM33MM33MM33MM33MM33MM33MM33MM33MMg0000000000000000b1"
)
TRUTH = np.zeros((HEIGHT, WIDTH), bool)
TRUTH[3:36, 5:7] = TRUTH[30, 2:58] = TRUTH[10:14, 20:50] = True
TRUTH[12, 30:35] = False


def saved(path, *segmentations, **changes):
    annotations = [
        {"id": n, "image_id": 7, "category_id": 3, "segmentation": drawn, "iscrowd": 0}
        for n, drawn in enumerate(segmentations)
    ]
    content = {"images": [IMAGE], "annotations": annotations, "categories": CATEGORIES}
    path.write_text(json.dumps(content | changes))
    return path


def mask_of(path):
    (mask,) = read_labels(path, DEFAULT_CLASSES).values()
    return mask


def uncompressed():
    flat = np.r_[False, TRUTH.T.ravel()]
    changes = np.flatnonzero(np.diff(flat, append=not flat[-1]))
    return np.diff(np.r_[0, changes]).tolist()


@pytest.mark.parametrize("counts", [PACKED, uncompressed()], ids=["compressed", "uncompressed"])
def test_run_lengths_are_read(tmp_path, counts):
    path = saved(tmp_path / "a.json", {"size": [HEIGHT, WIDTH], "counts": counts})
    np.testing.assert_array_equal(mask_of(path), 2 * TRUTH)
    assert list(read_labels(path, DEFAULT_CLASSES)) == ["img_0050"]


# By pycocotools 2.0.11: the rows that a polygon of whole numbers covers in some columns.
@pytest.mark.parametrize(
    ("ring", "columns"),
    [
        ([10, 10, 58, 12, 58, 16, 10, 14], {12: (10, 14), 35: (11, 15), 50: (12, 16)}),
        ([2, 3, 51, 17, 20, 37], {5: (4, 10), 12: (6, 23), 35: (13, 27)}),
    ],
)
def test_corners_that_are_whole_numbers_are_no_centres_of_pixels(tmp_path, ring, columns):
    mask = mask_of(saved(tmp_path / "a.json", [ring]))
    for column, (first, stop) in columns.items():
        assert np.flatnonzero(mask[:, column]).tolist() == list(range(first, stop))


def test_one_object_changes_no_other(tmp_path):
    path = written(tmp_path / "a.json", "coco", label_set())
    before = dict(read_labels(path, DEFAULT_CLASSES))
    content = json.loads(path.read_text())
    content["annotations"].append({"image_id": 1, "category_id": 2, "segmentation": [[1, 1, 9, 3, 4, 8]]})
    path.write_text(json.dumps(content))
    after = read_labels(path, DEFAULT_CLASSES)
    drawn = read_labels(saved(tmp_path / "b.json", [[1, 1, 9, 3, 4, 8]]), DEFAULT_CLASSES)["img_0050"]
    elsewhere = drawn[:24, :30] == 0
    assert not elsewhere.all()
    for stem, mask in before.items():
        np.testing.assert_array_equal(after[stem][elsewhere], mask[elsewhere])


def test_a_contour_within_another_of_one_object_is_a_hole(tmp_path):
    contours, _ = cv2.findContours(TRUTH.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    path = saved(tmp_path / "a.json", [contour.ravel().tolist() for contour in contours])
    found = mask_of(path) == 2
    assert np.flatnonzero(found[:, 5]).tolist() == list(range(3, 35))
    assert np.flatnonzero(found[:, 20]).tolist() == [10, 11, 12]
    assert np.flatnonzero(found[:, 32]).tolist() == [10]


def test_run_lengths_may_begin_and_end_anywhere(tmp_path):
    for first, stop in ((0, 1), (39, 41), (0, 2400), (2399, 2400), (80, 120), (100, 2200)):
        counts = [first, stop - first, 2400 - stop, 0]
        path = saved(tmp_path / "a.json", {"size": [HEIGHT, WIDTH], "counts": counts})
        assert np.flatnonzero(mask_of(path).T).tolist() == list(range(first, stop))
    path = saved(tmp_path / "a.json", {"size": [HEIGHT, WIDTH], "counts": [2400]})
    assert not mask_of(path).any()


def test_images_keep_the_names_that_they_have_in_the_source(tmp_path):
    labels = label_set(images=tuple(f"shot {n + 100}.tif" for n in range(12)))
    path = written(tmp_path / "a.json", "coco", labels)
    content = json.loads(path.read_text())
    assert [image["file_name"] for image in content["images"]] == [
        "shot 100.tif", "shot 103.tif", "shot 105.tif", "shot 111.tif"
    ]  # fmt: skip
    found = read_labels(path, DEFAULT_CLASSES)
    assert list(found) == ["0000", "0003", "0005", "0011"]
    np.testing.assert_array_equal(found["0003"], labels.masks[3])


def test_images_of_another_size_than_the_video_are_refused_before_they_are_drawn(tmp_path):
    path = saved(tmp_path / "a.json", [[0, 0, 5, 0, 5, 5, 0, 5]])
    assert list(read_labels(path, DEFAULT_CLASSES, sizes=[(HEIGHT, WIDTH), (9, 9)])) == ["img_0050"]
    with pytest.raises(InputError, match=r"mask of 40 x 60 px \(.*\), but those of this video have 9 x 9 px"):
        read_labels(path, DEFAULT_CLASSES, sizes=[(9, 9)])


def test_polygons_drawn_by_hand_are_filled_where_centres_of_pixels_lie_inside(tmp_path):
    expected = np.zeros((HEIGHT, WIDTH))
    expected[5:8, 10:20] = 2
    path = saved(tmp_path / "a.json", [[10.2, 4.8, 20.3, 4.9, 20.1, 8.2, 9.9, 8.1]])
    np.testing.assert_array_equal(mask_of(path), expected)


def test_the_first_class_wins_where_objects_overlap(tmp_path):
    box = [[0, 0, 10, 0, 10, 10, 0, 10]]
    annotations = [
        {"image_id": 7, "category_id": category, "segmentation": box} for category in ("d", 3, "d", 3)
    ]
    path = saved(
        tmp_path / "a.json",
        annotations=annotations,
        categories=[*CATEGORIES, {"id": "d", "name": "dislocation"}],
    )
    mask = mask_of(path)
    assert (mask[:10, :10] == 1).all()
    assert not mask[10:].any()


def test_images_without_objects_are_labelled_only_in_files_that_say_so(tmp_path):
    images = [IMAGE, {**IMAGE, "id": 8, "file_name": "img_0051.png"}]
    square = [[0, 0, 5, 0, 5, 5, 0, 5]]
    assert list(read_labels(saved(tmp_path / "a.json", square, images=images), DEFAULT_CLASSES)) == [
        "img_0050"
    ]
    listed = saved(tmp_path / "a.json", square, images=images, labelled_frames=[50, 51])
    assert list(read_labels(listed, DEFAULT_CLASSES)) == ["img_0050", "img_0051"]


def test_objects_with_nothing_but_a_box_are_left_out_with_a_warning(tmp_path):
    path = saved(tmp_path / "a.json", [[0, 0, 5, 0, 5, 5, 0, 5]], [], [])
    with pytest.warns(UserWarning, match="2 objects without an outline are left out"):
        mask = mask_of(path)
    assert np.count_nonzero(mask) == 25


def test_areas_and_boxes_are_those_of_the_pixels(tmp_path):
    labels = label_set(masks={3: random_mask(3)})
    content = json.loads(written(tmp_path / "a.json", "coco", labels).read_text())
    assert content["categories"][1] == {
        "id": 2, "name": "stacking fault", "supercategory": "defect", "color": [0x56, 0xB4, 0xE9],
    }  # fmt: skip
    assert content["images"][0]["file_name"] == "twip 2_0003.png"
    for value in (1, 2):
        mask = labels.masks[3] == value
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        found = sorted((*a["bbox"], a["area"]) for a in content["annotations"] if a["category_id"] == value)
        assert found == sorted(map(tuple, stats[1:].tolist()))


SQUARE = [0, 0, 5, 0, 5, 5]


@pytest.mark.parametrize(
    ("segmentation", "changes", "said"),
    [
        ([SQUARE], {"images": [{**IMAGE, "height": 10**7, "width": 10**7}]}, "no image has 10000000 x 100"),
        ([SQUARE], {"images": [{**IMAGE, "height": -1}]}, "no image has -1 x 60 px"),
        ([SQUARE], {"images": [{**IMAGE, "height": 40.0}]}, "no image has 40.0 x 60 px"),
        ([SQUARE], {"images": [IMAGE, {**IMAGE, "id": 8}]}, "two images have one name"),
        ([SQUARE], {"images": [IMAGE, {**IMAGE, "file_name": "img_51.png"}]}, "two image entries have"),
        ([SQUARE], {"categories": [*CATEGORIES, {"id": 3, "name": "d"}]}, "two category entries have"),
        ([SQUARE], {"images": []}, "has objects of an image that it does not list"),
        ([SQUARE], {"images": [{"id": 7}]}, "is not laid out as COCO is"),
        ([SQUARE], {"categories": []}, 'has labels of "3", which is no single class'),
        ([SQUARE], {"categories": [{"id": 3, "name": "DS"}]}, 'labels of "DS", which is no single class'),
        ([SQUARE], {"categories": [{"id": 3, "name": "cra\x1b[2Jck"}]}, r'labels of "cra\?\[2Jck"'),
        ([[1, 2, 3]], {}, "is not laid out as COCO is"),
        ([[]], {}, "has an outline without points"),
        ([[0, 0, 1e9, 0, 5, 5]], {}, "far outside any image"),
        ([[0, 0, float("nan"), 0, 5, 5]], {}, "far outside any image"),
        ([["a", "b"]], {}, "is not laid out as COCO is"),
        (3, {}, "is not laid out as COCO is"),
        ({"size": [HEIGHT, WIDTH], "counts": [2400, 1]}, {}, "the run lengths of an object do not fit"),
        ({"size": [HEIGHT, WIDTH], "counts": [-1, 2401]}, {}, "the run lengths of an object do not fit"),
        ({"size": [HEIGHT, WIDTH], "counts": [[2400]]}, {}, "the run lengths of an object do not fit"),
        ({"size": [HEIGHT, WIDTH], "counts": [10**30]}, {}, "is not laid out as COCO is"),
        ({"size": [WIDTH, HEIGHT], "counts": [2400]}, {}, "the run lengths of an object do not fit"),
        ({"size": [HEIGHT, WIDTH], "counts": "~~"}, {}, "the run lengths of an object are damaged"),
        ({"size": [HEIGHT, WIDTH], "counts": "o" * 999}, {}, "the run lengths of an object are damaged"),
        ({"size": [HEIGHT, WIDTH]}, {}, "is not laid out as COCO is"),
        ([SQUARE], {"annotations": [3]}, "is not laid out as COCO is"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_in_a_sentence(tmp_path, segmentation, changes, said):
    with pytest.raises(InputError, match=rf"a\.json: .*{said}"):
        mask_of(saved(tmp_path / "a.json", segmentation, **changes))
