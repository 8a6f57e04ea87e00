"""Names and shapes of the tensors of a StyleGAN2, as files have them, and the network that they tell of."""

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError

from glissile.io.generator_card import Architecture, DiscriminatorShape, GeneratorShape, NetworkShape

Size = tuple[int, ...]
Sizes = dict[str, Size]
S = TypeVar("S", bound=NetworkShape)

FILTER = "resample_filter"
"""What the names of resampling filters end in; they are the same in every network and need not be there."""

_MOST_LAYERS = 16
_LONGEST_NAME = 80
_FILTER_SIZE = (4, 4)


def generator_tensors(shape: GeneratorShape) -> Sizes:
    """Names and shapes of the tensors of a generator.

    Parameters
    ----------
    shape : GeneratorShape
        Of the networks.

    Returns
    -------
    dict of str to tuple of int
        The resampling filters included.
    """
    found: Sizes = {}
    before = 0
    for resolution, width in zip(shape.resolutions, shape.widths, strict=True):
        found.update(_named(f"synthesis.b{resolution}", _synthesis_block(shape, resolution, before, width)))
        before = width
    sizes = [shape.z_dim + shape.embedding, *[shape.mapping_width] * (shape.mapping_layers - 1), shape.w_dim]
    found["mapping.w_avg"] = (shape.w_dim,)
    if shape.c_dim:
        found.update(_dense("mapping.embed", shape.c_dim, shape.embedding))
    for i in range(shape.mapping_layers):
        found.update(_dense(f"mapping.fc{i}", sizes[i], sizes[i + 1]))
    return found


def discriminator_tensors(shape: DiscriminatorShape) -> Sizes:
    """Names and shapes of the tensors of a discriminator; see `generator_tensors`."""
    found: Sizes = {}
    for resolution in reversed(shape.resolutions[1:]):
        found.update(_named(f"b{resolution}", _discriminator_block(shape, resolution)))
    width = shape.width(4)
    if shape.architecture == "skip":
        found.update(_convolution("b4.fromrgb", shape.channels, width, 1))
    found.update(_convolution("b4.conv", width + shape.group_channels, width, 3))
    found.update(_dense("b4.fc", 16 * width, width))
    found.update(_dense("b4.out", width, shape.class_map or 1))
    if shape.c_dim:
        found.update(_dense("mapping.embed", shape.c_dim, shape.class_map))
        for i in range(shape.mapping_layers):
            found.update(_dense(f"mapping.fc{i}", shape.class_map, shape.class_map))
    return found


def _named(name: str, parts: Sizes) -> Sizes:
    return {f"{name}.{part}": size for part, size in parts.items()}


def _dense(name: str, inputs: int, outputs: int) -> Sizes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _convolution(name: str, inputs: int, outputs: int, size: int, *, bias: bool = True) -> Sizes:
    return {
        f"{name}.weight": (outputs, inputs, size, size),
        **({f"{name}.bias": (outputs,)} if bias else {}),
        f"{name}.{FILTER}": _FILTER_SIZE,
    }


def _synthesis_block(shape: GeneratorShape, resolution: int, before: int, width: int) -> Sizes:
    found: Sizes = {FILTER: _FILTER_SIZE}
    if not before:
        found["const"] = (width, 4, 4)
    else:
        found.update(_layer("conv0", shape, resolution, before, width))
        if shape.architecture == "resnet":
            found.update(_convolution("skip", before, width, 1, bias=False))
    found.update(_layer("conv1", shape, resolution, width, width))
    if shape.architecture == "skip" or resolution == shape.resolution:
        found["torgb.weight"] = (shape.channels, width, 1, 1)
        found["torgb.bias"] = (shape.channels,)
        found.update(_dense("torgb.affine", shape.w_dim, width))
    return found


def _layer(name: str, shape: GeneratorShape, resolution: int, inputs: int, outputs: int) -> Sizes:
    noise = {f"{name}.noise_strength": (), f"{name}.noise_const": (resolution, resolution)}
    return {
        **_convolution(name, inputs, outputs, 3),
        **(noise if shape.noise else {}),
        **_dense(f"{name}.affine", shape.w_dim, inputs),
    }


