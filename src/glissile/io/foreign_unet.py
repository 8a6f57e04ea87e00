"""Weights of U-Nets trained elsewhere -> our network of Ronneberger et al., without running code of the file.

The layout is that of a widespread PyTorch implementation, milesial/Pytorch-UNet: `inc`, `down1` to `downN`,
`up1` to `upN` and `outc`, each level two convolutions with batch normalisation. What that network computes
from frames whose sizes are multiples of its stride, ours computes, too.
"""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from glissile.errors import InputError
from glissile.io.archives import open_archive
from glissile.io.model_card import Architecture
from glissile.io.tensor_file import read_tensors

if TYPE_CHECKING:
    from torch import Tensor

LAYOUT = "the layout of milesial/Pytorch-UNet"
# Training programs save the weights in a larger dictionary, under one of these names.
_WRAPPERS = ("state_dict", "model_state_dict")
_FIRST = "inc.double_conv.0.weight"
# That program keeps the mask values of its training set among the weights.
_NO_WEIGHT = "mask_values"
_FEWEST_LEVELS, _MOST_LEVELS = 2, 7
_MOST_CHANNELS = 2048
_NORM = ("weight", "bias", "running_mean", "running_var")
_TORCH_ZIP, _TORCHSCRIPT = "/data.pkl", "/constants.pkl"


class ForeignUNet(NamedTuple):
    """A foreign U-Net as our network: what to build, and its state."""

    architecture: Architecture
    tensors: "dict[str, Tensor]"


class _Place(NamedTuple):
    """Where a tensor comes from, where it goes, and its shape."""

    theirs: str
    ours: str
    shape: tuple[int, ...]


class _Pair(NamedTuple):
    """A convolution with its batch normalisation, theirs and ours, and the channels in and out."""

    theirs: str
    ours: str
    at: int
    inputs: int
    outputs: int

    def places(self) -> Iterator[_Place]:
        conv, norm = f".{self.at}", f".{self.at + 1}"
        shape = (self.outputs, self.inputs, 3, 3)
        yield _Place(f"{self.theirs}{conv}.weight", f"{self.ours}{conv}.weight", shape)
        for what in _NORM:
            yield _Place(f"{self.theirs}{norm}.{what}", f"{self.ours}{norm}.{what}", (self.outputs,))


def read_foreign_unet(path: Path) -> ForeignUNet:
    """Read the weights of a foreign U-Net.

    Parameters
    ----------
    path : Path
        State dict, as `torch.save` (of torch 1.6 or newer) or safetensors write it; at most 4 GiB.

    Returns
    -------
    ForeignUNet
        For grey frames: a network for red, green and blue gives what it gives for three equal channels. One
        for a single class, whose one output is positive inside, has two outputs here, background first.

    Raises
    ------
    InputError
        If the file holds more than tensors, is too large, or is no U-Net of this layout.
    """
    with path.open("rb") as opened:
        zipped = opened.read(4) == b"PK\x03\x04"
    if zipped:
        found = _read_torch(path)
    elif path.suffix.lower() == ".safetensors":
        found = read_tensors(path)[0]
    else:
        raise InputError(
            f"{path}: this is no file of weights that can be read without running code of it; save them "
            "again, as safetensors or with torch.save(network.state_dict(), FILE) of torch 1.6 or newer"
        )
    return translated(_state(found, str(path)), str(path))


def _read_torch(path: Path) -> object:
    """Read what `torch.save` wrote, where that is tensors, numbers, texts and collections of them."""
    import torch

    with open_archive(path) as archive:
        members = archive.members
    if any(member.endswith(_TORCHSCRIPT) for member in members):
        raise InputError(
            f"{path}: this is a TorchScript program, which is never run; save the weights alone, with "
            "torch.save(network.state_dict(), FILE)"
        )
    # Compressed, a small file could fill the memory; torch itself compresses nothing.
    compressed = any(info.compress_type != zipfile.ZIP_STORED for info in members.values())
    if compressed or not any(member.endswith(_TORCH_ZIP) for member in members):
        raise InputError(f"{path}: this zip file was not written by torch.save; choose a file of weights")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        raise InputError(
            f"{path}: holds Python objects besides tensors, which are never run; save the weights alone, "
            "with torch.save(network.state_dict(), FILE)"
        ) from problem
    except Exception as problem:  # of a file made by hand, whatever torch stumbles over
        raise InputError(f"{path}: torch cannot read these weights; get the file again") from problem


def _state(found: object, name: str) -> "dict[str, Tensor]":
    """Find the tensors in what was saved, without the prefix that wrapped modules give to all names."""
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found:
        raise InputError(f"{name}: holds no named tensors; choose a file with the weights of a U-Net")
    named: dict[str, Any] = {str(key): value for key, value in found.items()}
    prefix = next((key.removesuffix(_FIRST) for key in named if key.endswith(_FIRST)), "")
    state = {key.removeprefix(prefix): value for key, value in named.items() if key.startswith(prefix)}
    state.pop(_NO_WEIGHT, None)
    strange = [key for key, value in state.items() if not _is_plain(value)]
    if strange:
        raise InputError(f"{name}: {strange[0]!r} in it is no plain tensor; save the weights alone")
    return state


def _is_plain(value: object) -> bool:
    """Whether it is a tensor with all its numbers in memory: not sparse, quantised, nested or without any."""
    import torch

    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not (value.is_quantized or value.is_nested)
    )


