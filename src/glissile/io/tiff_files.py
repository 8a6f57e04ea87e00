"""Multi-page TIFF as a video, page by page, and a video as TIFF."""

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from glissile.atomic import replacing
from glissile.errors import InputError
from glissile.io.grey import grey_of_colour
from glissile.io.lazy_frames import lazy_frames
from glissile.progress import Step, Steps
from glissile.video import Video

_NM_PER_UNIT = {
    "nm": 1.0,
    "nanometer": 1.0,
    "å": 0.1,
    "angstrom": 0.1,
    "um": 1e3,
    "µm": 1e3,
    "μm": 1e3,
    "\\u00b5m": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "inch": 2.54e7,
}
_SECONDS_PER_UNIT = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "min": 60.0,
}
_NM_PER_RESOLUTION_UNIT = {2: 2.54e7, 3: 1e7}

# Bare resolution tags are mostly those of a printer or a screen; what is finer than this is a microscope's.
_COARSEST_TRUSTED_NM = 1000.0

# Classic TIFF counts bytes in 32 bits; the headers of the pages come on top of the pixels.
CLASSIC_LIMIT = 2**32 - 2**26

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_tiff(path: Path, name: str, refuse: Callable[[Any], None] = lambda page: None) -> tuple[Video, int]:
    """Open a TIFF file lazily.

    One axis besides y, x and colour samples may be longer than 1; it is taken for time, whatever its name.
    Values and dtype are kept (in native byte order); a palette page gives its indices.

    Parameters
    ----------
    path : Path
        Any TIFF, BigTIFF, ImageJ or OME-TIFF file.
    name : str
        Of the video.
    refuse : callable
        Asked about each page of tifffile before it is decoded; raises an `InputError` to refuse it.

    Returns
    -------
    video : Video
        With nm per pixel and times where the file has trustworthy ones (ImageJ, OME, or resolution tags
        finer than 1 µm); else not timed.
    expected : int
        Frames that the file describes; more than the video has where the file was cut short.

    Raises
    ------
    InputError
        If the file is damaged, its pages differ in size, or it has more than one axis besides y and x.
    """
    with contextlib.ExitStack() as if_it_fails, _one_sentence_only():
        # A damaged file makes tifffile raise whatever the bytes lead it to, so everything is caught.
        try:
            tif = if_it_fails.enter_context(tifffile.TiffFile(path))
            opened = _video_of(tif, path, name, refuse)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise _damaged(path) from error
        if_it_fails.pop_all()
    return opened


@contextlib.contextmanager
def _one_sentence_only() -> Iterator[None]:
    """Keep tifffile from logging what it stumbles over; the file is refused, or read up to there."""
    logger = tifffile.logger()
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _video_of(tif: Any, path: Path, name: str, refuse: Callable[[Any], None]) -> tuple[Video, int]:
    series = _the_series(tif, path)
    frames_in_file = _frame_count(series, path)
    refuse(tif.pages.first)
    read_page = _page_reader(tif, series, path, frames_in_file, refuse)
    whole = _whole_frames(series, path, frames_in_file)
    if whole == 0:
        raise _damaged(path)
    first = read_page(0)
    if first.dtype.kind == "c":
        raise InputError(f"{path.name}: the values are complex numbers; export the magnitude")
    frames = lazy_frames(read_page, (whole, *first.shape), first.dtype)
    video = Video.from_frames(
        frames,
        name=name,
        seconds_per_frame=_seconds_per_frame(tif),
        nm_per_pixel=_nm_per_pixel(tif),
        provenance=(f"read {whole} TIFF frames of {path.name}",),
    )
    return video, frames_in_file


