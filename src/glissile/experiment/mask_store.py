"""Masks of single frames in a Zarr array, of which each frame is one file."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import ArrayLike, NDArray

from glissile import atomic
from glissile.errors import InputError

_DESCRIPTION = "zarr.json"
_ZSTD_LEVEL = 3
_READ_ATTEMPTS = 5
_READ_PAUSE_S = 0.02


class MaskStore:
    """Masks (t, y, x) of the labelled or segmented frames of a video.

    On disk it is a Zarr (format 3) array of uint8 with one chunk per frame and chunk keys `c.FRAME.0.0`, so
    that a frame is one file, and it is present exactly when that file exists. Chunks are written here and
    not by zarr, whose writes are not flushed to disk; everything else may read the folder as plain Zarr.
    One object may be used by several threads.

    Parameters
    ----------
    path : Path
        Folder of the array, made by `create`.
    shape : tuple of int
        (t, y, x).
    read_only : str, optional
        Sentence that a write is refused with; None allows writing.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], read_only: str | None = None) -> None:
        self.path = path
        self.shape = shape
        self._read_only = read_only
        self._described_at = 0

    @classmethod
    def create(
        cls, path: Path, shape: tuple[int, int, int], attributes: Mapping[str, Any] | None = None
    ) -> Self:
        """Make an empty store.

        Parameters
        ----------
        path : Path
            Folder to make.
        shape : tuple of int
            (t, y, x): frames of the source, rows and columns of a mask.
        attributes : Mapping, optional
            What JSON can hold.

        Returns
        -------
        MaskStore

        Raises
        ------
        InputError
            If there is a store already.
        """
        import zarr
        from zarr.codecs import ZstdCodec

        if (path / _DESCRIPTION).exists():
            raise InputError(f"{path}: exists already; open it, or choose another name")
        zarr.create_array(
            path,
            shape=shape,
            chunks=(1, *shape[1:]),
            dtype="uint8",
            fill_value=0,
            compressors=ZstdCodec(level=_ZSTD_LEVEL, checksum=True),
            chunk_key_encoding={"name": "default", "separator": "."},
            dimension_names=("t", "y", "x"),
            attributes=dict(attributes or {}),
        )
        return cls(path, shape)

    @classmethod
    def open(cls, path: Path, *, read_only: bool | str = False) -> Self:
        """Open an existing store.

        Parameters
        ----------
        path : Path
            Its folder.
        read_only : bool or str
            Refuse to write; a sentence says why.

        Returns
        -------
        MaskStore

        Raises
        ------
        InputError
            If it is missing or not a store that `create` made.
        """
        metadata = _metadata(path)
        try:
            t, y, x = metadata["shape"]
            ours = (
                metadata["data_type"] == "uint8"
                and metadata["chunk_grid"]["configuration"]["chunk_shape"] == [1, y, x]
                and metadata["chunk_key_encoding"]["configuration"]["separator"] == "."
                and [codec["name"] for codec in metadata["codecs"]] == ["bytes", "zstd"]
            )
        except (KeyError, TypeError, ValueError):
            ours = False
        if not ours:
            raise InputError(f"{path}: is a Zarr array, but not one of masks with a frame per chunk")
        if read_only is True:
            read_only = f"{path}: was opened for reading only"
        return cls(path, (t, y, x), read_only or None)

    @property
    def read_only(self) -> bool:
        """Whether writing is refused."""
        return self._read_only is not None

    @property
    def frames(self) -> tuple[int, ...]:
        """Frames present, sorted; read from disk, so that what another process wrote is seen."""
        found = []
        with os.scandir(self.path) as entries:
            for entry in entries:
                key = entry.name.split(".")
                if len(key) == 4 and key[0] == "c" and key[1].isdecimal() and key[2:] == ["0", "0"]:
                    found.append(int(key[1]))
        return tuple(sorted(found))

    def read(self, frame: int) -> NDArray[np.uint8]:
        """Mask (y, x) of `frame`, zeros where it is absent.

        Raises
        ------
        InputError
            If the frame does not exist or its file is damaged; other frames stay readable.
        """
        path = self._chunk(frame)
        try:
            packed = _read_bytes(path)
        except FileNotFoundError:
            return np.zeros(self.shape[1:], np.uint8)
        except OSError as error:
            raise InputError(
                f"{path}: the mask of frame {frame} cannot be read ({error.strerror})"
            ) from error
        try:
            flat = np.frombuffer(_codec().decode(packed), np.uint8)
            return flat.reshape(self.shape[1:]).copy()
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{path}: the mask of frame {frame} is damaged; delete this file to label or segment it again"
            ) from error

    def write(self, frame: int, mask: ArrayLike) -> None:
        """Keep `mask` (y, x) as that of `frame`; on return it is on disk, and a crash leaves the old one.

        Parameters
        ----------
        frame : int
            0 to t - 1.
        mask : array of bool or integers, shape (y, x)
            Values 0 to 255.

        Raises
        ------
        InputError
            If the store is read-only or was replaced, the frame does not exist, or the mask does not fit.
        """
        self.check_writable()
        path = self._chunk(frame)
        values = np.asarray(mask)
        if values.shape != self.shape[1:]:
            raise InputError(
                f"{self.path.name}: a mask of {_size(values.shape)} does not fit frame {frame} of "
                f"{_size(self.shape[1:])} px"
            )
        if values.dtype.kind not in "bui":
            raise InputError(f"{self.path.name}: a mask holds whole numbers, not {values.dtype}")
        if values.dtype.itemsize > 1 or values.dtype.kind == "i":
            low, high = values.min(), values.max()
            if low < 0 or high > 255:
                raise InputError(
                    f"{self.path.name}: the mask of frame {frame} has values {low} to {high}, not 0 to 255"
                )
        packed = _codec().encode(np.ascontiguousarray(values, dtype=np.uint8))
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(packed)

    def remove(self, frame: int) -> None:
        """Make `frame` absent.

        Raises
        ------
        InputError
            If the store is read-only or the frame does not exist.
        """
        self._require_writable()
        self._chunk(frame).unlink(missing_ok=True)
        atomic.sync_folder(self.path)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes as they are on disk now."""
        found: dict[str, Any] = _metadata(self.path).get("attributes", {})
        return found

    @property
    def array(self) -> Any:
        """The zarr array, for lazy display; it follows what is written later.

        A damaged frame raises zarr's own error here; `read` raises a sentence.
        """
        import zarr

        return zarr.open_array(self.path, mode="r")

    def check_writable(self) -> None:
        """Refuse to write.

        Raises
        ------
        InputError
            If the store is read-only, is no longer there or was replaced by one of another size.
        """
        self._require_writable()
        self._require_same_shape()

    def _require_writable(self) -> None:
        if self._read_only is not None:
            raise InputError(self._read_only)

    def _require_same_shape(self) -> None:
        # Another store may have taken the place of this one; a chunk of the old size would be damage there.
        try:
            changed_at = (self.path / _DESCRIPTION).stat().st_mtime_ns
        except FileNotFoundError as error:
            raise InputError(f"{self.path}: is no longer there, the mask cannot be kept") from error
        if changed_at != self._described_at:
            if tuple(_metadata(self.path)["shape"]) != self.shape:
                raise InputError(f"{self.path}: was replaced by masks of another size; open it again")
            self._described_at = changed_at

    def _chunk(self, frame: int) -> Path:
        if not 0 <= frame < self.shape[0]:
            raise InputError(f"{self.path.name}: there is no frame {frame}, only 0 to {self.shape[0] - 1}")
        return self.path / f"c.{frame}.0.0"


def _codec() -> Zstd:
    # Made anew for each call: one object is not safe to share between threads.
    return Zstd(level=_ZSTD_LEVEL, checksum=True)


def _read_bytes(path: Path) -> bytes:
    for attempt in range(_READ_ATTEMPTS):
        try:
            return path.read_bytes()
        except PermissionError:  # on Windows, while another thread moves the new file over it
            if attempt == _READ_ATTEMPTS - 1:
                raise
            time.sleep(_READ_PAUSE_S)
    raise AssertionError("unreachable")


def _metadata(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_read_bytes(path / _DESCRIPTION))
    except FileNotFoundError as error:
        raise InputError(f"{path}: is not a store of masks") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the description of the masks, zarr.json, is damaged ({error})") from error
    return found


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)
