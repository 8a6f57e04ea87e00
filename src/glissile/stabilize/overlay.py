"""Which parts of the frame belong to the detector and not to the specimen: clock, scale bar, dead pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CELL_PX = 8
# The specimen must have moved this far before "did not move" says anything.
_TELLING_PX = 2.5
_STILL_PX = 0.6
_LEAST_VOTES = 3.0


class FixedParts:
    """Votes, per cell of 8 x 8 px, on whether what is there stays put while the specimen moves.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        cells = (-(-shape[0] // CELL_PX), -(-shape[1] // CELL_PX))
        self._still: NDArray[np.float64] = np.zeros(cells)
        self._moving: NDArray[np.float64] = np.zeros(cells)

    def vote(
        self, start: NDArray[np.float32], moved: NDArray[np.float32], shift: NDArray[np.float64]
    ) -> None:
        """Count the corners of one frame.

        Parameters
        ----------
        start : ndarray, shape (n, 2)
            Where the corners lay, (y, x) pixels.
        moved : ndarray, shape (n, 2)
            How far each went, (dy, dx) pixels.
        shift : ndarray, shape (2,)
            How far the specimen went; a short way tells nothing and is not counted.
        """
        if np.hypot(*shift) < _TELLING_PX:
            return
        still = np.linalg.norm(moved, axis=1) < _STILL_PX
        along = np.linalg.norm(moved - shift, axis=1) < _STILL_PX
        rows, columns = (start // CELL_PX).astype(np.int64).T
        np.add.at(self._still, (rows[still], columns[still]), 1.0)
        np.add.at(self._moving, (rows[along], columns[along]), 1.0)

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Cells, shape (ceil(y / 8), ceil(x / 8)), that stay put, with those that touch them."""
        fixed = (self._still >= _LEAST_VOTES) & (self._still > self._moving)
        padded = np.pad(fixed, 1)
        rows, columns = fixed.shape
        near = np.zeros_like(fixed)
        for down in range(3):
            for right in range(3):
                near |= padded[down : down + rows, right : right + columns]
        # A neighbour with proof of its own that it moves is left to the specimen.
        return fixed | (near & ~((self._moving > self._still) & (self._moving >= _LEAST_VOTES)))

    def pixels(self) -> NDArray[np.bool_] | None:
        """Mask (y, x) of what stays put, or None where nothing does."""
        cells = self.cells
        if not cells.any():
            return None
        large = np.repeat(np.repeat(cells, CELL_PX, axis=0), CELL_PX, axis=1)
        return large[: self._shape[0], : self._shape[1]]


def on_specimen(start: NDArray[Any], cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the points `start`, (n, 2) as (y, x) pixels, do not lie in the fixed `cells`."""
    rows, columns = (start // CELL_PX).astype(np.int64).T
    return np.asarray(~cells[rows, columns])
