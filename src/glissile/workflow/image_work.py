"""Images of a generator on their way into one file or folder, in each of the forms there are."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.points import z_of
from glissile.gan.provenance import Maker, Provenance, documented
from glissile.io import contact_sheet, generated_images
from glissile.io.generated_images import Records
from glissile.io.generator_card import GeneratorCard
from glissile.progress import Step, Steps
from glissile.workflow.frame_table import drop_table, write_table

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler

T = TypeVar("T")
Pixels = NDArray[np.uint8]
Measuring = Callable[[Pixels], dict[str, float]]

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
        self._told: list[Provenance] = []  # with the measures of the pixels
        self._last: Pixels | None = None

    def check(self) -> None:
        """Refuse more than one file can tell, before anything is made."""
        self._records(self._asked).text()

    def image(self) -> Steps[None]:
        """Write the one image as PNG."""
        pixels = self._made(self._asked[0])
        generated_images.write_png(self._target, pixels, self._records(self._told))
        yield self._step()

    def folder(self) -> Steps[None]:
        """Write each image as a PNG of its own."""
        digits = max(4, len(str(len(self._asked) - 1)))
        with atomic.replacing_folder(self._target) as place:
            for index, image in enumerate(self._asked):
                pixels = self._made(image)
                name = f"{self._target.name}_{index:0{digits}}.png"
                generated_images.write_png(place / name, pixels, self._records(self._told[-1:]))
                yield self._step()

    def stack(self, frames_per_second: float) -> Steps[None]:
        """Write the images as pages of a TIFF."""
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
        """Write the images as frames of a video, and what is measured in them as a table beside it."""
        writing = generated_images.writing_clip(
            self._target,
            map(self._made, self._asked),
            self._records(self._asked),
            frames_per_second=frames_per_second,
        )
        yield from self._followed(writing)
        if self._measure is not None:
            write_table(self._target, self._told, frames_per_second)
        else:
            drop_table(self._target)

    def sheet(self, columns: int) -> Steps[None]:
        """Write the images on one sheet, with captions."""
        resolution = self._sampler.shape.resolution
        captions = ["" if image is None else image.title for image in self._places]
        found = contact_sheet.laid_out(
            (resolution, resolution), captions, columns=columns, heading=_heading(self._sampler.card)
        )
        images = (None if image is None else self._made(image) for image in self._places)
        drawn = yield from self._followed(contact_sheet.drawing(found, images, captions))
        generated_images.write_png(self._target, drawn, self._records(self._told))

    def latents(self) -> Steps[None]:
        """Write what the images are made of, and make none."""
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
