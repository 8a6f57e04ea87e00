"""Images of a generator made and written: single ones, sheets, walks, tables of mixed styles, latents."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glissile.errors import InputError
from glissile.gan.directions import Direction
from glissile.gan.look import STANDARD_LOOK, Look
from glissile.gan.points import Point, ws_of
from glissile.gan.provenance import Provenance, of_mixing, of_points
from glissile.io import contact_sheet, generated_images
from glissile.io.generator_card import GeneratorCard
from glissile.io.outputs import refuse_in_experiment, refuse_same
from glissile.io.video_writer import VIDEO_SUFFIXES
from glissile.naming import TIFF_SUFFIXES
from glissile.progress import Steps
from glissile.workflow.image_table import refuse_table, table_of
from glissile.workflow.image_work import ImageWork
from glissile.workflow.measuring import Measuring

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler


FRAMES_PER_SECOND = 24.0


class Form(StrEnum):
    """How images are written."""

    image = "image"
    folder = "folder"
    sheet = "contact sheet"
    stack = "TIFF stack"
    video = "video"
    latents = "latents"


@dataclass(frozen=True)
class Generated:
    """What was written.

    Attributes
    ----------
    target : Path
        File or folder.
    form : Form
        What it is.
    images : int
        How many it holds.
    table : Path, optional
        Of what was measured in them; None where nothing was.
    dropped : Path, optional
        Table of the file that was replaced, which was taken away.
    """

    target: Path
    form: Form
    images: int
    table: Path | None = None
    dropped: Path | None = None


def form_of(target: Path, images: int, *, grid: bool = False) -> Form:
    """Choose how images are written by the name of their file or folder.

    Parameters
    ----------
    target : Path
        `.png` for one image or a contact sheet, `.tif` for a stack, `.mp4`, `.mkv` or `.avi` for a video,
        `.npz` or `.json` for latents; no suffix for a folder of PNG images.
    images : int
        How many there are.
    grid : bool
        Whether even one image is put on a sheet.

    Raises
    ------
    InputError
        If nothing is written with such a suffix.
    """
    suffix = target.suffix.lower()
    if suffix == ".png":
        return Form.sheet if grid or images > 1 else Form.image
    forms = (
        (TIFF_SUFFIXES, Form.stack),
        (VIDEO_SUFFIXES, Form.video),
        (generated_images.LATENT_SUFFIXES, Form.latents),
        ({""}, Form.folder),
    )
    for suffixes, form in forms:
        if suffix in suffixes:
            return form
    known = ", ".join(sorted(generated_images.SUFFIXES))
    raise InputError(
        f"{target}: generated images are not written as {target.suffix}; give a name that ends in one of "
        f"{known}, or without an ending for a folder"
    )


def refuse_target(target: Path, form: Form, *read: Path) -> None:
    """Refuse to write images where something else lies or belongs.

    Parameters
    ----------
    target : Path
        File or folder that is about to be written.
    form : Form
        What it will be.
    *read : Path
        What the images come from: a network, an image.

    Raises
    ------
    InputError
        If `target` is what is read, of an experiment, the folder that the program runs in, a file that was
        not written here, a folder with something in it, or a folder where a file is to be written.
    """
    for source in read:
        if source.exists():
            refuse_same(target, source)
    refuse_in_experiment(target)
    if target.exists() and target.samefile(Path.cwd()):
        raise InputError(f"{target}: is the folder you are in; give the name of a new file or folder")
    if form is Form.folder:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target}: is there already and not an empty folder; choose another name")
        return
    if target.is_dir():
        raise InputError(f"{target}: is a folder; give the name of a file")
    if target.exists() and not _generated(target):
        raise InputError(f"{target}: is there already, and was not generated here; choose another name")


def refuse_too_many(target: Path, images: int) -> None:
    """Refuse more images than a file or folder tells how they were made.

    Raises
    ------
    InputError
        If they are more than 100 000.
    """
    if images > generated_images.MOST_IMAGES:
        raise InputError(
            f"{target}: {images} images are too many for one file or folder, which hold "
            f"{generated_images.MOST_IMAGES}; write fewer at a time"
        )


def refuse_measures(target: Path, form: Form, *read: Path) -> None:
    """Refuse to measure images where none are made, or their table would take the place of something else.

    Parameters
    ----------
    target, form, *read
        As of `refuse_target`.

    Raises
    ------
    InputError
        If latents are written, or as of `glissile.workflow.image_table.refuse_table`.
    """
    if form is Form.latents:
        raise InputError(
            f"{target}: images are measured only where they are written as .png, .tif, a video or a folder; "
            "write such a one"
        )
    refuse_table(target, *read)


def _generated(path: Path) -> bool:
    try:
        generated_images.read_records(path)
    except InputError:
        return False
    return True


def write_images(
    sampler: "Sampler",
    images: Sequence[Provenance | None],
    target: Path,
    *,
    title: str,
    columns: int | None = None,
    frames_per_second: float = FRAMES_PER_SECOND,
    measure: Measuring | None = None,
    read: Sequence[Path] = (),
) -> Steps[Generated]:
    """Generate images one after the other and write them, atomically: `target` is whole, or as it was.

    Parameters
    ----------
    sampler : Sampler
        With the generator.
    images : sequence of Provenance or None
        How each is generated, see `glissile.gan.provenance`; None leaves a place of a contact sheet empty.
    target : Path
        Its suffix says what is written, see `form_of`.
    title : str
        Of the file, for a person.
    columns : int, optional
        Images in a row of a contact sheet; as many as rows if absent.
    frames_per_second : float
        Of a video, or a walk as TIFF.
    measure : Measuring, optional
        What it finds goes into a table, see `glissile.workflow.image_table`, and into the records, but for
        those of a video, which are written before its frames.
    read : sequence of Path
        Files that must not be replaced.

    Yields
    ------
    Step
        One per image, which is its preview.

    Returns
    -------
    Generated

    Raises
    ------
    InputError
        As `form_of`, `refuse_target` and `refuse_measures`, if there is no image, or it cannot be written so.
    """
    asked = [image for image in images if image is not None]
    if not asked:
        raise InputError(f"{target}: there is no image to generate; give at least one seed")
    form = form_of(target, len(images), grid=columns is not None)
    refuse_target(target, form, *read)
    refuse_too_many(target, len(asked))
    if measure is not None:
        refuse_measures(target, form, *read)
    channels = sampler.shape.channels
    if form is not Form.latents and channels not in (1, 3):
        raise InputError(f"{target}: images of {channels} channels are no pictures; write latents (.npz)")
    work = ImageWork(sampler, images, target, f"Synthetic: {title}", measure)
    if form is Form.sheet:
        yield from work.sheet(columns or int(np.ceil(np.sqrt(len(images)))))
    elif form is Form.latents:
        yield from work.latents()
    elif form is Form.folder:
        yield from work.folder()
    elif form is Form.image:
        yield from work.image()
    elif form is Form.stack:
        yield from work.stack(frames_per_second)
    else:
        yield from work.video(frames_per_second)
    table = None if measure is None else table_of(target)
    return Generated(target, form, len(asked), table, work.dropped)


def table_of_mixing(
    card: GeneratorCard,
    rows: Sequence[Point],
    columns: Sequence[Point],
    layers: Sequence[int],
    look: Look = STANDARD_LOOK,
) -> list[Provenance | None]:
    """Lay out a table of mixed styles: sources above and at the left, the mixed images between.

    Parameters
    ----------
    card, rows, columns, layers, look
        As of `glissile.gan.provenance.of_mixing`.

    Returns
    -------
    list of Provenance or None
        Row by row, `len(columns) + 1` in each; None at the corner.

    Raises
    ------
    InputError
        If a sheet of them would be too large.
    """
    size = (card.shape.resolution,) * 2
    places = (len(rows) + 1) * (len(columns) + 1)
    contact_sheet.laid_out(size, [""] * places, columns=len(columns) + 1, heading="")
    mixed = of_mixing(card, rows, columns, layers, look)
    table: list[Provenance | None] = [None, *of_points(card, columns, look)]
    for index, row in enumerate(of_points(card, rows, look)):
        table += [row, *mixed[index * len(columns) : (index + 1) * len(columns)]]
    return table


def strips(
    sampler: "Sampler",
    point: Point,
    directions: Sequence[Direction],
    amounts: Sequence[float],
    look: Look = STANDARD_LOOK,
) -> list[Provenance]:
    """Lay out what directions do to an image: a row for each direction, from one amount to the next.

    Parameters
    ----------
    sampler : Sampler
        With the generator.
    point : Point
        Where the directions begin.
    directions : sequence of Direction
        In w.
    amounts : sequence of float
        How far along each, in units of its scale.
    look : Look
        Of all images.

    Returns
    -------
    list of Provenance
        Row by row.

    Raises
    ------
    InputError
        If the point or a direction does not fit the generator.
    """
    ws = ws_of(sampler, [point])[0]
    moved = [
        Point.of_w(direction.apply(ws, amount), f"{direction.name}: {amount:+.3g}", point.label)
        for direction in directions
        for amount in amounts
    ]
    return of_points(sampler.card, moved, look)
