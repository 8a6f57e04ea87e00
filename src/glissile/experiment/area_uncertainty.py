"""How uncertain the areas of a predicted mask are: kept beside it, one small file per frame."""

import json
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.experiment.mask_store import MaskStore


def write_area_uncertainty(
    store: MaskStore, frame: int, mask: NDArray[np.uint8], uncertainty_px: Mapping[int, float]
) -> None:
    """Keep the standard uncertainty of the areas of a mask; nothing is written where none is known.

    Parameters
    ----------
    store : MaskStore
        Where the mask is kept.
    frame : int
        Its number.
    mask : ndarray of uint8, shape (y, x)
        Class values, background outside what the frame shows.
    uncertainty_px : mapping of int to float
        By class value, in pixels.

    Raises
    ------
    InputError
        If the store is read-only or was replaced.
    """
    store.check_writable()
    path = store.path / _file(frame)
    if not uncertainty_px:
        path.unlink(missing_ok=True)
        return
    content = {"mask": _fingerprint(mask), "px": {str(v): px for v, px in uncertainty_px.items()}}
    atomic.write_text(path, json.dumps(content))


def read_area_uncertainty(store: MaskStore, frame: int, mask: NDArray[np.uint8]) -> dict[int, float]:
    """Read what `write_area_uncertainty` kept.

    Parameters
    ----------
    store : MaskStore
        Where the mask is kept.
    frame : int
        Its number.
    mask : ndarray of uint8, shape (y, x)
        As it is now.

    Returns
    -------
    dict of int to float
        By class value, in pixels. Empty where nothing was kept, what was kept is damaged, or the mask is not
        what it was, because somebody corrected it.
    """
    try:
        content = json.loads((store.path / _file(frame)).read_text(encoding="utf-8"))
        if content["mask"] != _fingerprint(mask):
            return {}
        return {int(value): float(px) for value, px in content["px"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # the curve has no band there, and is right all the same


def _fingerprint(mask: NDArray[np.uint8]) -> int:
    return zlib.crc32(np.ascontiguousarray(mask, dtype=np.uint8).tobytes())


def _file(frame: int) -> str:
    # Beside the chunks, whose names begin otherwise, so that both are replaced together.
    return f"area_uncertainty.{frame}.json"
