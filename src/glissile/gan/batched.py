"""The synthesis on a graphics card: several images at once, in reduced precision, without calls in between.

Weights are shared by all images, which scale the maps by their styles before and by their demodulation after
a convolution. The convolution that doubles the size and the low-pass filter after it are one of 6 x 6 pixels:
more to multiply, which costs little there, and less to read and write, which costs most.
"""

import functools
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from glissile.device import memory_format
from glissile.gan.layers import EPSILON, HALF, rectified
from glissile.gan.modulation import NoiseMaps, Styles
from glissile.gan.networks import Generator, Layer, SynthesisBlock, ToImage
from glissile.gan.resample import filter_of, upsampled

BATCHES = (16, 4, 1)  # images in one call; fewer kinds are fewer recordings
_SMALLEST = 1e-8


class _Layer:
    """A modulated convolution, noise, and rectifier; parameters as of `folded_layers.FoldedLayer`."""

    def __init__(self, layer: Layer, dtype: torch.dtype, *, gain: float = 1) -> None:
        self._up, self._dtype, self._gain, self._clamp = layer.up, dtype, gain, layer.clamp
        self._style = Styles(layer)
        # Weights and styles are scaled so that float16 holds every sum; demodulation undoes it.
        self._scale = layer.weight.abs().amax(dim=(1, 2, 3)).clamp_(min=_SMALLEST) * math.sqrt(
            layer.weight[0].numel()
        )
        weight = layer.weight / self._scale[:, None, None, None]
        self._power = weight.square().sum(dim=(2, 3)).t().contiguous()
        if self._up:
            weight = _with_low_pass(weight).transpose(0, 1)
        self._weight = weight.to(dtype).contiguous(memory_format=_format_on(weight.device))
        self._bias = layer.bias[:, None, None].to(dtype)
        self._strength = layer.noise_strength.clone() if layer.noisy else None
        self._const = layer.noise_const.clone() if layer.noisy else None

    def noise(self, maps: NoiseMaps, index: int) -> Tensor | None:
        """Noise (1, 1, y, x) as it is added, zero where there is none."""
        if self._strength is None or self._const is None:
            return None
        if maps.kind == "random":
            found = maps.drawn(index).to(self._const.device) * self._strength
        else:
            found = (self._const * self._strength)[None, None] * (maps.kind == "const")
        return found.to(self._dtype)

    def __call__(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Map x (n, inputs, y, x), modulated by w (n, w_dim)."""
        style = self._style(w)
        largest = style.abs().amax(dim=1, keepdim=True).clamp_(min=_SMALLEST)
        style = style / largest
        factor = (style.square() @ self._power + EPSILON / (largest * self._scale).square()).rsqrt()
        x = x * style[:, :, None, None].to(self._dtype)
        if self._up:
            x = F.conv_transpose2d(x, self._weight, stride=2, padding=2)
        else:
            x = F.conv2d(x, self._weight, padding=1)
        x = torch.addcmul(self._bias, x, factor[:, :, None, None].to(self._dtype))
        return rectified(x if noise is None else x + noise, gain=self._gain, clamp=self._clamp)


class _Painting:
    """Features -> their part of the image."""

    def __init__(self, layer: ToImage, dtype: torch.dtype) -> None:
        self._style, self._clamp, self._dtype = Styles(layer), layer.clamp, dtype
        self._weight = layer.weight.to(dtype)
        self._bias = layer.bias.to(dtype)

    def __call__(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x (n, inputs, y, x), modulated by w (n, w_dim), to float32 (n, channels, y, x)."""
        image = F.conv2d(x * self._style(w)[:, :, None, None].to(self._dtype), self._weight, self._bias)
        return (image if self._clamp is None else image.clamp(-self._clamp, self._clamp)).float()


class _Block:
    """The layers of one resolution."""

    def __init__(self, block: SynthesisBlock, index: int, dtype: torch.dtype) -> None:
        self._first = 2 * index - 1
        self._up = _Layer(block.conv0, dtype) if index else None
        self._const = None if index else block.const.to(dtype)
        self._layer = _Layer(block.conv1, dtype, gain=HALF if block.residual else 1)
        self._painting = _Painting(block.torgb, dtype) if block.paints else None
        self._skip = None
        if block.residual:
            self._skip = (block.skip.weight * (HALF / math.sqrt(block.skip.weight.shape[1]))).to(dtype)

    def noise(self, maps: NoiseMaps) -> list[Tensor | None]:
        """Noise of both layers."""
        up = None if self._up is None else self._up.noise(maps, self._first)
        return [up, self._layer.noise(maps, self._first + 1)]

    def __call__(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: list[Tensor | None]
    ) -> tuple[Tensor, Tensor | None]:
        """Carry features and image on to this resolution; ws (n, num_ws, w_dim) are those of all layers."""
        beside = None
        if x is None or self._up is None:
            assert self._const is not None
            x = self._const.expand(len(ws), -1, -1, -1)
            x = x.contiguous(memory_format=_format_on(ws.device))
        else:
            beside = None if self._skip is None else upsampled(F.conv2d(x, self._skip))
            x = self._up(x, ws[:, self._first], noise[0])
        x = self._layer(x, ws[:, self._first + 1], noise[1])
        x = x if beside is None else x + beside
        image = None if image is None else upsampled(image)
        if self._painting is not None:
            part = self._painting(x, ws[:, self._first + 2])
            image = part if image is None else image + part
        return x, image


class BatchedSynthesis:
    """w -> images.

    Parameters
    ----------
    generator : Generator
        Whose weights are copied; lies on the device to compute on.
    dtype : torch.dtype
        Of features and weights; images are float32.
    """

    def __init__(self, generator: Generator, dtype: torch.dtype) -> None:
        self._shape, self._device = generator.shape, generator.mapping.w_avg.device
        self._records = self._device.type == "cuda"
        self._recordings: dict[tuple[int, int], _Recording] = {}
        with torch.inference_mode(), _exact():
            self._blocks = [
                _Block(cast("SynthesisBlock", generator.synthesis.get_submodule(f"b{r}")), i, dtype)
                for i, r in enumerate(self._shape.resolutions)
            ]

    @torch.inference_mode()
    def images(self, ws: Tensor, maps: NoiseMaps, *, resolution: int | None = None) -> Tensor:
        """Make images.

        Parameters
        ----------
        ws : Tensor of float32, shape (n, num_ws, w_dim)
            One w for each layer.
        maps : NoiseMaps
            The same for all images.
        resolution : int, optional
            Of the block whose images are asked for; by default the last.

        Returns
        -------
        Tensor of float32, shape (n, channels, y, x)
        """
        size = resolution or self._shape.resolution
        noise = [block.noise(maps) for block in self._blocks[: size.bit_length() - 2]]
        with _exact():
            made = []
            while len(ws):
                count = next(batch for batch in BATCHES if batch <= len(ws))
                made.append(self._call(ws[:count], noise))
                ws = ws[count:]
        return torch.cat(made)

    def _forward(self, ws: Tensor, noise: list[list[Tensor | None]]) -> Tensor:
        x, image = None, None
        for block, added in zip(self._blocks, noise, strict=False):
            x, image = block(x, image, ws, added)
        assert image is not None  # only blocks that paint are asked for theirs
        return image

    def _call(self, ws: Tensor, noise: list[list[Tensor | None]]) -> Tensor:
        if not self._records:
            return self._forward(ws, noise)
        key = (len(ws), len(noise))
        if key not in self._recordings:
            self._recordings[key] = _Recording(self._forward, ws, noise)
        return self._recordings[key].replay(ws, noise)


class _Recording:
    """A forward pass of one batch size, recorded once and replayed without calls from Python.

    Parameters
    ----------
    forward : callable
        Maps ws and noise to images.
    ws : Tensor, shape (n, num_ws, w_dim)
        Of the kind to come.
    noise : list of list of Tensor or None
        Of the kind to come, block by block.
    """

    def __init__(
        self,
        forward: Callable[[Tensor, list[list[Tensor | None]]], Tensor],
        ws: Tensor,
        noise: list[list[Tensor | None]],
    ) -> None:
        self._ws = ws.clone()
        self._noise = [[None if map_ is None else map_.clone() for map_ in added] for added in noise]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # chooses the algorithms, which cannot be recorded
                forward(self._ws, self._noise)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._images = forward(self._ws, self._noise)

    def replay(self, ws: Tensor, noise: list[list[Tensor | None]]) -> Tensor:
        """Make images as the recorded pass does, of other numbers."""
        self._ws.copy_(ws)
        for own, given in zip(self._noise, noise, strict=True):
            for into, source in zip(own, given, strict=True):
                if into is not None and source is not None:
                    into.copy_(source)
        self._graph.replay()
        return self._images.clone()


def _with_low_pass(weight: Tensor) -> Tensor:
    """Kernels (o, i, 6, 6) that filter as they double, of the plain ones (o, i, 3, 3)."""
    outputs, inputs = weight.shape[:2]
    flat = weight.reshape(outputs * inputs, 1, 3, 3)
    kernel = 4 * filter_of(weight)[None, None]
    return F.conv2d(flat, kernel, padding=3).reshape(outputs, inputs, 6, 6)


def _exact() -> AbstractContextManager[None]:
    """Without TF32, whose three digits are not what float32 stands for; the quickest of what is left."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)


@functools.cache
def _format_on(device: torch.device) -> torch.memory_format:
    return memory_format(device, training=False)