def _the_series(tif: Any, path: Path) -> Any:
    """Choose the images that belong together: in a plain TIFF all, so its pages must agree in size."""
    series = tif.series
    if not series:
        raise _damaged(path)
    if not (tif.is_ome or tif.is_imagej):
        pages = [page for page in tif.pages if not page.is_reduced]
        sizes = [(page.imagelength, page.imagewidth) for page in pages]
        for number, size in enumerate(sizes):
            if size != sizes[0]:
                raise InputError(
                    f"{path.name}: page {number} has {size[0]} x {size[1]} px (height x width) but the first "
                    f"page has {sizes[0][0]} x {sizes[0][1]}; all frames of a video have one size"
                )
        if len(series) > 1 and len({(p.dtype, p.samplesperpixel) for p in pages}) > 1:
            raise InputError(f"{path.name}: the pages differ in kind; convert them to one kind")
    return series[0]


def _frame_count(series: Any, path: Path) -> int:
    axes: dict[str, int] = dict(zip(series.axes, series.shape, strict=True))
    long = {axis: n for axis, n in axes.items() if axis not in "YXS" and n > 1}
    if len(long) > 1:
        described = ", ".join(f"{axis} {n}" for axis, n in long.items())
        raise InputError(
            f"{path.name}: the file has several axes besides y and x ({described}); export one channel and "
            "one plane over time"
        )
    tif = series.parent
    if tif.is_ome:
        others = 0
    elif tif.is_imagej:
        others = int(tif.imagej_metadata.get("images", 1))  # more than the series has in a file cut short
    else:
        others = sum(not page.is_reduced for page in tif.pages)
    return max((*long.values(), others, 1))


def _page_reader(
    tif: Any, series: Any, path: Path, frames_in_file: int, refuse: Callable[[Any], None]
) -> Callable[[int], NDArray[Any]]:
    """From an index along t to grey values (y, x); one handle, one reader at a time."""
    lock = threading.Lock()
    contiguous = _memory_map(series, path, frames_in_file)

    def read(index: int) -> NDArray[Any]:
        if contiguous is not None:
            return _native(np.array(contiguous[index]))
        with lock:
            try:
                page = tif.pages[index] if len(tif.pages) > index else series.pages[index]
                refuse(page)
                return _grey_of_page(page)
            except (InputError, MemoryError):
                raise
            except Exception as error:
                raise InputError(
                    f"{path.name}: frame {index} cannot be read ({error}); export the file "
                    "again, uncompressed"
                ) from error

    weakref.finalize(read, tif.close)
    return read


def _memory_map(series: Any, path: Path, frames_in_file: int) -> NDArray[Any] | None:
    """Frames (t, y, x) on disk where one page stands for all, as ImageJ writes large files; else None."""
    page = series.parent.pages.first
    if len(series.parent.pages) > 1 or frames_in_file == 1 or not _is_one_piece(series, page):
        return None
    y, x = int(page.imagelength), int(page.imagewidth)
    dtype = np.dtype(series.dtype).newbyteorder(series.parent.byteorder)
    offset = int(page.dataoffsets[0])
    whole = min(frames_in_file, (path.stat().st_size - offset) // (y * x * dtype.itemsize))
    if whole < 1:
        return None
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=(whole, y, x))


def _is_one_piece(series: Any, page: Any) -> bool:
    return bool(page.compression == 1 and page.samplesperpixel == 1 and "S" not in series.axes)


def _whole_frames(series: Any, path: Path, expected: int) -> int:
    """Frames whose pixels lie within the file, counted from the first."""
    size = path.stat().st_size
    pages = series.parent.pages
    if len(pages) == 1 and expected > 1:
        mapped = _memory_map(series, path, expected)
        if mapped is not None or _is_one_piece(series, pages.first):
            return 0 if mapped is None else len(mapped)
        return expected
    for index in range(min(expected, len(pages))):
        if _ends(pages[index]) > size:
            return index
    return min(expected, len(pages))


def _ends(page: Any) -> int:
    ends = (offset + n for offset, n in zip(page.dataoffsets, page.databytecounts, strict=False))
    return int(max(ends, default=0))


def _grey_of_page(page: Any) -> NDArray[Any]:
    image = np.asarray(page.asarray())
    if image.ndim == 3 and page.samplesperpixel >= 3:
        image = grey_of_colour(np.moveaxis(image, 0, -1) if page.planarconfig == 2 else image)
    elif image.ndim == 3:
        image = image[..., 0]
    return _native(image)


