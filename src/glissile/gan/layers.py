"""Layers of which generator and discriminator are made, differentiable to any order.

Maps are (n, c, y, x). Convolutions and fully connected layers scale their weights as they are used.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from glissile.gan.resample import downsampled, low_pass

SLOPE = 0.2  # of the leaky rectifier
GAIN = math.sqrt(2)  # that it is followed by, so that the second moment stays
HALF = math.sqrt(0.5)  # of each branch of a residual block
EPSILON = 1e-8
AVERAGE_BETA = 0.995  # of the running mean of w


def normalised(x: Tensor) -> Tensor:
    """Scale vectors (n, features) to a second moment of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


def rectified(x: Tensor, *, gain: float = 1, clamp: float | None = None) -> Tensor:
    """Leaky rectifier, its own gain and `gain`, then a limit that `gain` scales too."""
    x = F.leaky_relu(x, SLOPE) * (GAIN * gain)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


class Dense(nn.Module):
    """Fully connected layer whose weights are scaled as they are used.

    Parameters
    ----------
    inputs, outputs : int
        Features.
    lr : float
        Multiplier of weights and bias as they are used, and so of the learning rate.
    bias : float
        That it begins with.
    """

    def __init__(self, inputs: int, outputs: int, *, lr: float = 1, bias: float = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.lr = lr

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs) to (n, outputs), linearly."""
        scale = self.lr / math.sqrt(self.weight.shape[1])
        return F.linear(x, self.weight * scale, self.bias * self.lr)


class Mapping(nn.Module):
    """Latent vectors and classes -> w.

    Parameters
    ----------
    inputs : int
        Length of z; 0 where only the class is mapped.
    classes : int
        0 for none.
    embedding, width, outputs : int
        Features of the embedded class, between the layers, and of the result.
    layers : int
        Number of layers.
    lr : float
        See `Dense`.
    averaged : bool
        Whether the running mean of w is kept.
    """

    w_avg: Tensor

    def __init__(
        self,
        inputs: int,
        classes: int,
        *,
        embedding: int,
        width: int,
        outputs: int,
        layers: int,
        lr: float,
        averaged: bool,
    ) -> None:
        super().__init__()
        self.inputs, self.layers = inputs, layers
        if classes:
            self.embed = Dense(classes, embedding)
        sizes = [inputs + embedding, *[width] * (layers - 1), outputs]
        for i in range(layers):
            self.add_module(f"fc{i}", Dense(sizes[i], sizes[i + 1], lr=lr))
        if averaged:
            self.register_buffer("w_avg", torch.zeros(outputs))

    def forward(self, z: Tensor | None, labels: Tensor | None = None) -> Tensor:
        """Map z (n, z_dim) and one-hot labels (n, classes) to w (n, w_dim)."""
        parts = [] if z is None else [normalised(z)]
        if labels is not None:
            parts.append(normalised(self.embed(labels)))
        x = torch.cat(parts, dim=1)
        for i in range(self.layers):
            x = rectified(self.get_submodule(f"fc{i}")(x))
        return x

    @torch.no_grad()
    def follow(self, w: Tensor) -> None:
        """Let the running mean follow w (n, w_dim) of a training batch."""
        self.w_avg.copy_(w.mean(dim=0).lerp(self.w_avg, AVERAGE_BETA))


class Convolution(nn.Module):
    """Convolution whose weights are scaled as they are used, and rectifier.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    size : int
        Of the kernel: 1 or 3 pixels.
    down : bool
        Whether it halves the size.
    bias : bool
        With a bias comes the rectifier; without, it is linear.
    clamp : float, optional
        See `NetworkShape`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        down: bool = False,
        bias: bool = True,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.down, self.clamp = down, clamp

    def forward(self, x: Tensor, *, gain: float = 1) -> Tensor:
        """Map (n, inputs, y, x) to (n, outputs, y, x), or half the size."""
        _, inputs, size, _ = self.weight.shape
        weight = self.weight / math.sqrt(inputs * size * size)
        if self.down and size == 1:
            x = F.conv2d(downsampled(x), weight, self.bias)
        elif self.down:
            x = F.conv2d(low_pass(x, before=2, after=2), weight, self.bias, stride=2)
        else:
            x = F.conv2d(x, weight, self.bias, padding=size // 2)
        return x * gain if self.bias is None else rectified(x, gain=gain, clamp=self.clamp)
