"""An array that knows into which of its frames something was written."""

from contextlib import suppress
from typing import Any, Self

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray


class WatchedMasks(np.ndarray):
    """Masks (t, y, x) that note the frames into which something is written, by whomever.

    Writing by index is noted, into views of it, too. Not noted is what goes past it: into arrays that
    `np.asarray` makes of it, by its method `fill`, and by functions that are given it, or a view, as their
    `out`.

    Attributes
    ----------
    written : set of int, optional
        The frames; None of an array that does not show the masks.
    watched : ndarray of uint8, shape (t, y, x)
        The masks, without the watch.
    """

    written: set[int] | None = None
    watched: NDArray[np.uint8]

    @classmethod
    def of(cls, data: NDArray[np.uint8]) -> Self:
        """Watch `data` (t, y, x), contiguous; the memory is shared."""
        found = data.view(cls)
        found.written, found.watched = set(), data
        return found

    def take_written(self) -> set[int]:
        """Give the frames into which something was written since this was last asked."""
        assert self.written is not None
        taken = set(self.written)
        self.written -= taken
        return taken

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, WatchedMasks) and source.written is not None:
            self.written, self.watched = source.written, source.watched

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if self.written is not None:
            self.written.update(self._frames(key))

    def _frames(self, key: Any) -> list[int]:
        """Frames that `key` may reach into; none for what was computed from the masks or copied."""
        start, size = byte_bounds(self.watched)[0], self.watched[0].nbytes
        first, last = ((byte - start) // size for byte in np.add(byte_bounds(self), (0, -1)).tolist())
        if not 0 <= first <= last < len(self.watched):
            return []
        shown = np.arange(first, last + 1)
        if self.ndim == 3 and self.strides[0] == size:
            with suppress(IndexError, TypeError):  # of pixels all over: any of the frames
                shown = np.unique(shown[key[0] if isinstance(key, tuple) else key])
        found: list[int] = shown.tolist()
        return found
