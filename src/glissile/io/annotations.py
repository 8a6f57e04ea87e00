"""Label images in their on-disk conventions, and masks."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.defects import DefectClass, class_values
from glissile.errors import InputError
from glissile.io.class_names import matching_class, shown, words
from glissile.io.label_set import checked_size
from glissile.io.tiff_limits import Accept, refuse_page
from glissile.naming import LOSSLESS_SUFFIXES, TIFF_SUFFIXES, image_files, natural_order

# Sub-folders that hold the frames beside the class folders.
_FRAMES = frozenset({"image", "frame", "original"})
_MOST_DIGITS = 18


class MaskFolder(Mapping[str, NDArray[np.uint8]]):
    """Masks (y, x) of a folder by file stem, in natural order, each read when it is asked for.

    A mask that cannot be used raises an `InputError` naming its file then.

    Parameters
    ----------
    files : Mapping
        By stem: the class value, or None for an index image, and the file, for each image of a mask; on
        pixels of two classes the first wins.
    classes : sequence of DefectClass
        Class table.
    accept : callable
        Raises an `InputError` for the size of an image that is not to be decoded.
    """

    def __init__(
        self,
        files: Mapping[str, Sequence[tuple[int | None, Path]]],
        classes: Sequence[DefectClass],
        accept: Accept = checked_size,
    ) -> None:
        self._files = {stem: tuple(files[stem]) for stem in sorted(files, key=natural_order)}
        self._classes = tuple(classes)
        self._accept = accept

    def __getitem__(self, stem: str) -> NDArray[np.uint8]:
        mask: NDArray[np.uint8] | None = None
        first: Path | None = None
        for value, path in self._files[stem]:
            if value is None:
                return read_index_image(path, self._classes, self._accept)
            drawn = read_class_image(path, self._accept)
            if mask is None or first is None:
                mask, first = np.zeros(drawn.shape, np.uint8), path
            if drawn.shape != mask.shape:
                raise InputError(
                    f"{path}: is {_size(drawn.shape)} px, but {first} of the same frame is "
                    f"{_size(mask.shape)} px"
                )
            mask[drawn & (mask == 0)] = value
        if mask is None:
            raise KeyError(stem)
        return mask

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def read_mask_folder(
    folder: Path, classes: Sequence[DefectClass], accept: Accept = checked_size
) -> MaskFolder:
    """Masks in `folder`, by file stem.

    Two layouts are known. Index images lie in the folder itself: `read_index_image`. Or there is a
    sub-folder for each class, named after it or by its initials ("dislocations", "stacking_fault", "SF"),
    with an image for each frame in which the class is drawn: `read_class_image`; where two classes cover a
    pixel, the first of `classes` wins (Tanaka et al. 2025 let dislocations win), and a frame that one class
    has no image of has no pixel of it. Other sub-folders are left out with a warning, unless they are named
    after frames or images. Hidden files and folders are skipped.

    Parameters
    ----------
    folder : Path
        Folder of PNG or TIFF images.
    classes : sequence of DefectClass
        Class table.
    accept : callable
        Raises an `InputError` for the size of an image not to be decoded: by default only absurd ones.

    Returns
    -------
    MaskFolder
        Stem to mask (y, x) of uint8, in natural order.

    Raises
    ------
    InputError
        If there are no images, two of the same stem, or two folders for one class.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; choose the folder of label images")
    by_value = _class_folders(folder, classes)
    files: dict[str, list[tuple[int | None, Path]]] = {}
    if by_value:
        for value in (c.value for c in classes if c.value in by_value):
            for stem, path in _images(by_value[value]).items():
                files.setdefault(stem, []).append((value, path))
    else:
        files = {stem: [(None, path)] for stem, path in _images(folder).items()}
    if not files:
        names = ", ".join(f'"{c.name}"' for c in classes)
        raise InputError(
            f"{folder}: has neither label images (PNG or TIFF) nor sub-folders of them named after the "
            f"classes {names}"
        )
    return MaskFolder(files, classes, accept)


