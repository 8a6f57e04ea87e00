"""A micrograph projected into a generator, and what was found as a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.crop import cut_square
from glissile.gan.look import Look
from glissile.gan.maker import Maker
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point
from glissile.gan.provenance import Provenance, of_points
from glissile.gan.records import documented
from glissile.io import contact_sheet
from glissile.io.generated_images import Records, write_latents, write_png
from glissile.io.generator_card import GeneratorCard
from glissile.io.image_folders import read_image
from glissile.io.json_files import compact
from glissile.naming import IMAGE_SUFFIXES
from glissile.progress import Steps
from glissile.workflow.generation import Form, refuse_target

if TYPE_CHECKING:
    from glissile.gan.networks import Generator
    from glissile.gan.projection import Projection
    from glissile.gan.projection_settings import ProjectionSettings

_COMPARED = ("micrograph", "synthetic", "difference")


@dataclass(frozen=True)
class Projected:
    """What became of a micrograph.

    Attributes
    ----------
    folder : Path
        `image.png`, the generated image, which tells its w; `comparison.png`, beside the micrograph;
        `latents.npz`; `projection.json`, the settings and distances.
    point : Point
        What was found.
    distances : mapping of str to float
        As of `glissile.gan.projection.Projection`.
    """

    folder: Path
    point: Point
    distances: Mapping[str, float]


def opened_generator(network: Path) -> tuple["Generator", GeneratorCard]:
    """Read a generator of any known format with its card.

    Raises
    ------
    InputError
        If the file is none.
    """
    from glissile.gan import weights
    from glissile.gan.networks import Generator
    from glissile.io.generator_file import read_generator

    found = read_generator(network)
    generator = Generator(found.card.shape)
    weights.load(generator, found.tensors)
    return generator, found.card


def project_micrograph(
    generator: "Generator",
    card: GeneratorCard,
    micrograph: Path,
    folder: Path,
    settings: "ProjectionSettings",
    *,
    label: int | None = None,
    data_bar_px: int = 0,
    read: tuple[Path, ...] = (),
) -> Steps[Projected]:
    """Seek the latent vectors of a micrograph and write what was found, once it is found.

    Parameters
    ----------
    generator : Generator
        With its weights.
    card : GeneratorCard
        Of it.
    micrograph : Path
        PNG, TIFF or JPEG, see `glissile.gan.target.as_target`.
    folder : Path
        New or empty.
    settings : ProjectionSettings
        How to seek. Noise that is optimised is not part of a point, so it cannot be written.
    label : int, optional
        Class, of conditional generators.
    data_bar_px : int
        Rows of the data bar at the bottom of the micrograph, which are left out.
    read : tuple of Path
        Files that must not be replaced.

    Yields
    ------
    Step
        As of `glissile.gan.projection.project`.

    Returns
    -------
    Projected

    Raises
    ------
    InputError
        If the micrograph cannot be read, or as `refuse_target` and `project`.
    """
    from glissile.gan.projection import project
    from glissile.gan.sampler import Sampler

    if micrograph.suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(f"{micrograph}: is no PNG, TIFF or JPEG image; save the micrograph as one of them")
    if settings.noise == "optimised":
        raise InputError("noise that is optimised is not kept with an image; choose const or none")
    refuse_target(folder, Form.folder, micrograph, *read)
    pixels = cut_square(read_image(micrograph), bar_px=data_bar_px)
    name = micrograph.name.encode(errors="replace").decode()
    found = yield from project(generator, pixels, settings, label=label)
    sampler = Sampler(generator, card, device=settings.device)
    point = Point.of_w(found.ws, f"found: {name}"[:200], label)
    (provenance,) = of_points(card, [point], Look(noise=settings.noise))
    image = Maker(sampler).pixels(provenance)
    with atomic.replacing_folder(folder) as place:
        _write(place, provenance, image, found, settings)
    return Projected(folder, point, found.distances)


def _write(
    place: Path,
    provenance: Provenance,
    image: NDArray[np.uint8],
    found: "Projection",
    settings: "ProjectionSettings",
) -> None:
    common, alone = documented([provenance])
    records = Records(common, alone, f"Synthetic: {provenance.title}")
    write_png(place / "image.png", image, records)
    beside = Records(common, alone, f"Left: a real micrograph. Middle: {records.title}")
    write_png(place / "comparison.png", _compared(found, image), beside)
    write_latents(place / "latents.npz", {"ws": found.ws[None]}, records)
    told: dict[str, Any] = {
        "settings": settings.model_dump(mode="json"),
        "distances": {name: value for name, value in found.distances.items() if np.isfinite(value)},
    }
    atomic.write_text(place / "projection.json", compact(told))


def _compared(found: "Projection", image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put the micrograph, the image and half their difference side by side."""
    target = as_pixels(found.target[None])[0]
    half = as_pixels(found.residual[None] / 2)[0]
    heading = "Left: the micrograph. Middle: a synthetic image, which shows no real specimen."
    sheet = contact_sheet.laid_out(image.shape[:2], _COMPARED, columns=3, heading=heading)
    return contact_sheet.drawn(sheet, (target, image, half), _COMPARED)