def _discriminator_block(shape: DiscriminatorShape, resolution: int) -> Sizes:
    width, after = shape.width(resolution), shape.width(resolution // 2)
    found: Sizes = {FILTER: _FILTER_SIZE}
    if shape.architecture == "skip" or resolution == shape.resolution:
        found.update(_convolution("fromrgb", shape.channels, width, 1))
    found.update(_convolution("conv0", width, width, 3))
    found.update(_convolution("conv1", width, after, 3))
    if shape.architecture == "resnet":
        found.update(_convolution("skip", width, after, 1, bias=False))
    return found


def shape_of_generator(
    sizes: Mapping[str, Size], *, clamp: float | None = None, mapping_lr: float = 0.01
) -> GeneratorShape:
    """Find out which generator tensors belong to.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Names and shapes of all of its tensors; the resampling filters may be missing.
    clamp, mapping_lr : float
        What shapes do not tell, see `GeneratorShape`.

    Returns
    -------
    GeneratorShape
        Has just these tensors.

    Raises
    ------
    ValueError
        If there is none.
    """
    resolution = _resolution(sizes, "synthesis.b")
    blocks = [f"synthesis.b{4 << i}" for i in range(resolution.bit_length() - 2)]
    layers = _layers(sizes)
    embedding, c_dim = _embedding(sizes)
    shape = _checked(
        GeneratorShape,
        resolution=resolution,
        channels=_at(sizes, f"{blocks[-1]}.torgb.weight", 4)[0],
        widths=tuple(_at(sizes, f"{block}.conv1.weight", 4)[0] for block in blocks),
        c_dim=c_dim,
        mapping_layers=layers,
        mapping_lr=mapping_lr,
        clamp=clamp,
        architecture=_architecture(sizes, "synthesis.b4.torgb.weight", f"{blocks[-1]}.skip.weight"),
        z_dim=_at(sizes, "mapping.fc0.weight", 2)[1] - embedding,
        w_dim=_at(sizes, "synthesis.b4.conv1.affine.weight", 2)[1],
        mapping_width=_at(sizes, "mapping.fc0.weight", 2)[0],
        embedding=embedding,
        noise="synthesis.b4.conv1.noise_const" in sizes,
    )
    _compare(sizes, generator_tensors(shape))
    return shape


def shape_of_discriminator(
    sizes: Mapping[str, Size], *, clamp: float | None = None, mapping_lr: float = 0.01, group: int = 4
) -> DiscriminatorShape:
    """Find out which discriminator tensors belong to; see `shape_of_generator`.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Names and shapes of all of its tensors; the resampling filters may be missing.
    clamp, mapping_lr : float
        What shapes do not tell, see `DiscriminatorShape`.
    group : int
        See `DiscriminatorShape`.

    Raises
    ------
    ValueError
        If there is none.
    """
    resolution = _resolution(sizes, "b")
    blocks = [f"b{8 << i}" for i in range(resolution.bit_length() - 3)]
    width, seen = _at(sizes, "b4.conv.weight", 4)[:2]
    class_map, c_dim = _embedding(sizes)
    entry = f"b{resolution}.fromrgb.weight"
    shape = _checked(
        DiscriminatorShape,
        resolution=resolution,
        channels=_at(sizes, entry, 4)[1],
        widths=(width, *(_at(sizes, f"{block}.conv0.weight", 4)[0] for block in blocks)),
        c_dim=c_dim,
        mapping_layers=_layers(sizes) if c_dim else 8,
        mapping_lr=mapping_lr,
        clamp=clamp,
        architecture=_architecture(sizes, "b4.fromrgb.weight", f"b{resolution}.skip.weight"),
        class_map=class_map,
        group=group,
        group_channels=seen - width,
    )
    _compare(sizes, discriminator_tensors(shape))
    return shape


def _resolution(sizes: Mapping[str, Size], prefix: str) -> int:
    """Largest resolution that there is a block of."""
    block = re.compile(re.escape(prefix) + r"(8|16|32|64|128|256|512|1024|2048)\.")
    matches = (block.match(name) for name in sizes)
    return max((int(match[1]) for match in matches if match), default=4)


def _architecture(sizes: Mapping[str, Size], image_everywhere: str, beside: str) -> Architecture:
    if beside in sizes:
        return "resnet"
    return "skip" if image_everywhere in sizes else "orig"


def _layers(sizes: Mapping[str, Size]) -> int:
    return sum(f"mapping.fc{i}.weight" in sizes for i in range(_MOST_LAYERS))


def _embedding(sizes: Mapping[str, Size]) -> Size:
    """Features that a class becomes, and the number of classes."""
    return _at(sizes, "mapping.embed.weight", 2) if "mapping.embed.weight" in sizes else (0, 0)


def _at(sizes: Mapping[str, Size], name: str, axes: int) -> Size:
    found = sizes.get(name)
    if found is None:
        raise ValueError(f"{name!r} is missing in it")
    if len(found) != axes:
        raise ValueError(f"{name!r} in it has {len(found)} axes and not {axes}")
    return found


def _checked(kind: type[S], **found: object) -> S:
    try:
        return kind.model_validate(found)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from problem


def _compare(found: Mapping[str, Size], expected: Sizes) -> None:
    for name, size in expected.items():
        if name in found and found[name] != size:
            raise ValueError(f"{name!r} in it has the shape {found[name]} and not {size}")
    missing = _first(name for name in expected if name not in found and not name.endswith(FILTER))
    if missing:
        raise ValueError(f"{missing!r} is missing in it")
    extra = _first(name for name in found if name not in expected)
    if extra:
        raise ValueError(f"{extra[:_LONGEST_NAME]!r} in it is no part of such a network")


def _first(names: Iterator[str]) -> str:
    return next(names, "")
