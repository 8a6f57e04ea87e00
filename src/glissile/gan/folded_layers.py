"""Layers of the synthesis whose weights are made for each w, on strips of rows.

Maps are (1, c, y, x), channels-last.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from glissile.gan.layers import GAIN, HALF, SLOPE, Convolution
from glissile.gan.modulation import Demodulation, NoiseMaps, Styles
from glissile.gan.networks import Layer, ToImage
from glissile.gan.packed import Packed, convolved, doubled
from glissile.gan.resample import filter_of
from glissile.gan.winograd import Winograd, pays

WEIGHT_COST = 4  # to fold and sort a weight takes as long as to scale so many features


class FoldedLayer:
    """A modulated convolution, noise, and rectifier.

    Style, demodulation and gains go into the weights where the maps are larger than these. Elsewhere the
    weights stay as they are, and the maps are scaled. The gain of the rectifier comes before it, which is
    the same.

    Parameters
    ----------
    layer : Layer
        The plain one.
    resolution : int
        Of its result.
    dtype : torch.dtype
        Of the maps.
    gain : float
        Beside that of the rectifier.
    """

    def __init__(self, layer: Layer, resolution: int, dtype: torch.dtype, *, gain: float = 1) -> None:
        self._up, self._dtype = layer.up, dtype
        gain, self._limit = GAIN * gain, None if layer.clamp is None else layer.clamp * gain
        self._style, self._demodulation = Styles(layer), Demodulation(layer.weight, gain)
        self._bias = (layer.bias * gain).to(dtype)
        self._strength: Tensor | None = None
        if layer.noisy:
            self._strength = layer.noise_strength * gain
            self._noise = (layer.noise_const * self._strength).to(dtype)[None, None]
        before = resolution // 2 if layer.up else resolution
        outputs, inputs = layer.weight.shape[:2]
        self._shared: Packed | Winograd | None = None
        if not layer.up and pays(min(inputs, outputs), resolution, dtype):
            self._shared = Winograd(layer.weight, dtype, resolution)
        elif WEIGHT_COST * layer.weight.numel() > inputs * before**2 + outputs * resolution**2:
            self._shared = Packed(layer.weight.to(dtype), up=layer.up, size=(before + 2, before))
        elif layer.up:
            self._weight = layer.weight.transpose(0, 1).contiguous()
        else:
            self._weight = layer.weight.clone(memory_format=torch.channels_last)

    def modulate(self, w: Tensor) -> None:
        """Take up w (w_dim,) for the strips to come."""
        style = self._style(w[None])
        factor = self._demodulation(style)[0, :, None, None]
        style = style[0, :, None, None]
        if self._shared is not None:
            self._scale = style.to(self._dtype)
        elif self._up:
            self._folded = (self._weight * style[..., None]).to(self._dtype)
        else:
            self._folded = (self._weight * style).mul_(factor[..., None]).to(self._dtype)
        if self._up:
            self._filter = (4 * filter_of(factor) * factor[..., None]).to(self._dtype)
        else:
            self._factor = factor.to(self._dtype)

    def noise(self, maps: NoiseMaps, index: int) -> Tensor | None:
        """Noise (1, 1, y, x) as it is added, where the w of this layer has `index`."""
        if self._strength is None or maps.kind == "none":
            return None
        return self._noise if maps.kind == "const" else (maps.drawn(index) * self._strength).to(self._dtype)

    def convolve(self, rows: Tensor) -> Tensor:
        """Map rows (1, inputs, y + 2, x), with one more at both ends, to (1, outputs, y or 2 y, x or 2 x)."""
        if self._shared is None:
            if not self._up:
                return convolved(rows, self._folded, self._bias)
            wide = doubled(rows, self._folded)
        else:
            wide = self._shared(rows * self._scale)
            if not self._up:
                return torch.addcmul(self._bias[:, None, None], wide, self._factor, out=wide)
        return F.conv2d(wide, self._filter, self._bias, padding=(0, 1), groups=len(self._bias))

    def rectify(self, rows: Tensor, noise: Tensor | None, out: Tensor) -> None:
        """Finish what was convolved into `out`; `rows` (1, outputs, y, x) are overwritten."""
        if noise is not None:
            rows.add_(noise)
        torch.ops.aten.leaky_relu.out(rows, SLOPE, out=out)
        if self._limit is not None:
            out.clamp_(-self._limit, self._limit)


class FoldedPainting:
    """Features -> their part of the image.

    Parameters
    ----------
    layer : ToImage
        The plain one.
    dtype : torch.dtype
        Of the maps.
    """

    def __init__(self, layer: ToImage, dtype: torch.dtype) -> None:
        self._style, self._weight = Styles(layer), layer.weight.clone()
        self._bias, self._clamp, self._dtype = layer.bias.to(dtype), layer.clamp, dtype

    def modulate(self, w: Tensor) -> None:
        """Take up w (w_dim,) for the strips to come."""
        self._folded = (self._weight * self._style(w[None])[0, :, None, None]).to(self._dtype)

    def paint(self, rows: Tensor, image: Tensor) -> None:
        """Add what rows (1, inputs, y, x) show to those of an image."""
        part = F.conv2d(rows, self._folded, self._bias)
        if self._clamp is not None:
            part.clamp_(-self._clamp, self._clamp)
        image.add_(part)


class FoldedSkip:
    """The way past the layers of a residual block.

    Parameters
    ----------
    layer : Convolution
        The plain one.
    dtype : torch.dtype
        Of the maps.
    """

    def __init__(self, layer: Convolution, dtype: torch.dtype) -> None:
        self._weight = (layer.weight * (HALF / math.sqrt(layer.weight.shape[1]))).to(dtype)
        self._filter = (4 * filter_of(self._weight)).expand(len(self._weight), 1, 4, 4)

    def doubled(self, rows: Tensor) -> Tensor:
        """Map rows (1, inputs, y + 2, x), with one more at both ends, to (1, outputs, 2 y, 2 x)."""
        x = F.conv2d(rows, self._weight)
        return F.conv_transpose2d(x, self._filter, stride=2, padding=(3, 1), groups=len(self._weight))
