"""Many small images on one sheet, a caption below each."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

Pixels = NDArray[np.uint8]

_GAP = 4
_WHITE = 255
_MOST_PIXELS = 200_000_000
_NARROWEST = 160  # for the heading


@dataclass(frozen=True)
class Sheet:
    """Where everything is on a contact sheet, pixels.

    Attributes
    ----------
    rows, columns : int
        Of images.
    image : tuple of int
        Height and width of each.
    cell : tuple of int
        Height and width of the room for an image and its caption.
    heading : tuple of str
        Lines above all.
    font_px : int
        Height of the letters.
    """

    rows: int
    columns: int
    image: tuple[int, int]
    cell: tuple[int, int]
    heading: tuple[str, ...]
    font_px: int

    @property
    def line_px(self) -> int:
        """Height of a line of text."""
        return self.font_px * 3 // 2

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the sheet."""
        height = len(self.heading) * self.line_px + self.rows * (self.cell[0] + _GAP) + 2 * _GAP
        return height, max(_NARROWEST, self.columns * (self.cell[1] + _GAP) + _GAP)

    def place(self, index: int) -> tuple[int, int]:
        """Top and left edge of an image, counted row by row."""
        row, column = divmod(index, self.columns)
        top = 2 * _GAP + len(self.heading) * self.line_px + row * (self.cell[0] + _GAP)
        return top, _GAP + column * (self.cell[1] + _GAP)


def laid_out(image: tuple[int, int], captions: Sequence[str], *, columns: int, heading: str) -> Sheet:
    """Find the place of everything on a sheet.

    Parameters
    ----------
    image : tuple of int
        Height and width of each image, pixels.
    captions : sequence of str
        One for each image, row by row.
    columns : int
        Images in a row.
    heading : str
        Broken into lines as wide as the sheet.

    Raises
    ------
    InputError
        If there is no image, or the sheet would be too large.
    """
    if not captions:
        raise InputError("there is no image for a contact sheet; choose at least one")
    font_px = min(max(image[0] // 16, 11), 28)
    font = _font(font_px)
    widest = max(_width(font, caption) for caption in captions)
    cell = (image[0] + font_px * 3 // 2, max(image[1], min(widest, 2 * image[1] + 40)))
    rows = -(-len(captions) // columns)
    width = Sheet(rows, columns, image, cell, (), font_px).shape[1]
    found = Sheet(rows, columns, image, cell, _lines(heading, font, width - 2 * _GAP), font_px)
    height, width = found.shape
    if height * width > _MOST_PIXELS:
        raise InputError(
            f"a contact sheet of {height} x {width} px is too large; put fewer images on it, or write a stack"
        )
    return found


def drawing(
    found: Sheet, images: Iterable[Pixels | None], captions: Sequence[str]
) -> Generator[int, None, Pixels]:
    """Draw a sheet.

    Parameters
    ----------
    found : Sheet
        As `laid_out` gives it.
    images : iterable of ndarray of uint8, shape (y, x) or (y, x, 3), or None
        As many as captions; None leaves the place empty. Their pixels are on the sheet as they are.
    captions : sequence of str
        One for each image.

    Yields
    ------
    int
        Places filled.

    Returns
    -------
    ndarray of uint8, shape (y, x) or (y, x, 3)
    """
    sheet: Pixels | None = None
    for index, image in enumerate(images):
        if image is not None:
            if sheet is None:
                sheet = np.full((*found.shape, *image.shape[2:]), _WHITE, np.uint8)
            top, left = found.place(index)
            sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
        yield index + 1
    if sheet is None:
        sheet = np.full(found.shape, _WHITE, np.uint8)
    return _lettered(sheet, found, captions)


def drawn(found: Sheet, images: Iterable[Pixels | None], captions: Sequence[str]) -> Pixels:
    """Draw a sheet at once; arguments and result as of `drawing`."""
    steps = drawing(found, images, captions)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            sheet: Pixels = done.value
            return sheet


def _lettered(sheet: Pixels, found: Sheet, captions: Sequence[str]) -> Pixels:
    from PIL import Image, ImageDraw

    picture = Image.fromarray(sheet)
    pen, font = ImageDraw.Draw(picture), _font(found.font_px)
    ink = 0 if sheet.ndim == 2 else (0,) * 3
    for number, line in enumerate(found.heading):
        pen.text((_GAP, _GAP + number * found.line_px), line, fill=ink, font=font)
    for index, caption in enumerate(captions):
        top, left = found.place(index)
        text = _shortened(caption, font, found.cell[1])
        pen.text((left, top + found.image[0]), text, fill=ink, font=font)
    return np.asarray(picture)


def _font(size: int) -> "FreeTypeFont | ImageFont":
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _width(font: "FreeTypeFont | ImageFont", text: str) -> int:
    return int(np.ceil(font.getlength(text)))


def _lines(text: str, font: "FreeTypeFont | ImageFont", width: int) -> tuple[str, ...]:
    lines: list[str] = []
    for word in text.split():
        if lines and _width(font, f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return tuple(lines)


def _shortened(text: str, font: "FreeTypeFont | ImageFont", width: int) -> str:
    if _width(font, text) <= width:
        return text
    while text and _width(font, f"{text}...") > width:
        text = text[:-1]
    return f"{text}..." if text else ""
