"""Pages of a TIFF that are refused before they are decoded, as they would fill the memory."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glissile.errors import InputError

# What refuses an image by its height, width and path.
Accept = Callable[[Any, Any, Path], object]

_MOST_SAMPLES = 4
_DEFLATE = frozenset({8, 32946})
# None, LZW and PackBits: what these unpack is at most some thousand times as large.
_OTHERS = frozenset({1, 5, 32773})
_MORE_BYTES = 1 << 16


def refuse_page(page: Any, path: Path, accept: Accept) -> None:
    """Refuse a page by what its description, and its packed pixels, say.

    Parameters
    ----------
    page : tifffile page
        Not decoded yet.
    path : Path
        Its file, for messages.
    accept : callable
        Raises an `InputError` for a size that is not wanted.

    Raises
    ------
    InputError
        As `accept` raises it, or if a pixel holds more than a colour, or what is packed becomes larger than
        the page, or cannot be told not to.
    """
    accept(page.imagelength, page.imagewidth, path)
    values = page.samplesperpixel * page.imagedepth
    if values > _MOST_SAMPLES:
        raise InputError(f"{path}: has {values} values for each pixel; save class values as 8 bit grey")
    if page.compression not in _DEFLATE | _OTHERS:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(f"{path}: is packed by {name}; save it by Deflate (ZIP), or not packed")
    if page.compression != 1:
        _refuse_overflowing(page, path, _segment_bytes(page, path))


def _segment_bytes(page: Any, path: Path) -> int:
    """Bytes of a strip or tile once it is unpacked."""
    if not page.is_tiled:
        return min(int(page.nbytes), -(-int(page.rowsperstrip * page.nbytes) // int(page.imagelength)))
    in_tile: int = page.tilelength * page.tilewidth * page.tiledepth
    in_page: int = page.imagelength * page.imagewidth
    if in_tile > in_page + _MORE_BYTES:
        raise InputError(f"{path}: its tiles are larger than the page; save it again without tiles")
    return -(-in_tile * int(page.nbytes) // in_page)


def _refuse_overflowing(page: Any, path: Path, segment_bytes: int) -> None:
    file = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        too_much = count > 2 * segment_bytes + _MORE_BYTES
        if not too_much and page.compression in _DEFLATE:
            file.seek(offset)
            most = segment_bytes + _MORE_BYTES
            too_much = len(zlib.decompressobj().decompress(file.read(count), most + 1)) > most
        if too_much:
            raise InputError(f"{path}: holds more than the pixels of its page; save it again")
