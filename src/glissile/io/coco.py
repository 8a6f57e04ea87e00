"""Labels as COCO JSON: the objects of all frames in one file, as polygons or run lengths.

The format is described at https://cocodataset.org/#format-data.
"""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.class_names import class_called
from glissile.io.json_files import compact, read_json
from glissile.io.label_set import (
    LABELLED,
    LabelSet,
    Mask,
    ReadWhenAsked,
    Size,
    Wanted,
    checked_size,
    composed,
    frame_digits,
)
from glissile.io.polygons import Points, checked_points, fill, outlines, signed_area
from glissile.progress import Ticks

# A class value, and rings or run lengths.
_Object = tuple[int, "list[Points] | NDArray[np.int64]"]


def is_coco(found: Mapping[str, Any]) -> bool:
    """Whether a JSON object is laid out as COCO describes."""
    return isinstance(found.get("images"), list) and isinstance(found.get("annotations"), list)


def read_coco(path: Path, wanted: Wanted, found: Mapping[str, Any] | None = None) -> ReadWhenAsked[str]:
    """Read the labels of a COCO file.

    Polygons, uncompressed and compressed run lengths are read. A polygon covers the pixels whose centres lie
    inside, as in pycocotools. Of the polygons of one object, one that lies within another is a hole. Objects
    of which only the box is known are left out with a warning. Categories are matched with classes by name;
    where objects of two classes cover a pixel, the first class wins. Frames without objects are left out,
    unless the file lists its labelled frames, as `write_coco` does.

    Parameters
    ----------
    path : Path
        JSON file.
    wanted : Wanted
        Classes and sizes.
    found : mapping, optional
        What the file holds, where it has been read.

    Returns
    -------
    ReadWhenAsked
        Masks (y, x) by the stem of the image's file name; by the number of the frame, in digits, where that
        is told and no name ends so.

    Raises
    ------
    InputError
        If the file is no whole COCO file, a category with objects is no class, or an image with objects has
        another size than masks may have.
    """
    found = read_json(path) if found is None else found
    if not is_coco(found):
        raise InputError(f"{path}: has no lists of images and annotations, as COCO has; export it again")
    try:
        images = _by_id(found["images"], "image", path)
        categories = _by_id(found.get("categories", []), "category", path)
        names = {key: category["name"] for key, category in categories.items()}
        stems = _stems(images, ours=LABELLED in found)
        sizes = {key: checked_size(image["height"], image["width"], path) for key, image in images.items()}
        objects = _objects_by_image(found["annotations"], sizes, names, wanted.classes, path)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: is not laid out as COCO is ({error!r:.80}); export it again") from error
    if len(set(stems.values())) < len(stems):
        raise InputError(f"{path}: two images have one name; give each frame a name of its own")
    labelled = [key for key in images if objects[key] or LABELLED in found]
    for key in labelled:
        wanted.size(*sizes[key], path)
    return ReadWhenAsked(
        {stems[key]: partial(_mask, objects[key], wanted.classes, sizes[key]) for key in labelled}
    )


def _by_id(listed: Sequence[Mapping[str, Any]], what: str, path: Path) -> dict[Any, Mapping[str, Any]]:
    found: dict[Any, Mapping[str, Any]] = {}
    for one in listed:
        if one["id"] in found:
            raise InputError(
                f"{path}: two {what} entries have the id {one['id']!r:.20}, and objects could be of either; "
                "export it again"
            )
        found[one["id"]] = one
    return found


def _stems(images: Mapping[Any, Mapping[str, Any]], *, ours: bool) -> dict[Any, str]:
    """Names that end in frame numbers; in files of ours, images may be called otherwise."""
    stems = {key: _stem(image["file_name"]) for key, image in images.items()}
    frames: dict[Any, Any] = {key: image.get("frame") for key, image in images.items()}
    if not ours or not all(type(n) is int and n >= 0 for n in frames.values()):
        return stems
    if all(_ends_in(stems[key], n) for key, n in frames.items()):
        return stems
    return {key: frame_digits(n, n + 1) for key, n in frames.items()}


def _ends_in(stem: str, number: int) -> bool:
    digits = stem[len(stem.rstrip("0123456789")) :]
    return bool(digits) and digits.lstrip("0") == str(number).lstrip("0")


