"""A folder of PNG, TIFF or JPEG images as a video, one frame per image."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from glissile.errors import InputError
from glissile.io.grey import grey_of_colour
from glissile.io.lazy_frames import lazy_frames
from glissile.naming import TIFF_SUFFIXES, image_files
from glissile.video import Video

# Where an image that was written to its end has its end mark, and in how many last bytes it is looked for.
_END_MARKS = {".png": b"IEND", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
_END_BYTES = 4096


def read_folder(folder: Path, name: str) -> Video:
    """Open a folder of images lazily; sizes are checked now, pixels are read when they are looked at.

    Parameters
    ----------
    folder : Path
        Holding PNG, TIFF or JPEG images of one size.
    name : str
        Of the video.

    Returns
    -------
    Video
        Grey by the rule of `glissile.io.grey`; not timed, since images carry no time.

    Raises
    ------
    InputError
        If the folder holds no image, or one that cannot be read or has another size than the first.
    """
    files = image_files(folder)
    if not files:
        raise InputError(f"{folder.name}: the folder holds no PNG, TIFF or JPEG image; choose another one")
    first = read_image(files[0])
    for path in files[1:]:
        size = _size(path)
        if size != first.shape:
            raise InputError(
                f"{folder.name}: {path.name} has {size[0]} x {size[1]} px (height x width) but "
                f"{files[0].name} has {first.shape[0]} x {first.shape[1]}; move those of "
                "another size away"
            )

    def read(index: int) -> NDArray[Any]:
        image = first.copy() if index == 0 else read_image(files[index])
        if image.shape != first.shape or image.dtype != first.dtype:
            raise InputError(
                f"{folder.name}: {files[index].name} is {image.dtype} of shape {image.shape} but "
                f"{files[0].name} is {first.dtype} of shape {first.shape}; convert them to one kind"
            )
        return image

    y, x = first.shape
    frames = lazy_frames(read, (len(files), y, x), first.dtype)
    return Video.from_frames(frames, name=name, provenance=(f"read {len(files)} images of {folder.name}",))


def read_image(path: Path) -> NDArray[Any]:
    """Grey values of one image file, by the rule of `glissile.io.grey`.

    Parameters
    ----------
    path : Path
        PNG, TIFF or JPEG; the name may have any characters.

    Returns
    -------
    ndarray, shape (y, x)
        In the bit depth of the file, native byte order.

    Raises
    ------
    InputError
        If the file is missing, cut short or no image.
    """
    # A damaged file makes the decoders raise whatever its bytes lead them to, so everything is caught.
    try:
        return _read_tiff(path) if path.suffix.lower() in TIFF_SUFFIXES else _read_png_or_jpeg(path)
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(path) from error


def _read_png_or_jpeg(path: Path) -> NDArray[Any]:
    import cv2

    # Not cv2.imread: on Windows it knows only the names that the system's code page can spell.
    content = np.fromfile(path, dtype=np.uint8)
    if _END_MARKS[path.suffix.lower()] not in content[-_END_BYTES:].tobytes():
        raise _unreadable(path)
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise _unreadable(path)
    if image.ndim == 2:
        return np.asarray(image)
    return grey_of_colour(image[..., 2::-1])


def _read_tiff(path: Path) -> NDArray[Any]:
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        image = np.asarray(page.asarray())
        if page.samplesperpixel >= 3 and image.ndim == 3:
            image = grey_of_colour(np.moveaxis(image, 0, -1) if page.planarconfig == 2 else image)
    if image.ndim != 2:
        raise InputError(
            f"{path}: the image has shape {image.shape} and a frame rows and columns only; save it as one "
            "grey image"
        )
    return image.astype(image.dtype.newbyteorder("="), copy=False)


def _size(path: Path) -> tuple[int, int]:
    """(y, x) from the header alone."""
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            with tifffile.TiffFile(path) as tif:
                page = tif.pages.first
                return int(page.imagelength), int(page.imagewidth)
        with Image.open(path) as image:
            return image.height, image.width
    except Exception as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> InputError:
    if path.exists() and path.stat().st_size == 0:
        return InputError(f"{path}: the image file is empty; copy it again or remove it")
    return InputError(
        f"{path}: this is no image that can be read; it may be cut short, copy it again or remove it"
    )
