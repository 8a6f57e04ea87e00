"""U-Nets: the published one, and a small residual one that trains in minutes without a graphics card."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from glissile.io.model_card import Architecture
from glissile.learn.local_contrast import LocalContrast


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
    al., 2016): lines 3 to 4 px wide keep their place, at a quarter of the work for a stem of 2. Where the
    architecture says so, the network sees the local contrast of the first channel, too.

    It can look at labelled frames that resemble the frame (`glissile.learn.references`): they join at the
    finest level, behind all that is seen in the frame alone, and correct its logits. A network without such
    frames at hand is therefore as good as one that never had any.

    Parameters
    ----------
    architecture : Architecture
        Of kind "residual".
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths, fold = architecture.widths, architecture.stem
        self.fold = fold
        self.local = LocalContrast(architecture.local_contrast_px) if architecture.local_contrast_px else None
        channels = architecture.inputs + (self.local is not None)
        self.entry = _ResidualBlock(channels * fold**2, widths[0])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_ResidualBlock(a, b, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1, bias=False) for a, b in reversed(pairs))
        self.join = nn.ModuleList(_ResidualBlock(2 * a, a) for a, _ in reversed(pairs))
        self.head = nn.Conv2d(widths[0], architecture.outputs * fold**2, 1)
        self.inputs = architecture.inputs
        self.beside: _Comparison | None = None
        if architecture.references:
            self.beside = _Comparison(architecture)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes, y, x) of frames (n, channels, y, x) whose sizes are multiples of the stride.

        Channels of labelled frames follow those of the frame, or are left out.
        """
        features = self._features(x[:, : self.inputs])
        logits = self.head(features)
        if x.shape[1] > self.inputs:
            logits = logits + self._correction(features, x)
        return functional.pixel_shuffle(logits, self.fold)

    def both(self, x: Tensor) -> Tensor:
        """Logits (2 n, classes, y, x) of frames with labelled frames beside: first as if without them."""
        features = self._features(x[:, : self.inputs])
        logits = self.head(features)
        both = torch.cat([logits, logits + self._correction(features, x)])
        return functional.pixel_shuffle(both, self.fold)

    def _features(self, x: Tensor) -> Tensor:
        """Give what is seen in frames (n, channels, y, x), at the resolution of the stem."""
        if self.local is not None:
            x = torch.cat([x, self.local(x[:, :1])], dim=1)
        levels = [self.entry(functional.pixel_unshuffle(_narrowed(x), self.fold))]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = functional.interpolate(up(x), scale_factor=2, mode="nearest")
            x = join(torch.cat([levels.pop(), x], dim=1))
        return x

    def _correction(self, features: Tensor, x: Tensor) -> Tensor:
        if self.beside is None:
            raise ValueError("this network cannot look at labelled frames")
        return self.beside(features, functional.pixel_unshuffle(_narrowed(x), self.fold))  # type: ignore[no-any-return]


class _Comparison(nn.Module):
    """What labelled frames beside a frame change about its logits."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, size = architecture.widths[0], architecture.stem**2
        seen = (architecture.inputs + architecture.reference_channels) * size
        self.entry = _ResidualBlock(width + seen, width)
        self.down = _ResidualBlock(width, width, stride=2)
        self.coarse = _ResidualBlock(width, width)
        self.join = _ResidualBlock(2 * width, width)
        self.head = nn.Conv2d(width, architecture.outputs * size, 1)
        # It begins by changing nothing.
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        fine = self.entry(torch.cat([features, x], dim=1))
        coarse = functional.interpolate(self.coarse(self.down(fine)), scale_factor=2, mode="nearest")
        return self.head(self.join(torch.cat([fine, coarse], dim=1)))  # type: ignore[no-any-return]


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

    def fold(self) -> None:
        """Put every normalisation into the convolution before it; for prediction only."""
        for name in ("first", "second", "beside"):
            convolution = fuse_conv_bn_eval(getattr(self, name), getattr(self, f"{name}_norm"))
            setattr(self, name, convolution)
            setattr(self, f"{name}_norm", nn.Identity())


def _narrowed(x: Tensor) -> Tensor:
    """Round to the precision of the convolutions that follow, so that less is moved to where they take it."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


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


def fold(network: nn.Module) -> None:
    """Put every batch normalisation into the convolution before it: the same logits in less time.

    Parameters
    ----------
    network : Module
        One that `build` made, in evaluation mode; it can be trained no more, and its state has other names.
    """
    for module in list(network.modules()):
        if isinstance(module, _ResidualBlock):
            module.fold()
        elif isinstance(module, nn.Sequential):
            for i, (first, second) in enumerate(pairwise(list(module))):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()


def logits_of(network: Callable[[Tensor], Tensor], frames: Tensor, stride: int) -> Tensor:
    """Logits of frames of any size: padded by repeating the edge to a multiple of `stride`, then cropped.

    Parameters
    ----------
    network : callable
        One that `build` made, or its `both`.
    frames : Tensor, shape (n, channels, y, x)
        Normalised frames, and what the network looks at beside them.
    stride : int
        Of the architecture, in pixels.

    Returns
    -------
    Tensor, shape (n, classes, y, x)
        In single precision.
    """
    y, x = frames.shape[-2:]
    missing = (0, -x % stride, 0, -y % stride)
    logits: Tensor = network(functional.pad(frames, missing, mode="replicate") if any(missing) else frames)
    return logits[..., :y, :x].float()


def winners(logits: Tensor) -> NDArray[np.uint8]:
    """Index of the class with the largest logit at each pixel, the first of equal ones.

    Parameters
    ----------
    logits : Tensor, shape (classes, y, x)
        On any device.

    Returns
    -------
    ndarray of uint8, shape (y, x)
    """
    # Class by class: many times quicker than `argmax` along an axis that is not the last in memory.
    best, index = logits[0], torch.zeros(logits.shape[1:], dtype=torch.uint8, device=logits.device)
    for k in range(1, len(logits)):
        index.masked_fill_(logits[k] > best, k)
        best = torch.maximum(best, logits[k])
    return index.cpu().numpy()
