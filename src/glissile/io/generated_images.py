"""Images of a generator as files: each says that it is synthetic, and how it was made.

What is written beside the pixels is one JSON document for a file: `common` holds what all its images share,
`images` what is of each alone. A record of an image is both together. PNG has it as text "glissile", TIFF in
the description of its first page, videos as comment, NPZ and JSON as a part of the file.
"""

import json
import struct
import zipfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from glissile import atomic
from glissile.errors import InputError
from glissile.io.archives import open_archive
from glissile.io.generator_card import SYNTHETIC_NOTICE
from glissile.io.json_files import compact
from glissile.io.tiff_files import CLASSIC_LIMIT
from glissile.io.tiff_files import MAGIC as TIFF_MAGIC
from glissile.io.video_writer import VIDEO_SUFFIXES, writing_video
from glissile.naming import TIFF_SUFFIXES

KEY = "glissile"
LATENT_SUFFIXES = frozenset({".npz", ".json"})
PICTURE_SUFFIXES = frozenset({".png"}) | TIFF_SUFFIXES | VIDEO_SUFFIXES
SUFFIXES = PICTURE_SUFFIXES | LATENT_SUFFIXES
_FORMAT = "glissile generated images"
_RECORDS = "records.json"
_MOST_BYTES = 32 << 20
_MORE_BYTES = 4 << 10  # what formats put around the document
_MOST_JSON_BYTES = 64 << 20  # with the numbers of w beside the document
_MOST_FIELDS = 32
MOST_IMAGES = 100_000
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 100_000

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Records:
    """What is told of the images of a file.

    Attributes
    ----------
    common : mapping of str to JSON value
        Of all of them.
    images : sequence of mapping
        Of each alone, in order.
    title : str
        Of the file, for a person.
    """

    common: Mapping[str, Any]
    images: Sequence[Mapping[str, Any]]
    title: str

    def document(self) -> dict[str, Any]:
        """Give what is written."""
        return {
            "format": _FORMAT,
            "schema_version": 1,
            "synthetic": True,
            "title": self.title,
            "common": dict(self.common),
            "images": [dict(image) for image in self.images],
        }

    def text(self) -> str:
        """Write the document as JSON of ASCII characters, as not every format holds others.

        Raises
        ------
        InputError
            If it is longer than what is read again.
        """
        text = _dumped(self.document())
        if len(text) <= _MOST_BYTES - _MORE_BYTES:
            return text
        fitting = self._fitting(len(text))
        if not fitting:
            raise InputError(
                f"{self.title}: what tells how it was made is too long for one file; use fewer key frames"
            )
        raise InputError(
            f"{self.title}: what tells how {len(self.images)} images were made is too long for one file, "
            f"which holds that of {fitting}; write fewer at a time"
        )

    def _fitting(self, length: int) -> int:
        """Count the images whose document is short enough; that of all is `length` long."""
        count = len(self.images)
        while count and length > _MOST_BYTES - _MORE_BYTES:
            count -= 1
            length -= len(_dumped(self.images[count])) + 1
        return count


def _dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def write_png(path: Path, pixels: Pixels, records: Records) -> None:
    """Write an image, or a sheet of images, as PNG, atomically.

    Parameters
    ----------
    path : Path
        File, which is replaced.
    pixels : ndarray of uint8, shape (y, x) or (y, x, 3)
        Grey or RGB.
    records : Records
        Of the image, or of those on the sheet.
    """
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt("Title", records.title)
    info.add_itxt("Comment", SYNTHETIC_NOTICE)
    info.add_itxt(KEY, records.text())
    with atomic.replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG", pnginfo=info)


def writing_tiff(
    path: Path,
    images: Iterable[Pixels],
    records: Callable[[], Records],
    *,
    n_bytes: int,
    nm_per_pixel: float | None = None,
    frames_per_second: float | None = None,
) -> Generator[int, None, None]:
    """Write images as the pages of a TIFF, atomically, one in memory at a time.

    Parameters
    ----------
    path : Path
        File, which is replaced.
    images : iterable of ndarray of uint8, shape (y, x) or (y, x, 3)
        All of one shape.
    records : callable
        Asked for the records once all images are written.
    n_bytes : int
        Of all pixels together; BigTIFF where they need it.
    nm_per_pixel : float, optional
        Goes into the resolution tags.
    frames_per_second : float, optional
        Goes into the description, where ImageJ and glissile look for it.

    Yields
    ------
    int
        Images written. Closed early it leaves no file.
    """
    options: dict[str, Any] = {}
    if nm_per_pixel is not None:
        options = {"resolution": (1e7 / nm_per_pixel,) * 2, "resolutionunit": "CENTIMETER"}
    count, shape = 0, ()
    with atomic.replacing(path) as temporary:
        with tifffile.TiffWriter(temporary, bigtiff=n_bytes > CLASSIC_LIMIT) as tif:
            for image in images:
                tif.write(
                    image,
                    photometric="minisblack" if image.ndim == 2 else "rgb",
                    contiguous=True,
                    software=KEY,
                    metadata={},
                    **options,
                )
                count, shape = count + 1, image.shape
                yield count
        described: dict[str, Any] = {"shape": [count, *shape], "axes": "TYXS"[: len(shape) + 1]}
        if frames_per_second is not None:
            described["finterval"] = 1 / frames_per_second
        described["notice"] = SYNTHETIC_NOTICE
        described[KEY] = records().document()
        tifffile.tiffcomment(temporary, _dumped(described))


