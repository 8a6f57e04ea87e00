"""Labels as images of single frames, written; `glissile.io.annotations` reads them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
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

    Raises
    ------
    InputError
        If a folder could not be told from that of another class when it is read.
    """
    folders = {c.value: target / possible_name(c.key) for c in labels.classes}
    for defect in labels.classes:
        if matching_class(folders[defect.value].name, labels.classes) != defect:
            raise InputError(
                f'{target}: a folder for the class "{defect.name}" would be taken for one of another class; '
                "rename the class, or choose another format"
            )
    for frame, mask in labels.masks.items():
        for value, folder in folders.items():
            _write_palette(folder / f"{labels.stem(frame)}.png", mask == value)
        yield


def _write_palette(path: Path, drawn: NDArray[np.bool_]) -> None:
    from PIL import Image

    image = Image.frombytes("P", drawn.shape[::-1], drawn.astype(np.uint8).tobytes())
    image.putpalette(_PALETTE)
    with atomic.replacing(path) as temporary:
        image.save(temporary)
