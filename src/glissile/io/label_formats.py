"""The formats that labels are read from and written in."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.annotations import read_index_image, read_mask_folder
from glissile.io.coco import is_coco, read_coco, write_coco
from glissile.io.json_files import read_json
from glissile.io.label_images import write_class_folders, write_index_png, write_index_tiff
from glissile.io.label_set import LabelSet, Mask, Pens, ReadWhenAsked
from glissile.io.label_stack import read_label_stack, write_label_stack
from glissile.io.label_zarr import is_zarr, read_label_zarr, write_label_zarr
from glissile.io.labelme import is_labelme, labelme_files, read_labelme, write_labelme
from glissile.naming import TIFF_SUFFIXES
from glissile.progress import Step, Steps, Ticks

Labels = Mapping[str, Mask]
Reader = Callable[[Path, Sequence[DefectClass], Pens], Labels]
Writer = Callable[[Path, LabelSet], Ticks[None]]

_LINE_PX = 3
_PNG = ".png"
_JSON = ".json"


def _read_images(path: Path, classes: Sequence[DefectClass], pens: Pens) -> Labels:
    if path.is_file():
        return ReadWhenAsked({path.stem: partial(read_index_image, path, classes)})
    return read_mask_folder(path, classes)


@dataclass(frozen=True)
class LabelFormat:
    """One way of keeping labels on disk.

    Attributes
    ----------
    name : str
        On the command line: "coco".
    title : str
        In dialogs: "COCO (JSON)".
    suffix : str
        Of the file, or of the folder; empty where any folder will do.
    folder : bool
        Whether it is a folder.
    read : callable
        Path, classes and pens to masks (y, x) by name.
    write : callable
        Path and labels to a generator that yields after each frame. A folder is there and empty.
    """

    name: str
    title: str
    suffix: str
    folder: bool
    read: Reader
    write: Writer


FORMATS = (
    LabelFormat("png", "Index images (PNG)", "", True, _read_images, write_index_png),
    LabelFormat("tiff", "Index images (TIFF)", "", True, _read_images, write_index_tiff),
    LabelFormat("classes", "A folder of images per class (PNG)", "", True, _read_images, write_class_folders),
    LabelFormat("stack", "Multi-page TIFF", ".tif", False, read_label_stack, write_label_stack),
    LabelFormat("zarr", "OME-Zarr", ".ome.zarr", True, read_label_zarr, write_label_zarr),
    LabelFormat("coco", "COCO (JSON)", _JSON, False, read_coco, write_coco),
    LabelFormat("labelme", "Labelme (JSON per frame)", "", True, read_labelme, write_labelme),
)
_BY_NAME = {known.name: known for known in FORMATS}


def format_named(name: str) -> LabelFormat:
    """Find a format by its name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in _BY_NAME:
        raise InputError(f"{name}: is no format of labels; choose one of {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def format_for(target: Path) -> LabelFormat:
    """Choose the format that a path to write calls for by its suffix: of a folder index images, as PNG."""
    suffix = target.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return _BY_NAME["stack"]
    return _BY_NAME[{".zarr": "zarr", _JSON: "coco"}.get(suffix, "png")]


def format_of(path: Path) -> LabelFormat:
    """Find out in which format labels are kept, by what lies at `path`.

    Parameters
    ----------
    path : Path
        Existing file or folder.

    Returns
    -------
    LabelFormat

    Raises
    ------
    InputError
        If there is nothing, or nothing that is known.
    """
    if path.is_dir():
        return _BY_NAME[_kind_of_folder(path)]
    if not path.is_file():
        raise InputError(f"{path}: there is no such file or folder; check the path of the labels")
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return _BY_NAME["stack"]
    if suffix == _PNG:
        return _BY_NAME["png"]
    if suffix != _JSON:
        raise InputError(
            f"{path}: labels are read from PNG, TIFF, JSON (COCO, Labelme), OME-Zarr and folders of images"
        )
    found = read_json(path)
    if is_labelme(found):
        return _BY_NAME["labelme"]
    if is_coco(found):
        return _BY_NAME["coco"]
    raise InputError(f"{path}: is laid out neither as COCO nor as Labelme does; export it as one of them")


def _kind_of_folder(path: Path) -> str:
    if is_zarr(path):
        return "zarr"
    # Labelme keeps its files beside the frames, which are images, too.
    return "labelme" if any(map(_is_labelme_file, labelme_files(path)[:1])) else "png"


def _is_labelme_file(path: Path) -> bool:
    with contextlib.suppress(InputError):
        return is_labelme(read_json(path))
    return False


def read_labels(path: Path, classes: Sequence[DefectClass], pens: Pens = lambda value: _LINE_PX) -> Labels:
    """Read labels in any of the formats.

    Parameters
    ----------
    path : Path
        File or folder.
    classes : sequence of DefectClass
        Class table.
    pens : callable
        Class value to the width in pixels of lines that a file gives no width of; 3 px if absent.

    Returns
    -------
    Mapping
        Masks (y, x) by name, which ends in the frame number, each read when it is asked for.

    Raises
    ------
    InputError
        If there are no labels at `path`, or they cannot be used; of a single mask, when it is read.
    """
    return format_of(path).read(path, classes, pens)


def refuse_target(target: Path, kind: LabelFormat) -> None:
    """Refuse to write labels where something else lies or belongs.

    Raises
    ------
    InputError
        If the suffix is of another format, `target` is a folder with something in it, a folder where a file
        is to be written, or the other way round.
    """
    if kind.folder:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target}: is there already and not an empty folder; choose another name")
        return
    fits = target.suffix.lower() == kind.suffix or {target.suffix.lower(), kind.suffix} <= TIFF_SUFFIXES
    if not fits:
        raise InputError(f"{target}: {kind.title} is written as {kind.suffix}; give a name that ends so")
    if target.is_dir():
        raise InputError(f"{target}: is a folder; give the name of a file")


def write_labels(target: Path, labels: LabelSet, kind: LabelFormat) -> Steps[None]:
    """Write labels, atomically: `target` is whole at the end, or as it was.

    Parameters
    ----------
    target : Path
        File, which is replaced, or folder, which must be empty or not there.
    labels : LabelSet
        Labels.
    kind : LabelFormat
        How they are written.

    Yields
    ------
    Step
        One per frame.

    Raises
    ------
    InputError
        As `refuse_target`, or if a label cannot be read.
    """
    refuse_target(target, kind)
    with atomic.replacing_folder(target) if kind.folder else contextlib.nullcontext(target) as place:
        total = len(labels.masks)
        for done, _ in enumerate(kind.write(place, labels), start=1):
            yield Step(done, total, f"Exporting labels, frame {done} of {total}")
