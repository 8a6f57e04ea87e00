"""Smooth resampling of feature maps by two, differentiable to any order.

The low-pass filter is [1, 3, 3, 1] along each axis (Zhang 2019; Karras et al. 2020, "Analyzing and improving
the image quality of StyleGAN", section 3.2), its sum 1. Maps are (n, c, y, x) and zero outside.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def low_pass(x: Tensor, *, before: int, after: int, gain: float = 1, stride: int = 1) -> Tensor:
    """Filter maps along y and x.

    Parameters
    ----------
    x : Tensor, shape (n, c, y, x)
        Maps.
    before, after : int
        Zeros added at the low and the high end of both axes, pixels.
    gain : float
        What the result is multiplied by.
    stride : int
        Every so many pixels are kept.

    Returns
    -------
    Tensor, shape (n, c, (y + before + after - 3) / stride, ...)
        Rounded up.
    """
    channels = x.shape[1]
    kernel = (gain * filter_of(x)).expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, stride=stride, groups=channels)


def upsampled(x: Tensor) -> Tensor:
    """Double the size of maps (n, c, y, x): zeros between the pixels, then the filter with gain 4."""
    kernel = (4 * filter_of(x)).expand(x.shape[1], 1, 4, 4)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


def downsampled(x: Tensor) -> Tensor:
    """Halve the size of maps (n, c, y, x): the filter, then every second pixel."""
    return low_pass(x, before=1, after=1, stride=2)


def filter_of(x: Tensor) -> Tensor:
    """Kernel (4, 4), which is symmetric, of the type of `x` and where `x` is."""
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device)
    return taps[:, None] * taps
