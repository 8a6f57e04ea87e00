"""Checkpoints in the layouts of StyleGAN2-ADA and rosinality, written by us without a line of theirs."""

import pickle
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

SOURCE = 'raise RuntimeError("embedded source was executed")\n'
OLD_NUMPY = "numpy.core.multiarray"
_KINDS = {
    "": "Generator",
    "synthesis": "SynthesisNetwork",
    "mapping": "MappingNetwork",
    "torgb": "ToRGBLayer",
    "affine": "FullyConnectedLayer",
    "embed": "FullyConnectedLayer",
    "fc": "FullyConnectedLayer",
    "out": "FullyConnectedLayer",
}


@dataclass(frozen=True)
class Named:
    """Is written as the name of a function or class, which need not exist."""

    module: str
    name: str

    def __call__(self):
        raise AssertionError


@dataclass(eq=False)
class Call:
    """Is written as a call of `function`."""

    function: Any
    arguments: tuple
    state: Any = None


class EasyDict(dict):
    """Is written as that of dnnlib."""


@dataclass(eq=False)
class Part:
    """A network, or a part of one."""

    kind: str
    parameters: dict = field(default_factory=dict)
    buffers: dict = field(default_factory=dict)
    modules: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)
    source: str = SOURCE

    def call(self):
        state = {
            "training": False,
            "_parameters": OrderedDict(self.parameters),
            "_buffers": OrderedDict(self.buffers),
            "_non_persistent_buffers_set": set(),
            "_forward_hooks": OrderedDict(),
            "_modules": OrderedDict(self.modules),
            **self.attributes,
            "_init_args": (),
        }
        state.setdefault("_init_kwargs", {})
        meta = {
            "type": "class",
            "version": 6,
            "module_src": self.source,
            "class_name": self.kind,
            "state": state,
        }
        return Call(Named("torch_utils.persistence", "_reconstruct_persistent_obj"), (meta,))


class Writer(pickle._Pickler):
    """Writes names of things that do not exist."""

    def __init__(self, file, protocol, *, old_numpy=False):
        super().__init__(file, protocol)
        self.old_numpy = old_numpy

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, EasyDict) and id(obj) not in self.memo:
            self.save(Named("dnnlib.util", "EasyDict"))
            self.save(())
            self.write(pickle.NEWOBJ)
            self.memoize(obj)
            self._batch_setitems(obj.items())
            return
        super().save(obj, save_persistent_id)

    def reducer_override(self, obj):
        if isinstance(obj, Part):
            obj = obj.call()
        if isinstance(obj, Call):
            return obj.function, obj.arguments, obj.state
        if isinstance(obj, Named):
            return obj.name
        return NotImplemented

    def save_global(self, obj, name=None):
        if not isinstance(obj, Named):
            if self.old_numpy and getattr(obj, "__module__", "") == "numpy._core.multiarray":
                obj = Named(OLD_NUMPY, obj.__name__)
            else:
                super().save_global(obj, name)
                return
        if self.proto >= 4:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)


def write(path, content, protocol=4, *, old_numpy=False):
    """Write `content` as a pickle."""
    with path.open("wb") as file:
        Writer(file, protocol, old_numpy=old_numpy).dump(content)
    return path


def network(shape, tensors, *, top="Generator", source=SOURCE, flat=False, **attributes):
    """Put tensors into the parts of a network, with the attributes that tell how they are used."""
    root = Part(top, source=source)
    for name, tensor in tensors.items():
        part, at = root, []
        *path, last = name.split(".")
        for step in path:
            at.append(step)
            if step not in part.modules:
                part.modules[step] = Part(_kind(step), attributes=_attributes(at, shape), source=source)
            part = part.modules[step]
        if last in ("resample_filter", "noise_const", "w_avg"):
            part.buffers[last] = tensor
        else:
            part.parameters[last] = torch.nn.Parameter(tensor, requires_grad=False)
    if top == "Discriminator":
        root.modules["b4"].modules["mbstd"] = Part(
            "MinibatchStdLayer", attributes={"group_size": shape.group, "num_channels": 1}
        )
    blocks = EasyDict(channel_base=512, channel_max=64, num_fp16_res=4, conv_clamp=shape.clamp)
    kwargs = {"c_dim": shape.c_dim, "img_resolution": shape.resolution, "img_channels": shape.channels}
    kwargs.update(blocks if flat else {"synthesis_kwargs": blocks})
    root.attributes = {**attributes, "num_ws": 2 * len(shape.widths), "_init_kwargs": kwargs}
    return root


