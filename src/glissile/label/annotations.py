"""Labels of a study: which pixels of the source they lie on, and how they follow a changed field of view."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import Experiment, MaskStore
from glissile.video import Video

_EXACT_DECIMALS = 6


@dataclass(frozen=True)
class LabelCount:
    """One row of the list of labelled frames.

    Attributes
    ----------
    frame : int
        Frame number in the source.
    pixels : Mapping of str to int
        Pixels of each class, by its key.
    problem : str
        Why the label cannot be read; empty where it can.
    """

    frame: int
    pixels: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


def moved(
    mask: NDArray[np.uint8], old_origin: ArrayLike, new_origin: ArrayLike, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Move a mask onto the pixels of another field of view of the same frame.

    Parameters
    ----------
    mask : ndarray of uint8, shape (y, x)
        Class values.
    old_origin, new_origin : array, shape (2,)
        (y, x) in the source frame, pixels, of pixel (0, 0) of `mask` and of the result. Their difference is
        rounded to whole pixels.
    shape : tuple of int
        (y, x) of the result.

    Returns
    -------
    ndarray of uint8, shape `shape`
        Background where `mask` does not reach.
    """
    down, right = (int(d) for d in shift_px(old_origin, new_origin))
    result = np.zeros(shape, np.uint8)
    top, left = max(down, 0), max(right, 0)
    bottom, end = min(shape[0], mask.shape[0] + down), min(shape[1], mask.shape[1] + right)
    if top < bottom and left < end:
        result[top:bottom, left:end] = mask[top - down : bottom - down, left - right : end - right]
    return result


def shift_px(old_origin: ArrayLike, new_origin: ArrayLike) -> NDArray[np.int64]:
    """Whole pixels (dy, dx) by which content moves from one field of view into another."""
    difference = np.asarray(old_origin, np.float64) - np.asarray(new_origin, np.float64)
    # Half a pixel stays half a pixel whatever was added before: else a mask moved once would move again.
    return np.rint(difference.round(_EXACT_DECIMALS)).astype(np.int64)


def origins_px(store: MaskStore) -> NDArray[np.float64]:
    """Read the origins (t, 2), (y, x) in the source, of the masks of `store`; NaN where none is known."""
    kept = store.attributes.get("origins_px")
    if kept is None:
        return np.full((store.shape[0], 2), np.nan)
    return np.array(
        [[np.nan if v is None else v for v in origin] for origin in kept], dtype=np.float64
    ).reshape(-1, 2)


def follow(experiment: Experiment, video: Video) -> MaskStore:
    """Labels of `experiment` on the pixels of `video`, made where there are none yet.

    Where the field of view has moved by a pixel or changed its size since the labels were drawn, every mask
    is moved with it into a new `labels.zarr`, and the labels as they were stay beside it as
    `labels-before-YYYYMMDD-HHMMSS.zarr`. Frames outside the frame range of `video` are moved like the
    nearest frame that both ranges have. Each frame keeps the exact origin of the pixels it was drawn on,
    so that following many times adds up to no more than half a pixel.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its working video.

    Returns
    -------
    MaskStore
        With the size of `video`.

    Raises
    ------
    InputError
        If something would have to be written and the study is read-only, or a label cannot be read.
    """
    shape = (experiment.document.source.frames, *video.shape[1:])
    new = np.full((shape[0], 2), np.nan)
    new[video.frame_numbers] = video.origins_px
    store = experiment.labels_or_none()
    if store is None:
        return experiment.labels(shape, {"origins_px": _as_attribute(new)})
    if store.shape[0] != shape[0]:
        raise InputError(
            f"{store.path}: the labels belong to a source of {store.shape[0]} frames, this one has {shape[0]}"
        )
    old = origins_px(store)
    frames = list(store.frames)
    shifts = _shifts(old, new)
    drawn = np.zeros(shape[0], bool)
    drawn[frames] = True
    drawn &= ~np.isnan(old).any(axis=1)
    kept = np.where(drawn[:, None], old - shifts, new)
    if store.shape == shape and not shifts[frames].any():
        if not store.read_only and not np.array_equal(kept, old, equal_nan=True):
            store.set_attributes(origins_px=_as_attribute(kept))
        return store
    experiment.require_writable()
    if frames:
        _back_up(experiment.labels_path)
    with atomic.replacing_folder(experiment.labels_path) as temporary:
        attributes = {**store.attributes, **experiment.label_attributes, "origins_px": _as_attribute(kept)}
        following = MaskStore.create(temporary, shape, attributes)
        for frame in frames:
            following.write(frame, moved(store.read(frame), shifts[frame], (0, 0), shape[1:]))
    return MaskStore.open(experiment.labels_path)


