"""An array that someone puts in place of the masks, read frame by frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError


def differing(given: Any, masks: NDArray[np.uint8]) -> dict[int, NDArray[np.uint8]]:
    """Read an array that takes the place of masks.

    Parameters
    ----------
    given : array, shape (t, y, x)
        Whatever napari takes for labels; its frames are read one after the other.
    masks : ndarray of uint8, shape (t, y, x)
        What was there.

    Returns
    -------
    dict of int to ndarray of uint8, shape (y, x)
        Frames of `given` that are not as those of `masks`, by index along t; none shares memory with these.

    Raises
    ------
    InputError
        If it is of another size, has values that no mask has, or cannot be read.
    """
    shape = tuple(getattr(given, "shape", ()))
    if shape != masks.shape:
        theirs, ours = (" x ".join(map(str, size)) or "no array" for size in (shape, masks.shape))
        raise InputError(f"what was put in their place is {theirs}, they are {ours}")
    found = {}
    for index, mask in enumerate(masks):
        frame = _read(given, index)
        if frame.dtype != np.uint8 and np.any((frame < 0) | (frame > 255)):
            raise InputError(f"what was put in their place has values beyond 0 to 255 ({given.dtype})")
        if not np.array_equal(frame, mask):
            found[index] = frame.astype(np.uint8, copy=np.may_share_memory(frame, masks))
    return found


def _read(given: Any, index: int) -> NDArray[Any]:
    try:
        return np.asarray(given[index])
    except Exception as error:  # of whatever the array reads from
        why = str(error) or type(error).__name__
        raise InputError(f"what was put in their place cannot be read: {why}") from error
