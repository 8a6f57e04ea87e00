"""The formats that labels are read from and written in."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.annotations import read_index_image, read_mask_folder
from glissile.io.coco import is_coco, read_coco, write_coco
from glissile.io.json_files import read_json
from glissile.io.label_images import (
    refuse_class_folders,
    write_class_folders,
    write_index_png,
    write_index_tiff,
)
from glissile.io.label_set import LABELLED, LabelSet, Mask, Pens, ReadWhenAsked, Size, Wanted
from glissile.io.label_stack import read_label_stack, write_label_stack
from glissile.io.label_zarr import is_zarr, read_label_zarr, write_label_zarr
from glissile.io.labelme import is_labelme, labelme_files, read_labelme, write_labelme
from glissile.io.outputs import refuse_in_experiment
from glissile.naming import IMAGE_SUFFIXES, TIFF_SUFFIXES
from glissile.progress import Step, Steps, Ticks

Labels = Mapping[str, Mask]
Reader = Callable[..., Labels]
Writer = Callable[[Path, LabelSet], Ticks[None]]

_LINE_PX = 3
_PNG = ".png"
_JSON = ".json"
# What folders of labels are not called: another program, or a person, would take them for a file.
_OF_FILES = (
    IMAGE_SUFFIXES
    | {".bmp", ".gif", ".pdf", ".avi", ".mkv", ".mov", ".mp4", ".wmv"}
    | {".csv", ".txt", ".xlsx", ".xml", ".yaml", ".yml", ".toml", ".json", ".zip"}
    | {".h5", ".hdf5", ".mat", ".npy", ".npz", ".onnx", ".zarr"}
)
# So many JSON files of a folder are looked at, as others may lie among those of Labelme.
_LOOKED_AT = 5
# In the beginning of what was exported, its labelled frames are listed.
_HEAD_BYTES = 2**16


def _read_images(path: Path, wanted: Wanted) -> Labels:
    if path.is_file():
        return ReadWhenAsked({path.stem: partial(read_index_image, path, wanted.classes, wanted.size)})
    return read_mask_folder(path, wanted.classes, wanted.size)


def _accept_any(target: Path, classes: Sequence[DefectClass]) -> None:
    """All classes can be written."""


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
        Path and what is wanted to masks (y, x) by name; of JSON also what the file holds, where it has been
        read.
    write : callable
        Path and labels to a generator that yields after each frame. A folder is there and empty.
    every_frame : bool
        Whether frames without a label are written, too.
    refuse : callable
        Asked with path and classes before anything is written; raises an `InputError` for classes that
        cannot be written so.
    """

    name: str
    title: str
    suffix: str
    folder: bool
    read: Reader
    write: Writer
    every_frame: bool = False
    refuse: Callable[[Path, Sequence[DefectClass]], None] = _accept_any

    def ending(self, name: str) -> str:
        """Suffix of this format at the end of a name, as it stands there; empty where there is none."""
        known = TIFF_SUFFIXES if self.suffix in TIFF_SUFFIXES else {self.suffix, Path(self.suffix).suffix}
        longest = max(len(suffix) for suffix in ("", *known) if name.lower().endswith(suffix))
        return name[len(name) - longest :]

    def fits(self, name: str) -> bool:
        """Whether a file or folder of this format may be called so."""
        return bool(self.ending(name)) or (self.folder and Path(name).suffix.lower() not in _OF_FILES)