def _kind(step):
    if re.fullmatch(r"b\d+", step):
        return "SynthesisBlock"
    if re.fullmatch(r"conv\d", step):
        return "SynthesisLayer"
    return _KINDS.get(step.rstrip("0123456789"), "Conv2dLayer")


def _attributes(at, shape):
    last = at[-1]
    if re.fullmatch(r"conv\d?|fromrgb", last):
        gain = np.float64(np.sqrt(2))
        return {"activation": "lrelu", "conv_clamp": shape.clamp, "act_gain": gain}
    if last == "torgb":
        return {"conv_clamp": shape.clamp, "weight_gain": np.float64(0.5)}
    if last == "skip":
        return {"activation": "linear", "conv_clamp": None}
    if last in ("affine", "embed", "out"):
        return {"activation": "linear", "bias_gain": 1}
    if last.startswith("fc"):
        return {"activation": "lrelu", "bias_gain": shape.mapping_lr if at[0] == "mapping" else 1}
    return {}


def all_tensors(sizes, state):
    """Complete the state of one of our networks by the filters that files have, in the order of `sizes`."""
    taps = torch.tensor([1.0, 3, 3, 1]) / 8
    return {name: state[name] if name in state else taps[:, None] * taps for name in sizes}


def rosinality_state(shape, tensors):
    """Name and shape the tensors of a generator as rosinality does."""
    found = OrderedDict()
    found._metadata = OrderedDict(conv1={"version": 1})  # as torch gives every state
    for i in range(shape.mapping_layers):
        for what in ("weight", "bias"):
            found[f"style.{i + 1}.{what}"] = tensors[f"mapping.fc{i}.{what}"]
    found["input.input"] = tensors["synthesis.b4.const"][None]
    kernel = tensors["synthesis.b4.resample_filter"] * 4
    layers = [("conv1", "synthesis.b4.conv1", False)]
    for block, resolution in enumerate(shape.resolutions[1:]):
        layers.append((f"convs.{2 * block}", f"synthesis.b{resolution}.conv0", True))
        layers.append((f"convs.{2 * block + 1}", f"synthesis.b{resolution}.conv1", False))
    for number, (theirs, ours, up) in enumerate(layers):
        found[f"{theirs}.conv.weight"] = tensors[f"{ours}.weight"][None]
        found[f"{theirs}.conv.modulation.weight"] = tensors[f"{ours}.affine.weight"]
        found[f"{theirs}.conv.modulation.bias"] = tensors[f"{ours}.affine.bias"]
        found[f"{theirs}.noise.weight"] = tensors[f"{ours}.noise_strength"].reshape(1)
        found[f"{theirs}.activate.bias"] = tensors[f"{ours}.bias"]
        found[f"noises.noise_{number}"] = tensors[f"{ours}.noise_const"][None, None]
        if up:
            found[f"{theirs}.conv.blur.kernel"] = kernel
    for block, resolution in enumerate(shape.resolutions):
        theirs, ours = f"to_rgbs.{block - 1}" if block else "to_rgb1", f"synthesis.b{resolution}.torgb"
        found[f"{theirs}.conv.weight"] = tensors[f"{ours}.weight"][None]
        found[f"{theirs}.conv.modulation.weight"] = tensors[f"{ours}.affine.weight"]
        found[f"{theirs}.conv.modulation.bias"] = tensors[f"{ours}.affine.bias"]
        found[f"{theirs}.bias"] = tensors[f"{ours}.bias"].reshape(1, -1, 1, 1)
        if block:
            found[f"{theirs}.upsample.kernel"] = kernel
    return found
