"""Frames of a walk that are made when they are asked for, and kept as long as there is room."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.gan.look import STANDARD_LOOK, Look
from glissile.gan.maker import Maker
from glissile.gan.provenance import GeneratorName, Provenance
from glissile.gan.thumbnails import enlarged, quick_pixels
from glissile.gan.walk import Walk

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler

Pixels = NDArray[np.uint8]

MOST_BYTES = 512 << 20
_PREVIEWS = 64


class WalkFrames:
    """Images (t, y, x) or (t, y, x, 3) of a walk, uint8, each made when it is first asked for.

    They are what `glissile.gan.maker.Maker` makes of their records: the same bits as in an export.
    Can be used by several threads at once.

    Parameters
    ----------
    sampler : Sampler
        The generator.
    walk : Walk
        The walk.
    look : Look
        Noise and precision of all frames.
    most_bytes : int
        Of the frames that are kept, at least one; those looked at longest ago go first.

    Attributes
    ----------
    walk : Walk
        As given.
    shape : tuple of int
        (t, y, x) or (t, y, x, 3).
    room : int
        How many frames are kept at most.

    Raises
    ------
    InputError
        If the images of the generator are neither grey nor RGB.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, sampler: "Sampler", walk: Walk, look: Look = STANDARD_LOOK, *, most_bytes: int = MOST_BYTES
    ) -> None:
        card = sampler.card
        size, channels = card.shape.resolution, card.shape.channels
        if channels not in (1, 3):
            raise InputError(f"Images of {channels} channels are no pictures; open a generator of 1 or 3")
        self.walk = walk
        self.shape: tuple[int, ...] = (walk.frame_count, size, size) + ((3,) if channels == 3 else ())
        self._sampler = sampler
        self._maker = Maker(sampler)
        self._first = Provenance(
            generator=GeneratorName.of_card(card),
            walk=walk,
            frame=0,
            look=look,
            nm_per_pixel=card.nm_per_pixel,
        )
        self._lock = threading.Lock()
        self.room = max(most_bytes // (channels * size**2), 1)
        self._frames = _Kept(len(self), self.room)
        self._previews = _Kept(len(self), _PREVIEWS)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values of all frames."""
        return int(np.prod(self.shape))

    @property
    def ready(self) -> int:
        """Number of frames that are kept."""
        with self._lock:
            return len(self._frames)

    def shows(self, sampler: "Sampler", walk: Walk, look: Look) -> bool:
        """Whether these are the frames of a walk on a generator."""
        return self._sampler is sampler and self._first.look == look and self.walk == walk

    def record(self, frame: int) -> Provenance:
        """Say how a frame is made."""
        return self._first.model_copy(update={"frame": frame})

    def kept(self, frame: int) -> Pixels | None:
        """Give a frame (y, x) or (y, x, 3) that is kept, without making it."""
        with self._lock:
            return self._frames.get(frame)

    def at_hand(self, frame: int) -> Pixels | None:
        """Give what is kept nearest to a frame, without making anything.

        Parameters
        ----------
        frame : int
            0 to `len(self)` - 1.

        Returns
        -------
        ndarray of uint8, shape (y, x) or (y, x, 3), or None
            The frame itself, else a frame or preview nearby; None where nothing is kept.
        """
        with self._lock:
            made, preview = self._frames.nearest(frame), self._previews.nearest(frame)
            if made is None or (preview is not None and abs(preview - frame) < abs(made - frame)):
                return None if preview is None else self._previews.get(preview)
            return self._frames.get(made)

    def missing(self, frame: int, forward: bool = True) -> int | None:
        """Find the next frame that is not kept.

        Parameters
        ----------
        frame : int
            Where to begin.
        forward : bool
            Whether frames after it come next; the other end follows after the last.

        Returns
        -------
        int, optional
            None where as many frames from there on as there is room for are kept.
        """
        with self._lock:
            return self._frames.missing(frame, forward)

    def frame(self, frame: int) -> Pixels:
        """Give a frame, made now where it is not kept.

        Parameters
        ----------
        frame : int
            0 to `len(self)` - 1.

        Returns
        -------
        ndarray of uint8, shape (y, x) or (y, x, 3)
            Read only.

        Raises
        ------
        InputError
            If the walk does not go on this generator.
        """
        found = self.kept(frame)
        if found is None:
            found = self._maker.pixels(self.record(frame))
            found.setflags(write=False)
            with self._lock:
                self._frames.put(frame, found)
        return found

    def preview(self, frame: int, size: int) -> Pixels:
        """Make a coarse picture of a frame, quickly; it is kept for a while.

        Parameters
        ----------
        frame : int
            0 to `len(self)` - 1.
        size : int
            Pixels along a side that are made, one of `glissile.gan.thumbnails.preview_sizes`.

        Returns
        -------
        ndarray of uint8, shape (y, x) or (y, x, 3)
            As large as the frame.

        Raises
        ------
        InputError
            As of `frame`.
        """
        record = self.record(frame)
        coarse = quick_pixels(self._sampler, self._maker.ws(record), record.look, size)
        found = enlarged(coarse, self.shape[1])
        found.setflags(write=False)
        with self._lock:
            self._previews.put(frame, found)
        return found

    def __getitem__(self, key: Any) -> Pixels:
        return indexed(key, self.shape, self.frame)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)


def indexed(key: Any, shape: tuple[int, ...], frame: Callable[[int], Pixels]) -> Pixels:
    """Index frames as an array, where each is only made, or looked up, when it is met.

    First along t, then all that were chosen alike; numpy would pair two lists of indices.

    Parameters
    ----------
    key : int, slice, list or ndarray of int, Ellipsis, or tuple of them
        What stands in the brackets.
    shape : tuple of int
        Of all frames, (t, y, x) or (t, y, x, 3).
    frame : callable
        Gives the frame, uint8, of an index along t.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    IndexError
        If there is no such frame.
    """
    first, *rest = key if isinstance(key, tuple) else (key,)
    if first is Ellipsis or first is None:
        return np.asarray(indexed(slice(None), shape, frame)[key])
    chosen = np.arange(shape[0])[first]
    if chosen.ndim == 0:
        return np.asarray(frame(int(chosen))[tuple(rest)])
    found = np.empty((len(chosen), *shape[1:]), np.uint8)
    for pixels, index in zip(found, chosen.tolist(), strict=True):
        pixels[...] = frame(index)
    return np.asarray(found[(slice(None), *rest)])


def key_frames(walk: Walk) -> tuple[int, ...]:
    """Tell which frames of a walk are its key frames, in their order."""
    return tuple(np.searchsorted(walk.times, np.arange(len(walk.keys))).tolist())


class _Kept:
    """As many pictures by number as there is room for; those used longest ago give way."""

    def __init__(self, frames: int, room: int) -> None:
        self._room = room
        self._pictures: OrderedDict[int, Pixels] = OrderedDict()
        self._there = np.zeros(frames, bool)

    def __len__(self) -> int:
        return len(self._pictures)

    def get(self, frame: int) -> Pixels | None:
        found = self._pictures.get(frame)
        if found is not None:
            self._pictures.move_to_end(frame)
        return found

    def put(self, frame: int, picture: Pixels) -> None:
        self._pictures[frame] = picture
        self._pictures.move_to_end(frame)
        self._there[frame] = True
        if len(self._pictures) > self._room:
            gone, _ = self._pictures.popitem(last=False)
            self._there[gone] = False

    def nearest(self, frame: int) -> int | None:
        there = np.flatnonzero(self._there)
        return int(there[np.abs(there - frame).argmin()]) if there.size else None

    def missing(self, frame: int, forward: bool) -> int | None:
        n = len(self._there)
        steps = np.arange(min(n, self._room))
        wanted = (frame + (steps if forward else -steps)) % n
        absent = wanted[~self._there[wanted]]
        return int(absent[0]) if absent.size else None
