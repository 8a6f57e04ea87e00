"""Images of a generator beside the training images that are nearest: whether it has learned some by heart."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.maker import Maker
from glissile.gan.nearest import Nearest, Verdict, index_images, nearest
from glissile.gan.pixels import as_pixels
from glissile.gan.provenance import Provenance
from glissile.gan.records import documented
from glissile.gan.target import as_target
from glissile.io import contact_sheet
from glissile.io.generated_images import MOST_IMAGES, Records, write_png
from glissile.io.image_folders import read_image
from glissile.io.outputs import refuse_file, refuse_in_experiment, refuse_other_table
from glissile.progress import Step, Steps
from glissile.workflow.generation import Form, refuse_target

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler

_COLUMNS = ("image", "nearest", "similarity", "verdict", "usual", "close_from", "copy_from")
_HEADING = (
    "Left of each pair: a synthetic image, which shows no real specimen. Right: the nearest training image."
)
_LONGEST_NAME = 30
_LONGEST_CAPTION = f"{'M' * _LONGEST_NAME}: 0.00, close"


@dataclass(frozen=True)
class Memorisation:
    """How near generated images are to training images.

    Attributes
    ----------
    titles : tuple of str
        Of the generated images.
    names : tuple of str
        Of the nearest training images, as far as they lie below the folder.
    found : tuple of Nearest
        The nearest training image of each.
    usual, close, copy : float
        Similarities, as of `glissile.gan.nearest.Index`.
    training_images : int
        How many there are.
    """

    titles: tuple[str, ...]
    names: tuple[str, ...]
    found: tuple[Nearest, ...]
    usual: float
    close: float
    copy: float
    training_images: int

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many images are copies, close, and new."""
        counted = Counter(one.verdict for one in self.found)
        return {"copy": counted["copy"], "close": counted["close"], "new": counted["new"]}

    @property
    def sentence(self) -> str:
        """What was found, for a person."""
        total, counts = len(self.found), self.counts
        if counts["copy"]:
            learned = "the generator has learned some by heart"
            return f"copies of training images: {counts['copy']} of {total}; {learned}"
        if counts["close"]:
            return (
                f"no image is a copy; {counts['close']} of {total} are nearer to a training image than "
                "almost all training images are to each other: look at them"
            )
        if total == 1:
            return "the image is new: it is not close to a training image"
        return f"all {total} images are new: none is close to a training image"

    def table(self) -> str:
        """Write a row for each image as CSV."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(_COLUMNS)
        levels = [f"{level:.4f}" for level in (self.usual, self.close, self.copy)]
        for title, one in zip(self.titles, self.found, strict=True):
            rows.writerow([title, _told(one.path), f"{one.similarity:.4f}", one.verdict, *levels])
        return text.getvalue()


def compare_with_training(
    sampler: "Sampler",
    images: Sequence[Provenance],
    folder: Path,
    *,
    cache: Path | None = None,
    sheet: Path | None = None,
    table: Path | None = None,
    read: Sequence[Path] = (),
) -> Steps[Memorisation]:
    """Generate images and find the training image that is nearest to each.

    Parameters
    ----------
    sampler : Sampler
        With the generator.
    images : sequence of Provenance
        How each is generated.
    folder : Path
        Of the training images, see `glissile.gan.nearest.index_images`.
    cache : Path, optional
        As of `index_images`.
    sheet : Path, optional
        `.png` for each image beside its nearest.
    table : Path, optional
        `.csv` for a row for each image.
    read : sequence of Path
        Files that must not be replaced.

    Yields
    ------
    Step
        One per some training images, then one per image, which is its preview.

    Returns
    -------
    Memorisation

    Raises
    ------
    InputError
        If there is no image, or one cannot be read or written so.
    """
    if not images:
        raise InputError("there is no image to compare; give at least one seed")
    if len(images) > MOST_IMAGES:
        raise InputError(f"{len(images)} images are too many to compare; take fewer at a time")
    if sampler.shape.channels not in (1, 3):
        raise InputError(
            f"images of {sampler.shape.channels} channels are no pictures, and are compared with none"
        )
    refuse_outputs(folder, sheet, table, *read)
    columns = 2 * int(np.ceil(np.sqrt(len(images) / 2)))
    size = (sampler.shape.resolution,) * 2
    if sheet is not None:  # refuses one that would be too large, before anything is made
        longest = [text for image in images for text in (image.title, _LONGEST_CAPTION)]
        contact_sheet.laid_out(size, longest, columns=columns, heading=_HEADING)
    index = yield from index_images(folder, cache)
    maker, total = Maker(sampler), len(images)
    found: list[Nearest] = []
    pairs: list[NDArray[np.uint8]] = []
    for image in images:
        pixels = maker.pixels(image)
        found.append(nearest(index, pixels))
        if sheet is not None:
            pairs += [pixels, _as_generated(found[-1].path, sampler)]
        yield Step(len(found), total, f"Comparing image {len(found)} of {total}", preview=pixels)
    titles = tuple(image.title for image in images)
    names = tuple(_told(one.path.relative_to(folder)) for one in found)
    result = Memorisation(titles, names, tuple(found), index.usual, index.close, index.copy, len(index))
    if table is not None:
        atomic.write_text(table, result.table())
    if sheet is not None:
        captions = [
            text
            for title, name, one in zip(titles, names, found, strict=True)
            for text in (title, _caption(name, one))
        ]
        layout = contact_sheet.laid_out(size, captions, columns=columns, heading=_HEADING)
        common, alone = documented(images)
        records = Records(common, alone, "Synthetic images, each beside the nearest training image")
        write_png(sheet, contact_sheet.drawn(layout, pairs, captions), records)
    return result


def refuse_outputs(folder: Path, sheet: Path | None, table: Path | None, *read: Path) -> None:
    """Refuse a sheet or a table where something else lies or belongs.

    Raises
    ------
    InputError
        As of `refuse_target` and `refuse_file`, or if it would lie among the training images.
    """
    if sheet is not None:
        if sheet.suffix.lower() != ".png":
            raise InputError(f"{sheet}: a sheet is written as a .png file; give a name that ends in .png")
        refuse_target(sheet, Form.sheet, *read)
    if table is not None:
        refuse_file(table, ".csv", *read)
        refuse_in_experiment(table)
        refuse_other_table(table, ",".join(_COLUMNS))
    for output in (sheet, table):
        if output is not None and folder.resolve() in output.resolve().parents:
            raise InputError(f"{output}: lies among the training images; choose a place outside of {folder}")


def _as_generated(path: Path, sampler: "Sampler") -> NDArray[np.uint8]:
    """Read a training image as the generator would have made it: its size and channels."""
    return np.asarray(as_pixels(as_target(read_image(path), sampler.shape)[None])[0])


def _caption(name: str, one: Nearest) -> str:
    shown = name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
    return f"{shown}: {one.similarity:.2f}, {one.verdict}"


def _told(path: Path) -> str:
    """Write a path as text, also where its name is none."""
    return path.as_posix().encode(errors="replace").decode()
