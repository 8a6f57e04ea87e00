"""The grey rule: which one number a pixel of a colour or video frame becomes.

- **Grey sources** keep their values and their bit depth.
- **YUV video** gives its luma. Limited range (16 to 235 in 8 bits), which is what a video without a range tag
  has, is expanded to full range (0 to 255) as every player shows it; full range is kept. Chroma is dropped.
- **RGB sources** give the common value, exactly, where the three channels are equal, and Rec. 601 luma,
  0.299 R + 0.587 G + 0.114 B, rounded to the nearest integer, where they are not. Alpha is dropped.
- **9 to 16-bit video** becomes uint16 on its own scale (0 to 1023 for 10 bits); 8-bit becomes uint8.

References
----------
Recommendation ITU-R BT.601-7 (2011): luma weights (section 2.5.1) and quantisation (section 2.5.3).
"""

import re
from functools import lru_cache
from typing import Any

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

# Rec. 601 in thousandths: integers that sum to 1000, so that equal channels keep their value exactly.
_WEIGHTS = (299, 587, 114)

_LUMA_IN_FIRST_PLANE = re.compile(r"(yuvj?|yuva|gray)(\d{3}p)?(\d+)?(le|be)?$|nv\d\d$|grayf32(le|be)$")


def grey_of_frame(frame: VideoFrame) -> NDArray[Any]:
    """Grey values of a decoded frame, turned upright by right angles where the file asks for it.

    Parameters
    ----------
    frame : av.VideoFrame
        In any pixel format.

    Returns
    -------
    ndarray, shape (y, x)
        uint8 up to 8 bits per channel, else uint16 (float32 for float formats).
    """
    kind = frame.format
    in_colour = kind.is_rgb or kind.has_palette
    grey = _grey_of_rgb_frame(frame) if in_colour else _luma(frame)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(grey, quarter_turns)) if quarter_turns else grey


def grey_of_colour(rgb: NDArray[Any]) -> NDArray[Any]:
    """Grey values of an RGB or RGBA image by the rule of this module.

    Parameters
    ----------
    rgb : ndarray, shape (..., 3) or (..., 4)
        Red, green, blue and perhaps alpha, which is dropped.

    Returns
    -------
    ndarray, shape (...)
        Of the same dtype.
    """
    red, green, blue = (rgb[..., channel] for channel in range(3))
    if rgb.dtype.kind not in "iu":
        luma = (_WEIGHTS[0] * red + _WEIGHTS[1] * green + _WEIGHTS[2] * blue) / 1000
        return np.where((red == green) & (green == blue), red, luma).astype(rgb.dtype)
    wide = np.int64 if rgb.dtype.itemsize > 2 or rgb.dtype.kind == "i" else np.uint32
    in_thousandths: NDArray[Any] = red.astype(wide) * _WEIGHTS[0]
    in_thousandths += green.astype(wide) * _WEIGHTS[1]
    in_thousandths += blue.astype(wide) * _WEIGHTS[2]
    return ((in_thousandths + 500) // 1000).astype(rgb.dtype)


def _grey_of_rgb_frame(frame: VideoFrame) -> NDArray[Any]:
    bits = max(component.bits for component in frame.format.components)
    if bits <= 8:
        packed = frame.reformat(format="rgb24")
        pixels = _plane(packed, 0, np.dtype(np.uint8), channels=3)
        return grey_of_colour(pixels.reshape(frame.height, frame.width, 3))
    planar = frame
    if not re.fullmatch(r"gbrap?\d+(le|be)", frame.format.name):
        planar = frame.reformat(format="gbrp16le")
    word = _word(planar)
    green, blue, red = (_plane(planar, i, word) for i in range(3))
    return grey_of_colour(np.stack((red, green, blue), axis=-1).astype(np.uint16))


def _luma(frame: VideoFrame) -> NDArray[Any]:
    bits = frame.format.components[0].bits
    if frame.format.name.startswith("mono"):
        frame = frame.reformat(format="gray")
    elif not _LUMA_IN_FIRST_PLANE.match(frame.format.name):
        frame = frame.reformat(format="yuv444p" if bits <= 8 else f"yuv444p{bits}le")
    luma = _plane(frame, 0, _word(frame))
    if _is_limited(frame) and luma.dtype.kind != "f":
        expanded: NDArray[Any] = _full_range(bits).take(luma)
        return expanded
    native: NDArray[Any] = luma.astype(luma.dtype.newbyteorder("="), copy=False)
    return native


def _is_limited(frame: VideoFrame) -> bool:
    if frame.color_range == ColorRange.UNSPECIFIED:
        return not frame.format.name.startswith(("gray", "yuvj", "mono"))
    return bool(frame.color_range == ColorRange.MPEG)


@lru_cache
def _full_range(bits: int) -> NDArray[Any]:
    """Table from limited-range luma codes to full range, shape (2**bits,)."""
    step = 2 ** (bits - 8)
    top = 2**bits - 1
    codes = np.arange(2**bits, dtype=np.int64)
    rounded = (2 * top * (codes - 16 * step) + 219 * step) // (2 * 219 * step)
    table: NDArray[Any] = np.clip(rounded, 0, top).astype(np.uint8 if bits <= 8 else np.uint16)
    return table


def _word(frame: VideoFrame) -> np.dtype[Any]:
    """How one sample of a plane is stored."""
    order = ">" if frame.format.is_big_endian else "<"
    if "f32" in frame.format.name:
        return np.dtype(f"{order}f4")
    return np.dtype(np.uint8 if frame.format.components[0].bits <= 8 else f"{order}u2")


def _plane(frame: VideoFrame, index: int, word: np.dtype[Any], *, channels: int = 1) -> NDArray[Any]:
    """View the samples of one plane without the padding at the end of its lines, shape (y, x * channels)."""
    plane = frame.planes[index]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height]
    used = frame.width * channels * word.itemsize
    return np.ascontiguousarray(lines[:, :used]).view(word)
