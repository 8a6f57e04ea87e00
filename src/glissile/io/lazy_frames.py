"""Frames that are read when they are looked at, as a dask array of one frame per chunk."""

import uuid
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray


class _FrameSource:
    """As much of an array (t, y, x) as dask asks of what it reads from."""

    ndim = 3

    def __init__(
        self, read: Callable[[int], NDArray[Any]], shape: tuple[int, int, int], dtype: np.dtype[Any]
    ) -> None:
        self._read = read
        self.shape = shape
        self.dtype = dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            frames = [self._read(i) for i in range(*first.indices(self.shape[0]))]
            stacked = np.stack(frames) if frames else np.empty((0, *self.shape[1:]), self.dtype)
            return np.asarray(stacked[:, *rest])
        return np.asarray(self._read(int(first))[tuple(rest)])


def lazy_frames(
    read: Callable[[int], NDArray[Any]], shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> da.Array:
    """Dask array over frames that `read` gives one at a time.

    Parameters
    ----------
    read : callable
        From an index along t to grey values (y, x); called from any thread.
    shape : tuple of int
        (t, y, x).
    dtype : dtype
        Of the grey values.

    Returns
    -------
    dask array, shape (t, y, x)
        One frame per chunk.
    """
    return da.from_array(
        _FrameSource(read, shape, dtype),
        chunks=(1, -1, -1),
        name=f"frames-{uuid.uuid4().hex}",
        meta=np.empty((0, 0, 0), dtype=dtype),
    )
