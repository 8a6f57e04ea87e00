"""Points of the latent space, by which an image can be made again."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from glissile.errors import InputError
from glissile.gan.latent import LARGEST_SEED, latents, truncated
from glissile.io.generator_card import GeneratorShape

Array = NDArray[np.float32]


def _single(numbers: tuple[float, ...]) -> tuple[float, ...]:
    with np.errstate(over="ignore"):
        rounded = np.array(numbers).astype(np.float32)
    if not np.isfinite(rounded).all():
        raise ValueError("a number is too large for single precision")
    return tuple(rounded.tolist())


def _even(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the rows are not of one length")
    return rows


# Finite numbers, rounded to single precision.
Vector = Annotated[
    tuple[float, ...], Field(min_length=1, max_length=4096, fail_fast=True), AfterValidator(_single)
]
Rows = Annotated[
    tuple[Vector, ...], Field(min_length=1, max_length=64, fail_fast=True), AfterValidator(_even)
]


class Maps(Protocol):
    """What maps latent vectors to w, such as `glissile.gan.sampler.Sampler`."""

    @property
    def shape(self) -> GeneratorShape:
        """Shape of its networks."""

    @property
    def w_mean(self) -> Array:
        """Mean of w, shape (w_dim,)."""

    def map(self, z: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]] | None = None) -> Array:
        """Map z (n, z_dim) and classes (n,) to ws (n, num_ws, w_dim)."""


class Point(BaseModel):
    """A point of the latent space. Exactly one of `seed`, `z` and `w` is given.

    Numbers of `z` and `w` are rounded to single precision; JSON keeps each of them exactly.

    Attributes
    ----------
    seed : int, optional
        Of the latent vector z.
    z : tuple of float, optional
        The latent vector.
    w : tuple of tuple of float, optional
        Mapped vectors as they go into the layers, already truncated: one for all layers, or one for each.
    label : int, optional
        Class, of conditional generators; with `w`, that which it was made with.
    psi : float
        Truncation: 1 leaves w as it is, 0 gives the mean.
    cutoff : int, optional
        Layers from here on are not truncated.
    name : str
        For a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)
    z: Vector | None = Field(None, repr=False)
    w: Rows | None = Field(None, repr=False)
    label: int | None = Field(None, ge=0, le=4095)
    psi: float = Field(1.0, ge=-10, le=10)
    cutoff: int | None = Field(None, ge=0, le=64)
    name: str = Field("", max_length=200)

    @classmethod
    def of_w(cls, ws: NDArray[np.floating[Any]], name: str = "", label: int | None = None) -> Self:
        """Make the point of mapped vectors.

        Parameters
        ----------
        ws : ndarray of float, shape (num_ws, w_dim) or (w_dim,)
            One w for each layer, or for all.
        name : str
            For a person.
        label : int, optional
            Class that they were made with.

        Returns
        -------
        Point
            With a single w where all layers have the same.
        """
        rows = np.atleast_2d(np.asarray(ws, np.float32))
        # Compared as bits, so that the sign of a zero stays, too.
        one = (rows.view(np.uint32) == rows[:1].view(np.uint32)).all()
        return cls(w=(rows[:1] if one else rows).tolist(), name=name, label=label)

    @property
    def title(self) -> str:
        """What to call it."""
        if self.name:
            return self.name
        if self.seed is not None:
            return f"seed {self.seed}"
        return "vector z" if self.z is not None else "vector w"

    def truncated(self, psi: float, cutoff: int | None = None) -> Self:
        """Give the same point with another truncation; one of `w` is final, and stays as it is.

        Parameters
        ----------
        psi : float
            1 leaves w as it is, 0 gives the mean.
        cutoff : int, optional
            Layers from here on are not truncated.

        Returns
        -------
        Point
        """
        if self.w is not None:
            return self
        return type(self).model_validate({**self.model_dump(), "psi": psi, "cutoff": cutoff})

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(given is not None for given in (self.seed, self.z, self.w)) != 1:
            raise ValueError("give a point one of seed, z and w")
        if self.w is not None and (self.psi != 1 or self.cutoff is not None):
            raise ValueError("a point of w is final: it takes no truncation")
        return self


def z_of(point: Point, z_dim: int) -> Array | None:
    """Give the latent vector of a point.

    Parameters
    ----------
    point : Point
        Any.
    z_dim : int
        Length of a latent vector.

    Returns
    -------
    ndarray of float32, shape (z_dim,), or None
        None for a point of w.

    Raises
    ------
    InputError
        If its vector has another length.
    """
    if point.seed is not None:
        return latents((point.seed,), z_dim).reshape(z_dim)
    if point.z is None:
        return None
    if len(point.z) != z_dim:
        raise InputError(
            f"{point.title}: a z of {len(point.z)} numbers does not fit this network, which takes {z_dim}; "
            "open the network that it was made with"
        )
    return np.array(point.z, np.float32)


def ws_of(sampler: Maps, points: Sequence[Point]) -> Array:
    """Give the vectors w of points, as they go into the layers.

    They are mapped one by one, so that a point gives the same bits whatever it is asked for with.

    Parameters
    ----------
    sampler : Maps
        A generator.
    points : sequence of Point
        Any.

    Returns
    -------
    ndarray of float32, shape (n, num_ws, w_dim)

    Raises
    ------
    InputError
        If a point does not fit the generator.
    """
    shape = sampler.shape
    w_mean = sampler.w_mean
    found = np.empty((len(points), shape.num_ws, shape.w_dim), np.float32)
    for ws, point in zip(found, points, strict=True):
        z = z_of(point, shape.z_dim)
        if z is None:
            ws[:] = _rows(point, shape)
        else:
            mapped = sampler.map(z[None], _labels(point, shape))[0]
            ws[:] = truncated(mapped, w_mean, point.psi, point.cutoff)
    return found


def refuse_misfit(point: Point, shape: GeneratorShape) -> None:
    """Refuse a point that does not fit a generator.

    Raises
    ------
    InputError
        If its vectors have other lengths, or there is no such class.
    """
    if z_of(point, shape.z_dim) is None:
        _rows(point, shape)
    else:
        _labels(point, shape)


def _rows(point: Point, shape: GeneratorShape) -> Array:
    rows = np.array(point.w, np.float32)
    if len(rows) not in (1, shape.num_ws) or rows.shape[1] != shape.w_dim:
        raise InputError(
            f"{point.title}: {len(rows)} vectors w of {rows.shape[1]} numbers do not fit this network, which "
            f"takes {shape.num_ws} of {shape.w_dim}; open the network that it was made with"
        )
    return rows


def _labels(point: Point, shape: GeneratorShape) -> NDArray[np.int64] | None:
    if not shape.c_dim:
        if point.label is not None:
            raise InputError(f"{point.title}: this network has no classes; leave class {point.label} out")
        return None
    label = point.label or 0
    if label >= shape.c_dim:
        raise InputError(
            f"{point.title}: this network has no class {label}; choose one from 0 to {shape.c_dim - 1}"
        )
    return np.array([label])