def _objects_by_image(
    annotations: Sequence[Mapping[str, Any]],
    sizes: Mapping[Any, Size],
    names: Mapping[Any, Any],
    classes: Sequence[DefectClass],
    path: Path,
) -> dict[Any, list[_Object]]:
    objects: dict[Any, list[_Object]] = {key: [] for key in sizes}
    values = {}
    boxes = 0
    for annotation in annotations:
        category, image = annotation["category_id"], annotation["image_id"]
        if image not in sizes:
            raise InputError(f"{path}: has objects of an image that it does not list; export it again")
        drawn = _drawn(annotation.get("segmentation"), sizes[image], path)
        if drawn is None:
            boxes += 1
            continue
        if category not in values:
            values[category] = class_called(str(names.get(category, category)), classes, path).value
        objects[image].append((values[category], drawn))
    if boxes:
        warnings.warn(f"{path}: {boxes} objects without an outline are left out", stacklevel=3)
    return objects


def _drawn(segmentation: Any, size: Size, path: Path) -> "list[Points] | NDArray[np.int64] | None":
    """Rings, or run lengths that alternate between background and object; None where there is neither."""
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        lengths = _unpacked(counts, path) if isinstance(counts, str) else np.array(counts, np.int64)
        fits = lengths.ndim == 1 and bool((lengths >= 0).all()) and bool((lengths <= size[0] * size[1]).all())
        if list(segmentation["size"]) != list(size) or not fits or lengths.sum() != size[0] * size[1]:
            raise InputError(
                f"{path}: the run lengths of an object do not fit its image of {size[0]} x {size[1]} px; "
                "export it again"
            )
        return lengths
    return [checked_points(np.array(ring, np.float64).reshape(-1, 2), path) for ring in segmentation]


def _unpacked(text: str, path: Path) -> NDArray[np.int64]:
    """Run lengths of a string: 5 bits a letter, from the fourth number on relative to the last but one."""
    counts: list[int] = []
    number = bits = 0
    for letter in text.encode("ascii", "replace"):
        code = letter - 48
        if not 0 <= code < 64 or bits > 60:
            raise InputError(f"{path}: the run lengths of an object are damaged; export it again")
        number |= (code & 31) << bits
        bits += 5
        if code & 32:
            continue
        if code & 16:
            number -= 1 << bits
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number = bits = 0
    return np.array(counts, np.int64)


def _mask(objects: Sequence[_Object], classes: Sequence[DefectClass], size: Size) -> Mask:
    layers: dict[int, NDArray[np.bool_]] = {}
    for value, drawn in objects:
        if value not in layers:
            layers[value] = np.zeros(size, bool)
        if isinstance(drawn, list):
            fill(layers[value], drawn)
        else:
            _fill_runs(layers[value], drawn)
    return composed(layers, classes, size)


def _fill_runs(layer: NDArray[np.bool_], lengths: NDArray[np.int64]) -> None:
    """Add run lengths, down one column after the other, to a mask (y, x)."""
    ends = np.cumsum(lengths)
    drawn = np.flatnonzero(lengths[1::2])
    if not len(drawn):
        return
    height = layer.shape[0]
    first = int(ends[2 * drawn[0]]) // height
    stop = -(-int(ends[2 * drawn[-1] + 1]) // height)
    within = ends.clip(first * height, stop * height) - first * height
    runs = np.diff(within, prepend=0)
    layer[:, first:stop] |= np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(-1, height).T


def _stem(file_name: str) -> str:
    return PurePosixPath(file_name.replace("\\", "/")).stem


def write_coco(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write labels as a COCO file, atomically; `read_coco` gives back the same pixels.

    An object is what touches by edge or corner, its polygons follow the edges of the pixels. One with holes
    is cut into several polygons without. An image is called as in the source; `frame` tells its number.

    Parameters
    ----------
    target : Path
        JSON file.
    labels : LabelSet
        Labels.

    Yields
    ------
    None
        After each frame.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    _, height, width = labels.shape
    for number, (frame, mask) in enumerate(labels.masks.items(), start=1):
        image = {"id": number, "file_name": labels.image(frame), "height": height, "width": width}
        images.append(image | {"frame": frame})
        for defect in labels.classes:
            for rings in outlines(mask == defect.value):
                annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": defect.value}
                annotations.append(annotation | _described(rings))
        yield
    categories = [
        {"id": c.value, "name": c.name, "supercategory": "defect", "color": list(bytes.fromhex(c.color[1:]))}
        for c in labels.classes
    ]
    content = {
        "info": {"description": f"labels of {labels.name}"},
        LABELLED: list(labels.masks),
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    atomic.write_text(target, compact(content))


def _described(rings: Sequence[Points]) -> dict[str, Any]:
    corners = np.concatenate(rings).astype(int)
    low, high = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return {
        "segmentation": [ring.astype(int).ravel().tolist() for ring in rings],
        "area": int(sum(signed_area(ring) for ring in rings)),
        "bbox": [*low, high[0] - low[0], high[1] - low[1]],
        "iscrowd": 0,
    }
