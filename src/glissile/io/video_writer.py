"""Frames as a video file: H.264 in MP4 for showing, lossless FFV1 in MKV for keeping."""

import itertools
import warnings
from collections.abc import Generator, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from glissile.atomic import replacing
from glissile.errors import InputError

# (codec, options, pixel format) by suffix, most wanted first. CRF 18 is the usual "looks the same".
_H264 = ("libx264", {"crf": "18", "preset": "medium"}, "yuv420p")
_MPEG4 = ("mpeg4", {"qscale": "2"}, "yuv420p")
_CODECS: dict[str, tuple[tuple[str, dict[str, str], str], ...]] = {
    ".mp4": (_H264, _MPEG4),
    ".mkv": (("ffv1", {"level": "3"}, "gray"),),
    ".avi": (("mjpeg", {"qmin": "1", "qmax": "2"}, "yuvj420p"),),
}
VIDEO_SUFFIXES = frozenset(_CODECS)


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], *, frames_per_second: float) -> None:
    """Write 8-bit frames as a video, atomically.

    Parameters
    ----------
    path : Path
        `.mp4` gives H.264 (MPEG-4, with a warning, where FFmpeg has no x264), `.mkv` lossless FFV1 of grey
        frames, `.avi` Motion JPEG.
    frames : iterable of ndarray of uint8, shape (y, x) or (y, x, 3)
        Grey or RGB, all of one shape. Odd heights and widths are padded by one edge pixel in formats that
        halve the chroma.
    frames_per_second : float
        Above 0.

    Raises
    ------
    InputError
        If there is no frame, their shapes differ, or the suffix is unknown.
    """
    for _ in writing_video(path, frames, frames_per_second=frames_per_second):
        pass


def writing_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    frames_per_second: float,
    tags: Mapping[str, str] | None = None,
) -> Generator[int, None, None]:
    """Write as `write_video` does, yielding the number of frames written; closed early it leaves no file.

    `tags` are texts about the whole video by their usual names: title, description, comment.
    """
    codecs = _CODECS.get(path.suffix.lower())
    if codecs is None:
        known = ", ".join(sorted(_CODECS))
        raise InputError(f"{path.name}: a video cannot be written with this suffix; choose one of {known}")
    if not frames_per_second > 0:
        raise InputError(
            f"{path.name}: {frames_per_second} frames per second cannot be written; use more than 0"
        )
    codec, options, pixel_format = next((c for c in codecs if c[0] in av.codecs_available), codecs[-1])
    if codec == _MPEG4[0]:
        warnings.warn(
            f"{path.name}: FFmpeg has no x264 here, so this is MPEG-4 instead of H.264: larger, and not "
            "shown by browsers; .mkv is written without loss",
            stacklevel=2,
        )
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise InputError(f"{path.name}: there is no frame to write")
    if pixel_format == "gray" and first.ndim == 3:
        raise InputError(f"{path.name}: colour frames are written as .mp4, not {path.suffix}")
    rate = Fraction(frames_per_second).limit_denominator(100_000)
    with (
        replacing(path) as temporary,
        av.open(f"file:{temporary}", "w", format=_container(path)) as container,
    ):
        container.metadata.update(tags or {})
        stream: Any = container.add_stream(codec, rate=rate, options=options)
        stream.pix_fmt = pixel_format
        picture = _picture(first, path, first.shape, pixel_format)
        stream.width, stream.height = picture.width, picture.height
        stream.codec_context.time_base = 1 / rate
        _tag_colours(stream.codec_context, picture)
        for index, frame in enumerate(itertools.chain((first,), remaining)):
            picture = _picture(frame, path, first.shape, pixel_format)
            picture.pts = index
            picture.time_base = 1 / rate
            container.mux(stream.encode(picture))
            yield index + 1
        container.mux(stream.encode(None))


def _container(path: Path) -> str:
    return {".mp4": "mp4", ".mkv": "matroska", ".avi": "avi"}[path.suffix.lower()]


def _picture(frame: NDArray[np.uint8], path: Path, shape: tuple[int, ...], pixel_format: str) -> Any:
    if frame.shape != shape or frame.dtype != np.uint8 or frame.ndim not in (2, 3):
        raise InputError(
            f"{path.name}: frames of a video are 8-bit and of one shape, but one is {frame.dtype} of shape "
            f"{frame.shape} and the first has {shape}"
        )
    if pixel_format == "gray":
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")
    even = [(0, n % 2) for n in frame.shape[:2]]
    padded = np.ascontiguousarray(np.pad(frame, even + [(0, 0)] * (frame.ndim - 2), mode="edge"))
    full = pixel_format == "yuvj420p"
    source = av.VideoFrame.from_ndarray(padded, format="gray" if frame.ndim == 2 else "rgb24")
    converted = source.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601 if full else Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
    )
    return converted.reformat(format=pixel_format) if full else converted


def _tag_colours(context: Any, picture: Any) -> None:
    """Say how the numbers are to be shown, so that no player guesses from the frame size."""
    context.color_range = picture.color_range
    context.colorspace = picture.colorspace
    context.color_primaries = 1  # BT.709, whose primaries sRGB shares
    context.color_trc = 1
