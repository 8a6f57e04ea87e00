"""How a generated image came about: all that is needed to make it again, pixel for pixel."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from glissile import __version__
from glissile.errors import InputError
from glissile.gan.look import STANDARD_LOOK, Look
from glissile.gan.points import Point
from glissile.gan.walk import Walk
from glissile.io.generator_card import SYNTHETIC_NOTICE, GeneratorCard

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
