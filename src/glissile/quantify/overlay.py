"""One frame as a picture: the mask in the colours of its classes, a scale bar and a caption."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glissile.defects import DefectClass
from glissile.errors import InputError

# The casing around a region is nearly opaque, the region itself only tinted: a line of 3 px can be found at
# once, and the contrast under it can still be judged.
_CASING_OPACITY = 0.85
_TINT_OPACITY = 0.28

# A frame of this edge length has a casing of 1 px; larger ones are shown scaled down and need more.
_PX_PER_CASING = 1000

_TEXT_SHARE_OF_EDGE = 0.042
_SMALLEST_TEXT_PX = 8
_LARGEST_BAR_SHARE = 0.25
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)


def frame_caption(*, time_s: float, strain: float | None = None) -> str:
    """Strain and time as drawn on a frame; of constant width, so that it stands still in a video."""
    known = strain is not None and math.isfinite(strain)
    return f"ε = {strain:.5f}   {time_s:.1f} s" if known else f"{time_s:.1f} s"


def overlay_frame(
    frame: NDArray[Any],
    mask: NDArray[np.integer[Any]],
    classes: Sequence[DefectClass],
    *,
    contrast: tuple[float, float],
    nm_per_pixel: float | None = None,
    caption: str = "",
) -> NDArray[np.uint8]:
    """Draw the mask over the frame.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey values of any type.
    mask : ndarray of int, shape (y, x)
        Class values, 0 is the background.
    classes : sequence of DefectClass
        The classes to draw, in their colours.
    contrast : tuple of float
        Grey values shown as black and white, the second above the first.
    nm_per_pixel : float, optional
        Edge length of a pixel in nanometres; with it a scale bar is drawn.
    caption : str
        Text for the upper left corner; it is wrapped where it is wider than the frame.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        RGB.

    Raises
    ------
    InputError
        If frame and mask differ in shape.
    """
    if mask.shape != frame.shape:
        raise InputError(
            f"the mask has {_size(mask)} and the frame {_size(frame)}; use masks made on this video"
        )
    picture = np.repeat(_as_grey(frame, contrast)[:, :, np.newaxis], 3, axis=2)
    _draw_classes(picture, mask, classes)
    if not caption and nm_per_pixel is None:
        return picture
    image = Image.fromarray(picture)
    if caption:
        _draw_caption(image, caption)
    if nm_per_pixel is not None:
        _draw_scale_bar(image, nm_per_pixel)
    return np.array(image)


def scale_bar_length(width_px: int, nm_per_pixel: float) -> float:
    """Length of a scale bar in nm: the largest of 1, 2, 5, 10, 20, 50, ... up to a quarter of the width."""
    longest = _LARGEST_BAR_SHARE * width_px * nm_per_pixel
    decade = 10.0 ** math.floor(math.log10(longest))
    return float(decade * max(step for step in (1, 2, 5) if step * decade <= longest * (1 + 1e-9)))


def _size(image: NDArray[Any]) -> str:
    return " x ".join(str(n) for n in image.shape) + " px"


def _as_grey(frame: NDArray[Any], contrast: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = contrast
    shown = (np.nan_to_num(frame.astype(np.float32), nan=low) - low) * (255 / (high - low))
    return np.asarray(np.clip(np.rint(shown), 0, 255), dtype=np.uint8)


def _draw_classes(
    picture: NDArray[np.uint8], mask: NDArray[np.integer[Any]], classes: Sequence[DefectClass]
) -> None:
    import cv2  # loading it takes half a second, and the plugin's menu needs it not

    width = max(1, round(max(mask.shape) / _PX_PER_CASING))
    kernel = np.ones((2 * width + 1, 2 * width + 1), dtype=np.uint8)
    background = mask == 0
    for c in classes:
        inside = mask == c.value
        if not inside.any():
            continue
        casing = cv2.dilate(inside.astype(np.uint8), kernel).astype(bool) & background
        background &= ~casing  # where two casings meet, that of the first class stays
        for region, opacity in ((inside, _TINT_OPACITY), (casing, _CASING_OPACITY)):
            blended = (1 - opacity) * picture[region] + opacity * np.array(_rgb(c.color))
            picture[region] = np.rint(blended).astype(np.uint8)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


@functools.lru_cache(maxsize=16)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    # Matplotlib brings DejaVu Sans along on every system; it has the Greek and the micro sign.
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size_px
    )


def _text_px(image: Image.Image) -> int:
    return max(_SMALLEST_TEXT_PX, round(_TEXT_SHARE_OF_EDGE * min(image.size)))


def _margin_px(image: Image.Image) -> int:
    return max(2, round(0.02 * min(image.size)))


def _stroke_px(text_px: int) -> int:
    return max(1, round(text_px / 10))


def _draw_caption(image: Image.Image, caption: str) -> None:
    draw = ImageDraw.Draw(image)
    size, margin = _text_px(image), _margin_px(image)
    text = _wrapped(caption, image.width - 2 * margin, _font(size))
    stroke = _stroke_px(size)
    draw.multiline_text(
        (margin + stroke, margin),
        text,
        font=_font(size),
        fill=_WHITE,
        stroke_width=stroke,
        stroke_fill=_BLACK,
        spacing=round(size / 4),
    )


def _wrapped(caption: str, width_px: int, font: ImageFont.FreeTypeFont) -> str:
    """`caption` with a line break at each run of two or more spaces that would pass `width_px`."""
    lines: list[str] = []
    for line in caption.splitlines():
        current = ""
        for part in line.split("   "):
            longer = f"{current}   {part}" if current else part
            if current and font.getlength(longer) > width_px:
                lines.append(current)
                current = part
            else:
                current = longer
        lines.append(current)
    return "\n".join(lines)


def _draw_scale_bar(image: Image.Image, nm_per_pixel: float) -> None:
    length_nm = scale_bar_length(image.width, nm_per_pixel)
    length_px = max(1, round(length_nm / nm_per_pixel))
    label = f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} µm"
    size, margin = _text_px(image), _margin_px(image)
    stroke = _stroke_px(size)
    thickness = max(2, round(size / 4))
    draw = ImageDraw.Draw(image)
    left, bottom = margin + stroke, image.height - margin - stroke
    top = bottom - thickness
    draw.rectangle(
        (left - stroke, top - stroke, left + length_px - 1 + stroke, bottom - 1 + stroke), fill=_BLACK
    )
    draw.rectangle((left, top, left + length_px - 1, bottom - 1), fill=_WHITE)
    middle = max(left + length_px / 2, margin + stroke + _font(size).getlength(label) / 2)
    draw.text(
        (middle, top - stroke - round(size / 4)),
        label,
        font=_font(size),
        fill=_WHITE,
        stroke_width=stroke,
        stroke_fill=_BLACK,
        anchor="mb",
    )
