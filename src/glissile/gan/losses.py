"""What generator and discriminator are trained by.

Non-saturating logistic loss (Goodfellow et al. 2014), R1 (Mescheder et al. 2018) and path length
regularisation (Karras et al. 2020, arXiv 1912.04958, section 3.2).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

PATH_LENGTH_DECAY = 0.01


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Loss of the generator, from logits of its images; a scalar."""
    return softplus(-fake_logits).mean()


def r1_penalty(images: Tensor, logits_of: Callable[[Tensor], Tensor]) -> Tensor:
    """Squared gradient of the logits with respect to real images.

    Parameters
    ----------
    images : Tensor, shape (n, channels, y, x)
        As they are before augmentation.
    logits_of : callable
        Discriminator, with augmentation where there is one.

    Returns
    -------
    Tensor, shape (n,)
        To be multiplied by gamma / 2 (equation 9 of Mescheder et al. 2018); differentiable.
    """
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(logits_of(images).sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


def path_lengths(images: Tensor, ws: Tensor, unit_noise: Tensor) -> Tensor:
    """How far images move with w.

    Parameters
    ----------
    images : Tensor, shape (n, channels, y, x)
        Made of `ws`, with their graph.
    ws : Tensor, shape (n, num_ws, w_dim)
        What the images were made of.
    unit_noise : Tensor, shape (n, channels, y, x)
        Normally distributed.

    Returns
    -------
    Tensor, shape (n,)
        Differentiable.
    """
    weighted = (images * unit_noise).sum() / math.sqrt(images.shape[2] * images.shape[3])
    (jacobian,) = torch.autograd.grad(weighted, ws, create_graph=True)
    return jacobian.square().sum(dim=2).mean(dim=1).sqrt()


def path_length_penalty(lengths: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance of path lengths to their running mean.

    Parameters
    ----------
    lengths : Tensor, shape (n,)
        As `path_lengths` gives them.
    mean : Tensor
        Running mean before this batch, a scalar; 0 at first.

    Returns
    -------
    penalty : Tensor, shape (n,)
        Differentiable, also through the new mean.
    mean : Tensor
        Running mean with this batch, without its graph.
    """
    new_mean = mean + PATH_LENGTH_DECAY * (lengths.mean() - mean)
    return (lengths - new_mean).square(), new_mean.detach()
