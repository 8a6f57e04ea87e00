"""Labels as one multi-page TIFF: a page for each frame of the video, of class values."""

import json
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.annotations import read_index_image
from glissile.io.class_names import with_our_values
from glissile.io.label_set import LABELLED, LabelSet, Mask, ReadWhenAsked, Wanted, frame_digits
from glissile.io.label_words import classes_written, labelled_of, names_of
from glissile.io.tiff_files import CLASSIC_LIMIT, read_tiff
from glissile.io.tiff_limits import refuse_page
from glissile.progress import Ticks
from glissile.video import Video

_PAGE_BYTES = 512  # what describes a page


def read_label_stack(path: Path, wanted: Wanted) -> ReadWhenAsked[str]:
    """Read the labels of a TIFF, of which page k is of frame k; a single page is of the frame its name tells.

    Files of `write_label_stack` tell which pages are labelled and what the values are called. Of other files,
    pages of zeros count as not labelled.

    Parameters
    ----------
    path : Path
        TIFF file of any kind with pages of whole numbers.
    wanted : Wanted
        Classes and sizes.

    Returns
    -------
    ReadWhenAsked
        Masks (y, x) by page number, in digits.

    Raises
    ------
    InputError
        If the file is damaged, holds no whole numbers or has pages of another size than masks may have; for
        a value that is no class, when the page is read.
    """
    video, _ = read_tiff(path, path.stem, lambda page: refuse_page(page, path, wanted.size))
    told = _told(path)
    if len(video) == 1 and LABELLED not in told:
        return ReadWhenAsked({path.stem: partial(read_index_image, path, wanted.classes, wanted.size)})
    if video.frames.dtype.kind not in "ui":
        raise InputError(f"{path}: holds {video.frames.dtype}, not whole numbers; save class values as 8 bit")
    labelled = labelled_of(told, len(video), path)
    if labelled is None:
        labelled = [page for page in range(len(video)) if video.frame(page).any()]
    names = names_of(told.get("classes"), "value", path)
    return ReadWhenAsked(
        {frame_digits(n, len(video)): partial(_page, video, n, names, wanted.classes, path) for n in labelled}
    )


def _page(
    video: Video, number: int, names: Mapping[int, str], classes: Sequence[DefectClass], path: Path
) -> Mask:
    return with_our_values(video.frame(number), names, classes, path)


def _told(path: Path) -> Mapping[str, Any]:
    """Read what a file of ours tells of itself; empty for others."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        text = file.pages.first.description
    try:
        found = json.loads(text) if text.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_label_stack(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write labels as a multi-page TIFF, atomically, with a page for each frame of the video.

    The description of the first page is JSON: `labelled_frames`, and `classes` with value, name and colour.

    Parameters
    ----------
    target : Path
        TIFF file.
    labels : LabelSet
        Labels.

    Yields
    ------
    None
        After each page.
    """
    import tifffile

    frames, *size = labels.shape
    empty = np.zeros(size, np.uint8)
    described = {LABELLED: list(labels.masks), "classes": classes_written(labels.classes)}
    packed = zlib.compress(empty.tobytes())
    bytes_at_most = len(labels.masks) * empty.nbytes + frames * (len(packed) + _PAGE_BYTES)
    large = bytes_at_most > CLASSIC_LIMIT
    with atomic.replacing(target) as temporary, tifffile.TiffWriter(temporary, bigtiff=large) as file:
        for frame in range(frames):
            file.write(
                labels.masks[frame] if frame in labels.masks else iter([packed]),
                shape=empty.shape,
                dtype=empty.dtype,
                rowsperstrip=empty.shape[0],
                photometric="minisblack",
                compression="zlib",
                description=json.dumps(described) if frame == 0 else None,
                metadata=None,
            )
            yield
