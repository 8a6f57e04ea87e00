"""The columns behind the curves: rows arrive in any order and replace one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class Series:
    """Numbers by frame.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns that are kept besides the frame.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._places: dict[int, int] = {}
        self._frames = np.empty(64, dtype=np.int64)
        self._values = np.empty((64, len(self.columns)))
        self._order: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self._places)

    def put(self, frame: int, row: Mapping[str, Any]) -> None:
        """Take in the row of a frame; columns that it lacks are NaN."""
        place = self._places.setdefault(frame, len(self._places))
        if place == len(self._frames):
            self._frames = np.concatenate([self._frames, np.empty_like(self._frames)])
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._frames[place] = frame
        self._values[place] = [row.get(name, np.nan) for name in self.columns]
        self._order = None

    def _sorted(self) -> NDArray[np.intp]:
        if self._order is None:
            self._order = np.argsort(self._frames[: len(self)])
        return self._order

    @property
    def frames(self) -> NDArray[np.int64]:
        """Frame numbers, ascending, shape (n,)."""
        return np.asarray(self._frames[self._sorted()])

    def column(self, name: str) -> NDArray[np.float64]:
        """Values of a column in the order of the frames, shape (n,)."""
        return np.asarray(self._values[self._sorted(), self.columns.index(name)])

    def knows(self, name: str) -> bool:
        """Whether a column has any number."""
        values = self._values[: len(self), self.columns.index(name)]
        return bool(np.isfinite(values).any())

    def at(self, frame: int) -> dict[str, float] | None:
        """Row of a frame; None where it has none."""
        place = self._places.get(frame)
        if place is None:
            return None
        return dict(zip(self.columns, self._values[place].tolist(), strict=True))
