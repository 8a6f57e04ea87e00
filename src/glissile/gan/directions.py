"""Directions in w along which images change in one way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError
from glissile.gan.points import Array, Maps, Vector

_BATCH = 256

Layer = Annotated[int, Field(ge=0, le=63)]


class Styles(Maps, Protocol):
    """What tells how w rules its layers, too, such as `glissile.gan.sampler.Sampler`."""

    def affine_weights(self) -> Sequence[tuple[str, tuple[int, ...], Array]]:
        """Name of each layer, indices of the w that it takes, and weights (channels, w_dim)."""


class Direction(BaseModel):
    """A direction in w.

    Attributes
    ----------
    name : str
        For a person: "SeFa 1".
    vector : tuple of float
        The direction (w_dim,), in single precision; JSON keeps it exactly.
    layers : tuple of int
        Layers whose w it moves.
    scale : float
        What one unit of an amount is along `vector`: the standard deviation of w, where it is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(max_length=200)
    vector: Vector = Field(repr=False)
    layers: tuple[Layer, ...] = Field(min_length=1, max_length=64, fail_fast=True)
    scale: float = Field(1.0, gt=0, le=1e6)

    def delta(self, num_ws: int, amount: float) -> Array:
        """Tell what a move adds to w.

        Parameters
        ----------
        num_ws : int
            Number of layers of the generator.
        amount : float
            How far, in units of `scale`.

        Returns
        -------
        ndarray of float32, shape (num_ws, w_dim)

        Raises
        ------
        InputError
            If the generator has fewer layers.
        """
        if max(self.layers) >= num_ws:
            raise InputError(
                f"{self.name}: it moves layer {max(self.layers)}, this network has layers 0 to {num_ws - 1}; "
                "open the network that it was found on"
            )
        moved = np.zeros((num_ws, len(self.vector)), np.float32)
        moved[list(self.layers)] = amount * self.scale * np.array(self.vector)
        return moved

    def apply(self, ws: NDArray[np.floating], amount: float) -> Array:
        """Move images along the direction.

        Parameters
        ----------
        ws : ndarray of float, shape (..., num_ws, w_dim)
            One w for each layer.
        amount : float
            How far, in units of `scale`; 0 changes nothing.

        Returns
        -------
        ndarray of float32, shape (..., num_ws, w_dim)

        Raises
        ------
        InputError
            If it does not fit the vectors.
        """
        if ws.shape[-1] != len(self.vector):
            raise InputError(
                f"{self.name}: a direction of {len(self.vector)} numbers does not fit w of {ws.shape[-1]}; "
                "open the network that it was found on"
            )
        moved: Array = ws.astype(np.float32) + self.delta(ws.shape[-2], amount)
        return moved


@dataclass(frozen=True, eq=False)
class Axes:
    """Perpendicular directions, the strongest first.

    Attributes
    ----------
    vectors : ndarray of float, shape (k, n)
        Unit vectors, each with its largest component positive.
    strengths : ndarray of float, shape (k,)
        Descending: variances, or squared gains.
    shares : ndarray of float, shape (k,)
        Strengths as parts of the sum of all, also of those left out.
    """

    vectors: NDArray[np.float64]
    strengths: NDArray[np.float64]
    shares: NDArray[np.float64]


def sefa(weights: Sequence[NDArray[np.floating]], count: int) -> Axes:
    """Find the directions of w that change the styles of layers most: closed-form factorisation.

    Parameters
    ----------
    weights : sequence of ndarray of float, shape (channels, w_dim)
        What turns w into the styles of each layer.
    count : int
        How many directions; fewer where w has fewer dimensions.

    Returns
    -------
    Axes
        Strengths are squared gains from w to all styles.

    References
    ----------
    Shen, Y. and Zhou, B. (2021). Closed-form factorization of latent semantics in GANs. CVPR.
    """
    stacked = np.concatenate(weights).astype(np.float64)
    return _axes(stacked.T @ stacked, count)


def principal_components(w: NDArray[np.floating], count: int) -> Axes:
    """Find the directions along which w varies most.

    Parameters
    ----------
    w : ndarray of float, shape (samples, w_dim)
        Mapped vectors; 2 samples or more.
    count : int
        How many directions; fewer where w has fewer dimensions.

    Returns
    -------
    Axes
        Strengths are variances.

    References
    ----------
    Harkonen, E. et al. (2020). GANSpace: discovering interpretable GAN controls. NeurIPS.
    """
    centred = w.astype(np.float64) - w.mean(axis=0, dtype=np.float64)
    return _axes(centred.T @ centred / (len(w) - 1), count)