def translated(state: "Mapping[str, Tensor]", name: str) -> ForeignUNet:
    """Rename and fold the tensors of a foreign U-Net; see `read_foreign_unet`.

    Parameters
    ----------
    state : mapping of str to Tensor
        By foreign name.
    name : str
        What messages call it.

    Returns
    -------
    ForeignUNet

    Raises
    ------
    InputError
        If a tensor is missing, left over, of another shape, larger than its numbers in memory, or not finite.
    """
    import torch

    widths, inputs, outputs = _sizes(state, name)
    pairs = list(_pairs(widths, inputs))
    left = dict(state)
    taken = {
        place.ours: _checked(left.pop(place.theirs, None), place, name)
        for place in (*(place for pair in pairs for place in pair.places()), *_others(widths, outputs))
    }
    for pair in pairs:
        norm = f"{pair.ours}.{pair.at + 1}"
        left.pop(f"{pair.theirs}.{pair.at + 1}.num_batches_tracked", None)
        taken[f"{norm}.num_batches_tracked"] = torch.tensor(0)
        bias = f"{pair.theirs}.{pair.at}.bias"
        if bias in left:  # older networks have one, which the normalisation subtracts again with the mean
            folded = f"{norm}.running_mean"
            taken[folded] = taken[folded] - _checked(left.pop(bias), _Place(bias, "", (pair.outputs,)), name)
    if left:
        raise InputError(f"{name}: {next(iter(left))!r} in it is no part of {LAYOUT}; it cannot be imported")
    if inputs > 1:  # equal channels: each kernel acts on grey as the sum of its kernels does
        taken["entry.0.weight"] = taken["entry.0.weight"].sum(dim=1, keepdim=True)
    if outputs == 1:  # sigmoid(z) > 1/2 where z > 0, which is the output of the background
        for key in ("head.weight", "head.bias"):
            taken[key] = torch.cat([torch.zeros_like(taken[key]), taken[key]])
    return ForeignUNet(Architecture(kind="ronneberger", outputs=max(outputs, 2), widths=widths), taken)


def _sizes(state: "Mapping[str, Tensor]", name: str) -> tuple[tuple[int, ...], int, int]:
    """Channels of each level, finest first, of the input, and of the output."""
    if _FIRST not in state:
        first = next(iter(state), "nothing")
        raise InputError(
            f"{name}: these weights begin with {first!r}; only U-Nets in {LAYOUT}, with "
            f"{_FIRST!r}, can be imported"
        )
    if "up1.conv.double_conv.0.weight" in state and "up1.up.weight" not in state:
        raise InputError(
            f"{name}: this U-Net enlarges by bilinear interpolation, which ours cannot; train it with "
            "transposed convolutions (bilinear=False)"
        )
    levels = 1 + sum(f"{_down(i)}.0.weight" in state for i in range(1, _MOST_LEVELS + 1))
    firsts = [_FIRST, *(f"{_down(i)}.0.weight" for i in range(1, levels)), "outc.conv.weight"]
    shapes = [tuple(state[key].shape) if key in state else () for key in firsts]
    if not _FEWEST_LEVELS <= levels <= _MOST_LEVELS or any(len(shape) != 4 for shape in shapes):
        raise InputError(f"{name}: these weights are no whole U-Net in {LAYOUT}; get the file again")
    *widths, outputs = (shape[0] for shape in shapes)
    inputs = shapes[0][1]
    if inputs not in (1, 3):
        raise InputError(
            f"{name}: takes {inputs} channels; only networks for 1 (grey) or 3 (RGB) can be used"
        )
    if not all(1 <= width <= _MOST_CHANNELS for width in widths) or not 1 <= outputs <= 256:
        raise InputError(f"{name}: a U-Net of {widths} channels with {outputs} outputs cannot be used")
    return tuple(widths), inputs, outputs


def _down(level: int) -> str:
    return f"down{level}.maxpool_conv.1.double_conv"


def _pairs(widths: tuple[int, ...], inputs: int) -> Iterator[_Pair]:
    steps = list(pairwise(widths))
    blocks = [("inc.double_conv", "entry", inputs, widths[0])]
    blocks += [(_down(i), f"down.{i - 1}", fine, coarse) for i, (fine, coarse) in enumerate(steps, start=1)]
    blocks += [
        (f"up{i}.conv.double_conv", f"join.{i - 1}", 2 * fine, fine)
        for i, (fine, _) in enumerate(reversed(steps), start=1)
    ]
    for theirs, ours, before, after in blocks:
        yield _Pair(theirs, ours, 0, before, after)
        yield _Pair(theirs, ours, 3, after, after)


def _others(widths: tuple[int, ...], outputs: int) -> Iterator[_Place]:
    for i, (fine, coarse) in enumerate(reversed(list(pairwise(widths)))):
        yield _Place(f"up{i + 1}.up.weight", f"up.{i}.weight", (coarse, fine, 2, 2))
        yield _Place(f"up{i + 1}.up.bias", f"up.{i}.bias", (fine,))
    yield _Place("outc.conv.weight", "head.weight", (outputs, widths[0], 1, 1))
    yield _Place("outc.conv.bias", "head.bias", (outputs,))


def _checked(tensor: "Tensor | None", place: _Place, name: str) -> "Tensor":
    if tensor is None:
        raise InputError(f"{name}: {place.theirs!r} is missing in it; get the file again")
    # Shape and storage first: a view of one number may claim to be larger than the memory.
    if tuple(tensor.shape) != place.shape:
        raise InputError(
            f"{name}: {place.theirs!r} has the shape {tuple(tensor.shape)} and not {place.shape}; this is "
            f"not {LAYOUT}"
        )
    if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise InputError(
            f"{name}: {place.theirs!r} repeats fewer numbers than it has places for; save the weights again, "
            "with torch.save(network.state_dict(), FILE)"
        )
    # Some kinds of 8 bits cannot be asked whether they are finite.
    single = tensor.float()
    if not tensor.is_floating_point() or not bool(single.isfinite().all()):
        raise InputError(
            f"{name}: {place.theirs!r} holds values that are no numbers; train the network again"
        )
    return single
