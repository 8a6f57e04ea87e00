"""What of a layer depends on w alone, and the noise that it adds."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from glissile.gan.layers import EPSILON
from glissile.gan.look import Noise
from glissile.gan.networks import Layer, ToImage
from glissile.io.generator_card import GeneratorShape


class Styles:
    """The style of a layer: a factor for each of its input channels.

    Parameters
    ----------
    layer : Layer or ToImage
        Whose weights are copied, their scales worked in.
    """

    def __init__(self, layer: Layer | ToImage) -> None:
        scale = layer.affine.lr / math.sqrt(layer.affine.weight.shape[1])
        if isinstance(layer, ToImage):
            fan_in = math.sqrt(layer.weight.shape[1])
            self._weight = layer.affine.weight * (scale / fan_in)
            self._bias = layer.affine.bias * (layer.affine.lr / fan_in)
        else:
            self._weight = layer.affine.weight * scale
            self._bias = layer.affine.bias * layer.affine.lr

    def __call__(self, w: Tensor) -> Tensor:
        """Map w (n, w_dim) to styles (n, inputs)."""
        return F.linear(w, self._weight, self._bias)


class Demodulation:
    """What brings a modulated layer back to unit variance: a factor for each output channel.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs, 3, 3)
        Of the convolution.
    gain : float
        That the factors are multiplied by.
    """

    def __init__(self, weight: Tensor, gain: float) -> None:
        self._power = weight.square().sum(dim=(2, 3)).t().contiguous()
        self._gain = gain

    def __call__(self, style: Tensor) -> Tensor:
        """Map styles (n, inputs) to factors (n, outputs)."""
        return (style.square() @ self._power).add_(EPSILON).rsqrt_().mul_(self._gain)


class NoiseMaps:
    """The noise of one image, layer after layer.

    Parameters
    ----------
    shape : GeneratorShape
        Of the networks.
    kind : {"const", "none", "random"}
        The noise that belongs to the generator, none, or noise drawn here, as the plain networks draw it.
    seed : int
        Of random noise, -2^63 to 2^64 - 1.

    Attributes
    ----------
    key : tuple
        Equal where the noise is.
    """

    def __init__(self, shape: GeneratorShape, kind: Noise, seed: int) -> None:
        self.kind, self.key = kind, (kind, seed if kind == "random" else 0)
        self._sizes = [4 if index == 0 else 8 << (index - 1) // 2 for index in range(shape.num_ws - 1)]
        self._random = torch.Generator().manual_seed(seed)
        self._drawn: list[Tensor] = []

    def drawn(self, layer: int) -> Tensor:
        """Random noise (1, 1, y, x) of the layer that takes the w of this index."""
        while len(self._drawn) <= layer:
            size = self._sizes[len(self._drawn)]
            self._drawn.append(torch.randn(1, 1, size, size, generator=self._random))
        return self._drawn[layer]
