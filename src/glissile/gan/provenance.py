"""How a generated image came about: all that is needed to make it again, pixel for pixel."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glissile import __version__
from glissile.errors import InputError
from glissile.gan.latent import mixed
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.walk import Noise, Route, Walk
from glissile.io.generated_images import read_records
from glissile.io.generator_card import SYNTHETIC_NOTICE, GeneratorCard

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler

Precision = Literal["float32", "quick"]
_MOST_MEASURES = 100


class GeneratorName(BaseModel):
    """Which generator made an image.

    Attributes
    ----------
    trained : bool or None
        False for random weights; None where it is not known.
    weights_sha256 : str
        As of its card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=200)
    weights_sha256: str = Field("", max_length=64)
    trained: bool | None = None

    @classmethod
    def of_card(cls, card: GeneratorCard) -> Self:
        """Name the generator of a card."""
        return cls(name=card.name, weights_sha256=card.weights_sha256, trained=card.trained)


class Mixing(BaseModel):
    """Layers that take their w from another point.

    Attributes
    ----------
    layers : tuple of int
        Indices of w, 0 for the coarsest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    point: Point
    layers: tuple[Annotated[int, Field(ge=0, le=63)], ...]


class Look(BaseModel):
    """What makes an image besides its point.

    Attributes
    ----------
    noise : {"const", "none", "random"}
        As of `glissile.gan.sampler.Sampler.images`.
    noise_seed : int
        Of random noise; the frames of a walk share it.
    precision : {"float32", "quick"}
        As of `Sampler.images`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise: Noise = Field("const", title="Noise")
    noise_seed: int = Field(0, ge=0, le=2**32 - 1, title="Seed of random noise")
    precision: Precision = Field("float32", title="Precision")


STANDARD_LOOK = Look()


class Provenance(BaseModel):
    """How an image was generated: from a point, or as a frame of a walk.

    Attributes
    ----------
    point : Point, optional
        Seed, z or w, with class and truncation.
    mixing : Mixing, optional
        Layers of another point, on top of `point`.
    walk : Walk, optional
        Instead of a point.
    frame : int, optional
        Of the walk, from 0.
    nm_per_pixel : float, optional
        Scale of the images that the generator learned from.
    measures : dict of str to float
        Measured in the image, by name with unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = Field(1, ge=1)
    synthetic: Literal[True] = True
    notice: str = Field(SYNTHETIC_NOTICE, max_length=4000)
    program: str = Field(f"glissile {__version__}", max_length=200)
    generator: GeneratorName
    point: Point | None = None
    mixing: Mixing | None = None
    walk: Walk | None = None
    frame: int | None = Field(None, ge=0)
    look: Look = STANDARD_LOOK
    nm_per_pixel: float | None = Field(None, ge=1e-2, le=1e6)
    measures: dict[str, float] = Field({}, max_length=_MOST_MEASURES)

    @model_validator(mode="after")
    def _comes_from_one(self) -> Self:
        if (self.point is None) == (self.walk is None):
            raise ValueError("an image comes from a point or from a walk")
        if (self.walk is None) != (self.frame is None):
            raise ValueError("a frame belongs to a walk")
        if self.mixing is not None and self.point is None:
            raise ValueError("only a point is mixed with another")
        if self.walk is not None and self.frame is not None and self.frame >= self.walk.frame_count:
            raise ValueError(f"the walk has {self.walk.frame_count} frames and no frame {self.frame}")
        return self

    @property
    def title(self) -> str:
        """What the image is, for a person: "seed 7"."""
        if self.point is None:
            return f"frame {self.frame}"
        return self.point.title if self.mixing is None else f"{self.point.title} + {self.mixing.point.title}"


def of_points(card: GeneratorCard, points: Sequence[Point], look: Look = STANDARD_LOOK) -> list[Provenance]:
    """Say how images of points are generated.

    Parameters
    ----------
    card : GeneratorCard
        Of the generator.
    points : sequence of Point
        One for each image.
    look : Look
        Of all images.

    Returns
    -------
    list of Provenance
    """
    generator = GeneratorName.of_card(card)
    return [
        Provenance(generator=generator, point=point, look=look, nm_per_pixel=card.nm_per_pixel)
        for point in points
    ]


def of_walk(card: GeneratorCard, walk: Walk, look: Look = STANDARD_LOOK) -> list[Provenance]:
    """Say how the frames of a walk are generated, all of them in order; arguments as of `of_points`."""
    first = Provenance(
        generator=GeneratorName.of_card(card), walk=walk, frame=0, look=look, nm_per_pixel=card.nm_per_pixel
    )
    return [first.model_copy(update={"frame": frame}) for frame in range(walk.frame_count)]


def of_mixing(
    card: GeneratorCard,
    rows: Sequence[Point],
    columns: Sequence[Point],
    layers: Sequence[int],
    look: Look = STANDARD_LOOK,
) -> list[Provenance]:
    """Say how each row is mixed with each column, row by row.

    Parameters
    ----------
    card : GeneratorCard
        Of the generator.
    rows : sequence of Point
        What gives all other layers.
    columns : sequence of Point
        What gives `layers`.
    layers : sequence of int
        Indices of w, 0 for the coarsest.
    look : Look
        Of all images.

    Returns
    -------
    list of Provenance
    """
    generator = GeneratorName.of_card(card)
    return [
        Provenance(
            generator=generator,
            point=row,
            mixing=Mixing(point=column, layers=tuple(layers)),
            look=look,
            nm_per_pixel=card.nm_per_pixel,
        )
        for row in rows
        for column in columns
    ]


class Maker:
    """Makes images as they are described, one by one: others in a batch would change their last digits.

    Parameters
    ----------
    sampler : Sampler
        With the generator that the images name; see `rebuilt`, which makes sure of it.
    """

    def __init__(self, sampler: "Sampler") -> None:
        self._sampler = sampler
        self._route: Route | None = None

    def ws(self, provenance: Provenance) -> NDArray[np.float32]:
        """Give the w that an image comes from.

        Returns
        -------
        ndarray of float32, shape (num_ws, w_dim)

        Raises
        ------
        InputError
            If the point or the walk does not fit the generator.
        """
        if provenance.walk is not None and provenance.frame is not None:
            (ws,) = self._route_of(provenance.walk).ws([provenance.frame])
            return np.asarray(ws)
        assert provenance.point is not None
        ws = np.asarray(ws_of(self._sampler, [provenance.point])[0])
        if provenance.mixing is None:
            return ws
        layers, num_ws = provenance.mixing.layers, len(ws)
        if layers and max(layers) >= num_ws:
            raise InputError(f"there is no layer {max(layers)}; this generator has layers 0 to {num_ws - 1}")
        return mixed(ws, ws_of(self._sampler, [provenance.mixing.point])[0], layers)

    def pixels(self, provenance: Provenance) -> NDArray[np.uint8]:
        """Make an image.

        Returns
        -------
        ndarray of uint8, shape (y, x) or (y, x, 3)

        Raises
        ------
        InputError
            As `ws`.
        """
        ws, look = self.ws(provenance)[None], provenance.look
        images = self._sampler.images(
            ws, noise=look.noise, noise_seed=look.noise_seed, precision=look.precision
        )
        return np.asarray(as_pixels(images)[0])

    def _route_of(self, walk: Walk) -> Route:
        """Prepare a walk once for all its frames."""
        if self._route is None or self._route.walk is not walk:
            self._route = walk.on(self._sampler)
        return self._route


def rebuilt(sampler: "Sampler", provenance: Provenance) -> NDArray[np.uint8]:
    """Make an image again.

    It is the same pixel for pixel on the same device with as many threads, else within one grey level.

    Parameters
    ----------
    sampler : Sampler
        With the generator that made the image.
    provenance : Provenance
        As it was read from the file of the image.

    Returns
    -------
    ndarray of uint8, shape (y, x) or (y, x, 3)

    Raises
    ------
    InputError
        If another generator made the image.
    """
    refuse_other_generator(sampler.card, provenance)
    return Maker(sampler).pixels(provenance)


def refuse_other_generator(card: GeneratorCard, provenance: Provenance) -> None:
    """Refuse an image of another generator.

    Raises
    ------
    InputError
        If the weights are others, or, where their hash is not known, the name is.
    """
    there, here = provenance.generator, GeneratorName.of_card(card)
    known = bool(there.weights_sha256)
    if there.weights_sha256 != here.weights_sha256 or (not known and there.name != here.name):
        name = there.name or there.weights_sha256[:12] or "an unknown generator"
        raise InputError(
            f"the image was made by {name}, and the generator in use has other weights; open that one"
        )


def documented(provenances: Sequence[Provenance]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Take what all images share apart from what is of each alone.

    Parameters
    ----------
    provenances : sequence of Provenance
        At least one.

    Returns
    -------
    common : dict
        JSON values by field.
    images : list of dict
        The other fields, one for each image.
    """
    first = provenances[0]
    fields = list(Provenance.model_fields)
    shared = [f for f in fields if all(_same(getattr(p, f), getattr(first, f)) for p in provenances)]
    others = set(fields).difference(shared)
    common = first.model_dump(mode="json", include=set(shared))
    images = [p.model_dump(mode="json", include=others) for p in provenances] if others else []
    return common, images or [{} for _ in provenances]