def _native(image: NDArray[Any]) -> NDArray[Any]:
    if image.dtype.kind == "b":
        return image.astype(np.uint8) * np.uint8(255)
    return image.astype(image.dtype.newbyteorder("="), copy=False)


def _nm_per_pixel(tif: Any) -> float | None:
    if tif.is_ome:
        return _ome_nm_per_pixel(tif)
    page = tif.pages.first
    along_x, along_y = _ratio(page, "XResolution"), _ratio(page, "YResolution")
    if along_x is None or along_y is None or abs(along_x - along_y) > 0.01 * along_x:
        return None
    if tif.is_imagej:
        unit = str((tif.imagej_metadata or {}).get("unit", "")).strip().lower()
        in_nm = _NM_PER_UNIT.get(unit)
        if in_nm is not None and unit != "inch":
            return in_nm / along_x
    tag = page.tags.get("ResolutionUnit")
    in_nm = _NM_PER_RESOLUTION_UNIT.get(int(tag.value)) if tag is not None else None
    if in_nm is None or in_nm / along_x > _COARSEST_TRUSTED_NM:
        return None
    return in_nm / along_x


def _ratio(page: Any, tag: str) -> float | None:
    found = page.tags.get(tag)
    if found is None:
        return None
    numerator, denominator = map(int, found.value)
    return numerator / denominator if numerator and denominator else None


def _ome_pixels(tif: Any) -> dict[str, Any]:
    described: Any = tifffile.xml2dict(tif.ome_metadata)
    image = described.get("OME", {}).get("Image", {})
    image = image[0] if isinstance(image, list) else image
    pixels = image.get("Pixels", {})
    return pixels if isinstance(pixels, dict) else {}


def _ome_nm_per_pixel(tif: Any) -> float | None:
    pixels = _ome_pixels(tif)
    size = pixels.get("PhysicalSizeX")
    in_nm = _NM_PER_UNIT.get(str(pixels.get("PhysicalSizeXUnit", "µm")).lower())
    return float(size) * in_nm if size and in_nm else None


def _seconds_per_frame(tif: Any) -> float | None:
    if tif.is_ome:
        pixels = _ome_pixels(tif)
        step, unit = pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")
    else:
        described = dict(tif.imagej_metadata or {})
        for shaped in tif.shaped_metadata or ():
            described.update(shaped)
        step, unit = described.get("finterval"), described.get("tunit", "s")
    in_s = _SECONDS_PER_UNIT.get(str(unit).lower())
    return float(step) * in_s if isinstance(step, int | float) and step > 0 and in_s else None


def _damaged(path: Path) -> InputError:
    return InputError(f"{path.name}: the TIFF file is damaged or cut short; copy or export it again")


def write_tiff(path: Path, video: Video) -> Steps[None]:
    """Write a video as multi-page TIFF, atomically, one frame in memory at a time.

    Pixel size goes into the resolution tags, frame spacing as "finterval" into the description; both are
    read back by `read_tiff`.

    Parameters
    ----------
    path : Path
        File to write; BigTIFF where the pixels need it.
    video : Video
        Of any real dtype.

    Yields
    ------
    Step
        One per frame.
    """
    options: dict[str, Any] = {}
    if video.nm_per_pixel is not None:
        per_cm = 1e7 / video.nm_per_pixel
        options = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    rate = video.frames_per_second
    metadata: dict[str, Any] = {"axes": "TYX"}
    if rate is not None:
        metadata["finterval"] = 1 / rate
    bigtiff = video.frames.nbytes > CLASSIC_LIMIT
    with replacing(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=bigtiff) as tif:
        for index in range(len(video)):
            tif.write(
                video.frame(index),
                photometric="minisblack",
                contiguous=True,
                metadata=metadata,
                **options,
            )
            yield Step(index + 1, len(video), f"Writing {path.name}, frame {index + 1} of {len(video)}")