FORMATS = (
    LabelFormat("png", "Index images (PNG)", "", True, _read_images, write_index_png),
    LabelFormat("tiff", "Index images (TIFF)", "", True, _read_images, write_index_tiff),
    LabelFormat(
        "classes",
        "A folder of images per class (PNG)",
        "",
        True,
        _read_images,
        write_class_folders,
        refuse=refuse_class_folders,
    ),
    LabelFormat(
        "stack", "Multi-page TIFF", ".tif", False, read_label_stack, write_label_stack, every_frame=True
    ),
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
    kind, _ = _known(path)
    return kind


def _known(path: Path) -> tuple[LabelFormat, Mapping[str, Any] | None]:
    """Format of what lies at `path`, and what a JSON file there holds."""
    if path.is_dir():
        return _BY_NAME[_kind_of_folder(path)], None
    if not path.is_file():
        raise InputError(f"{path}: there is no such file or folder; check the path of the labels")
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return _BY_NAME["stack"], None
    if suffix == _PNG:
        return _BY_NAME["png"], None
    if suffix != _JSON:
        raise InputError(
            f"{path}: labels are read from PNG, TIFF, JSON (COCO, Labelme), OME-Zarr and folders of images"
        )
    found = read_json(path)
    if is_labelme(found):
        return _BY_NAME["labelme"], found
    if is_coco(found):
        return _BY_NAME["coco"], found
    raise InputError(f"{path}: is laid out neither as COCO nor as Labelme does; export it as one of them")


def _kind_of_folder(path: Path) -> str:
    if is_zarr(path):
        return "zarr"
    # Labelme keeps its files beside the frames, which are images, too.
    return "labelme" if any(map(_is_labelme_file, labelme_files(path)[:_LOOKED_AT])) else "png"


def _is_labelme_file(path: Path) -> bool:
    with contextlib.suppress(InputError):
        return is_labelme(read_json(path))
    return False


def read_labels(
    path: Path,
    classes: Sequence[DefectClass],
    pens: Pens = lambda value: _LINE_PX,
    sizes: Iterable[Size] = (),
) -> Labels:
    """Read labels in any of the formats.

    Parameters
    ----------
    path : Path
        File or folder.
    classes : sequence of DefectClass
        Class table.
    pens : callable
        Class value to the width in pixels of lines that a file gives no width of; 3 px if absent.
    sizes : iterable of tuple of int
        Sizes (y, x) that masks may have; masks of others are refused before they are drawn. If absent, any.

    Returns
    -------
    Mapping
        Masks (y, x) by name, which ends in the frame number, each read when it is asked for.

    Raises
    ------
    InputError
        If there are no labels at `path`, or they cannot be used; of a single mask, when it is read.
    """
    kind, found = _known(path)
    wanted = Wanted(tuple(classes), pens, frozenset(sizes))
    return kind.read(path, wanted) if found is None else kind.read(path, wanted, found)


def refuse_target(target: Path, kind: LabelFormat) -> None:
    """Refuse to write labels where something else lies or belongs.

    Raises
    ------
    InputError
        If `target` is of an experiment, or the folder that the program runs in, its suffix is of another
        format, or it is a folder with something in it, a file that is no earlier export, a folder where a
        file is to be written, or the other way round.
    """
    refuse_in_experiment(target)
    if target.exists() and target.samefile(Path.cwd()):
        raise InputError(f"{target}: is the folder you are in; give the name of a new file or folder")
    if kind.folder:
        if not kind.fits(target.name):
            raise InputError(
                f"{target}: {kind.title} is written as a folder, and {target.suffix} is of files; give "
                "another name, or another format"
            )
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target}: is there already and not an empty folder; choose another name")
        return
    if not kind.fits(target.name):
        raise InputError(f"{target}: {kind.title} is written as {kind.suffix}; give a name that ends so")
    if target.is_dir():
        raise InputError(f"{target}: is a folder; give the name of a file")
    if target.exists() and not _exported(target):
        raise InputError(f"{target}: is there already, and no export of labels; choose another name")


def _exported(path: Path) -> bool:
    """Whether a file was written here as labels, so that newer ones may take its place."""
    with path.open("rb") as file:
        return LABELLED.encode() in file.read(_HEAD_BYTES)


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
        As `refuse_target`, if the classes cannot be written so, or if a label cannot be read.
    """
    refuse_target(target, kind)
    kind.refuse(target, labels.classes)
    with atomic.replacing_folder(target) if kind.folder else contextlib.nullcontext(target) as place:
        total = labels.shape[0] if kind.every_frame else len(labels.masks)
        for done, _ in enumerate(kind.write(place, labels), start=1):
            yield Step(done, total, f"Exporting labels, frame {done} of {total}")
