"""The networks of StyleGAN2 in their plain form, differentiable to any order: what all faster ones equal.

After Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN" (arXiv 1912.04958) and
"Training generative adversarial networks with limited data" (2006.06676). The names of the tensors are those
of the files that generators are handed on in. Maps are (n, c, y, x), images about -1 (black) to 1 (white).
"""

import math
from collections.abc import Mapping as Named
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from glissile.errors import InputError
from glissile.gan.resample import TAPS, downsampled, low_pass, upsampled
from glissile.io.generator_card import DiscriminatorShape, GeneratorShape

Noise = Literal["const", "none", "random"]

SLOPE = 0.2  # of the leaky rectifier
GAIN = math.sqrt(2)  # that it is followed by, so that the second moment stays
HALF = math.sqrt(0.5)  # of each branch of a residual block
EPSILON = 1e-8
AVERAGE_BETA = 0.995  # of the running mean of w
_FILTER = "resample_filter"  # kept in files beside every layer, always the same


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


class DiscriminatorBlock(nn.Module):
    """The layers from one resolution to half of it.

    Parameters
    ----------
    resolution : int
        Of its input.
    shape : DiscriminatorShape
        Of the whole.
    """

    def __init__(self, resolution: int, shape: DiscriminatorShape) -> None:
        super().__init__()
        width, after = shape.width(resolution), shape.width(resolution // 2)
        self.architecture = shape.architecture
        if resolution == shape.resolution or self.architecture == "skip":
            self.fromrgb = Convolution(shape.channels, width, 1, clamp=shape.clamp)
        self.conv0 = Convolution(width, width, 3, clamp=shape.clamp)
        self.conv1 = Convolution(width, after, 3, down=True, clamp=shape.clamp)
        if self.architecture == "resnet":
            self.skip = Convolution(width, after, 1, down=True, bias=False)

    def forward(self, x: Tensor | None, image: Tensor) -> tuple[Tensor, Tensor]:
        """Carry features on to half the resolution, and the image where each block sees it."""
        if hasattr(self, "fromrgb"):
            seen = self.fromrgb(image)
            x = seen if x is None else x + seen
        if self.architecture == "skip":
            image = downsampled(image)
        if self.architecture == "resnet":
            beside = self.skip(x, gain=HALF)
            return self.conv1(self.conv0(x), gain=HALF) + beside, image
        return self.conv1(self.conv0(x)), image


class DiscriminatorEnd(nn.Module):
    """Features at 4 x 4 pixels -> logits.

    Parameters
    ----------
    shape : DiscriminatorShape
        Of the whole.
    """

    def __init__(self, shape: DiscriminatorShape) -> None:
        super().__init__()
        width = shape.width(4)
        self.group, self.group_channels = shape.group, shape.group_channels
        if shape.architecture == "skip":
            self.fromrgb = Convolution(shape.channels, width, 1, clamp=shape.clamp)
        self.conv = Convolution(width + self.group_channels, width, 3, clamp=shape.clamp)
        self.fc = Dense(16 * width, width)
        self.out = Dense(width, shape.class_map or 1)

    def forward(self, x: Tensor, image: Tensor, class_map: Tensor | None) -> Tensor:
        """Map features (n, c, 4, 4) to logits (n, 1)."""
        if hasattr(self, "fromrgb"):
            x = x + self.fromrgb(image)
        if self.group_channels:
            x = torch.cat([x, deviation_in_groups(x, self.group, self.group_channels)], dim=1)
        logits: Tensor = self.out(rectified(self.fc(self.conv(x).flatten(1))))
        if class_map is not None:
            logits = (logits * class_map).sum(dim=1, keepdim=True) / math.sqrt(class_map.shape[1])
        return logits


def deviation_in_groups(x: Tensor, group: int, channels: int) -> Tensor:
    """How much the images of a batch differ: the minibatch standard deviation of Karras et al. 2018.

    Parameters
    ----------
    x : Tensor, shape (n, c, y, x)
        Features; n is a multiple of the size of a group.
    group : int
        Images per group, at most. Members of a group lie n / group apart.
    channels : int
        Parts of the channels that are averaged apart.

    Returns
    -------
    Tensor, shape (n, channels, y, x)
        Constant over y and x.
    """
    n, c, height, width = x.shape
    members = min(group, n)
    grouped = x.reshape(members, n // members, channels, c // channels, height, width)
    deviation = (grouped.var(dim=0, correction=0) + EPSILON).sqrt().mean(dim=(2, 3, 4))
    return deviation.repeat(members, 1)[:, :, None, None].expand(-1, -1, height, width)


class Discriminator(nn.Module):
    """Image -> logit: how real it looks.

    Parameters
    ----------
    shape : DiscriminatorShape
        Of the network; its weights are random.
    """

    def __init__(self, shape: DiscriminatorShape) -> None:
        super().__init__()
        self.shape = shape
        for resolution in reversed(shape.resolutions[1:]):
            self.add_module(f"b{resolution}", DiscriminatorBlock(resolution, shape))
        if shape.c_dim:
            self.mapping = Mapping(
                0,
                shape.c_dim,
                embedding=shape.class_map,
                width=shape.class_map,
                outputs=shape.class_map,
                layers=shape.mapping_layers,
                lr=shape.mapping_lr,
                averaged=False,
            )
        self.b4 = DiscriminatorEnd(shape)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map images (n, channels, y, x) and one-hot labels (n, classes) to logits (n, 1)."""
        x, image = None, images
        for resolution in reversed(self.shape.resolutions[1:]):
            x, image = self.get_submodule(f"b{resolution}")(x, image)
        class_map = self.mapping(None, labels) if self.shape.c_dim else None
        logits: Tensor = self.b4(x, image, class_map)
        return logits


def load(network: Generator | Discriminator, tensors: Named[str, Tensor]) -> None:
    """Give a network its weights.

    Parameters
    ----------
    network : Generator or Discriminator
        Of the shape that the weights are for.
    tensors : mapping of str to Tensor
        By name, as files hold them; also with the resampling filters, which the network has built in.

    Raises
    ------
    InputError
        If a tensor is missing, left over, of another shape or a filter is another one.
    """
    taps = torch.tensor(TAPS)
    for name, tensor in tensors.items():
        if name.endswith(_FILTER) and not torch.allclose(tensor.float(), taps[:, None] * taps, atol=1e-6):
            raise InputError(
                f"The generator resamples with another filter than [1, 3, 3, 1] ({name}) and is not read; "
                "choose one that was trained with the published settings"
            )
    try:
        network.load_state_dict({k: v for k, v in tensors.items() if not k.endswith(_FILTER)})
    except RuntimeError as problem:
        first = str(problem).split("\n\t")[1:2] or [str(problem)]
        raise InputError(f"The weights do not fit the network: {first[0].strip()}; get the file again") from (
            problem
        )
