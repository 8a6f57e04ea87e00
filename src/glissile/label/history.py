"""What was done to the masks of many frames, undone and redone frame by frame."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

# Beyond these the oldest steps are forgotten: of one frame, and of all frames together.
STEPS_OF_A_FRAME = 200
BYTES_OF_ALL = 64 * 2**20

_ZSTD_LEVEL = 1


class Standing(Enum):
    """What a mask counts as."""

    PAINTED = "labelled, where anything is painted"
    MARKED = "labelled, even if nothing is painted"
    PROPOSED = "not labelled, whatever is painted"


@dataclass(frozen=True, eq=False)
class FrameLabel:
    """What is labelled on one frame.

    Attributes
    ----------
    mask : ndarray of uint8, shape (y, x)
        Class values; not to be written to.
    standing : Standing
        What it counts as.
    """

    mask: NDArray[np.uint8]
    standing: Standing

    @classmethod
    def of(cls, mask: NDArray[np.uint8]) -> Self:
        """Give a mask that was labelled, marked where it is empty."""
        return cls(mask, Standing.PAINTED if mask.any() else Standing.MARKED)

    @property
    def proposed(self) -> bool:
        """Whether it is not labelled yet."""
        return self.standing is Standing.PROPOSED

    def same(self, mask: NDArray[np.uint8], standing: Standing) -> bool:
        """Whether nothing differs."""
        return self.standing is standing and np.array_equal(self.mask, mask)


@dataclass(frozen=True)
class _Step:
    """One change: the values of a rectangle before and after it, packed."""

    number: int  # grows over all frames
    rectangle: tuple[slice, slice]
    packed: tuple[bytes, bytes]
    standing: tuple[Standing, Standing]

    @property
    def n_bytes(self) -> int:
        return sum(map(len, self.packed))

    def applied(self, label: FrameLabel, *, forward: bool) -> FrameLabel:
        mask = label.mask.copy()
        patch = mask[self.rectangle]
        values = np.frombuffer(Zstd().decode(self.packed[forward]), np.uint8) if patch.size else patch
        mask[self.rectangle] = values.reshape(patch.shape)
        return FrameLabel(mask, self.standing[forward])


@dataclass(eq=False)
class _Frame:
    """One frame as it was last recorded, with what led there and what was undone."""

    label: FrameLabel
    done: list[_Step] = field(default_factory=list)
    undone: list[_Step] = field(default_factory=list)


class LabelHistory:
    """Undo and redo of each frame by itself, whatever was done to other frames in between.

    A step is whatever changed from one `record` of a frame to the next: a stroke, a proposal taken over, a
    mark. Steps are kept packed, and the oldest are forgotten beyond `STEPS_OF_A_FRAME` and `BYTES_OF_ALL`.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the masks.
    labels : mapping of int to FrameLabel
        What is labelled at the beginning, by index.
    """

    def __init__(self, shape: tuple[int, int], labels: Mapping[int, FrameLabel]) -> None:
        self._frames = {i: _Frame(label) for i, label in labels.items()}
        self._empty = FrameLabel(np.zeros(shape, np.uint8), Standing.PAINTED)
        self._number = 0
        self._bytes = 0

    def last(self, index: int) -> FrameLabel:
        """Give frame `index` as it was last recorded, or left by undo and redo."""
        known = self._frames.get(index)
        return self._empty if known is None else known.label

    def record(self, index: int, mask: NDArray[np.uint8], standing: Standing) -> bool:
        """Take what frame `index` is now as one step; what was undone before can be redone no more.

        Parameters
        ----------
        index : int
            Frame.
        mask : ndarray of uint8, shape (y, x)
            As it is now; copied.
        standing : Standing
            What it counts as.

        Returns
        -------
        bool
            Whether anything has changed since it was last recorded.
        """
        before = self.last(index)
        if before.same(mask, standing):
            return False
        frame = self._frames.setdefault(index, _Frame(before))
        rectangle = _changed(before.mask, mask)
        packed = (_packed(before.mask[rectangle]), _packed(mask[rectangle]))
        self._number += 1
        step = _Step(self._number, rectangle, packed, (before.standing, standing))
        self._forget(frame.undone)
        frame.label = FrameLabel(np.array(mask), standing)
        frame.done.append(step)
        self._bytes += step.n_bytes
        if len(frame.done) > STEPS_OF_A_FRAME:
            self._forget(frame.done, 1)
        self._make_room()
        return True

    def undo(self, index: int) -> FrameLabel | None:
        """Give frame `index` as it was before its last step; None where no step is known."""
        return self._go(index, forward=False)

    def redo(self, index: int) -> FrameLabel | None:
        """Give frame `index` as it was before its last `undo`; None where there was none."""
        return self._go(index, forward=True)

    def set_standing(self, index: int, standing: Standing) -> None:
        """Take over what a frame counts as, which is no step of its own."""
        frame = self._frames.setdefault(index, _Frame(self._empty))
        frame.label = FrameLabel(frame.label.mask, standing)

    def _go(self, index: int, *, forward: bool) -> FrameLabel | None:
        frame = self._frames.get(index)
        if frame is None:
            return None
        source, target = (frame.undone, frame.done) if forward else (frame.done, frame.undone)
        if not source:
            return None
        step = source.pop()
        target.append(step)
        frame.label = step.applied(frame.label, forward=forward)
        return frame.label

    def _make_room(self) -> None:
        """Forget the oldest steps of all frames until the rest finds room; the latest one stays."""
        while self._bytes > BYTES_OF_ALL:
            oldest = min(
                (steps for frame in self._frames.values() for steps in (frame.done, frame.undone) if steps),
                key=lambda steps: steps[0].number,
            )
            if oldest[0].number == self._number:
                return
            self._forget(oldest, 1)

    def _forget(self, steps: list[_Step], n: int | None = None) -> None:
        self._bytes -= sum(step.n_bytes for step in steps[:n])
        del steps[:n]


def _changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rectangle around what differs; empty where nothing does."""
    differs = before != after
    rows, columns = (np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _packed(values: NDArray[np.uint8]) -> bytes:
    return bytes(Zstd(level=_ZSTD_LEVEL).encode(np.ascontiguousarray(values))) if values.size else b""
