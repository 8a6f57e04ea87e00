"""Images of a generator made and written: single ones, sheets, walks, tables of mixed styles, latents."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.directions import Direction
from glissile.gan.points import Point, ws_of, z_of
from glissile.gan.provenance import STANDARD_LOOK, Look, Maker, Provenance, documented, of_mixing, of_points
from glissile.gan.sliders import Sliders
from glissile.io import contact_sheet, generated_images
from glissile.io.generated_images import Records
from glissile.io.generator_card import GeneratorCard
from glissile.io.outputs import refuse_in_experiment, refuse_same
from glissile.io.video_writer import VIDEO_SUFFIXES
from glissile.naming import TIFF_SUFFIXES
from glissile.progress import Step, Steps

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler

T = TypeVar("T")
Pixels = NDArray[np.uint8]
Measure = Callable[[Pixels], dict[str, float]]

FRAMES_PER_SECOND = 24.0
_MOST_JSON_BYTES = 8 << 20
_MOST_LATENT_BYTES = 4 << 30


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
    """

    target: Path
    form: Form
    images: int


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
    measure: Measure | None = None,
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
    measure : callable, optional
        From pixels to numbers by name, which go into the records; not for videos, whose records are written
        before their frames.
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
        As `form_of` and `refuse_target`, if there is no image, or it cannot be written so.
    """
    asked = [image for image in images if image is not None]
    if not asked:
        raise InputError(f"{target}: there is no image to generate; give at least one seed")
    form = form_of(target, len(images), grid=columns is not None)
    refuse_target(target, form, *read)
    if len(asked) > generated_images.MOST_IMAGES:
        raise InputError(f"{target}: {len(asked)} images are too many for one file; write fewer at a time")
    if measure is not None and form in (Form.video, Form.latents):
        raise InputError(
            f"{target}: images are measured only where they are written as .png, .tif or a folder; write "
            "such a one"
        )
    channels = sampler.shape.channels
    if form is not Form.latents and channels not in (1, 3):
        raise InputError(f"{target}: images of {channels} channels are no pictures; write latents (.npz)")
    work = _Work(sampler, images, target, f"Synthetic: {title}", measure)
    work.check()
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
    return Generated(target, form, len(asked))


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
    """
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


def measure_of(sliders: Sliders) -> Measure:
    """Measure images as the sliders were: numbers by name with unit; those without a meaning are left out."""

    def measured(pixels: Pixels) -> dict[str, float]:
        found = sliders.measured_in(pixels).values()
        names = [one.name for one in sliders.sliders if one.name in found]
        units = {name: sliders.unit(name) for name in names}
        return {f"{name}, {units[name]}" if units[name] else name: found[name] for name in names}

    return measured