def read_index_image(
    path: Path, classes: Sequence[DefectClass], accept: Accept = checked_size
) -> NDArray[np.uint8]:
    """Read an image whose pixel values are class values.

    Of a palette image the indices count, not the colours; of an RGB image whose channels are equal, the
    grey values.

    Parameters
    ----------
    path : Path
        PNG or TIFF.
    classes : sequence of DefectClass
        Class table.
    accept : callable
        As of `read_mask_folder`.

    Returns
    -------
    ndarray of uint8, shape (y, x)

    Raises
    ------
    InputError
        If the file cannot be read, is a colour image, or holds a value that is neither 0 nor a class.
    """
    pixels, _ = _read(path, accept)
    if pixels.ndim == 3:
        colours = pixels[..., :3]
        if (colours != colours[..., :1]).any():
            raise InputError(
                f"{path}: is a colour image, not one of class values; put the images of one class into a "
                "sub-folder named after it"
            )
        pixels = colours[..., 0]
    known = class_values(classes)
    strange = np.setdiff1d(pixels, known)
    if strange.tolist() == [255] and not np.setdiff1d(pixels, [0, 255]).size:
        raise InputError(
            f"{path}: is black and white, not an image of class values; put the masks of each class into a "
            f'sub-folder named after it, such as "{classes[0].name}"'
        )
    if strange.size:
        raise InputError(
            f"{path}: has the value {strange[0]}, but the classes are "
            f"{', '.join(str(v) for v in known)}; add a class, or put the images of one class into a "
            "sub-folder named after it"
        )
    return pixels.astype(np.uint8)


def read_class_image(path: Path, accept: Accept = checked_size) -> NDArray[np.bool_]:
    """Read an image in which one class is drawn.

    - Palette image: every index but 0 is the class, so that the rim of an anti-aliased pen counts.
    - Grey or RGB(A), black and white: split at half of the full range after averaging the colours and laying
      transparent pixels on white; the side with fewer pixels is the class (a defect never fills half of a
      frame), so that a dark pen on white and a bright one on black both work.
    - Grey image of 0 and one more value below half of the range, as index images have: every value but 0.

    Parameters
    ----------
    path : Path
        PNG or TIFF.
    accept : callable
        As of `read_mask_folder`.

    Returns
    -------
    ndarray of bool, shape (y, x)

    Raises
    ------
    InputError
        If the file cannot be read, or nothing in it is bright and its values are no index.
    """
    pixels, palette = _read(path, accept)
    if palette:
        return np.asarray(pixels != 0)
    if pixels.ndim == 3:
        pixels = _grey(pixels)
    full = 255 if pixels.max() <= 255 else 65535
    if pixels.max() < full / 2:
        if len(np.unique(pixels)) > 2 or (pixels.min() > 0):
            raise InputError(
                f"{path}: is neither black and white nor an index image, its values are {pixels.min()} to "
                f"{pixels.max()}; draw the class in black on white"
            )
        return np.asarray(pixels > 0)
    bright = np.asarray(pixels >= full / 2)
    return bright if bright.mean() < 0.5 else ~bright


def read_mask(path: Path, most: int) -> NDArray[np.uint8]:
    """Read an image of small whole numbers, as `write_mask` writes it.

    Parameters
    ----------
    path : Path
        PNG or TIFF.
    most : int
        Highest value it may hold.

    Returns
    -------
    ndarray of uint8, shape (y, x)

    Raises
    ------
    InputError
        If the file cannot be read, is a colour image, or holds another value.
    """
    pixels, _ = _read(path, checked_size)
    if pixels.ndim != 2 or pixels.max(initial=0) > most:
        raise InputError(f"{path}: is no grey image of the values 0 to {most}; draw it again or remove it")
    return pixels.astype(np.uint8)


