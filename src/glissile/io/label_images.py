"""Labels as images of single frames, written; `glissile.io.annotations` reads them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.annotations import write_mask
from glissile.io.class_names import matching_class
from glissile.io.label_set import LabelSet
from glissile.naming import possible_name
from glissile.progress import Ticks

# Index 0 is white and 1, the defect, black, as drawn on paper.
_PALETTE = [255, 255, 255, 0, 0, 0]


def write_index_png(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write grey PNG images of class values, `NAME_0050.png`, into the empty folder `target`."""
    yield from _write_index(target, labels, ".png")


def write_index_tiff(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write grey TIFF images of class values, `NAME_0050.tif`, into the empty folder `target`."""
    yield from _write_index(target, labels, ".tif")


def _write_index(target: Path, labels: LabelSet, suffix: str) -> Ticks[None]:
    for frame, mask in labels.masks.items():
        write_mask(target / f"{labels.stem(frame)}{suffix}", mask)
        yield


def write_class_folders(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write a sub-folder for each class, with a palette image of each labelled frame.

    Tanaka et al. (2025) publish their labels so: index 1, black, is the class, index 0, white, all else.

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
    folders = {c.value: target / _folder_of(c) for c in labels.classes}
    for frame, mask in labels.masks.items():
        for value, folder in folders.items():
            _write_palette(folder / f"{labels.stem(frame)}.png", mask == value)
        yield


def refuse_class_folders(target: Path, classes: Sequence[DefectClass]) -> None:
    """Refuse classes of which `write_class_folders` would write what cannot be read.

    Raises
    ------
    InputError
        If a folder could not be told from that of another class.
    """
    for defect in classes:
        if matching_class(_folder_of(defect), classes) != defect:
            raise InputError(
                f'{target}: a folder for the class "{defect.name}" would be taken for one of another class; '
                "rename the class, or choose another format"
            )


def _folder_of(defect: DefectClass) -> str:
    return possible_name(defect.key)


def _write_palette(path: Path, drawn: NDArray[np.bool_]) -> None:
    from PIL import Image

    image = Image.frombytes("P", drawn.shape[::-1], drawn.astype(np.uint8).tobytes())
    image.putpalette(_PALETTE)
    with atomic.replacing(path) as temporary:
        image.save(temporary)
