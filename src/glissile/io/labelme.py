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
from glissile.io.label_set import LabelSet, Mask, ReadWhenAsked, Size, Wanted, composed
from glissile.io.polygons import Points, checked_points, fill, outlines, stroke, through_centres
from glissile.naming import image_files
from glissile.progress import Ticks

_JSON = frozenset({".json"})
_VERSION = "5.5.0"  # of Labelme, whose layout this is
_LINES = frozenset({"line", "linestrip"})
# In files of ours, which Labelme keeps when it saves them: corners are never centres of pixels.
_OURS = "glissile"


def is_labelme(found: Mapping[str, Any]) -> bool:
    """Whether a JSON object is laid out as Labelme does."""
    return isinstance(found.get("shapes"), list)


def labelme_files(folder: Path) -> list[Path]:
    """List the JSON files in a folder, in natural order."""
    return image_files(folder, _JSON)


def read_labelme(path: Path, wanted: Wanted, found: Mapping[str, Any] | None = None) -> ReadWhenAsked[str]:
    """Read a file of Labelme or a folder of them, each of which is of a labelled frame.

    Polygons, rectangles, masks and lines are read; other shapes are left out with a warning. Of the polygons
    of one label and one group, one that lies within another is a hole; corners of foreign files that are
    centres of pixels are known by `through_centres`. Labels are matched with classes by name; where two
    classes cover a pixel, the first wins.

    Parameters
    ----------
    path : Path
        JSON file, or a folder of them.
    wanted : Wanted
        Classes, pens and sizes.
    found : mapping, optional
        What the file holds, where it has been read.

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
    return ReadWhenAsked({file.stem: partial(_read, file, wanted, found) for file in files})


def _read(path: Path, wanted: Wanted, found: Mapping[str, Any] | None) -> Mask:
    found = read_json(path) if found is None else found
    if not is_labelme(found):
        raise InputError(f"{path}: has no list of shapes, as Labelme files have; take it out of the folder")
    try:
        size = wanted.size(found.get("imageHeight"), found.get("imageWidth"), path)
        return _drawn(found["shapes"], size, wanted, path, ours=_OURS in found)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: is not laid out as Labelme does ({error!r:.80}); save it again") from error


def _drawn(
    shapes: Sequence[Mapping[str, Any]], size: Size, wanted: Wanted, path: Path, *, ours: bool
) -> Mask:
    layers: dict[int, NDArray[np.bool_]] = {}
    objects: dict[tuple[int, object], list[Points]] = {}
    strange: set[str] = set()
    for number, shape in enumerate(shapes):
        kind = shape.get("shape_type", "polygon")
        value = class_called(str(shape["label"]), wanted.classes, path).value
        points = checked_points(np.array(shape["points"], np.float64).reshape(-1, 2), path)
        if value not in layers:
            layers[value] = np.zeros(size, bool)
        if kind == "polygon":
            group = shape.get("group_id")
            objects.setdefault((value, ("shape", number) if group is None else group), []).append(points)
        elif kind == "rectangle":
            fill(layers[value], [_corners(points)])
        elif kind in _LINES:
            stroke(layers[value], points, wanted.pens(value))
        elif kind == "mask":
            _paste(layers[value], shape["mask"], points, path)
        else:
            strange.add(str(kind))
    for (value, _), rings in objects.items():
        fill(layers[value], rings, centres=not ours and through_centres(rings))
    for kind in sorted(strange):
        warnings.warn(f'{path}: shapes of the kind "{shown(kind)}" are left out', stacklevel=2)
    return composed(layers, wanted.classes, size)


def _corners(points: Points) -> Points:
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _paste(layer: NDArray[np.bool_], text: str, points: Points, path: Path) -> None:
    """Add an object that is kept as an image, the first of `points` being its upper left pixel."""
    from PIL import Image

    left, top = points.min(axis=0).astype(int).tolist()
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            width, height = image.size
            if top < 0 or left < 0 or top + height > layer.shape[0] or left + width > layer.shape[1]:
                raise InputError(f"{path}: the mask of an object reaches beyond the image; save it again")
            layer[top : top + height, left : left + width] |= np.asarray(image.convert("L")) > 0
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: the mask of an object is damaged ({error}); save it again") from error


def write_labelme(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write labels as a folder of files for Labelme, `NAME_0050.json`; `read_labelme` gives the same pixels.

    Polygons follow the edges of the pixels. An object with holes, or whose parts touch by corners only, is
    several polygons of one group. Labelme looks beside the file for the frame, called as in a source that
    is a folder of images, else `NAME_0050.png`.

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
            "imagePath": labels.image(frame),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
            _OURS: {"corners": "edges of pixels"},
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
