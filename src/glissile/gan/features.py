"""How far images are from a target, by what they show rather than pixel by pixel.

A distance is a function of a target (channels, y, x), and gives a function that measures images
(n, channels, y, x): one number each, 0 for the target itself, differentiable. Images are about -1 (black) to
1 (white). Nothing is downloaded: the distance that is meant for microstructures is made of fixed filters, and
LPIPS takes its weights from a file.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from glissile.errors import InputError
from glissile.io.tensor_file import read_tensors

Measure = Callable[[Tensor], Tensor]
Distance = Callable[[Tensor], Measure]

# Of the Gabor filters: how many directions, side, wavelength and width in pixels.
_DIRECTIONS = 4
_SIDE = 9
_WAVELENGTH = 4.5
_SIGMA = 1.8
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
# Levels of the pyramid are halved as long as their shorter side has so many pixels.
_HALVED_FROM = 16
# Power of a band that counts as none: of an amplitude of about one grey value of 8 bits.
_FAINT = 1e-4
# What lies at its place counts half as much as how much of its kind lies thereabouts.
_IN_PLACE = 0.5

# Convolutions of VGG16 by their number among its layers: inputs, outputs; one row per stage.
_VGG_STAGES = (
    {0: (3, 64), 2: (64, 64)},
    {5: (64, 128), 7: (128, 128)},
    {10: (128, 256), 12: (256, 256), 14: (256, 256)},
    {17: (256, 512), 19: (512, 512), 21: (512, 512)},
    {24: (512, 512), 26: (512, 512), 28: (512, 512)},
)
# Mean and deviation of the colours that VGG16 knows, on the scale of -1 to 1.
_VGG_MEAN = (-0.030, -0.088, -0.188)
_VGG_DEVIATION = (0.458, 0.448, 0.450)
_VGG_LEAST_PX = 16
_VGG_MOST_PX = 256
_EPSILON = 1e-10


def pixel_distance(target: Tensor) -> Measure:
    """Mean squared difference of pixels, the plain baseline.

    Parameters
    ----------
    target : Tensor, shape (channels, y, x)
        What images are compared with.

    Returns
    -------
    callable
        Images (n, channels, y, x) -> distances (n,).
    """
    return lambda images: _apart(images, target)


def texture_distance(target: Tensor) -> Measure:
    """Difference of texture and layout, by fixed filters on all scales.

    On each level of a Gaussian pyramid, even and odd Gabor filters in four directions answer to grain, lines
    and edges. Their answers are compared, and with twice the weight the energy of each pair averaged over the
    neighbourhood, which is the same for a texture that lies a little elsewhere; both as shares of the power
    that the target has on this level, so that fine structure counts as much as coarse. The coarsest level is
    compared grey value by grey value, as a share of its variance. Channels are looked at one by one.

    Parameters
    ----------
    target : Tensor, shape (channels, y, x)
        What images are compared with; 4 pixels or more along y and x.

    Returns
    -------
    callable
        Images (n, channels, y, x) -> distances (n,); about 1 for an image without any structure.
    """
    bands, layout = _seen(target[None])
    powers = [energy.square().mean() + _FAINT for _, energy, _ in bands]
    variance = layout.var(correction=0) + _FAINT

    def measured(images: Tensor) -> Tensor:
        their_bands, their_layout = _seen(images)
        total = _apart(their_layout, layout) / variance
        for (answers, _, texture), (wanted, _, wanted_texture), power in zip(
            their_bands, bands, powers, strict=True
        ):
            total = total + (_IN_PLACE * _apart(answers, wanted) + _apart(texture, wanted_texture)) / power
        return total / (1 + len(bands))

    return measured


def _apart(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).mean(dim=1)


def _seen(images: Tensor) -> tuple[list[tuple[Tensor, Tensor, Tensor]], Tensor]:
    """Answers, energies and averaged energies of each level, and the coarsest level; all (n, bands, y, x)."""
    x, pairs = images, _gabor_pairs().to(images)
    channels, around = x.shape[1], (_SIDE // 2,) * 4
    kernels = pairs.repeat(channels, 1, 1, 1)
    bands = []
    while True:
        answers = F.conv2d(F.pad(x, around, mode="replicate"), kernels, groups=channels)
        even, odd = answers[:, 0::2], answers[:, 1::2]
        energy = (even.square() + odd.square() + _FAINT**2).sqrt()
        bands.append((answers, energy, _halved(_halved(energy))))
        if min(x.shape[2:]) < _HALVED_FROM:
            return bands, x
        x = _halved(x)


def _gabor_pairs() -> Tensor:
    """Even and odd filter of each direction, (2 directions, 1, y, x); each answers 1 to its own wave."""
    along = torch.arange(_SIDE, dtype=torch.float64) - _SIDE // 2
    y, x = torch.meshgrid(along, along, indexing="ij")
    window = torch.exp(-(x.square() + y.square()) / (2 * _SIGMA**2))
    filters = []
    for i in range(_DIRECTIONS):
        angle = math.pi * i / _DIRECTIONS
        phase = (x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / _WAVELENGTH)
        # They answer neither to an even illumination nor to one that rises: these are no texture.
        even = window * (phase.cos() - (window * phase.cos()).sum() / window.sum())
        slope = (window * phase * phase.sin()).sum() / (window * phase.square()).sum()
        odd = window * (phase.sin() - slope * phase)
        filters += [even / (even * phase.cos()).sum(), odd / (odd * phase.sin()).sum()]
    return torch.stack(filters)[:, None].float()


def _halved(x: Tensor) -> Tensor:
    """Blur maps (n, c, y, x), and take every second pixel."""
    taps = torch.tensor(_BINOMIAL, dtype=x.dtype, device=x.device)
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, stride=2, groups=x.shape[1])


class Lpips:
    """Learned perceptual distance (LPIPS) with VGG16, of Zhang et al. 2018 (arXiv 1801.03924).

    Images of more than 256 px are averaged down to it, as StyleGAN2 does; grey ones are shown as three equal
    channels.

    Parameters
    ----------
    tensors : dict of str to Tensor
        `features.N.weight` (outputs, inputs, 3, 3) and `features.N.bias` (outputs,) for N = 0, 2, 5, 7, 10,
        12, 14, 17, 19, 21, 24, 26, 28: the convolutions of VGG16 as torchvision names them; and
        `linK.model.1.weight` (1, channels, 1, 1) for K = 0 to 4 and 64, 128, 256, 512, 512 channels: the
        weights of the stages as the LPIPS package names them. Others are not looked at.

    Raises
    ------
    InputError
        If a tensor is missing, or has another shape.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        for name, shape in lpips_tensors().items():
            if name not in tensors:
                raise InputError(
                    f"The LPIPS weights lack {name}; save the convolutions of VGG16 and the linear weights "
                    "of LPIPS in one file"
                )
            if tuple(tensors[name].shape) != shape:
                raise InputError(
                    f"The LPIPS weights have {name} of shape {tuple(tensors[name].shape)} in place of "
                    f"{shape}; take those for VGG16"
                )
        self._tensors = {name: tensors[name].float() for name in lpips_tensors()}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the weights from a safetensors file that holds the tensors above.

        Raises
        ------
        InputError
            If it is no such file.
        """
        tensors, _ = read_tensors(path)
        return cls(tensors)

    def __call__(self, target: Tensor) -> Measure:
        """Make the measure of how far images are from `target` (1 or 3, y, x), 16 px or more.

        Raises
        ------
        InputError
            If the target is smaller.
        """
        if min(target.shape[1:]) < _VGG_LEAST_PX:
            raise InputError(
                f"LPIPS needs images of {_VGG_LEAST_PX} px or more, and the generator makes "
                f"{target.shape[2]} px; leave its weights out"
            )
        tensors = {name: tensor.to(target.device) for name, tensor in self._tensors.items()}
        wanted = _stages(tensors, target[None])

        def measured(images: Tensor) -> Tensor:
            total = images.new_zeros(len(images))
            for i, (stage, its) in enumerate(zip(_stages(tensors, images), wanted, strict=True)):
                apart = (stage - its).square()
                total = total + F.conv2d(apart, tensors[_linear(i)]).mean(dim=(1, 2, 3))
            return total

        return measured


def lpips_tensors() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that `Lpips` needs."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, stage in enumerate(_VGG_STAGES):
        for layer, (inputs, outputs) in stage.items():
            shapes[f"features.{layer}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"features.{layer}.bias"] = (outputs,)
            shapes[_linear(i)] = (1, outputs, 1, 1)
    return shapes


def _linear(stage: int) -> str:
    return f"lin{stage}.model.1.weight"


def _stages(tensors: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """Show images to VGG16: what its stages make of them, the features of each pixel of length 1."""
    if max(images.shape[2:]) > _VGG_MOST_PX:
        images = F.interpolate(images, size=(_VGG_MOST_PX, _VGG_MOST_PX), mode="area")
    mean, deviation = (images.new_tensor(v)[:, None, None] for v in (_VGG_MEAN, _VGG_DEVIATION))
    x = (images - mean) / deviation
    found = []
    for i, stage in enumerate(_VGG_STAGES):
        if i:
            x = F.max_pool2d(x, 2)
        for layer in stage:
            weight, bias = tensors[f"features.{layer}.weight"], tensors[f"features.{layer}.bias"]
            x = F.conv2d(x, weight, bias, padding=1).relu()
        found.append(x / (x.square().sum(dim=1, keepdim=True) + _EPSILON).sqrt())
    return found
