"""Checkpoints of rosinality/stylegan2-pytorch (`.pt`), as generators with the official names.

What such a generator computes, ours computes, too: both follow the same paper, and keep the same numbers.
"""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from glissile.io.generator_state import shape_of_generator
from glissile.io.stylegan_pickle import ForeignGenerator
from glissile.io.torch_storage import StoredTensor, tensors_of
from glissile.io.unreadable import Budget, UnreadableError

if TYPE_CHECKING:
    from torch import Tensor

_FORMAT = "rosinality's stylegan2-pytorch"
_MOST_TENSORS = 2000
_LONGEST_NAME = 100
_GAIN, _SLOPE, _EPSILON = math.sqrt(2), 0.2, 1e-8
_MAPPING_LR = 0.01
# Means of w over fewer latent vectors differ visibly from one set of them to the next.
_SAMPLES, _SEED = 8192, 0

_CONV = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "conv.blur.kernel": "resample_filter",
}
_TO_IMAGE = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "bias": "bias",
    "upsample.kernel": "resample_filter",
}
# Their filters make up for the zeros between pixels by themselves.
_KERNEL_GAIN = 4


def generator_of(found: Mapping[str, object], budget: Budget, *, file_bytes: int) -> ForeignGenerator:
    """Read the averaged generator of a checkpoint.

    Parameters
    ----------
    found : mapping of str
        What the file holds: `g_ema`, and `latent_avg` where there is one.
    budget : Budget
        Is spent.
    file_bytes : int
        Size of the file.

    Returns
    -------
    ForeignGenerator
        Where the file has no mean of w, it is that of 8192 latent vectors.

    Raises
    ------
    UnreadableError
        If there is no such generator.
    """
    state = found.get("g_ema")
    if not isinstance(state, dict):
        raise UnreadableError(f"holds no averaged generator g_ema of {_FORMAT}; choose another file")
    stored = _stored(state)
    mean = found.get("latent_avg")
    if isinstance(mean, StoredTensor):
        stored["mapping.w_avg"] = mean._replace(size=mean.size[-1:], stride=mean.stride[-1:])
    sizes = {name: tensor.size for name, tensor in stored.items()}
    sizes.setdefault("mapping.w_avg", sizes.get("mapping.fc0.bias", ()))
    try:
        shape = shape_of_generator(
            {name: size for name, size in sizes.items() if not name.endswith(".torgb.resample_filter")},
            mapping_lr=_MAPPING_LR,
        )
    except ValueError as problem:
        raise UnreadableError(f"is no generator of {_FORMAT}, as {problem}; choose another") from problem
    tensors = tensors_of(stored, budget, file_bytes=file_bytes)
    for name in tensors:
        if name.endswith("resample_filter"):
            tensors[name] = tensors[name] / _KERNEL_GAIN
    if "mapping.w_avg" not in tensors:
        tensors["mapping.w_avg"] = mean_w(tensors, shape.mapping_layers)
    return ForeignGenerator(shape=shape, tensors=tensors, format=_FORMAT)


def _stored(state: dict[str, object]) -> dict[str, StoredTensor]:
    if len(state) > _MOST_TENSORS:
        raise UnreadableError("holds more tensors than any generator has; it is not read")
    stored: dict[str, StoredTensor] = {}
    for theirs, tensor in state.items():
        ours = _official(theirs)
        if ours is None or not isinstance(tensor, StoredTensor):
            raise UnreadableError(
                f"holds {theirs[:_LONGEST_NAME]!r}, which is no part of a generator of {_FORMAT}; choose "
                "another file"
            )
        stored[ours] = _as_official(ours, tensor)
    return stored


def _official(theirs: str) -> str | None:
    """Official name of a tensor, None where there is no such tensor."""
    if theirs == "input.input":
        return "synthesis.b4.const"
    if match := re.fullmatch(r"style\.([1-9]|1[0-6])\.(weight|bias)", theirs):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}"
    if match := re.fullmatch(r"noises\.noise_(\d{1,2})", theirs):
        return f"{_layer(int(match[1]))}.noise_const"
    if match := re.fullmatch(r"conv(?:1|s\.(\d{1,2}))\.(.+)", theirs):
        part = _CONV.get(match[2])
        layer = _layer(0 if match[1] is None else int(match[1]) + 1)
        return f"{layer}.{part}" if part else None
    if match := re.fullmatch(r"to_rgb(?:1|s\.(\d{1,2}))\.(.+)", theirs):
        part = _TO_IMAGE.get(match[2])
        block = 0 if match[1] is None else int(match[1]) + 1
        return f"synthesis.b{4 << block}.torgb.{part}" if part else None
    return None


def _layer(number: int) -> str:
    """Name of a layer, counted from the coarsest."""
    return f"synthesis.b{4 << (number + 1) // 2}.conv{(number + 1) % 2}"


def _as_official(name: str, tensor: StoredTensor) -> StoredTensor:
    """Drop axes of length 1 that official tensors do not have."""
    last = name.rpartition(".")[2]
    if name.endswith(".torgb.bias"):
        kept = slice(1, 2)
    elif last in ("const", "noise_strength") or (last == "weight" and len(tensor.size) == 5):
        kept = slice(1, None)
    else:
        kept = slice(2, None) if last == "noise_const" else slice(None)
    changed = tensor._replace(size=tensor.size[kept], stride=tensor.stride[kept])
    if math.prod(changed.size) != math.prod(tensor.size):
        raise UnreadableError("holds tensors of other shapes than a generator has; get the file again")
    return changed


def mean_w(tensors: "Mapping[str, Tensor]", layers: int) -> "Tensor":
    """Mean of w over random latent vectors, the same on every run.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Those of an unconditional mapping among them, by their official names.
    layers : int
        Of the mapping.

    Returns
    -------
    Tensor, shape (w_dim,)
    """
    import torch
    from torch.nn import functional as F  # noqa: N812

    inputs = tensors["mapping.fc0.weight"].shape[1]
    x = torch.from_numpy(np.random.RandomState(_SEED).randn(_SAMPLES, inputs).astype(np.float32))
    x = x * (x.square().mean(dim=1, keepdim=True) + _EPSILON).rsqrt()
    for i in range(layers):
        weight, bias = (tensors[f"mapping.fc{i}.{what}"] * _MAPPING_LR for what in ("weight", "bias"))
        x = F.leaky_relu(F.linear(x, weight / math.sqrt(weight.shape[1]), bias), _SLOPE) * _GAIN
    # Rounded, as the last digits are those of the processor, and the hash of the weights must not be.
    return x.double().mean(dim=0).round(decimals=4).float()
