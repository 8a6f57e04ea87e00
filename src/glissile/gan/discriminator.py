"""The discriminator of StyleGAN2, differentiable to any order, as R1 needs it.

After the papers of `glissile.gan.networks`, with names of tensors and values of images as there.
"""

import math

import torch
from torch import Tensor, nn

from glissile.gan.layers import EPSILON, HALF, Convolution, Dense, Mapping, rectified
from glissile.gan.resample import downsampled
from glissile.io.generator_card import DiscriminatorShape


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