def writing_clip(
    path: Path, images: Iterable[Pixels], records: Records, *, frames_per_second: float
) -> Generator[int, None, None]:
    """Write images as a video; arguments and errors as of `glissile.io.video_writer.write_video`.

    Yields
    ------
    int
        Images written. Closed early it leaves no file.
    """
    tags = {"title": records.title, "description": SYNTHETIC_NOTICE, "comment": records.text()}
    yield from writing_video(path, images, frames_per_second=frames_per_second, tags=tags)


def write_latents(path: Path, arrays: Mapping[str, NDArray[np.float32]], records: Records) -> None:
    """Write latent vectors, atomically, as .npz or .json.

    Parameters
    ----------
    path : Path
        File, which is replaced. `numpy.load` reads the NPZ without pickle; its member `records.json` is the
        document.
    arrays : mapping of str to ndarray of float32
        By name.
    records : Records
        Of the images that they make.
    """
    if path.suffix.lower() == ".json":
        numbers = {name: array.tolist() for name, array in arrays.items()}
        atomic.write_text(path, compact({KEY: records.document(), **numbers}))
        return
    with (
        atomic.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(_RECORDS, records.text())
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read what a file tells of its images, whatever its format; no pixel is decoded.

    Parameters
    ----------
    path : Path
        PNG, TIFF, video, NPZ or JSON.

    Returns
    -------
    list of dict
        One for each image, in order.

    Raises
    ------
    InputError
        If the file tells nothing, or what no program of this project wrote.
    """
    try:
        document = _document(path)
        records = _records_of(document)
    except (InputError, OSError):
        raise
    except Exception as error:  # a damaged file makes its readers raise whatever the bytes lead them to
        raise _nothing(path) from error
    if records is None:
        raise _nothing(path)
    return records


def _nothing(path: Path) -> InputError:
    return InputError(
        f"{path}: does not tell how its images were generated; give a file that glissile gan has written"
    )


def _document(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(8)
    if head == _PNG_MAGIC:
        return _loads(_png_text(path))
    if head[:4] in TIFF_MAGIC:
        return _tiff_document(path)
    if head[:4] == b"PK\x03\x04":
        with open_archive(path) as archive:
            return _loads(archive.read(_RECORDS, most_bytes=_MOST_BYTES))
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _loads(_video_comment(path))
    if head[:1] == b"{" and path.stat().st_size <= _MOST_JSON_BYTES:
        return json.loads(path.read_bytes()).get(KEY)
    return None


def _loads(text: bytes | str | None) -> Any:
    return None if text is None or len(text) > _MOST_BYTES else json.loads(text)


def _records_of(document: Any) -> list[dict[str, Any]] | None:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        return None
    common, images = document.get("common"), document.get("images")
    if not isinstance(common, dict) or not isinstance(images, list):
        return None
    # What is of all images must not grow with their number.
    if (
        len(images) > MOST_IMAGES
        or len(common) > _MOST_FIELDS
        or not all(map(common.keys().isdisjoint, images))
    ):
        return None
    return [{**common, **image} for image in images]


def _png_text(path: Path) -> bytes | None:
    """Text "glissile" of a PNG, found without decoding a pixel; None where there is none."""
    with path.open("rb") as file:
        file.seek(len(_PNG_MAGIC))
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                return None
            length, kind = struct.unpack(">I4s", head)
            if kind == b"iTXt" and length <= _MOST_BYTES:
                keyword, _, rest = file.read(length).partition(b"\0")
                if keyword == KEY.encode() and rest[:1] == b"\0":  # not compressed
                    return rest[2:].split(b"\0", 2)[2]
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return None


def _tiff_document(path: Path) -> Any:
    with tifffile.TiffFile(path) as tif:
        described = _loads(tif.pages.first.description)
    return described.get(KEY) if isinstance(described, dict) else None


def _video_comment(path: Path) -> str | None:
    import av

    with av.open(f"file:{path}") as container:
        tags = {name.lower(): text for name, text in container.metadata.items()}
    return tags.get("comment")
