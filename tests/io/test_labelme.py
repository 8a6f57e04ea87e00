"""Files of Labelme: ours, drawn ones, and damaged ones."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from label_sets import label_set, written
from PIL import Image

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.io.label_formats import read_labels

HEIGHT, WIDTH = 20, 30
SQUARE = [[2, 3], [8, 3], [8, 9], [2, 9]]


def shape(kind="polygon", points=SQUARE, label="dislocation", **further):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **further}


def saved(path, *shapes, **changes):
    content = {
        "version": "5.5.0",
        "shapes": shapes,
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    path.write_text(json.dumps(content | changes))
    return path


def read(path, **settings):
    (mask,) = read_labels(path, DEFAULT_CLASSES, **settings).values()
    return mask


def png(pixels):
    kept = io.BytesIO()
    Image.fromarray(pixels).save(kept, "PNG")
    return base64.b64encode(kept.getvalue()).decode()


def test_polygons_and_rectangles_cover_their_pixels(tmp_path):
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[3:9, 2:8] = 1
    path = tmp_path / "a_0001.json"
    np.testing.assert_array_equal(read(saved(path, shape())), expected)
    for corners in ([[2, 3], [8, 9]], [[8, 3], [2, 9]], SQUARE):
        np.testing.assert_array_equal(read(saved(path, shape("rectangle", corners))), expected)


def test_lines_are_drawn_as_wide_as_the_pen_of_their_class(tmp_path):
    path = saved(
        tmp_path / "a_0001.json",
        shape("linestrip", [[4.5, 5.5], [14.5, 5.5], [24.5, 5.5]]),
        shape("line", [[4.5, 12.5], [24.5, 12.5]], "SF"),
    )
    mask = read(path, pens={1: 3, 2: 5}.__getitem__)
    np.testing.assert_array_equal(np.flatnonzero(mask[:, 15] == 1), [4, 5, 6])
    np.testing.assert_array_equal(np.flatnonzero(mask[:, 15] == 2), [10, 11, 12, 13, 14])
    assert np.count_nonzero(read(path)[:, 15] == 2) == 3


def test_masks_that_are_kept_as_images_are_read(tmp_path):
    pixels = np.array([[255, 0, 255], [0, 255, 0]], np.uint8)
    path = saved(tmp_path / "a_0001.json", shape("mask", [[4, 6], [6, 7]], mask=png(pixels)))
    expected = np.zeros((HEIGHT, WIDTH))
    expected[6:8, 4:7] = pixels > 0
    np.testing.assert_array_equal(read(path), expected)


def test_within_a_group_a_polygon_in_another_is_a_hole(tmp_path):
    inner = [[4, 5], [6, 5], [6, 7], [4, 7]]
    for group, expected in ((1, 32), (None, 36)):
        shapes = [shape(points=points, group_id=group) for points in (SQUARE, inner)]
        assert np.count_nonzero(read(saved(tmp_path / "a_0001.json", *shapes))) == expected


def test_a_file_without_shapes_is_a_labelled_frame_without_defects(tmp_path):
    assert not read(saved(tmp_path / "a_0001.json")).any()


def test_other_shapes_are_left_out_with_a_warning(tmp_path):
    path = saved(tmp_path / "a_0001.json", shape(), shape("point", [[1, 1]]))
    with pytest.warns(UserWarning, match='shapes of the kind "point" are left out'):
        assert np.count_nonzero(read(path)) == 36


def test_what_is_written_has_what_labelme_asks_for(tmp_path):
    folder = written(tmp_path / "a", "labelme", label_set())
    assert sorted(p.name for p in folder.iterdir()) == [f"twip 2_{n:04d}.json" for n in (0, 3, 5, 11)]
    content = json.loads((folder / "twip 2_0003.json").read_text())
    assert set(content) == {
        "version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "glissile"
    }  # fmt: skip
    assert content["imagePath"] == "twip 2_0003.png"
    assert {s["label"] for s in content["shapes"]} == {"dislocation", "stacking fault"}


OBLIQUE = [[12, 3], [24, 5], [15, 12]]


def test_corners_of_foreign_objects_are_centres_of_pixels_where_they_look_so(tmp_path):
    others = [shape(), shape(points=[[x + 0.25, y + 8.25] for x, y in SQUARE])]
    before = read(saved(tmp_path / "a_0001.json", *others))
    after = read(saved(tmp_path / "a_0001.json", *others, shape(points=OBLIQUE, label="SF")))
    np.testing.assert_array_equal(after == 1, before == 1)
    assert after[3, 12] == after[5, 24] == after[12, 15] == 2  # the corners themselves belong to it


def test_a_polygon_added_to_a_file_of_ours_changes_no_other(tmp_path):
    path = next(written(tmp_path / "a", "labelme", label_set()).iterdir())
    before = read(path)
    content = json.loads(path.read_text())
    content["shapes"].append(shape(points=OBLIQUE, label="stacking fault"))
    path.write_text(json.dumps(content))
    after = read(path)
    np.testing.assert_array_equal(after == 1, before == 1)
    assert set(before[after != before].tolist()) == {0}
    assert after[12, 15] == before[12, 15]  # its centre lies outside: the corner is the edge of a pixel


def test_images_are_called_as_in_the_source(tmp_path):
    labels = label_set(images=tuple(f"shot {n + 100}.tif" for n in range(12)))
    path = written(tmp_path / "a", "labelme", labels) / "twip 2_0003.json"
    assert json.loads(path.read_text())["imagePath"] == "shot 103.tif"
    np.testing.assert_array_equal(read(path), labels.masks[3])


def test_files_of_another_size_than_the_video_are_refused_before_they_are_drawn(tmp_path, monkeypatch):
    path = saved(tmp_path / "a_0001.json", shape("line", [[0, 0], [16384, 16384]]), imageHeight=16384)
    monkeypatch.setattr("glissile.io.labelme._drawn", lambda *given, **further: pytest.fail("drawn"))
    with pytest.raises(InputError, match="has a mask of 16384 x 30 px"):
        read(path, sizes=[(HEIGHT, WIDTH)])


def png_of(height, width):
    """PNG that only claims its size."""
    parts = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")
    chunks = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


@pytest.mark.parametrize(
    ("shapes", "changes", "said"),
    [
        ([shape()], {"imageHeight": 10**6, "imageWidth": 10**6}, "no image has 1000000 x 1000000 px"),
        ([shape()], {"imageHeight": None}, "no image has None x 30 px"),
        ([shape(label="crack")], {}, 'has labels of "crack", which is no single class'),
        ([shape(points=[])], {}, "has an outline without points"),
        ([shape(points=[[1, 2, 3]])], {}, "is not laid out as Labelme does"),
        ([{"points": SQUARE}], {}, "is not laid out as Labelme does"),
        ([3], {}, "is not laid out as Labelme does"),
        ([shape("mask", [[25, 6], [27, 7]], mask=png(np.ones((9, 9), np.uint8)))], {}, "reaches beyond"),
        ([shape("mask", [[1, 1], [2, 2]], mask="AAAA")], {}, "the mask of an object is damaged"),
        ([shape("mask", [[1, 1], [2, 2]], mask=png_of(20_000, 20_000))], {}, "mask of an object is damaged"),
        ([shape("mask", [[1, 1], [2, 2]], mask="?")], {}, "is not laid out as Labelme does"),
        ([shape("mask", [[1, 1], [2, 2]])], {}, "is not laid out as Labelme does"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_in_a_sentence(tmp_path, shapes, changes, said):
    with pytest.raises(InputError, match=rf"a_0001\.json: .*{said}"):
        read(saved(tmp_path / "a_0001.json", *shapes, **changes))


def test_a_folder_with_another_json_file_among_them_is_refused_when_that_is_read(tmp_path):
    saved(tmp_path / "a_0001.json", shape())
    (tmp_path / "b_0002.json").write_text("{}")
    with pytest.raises(InputError, match=r"b_0002\.json: has no list of shapes"):
        list(read_labels(tmp_path, DEFAULT_CLASSES).values())
