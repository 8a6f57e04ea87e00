"""Labels of a study: kept on the pixels of the source, drawn and read on those of the working video."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.experiment import MaskStore
from glissile.video import Video

_EXACT_DECIMALS = 6


def cut(mask: NDArray[np.uint8], video: Video, index: int) -> NDArray[np.uint8]:
    """Cut a mask of the source to the field of view of a frame.

    Parameters
    ----------
    mask : ndarray of uint8, shape (y, x)
        Class values on the pixels of the source.
    video : Video
        Working video; its origins are rounded to whole pixels.
    index : int
        Frame, along t of `video`.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        On the pixels of `video`; background outside the valid part of the frame and where it reaches beyond
        `mask`.
    """
    result = np.zeros(video.shape[1:], np.uint8)
    here, there = _overlap(video, index, mask.shape)
    result[here] = mask[there]
    return result


def labelled_indices(store: MaskStore, video: Video) -> tuple[int, ...]:
    """List the indices along t of the frames of `video` that are labelled."""
    return tuple(int(i) for i in np.flatnonzero(np.isin(video.frame_numbers, store.frames)))


def read_label(store: MaskStore, video: Video, index: int) -> NDArray[np.uint8]:
    """Label (y, x) of frame `index` of `video`, on the pixels of `video`; background where there is none.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    return cut(store.read(int(video.frame_numbers[index])), video, index)


def write_label(
    store: MaskStore, video: Video, index: int, mask: NDArray[np.uint8], outside: MaskStore | None = None
) -> None:
    """Keep `mask` (y, x) as the label of frame `index` of `video`.

    Outside the field of view, which is the valid part of the frame, what is labelled in the source stays as
    it is, or becomes that of the store `outside`.

    Raises
    ------
    InputError
        If `mask` has not the size of `video`, the old label of the frame is damaged, or the labels are
        read-only.
    """
    frame = int(video.frame_numbers[index])
    if mask.shape != video.shape[1:]:
        raise InputError(
            f"{store.path.name}: a mask of {_size(mask.shape)} px does not fit frame {frame} of the "
            f"{_size(video.shape[1:])} px video"
        )
    whole = (outside or store).read(frame)
    here, there = _overlap(video, index, whole.shape)
    whole[there] = mask[here]
    store.write(frame, whole)


def remove_label(store: MaskStore, video: Video, index: int) -> bool:
    """Clear the field of view of frame `index` of `video`; the frame is not labelled any more.

    Returns
    -------
    bool
        True if defects are labelled outside the field of view: then they are kept, and the frame stays
        labelled.

    Raises
    ------
    InputError
        If the old label of the frame is damaged, or the labels are read-only.
    """
    frame = int(video.frame_numbers[index])
    whole = store.read(frame)
    _, there = _overlap(video, index, whole.shape)
    whole[there] = 0
    if whole.any():
        store.write(frame, whole)
        return True
    store.remove(frame)
    return False


def import_masks(store: MaskStore, video: Video, masks: Mapping[int, NDArray[np.uint8]]) -> tuple[int, ...]:
    """Take over masks as labels of frames that have none.

    Masks of the size of the source are taken whole, those of the working video within its field of view.
    The size of all is looked at before the first is written.

    Parameters
    ----------
    store : MaskStore
        Labels of the study.
    video : Video
        Its working video.
    masks : Mapping of int to ndarray, shape (y, x)
        By frame number in the source. Passed over are those that the source does not have and, as nobody
        knows where they lie, masks of the size of the working video for frames outside its range.

    Returns
    -------
    tuple of int
        Frame numbers whose labels were written.

    Raises
    ------
    InputError
        If a mask has neither size.
    """
    frames, *source = store.shape
    working = list(video.shape[1:])
    present = set(store.frames)
    chosen = []
    for frame, mask in masks.items():
        size = list(mask.shape)
        if size not in (source, working):
            raise InputError(
                f"{video.name}: the mask of frame {frame} is {_size(size)} px, but the video is "
                f"{_size(working)} px and its source {_size(source)} px; masks have one of these sizes"
            )
        known = 0 <= frame < frames if size == source else video.index_of(frame) is not None
        if known and frame not in present:
            chosen.append(frame)
    for frame in chosen:
        index = video.index_of(frame)
        if list(masks[frame].shape) == source:
            store.write(frame, masks[frame])
        elif index is not None:
            write_label(store, video, index, masks[frame])
    return tuple(chosen)


def frames_with(store: MaskStore, value: int) -> tuple[int, ...]:
    """List the frames of the source on which a class is painted.

    Raises
    ------
    InputError
        If a label cannot be read.
    """
    return tuple(frame for frame in store.frames if (store.read(frame) == value).any())


def copy_without(store: MaskStore, value: int, folder: Path) -> None:
    """Copy labels without a class; frames on which nothing else is painted are not labelled in the copy.

    Parameters
    ----------
    store : MaskStore
        The labels.
    value : int
        Of the class.
    folder : Path
        An empty folder, for the copy.

    Raises
    ------
    InputError
        If a label cannot be read.
    """
    copy = MaskStore.create(folder, store.shape)
    for frame in store.frames:
        mask = store.read(frame)
        painted = mask == value
        mask[painted] = 0
        if mask.any() or not painted.any():
            copy.write(frame, mask)


def _overlap(video: Video, index: int, source: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Find the valid rows and columns of a frame that lie in a source of size (y, x), and where they do."""
    # Halves go up, also those that arithmetic made a little less, so that a crop that moves by whole pixels
    # moves the window by as much.
    origin = np.floor(video.origins_px[index].round(_EXACT_DECIMALS) + 0.5).astype(int).tolist()
    here, there = [], []
    for start, valid, limit in zip(origin, video.valid_part(index), source, strict=True):
        first, last = np.clip((start + valid.start, start + valid.stop), 0, limit).tolist()
        there.append(slice(first, last))
        here.append(slice(first - start, last - start))
    return tuple(here), tuple(there)


def _size(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
