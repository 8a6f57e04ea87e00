"""Images of a generator on their way into one file or folder, in each of the forms there are."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.maker import Maker
from glissile.gan.points import z_of
from glissile.gan.provenance import Provenance
from glissile.gan.records import documented
from glissile.io import contact_sheet, generated_images
from glissile.io.generated_images import Records
from glissile.io.generator_card import GeneratorCard
from glissile.progress import Step, Steps
from glissile.workflow.image_table import drop_table, seed_of, table_of, write_table
from glissile.workflow.measuring import Measuring, Pixels

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler

T = TypeVar("T")

_MOST_JSON_BYTES = 8 << 20
_MOST_LATENT_BYTES = 4 << 30


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


class ImageWork:
    """Images on their way into one file or folder, atomically: a method for each form."""

    def __init__(
        self,
        sampler: "Sampler",
        images: Sequence[Provenance | None],
        target: Path,
        title: str,
        measure: Measuring | None,
    ) -> None:
        self._sampler = sampler
        self._maker = Maker(sampler)
        self._places = images
        self._asked = [image for image in images if image is not None]
        self._target = target
        self._title = title
        self._measure = measure
        self._replaces = target.is_file()
        self.dropped: Path | None = None  # table of the file before
        self._told: list[Provenance] = []  # with the measures of the pixels
        self._last: Pixels | None = None

    def image(self) -> Steps[None]:
        """Write the one image as PNG."""
        self._check(with_measures=True)
        pixels = self._made(self._asked[0])
        generated_images.write_png(self._target, pixels, self._records(self._told))
        self._table()
        yield self._step()

    def folder(self) -> Steps[None]:
        """Write each image as a PNG of its own, named as `_names` says, and a table within."""
        with atomic.replacing_folder(self._target) as place:
            for image, name in zip(self._asked, self._names(), strict=True):
                pixels = self._made(image)
                generated_images.write_png(place / name, pixels, self._records(self._told[-1:]))
                yield self._step()
            if self._measure is not None:
                write_table(place / table_of(self._target).name, self._measure.names, self._told)

    def stack(self, frames_per_second: float) -> Steps[None]:
        """Write the images as pages of a TIFF."""
        self._check(with_measures=True)
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
        self._table(frames_per_second if walked else None)

    def video(self, frames_per_second: float) -> Steps[None]:
        """Write the images as frames of a video, whose records are written before any is measured."""
        self._check(with_measures=False)
        writing = generated_images.writing_clip(
            self._target,
            map(self._made, self._asked),
            self._records(self._asked),
            frames_per_second=frames_per_second,
        )
        yield from self._followed(writing)
        self._table(frames_per_second)

    def sheet(self, columns: int) -> Steps[None]:
        """Write the images on one sheet, with captions."""
        self._check(with_measures=True)
        resolution = self._sampler.shape.resolution
        captions = ["" if image is None else image.title for image in self._places]
        found = contact_sheet.laid_out(
            (resolution, resolution), captions, columns=columns, heading=_heading(self._sampler.card)
        )
        images = (None if image is None else self._made(image) for image in self._places)
        drawn = yield from self._followed(contact_sheet.drawing(found, images, captions))
        generated_images.write_png(self._target, drawn, self._records(self._told))
        self._table()

    def latents(self) -> Steps[None]:
        """Write what the images are made of, and make none."""
        self._check(with_measures=False)
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

    def _check(self, *, with_measures: bool) -> None:
        """Refuse more than one file can tell, before anything is made."""
        images = self._asked
        if with_measures and self._measure is not None:
            images = [
                image.model_copy(update={"measures": self._measure.longest(index)})
                for index, image in enumerate(images)
            ]
        self._records(images).text()

    def _names(self) -> list[str]:
        """Name the files of a folder: by seeds where all images are of seeds that rise, else by places."""
        seeds = [seed_of(image) for image in self._asked]
        known = [seed for seed in seeds if seed is not None]
        # So that their names are in the order of the images.
        by_seed = len(known) == len(seeds) and all(a < b for a, b in pairwise(known))
        numbers = known if by_seed else range(len(seeds))
        digits = max(4, len(str(max(numbers))))
        begins = f"{self._target.name}_{'seed' if by_seed else ''}"
        return [f"{begins}{number:0{digits}}.png" for number in numbers]

    def _table(self, frames_per_second: float | None = None) -> None:
        """Write what was measured beside the file, or take the table of the one before away."""
        if self._measure is not None:
            write_table(table_of(self._target), self._measure.names, self._told, frames_per_second)
        elif self._replaces:
            self.dropped = drop_table(self._target)

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
