"""Labels as Labelme writes them: a JSON file for each frame, with the objects as polygons.

Labelme: K. Wada, https://github.com/wkentaro/labelme.
"""

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.class_names import class_called, shown
from glissile.io.json_files import compact, read_json
from glissile.io.label_set import LabelSet, Mask, Pens, ReadWhenAsked, checked_size, composed
from glissile.io.polygons import Points, checked_points, filled, outlines, stroked, through_centres
from glissile.naming import image_files
from glissile.progress import Ticks

_JSON = frozenset({".json"})
_VERSION = "5.5.0"  # of Labelme, whose layout this is
_LINES = frozenset({"line", "linestrip"})


def is_labelme(found: Mapping[str, Any]) -> bool:
    """Whether a JSON object is laid out as Labelme does."""
    return isinstance(found.get("shapes"), list)


def labelme_files(folder: Path) -> list[Path]:
    """List the JSON files in a folder, in natural order."""
    return image_files(folder, _JSON)


def read_labelme(path: Path, classes: Sequence[DefectClass], pens: Pens) -> ReadWhenAsked[str]:
    """Read a file of Labelme or a folder of them, each of which is of a labelled frame.

    Polygons, rectangles, masks and lines are read; other shapes are left out with a warning. Of the polygons
    of one label and one group, one that lies within another is a hole. Labels are matched with classes by
    name; where two classes cover a pixel, the first wins.

    Parameters
    ----------
    path : Path
        JSON file, or a folder of them.
    classes : sequence of DefectClass
        Class table.
    pens : callable
        How wide lines are.

    Returns
    -------
    ReadWhenAsked
        Masks (y, x) by file stem. A file that cannot be used raises an `InputError` naming it then.

    Raises
    ------
    InputError
        If a folder has no JSON files.
    """
    files = labelme_files(path) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: has no JSON files of Labelme; choose the folder they are in")
    return ReadWhenAsked({file.stem: partial(_read, file, tuple(classes), pens) for file in files})


def _read(path: Path, classes: Sequence[DefectClass], pens: Pens) -> Mask:
    found = read_json(path)
    if not is_labelme(found):
        raise InputError(f"{path}: has no list of shapes, as Labelme files have; take it out of the folder")
    try:
        size = checked_size(found.get("imageHeight"), found.get("imageWidth"), path)
        return _drawn(found["shapes"], size, classes, pens, path)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: is not laid out as Labelme does ({error!r:.80}); save it again") from error


def _drawn(
    shapes: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
    classes: Sequence[DefectClass],
    pens: Pens,
    path: Path,
) -> Mask:
    layers: dict[int, NDArray[np.bool_]] = {}
    objects: dict[tuple[int, object], list[Points]] = {}
    strange: set[str] = set()
    for number, shape in enumerate(shapes):
        kind = shape.get("shape_type", "polygon")
        value = class_called(str(shape["label"]), classes, path).value
        points = checked_points(np.array(shape["points"], np.float64).reshape(-1, 2), path)
        layer = layers.setdefault(value, np.zeros(size, bool))
        if kind == "polygon":
            group = shape.get("group_id")
            objects.setdefault((value, ("shape", number) if group is None else group), []).append(points)
        elif kind == "rectangle":
            layer |= filled([_corners(points)], size)
        elif kind in _LINES:
            layer |= stroked(points, pens(value), size)
        elif kind == "mask":
            layer |= _pasted(shape["mask"], points, size, path)
        else:
            strange.add(str(kind))
    centres = through_centres(ring for rings in objects.values() for ring in rings)
    for (value, _), rings in objects.items():
        layers[value] |= filled(rings, size, centres=centres)
    for kind in sorted(strange):
        warnings.warn(f'{path}: shapes of the kind "{shown(kind)}" are left out', stacklevel=2)
    return composed(layers, classes, size)


def _corners(points: Points) -> Points:
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _pasted(text: str, points: Points, size: tuple[int, int], path: Path) -> NDArray[np.bool_]:
    """Mask of an object that is kept as an image, the first of `points` being its upper left pixel."""
    from PIL import Image

    result = np.zeros(size, bool)
    left, top = points.min(axis=0).astype(int).tolist()
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            width, height = image.size
            if top < 0 or left < 0 or top + height > size[0] or left + width > size[1]:
                raise InputError(f"{path}: the mask of an object reaches beyond the image; save it again")
            result[top : top + height, left : left + width] = np.asarray(image.convert("L")) > 0
    except (OSError, SyntaxError) as error:
        raise InputError(f"{path}: the mask of an object is damaged ({error}); save it again") from error
    return result


def write_labelme(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write labels as a folder of files for Labelme, `NAME_0050.json`; `read_labelme` gives the same pixels.

    Polygons follow the edges of the pixels. An object with holes, or whose parts touch by corners only, is
    several polygons of one group. Labelme looks for the frame `NAME_0050.png` beside the file.

    Parameters
    ----------
    target : Path
        Empty folder.
    labels : LabelSet
        Labels.

    Yields
    ------
    None
        After each frame.
    """
    _, height, width = labels.shape
    for frame, mask in labels.masks.items():
        shapes = []
        for defect in labels.classes:
            for group, rings in enumerate(outlines(mask == defect.value)):
                shapes += [_shape(defect, ring, group if len(rings) > 1 else None) for ring in rings]
        content: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": f"{labels.stem(frame)}.png",
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        atomic.write_text(target / f"{labels.stem(frame)}.json", compact(content))
        yield


def _shape(defect: DefectClass, ring: Points, group: int | None) -> dict[str, Any]:
    return {
        "label": defect.name,
        "points": ring.tolist(),
        "group_id": group,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }
