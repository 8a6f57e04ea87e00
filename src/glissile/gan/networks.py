"""The generator of StyleGAN2 in its plain form, differentiable to any order: what all faster ones equal.

After Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN" (arXiv 1912.04958) and
"Training generative adversarial networks with limited data" (2006.06676). The names of the tensors are those
of the files that generators are handed on in. Maps are (n, c, y, x), images about -1 (black) to 1 (white).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from glissile.gan.layers import EPSILON, HALF, Convolution, Dense, Mapping, rectified
from glissile.gan.look import Noise
from glissile.gan.resample import low_pass, upsampled
from glissile.io.generator_card import GeneratorShape


class Layer(nn.Module):
    """Convolution whose weights a latent vector modulates, noise, and rectifier.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    resolution : int
        Of the result, pixels.
    up : bool
        Whether it doubles the size.
    shape : GeneratorShape
        Of the whole.
    """

    noise_const: Tensor

    def __init__(
        self, inputs: int, outputs: int, resolution: int, *, up: bool, shape: GeneratorShape
    ) -> None:
        super().__init__()
        self.up, self.clamp = up, shape.clamp
        self.affine = Dense(shape.w_dim, inputs, bias=1)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noisy = shape.noise
        if self.noisy:
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros([]))

    def forward(self, x: Tensor, w: Tensor, noise: Noise, *, gain: float = 1) -> Tensor:
        """Map x (n, inputs, y, x) to the next features, modulated by w (n, w_dim)."""
        style = self.affine(w)
        power = self.weight.square().sum(dim=(2, 3)).t()
        demodulation = (style.square() @ power + EPSILON).rsqrt()
        x = x * style[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = low_pass(x, before=1, after=1, gain=4)
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = x * demodulation[:, :, None, None]
        if self.noisy and noise == "const":
            x = x + self.noise_const * self.noise_strength
        elif self.noisy and noise == "random":
            x = x + torch.randn_like(x[:, :1]) * self.noise_strength
        return rectified(x + self.bias[:, None, None], gain=gain, clamp=self.clamp)


class ToImage(nn.Module):
    """Features -> their part of the image; modulated, without noise and rectifier."""

    def __init__(self, inputs: int, shape: GeneratorShape) -> None:
        super().__init__()
        self.clamp = shape.clamp
        self.affine = Dense(shape.w_dim, inputs, bias=1)
        self.weight = nn.Parameter(torch.randn(shape.channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(shape.channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x (n, inputs, y, x) to (n, channels, y, x)."""
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        image: Tensor = F.conv2d(x * style[:, :, None, None], self.weight, self.bias)
        return image if self.clamp is None else image.clamp(-self.clamp, self.clamp)


class SynthesisBlock(nn.Module):
    """The layers of one resolution.

    Parameters
    ----------
    resolution : int
        4 for the first.
    shape : GeneratorShape
        Of the whole.
    """

    def __init__(self, resolution: int, shape: GeneratorShape) -> None:
        super().__init__()
        width = shape.width(resolution)
        self.residual = shape.architecture == "resnet" and resolution > 4
        if resolution == 4:
            self.const = nn.Parameter(torch.randn(width, 4, 4))
        else:
            before = shape.width(resolution // 2)
            self.conv0 = Layer(before, width, resolution, up=True, shape=shape)
            if self.residual:
                self.skip = Convolution(before, width, 1, bias=False)
        self.conv1 = Layer(width, width, resolution, up=False, shape=shape)
        self.paints = shape.architecture == "skip" or resolution == shape.resolution
        if self.paints:
            self.torgb = ToImage(width, shape)

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor | None]:
        """Carry features and image on to this resolution; ws (n, 2 or 3, w_dim) are those of its layers."""
        if x is None:
            x = self.conv1(self.const.expand(len(ws), -1, -1, -1), ws[:, 0], noise)
        elif self.residual:
            beside = upsampled(self.skip(x, gain=HALF))
            x = self.conv1(self.conv0(x, ws[:, 0], noise), ws[:, 1], noise, gain=HALF) + beside
        else:
            x = self.conv1(self.conv0(x, ws[:, 0], noise), ws[:, 1], noise)
        if image is not None:
            image = upsampled(image)
        if self.paints:
            part = self.torgb(x, ws[:, -1])
            image = part if image is None else image + part
        return x, image


class Synthesis(nn.Module):
    """w -> image."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.resolutions = shape.resolutions
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(resolution, shape))

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """Make images (n, channels, y, x) of ws (n, num_ws, w_dim)."""
        x: Tensor | None = None
        image: Tensor | None = None
        for i, resolution in enumerate(self.resolutions):
            first = max(0, 2 * i - 1)  # the image of a block and the first layer of the next share a w
            part = ws[:, first : 2 * i + 2]
            x, image = self.get_submodule(f"b{resolution}")(x, image, part, noise)
        assert image is not None  # the last block paints
        return image


class Generator(nn.Module):
    """z -> w -> image.

    Parameters
    ----------
    shape : GeneratorShape
        Of the networks; their weights are random.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.shape = shape
        self.synthesis = Synthesis(shape)
        self.mapping = Mapping(
            shape.z_dim,
            shape.c_dim,
            embedding=shape.embedding,
            width=shape.mapping_width,
            outputs=shape.w_dim,
            layers=shape.mapping_layers,
            lr=shape.mapping_lr,
            averaged=True,
        )

    def forward(self, z: Tensor, labels: Tensor | None = None, noise: Noise = "const") -> Tensor:
        """Make images (n, channels, y, x) of z (n, z_dim) and one-hot labels, without truncation."""
        w: Tensor = self.mapping(z, labels)
        images: Tensor = self.synthesis(self.for_all_layers(w), noise)
        return images

    def for_all_layers(self, w: Tensor) -> Tensor:
        """Give w (n, w_dim) to every layer: (n, num_ws, w_dim)."""
        return w[:, None].expand(-1, self.shape.num_ws, -1)
