"""Noise maps of a generator that are fitted to an image, and kept from becoming the image.

After Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN" (arXiv 1912.04958),
appendix D; but each correlation counts as a multiple of what it is by chance, which is less in large maps.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_LEAST_PX = 8


def noise_correlation(maps: Iterable[Tensor]) -> Tensor:
    """Tell how far noise maps are from white noise.

    Parameters
    ----------
    maps : iterable of Tensor, each of shape (y, x)
        Square, with sides that are powers of two.

    Returns
    -------
    Tensor
        Squared correlation of neighbours, as a multiple of what is expected of independent numbers; the mean
        over both axes, all maps and all their sizes down to 8 px. About 1 for white noise; a scalar,
        differentiable.
    """
    found = []
    for one in maps:
        x = one[None, None]
        while True:
            found += [x.numel() * (x * x.roll(1, dims=axis)).mean().square() for axis in (2, 3)]
            if x.shape[2] <= _LEAST_PX:
                break
            # Twice the mean of four has their variance, where they are independent.
            x = 2 * F.avg_pool2d(x, 2)
    return torch.stack(found).mean()


@torch.no_grad()
def standardise(maps: Iterable[Tensor]) -> None:
    """Bring noise maps to a mean of 0 and a variance of 1; they are changed."""
    for one in maps:
        one.sub_(one.mean())
        one.div_(one.square().mean().sqrt().clamp_min(1e-8))
