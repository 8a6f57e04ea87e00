"""U-Nets: the published one, and a small residual one that trains in minutes without a graphics card."""

from itertools import pairwise

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from glissile.io.checkpoint import Architecture


class RonnebergerUNet(nn.Module):
    """The U-Net of Ronneberger et al. (2015), as Tanaka et al. (2025, Fig. 4) use it.

    Two padded 3 x 3 convolutions with batch normalisation and ReLU per level, max pooling down, 2 x 2
    transposed convolutions up. With widths 64 to 1024 it has 31.0 million parameters.

    Parameters
    ----------
    architecture : Architecture
        Of kind "ronneberger".
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = architecture.widths
        self.entry = _double_convolution(architecture.inputs, widths[0])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_double_convolution(a, b) for a, b in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(pairs))
        self.join = nn.ModuleList(_double_convolution(2 * a, a) for a, _ in reversed(pairs))
        self.head = nn.Conv2d(widths[0], architecture.outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes, y, x) of frames (n, channels, y, x) whose sizes are multiples of the stride."""
        levels = [self.entry(x)]
        for down in self.down:
            levels.append(down(functional.max_pool2d(levels[-1], 2)))
        x = levels.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([levels.pop(), up(x)], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


class ResidualUNet(nn.Module):
    """A small U-Net of residual blocks (He et al., 2016) that works at a fraction of the frame's resolution.

    `stem` x `stem` pixels become channels at the entrance and logits are unfolded again at the exit (Shi et
    al., 2016): lines 3 to 4 px wide keep their place, at a quarter of the work for a stem of 2.

    Parameters
    ----------
    architecture : Architecture
        Of kind "residual".
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths, fold = architecture.widths, architecture.stem
        self.fold = fold
        self.entry = _ResidualBlock(architecture.inputs * fold**2, widths[0])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_ResidualBlock(a, b, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1, bias=False) for a, b in reversed(pairs))
        self.join = nn.ModuleList(_ResidualBlock(2 * a, a) for a, _ in reversed(pairs))
        self.head = nn.Conv2d(widths[0], architecture.outputs * fold**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes, y, x) of frames (n, channels, y, x) whose sizes are multiples of the stride."""
        levels = [self.entry(functional.pixel_unshuffle(x, self.fold))]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = functional.interpolate(up(x), scale_factor=2, mode="nearest")
            x = join(torch.cat([levels.pop(), x], dim=1))
        return functional.pixel_shuffle(self.head(x), self.fold)


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a 1 x 1 one; halves the resolution with `stride` 2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.beside = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        self.beside_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.first_norm(self.first(x)), inplace=True)
        inner = self.second_norm(self.second(inner))
        return functional.relu(inner + self.beside_norm(self.beside(x)), inplace=True)


def _double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def build(architecture: Architecture, *, seed: int = 0) -> nn.Module:
    """Make a network with random weights; torch's own random numbers go on as if nothing had been drawn.

    Parameters
    ----------
    architecture : Architecture
        What to build.
    seed : int
        Start of the random numbers.

    Returns
    -------
    Module
        In training mode, on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture.kind == "residual":
            return ResidualUNet(architecture)
        return RonnebergerUNet(architecture)


def logits_of(network: nn.Module, frames: Tensor, stride: int) -> Tensor:
    """Logits of frames of any size: padded by repeating the edge to a multiple of `stride`, then cropped.

    Parameters
    ----------
    network : Module
        One that `build` made.
    frames : Tensor, shape (n, channels, y, x)
        Normalised frames.
    stride : int
        Of the architecture, in pixels.

    Returns
    -------
    Tensor, shape (n, classes, y, x)
        In single precision.
    """
    y, x = frames.shape[-2:]
    padded = functional.pad(frames, (0, -x % stride, 0, -y % stride), mode="replicate")
    logits: Tensor = network(padded)
    return logits[..., :y, :x].float()