def write_mask(path: Path, mask: NDArray[np.uint8]) -> None:
    """Write `mask` (y, x) as a grey image of class values, atomically.

    Parameters
    ----------
    path : Path
        `.png`, `.tif` or `.tiff`.
    mask : ndarray of uint8, shape (y, x)
        Class values.

    Raises
    ------
    InputError
        If the suffix is of no lossless label image.
    """
    if path.suffix.lower() not in LOSSLESS_SUFFIXES:
        raise InputError(f"{path}: label images are written as .png or .tif")
    from PIL import Image

    with atomic.replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8)).save(temporary)


def frame_number(stem: str) -> int:
    """Frame number at the end of a file's stem: 50 of "video7_img_0050".

    Raises
    ------
    InputError
        If it does not end in digits, or in more than a number of frames has.
    """
    found = re.search(r"\d+$", stem, re.ASCII)
    name = shown(stem)
    if found is None:
        raise InputError(f"{name}: does not end in a frame number; rename it to something like {name}_0050")
    digits = found.group().lstrip("0")
    if len(digits) > _MOST_DIGITS:
        raise InputError(
            f"{name}: ends in a number of {len(digits)} digits, which is of no frame; rename it to something "
            "like img_0050"
        )
    return int(digits or 0)


def _class_folders(folder: Path, classes: Sequence[DefectClass]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    left_out = []
    for sub in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        if not _images(sub):
            continue
        matching = matching_class(sub.name, classes)
        if matching is None:
            if words(sub.name) not in _FRAMES:
                left_out.append(sub.name)
            continue
        value = matching.value
        if value in found:
            raise InputError(
                f'{folder}: both "{found[value].name}" and "{sub.name}" are folders of the class '
                f'"{matching.name}"; keep one of them'
            )
        found[value] = sub
    if found and left_out:
        names = ", ".join(c.name for c in classes)
        warnings.warn(
            f'{folder}: the sub-folder "{left_out[0]}" matches no single class ({names}) and is left out',
            stacklevel=3,
        )
    return found


def _images(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in image_files(folder, LOSSLESS_SUFFIXES):
        if path.stem in found:
            raise InputError(f"{path}: has the same stem as {found[path.stem].name}; keep one of them")
        found[path.stem] = path
    return found


def _read(path: Path, accept: Accept) -> tuple[NDArray[Any], bool]:
    """Pixels (y, x) or (y, x, 3 or 4), and whether they are palette indices."""
    try:
        read = _read_tiff if path.suffix.lower() in TIFF_SUFFIXES else _read_with_pillow
        return read(path, accept)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # decoders raise whatever damaged bytes make them
        raise InputError(f"{path}: cannot be read as an image ({error})") from error


def _read_with_pillow(path: Path, accept: Accept) -> tuple[NDArray[Any], bool]:
    from PIL import Image

    with Image.open(path) as image:
        accept(image.height, image.width, path)
        palette = image.mode == "P"
        if image.mode in {"P", "L", "I", "I;16", "RGB", "RGBA"}:
            return np.asarray(image), palette
        return np.asarray(image.convert("L" if image.mode == "1" else "RGBA")), palette


def _read_tiff(path: Path, accept: Accept) -> tuple[NDArray[Any], bool]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if len(file.pages) > 1:
            raise InputError(f"{path}: has {len(file.pages)} pages; save the label of each frame as a file")
        page = file.pages.first
        refuse_page(page, path, accept)
        pixels = page.asarray()
        palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    if pixels.dtype.kind not in "ui" or not (pixels.ndim == 2 or pixels.shape[2:] in {(3,), (4,)}):
        raise InputError(f"{path}: is not a label image, it has {pixels.dtype} of shape {pixels.shape}")
    return pixels, palette


def _grey(pixels: NDArray[Any]) -> NDArray[np.float64]:
    colours = pixels[..., :3].astype(np.float64).mean(axis=2)
    if pixels.shape[2] == 3:
        return np.asarray(colours)
    full = 255.0 if pixels.max() <= 255 else 65535.0
    return np.asarray(np.where(pixels[..., 3] >= full / 2, colours, full))


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)
