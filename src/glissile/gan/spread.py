"""How w is distributed: its mean, and its principal components as units to move in."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from glissile.errors import InputError
from glissile.gan.networks import Generator

SAMPLES = 10_000
_SEED = 123
_AT_ONCE = 2500
# Variance of a component, as a share of the largest, below which it counts as no smaller.
_LEAST_VARIANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Spread:
    """How w is distributed.

    Attributes
    ----------
    samples : Tensor, shape (n, w_dim)
        Random ones.
    mean : Tensor, shape (w_dim,)
        Of them.
    axes : Tensor, shape (w_dim, w_dim)
        Rows are principal components, each one standard deviation long.
    """

    samples: Tensor
    mean: Tensor
    axes: Tensor

    def w_of(self, v: Tensor) -> Tensor:
        """Give w (..., w_dim) of coordinates (..., w_dim) in standard deviations from the mean."""
        return self.mean + v @ self.axes

    def coordinates_of(self, w: Tensor) -> Tensor:
        """Invert `w_of`."""
        return (w - self.mean) @ (self.axes / self.axes.square().sum(dim=1, keepdim=True)).T


@torch.no_grad()
def spread_of_w(generator: Generator, label: int | None = None) -> Spread:
    """Measure how w is distributed, on 10 000 random latent vectors, always the same.

    Parameters
    ----------
    generator : Generator
        With its weights.
    label : int, optional
        Class, for conditional generators; None draws one for each vector.

    Returns
    -------
    Spread

    Raises
    ------
    InputError
        If w is not finite.
    """
    shape, random = generator.shape, np.random.RandomState(_SEED)
    where = generator.mapping.w_avg.device
    z = torch.from_numpy(random.randn(SAMPLES, shape.z_dim).astype(np.float32))
    classes = torch.from_numpy(random.randint(max(1, shape.c_dim), size=SAMPLES))
    if label is not None:
        classes.fill_(label)
    parts = []
    for first in range(0, SAMPLES, _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        labels = F.one_hot(classes[part], shape.c_dim).float().to(where) if shape.c_dim else None
        parts.append(generator.mapping(z[part].to(where), labels))
    samples = torch.cat(parts)
    w = samples.cpu().numpy().astype(np.float64)
    if not np.isfinite(w).all():
        raise InputError("The generator makes vectors w that are not finite; get its file again")
    mean = w.mean(axis=0)
    variances, components = np.linalg.eigh((w - mean).T @ (w - mean) / SAMPLES)
    least = max(float(variances.max()) * _LEAST_VARIANCE, float(np.finfo(np.float32).tiny))
    axes = components.T * np.sqrt(np.maximum(variances, least))[:, None]
    return Spread(samples, *(torch.from_numpy(part).float().to(where) for part in (mean, axes)))
