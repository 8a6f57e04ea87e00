"""A video as the stages pass it on: lazy frames, and where each of their pixels lies in the source."""

from dataclasses import dataclass, replace
from typing import Any, Self

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError


class Trim(BaseModel):
    """The part of a video that is studied: a rectangle without burnt-in overlays, and a range of frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top: int = Field(0, ge=0, title="Top (px)", description="First row that is kept")
    left: int = Field(0, ge=0, title="Left (px)", description="First column that is kept")
    height: int | None = Field(
        None, ge=1, title="Height (px)", description="Rows kept; empty keeps all below"
    )
    width: int | None = Field(
        None, ge=1, title="Width (px)", description="Columns kept; empty keeps all to the right"
    )
    first: int = Field(0, ge=0, title="First frame", description="First frame that is kept, counted from 0")
    last: int | None = Field(
        None, ge=0, title="Last frame", description="Last frame that is kept; empty keeps all"
    )

    def closed(self, shape: tuple[int, int, int]) -> Self:
        """Name the edges that are left open, for a video of `shape` (t, y, x)."""
        most = self._most(shape)
        return self.model_copy(update={name: n for name, n in most.items() if getattr(self, name) is None})

    def opened(self, shape: tuple[int, int, int]) -> Self:
        """Leave open the edges that cut nothing off a video of `shape` (t, y, x), or lie outside of it."""
        named = self.closed(shape)
        most = self._most(shape)
        return self.model_copy(update={name: None for name, n in most.items() if getattr(named, name) >= n})

    def _most(self, shape: tuple[int, int, int]) -> dict[str, int]:
        t, y, x = shape
        return {"height": y - self.top, "width": x - self.left, "last": t - 1}


@dataclass(frozen=True, eq=False)
class Video:
    """Frames of one specimen, lazy, and where they come from.

    Attributes
    ----------
    frames : dask array, shape (t, y, x)
        Grey values, one frame per chunk.
    times_s : ndarray of float, shape (t,)
        Time of each frame in seconds after the first frame of the source.
    frame_numbers : ndarray of int, shape (t,)
        Number of each frame in the source, counted from 0.
    origins_px : ndarray of float, shape (t, 2)
        (y, x) in the source frame, in pixels, of this video's pixel (0, 0). A mask made on one video moves
        to another of the same source by the difference of their origins.
    name : str
        For layers and messages.
    nm_per_pixel : float, optional
        Edge length of a pixel in nanometres.
    timed : bool
        Whether `times_s` are known; if not they merely count the frames, a second each.
    provenance : tuple of str
        What was done to the source, in order.
    valid_px : ndarray of int, shape (t, 4), optional
        Top, left, bottom and right (both exclusive), in pixels of this video, of the part of each frame that
        was recorded and is measured; the rest is filled. None where all of every frame is.
    """

    frames: da.Array
    times_s: NDArray[np.float64]
    frame_numbers: NDArray[np.int64]
    origins_px: NDArray[np.float64]
    name: str
    nm_per_pixel: float | None = None
    timed: bool = True
    provenance: tuple[str, ...] = ()
    valid_px: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n = len(self.frames)
        if self.frames.ndim != 3 or n == 0:
            raise InputError(
                f"{self.name}: a video has axes (t, y, x) and a frame, not shape {self.frames.shape}"
            )
        for field, shape in (("times_s", (n,)), ("frame_numbers", (n,)), ("origins_px", (n, 2))):
            if getattr(self, field).shape != shape:
                raise ValueError(f"{field} has shape {getattr(self, field).shape}, not {shape}")
        if self.valid_px is not None and self.valid_px.shape != (n, 4):
            raise ValueError(f"valid_px has shape {self.valid_px.shape}, not {(n, 4)}")

    @classmethod
    def from_frames(
        cls,
        frames: ArrayLike | da.Array,
        *,
        name: str,
        seconds_per_frame: float | None = None,
        times_s: ArrayLike | None = None,
        nm_per_pixel: float | None = None,
        provenance: tuple[str, ...] = (),
    ) -> Self:
        """Video of a whole source, its frame numbers counted from 0 and its origins (0, 0).

        Parameters
        ----------
        frames : array, shape (t, y, x)
            Grey values; an array in memory becomes one chunk per frame.
        name : str
            For layers and messages.
        seconds_per_frame : float, optional
            Spacing of the frames where `times_s` is not given.
        times_s : array, shape (t,), optional
            Time of each frame in seconds.
        nm_per_pixel : float, optional
            Edge length of a pixel in nanometres.
        provenance : tuple of str
            Where the frames come from.

        Returns
        -------
        Video
        """
        lazy = frames if isinstance(frames, da.Array) else da.from_array(frames, chunks=(1, -1, -1))
        n = len(lazy)
        counted = np.arange(n) * (1.0 if seconds_per_frame is None else seconds_per_frame)
        times = np.asarray(counted if times_s is None else times_s, dtype=np.float64)
        return cls(
            lazy,
            times,
            np.arange(n),
            np.zeros((n, 2)),
            name=name,
            nm_per_pixel=nm_per_pixel,
            timed=times_s is not None or seconds_per_frame is not None,
            provenance=provenance,
        )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(t, y, x)."""
        t, y, x = self.frames.shape
        return int(t), int(y), int(x)

    @property
    def frames_per_second(self) -> float | None:
        """One over the median time between frames; None where times are not known or equal."""
        if len(self) < 2 or not self.timed:
            return None
        spacing = float(np.median(np.diff(self.times_s)))
        return 1 / spacing if spacing > 0 else None

    def frame(self, index: int) -> NDArray[Any]:
        """Grey values (y, x) of frame `index`, read now."""
        return np.asarray(self.frames[index])

    def valid_part(self, index: int) -> tuple[slice, slice]:
        """Rows and columns of frame `index` that are valid."""
        if self.valid_px is None:
            return slice(0, self.shape[1]), slice(0, self.shape[2])
        top, left, bottom, right = self.valid_px[index].tolist()
        return slice(top, bottom), slice(left, right)

    def valid_mask(self, index: int) -> NDArray[np.bool_]:
        """Which pixels (y, x) of frame `index` are valid."""
        mask = np.zeros(self.shape[1:], bool)
        mask[self.valid_part(index)] = True
        return mask

    def index_of(self, frame_number: int) -> int | None:
        """Index along t of the source's frame `frame_number`; None where it was trimmed away."""
        found = np.flatnonzero(self.frame_numbers == frame_number)
        return int(found[0]) if found.size else None

    def trimmed(self, trim: Trim) -> Self:
        """Keep the rectangle and frame range of `trim`.

        Parameters
        ----------
        trim : Trim
            In pixels and frames of this video.

        Returns
        -------
        Video
            With origins and frame numbers that still refer to the source.

        Raises
        ------
        InputError
            If `trim` reaches beyond the video or keeps nothing of it.
        """
        t, y, x = self.shape
        last = t - 1 if trim.last is None else trim.last
        if trim.first > last or last >= t:
            raise InputError(
                f"{self.name}: trimming to frames {trim.first} to {last} is not possible, the video has "
                f"frames 0 to {t - 1}; choose a range within them"
            )
        bottom = y if trim.height is None else trim.top + trim.height
        right = x if trim.width is None else trim.left + trim.width
        if trim.top >= bottom or trim.left >= right or bottom > y or right > x:
            raise InputError(
                f"{self.name}: the crop, rows {trim.top} to {bottom} and columns {trim.left} to {right}, "
                f"does not lie within the {y} x {x} px frame; draw it inside the frame"
            )
        kept = slice(trim.first, last + 1)
        return replace(
            self,
            frames=self.frames[kept, trim.top : bottom, trim.left : right],
            times_s=self.times_s[kept],
            frame_numbers=self.frame_numbers[kept],
            origins_px=self.origins_px[kept] + (trim.top, trim.left),
            valid_px=None if self.valid_px is None else _cropped(self.valid_px[kept], trim, bottom, right),
            provenance=(
                *self.provenance,
                f"trimmed to rows {trim.top}:{bottom}, columns {trim.left}:{right}, "
                f"frames {trim.first} to {last}",
            ),
        )


def _cropped(valid: NDArray[np.int64], trim: Trim, bottom: int, right: int) -> NDArray[np.int64]:
    """Bring `valid` (t, 4) to pixels of the crop; of no area where the crop shows none of it."""
    edges = np.array([trim.top, trim.left])
    low, high = np.tile(edges, 2), np.tile([bottom, right], 2)
    return np.asarray(valid.clip(low, high) - low)