def labelled_indices(store: MaskStore, video: Video) -> tuple[int, ...]:
    """List the indices along t of the frames of `video` that are labelled."""
    return tuple(int(i) for i in np.flatnonzero(np.isin(video.frame_numbers, store.frames)))


def read_label(store: MaskStore, video: Video, index: int) -> NDArray[np.uint8]:
    """Label (y, x) of frame `index` of `video`, on the pixels of `video`.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    frame = int(video.frame_numbers[index])
    mask = store.read(frame)
    origin = origins_px(store)[frame]
    here = video.origins_px[index]
    return moved(mask, here if np.isnan(origin).any() else origin, here, video.shape[1:])


def import_masks(
    store: MaskStore, video: Video, masks: Mapping[int, NDArray[np.uint8]], *, overwrite: bool = False
) -> tuple[int, ...]:
    """Take over masks as labels.

    Masks of the size of the working video are taken as they are. Those of the size of the source are cut to
    the working video, at its origins rounded to whole pixels. All are looked at before the first is written.

    Parameters
    ----------
    store : MaskStore
        Labels of the study, as `follow` gives them for `video`.
    video : Video
        Its working video.
    masks : Mapping of int to ndarray, shape (y, x)
        By frame number in the source. Those that `video` does not have are passed over.
    overwrite : bool
        Replace labels that are there already.

    Returns
    -------
    tuple of int
        Frame numbers whose labels were written.

    Raises
    ------
    InputError
        If a mask has neither size, or the labels another size than `video`.
    """
    working = video.shape[1:]
    if store.shape[1:] != working:
        raise InputError(
            f"{store.path.name}: the labels are {_size(store.shape[1:])} px, the video {_size(working)} px; "
            "let the labels follow the video first"
        )
    source = tuple(store.attributes.get("source_px", working))
    present = set(store.frames)
    chosen = []
    for frame in masks:
        index = video.index_of(frame)
        if index is None or (frame in present and not overwrite):
            continue
        size = masks[frame].shape
        if size not in {working, source}:
            raise InputError(
                f"{video.name}: the mask of frame {frame} is {_size(size)} px, but the video is "
                f"{_size(working)} px and its source {_size(source)} px; masks have one of these sizes"
            )
        chosen.append((frame, index))
    origins = origins_px(store)
    for frame, index in chosen:
        mask = masks[frame]
        origins[frame] = video.origins_px[index]
        if mask.shape != working:
            origins[frame] = np.rint(video.origins_px[index])
            mask = moved(mask, (0, 0), origins[frame], working)
        store.write(frame, mask)
    if chosen:
        store.set_attributes(origins_px=_as_attribute(origins))
    return tuple(frame for frame, _ in chosen)


def label_counts(store: MaskStore, classes: Sequence[DefectClass]) -> tuple[LabelCount, ...]:
    """List the labelled frames with the pixels of each class, by frame number."""
    rows = []
    for frame in store.frames:
        try:
            counts = np.bincount(store.read(frame).ravel(), minlength=256)
        except InputError as error:
            rows.append(LabelCount(frame, problem=str(error)))
        else:
            rows.append(LabelCount(frame, {c.key: int(counts[c.value]) for c in classes}))
    return tuple(rows)


def _shifts(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pixels (t, 2) by which each mask moves: where one origin is unknown, as the nearest frame does."""
    known = np.flatnonzero(~np.isnan(old).any(axis=1) & ~np.isnan(new).any(axis=1))
    if not known.size:
        return np.zeros(old.shape, np.int64)
    nearest = known[np.searchsorted((known[1:] + known[:-1]) / 2, np.arange(len(old)))]
    return shift_px(old[nearest], new[nearest])


def _as_attribute(origins: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(v) else float(v) for v in origin] for origin in origins]


def _back_up(path: Path) -> None:
    stem = f"{path.stem}-before-{datetime.now():%Y%m%d-%H%M%S}"
    backup = path.with_name(stem + path.suffix)
    again = 2
    while backup.exists():
        backup = path.with_name(f"{stem}-{again}{path.suffix}")
        again += 1
    with atomic.replacing_folder(backup) as temporary:
        shutil.copytree(path, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))


def _size(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
