"""The synthesis on a processor, in memory that is taken once: equal to `networks.Synthesis`, and quick.

One image at a time, so that what is the same for a whole map goes into the weights. Large maps are convolved
in strips of rows, which stay in the cache from the convolution to the rectifier and whose memory is used
again and again: the page faults of fresh memory for whole maps cost as much as half of the convolutions.
Maps lie channels-last between two rows of zeros, so that strips need no special ends.

Features and image of each block stay where they were made: what follows from the same w is not computed
again, and is the same to the last bit.
"""

import math
from typing import cast

import torch
from torch import Tensor

from glissile.gan.folded_layers import FoldedLayer, FoldedPainting, FoldedSkip
from glissile.gan.layers import HALF
from glissile.gan.modulation import NoiseMaps
from glissile.gan.networks import Generator, SynthesisBlock
from glissile.gan.resample import upsampled
from glissile.io.generator_card import GeneratorShape

WHOLE_BYTES = 8 << 20  # maps up to this size are convolved in one piece, larger ones
STRIP_BYTES = 4 << 20  # in strips of this size


def strips_of(resolution: int, channels: int, dtype: torch.dtype) -> list[tuple[int, int]]:
    """Cut the rows of maps into pieces: first row and the one after the last, all even."""
    row = resolution * channels * dtype.itemsize
    rows = resolution if row * resolution <= WHOLE_BYTES else max(8, STRIP_BYTES // row // 2 * 2)
    return [(first, min(first + rows, resolution)) for first in range(0, resolution, rows)]


def framed(memory: Tensor, channels: int, resolution: int) -> Tensor:
    """Lay maps (1, channels, resolution + 2, resolution) into memory; their first and last row are zero."""
    size = (1, resolution + 2, resolution, channels)
    maps = memory[: math.prod(size)].view(size).permute(0, 3, 1, 2)
    maps[:, :, 0].zero_()
    maps[:, :, -1].zero_()
    return maps


class FoldedBlock:
    """The layers of one resolution.

    Parameters
    ----------
    block : SynthesisBlock
        The plain one.
    index : int
        Of the block.
    shape : GeneratorShape
        Of the whole.
    dtype : torch.dtype
        Of the maps.

    Attributes
    ----------
    features : Tensor or None, shape (1, c, y + 2, x)
        That were computed last, between rows of zeros; None of the last block, which are not kept.
    image : Tensor or None, shape (1, channels, y, x)
        That was painted last; None where the block paints none.
    """

    def __init__(self, block: SynthesisBlock, index: int, shape: GeneratorShape, dtype: torch.dtype) -> None:
        resolution = shape.resolutions[index]
        self._index, self.resolution, self._width = index, resolution, shape.widths[index]
        self._strips = strips_of(resolution, self._width, dtype)
        if index:
            self._up = FoldedLayer(block.conv0, resolution, dtype)
        else:
            self._const = framed(torch.empty(self.memory, dtype=dtype), self._width, 4)
            self._const[:, :, 1:-1] = block.const
        self._skip = FoldedSkip(block.skip, dtype) if block.residual else None
        self._layer = FoldedLayer(block.conv1, resolution, dtype, gain=HALF if block.residual else 1)
        self._painting = FoldedPainting(block.torgb, dtype) if block.paints else None
        self.features: Tensor | None = None
        if resolution < shape.resolution:
            self.features = framed(torch.empty(self.memory, dtype=dtype), self._width, resolution)
        self.image: Tensor | None = None
        if block.paints:
            self.image = torch.empty(1, shape.channels, resolution, resolution)

    @property
    def memory(self) -> int:
        """Numbers in its features."""
        return self._width * (self.resolution + 2) * self.resolution

    def compute(self, before: "FoldedBlock | None", ws: Tensor, noise: NoiseMaps, memory: Tensor) -> None:
        """Compute features and image.

        Parameters
        ----------
        before : FoldedBlock or None
            The block before, as it has computed for the same w.
        ws : Tensor, shape (num_ws, w_dim)
            Of all layers.
        noise : NoiseMaps
            Of the image.
        memory : Tensor
            As many numbers as `memory` says, overwritten.
        """
        smaller = None if before is None else before.features
        middle = self._const if smaller is None else self._doubled(smaller, ws, noise, memory)
        self._layer.modulate(ws[2 * self._index])
        added = self._layer.noise(noise, 2 * self._index)
        self._begin_image(before, ws)
        for first, end in self._strips:
            rows = self._layer.convolve(middle[:, :, first : end + 2])
            out = rows if self.features is None else self.features[:, :, first + 1 : end + 1]
            self._layer.rectify(rows, None if added is None else added[:, :, first:end], out)
            if self._skip is not None and smaller is not None:
                out.add_(self._skip.doubled(smaller[:, :, first // 2 : end // 2 + 2]))
            self._paint(out, first, end)

    def paint(self, before: "FoldedBlock | None", ws: Tensor) -> None:
        """Paint the image from the features that are there; see `compute`."""
        assert self.features is not None
        self._begin_image(before, ws)
        for first, end in self._strips:
            self._paint(self.features[:, :, first + 1 : end + 1], first, end)

    def _doubled(self, smaller: Tensor, ws: Tensor, noise: NoiseMaps, memory: Tensor) -> Tensor:
        found = framed(memory, self._width, self.resolution)
        self._up.modulate(ws[2 * self._index - 1])
        added = self._up.noise(noise, 2 * self._index - 1)
        for first, end in self._strips:
            rows = self._up.convolve(smaller[:, :, first // 2 : end // 2 + 2])
            out = found[:, :, first + 1 : end + 1]
            self._up.rectify(rows, None if added is None else added[:, :, first:end], out)
        return found

    def _begin_image(self, before: "FoldedBlock | None", ws: Tensor) -> None:
        if self.image is None or self._painting is None:
            return
        self._painting.modulate(ws[2 * self._index + 1])
        if before is None or before.image is None:
            self.image.zero_()
        else:
            self.image.copy_(upsampled(before.image))

    def _paint(self, rows: Tensor, first: int, end: int) -> None:
        if self.image is not None and self._painting is not None:
            self._painting.paint(rows, self.image[:, :, first:end])


class FoldedSynthesis:
    """w -> image, one at a time.

    Parameters
    ----------
    generator : Generator
        Whose weights are copied.
    dtype : torch.dtype
        Of features and weights; images are float32.
    """

    def __init__(self, generator: Generator, dtype: torch.dtype = torch.float32) -> None:
        self._shape = generator.shape
        with torch.inference_mode():
            self._blocks = [
                FoldedBlock(
                    cast("SynthesisBlock", generator.synthesis.get_submodule(f"b{r}")), i, self._shape, dtype
                )
                for i, r in enumerate(self._shape.resolutions)
            ]
            self._memory = torch.empty(max(block.memory for block in self._blocks), dtype=dtype)
            self._ws = torch.empty(self._shape.num_ws, self._shape.w_dim)
        self._noise = NoiseMaps(self._shape, "none", 0)
        self._done = 0  # blocks that have computed for `_ws` and `_noise`

    @torch.inference_mode()
    def image(self, ws: Tensor, maps: NoiseMaps, *, resolution: int | None = None) -> Tensor:
        """Make an image.

        Parameters
        ----------
        ws : Tensor of float32, shape (num_ws, w_dim)
            One w for each layer.
        maps : NoiseMaps
            Noise to add.
        resolution : int, optional
            Of the block whose image is asked for; by default the last.

        Returns
        -------
        Tensor of float32, shape (channels, y, x)
            Overwritten by the next call.
        """
        same = 0  # layers whose w and noise are those of the last call
        if maps.key == self._noise.key:
            differ = (ws != self._ws).any(dim=1).tolist()
            same = [*differ, True].index(True)
        else:
            self._noise = maps
        featured, painted = min(self._done, (same + 1) // 2), min(self._done, same // 2)
        last = len(self._blocks) if resolution is None else resolution.bit_length() - 2
        self._done = painted
        self._ws.copy_(ws)
        for i in range(painted, last):
            before = self._blocks[i - 1] if i else None
            if i < featured and i < len(self._blocks) - 1:
                self._blocks[i].paint(before, ws)
            else:
                self._blocks[i].compute(before, ws, self._noise, self._memory)
            self._done = i + 1
        image = self._blocks[last - 1].image
        assert image is not None  # only blocks that paint are asked for theirs
        return image[0]