def sampled_w(sampler: Maps, samples: int, *, seed: int = 0, label: int | None = None) -> Array:
    """Map random latent vectors.

    Parameters
    ----------
    sampler : Maps
        A generator.
    samples : int
        How many.
    seed : int
        0 to 2^32 - 1.
    label : int, optional
        Class, of conditional generators; 0 where it is None.

    Returns
    -------
    ndarray of float32, shape (samples, w_dim)
    """
    shape = sampler.shape
    random = np.random.RandomState(seed)
    found = np.empty((samples, shape.w_dim), np.float32)
    for i in range(0, samples, _BATCH):
        z = random.randn(min(_BATCH, samples - i), shape.z_dim).astype(np.float32)
        labels = np.full(len(z), label or 0) if shape.c_dim else None
        found[i : i + len(z)] = sampler.map(z, labels)[:, 0]
    return found


def style_directions(
    sampler: Styles,
    *,
    layers: Sequence[int] | None = None,
    count: int = 10,
    samples: int = 1000,
    label: int | None = None,
) -> tuple[Direction, ...]:
    """Make directions of a generator from its weights alone, by `sefa`.

    Parameters
    ----------
    sampler : Styles
        A generator.
    layers : sequence of int, optional
        Layers whose styles count, and that the directions move; all where it is None.
    count : int
        How many.
    samples : int
        Random vectors by which `scale` is measured.
    label : int, optional
        Their class, of conditional generators.

    Returns
    -------
    tuple of Direction
        "SeFa 1" and so on, the strongest first.

    Raises
    ------
    InputError
        If there is no such layer.
    """
    chosen = _layers(layers, sampler.shape.num_ws)
    weights = [weight for _, taken, weight in sampler.affine_weights() if set(taken) & set(chosen)]
    if not weights:
        raise InputError(f"No convolution takes its style from layers {list(chosen)}; choose others")
    return _directions("SeFa", sefa(weights, count), chosen, sampled_w(sampler, samples, label=label))


def variation_directions(
    sampler: Maps,
    *,
    layers: Sequence[int] | None = None,
    count: int = 10,
    samples: int = 5000,
    seed: int = 0,
    label: int | None = None,
) -> tuple[Direction, ...]:
    """Make directions of a generator from how its w varies, by `principal_components`.

    Parameters
    ----------
    sampler : Maps
        A generator.
    layers : sequence of int, optional
        Layers that the directions move; all where it is None.
    count : int
        How many.
    samples : int
        Random vectors that are mapped.
    seed : int
        Of them.
    label : int, optional
        Class, of conditional generators; 0 where it is None.

    Returns
    -------
    tuple of Direction
        "PCA 1" and so on, the strongest first.

    Raises
    ------
    InputError
        If there is no such layer.
    """
    chosen = _layers(layers, sampler.shape.num_ws)
    w = sampled_w(sampler, samples, seed=seed, label=label)
    return _directions("PCA", principal_components(w, count), chosen, w)


def _layers(layers: Sequence[int] | None, num_ws: int) -> tuple[int, ...]:
    chosen = tuple(range(num_ws)) if layers is None else tuple(sorted(set(layers)))
    if not chosen or chosen[0] < 0 or chosen[-1] >= num_ws:
        raise InputError(f"There are no layers {list(chosen)}; choose some of 0 to {num_ws - 1}")
    return chosen


def _directions(kind: str, axes: Axes, layers: tuple[int, ...], w: Array) -> tuple[Direction, ...]:
    """Name directions, and scale each by the spread of w along it."""
    spread = (w @ axes.vectors.T).std(axis=0)
    return tuple(
        Direction(
            name=f"{kind} {i + 1}",
            vector=tuple(vector.tolist()),
            layers=layers,
            scale=float(scale) if scale > 0 else 1.0,
        )
        for i, (vector, scale) in enumerate(zip(axes.vectors, spread, strict=True))
    )


def _axes(symmetric: NDArray[np.float64], count: int) -> Axes:
    """Take the strongest eigenvectors of a matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(symmetric)
    strengths = np.maximum(values[::-1], 0)
    found = vectors.T[::-1][:count]
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1)
    shares = strengths / (strengths.sum() or 1.0)
    return Axes(found * np.sign(largest), strengths[:count], shares[:count])