def _same(a: Any, b: Any) -> bool:
    return a is b or bool(a == b)


def read_provenance(path: Path) -> list[Provenance]:
    """Read how the images of a file were generated, whatever its format.

    Parameters
    ----------
    path : Path
        PNG, TIFF, video, NPZ or JSON.

    Returns
    -------
    list of Provenance
        One for each image, in order.

    Raises
    ------
    InputError
        If the file does not tell, or what it tells is damaged or of a later version.
    """
    return understood(read_records(path), str(path))


def understood(records: Sequence[dict[str, Any]], name: str) -> list[Provenance]:
    """Understand what a file tells of its images.

    Parameters
    ----------
    records : sequence of dict
        As `glissile.io.generated_images.read_records` gives them.
    name : str
        Of the file, for messages.

    Raises
    ------
    InputError
        If a record is damaged, or of a later version.
    """
    known: dict[tuple[str, int], BaseModel] = {}
    try:
        return [_read(record, known) for record in records]
    except (ValidationError, RecursionError) as error:
        raise InputError(
            f"{name}: what it tells of its images is damaged, or of a later version of glissile"
        ) from error


# Parts that records may share.
_PARTS: dict[str, type[BaseModel]] = {
    "generator": GeneratorName,
    "point": Point,
    "mixing": Mixing,
    "walk": Walk,
    "look": Look,
}


def _read(record: dict[str, Any], known: dict[tuple[str, int], BaseModel]) -> Provenance:
    """Understand a record; parts that records share are read, and kept, once."""
    found = dict(record)
    for field, model in _PARTS.items():
        part = record.get(field)
        if part is None:
            continue
        key = (field, id(part))
        if key not in known:
            known[key] = model.model_validate(part)
        found[field] = known[key]
    return Provenance.model_validate(found)