@contextmanager
def _memory_suffices(sampler: "Sampler") -> Iterator[None]:
    """Say it in a sentence where the memory does not suffice for an image."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        from glissile.device import out_of_memory

        if not out_of_memory(problem):
            raise
        raise InputError(
            f"the memory of {sampler.device} does not suffice for images of {sampler.shape.resolution} px; "
            "close other programs, or compute on the CPU"
        ) from problem


def _heading(card: GeneratorCard) -> str:
    name = f" of {card.name}" if card.name else ""
    return f"Synthetic images{name}. They show no real specimen."


class _Work:
    """Images on their way into one file or folder."""

    def __init__(
        self,
        sampler: "Sampler",
        images: Sequence[Provenance | None],
        target: Path,
        title: str,
        measure: Measure | None,
    ) -> None:
        self._sampler = sampler
        self._maker = Maker(sampler)
        self._places = images
        self._asked = [image for image in images if image is not None]
        self._target = target
        self._title = title
        self._measure = measure
        self._told: list[Provenance] = []  # with the measures of the pixels
        self._last: Pixels | None = None

    def check(self) -> None:
        """Refuse more than one file can tell, before anything is made."""
        self._records(self._asked).text()

    def image(self) -> Steps[None]:
        pixels = self._made(self._asked[0])
        generated_images.write_png(self._target, pixels, self._records(self._told))
        yield self._step()

    def folder(self) -> Steps[None]:
        digits = max(4, len(str(len(self._asked) - 1)))
        with atomic.replacing_folder(self._target) as place:
            for index, image in enumerate(self._asked):
                pixels = self._made(image)
                name = f"{self._target.name}_{index:0{digits}}.png"
                generated_images.write_png(place / name, pixels, self._records(self._told[-1:]))
                yield self._step()

    def stack(self, frames_per_second: float) -> Steps[None]:
        shape = self._sampler.shape
        walked = self._asked[0].walk is not None
        writing = generated_images.writing_tiff(
            self._target,
            map(self._made, self._asked),
            lambda: self._records(self._told),
            n_bytes=len(self._asked) * shape.channels * shape.resolution**2,
            nm_per_pixel=self._asked[0].nm_per_pixel,
            frames_per_second=frames_per_second if walked else None,
        )
        yield from self._followed(writing)

    def video(self, frames_per_second: float) -> Steps[None]:
        writing = generated_images.writing_clip(
            self._target,
            map(self._made, self._asked),
            self._records(self._asked),
            frames_per_second=frames_per_second,
        )
        yield from self._followed(writing)

    def sheet(self, columns: int) -> Steps[None]:
        resolution = self._sampler.shape.resolution
        captions = ["" if image is None else image.title for image in self._places]
        found = contact_sheet.laid_out(
            (resolution, resolution), captions, columns=columns, heading=_heading(self._sampler.card)
        )
        images = (None if image is None else self._made(image) for image in self._places)
        drawn = yield from self._followed(contact_sheet.drawing(found, images, captions))
        generated_images.write_png(self._target, drawn, self._records(self._told))

    def latents(self) -> Steps[None]:
        shape = self._sampler.shape
        n_bytes = 4 * len(self._asked) * shape.num_ws * shape.w_dim
        if self._target.suffix.lower() == ".json" and n_bytes > _MOST_JSON_BYTES:
            raise InputError(f"{self._target}: these are too many numbers for JSON; write them as .npz")
        if n_bytes > _MOST_LATENT_BYTES:
            raise InputError(f"{self._target}: these are more than 4 GiB of latents; write fewer at a time")
        ws = np.empty((len(self._asked), shape.num_ws, shape.w_dim), np.float32)
        for index, image in enumerate(self._asked):
            ws[index] = self._maker.ws(image)
            self._told.append(image)
            yield self._step()
        arrays = {"ws": ws}
        zs = [
            None if image.point is None or image.mixing is not None else z_of(image.point, shape.z_dim)
            for image in self._asked
        ]
        known = [z for z in zs if z is not None]
        if len(known) == len(zs):
            arrays["z"] = np.stack(known).astype(np.float32)
        generated_images.write_latents(self._target, arrays, self._records(self._told))

    def _made(self, image: Provenance) -> Pixels:
        with _memory_suffices(self._sampler):
            pixels = self._maker.pixels(image)
        if self._measure is not None:
            image = image.model_copy(update={"measures": self._measure(pixels)})
        self._told.append(image)
        self._last = pixels
        return pixels

    def _records(self, images: Sequence[Provenance]) -> Records:
        common, alone = documented(images)
        return Records(common, alone, self._title)

    def _step(self) -> Step:
        done, total = len(self._told), len(self._asked)
        message = f"Generating {self._target.name}, image {done} of {total}"
        return Step(done, total, message, preview=self._last, frame=done - 1 if done else None)

    def _followed(self, writing: Generator[int, None, T]) -> Steps[T]:
        with closing(writing):
            while True:
                try:
                    next(writing)
                except StopIteration as done:
                    result: T = done.value
                    return result
                yield self._step()
